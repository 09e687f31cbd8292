"""Plain values to YAML, in the style of `kubectl get -o yaml`."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import yaml

from webhook.manifests.scalars import NotFinite, plain

_BASE: Final[Any] = getattr(yaml, "CSafeDumper", yaml.SafeDumper)  # PyYAML may be built without libyaml
_TEXT: Final = "tag:yaml.org,2002:str"
_WIDE: Final = 1 << 20  # never fold a line: a folded selector is hard to read and harder to grep


def emit(objects: Iterable[Mapping[str, object]]) -> str:
    """Write each object as one document, `---` between them. Characters beyond ASCII are escaped: none can hide."""
    return str(
        yaml.dump_all(
            (_plain(one) for one in objects), Dumper=_Dumper, sort_keys=False, default_flow_style=False, width=_WIDE
        )
    )


def _plain(value: object) -> object:
    match value:
        case Mapping():
            return {str(key): _plain(item) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
        case _:
            return value


class _Dumper(_BASE):  # type: ignore[misc] # the base is chosen when this is imported
    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - the base class's signature
        return True


def _text(dumper: _Dumper, value: str) -> yaml.ScalarNode:
    """Quote whatever kubectl (`plain`) or PyYAML would read as something else; several lines become a block."""
    if "\n" in value:
        style = "|"
    elif _means_text(value) and dumper.resolve(yaml.ScalarNode, value, (True, False)) == _TEXT:
        style = None
    else:
        style = '"'
    node: yaml.ScalarNode = dumper.represent_scalar(_TEXT, value, style=style)
    return node


def _means_text(value: str) -> bool:
    try:
        return isinstance(plain(value), str)
    except NotFinite:
        return False


_Dumper.add_representer(str, _text)
