"""Flags and `File` -> Settings."""

from collections.abc import Iterable, Iterator
from typing import Final, Literal

from webhook.config.file import DependencyFile, ExpectedPortFile, File, SelectorFile
from webhook.config.read import NO_FILE, Invalid, nearest, scraper
from webhook.enforcers import ENFORCERS
from webhook.model.addresses import ContainerPort
from webhook.model.answers import Severity
from webhook.model.labels import LabelKeys, Labels, Operator, Requirement, Selector
from webhook.model.refs import EXPECTED, WorkloadRef
from webhook.model.settings import (
    DEFAULTS,
    GENERIC,
    STANDARD_LABELS,
    UNRECOGNISED,
    AuditSettings,
    Dns,
    Enforcer,
    Everywhere,
    Exempted,
    Expected,
    InboundSettings,
    Mode,
    RequiredLabel,
    Settings,
)

AUTO: Final = "auto"
CNIS: Final = (AUTO, *ENFORCERS)
MODES: Final = tuple(mode.value for mode in Mode)


def settings(
    mode: str | None = None,
    cni: str | None = None,
    *,
    dns: Dns | None = None,
    admit: Iterable[str] = (),
    live: bool = False,
    file: File = NO_FILE,
) -> Settings:
    """Return the settings that flags, then `file`, then the defaults give. Raises Invalid.

    `admit` is added to that of the file. `live`: the world is a cluster, where `auto` means the enforcer that was
    recognised, and none is.
    """
    return Settings(
        mode=Mode(_one_of("mode", mode or file.mode or DEFAULTS.mode.value, MODES)),
        modes=tuple(sorted((pattern, Mode(word)) for pattern, word in file.modes.items())),
        enforcer=_enforcer(_one_of("cni", cni or file.cni or AUTO, CNIS), live=live),
        detect=_detect(cni or file.cni or AUTO, live=live),
        pending_labels=DEFAULTS.pending_labels if file.mutator_labels is None else LabelKeys.of(file.mutator_labels),
        cluster_domain=file.cluster_domain or DEFAULTS.cluster_domain,
        dns=dns or Dns(namespace=file.dns.namespace, service=file.dns.service),
        infer=file.infer,
        inbound=InboundSettings(
            file.inbound.ingress,
            file.inbound.gateway,
            file.inbound.scrape,
            tuple(ref for text in file.inbound.scrapers if (ref := scraper(text)) is not None),
        ),
        expected=tuple(_expected(file)),
        required_labels=_labels(file),
        severities=tuple(sorted((name, _severity(word)) for name, word in file.severities.items())),
        exemptions=tuple(
            Exempted(one.id, one.reason, one.namespace, one.workload, one.dependency, one.until)
            for one in file.exemptions
        ),
        heed_annotations_in_enforce=not file.ignore_exemption_annotations_in_enforce,
        ignored_namespaces=file.ignored_namespaces,
        admit=(*file.admit, *admit),
        disclose=file.disclose,
        everywhere=tuple(map(_everywhere, file.dependencies)),
        audit=AuditSettings(file.audit.enabled, file.audit.every_minutes, file.audit.reports, file.audit.events),
    )


def _severity(word: str) -> int:
    return 0 if word == "off" else Severity[word.upper()].value


def _labels(file: File) -> tuple[RequiredLabel, ...]:
    if isinstance(file.required_labels, str):
        return STANDARD_LABELS
    return tuple(RequiredLabel(one.key, one.alternatives, one.values, one.pattern) for one in file.required_labels)


def _expected(file: File) -> Iterator[Expected]:
    """Yield pods that are expected, called by the value of their first label; where that is taken, by all values."""
    taken = set[WorkloadRef]()
    for index, one in enumerate(file.expected):
        first, whole = next(filter(None, one.labels.values()), ""), "-".join(filter(None, one.labels.values()))
        names = (name for name in (first, whole, f"{whole or 'pods'}-{index}") if name)
        ref = next(ref for name in names if (ref := WorkloadRef(EXPECTED, one.namespace, name)) not in taken)
        taken.add(ref)
        yield Expected(ref, Labels(one.labels), tuple(map(_port, one.ports)))


def _port(one: int | ExpectedPortFile) -> ContainerPort:
    return ContainerPort(one) if isinstance(one, int) else ContainerPort(one.container_port, one.protocol, one.name)


def _everywhere(one: str | DependencyFile) -> Everywhere:
    if isinstance(one, str):
        return Everywhere(one)
    return Everywhere(one.to, one.namespaces, _selector(one.namespace_selector))


def _selector(given: SelectorFile) -> Selector:
    return Selector(
        (
            *(Requirement(key, Operator.IN, frozenset((value,))) for key, value in given.match_labels.items()),
            *(Requirement(e.key, Operator(e.operator), frozenset(e.values)) for e in given.match_expressions),
        )
    )


def _detect(name: str, *, live: bool) -> Literal["", "cluster", "files"]:
    """`auto` finds out: on a cluster by who runs there, on files by whose objects they are."""
    if name != AUTO:
        return ""
    return "cluster" if live else "files"


def _enforcer(name: str, *, live: bool) -> Enforcer:
    if name == AUTO:
        return UNRECOGNISED if live else GENERIC
    known = ENFORCERS[name]
    return Enforcer(name, decisive=known.decisive, enforces=known.enforces)


def _one_of(setting: str, value: str, known: Iterable[str]) -> str:
    known = tuple(known)
    if value not in known:
        raise Invalid(f"{setting} `{value}` is unknown{nearest(value, known)}: expected {', '.join(known)}")
    return value
