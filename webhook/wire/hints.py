"""What a pod template's containers are told: env, command, args and ConfigMaps -> hints. Secrets are never read.

What has not the shape that the API gives it says nothing: it is not for inference to refuse an object.
"""

import re
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Final, cast

from webhook.model.hints import ConfigMap, ContainerHints, Hint, MapUse
from webhook.model.labels import NO_LABELS, Labels
from webhook.model.variables import Says, known_meaning
from webhook.wire import meta
from webhook.wire.agents import settings_of
from webhook.wire.arguments import said
from webhook.wire.configfiles import in_file
from webhook.wire.pairing import setting
from webhook.wire.shapes import Raw

MOST_ENTRIES: Final = 500  # variables of a container, keys of a ConfigMap
_EXPANSION: Final = re.compile(r"\$\$|\$\((?P<name>[^()$\s]*+)\)")
_FILE_ENDINGS: Final = frozenset(
    {
        "cfg",
        "cnf",
        "conf",
        "config",
        "env",
        "hcl",
        "ini",
        "js",
        "json",
        "properties",
        "sh",
        "toml",
        "xml",
        "yaml",
        "yml",
    }
)


def container_hints(spec: Raw, namespace: str) -> tuple[ContainerHints, ...]:
    """Read the containers and init containers of a pod's spec; those that say nothing are left out."""
    volumes = _volumes(spec)
    containers = chain(_objects(spec, "containers"), _objects(spec, "initContainers"))
    every = (_container(one, volumes, namespace) for one in containers)
    return tuple(dict.fromkeys(one for one in every if one.given or one.said))


def config_map(raw: Raw, namespace: str) -> ConfigMap:
    """Read a ConfigMap (`v1`). `binaryData` says nothing."""
    data = _texts(raw.get("data"))
    entries = (_entry(key, text) for key, text in list(data.items())[:MOST_ENTRIES])
    name = meta.name(raw)
    settings = settings_of(name, data)
    hints = tuple(one for one in entries if one.mentions or one.number is not None)
    return ConfigMap(namespace, name, hints, Labels(settings) if settings else NO_LABELS)


def _entry(key: str, text: str) -> Hint:
    bare = text.strip()
    if "\n" in bare or key.rpartition(".")[2].lower() in _FILE_ENDINGS:
        hidden = known_meaning(key).says is Says.NOTHING
        return Hint(key, () if hidden else in_file(bare))
    return _hint(key, bare)


def _hint(name: str, value: str) -> Hint:
    read = setting(known_meaning(name), value)
    return Hint(name, read.mentions, read.number)


def _container(raw: Raw, volumes: Mapping[str, tuple[MapUse, ...]], namespace: str) -> ContainerHints:
    given: list[Hint | MapUse] = list(_env_from(raw))
    known: dict[str, str] = {}
    for entry in _objects(raw, "env")[:MOST_ENTRIES]:
        given += _variable(entry, known, namespace)
    for mount in _objects(raw, "volumeMounts"):
        given += _mounted(mount, volumes)
    words = [_expanded(word, known) for key in ("command", "args") for word in _strings(raw, key)]
    return ContainerHints(tuple(dict.fromkeys(given)), said(words))


def _env_from(raw: Raw) -> Iterator[MapUse]:
    for entry in _objects(raw, "envFrom"):
        if name := _text(_object(entry, "configMapRef"), "name"):
            yield MapUse(name, prefix=_text(entry, "prefix"))


def _variable(entry: Raw, known: dict[str, str], namespace: str) -> Iterator[Hint | MapUse]:
    """Read one of `env`; `known` collects values that later ones may refer to."""
    name, source = _text(entry, "name"), _object(entry, "valueFrom")
    known.pop(name, None)
    key = _object(source, "configMapKeyRef")
    if _text(_object(source, "fieldRef"), "fieldPath") == "metadata.namespace":
        known[name] = namespace
    elif _text(key, "name") and _text(key, "key"):
        yield MapUse(_text(key, "name"), (_text(key, "key"),), variable=name)
    elif isinstance(entry.get("value"), str):
        known[name] = _expanded(_text(entry, "value"), known)
        yield _hint(name, known[name])


def _expanded(text: str, known: Mapping[str, str]) -> str:
    """Replace `$(NAME)` as Kubernetes does; what is not known stays (`expansion.Expand`)."""
    return _EXPANSION.sub(lambda m: "$" if m.group() == "$$" else known.get(m["name"], m.group()), text)


def _volumes(spec: Raw) -> dict[str, tuple[MapUse, ...]]:
    """Return the ConfigMaps of each volume."""
    found: dict[str, tuple[MapUse, ...]] = {}
    for volume in _objects(spec, "volumes"):
        projected = (_object(one, "configMap") for one in _objects(_object(volume, "projected"), "sources"))
        found[_text(volume, "name")] = tuple(
            MapUse(_text(one, "name"), _keys(one), mounted=True)
            for one in (_object(volume, "configMap"), *projected)
            if _text(one, "name")
        )
    return found


def _keys(source: Raw) -> tuple[str, ...] | None:
    items = _objects(source, "items")
    return tuple(_text(item, "key") for item in items) if items else None


def _mounted(mount: Raw, volumes: Mapping[str, tuple[MapUse, ...]]) -> Iterator[MapUse]:
    """Yield what a container sees of a volume; a `subPath` that is a key of the map shows it alone."""
    path = _text(mount, "subPath")
    for use in volumes.get(_text(mount, "name"), ()):
        yield MapUse(use.name, (path,), mounted=True) if path and use.keys is None else use


def _object(raw: Raw, key: str) -> Raw:
    value = raw.get(key)
    return cast("Raw", value) if isinstance(value, dict) else {}


def _objects(raw: Raw, key: str) -> list[Raw]:
    value = raw.get(key)
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _strings(raw: Raw, key: str) -> list[str]:
    value = raw.get(key)
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


def _text(raw: Raw, key: str) -> str:
    value = raw.get(key)
    return value if isinstance(value, str) else ""


def _texts(value: object) -> dict[str, str]:
    return {k: v for k, v in value.items() if isinstance(v, str)} if isinstance(value, dict) else {}
