{{- define "npp.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "npp.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else if contains (include "npp.name" .) .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "npp.name" .) | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "npp.selectorLabels" -}}
app.kubernetes.io/name: {{ include "npp.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "npp.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "npp.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/component: webhook
app.kubernetes.io/part-of: netpol-preflight
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "npp.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "npp.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "npp.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}
{{- end -}}

{{- define "npp.secret" -}}
{{- default (printf "%s-tls" (include "npp.fullname" .)) .Values.certificates.secretName -}}
{{- end -}}

{{- /* A name for what is cluster-wide: two releases of one name in two namespaces must not share it. */ -}}
{{- define "npp.clusterName" -}}
{{- printf "%s-%s" (include "npp.fullname" .) .Release.Namespace | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "npp.namespaceSelector" -}}
{{- $own := dict "key" "kubernetes.io/metadata.name" "operator" "NotIn" "values" (concat (list "kube-system" .Release.Namespace) .Values.webhook.excludedNamespaces | uniq | sortAlpha) -}}
{{- $given := deepCopy .Values.webhook.namespaceSelector -}}
{{- $expressions := concat (list $own) (default list $given.matchExpressions) -}}
{{- toYaml (mergeOverwrite $given (dict "matchExpressions" $expressions)) -}}
{{- end -}}
