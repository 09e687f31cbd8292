"""What tells of a container, or of a node, which agent enforces policy there, and in which version.

Only what is listed here is read, and kept in snapshots: an image by its last two words, an argument or a variable of
a few names. What does not have its type tells nothing: a workload is not unreadable for it.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Final

from webhook.enforcers import ENFORCERS
from webhook.wire.shapes import Raw

_ALL: Final = tuple(ENFORCERS.values())
ARGUMENTS: Final = tuple(sorted({word for one in _ALL for word in one.arguments}))
VARIABLES: Final = frozenset[str]().union(*(one.variables for one in _ALL))
CONTAINERS: Final = frozenset[str]().union(*(one.containers for one in _ALL))
IMAGES: Final = frozenset[str]().union(*(one.images for one in _ALL))
SETTINGS: Final = {name: keys for one in _ALL for name, keys in one.settings.items()}
_PROXY: Final = "kube-proxy"  # kubeadm's ConfigMap, which holds a whole KubeProxyConfiguration as text
_MASQUERADES: Final = re.compile(r"^\s{0,16}masqueradeAll:\s{0,16}true\s{0,16}$", re.MULTILINE)
NODE_ARGUMENTS: Final = {"k3s": "k3s.io/node-args", "rke2": "rke2.io/node-args"}
_SWITCHES: Final = ("--disable-network-policy", "--flannel-backend")
_OPERATING_SYSTEM: Final = "kubernetes.io/os"
_LONGEST: Final = 100  # characters of a value
_LONGEST_LINE: Final = 65_536  # characters of a command line
FEW: Final = "ready=few"


def daemon_set_flags(raw: Raw, containers: object) -> tuple[str, ...]:
    """Return what a DaemonSet tells: its containers, as `name=value`, and `ready=few` where most pods are not."""
    found = [flag for container in _objects(containers) for flag in _container_flags(container)]
    status = raw.get("status")
    if isinstance(status, Mapping):
        wanted, ready = status.get("desiredNumberScheduled"), status.get("numberReady")
        if isinstance(wanted, int) and isinstance(ready, int) and 2 * ready < wanted:
            found.append(FEW)
    return tuple(found)


def _container_flags(container: Raw) -> Iterator[str]:
    name = container.get("name")
    if isinstance(name, str) and name in CONTAINERS:
        yield f"container={name}"
    if image := image_of(container.get("image")):
        yield f"image={image}"
    yield from arguments_of(container.get("args"))
    for variable in variables_of(container.get("env")):
        yield "{name}={value}".format(**variable)


def image_of(image: object) -> str:
    """Return `calico/node:v3.29.1`, the last two words; empty for images that tell nothing.

    A digest is cut off: which version it is, it does not say.
    """
    if not isinstance(image, str):
        return ""
    words = image.partition("@")[0].split("/")[-2:]
    last = words[-1].partition(":")[0]
    known = last in IMAGES or f"{words[0]}/{last}" in IMAGES
    return "/".join(words)[:_LONGEST] if known else ""


def arguments_of(words: object) -> list[str]:
    """Return the arguments that tell whether an agent enforces policy."""
    every = words if isinstance(words, list) else []
    return [word[:_LONGEST] for word in every if isinstance(word, str) and word.startswith(ARGUMENTS)]


def variables_of(variables: object) -> list[dict[str, str]]:
    """Return the variables, `name` and `value`, that tell how an agent enforces policy."""
    found = []
    for variable in _objects(variables):
        name, value = variable.get("name"), variable.get("value")
        if isinstance(name, str) and name in VARIABLES and isinstance(value, str):
            found.append({"name": name, "value": value[:_LONGEST]})
    return found


def settings_of(name: str, data: Mapping[str, str]) -> dict[str, str]:
    """Return what a ConfigMap sets that decides how policy is read, or what it sees."""
    found = {key: data[key] for key in SETTINGS.get(name, ()) if key in data}
    if name == _PROXY and (_MASQUERADES.search(data.get("config.conf", "")) or data.get("masqueradeAll") == "true"):
        found["masqueradeAll"] = "true"
    return found


def node_flags(annotations: Mapping[str, str], labels: Mapping[str, str]) -> tuple[str, ...]:
    """Return what a node tells: `os=windows`, `k3s=server`, and its distribution's switches as `k3s--switch=value`."""
    found = ["os=windows"] if labels.get(_OPERATING_SYSTEM) == "windows" else []
    for name, key in NODE_ARGUMENTS.items():
        if words := command_of(annotations.get(key)):
            found += [f"{name}={words[0]}", *(f"{name}{switch}" for switch in words[1:])]
    return tuple(found)


def command_of(text: object) -> list[str]:
    """Return the command in an annotation, `server` or `agent`, and its switches that matter as `--switch=value`.

    What comes out as JSON is read to the same again. Source: `k3s-io/k3s` pkg/configfilearg and pkg/nodeconfig.
    """
    try:
        words = json.loads(text) if isinstance(text, str) and len(text) <= _LONGEST_LINE else None
    except (ValueError, RecursionError):
        return []
    if not isinstance(words, list) or not words or words[0] not in ("server", "agent"):
        return []
    return [words[0], *_switches([word for word in words[1:] if isinstance(word, str)])]


def _switches(words: list[str]) -> Iterator[str]:
    """Yield the switches; one without a value is on."""
    for word, following in zip(words, [*words[1:], ""], strict=False):
        if word.startswith(_SWITCHES):
            value = following if following and not following.startswith("-") else "true"
            yield (word if "=" in word else f"{word}={value}")[:_LONGEST]


def _objects(several: object) -> Iterator[Raw]:
    return (one for one in several if isinstance(one, Mapping)) if isinstance(several, list) else iter(())
