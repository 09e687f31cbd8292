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
app.kubernetes.io/component: webhook
{{- end -}}

{{- /* One dict, so that no label is there twice; `more` are an object's own. A selector's labels are nobody's to change. */ -}}
{{- define "npp.labels" -}}
{{- include "npp.labelsWith" (dict "root" . "more" dict) -}}
{{- end -}}
{{- define "npp.labelsWith" -}}
{{- $root := .root -}}
{{- $fixed := include "npp.selectorLabels" $root | fromYaml -}}
{{- $version := dict "helm.sh/chart" (printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_") "app.kubernetes.io/version" $root.Chart.AppVersion "app.kubernetes.io/part-of" "netpol-preflight" "app.kubernetes.io/managed-by" $root.Release.Service -}}
{{- toYaml (mergeOverwrite (dict) $root.Values.commonLabels .more $version $fixed) -}}
{{- end -}}

{{- define "npp.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "npp.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- /* The first part of a repository is a registry where it has a dot or a port (distribution/reference). */ -}}
{{- define "npp.image" -}}
{{- $repository := .Values.image.repository -}}
{{- with (.Values.global).imageRegistry -}}
{{- $repository = printf "%s/%s" (trimSuffix "/" .) (regexReplaceAll "^([^/]*[.:][^/]*|localhost)/" $repository "") -}}
{{- end -}}
{{- if .Values.image.digest -}}
{{ $repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ $repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}
{{- end -}}

{{- define "npp.pullSecrets" -}}
{{- range concat .Values.imagePullSecrets ((.Values.global).imagePullSecrets | default list) | uniq }}
- name: {{ . }}
{{- end }}
{{- end -}}

{{- /* The fewest replicas that there are. */ -}}
{{- define "npp.replicas" -}}
{{- ternary .Values.autoscaling.minReplicas .Values.replicaCount .Values.autoscaling.enabled -}}
{{- end -}}

{{- define "npp.secret" -}}
{{- default (printf "%s-tls" (include "npp.fullname" .)) .Values.certificates.secretName -}}
{{- end -}}

{{- define "npp.host" -}}
{{ include "npp.fullname" . }}.{{ .Release.Namespace }}.svc
{{- end -}}

{{- /* A name for what is cluster-wide: two releases of one name in two namespaces must not share it. */ -}}
{{- define "npp.clusterName" -}}
{{- printf "%s-%s" (include "npp.fullname" .) .Release.Namespace | trunc 200 | trimSuffix "-" -}}
{{- end -}}

{{- define "npp.config" -}}
{{- $audit := ternary (dict "audit" .Values.audit) dict .Values.audit.enabled -}}
{{- toYaml (mergeOverwrite (deepCopy .Values.config) (dict "mode" .Values.mode "cni" .Values.cni) $audit) -}}
{{- end -}}

{{- /* The API server is in no mesh: a proxy that asks for the mesh's TLS would answer in the webhook's place. */ -}}
{{- define "npp.outsideMeshLabels" -}}
sidecar.istio.io/inject: "false"
istio.io/dataplane-mode: none
{{- end -}}
{{- define "npp.outsideMeshAnnotations" -}}
linkerd.io/inject: disabled
{{- end -}}

{{- /* Which of the namespaces that stay out are names, for the selector, and which beginnings of names, for CEL. */ -}}
{{- define "npp.excluded" -}}
{{- $names := list -}}
{{- $beginnings := list -}}
{{- range .Values.webhook.excludedNamespaces -}}
{{- if hasSuffix "*" . -}}
{{- $beginnings = append $beginnings (trimSuffix "*" .) -}}
{{- else -}}
{{- $names = append $names . -}}
{{- end -}}
{{- end -}}
{{- dict "names" $names "beginnings" $beginnings | toYaml -}}
{{- end -}}

{{- /* The given conditions and ours: nothing that is given takes kube-system or the release's namespace in. */ -}}
{{- define "npp.namespaceSelector" -}}
{{- $name := "kubernetes.io/metadata.name" -}}
{{- $ours := list (dict "key" $name "operator" "NotIn" "values" (concat (list "kube-system" .Release.Namespace) (include "npp.excluded" . | fromYaml).names | uniq | sortAlpha)) -}}
{{- with .Values.namespaces -}}
{{- $ours = append $ours (dict "key" $name "operator" "In" "values" (uniq . | sortAlpha)) -}}
{{- end -}}
{{- $given := deepCopy .Values.webhook.namespaceSelector -}}
{{- $expressions := concat $ours (default list $given.matchExpressions) -}}
{{- toYaml (mergeOverwrite $given (dict "matchExpressions" $expressions)) -}}
{{- end -}}

{{- /* What cannot work is refused while rendering, with the value's name. */ -}}
{{- define "npp.validate" -}}
{{- range list "audit" "autoscaling" "clientCA" "containerSecurityContext" "podSecurityContext" "report" -}}
{{- if kindIs "invalid" (index $.Values .) -}}
{{- fail (printf "%s: expected a value; these are an older chart's: upgrade with --reset-then-reuse-values, not --reuse-values" .) -}}
{{- end -}}
{{- end -}}
{{- if le (int .Values.terminationGracePeriodSeconds) (add (int .Values.preStopSleepSeconds) (int .Values.drainSeconds)) -}}
{{- fail "terminationGracePeriodSeconds: expected more than preStopSleepSeconds and drainSeconds together" -}}
{{- end -}}
{{- if and .Values.hostNetwork (eq (int .Values.webhook.port) 10250) -}}
{{- fail "webhook.port: expected another one with hostNetwork, as 10250 is the kubelet's on every node" -}}
{{- end -}}
{{- if and .Values.autoscaling.enabled (lt (int .Values.autoscaling.maxReplicas) (int .Values.autoscaling.minReplicas)) -}}
{{- fail "autoscaling.maxReplicas: expected no fewer than autoscaling.minReplicas" -}}
{{- end -}}
{{- if eq (int .Values.webhook.port) (int .Values.service.healthPort) -}}
{{- fail "service.healthPort: expected another port than webhook.port" -}}
{{- end -}}
{{- if eq (int .Values.service.port) (int .Values.service.healthPort) -}}
{{- fail "service.healthPort: expected another port than service.port" -}}
{{- end -}}
{{- if has (int .Values.service.metricsPort) (list (int .Values.webhook.port) (int .Values.service.port) (int .Values.service.healthPort)) -}}
{{- fail "service.metricsPort: expected another port than webhook.port, service.port and service.healthPort" -}}
{{- end -}}
{{- if and .Values.report.enabled (has (int .Values.report.port) (list (int .Values.webhook.port) (int .Values.service.port) (int .Values.service.healthPort) (int .Values.service.metricsPort))) -}}
{{- fail "report.port: expected another port than webhook.port, service.port, service.healthPort and service.metricsPort" -}}
{{- end -}}
{{- if and .Values.serviceMonitor.enabled .Values.networkPolicy.enabled (not .Values.networkPolicy.metricsFrom) -}}
{{- fail "networkPolicy.metricsFrom: expected the peers that Prometheus runs as, as serviceMonitor.enabled is true" -}}
{{- end -}}
{{- if .Values.config.audit -}}
{{- fail "config.audit: expected it in `audit`, which brings the rights for it" -}}
{{- end -}}
{{- if and .Values.clientCA.configMap .Values.clientCA.secret -}}
{{- fail "clientCA: expected configMap or secret, not both" -}}
{{- end -}}
{{- if and (eq .Values.certificates.mode "provided") (not .Values.certificates.caBundle) -}}
{{- fail "certificates.caBundle: expected the PEM of the CA, as certificates.mode is `provided`" -}}
{{- end -}}
{{- if and (eq .Values.certificates.mode "provided") (not .Values.certificates.secretName) -}}
{{- fail "certificates.secretName: expected the name of your Secret, as certificates.mode is `provided`" -}}
{{- end -}}
{{- end -}}

{{- define "npp.lease" -}}
{{- printf "%s-audit" (include "npp.fullname" .) -}}
{{- end -}}

{{- define "npp.testLabels" -}}
app.kubernetes.io/name: {{ include "npp.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: test
{{- end -}}
