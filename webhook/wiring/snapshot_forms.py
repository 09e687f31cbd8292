"""What a snapshot keeps of each kind: the fields that are read (`wire.objects.FIELDS`), less what may be secret."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from webhook.dependencies.grammar import MOST_ITEMS, is_url, items, parse, shown
from webhook.model.answers import Malformed as Unclear
from webhook.model.settings import CONNECTS_TO, PREFIX
from webhook.wire import inbound_others
from webhook.wire.agents import CONTAINERS, NODE_ARGUMENTS, arguments_of, command_of, image_of, variables_of
from webhook.wire.inbound import CLASS_ANNOTATION, DEFAULT_CLASS, SCRAPE, SCRAPE_PORT
from webhook.wire.objects import FIELDS, HINTED, Fields, Whole, kind_of
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


Narrow = Mapping[str, Callable[[Any], Any]]  # a field, or `the one around it.field` -> what is kept of its value

_NARROW: Final[Narrow] = {"annotations": _ours, "volumes": _tokens, "subjects": _accounts}
_OF_AGENTS: Final[Narrow] = {"name": _agent, "image": image_of, "args": arguments_of, "env": variables_of}
_NARROW_BY_KIND: Final[Mapping[str, Narrow]] = {
    "Node": {"annotations": _told_by_nodes},
    "DaemonSet": {f"{of}.{key}": kept for of in ("containers", "initContainers") for key, kept in _OF_AGENTS.items()},
}


def _object(fields: Fields, narrow: Narrow, around: str = "") -> dict[str, Form]:
    """Return what is kept of an object with these fields."""
    kept: dict[str, Form] = {}
    for key, inner in fields.items():
        special = narrow.get(f"{around}.{key}") or narrow.get(key)
        if special or inner != HINTED:
            kept[key] = special or _form(inner, narrow, key)
    return kept


def _form(fields: Any, narrow: Narrow, around: str) -> Form:  # noqa: ANN401 - a table of fields
    match fields:
        case Whole(inner) | [inner]:  # a form holds for each item of a list
            return _form(inner, narrow, around)
        case dict():
            return _object(fields, narrow, around)
        case _:
            return None


FORMS: Final[Mapping[str, Mapping[str, Form]]] = {
    kind: _object(fields, {**_NARROW, **_NARROW_BY_KIND.get(kind, {})}) for kind, fields in FIELDS.items()
}
OWNED: Final[Mapping[str, Form]] = {"metadata": FORMS["ReplicaSet"]["metadata"]}
_OF_POLICIES: Final[Mapping[str, Form]] = {
    "metadata": dict.fromkeys(("name", "namespace", "labels")),
    "spec": _without_headers,
    "specs": _without_headers,
    "status": {"conditions": dict.fromkeys(("type", "status", "message"))},
    AUTOMOUNT: None,  # of a ServiceAccount, to which policies refer
}
_OTHERS: Final[Mapping[str, Mapping[str, Form]]] = {
    kind: _object({"metadata": dict.fromkeys(("name", "namespace")), **fields}, _NARROW)
    for kind, fields in inbound_others.READ.items()
}


def form_of(raw: Raw) -> Mapping[str, Form]:
    """Return what is kept of an object."""
    if (kind := kind_of(raw)) is not None:
        return FORMS[kind]
    whole = str(raw.get("apiVersion")).rpartition("/")[0], str(raw.get("kind"))
    return _OTHERS[whole[1]] if whole in inbound_others.KINDS else _OF_POLICIES
