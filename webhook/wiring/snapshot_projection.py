"""One object of a cluster -> what a snapshot keeps of it, and back.

Kept is what the core reads, by name; whatever is not listed here never gets out. Of what containers are told (env,
command lines, ConfigMaps) only hosts and ports remain, as hints; of annotations only this product's, without user
info in URLs.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

import msgspec
from msgspec import structs

from webhook.dependencies.grammar import MOST_ITEMS, parse, shown
from webhook.dependencies.items import is_url, items
from webhook.families import project
from webhook.model.dependency import Malformed as Unclear
from webhook.model.hints import ConfigMap, ContainerHints, Hint, MapUse, Mention
from webhook.model.inbound import ROUTES
from webhook.model.objects import Pod, Workload
from webhook.model.settings import CONNECTS_TO, PREFIX
from webhook.wire.agents import CONTAINERS, NODE_ARGUMENTS, arguments_of, command_of, image_of, variables_of
from webhook.wire.inbound import CLASS_ANNOTATION, DEFAULT_CLASS, SCRAPE, SCRAPE_PORT
from webhook.wire.meta import INJECT
from webhook.wire.objects import Projected, kind_of

Raw = Mapping[str, Any]
Record = dict[str, Any]
Form = Mapping[str, Any] | Callable[[Any], Any] | None  # what to keep of an object, what to make of a value; None: all
T = TypeVar("T")

_USER_INFO: Final = re.compile(r"://\S*@")
_AUTHORITY: Final = re.compile(r"(?P<scheme>[^:/]+:(?:[^:/]+:)?//)(?P<authority>[^/?#\\;\s]*)")
_MAY_BE_SECRET: Final = frozenset({"headers", "headerMatches", "secret"})  # of Cilium's HTTP rules; no packet has them


# -- out ---------------------------------------------------------------------------------------------------------------


def projection(raw: Raw, value: Projected) -> Record:
    """Return what a snapshot keeps of `raw`, of which `project` made `value`."""
    kind = kind_of(raw)
    form = _FORMS.get(kind or "", _FOREIGN)
    if isinstance(value, Workload) and value.owner is not None and kind == "ReplicaSet":
        form = _OWNED  # all that is asked of it is whose it is
    kept: Record = _pruned(raw, {"apiVersion": None, "kind": None, **form})
    match value:
        case Workload(hints=hints) | Pod(bare=Workload(hints=hints)) if hints:
            kept["hints"] = [_told(one) for one in hints]
        case ConfigMap(entries=entries, settings=settings):
            kept["hints"] = [msgspec.to_builtins(one) for one in entries]
            kept |= {"data": settings.as_dict()} if settings else {}
        case _:
            pass
    return kept


def _pruned(value: Any, form: Form) -> Any:  # noqa: ANN401 - any JSON value
    if form is None:
        return value
    if not isinstance(form, Mapping):
        return form(value)
    if isinstance(value, list):
        return [_pruned(item, form) for item in value]
    if not isinstance(value, Mapping):
        return None
    kept = ((key, _pruned(value[key], of)) for key, of in form.items() if value.get(key) is not None)
    return {key: item for key, item in kept if item not in (None, {}, [])}


def _ours(annotations: object) -> Record:
    """Return the annotations that are read, without what may be a password."""
    if not isinstance(annotations, Mapping):
        return {}
    ours = {key: text for key, text in annotations.items() if _kept(key) and isinstance(text, str)}
    return {key: declared(text) if key == CONNECTS_TO else _USER_INFO.sub("://", text) for key, text in ours.items()}


def _kept(key: str) -> bool:
    return key.startswith(PREFIX) or key in _READ


_READ: Final = frozenset(
    {SCRAPE, SCRAPE_PORT, CLASS_ANNOTATION, DEFAULT_CLASS, INJECT}
)  # of others: no value is a secret


def declared(text: str) -> str:
    """Return an annotation's items, one a line, that mean the same: URLs without user info, path and query."""
    lines = []
    for position, item in enumerate(items(text), 1):
        if position > MOST_ITEMS + 1:
            break
        lines.append(_safe(item))
    return "\n".join(lines)


def _safe(item: str) -> str:
    meant = parse(item)
    if any(isinstance(one, Unclear) for one in meant):
        return shown(item)
    if not is_url(item):
        return item
    found = _AUTHORITY.match(item)
    bare = f"{found['scheme']}{found['authority'].rpartition('@')[2]}/" if found else ""
    return bare if parse(bare) == meant else shown(item)


def _agent(name: object) -> str | None:
    """Return the name of a container that tells who enforces policy."""
    return name if isinstance(name, str) and name in CONTAINERS else None


def _told_by_nodes(annotations: object) -> Record:
    """Return the command lines of a node's distribution, without what does not tell who enforces policy."""
    if not isinstance(annotations, Mapping):
        return {}
    lines = {key: command_of(annotations.get(key)) for key in NODE_ARGUMENTS.values()}
    return {key: json.dumps(words) for key, words in lines.items() if words}


def _without_headers(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    match value:
        case Mapping():
            return {key: _without_headers(item) for key, item in value.items() if key not in _MAY_BE_SECRET}
        case list():
            return [_without_headers(item) for item in value]
        case _:
            return value


_OWNER: Final[Form] = dict.fromkeys(("apiVersion", "kind", "name", "controller"))
_NAME: Final = dict.fromkeys(("name", "namespace"))
_META: Final = {
    **_NAME,
    "labels": None,
    "annotations": _ours,
    "ownerReferences": _OWNER,
    "deletionTimestamp": None,
}
_PORT: Final[Form] = dict.fromkeys(("name", "port", "protocol", "targetPort", "nodePort", "containerPort", "hostPort"))
_PROBE: Final[Form] = {way: {"port": None} for way in ("httpGet", "tcpSocket", "grpc")}
_PROBES: Final = dict.fromkeys(("readinessProbe", "livenessProbe", "startupProbe"), _PROBE)
_CONTAINER: Final[dict[str, Form]] = {"ports": _PORT, "restartPolicy": None, **_PROBES}
_POD_SPEC: Final = {
    **dict.fromkeys(("nodeName", "hostNetwork", "dnsPolicy", "hostAliases", "serviceAccountName", "subdomain")),
    "dnsConfig": {"nameservers": None},
    "containers": _CONTAINER,
    "initContainers": _CONTAINER,
}


def _template(container: Form) -> dict[str, Form]:
    containers = {"containers": container, "initContainers": container}
    return {"metadata": {"labels": None, "annotations": _ours}, "spec": {**_POD_SPEC, **containers}}


def _workload(container: Form = _CONTAINER) -> dict[str, Form]:
    spec = {**dict.fromkeys(("replicas", "selector", "serviceName")), "template": _template(container)}
    return {"metadata": _META, "spec": spec, "status": {"desiredNumberScheduled": None}}


_OWNED: Final[dict[str, Form]] = {"metadata": _META}
_FOREIGN: Final[dict[str, Form]] = {
    "metadata": {**_NAME, "labels": None},
    "spec": _without_headers,
    "specs": _without_headers,
    "status": {"conditions": dict.fromkeys(("type", "status", "message"))},
}
_NAMED: Final = {"metadata": {**_NAME, "annotations": _ours}}
_BALANCER: Final[Form] = {"loadBalancer": {"ingress": {"ip": None, "hostname": None}}}
_BACKEND: Final[Form] = {"service": {"name": None, "port": None}}
_REFERENCE: Final[Form] = dict.fromkeys(("group", "kind", "namespace", "name", "port"))
_ROUTE: Final[Form] = {"parentRefs": _REFERENCE, "rules": {"backendRefs": _REFERENCE}}
_FORMS: Final[dict[str, dict[str, Form]]] = {
    "Namespace": {"metadata": {"name": None, "labels": None, "annotations": _ours}},
    "Node": {
        "metadata": {"name": None, "labels": None, "annotations": _told_by_nodes},
        "spec": {"podCIDR": None, "podCIDRs": None},
        "status": {"addresses": {"type": None, "address": None}},
    },
    "Pod": {
        "metadata": _META,
        "spec": _POD_SPEC,
        "status": {"phase": None, "podIP": None, "podIPs": {"ip": None}},
    },
    "Service": {
        "metadata": {**_NAME, "labels": None, "annotations": _ours},
        "spec": {
            **dict.fromkeys(("type", "externalName", "externalIPs", "clusterIP", "clusterIPs", "ipFamilies")),
            **dict.fromkeys(("selector", "internalTrafficPolicy", "publishNotReadyAddresses")),
            "ports": _PORT,
        },
        "status": _BALANCER,
    },
    "Endpoints": {
        "metadata": _NAME,
        "subsets": {"addresses": {"ip": None}, "notReadyAddresses": {"ip": None}, "ports": _PORT},
    },
    "EndpointSlice": {
        "metadata": {**_NAME, "labels": None},
        "addressType": None,
        "endpoints": {"addresses": None, "conditions": {"ready": None}},
        "ports": _PORT,
    },
    "ConfigMap": {"metadata": _NAME},
    "Ingress": {
        **_NAMED,
        "spec": {
            "ingressClassName": None,
            "defaultBackend": _BACKEND,
            "rules": {"http": {"paths": {"backend": _BACKEND}}},
        },
        "status": _BALANCER,
    },
    "IngressClass": {**_NAMED, "spec": {"controller": None}},
    "Gateway": {
        "metadata": _NAME,
        "spec": {"gatewayClassName": None, "listeners": {"port": None}},
        "status": {"addresses": {"type": None, "value": None}},
    },
    "GatewayClass": {"metadata": _NAME, "spec": {"controllerName": None}},
    **{kind: {"metadata": _NAME, "spec": _ROUTE} for kind in ROUTES},
    "NetworkPolicy": {"metadata": {**_NAME, "annotations": _ours}, "spec": None},
    "CronJob": {"metadata": _META, "spec": {"jobTemplate": {"spec": {"template": _template(_CONTAINER)}}}},
    "DaemonSet": {
        **_workload({"name": _agent, "image": image_of, "args": arguments_of, "env": variables_of, **_CONTAINER}),
        "status": {"desiredNumberScheduled": None, "numberReady": None},
    },
    **dict.fromkeys(("Deployment", "StatefulSet", "ReplicaSet", "ReplicationController", "Job"), _workload()),
}


# -- and back ----------------------------------------------------------------------------------------------------------


def restored(record: Raw) -> Projected | None:
    """Return the value that a record of `projection` stands for; None: no kind of ours.

    Raises Malformed, and msgspec.ValidationError for hints that are none.
    """
    value = project(record)
    match value:
        case Workload():
            return structs.replace(value, hints=_containers(record))
        case Pod(bare=Workload() as bare):
            return structs.replace(value, bare=structs.replace(bare, hints=_containers(record)))
        case ConfigMap():
            entries = msgspec.convert(record.get("hints", ()), tuple[Hint, ...])
            return structs.replace(value, entries=entries)
        case _:
            return value


def _containers(record: Raw) -> tuple[ContainerHints, ...]:
    return tuple(map(_hinted, msgspec.convert(record.get("hints", ()), list[_Told])))


class _Given(msgspec.Struct, omit_defaults=True):
    """One of what a container is given; what sort it is, the key says."""

    hint: Hint | None = None
    map: MapUse | None = None


class _Told(msgspec.Struct, omit_defaults=True):
    """`ContainerHints` as JSON."""

    given: list[_Given] = []
    said: tuple[Mention, ...] = ()


def _told(hints: ContainerHints) -> Record:
    given = [_Given(map=one) if isinstance(one, MapUse) else _Given(hint=one) for one in hints.given]
    record: Record = msgspec.to_builtins(_Told(given, hints.said))
    return record


def _hinted(told: _Told) -> ContainerHints:
    given = tuple(one for each in told.given for one in (each.hint, each.map) if one is not None)
    return ContainerHints(given, told.said)
