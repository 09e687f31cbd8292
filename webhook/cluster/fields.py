"""The fields that are kept of an object while it is decoded, kind by kind: those that the core reads.

Leaves are `Any`: whether they are what they should be is for `webhook.wire` to say.
"""

from typing import Any, Final, TypedDict


class Metadata(TypedDict, total=False):
    """`ObjectMeta`, without `managedFields`, often half of an object."""

    name: str
    namespace: str
    resourceVersion: str
    creationTimestamp: Any
    deletionTimestamp: Any
    labels: Any
    annotations: Any
    ownerReferences: Any
    uid: Any


class Anything(TypedDict, total=False):
    """An object of any kind: also what is tried where an object does not have the shape of its kind."""

    metadata: Metadata
    spec: Any
    specs: Any  # of Cilium's policies
    status: Any
    addressType: Any
    endpoints: Any
    ports: Any


class _Bare(TypedDict, total=False):
    metadata: Metadata


class _Container(TypedDict, total=False):
    name: Any
    ports: Any
    restartPolicy: Any


class _PodSpec(TypedDict, total=False):
    nodeName: Any
    hostNetwork: Any
    dnsPolicy: Any
    serviceAccountName: Any
    subdomain: Any
    containers: list[_Container] | None
    initContainers: list[_Container] | None


class _PodStatus(TypedDict, total=False):
    phase: Any
    podIP: Any
    podIPs: Any


class _Pod(TypedDict, total=False):
    metadata: Metadata
    spec: _PodSpec | None
    status: _PodStatus | None


class _Asked(TypedDict, total=False):
    port: Any


class _Probe(TypedDict, total=False):
    httpGet: _Asked | None
    tcpSocket: _Asked | None
    grpc: _Asked | None


class _ToldContainer(_Container, total=False):
    readinessProbe: _Probe | None
    livenessProbe: _Probe | None
    startupProbe: _Probe | None
    command: Any
    args: Any
    env: Any
    envFrom: Any
    volumeMounts: Any


class _ToldPodSpec(TypedDict, total=False):
    """A pod's spec with what its containers are told: only of what nobody controls does that matter."""

    nodeName: Any
    hostNetwork: Any
    dnsPolicy: Any
    dnsConfig: Any
    hostAliases: Any
    automountServiceAccountToken: Any
    serviceAccountName: Any
    subdomain: Any
    containers: list[_ToldContainer] | None
    initContainers: list[_ToldContainer] | None
    volumes: Any


class ToldPod(TypedDict, total=False):
    """A pod that nobody controls."""

    metadata: Metadata
    spec: _ToldPodSpec | None
    status: _PodStatus | None


class _TemplateMetadata(TypedDict, total=False):
    labels: Any
    annotations: Any


class _Template(TypedDict, total=False):
    metadata: _TemplateMetadata | None
    spec: _ToldPodSpec | None


class _WorkloadSpec(TypedDict, total=False):
    replicas: Any
    selector: Any
    serviceName: Any
    template: _Template | None


class _WorkloadStatus(TypedDict, total=False):
    desiredNumberScheduled: Any


class _AgentContainer(_ToldContainer, total=False):
    image: Any


class _AgentPodSpec(TypedDict, total=False):
    """A pod's spec with the images, which tell what enforces policy."""

    hostNetwork: Any
    dnsPolicy: Any
    dnsConfig: Any
    hostAliases: Any
    automountServiceAccountToken: Any
    serviceAccountName: Any
    subdomain: Any
    containers: list[_AgentContainer] | None
    initContainers: list[_ToldContainer] | None
    volumes: Any


class _AgentTemplate(TypedDict, total=False):
    metadata: _TemplateMetadata | None
    spec: _AgentPodSpec | None


class _DaemonSetSpec(TypedDict, total=False):
    selector: Any
    template: _AgentTemplate | None


class _DaemonSetStatus(TypedDict, total=False):
    desiredNumberScheduled: Any
    numberReady: Any


class _Workload(TypedDict, total=False):
    metadata: Metadata
    spec: _WorkloadSpec | None
    status: _WorkloadStatus | None


class _DaemonSet(TypedDict, total=False):
    metadata: Metadata
    spec: _DaemonSetSpec | None
    status: _DaemonSetStatus | None


class _JobTemplate(TypedDict, total=False):
    spec: _WorkloadSpec | None


class _CronJobSpec(TypedDict, total=False):
    jobTemplate: _JobTemplate | None


class _CronJob(TypedDict, total=False):
    metadata: Metadata
    spec: _CronJobSpec | None


class _NodeSpec(TypedDict, total=False):
    podCIDR: Any
    podCIDRs: Any


class _NodeStatus(TypedDict, total=False):
    addresses: Any


class _Node(TypedDict, total=False):
    metadata: Metadata
    spec: _NodeSpec | None
    status: _NodeStatus | None


class _ServiceStatus(TypedDict, total=False):
    loadBalancer: Any


class _Service(TypedDict, total=False):
    metadata: Metadata
    spec: Any
    status: _ServiceStatus | None


class _ConfigMap(TypedDict, total=False):
    metadata: Metadata
    data: Any


class _Endpoint(TypedDict, total=False):
    addresses: Any
    conditions: Any


class _EndpointSlice(TypedDict, total=False):
    metadata: Metadata
    addressType: Any
    endpoints: list[_Endpoint] | None
    ports: Any


class _Specified(TypedDict, total=False):
    metadata: Metadata
    spec: Any


# Kinds that are not here are taken as Anything.
SHAPES: Final[dict[str, type]] = {
    "Namespace": _Bare,
    "ServiceAccount": _Bare,
    "Node": _Node,
    "Pod": _Pod,
    "Service": _Service,
    "ConfigMap": _ConfigMap,
    "EndpointSlice": _EndpointSlice,
    "DaemonSet": _DaemonSet,
    "Deployment": _Workload,
    "StatefulSet": _Workload,
    "ReplicaSet": _Workload,
    "ReplicationController": _Workload,
    "Job": _Workload,
    "CronJob": _CronJob,
    "NetworkPolicy": _Specified,
}
