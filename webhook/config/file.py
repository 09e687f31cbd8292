"""The configuration file as data: what may be in it, and what editors say about it (JSON Schema)."""

from datetime import date
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Struct

from webhook.model.addresses import FIRST_PORT, LAST_PORT

_LABEL: Final = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"
_DOMAIN: Final = r"^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$"
_GLOB: Final = r"^[a-z0-9*?]([-a-z0-9*?]{0,61}[a-z0-9*?])?$"
_WORD: Final = r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
_KEY: Final = rf"^([a-z0-9]([-a-z0-9.]{{0,251}}[a-z0-9])?/)?{_WORD}$"
_VALUE: Final = rf"^({_WORD})?$"
_PORT_NAME: Final = r"^([a-z0-9]([-a-z0-9]{0,13}[a-z0-9])?)?$"

Id = Annotated[str, Meta(pattern="^NP[0-9]{3}$", description="A finding: `netpol-preflight explain NP102`.")]
Glob = Annotated[str, Meta(pattern=_GLOB, description="A namespace's name; `*` stands for any text.")]
Name = Annotated[str, Meta(pattern=_LABEL + "|^$")]
Text = Annotated[str, Meta(min_length=1)]
PortNumber = Annotated[int, Meta(ge=FIRST_PORT, le=LAST_PORT)]
LabelKey = Annotated[str, Meta(pattern=_KEY)]
LabelValue = Annotated[str, Meta(pattern=_VALUE)]
ProtocolWord = Literal["TCP", "UDP", "SCTP"]
ModeWord = Literal["off", "audit", "warn", "enforce"]
SeverityWord = Literal["error", "warning", "info", "off"]


class DnsFile(Struct, frozen=True, forbid_unknown_fields=True):
    """Where pods send their look-ups. Without `service`: the cluster's DNS is found."""

    namespace: Name = ""
    service: Name = ""


class ExemptionFile(Struct, frozen=True, forbid_unknown_fields=True):
    """Findings that somebody answers for."""

    id: Id
    reason: Annotated[str, Meta(pattern=r"\S", description="Why; there is no exemption without a reason.")]
    namespace: Glob = "*"
    workload: Annotated[str, Meta(min_length=1, description="`web-*`, or with a kind `deploy/web-*`.")] = "*"
    dependency: Annotated[Text | None, Meta(description="Of this dependency alone: `postgres.data:5432`.")] = None
    until: Annotated[date | None, Meta(description="The last day on which it holds.")] = None


class LabelFile(Struct, frozen=True, forbid_unknown_fields=True):
    """A label that every pod template must carry, under its own key or an alternative one."""

    key: Text
    alternatives: tuple[Text, ...] = ()
    values: Annotated[tuple[str, ...], Meta(description="The values it may have; none: any.")] = ()
    pattern: Annotated[str, Meta(description="A regular expression for the whole value.")] = ""


class ExpressionFile(Struct, frozen=True, forbid_unknown_fields=True):
    """`metav1.LabelSelectorRequirement`."""

    key: Text
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]
    values: tuple[str, ...] = ()


class SelectorFile(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """`metav1.LabelSelector`."""

    match_labels: dict[str, str] = {}
    match_expressions: tuple[ExpressionFile, ...] = ()


class DependencyFile(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """What every workload of some namespaces connects to."""

    to: Annotated[str, Meta(min_length=1, description="As in `connects-to`: `otel.observability:4317`.")]
    namespaces: Annotated[tuple[Glob, ...], Meta(description="Namespaces by name; none: all.")] = ()
    namespace_selector: Annotated[SelectorFile, Meta(description="Namespaces by label.")] = SelectorFile()


class ExpectedPortFile(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """A port of a container, as in a pod."""

    container_port: PortNumber
    name: Annotated[str, Meta(pattern=_PORT_NAME, description="As a Service's `targetPort` may name it.")] = ""
    protocol: ProtocolWord = "TCP"


class ExpectedFile(Struct, frozen=True, forbid_unknown_fields=True):
    """Pods that an operator will make. They count until pods, or a pod template, with these labels are there."""

    namespace: Annotated[str, Meta(pattern=_LABEL)]
    labels: Annotated[
        dict[LabelKey, LabelValue], Meta(min_length=1, description="Every label that the pods will have.")
    ]
    ports: Annotated[
        tuple[PortNumber | ExpectedPortFile, ...],
        Meta(description="The ports that they will declare: numbers of TCP, or as in a container."),
    ] = ()


class InboundFile(Struct, frozen=True, forbid_unknown_fields=True):
    """Which declarations of others are judged as ways in to a workload (NP108)."""

    ingress: Annotated[bool, Meta(description="Backends of Ingresses.")] = True
    gateway: Annotated[bool, Meta(description="Backends of Gateway API routes.")] = True
    scrape: Annotated[bool, Meta(description="Annotations prometheus.io/scrape.")] = True
    scrapers: Annotated[
        tuple[Text, ...], Meta(description="Who scrapes, `sts/prometheus.monitoring`; none: found by labels.")
    ] = ()


class AuditFile(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """What `serve` does with the workloads that are there already: it judges them when something changes."""

    enabled: Annotated[
        bool, Meta(description="Needs `serve --audit-lease`, and rights to write reports and Events.")
    ] = False
    every_minutes: Annotated[int, Meta(ge=1, le=1440, description="Everybody is judged anew after so many.")] = 30
    reports: Annotated[bool, Meta(description="Write a report for each namespace.")] = True
    events: Annotated[bool, Meta(description="Say on a workload what has closed, or opened.")] = True


class File(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """The configuration of netpol-preflight. A flag wins over it."""

    mode: Annotated[ModeWord | None, Meta(description="What a finding costs where nothing else is said.")] = None
    modes: Annotated[
        dict[Glob, ModeWord], Meta(description="By namespace; the longest pattern wins, a namespace's label over all.")
    ] = {}
    cni: Annotated[str | None, Meta(description="Who enforces policy: auto, generic, none, calico, ...")] = None
    cluster_domain: Annotated[str, Meta(pattern=_DOMAIN, description="Default: cluster.local.")] | None = None
    mutator_labels: Annotated[
        tuple[Text, ...] | None,
        Meta(description="Keys of labels that pods get after their template; `*` at the end. Replaces the defaults."),
    ] = None
    dns: DnsFile = DnsFile()
    severities: Annotated[
        dict[Id, SeverityWord], Meta(description="By finding. `error` for NP301 to NP303 rejects in `enforce`.")
    ] = {}
    exemptions: tuple[ExemptionFile, ...] = ()
    ignore_exemption_annotations_in_enforce: Annotated[
        bool, Meta(description="Workloads in `enforce` cannot exempt themselves.")
    ] = False
    required_labels: Annotated[
        tuple[LabelFile, ...] | Literal["standard"],
        Meta(description="Of pod templates (NP301). `standard`: app, role and env, or their recommended forms."),
    ] = ()
    dependencies: Annotated[
        tuple[Text | DependencyFile, ...], Meta(description="What every workload connects to, declared or not.")
    ] = ()
    ignored_namespaces: Annotated[tuple[Glob, ...], Meta(description="Nothing is said about what is in them.")] = ()
    disclose: Annotated[
        Literal["all", "own"],
        Meta(description="Whose namespaces an answer may tell of: all, or that of whoever asks and visible ones."),
    ] = "all"
    admit: Annotated[
        tuple[Glob, ...],
        Meta(description="Namespaces whose clients and scrapers the fix of a server lets in, besides its own."),
    ] = ()
    inbound: InboundFile = InboundFile()
    expected: Annotated[
        tuple[ExpectedFile, ...], Meta(description="Pods that an operator will make: nobody has seen them yet.")
    ] = ()
    infer: Annotated[bool, Meta(description="Judge what containers are told to talk to, too.")] = True
    audit: AuditFile = AuditFile()


# -- JSON Schema 2020-12 -----------------------------------------------------------------------------------------------


def schema() -> dict[str, Any]:
    """Return the schema of the file; `docs/config.schema.json` is this, written down."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "netpol-preflight configuration",
        **msgspec.json.schema(File),
    }
