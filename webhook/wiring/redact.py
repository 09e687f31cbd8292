"""A snapshot without names: the same words become the same made-up ones everywhere, so that every answer is the same.

Kept as they are: addresses, ports, numbers, what the API itself spells (kinds, protocols, operators), and names that
are everybody's and by which somebody is known (`kube-system`, `k8s-app=kube-dns`, an agent's DaemonSet, labels under
domains of Kubernetes and of those who enforce). Every other word is replaced, wherever it stands: in names, labels,
hosts, port names, selectors, declarations; reasons of exemptions are left out. Words, not names: what is made of them
(`web-7d9f`, `db-0`, `db.data.svc`) is made of the same words afterwards.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from msgspec import structs

from webhook.dependencies.grammar import items
from webhook.families import POLICIES
from webhook.judge.dns import RESERVED
from webhook.model.settings import ALLOW_PATH, CONNECTS_TO, EXEMPT, PREFIX
from webhook.wire.agents import NODE_ARGUMENTS
from webhook.wiring.renamed import AS_IT_IS, COPIED, DOMAIN, GROUPS, KEYED_BY_NAME, KINDS, Names, Words, made_up
from webhook.wiring.snapshot import Snapshot
from webhook.wiring.snapshot_forms import Raw, Record

HIDDEN: Final = "https://redacted"
Shuffle = Callable[[list[str]], None]

_EXEMPT: Final = re.compile(r"(NP[0-9]{3})(@\S+)?(\s+until=\S+)?\s*:.*")


def redact(snapshot: Snapshot, shuffle: Shuffle) -> Snapshot:
    """Return the snapshot without names. `shuffle` puts words in an order that tells nothing of them."""
    seen = Words()
    _renamed(snapshot, seen)
    found = sorted(seen.found)
    shuffle(found)
    return _renamed(snapshot, Words(made_up(found)))


def _renamed(snapshot: Snapshot, words: Words) -> Snapshot:
    metadata = [one["metadata"] for one in snapshot.objects]
    reserved = {one["name"] for one in metadata if one["name"].startswith(RESERVED) and "namespace" not in one}
    names = Names(words, reserved, _values(snapshot.objects))
    redactor = _Redactor(names, _policies(snapshot.objects))
    return structs.replace(
        snapshot,
        cluster=HIDDEN,
        namespaces=tuple(map(names.text, snapshot.namespaces)),
        objects=[redactor.record(record) for record in snapshot.objects],
    )


def _policies(records: Iterable[Raw]) -> dict[str, str]:
    """Return new names of policies in the order of the old, by which some enforcers break ties."""
    known = sorted({one["metadata"]["name"] for one in records if _is_policy(one)})
    width = len(str(len(known)))
    fronts = (found[0] if (found := COPIED.match(name)) else "" for name in known)
    named = enumerate(zip(known, fronts, strict=True))
    return {name: f"{front}policy-{number:0{width}}" for number, (name, front) in named}


_NAMED: Final = ("name", "namespace", "serviceAccountName")


def _values(value: Any) -> Iterator[str]:  # noqa: ANN401 - any JSON value
    """Yield the values of all labels, and whatever else a selector may ask for as one: names."""
    match value:
        case Mapping():
            yield from (
                value[key] for key in ("name", "namespace", "serviceAccountName") if isinstance(value.get(key), str)
            )
            labels = value.get("labels")
            yield from (one for one in labels.values() if isinstance(one, str)) if isinstance(labels, Mapping) else ()
            for one in value.values():
                yield from _values(one)
        case list() | tuple():
            for one in value:
                yield from _values(one)
        case _:
            pass


def _is_policy(record: Raw) -> bool:
    group = record["apiVersion"].rpartition("/")[0]
    return record["kind"] == "NetworkPolicy" or (group, record["kind"]) in POLICIES


class _Redactor:
    """Walks through records."""

    def __init__(self, names: Names, policies: Mapping[str, str]) -> None:
        self._names = names
        self._policies = policies

    def _annotation(self, key: str, text: str) -> str:
        if key == CONNECTS_TO:
            return "\n".join(map(self._names.item, items(text)))
        if key == EXEMPT:
            return "\n".join(map(self._exemption, text.splitlines()))
        if key == ALLOW_PATH:
            return text and "redacted"
        return text if key.startswith(PREFIX) or key in NODE_ARGUMENTS.values() else self._names.text(text)

    def _exemption(self, line: str) -> str:
        found = _EXEMPT.fullmatch(line.strip())
        if found is None:
            return self._names.text(line)
        about = f"@{self._names.item(found[2][1:])}" if found[2] else ""
        return f"{found[1]}{about}{found[3] or ''}: redacted"

    def record(self, record: Raw) -> Record:
        """Return one object without names."""
        found: Record = {key: self._value(key, value) for key, value in record.items() if key not in {"hints", "data"}}
        if _is_policy(record):
            found["metadata"]["name"] = self._policies[record["metadata"]["name"]]
        if "hints" in record:
            found["hints"] = self._hints(record["hints"])
        if "data" in record:
            found["data"] = {name: self._switch(name, text) for name, text in record["data"].items()}
        return found

    def _switch(self, name: str, text: str) -> str:
        """Return what an agent is set to: of Cilium a name, or patterns of label keys, and else a word of its own."""
        if name in {"labels", "node-labels"}:
            return re.sub(r"[^\s!]+", lambda match: self._names.key(match[0]), text)
        return self._names.text(text) if name == "cluster-name" else text

    def _value(self, key: str, value: Any) -> Any:  # noqa: ANN401 - any JSON value
        match value:
            case _ if key in AS_IT_IS and not isinstance(value, dict):
                return value
            case str() if key == "kind":
                return value if value in KINDS else self._names.text(value)
            case str() if key in {"apiVersion", "group", "apiGroup"}:
                return self._group(value, versioned=key == "apiVersion")
            case str() if key.lower().endswith("selector"):
                return self._names.selector(value)
            case str():
                return self._names.text(value)
            case dict():
                return self._mapping(key, value)
            case list() | tuple():
                return [self._value(key, one) for one in value]
            case _:
                return value

    def _mapping(self, key: str, value: dict[str, Any]) -> Record:
        if key == "annotations":
            return {name: self._annotation(name, text) for name, text in value.items()}
        if key in KEYED_BY_NAME and all(isinstance(one, str) for one in value.values()):
            return {self._names.key(name): self._label(name, text) for name, text in value.items()}
        found = {name: self._value(name, one) for name, one in value.items()}
        if key in {"containers", "initContainers"} and "name" in value:
            found["name"] = value["name"]  # an agent's: no other is in a snapshot
        if "operator" in value and isinstance(value.get("key"), str):
            found["key"] = self._names.key(value["key"])
        return found

    def _group(self, text: str, *, versioned: bool) -> str:
        group, slash, version = text.rpartition("/") if versioned else (text, "", "")
        return text if group in GROUPS or DOMAIN.fullmatch(group) else f"{self._names.text(group)}{slash}{version}"

    def _label(self, key: str, text: str) -> str:
        return text if key.startswith(PREFIX) else self._names.text(text)

    def _hints(self, hints: Any) -> Any:  # noqa: ANN401 - a list of what `model.hints` holds, as JSON
        match hints:
            case list() | tuple():
                return [self._hints(one) for one in hints]
            case dict():
                return {key: self._hint(key, value, hints) for key, value in hints.items()}
            case _:
                return hints

    def _hint(self, key: str, value: Any, around: Raw) -> Any:  # noqa: ANN401 - any JSON value
        match key, value:
            case "host", str():
                return self._names.setting(value) if value.startswith("$(") else self._names.text(value)
            case "port", str():
                return self._names.setting(value) if value.startswith("$(") else self._names.text(value)
            case "name", str():
                return (
                    self._names.text(value)
                    if around.keys() & {"keys", "variable", "prefix", "mounted"}
                    else self._names.setting(value)
                )
            case (("variable" | "prefix"), str()):
                return self._names.setting(value)
            case "keys", list() | tuple():
                return [self._names.setting(one) for one in value]
            case _:
                return self._hints(value)
