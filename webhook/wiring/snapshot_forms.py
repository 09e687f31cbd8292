"""What a snapshot keeps, kind by kind: the fields that the core reads, by name, and of annotations what is ours."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from webhook.dependencies.grammar import MOST_ITEMS, is_url, items, parse, shown
from webhook.model.answers import Malformed as Unclear
from webhook.model.inbound import ROUTES
from webhook.model.settings import CONNECTS_TO, PREFIX
from webhook.wire import inbound_others
from webhook.wire.agents import CONTAINERS, NODE_ARGUMENTS, arguments_of, command_of, image_of, variables_of
from webhook.wire.inbound import CLASS_ANNOTATION, DEFAULT_CLASS, SCRAPE, SCRAPE_PORT
from webhook.wire.objects import kind_of
from webhook.wire.services import INTERNAL
from webhook.wire.shapes import INJECT, Malformed
from webhook.wire.workloads import AUTOMOUNT, asks_for_token

Raw = Mapping[str, Any]
Record = dict[str, Any]
Form = Mapping[str, Any] | Callable[[Any], Any] | None  # what to keep of an object, what to make of a value; None: all

_USER_INFO: Final = re.compile(r"://\S*@")
_AUTHORITY: Final = re.compile(r"(?P<scheme>[^:/]+:(?:[^:/]+:)?//)(?P<authority>[^/?#\\;\s]*)")
_MAY_BE_SECRET: Final = frozenset({"headers", "headerMatches", "secret"})  # of rules about HTTP; no packet has them


def _ours(annotations: object) -> Record:
    """Return the annotations that are read, without what may be a password."""
    if not isinstance(annotations, Mapping):
        return {}
    ours = {key: text for key, text in annotations.items() if _kept(key) and isinstance(text, str)}
    return {key: declared(text) if key == CONNECTS_TO else _USER_INFO.sub("://", text) for key, text in ours.items()}


def _kept(key: str) -> bool:
    return key.startswith(PREFIX) or key in _READ


_READ: Final = frozenset(
    {SCRAPE, SCRAPE_PORT, CLASS_ANNOTATION, DEFAULT_CLASS, INJECT, *INTERNAL}
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


def _form(fields: Any) -> Form:  # noqa: ANN401 - a table of fields, where a list stands for each of its items
    match fields:
        case dict():
            return {key: _form(inner) for key, inner in fields.items()}
        case [item]:
            return _form(item)
        case _:
            return None


def _tokens(volumes: object) -> list[Any]:
    """Return the volumes that are tokens for the API server, as far as that tells."""
    several = volumes if isinstance(volumes, list) else []
    found = [one for one in several if isinstance(one, Mapping) and _is(asks_for_token, one)]
    return [{"projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}} for _ in found[:1]]


def _accounts(subjects: object) -> list[Any]:
    """Return which ServiceAccounts a binding is about: no names of people."""
    several = subjects if isinstance(subjects, list) else []
    found = [one for one in several if isinstance(one, Mapping) and _is(inbound_others.is_account, one)]
    return [{key: one[key] for key in ("kind", "name", "namespace") if key in one} for one in found]


def _is(test: Callable[[Raw], bool], raw: Raw) -> bool:
    try:
        return test(raw)
    except Malformed:
        return False


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
    "automountServiceAccountToken": None,
    "volumes": _tokens,
    "containers": _CONTAINER,
    "initContainers": _CONTAINER,
}


def _template(container: Form) -> dict[str, Form]:
    containers = {"containers": container, "initContainers": container}
    return {"metadata": {"labels": None, "annotations": _ours}, "spec": {**_POD_SPEC, **containers}}


def _workload(container: Form = _CONTAINER) -> dict[str, Form]:
    spec = {**dict.fromkeys(("replicas", "selector", "serviceName")), "template": _template(container)}
    return {"metadata": _META, "spec": spec, "status": {"desiredNumberScheduled": None}}


OWNED: Final[dict[str, Form]] = {"metadata": _META}
_FOREIGN: Final[dict[str, Form]] = {
    "metadata": {**_NAME, "labels": None},
    "spec": _without_headers,
    "specs": _without_headers,
    "status": {"conditions": dict.fromkeys(("type", "status", "message"))},
    AUTOMOUNT: None,  # of a ServiceAccount
}
_NAMED: Final = {"metadata": {**_NAME, "annotations": _ours}}
_BALANCER: Final[Form] = {"loadBalancer": {"ingress": {"ip": None, "hostname": None}}}
_BACKEND: Final[Form] = {"service": {"name": None, "port": None}}
_REFERENCE: Final[Form] = dict.fromkeys(("group", "kind", "namespace", "name", "port"))
_ROUTE: Final[Form] = {"parentRefs": _REFERENCE, "rules": {"backendRefs": _REFERENCE}}
FORMS: Final[dict[str, dict[str, Form]]] = {
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
            **dict.fromkeys(("selector", "internalTrafficPolicy", "externalTrafficPolicy", "publishNotReadyAddresses")),
            "loadBalancerClass": None,
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
_OTHERS: Final[dict[str, dict[str, Form]]] = {
    kind: {"metadata": _NAME, **{key: _form(inner) for key, inner in fields.items()}}
    for kind, fields in inbound_others.READ.items()
}
for _, _kind in inbound_others.BINDINGS:
    _OTHERS[_kind]["subjects"] = _accounts


def form_of(raw: Raw) -> Mapping[str, Form]:
    """Return what is kept of an object."""
    if (kind := kind_of(raw)) in FORMS:
        return FORMS[kind]
    whole = str(raw.get("apiVersion")).rpartition("/")[0], str(raw.get("kind"))
    return _OTHERS[whole[1]] if whole in inbound_others.KINDS else _FOREIGN
