"""Settings are values; `config` loads them."""

from datetime import date
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Final, Literal

from msgspec import Struct

from webhook.model.addresses import ContainerPort
from webhook.model.labels import EVERYTHING, LabelKeys, Labels, Selector
from webhook.model.refs import WorkloadRef

PRODUCT: Final = "netpol-preflight"
PREFIX: Final = "netpol-preflight.io/"
CONNECTS_TO: Final = PREFIX + "connects-to"
EXEMPT: Final = PREFIX + "exempt"
MODE_LABEL: Final = PREFIX + "mode"
POLICY_MODE_LABEL: Final = PREFIX + "policy-mode"  # what a change of policies that cuts others costs
LOCKDOWN: Final = PREFIX + "lockdown"  # on what `lockdown` writes: allow or deny
VISIBLE_LABEL: Final = PREFIX + "visible"  # on a namespace: anybody may be told what is in it, unless it is `false`
ALLOW_PATH: Final = PREFIX + "allow-path"  # on a deny policy: how a new service gets past it
DECLARE_LABEL: Final = (
    PREFIX + "declare"
)  # on a namespace: `required`, so that a workload that declares nothing is warned


class Mode(StrEnum):
    """What a finding costs the person who applies."""

    OFF = "off"
    AUDIT = "audit"
    WARN = "warn"
    ENFORCE = "enforce"


PENDING_LABELS: Final = (  # added to pods after their template was written, by Kubernetes itself or a mesh
    "pod-template-hash",
    "controller-revision-hash",
    "pod-template-generation",
    "statefulset.kubernetes.io/*",
    "apps.kubernetes.io/pod-index",
    "batch.kubernetes.io/*",
    "topology.kubernetes.io/*",
    "job-name",
    "controller-uid",
    "security.istio.io/*",
    "service.istio.io/*",
    "istio.io/*",
    "linkerd.io/*",
    "intents.otterize.com/*",
)


class Dns(Struct, frozen=True):
    """Where pods send their look-ups. Empty `service`: found by design.md's list of candidates.

    `port`: of its pods, where none are given.
    """

    namespace: str = ""
    service: str = ""
    port: int | None = None


class Enforcer(Struct, frozen=True):
    """Who enforces policy; of several, each must let a packet pass, and their names are joined by `+`.

    `decisive`: its semantics are known, so that a denial may reject. `enforces` False: it is known that nobody does.
    `why`: what makes it less than decisive, or what was recognised that enforces nothing.
    """

    name: str = "generic"
    decisive: bool = True
    enforces: bool = True
    why: str = ""


GENERIC: Final = Enforcer()
UNRECOGNISED: Final = Enforcer("unrecognised", decisive=False)


class RequiredLabel(Struct, frozen=True):
    """A label that every pod template must carry, under its own key or an alternative one.

    `values` empty: any; `pattern` empty: any (else a regular expression for the whole value).
    """

    key: str
    alternatives: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    pattern: str = ""


STANDARD_LABELS: Final = (  # what `requiredLabels: standard` means
    RequiredLabel("app", ("app.kubernetes.io/name",)),
    RequiredLabel("role", ("app.kubernetes.io/component",)),
    RequiredLabel("env", ("app.kubernetes.io/environment", "environment")),
)


class Exempted(Struct, frozen=True):
    """A finding that the operator answers for: where, on which dependency, and until which day, still included.

    `namespace` and `workload` are shell patterns; `workload` may begin with a kind, `deploy/web-*`.
    """

    id: str
    reason: str
    namespace: str = "*"
    workload: str = "*"
    dependency: str | None = None
    until: date | None = None


class Everywhere(Struct, frozen=True):
    """What every workload connects to, in namespaces of one of these names (patterns; none: any) and labels."""

    to: str
    namespaces: tuple[str, ...] = ()
    selector: Selector = EVERYTHING


class Expected(Struct, frozen=True):
    """Pods that an operator will make: their labels, and the ports that their containers will declare.

    `ref`: of kind `refs.EXPECTED`; no two of the settings have the same.
    """

    ref: WorkloadRef
    labels: Labels
    ports: tuple[ContainerPort, ...] = ()


class InboundSettings(Struct, frozen=True):
    """Which declarations of others count as ways in. `scrapers`: who scrapes; without any, it is found by labels."""

    ingress: bool = True
    gateway: bool = True
    scrape: bool = True
    scrapers: tuple[WorkloadRef, ...] = ()


class AuditSettings(Struct, frozen=True):
    """Whether, and how, a server goes on judging what is there. `minutes`: after which everybody is judged anew."""

    enabled: bool = False
    minutes: int = 30
    reports: bool = True
    events: bool = True


class Settings(Struct, frozen=True):
    """Everything that can be set and that changes an answer.

    `modes`: by pattern of namespaces. `severities`: by finding, as numbers of `Severity`; 0: it is not told.
    """

    mode: Mode = Mode.WARN
    modes: tuple[tuple[str, Mode], ...] = ()
    enforcer: Enforcer = GENERIC
    pending_labels: LabelKeys = LabelKeys.of(PENDING_LABELS)
    cluster_domain: str = "cluster.local"
    infer: bool = True  # judge what containers are configured to call, too
    dns: Dns = Dns()
    required_labels: tuple[RequiredLabel, ...] = ()
    severities: tuple[tuple[str, int], ...] = ()
    exemptions: tuple[Exempted, ...] = ()
    heed_annotations_in_enforce: bool = True  # whether a workload in `enforce` can exempt itself
    ignored_namespaces: tuple[str, ...] = ()
    admit: tuple[str, ...] = ()  # patterns of namespaces whose clients a server's fix lets in
    everywhere: tuple[Everywhere, ...] = ()
    inbound: InboundSettings = InboundSettings()
    expected: tuple[Expected, ...] = ()
    disclose: Literal["all", "own"] = "all"  # whose namespaces an answer may tell of
    audit: AuditSettings = AuditSettings()
    detect: Literal["", "cluster", "files"] = ""  # find out who enforces policy by what is there, instead of `enforcer`

    def admits(self, client: str, server: str = "") -> bool:
        """Say whether a fix of what is in namespace `server` lets in who only claims to need it from `client`."""
        return client == server or any(fnmatchcase(client, pattern) for pattern in self.admit)


DEFAULTS: Final = Settings()
