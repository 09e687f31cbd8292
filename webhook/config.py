"""Settings out of flags and a configuration file, or one clear error."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Final, Literal

import msgspec
from msgspec import Struct

from webhook.model.labels import LabelKeys
from webhook.model.settings import DEFAULTS, GENERIC, UNRECOGNISED, Dns, Enforcer, Mode, Settings

AUTO: Final = "auto"
_DECISIVE: Final = {  # who enforces -> whether a denial by the API's own semantics is one there too, in every case
    "antrea": True,
    "aws": True,
    "azure-npm": True,
    "calico": True,
    "canal": True,
    "cilium": True,
    "generic": True,
    "kindnet": True,
    "kube-network-policies": True,
    "kube-ovn": True,
    "kube-router": True,
    "none": False,  # nothing is enforced, so nothing is denied
    "ovn-kubernetes": True,
    "weave": True,
}
CNIS: Final = (AUTO, *_DECISIVE)
MODES: Final = tuple(mode.value for mode in Mode)


class Invalid(ValueError):  # noqa: N818 - what it says of the setting
    """A setting that cannot be used; the message says which and what was expected."""


class _DnsFile(Struct, frozen=True, forbid_unknown_fields=True):
    namespace: str = ""
    service: str = ""


class File(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """The configuration file. A flag wins over it."""

    mode: str | None = None
    cni: str | None = None
    cluster_domain: str | None = None
    mutator_labels: list[str] | None = None
    infer: bool = DEFAULTS.infer
    dns: _DnsFile = _DnsFile()


NO_FILE: Final = File()


def read_file(raw: object) -> File:
    """Check the decoded content of a configuration file (None: it is empty). Raises Invalid."""
    if raw is None:
        return NO_FILE
    if isinstance(raw, Mapping):
        for key in raw:
            if key not in _KEYS:
                raise Invalid(f"unknown setting `{key}`{nearest(str(key), _KEYS)}")
    try:
        return msgspec.convert(raw, File)
    except msgspec.ValidationError as error:
        raise Invalid(str(error)[:1].lower() + str(error)[1:]) from None


_KEYS: Final = tuple(field.encode_name for field in msgspec.structs.fields(File))


def settings(mode: str | None = None, cni: str | None = None, *, live: bool = False, file: File = NO_FILE) -> Settings:
    """Return the settings that flags, then `file`, then the defaults give. Raises Invalid.

    `live`: the world is a cluster, where `auto` means the enforcer that was recognised, and none is.
    """
    return Settings(
        mode=Mode(_one_of("mode", mode or file.mode or DEFAULTS.mode.value, MODES)),
        enforcer=_enforcer(_one_of("cni", cni or file.cni or AUTO, CNIS), live=live),
        detect=_detect(cni or file.cni or AUTO, live=live),
        pending_labels=DEFAULTS.pending_labels if file.mutator_labels is None else LabelKeys.of(file.mutator_labels),
        cluster_domain=file.cluster_domain or DEFAULTS.cluster_domain,
        infer=file.infer,
        dns=Dns(namespace=file.dns.namespace, service=file.dns.service),
    )


def _detect(name: str, *, live: bool) -> Literal["", "cluster", "files"]:
    """`auto` finds out: on a cluster by who runs there, on files by whose objects they are."""
    if name != AUTO:
        return ""
    return "cluster" if live else "files"


def _enforcer(name: str, *, live: bool) -> Enforcer:
    if name == AUTO:
        return UNRECOGNISED if live else GENERIC
    return Enforcer(name, decisive=_DECISIVE[name], enforces=name != "none")


def _one_of(setting: str, value: str, known: Iterable[str]) -> str:
    known = tuple(known)
    if value not in known:
        raise Invalid(f"{setting} `{value}` is unknown{nearest(value, known)}: expected {', '.join(known)}")
    return value


def nearest(word: str, known: Iterable[str]) -> str:
    """Return `, did you mean ...?` for the nearest known word, or nothing."""
    close = get_close_matches(word, tuple(known), n=1)
    return f", did you mean `{close[0]}`?" if close else ""
