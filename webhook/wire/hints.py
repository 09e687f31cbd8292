"""What a pod template's containers are given: env, command, args and ConfigMaps -> hints. Secrets are never read.

What has not the shape that the API gives it says nothing: it is not for inference to refuse an object.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, islice
from typing import Final, cast

from webhook.model.hints import ConfigMap, ContainerHints, Hint, MapUse, Says, known_meaning
from webhook.model.labels import NO_LABELS, Labels
from webhook.wire import shapes
from webhook.wire.agents import settings_of
from webhook.wire.arguments import Allowance, in_file, said
from webhook.wire.mentions import LONGEST, setting
from webhook.wire.shapes import Raw

MOST_ENTRIES: Final = 500  # variables of a container, keys of a ConfigMap
MOST_USES: Final = 200  # of ConfigMaps by one container
MOST_TEXT: Final = 131_072  # characters that are read of a ConfigMap, or of what a pod's containers are given
LONGEST_VALUE: Final = 32_768  # characters of one value once `$(NAME)` is replaced
Values = dict[str, str | None]  # of variables, by name; None: too long
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


def container_hints(spec: Raw, namespace: str) -> tuple[tuple[ContainerHints, ...], bool]:
    """Read the containers and init containers of a pod's spec, and say whether in part only.

    Those that name nobody are left out.
    """
    allowance = Allowance(MOST_TEXT)
    volumes = _volumes(spec)
    containers = chain(_objects(spec, "containers"), _objects(spec, "initContainers"))
    every = [_container(one, volumes, namespace, allowance) for one in containers]
    return tuple(dict.fromkeys(one for one in every if one.telling)), allowance.cut


def config_map(raw: Raw, namespace: str) -> ConfigMap:
    """Read a ConfigMap (`v1`), its shortest values first: settings are short. `binaryData` says nothing."""
    data = _texts(raw.get("data"))
    allowance = Allowance(MOST_TEXT)
    keys = allowance.few(list(data), MOST_ENTRIES)
    read = {key: allowance.kept(_entry(key, data[key], allowance)) for key in sorted(keys, key=lambda k: len(data[k]))}
    name = shapes.name(raw)
    settings = settings_of(name, data)
    return ConfigMap(
        namespace,
        name,
        tuple(one for one in map(read.__getitem__, keys) if one.mentions or one.number is not None),
        Labels(settings) if settings else NO_LABELS,
        ("config-map",) if allowance.cut else (),
    )


def _entry(key: str, text: str, allowance: Allowance) -> Hint:
    bare = text.strip()
    if "\n" in bare or key.rpartition(".")[2].lower() in _FILE_ENDINGS:
        hidden = known_meaning(key).says is Says.NOTHING
        return Hint(key, () if hidden else in_file(bare, allowance))
    return _hint(key, bare, allowance)


def _hint(name: str, value: str, allowance: Allowance) -> Hint:
    if len(value) > LONGEST or not allowance.spend(len(value)):
        return Hint(name)
    read = setting(known_meaning(name), value)
    return Hint(name, read.mentions, read.number)


def _container(
    raw: Raw, volumes: Mapping[str, tuple[MapUse, ...]], namespace: str, allowance: Allowance
) -> ContainerHints:
    given: list[Hint | MapUse] = list(_env_from(raw, allowance))
    known: Values = {}
    for entry in allowance.few(_objects(raw, "env"), MOST_ENTRIES):
        given += _variable(entry, known, namespace, allowance)
    mounted = (use for mount in _objects(raw, "volumeMounts") for use in _mounted(mount, volumes))
    given += allowance.few(list(islice(mounted, MOST_USES + 1)), MOST_USES)
    words = (*_strings(raw, "command"), *_strings(raw, "args"))
    return ContainerHints(tuple(dict.fromkeys(given)), said(list(_line(words, known, allowance)), allowance))


def _line(words: Iterable[str], known: Values, allowance: Allowance) -> Iterator[str]:
    """Yield the words of a command line; in the place of one that is too long an empty one, which says nothing."""
    for word in words:
        value = _expanded(word, known, allowance)
        kept = value if value is not None and len(value) <= LONGEST else ""
        if not allowance.spend(len(kept)):
            return
        yield kept


def _env_from(raw: Raw, allowance: Allowance) -> Iterator[MapUse]:
    for entry in allowance.few(_objects(raw, "envFrom"), MOST_USES):
        if name := _text(_object(entry, "configMapRef"), "name"):
            yield MapUse(name, prefix=_text(entry, "prefix"))


def _variable(entry: Raw, known: Values, namespace: str, allowance: Allowance) -> Iterator[Hint | MapUse]:
    """Read one of `env`; `known` collects values that later ones may refer to."""
    name, source = _text(entry, "name"), _object(entry, "valueFrom")
    known.pop(name, None)
    key = _object(source, "configMapKeyRef")
    if _text(_object(source, "fieldRef"), "fieldPath") == "metadata.namespace":
        known[name] = namespace
    elif _text(key, "name") and _text(key, "key"):
        yield MapUse(_text(key, "name"), (_text(key, "key"),), variable=name)
    elif isinstance(entry.get("value"), str):
        value = known[name] = _expanded(_text(entry, "value"), known, allowance)
        yield Hint(name) if value is None else allowance.kept(_hint(name, value, allowance))


def _expanded(text: str, known: Values, allowance: Allowance) -> str | None:
    """Replace `$(NAME)` as Kubernetes does; what is not known stays (`expansion.Expand`). None: it is too long.

    It is never made longer than it may be: where each variable holds the one before twice, twenty come to 100 MiB.
    """
    if "$" not in text:
        return text
    most = min(LONGEST_VALUE, allowance.characters)
    found: list[str] = []
    length = end = 0
    for match in chain(_EXPANSION.finditer(text), (None,)):
        value = _value(match, known)
        piece = text[end : match.start() if match else len(text)]
        if value is None or length + len(piece) + len(value) > most:
            allowance.cut = True
            allowance.spend(length + len(piece), 0)
            return None
        found += (piece, value)
        length += len(piece) + len(value)
        end = match.end() if match else end
    allowance.spend(length, 0)
    return "".join(found)


def _value(match: re.Match[str] | None, known: Values) -> str | None:
    """Return what is in the place of a reference; behind the last one there is nothing."""
    if match is None:
        return ""
    return "$" if match.group() == "$$" else known.get(match["name"], match.group())


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
    return tuple(_text(item, "key") for item in items[:MOST_ENTRIES]) if items else None


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
