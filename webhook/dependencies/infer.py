"""What a workload's settings say that it connects to: hints joined with the world (design.md §5, the last lines).

Counted only where a name is a Service, or a workload, that has the port; never what is the workload itself, but for the
peers of a StatefulSet. Who may ask the API server needs that, too.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Final

from msgspec import structs

from webhook.dependencies.apiserver import known_api_server, needs_api_server
from webhook.dependencies.resolve import Resolved, resolve
from webhook.dependencies.services import Found
from webhook.model.addresses import SCHEMES, Address, Protocol, parse_address
from webhook.model.answers import Dependency, Host, NameTarget
from webhook.model.hints import ContainerHints, Hint, MapUse, Mention, known_meaning
from webhook.model.objects import Service, Workload
from webhook.world import Group, View
from webhook.world.workloads import given_whole

_REFERENCE: Final = re.compile(r"\$\((?P<name>[^()]+)\)")
_INJECTED: Final = re.compile(r"(?P<service>[A-Z0-9_]+)_SERVICE_(?P<what>HOST|PORT)")


class Variables:
    """What a container is given, with the ConfigMaps that are in the world filled in."""

    def __init__(self, view: View, namespace: str, container: ContainerHints, most: int) -> None:
        """Take at most so many variables and keys of ConfigMaps."""
        self._view = view
        self._namespace = namespace
        self._said = container.said
        self._named: dict[str, Hint] = {}
        self._files: list[Hint] = []
        self._whole: dict[Hint, str] = {}  # which ConfigMap, given as it is, something stands in
        self.taken = 0
        for hint, use in islice(self._given(container), most):
            self._take(hint, use)
        self._ports = {
            known_meaning(hint.name).stem: hint.number
            for hint in (*self._files, *self._named.values())
            if hint.number is not None
        }

    def _given(self, container: ContainerHints) -> Iterator[tuple[Hint, MapUse | None]]:
        """Yield what is given, and the ConfigMap that it is in."""
        for given in container.given:
            if isinstance(given, Hint):
                yield given, None
            else:
                yield from ((hint, given) for hint in self._of_map(given))

    def _take(self, hint: Hint, use: MapUse | None) -> None:
        self.taken += 1
        if use is not None and use.mounted:
            self._files.append(hint)
        else:
            self._named.pop(hint.name, None)
            self._named[hint.name] = hint
        if use is None or use.variable:
            self._whole[hint] = ""
        else:
            self._whole.setdefault(hint, use.name)

    def _of_map(self, use: MapUse) -> Iterator[Hint]:
        """Yield what the used keys say, under the name that the container knows them by."""
        found = self._view.workloads.config_map(self._namespace, use.name)
        keys = None if use.keys is None else frozenset(use.keys)
        for entry in found.entries if found else ():
            self._view.budget.spend()
            if keys is None or entry.name in keys:
                yield Hint(use.variable or f"{use.prefix}{entry.name}", entry.mentions, entry.number)

    def mentions(self) -> Iterator[tuple[Mention, str, str]]:
        """Yield each mention with the name that it is under, and the ConfigMap where that is given as it is.

        References and ports are filled in.
        """
        for hint in (*self._named.values(), *self._files):
            for mention in hint.mentions:
                one = self._filled(mention)
                if one.port is None:
                    one = structs.replace(one, port=self._ports.get(known_meaning(hint.name).stem))
                yield one, hint.name, self._whole[hint]
        for mention in self._said:
            yield self._filled(mention), "", ""

    def _filled(self, mention: Mention) -> Mention:
        """Replace `$(NAME)` by what that variable names; what is not known stays, and resolves to nothing."""
        host, port = mention.host, mention.port
        if (reference := _REFERENCE.fullmatch(host)) is not None:
            one = self._host(reference["name"])
            host, port = (one.host, one.port if port is None else port) if one else (host, port)
        if isinstance(port, str) and (reference := _REFERENCE.fullmatch(port)) is not None:
            number = self._number(reference["name"])
            port = port if number is None else number
        return Mention(host, port, mention.protocol)

    def _host(self, name: str) -> Mention | None:
        if (hint := self._named.get(name)) is not None:
            return hint.mentions[0] if len(hint.mentions) == 1 else None
        service = self._injected(name, "HOST")
        return Mention(service.name) if service else None

    def _number(self, name: str) -> int | None:
        if (hint := self._named.get(name)) is not None:
            return hint.number
        service = self._injected(name, "PORT")
        return service.ports[0].port if service and service.ports else None

    def _injected(self, name: str, what: str) -> Service | None:
        """Return the Service whose variables Kubernetes gives to every container: `NAME_SERVICE_HOST`."""
        found = _INJECTED.fullmatch(name)
        if found is None or found["what"] != what:
            return None
        return self._view.services.get(self._namespace, found["service"].replace("_", "-").lower())


MOST: Final = 200  # dependencies of one workload
MOST_GIVEN: Final = 4_000  # variables and keys of ConfigMaps of one workload, each container's counted
MOST_ASKED: Final = 1_000  # different hosts with ports of one workload that are looked for in the world
_QUALIFIED: Final = 2  # parts of `service.namespace`
_TOO_COMMON: Final = frozenset({"dns", "ftp", "http", "https", "ntp", "ssh", "tcp", "tls", "udp", "ws", "wss"})
_SPOKEN: Final = {  # words in names -> the port of what they stand for
    **{name: port for name, (_, port) in SCHEMES.items() if port is not None and name not in _TOO_COMMON},
    "elastic": 9200,
    "maria": 3306,
    "mongo": 27017,
    "opensearch": 9200,
    "rabbit": 5672,
    "valkey": 6379,
}


def asks_nobody(view: View, workload: Workload) -> bool:
    """Say whether nothing is inferred of a workload, as of most: no setting names anybody, and it has no peers.

    Nor is anything known by which it needs the API server.
    """
    return not workload.hints and not workload.service_name and needs_api_server(view, workload) is None


def infer(view: View, workload: Workload) -> tuple[Resolved, ...]:
    """Return what variables, arguments and ConfigMaps speak of, a StatefulSet's peers, and the API server."""
    found: dict[str, Resolved] = {}
    for mention, name, config_map in islice(_asked(view, workload), MOST_ASKED):
        if (one := _resolved(view, workload, mention, name)) is not None:
            one = structs.replace(one, shared=_shared(view, workload, config_map))
            if one.text not in found or not one.shared:
                found[one.text] = one
            if len(found) == MOST:
                break
    for one in _peers(view, workload):
        found.setdefault(one.text, one)
    if (one_more := known_api_server(view, workload)) is not None:
        found.setdefault(one_more.text, one_more)
    return tuple(found.values())[:MOST]


def _shared(view: View, workload: Workload, config_map: str) -> str | None:
    """Say that a ConfigMap is given as it is to several workloads: each may mean only some of what is there."""
    if not config_map:
        return None
    readers = view.workloads.mentioning([given_whole(workload.ref.namespace, config_map)])
    said = f"from ConfigMap {config_map}, which {len(readers)} workloads share: declare it where it is meant"
    return said if len(readers) > 1 else None


def _asked(view: View, workload: Workload) -> Iterator[tuple[Mention, str, str]]:
    """Yield what all containers name, with the names that they know it by: each once, where those say the same.

    With it goes the ConfigMap that it is in, where they are given that as it is.
    """
    seen: set[tuple[Mention, tuple[str, ...], str]] = set()
    left = MOST_GIVEN
    for container in workload.hints:
        if not container.telling:
            left -= min(left, len(container.given))
            continue
        variables = Variables(view, workload.ref.namespace, container, left)
        left -= variables.taken
        for mention, name, config_map in variables.mentions():
            view.budget.spend()
            key = mention, () if mention.port is not None else known_meaning(name).stem, config_map
            if key not in seen:
                seen.add(key)
                yield mention, name, config_map


def _peers(view: View, workload: Workload) -> Iterator[Resolved]:
    """Yield the other pods of a StatefulSet of several, which find each other by its own headless Service."""
    several = workload.replicas is not None and workload.replicas > 1
    service = (
        view.services.get(workload.ref.namespace, workload.service_name) if workload.service_name and several else None
    )
    if service is None or not service.headless:
        return
    port = service.ports[0].port if len(service.ports) == 1 else None
    one = resolve(view, workload, Dependency(NameTarget(service.name), port, source="inferred"))
    if one.found.flows and all(_is_own(flow.to, workload) and flow.declared for flow in one.found.flows):
        yield one


def reached(resolved: Resolved) -> frozenset[tuple[object, Protocol, int | None]]:
    """Return what a dependency comes down to, for telling whether another one covers it."""
    return frozenset(
        (flow.to.ref if isinstance(flow.to, Group) else flow.to, flow.protocol, flow.port)
        for flow in resolved.found.flows
    )


def uncovered(inferred: Sequence[Resolved], declared: Iterable[Resolved]) -> Iterator[Resolved]:
    """Yield the inferred dependencies that no declared one stands for."""
    if not inferred:
        return
    said = list(declared)
    names = {one.text for one in said} | {one.found.name for one in said if one.found.port == "*"}
    everything = frozenset[tuple[object, Protocol, int | None]]().union(*map(reached, said))
    for one in inferred:
        flows = reached(one)
        if one.text not in names and one.found.name not in names and not (flows and flows <= everything):
            yield one


def _resolved(view: View, workload: Workload, mention: Mention, name: str) -> Resolved | None:
    """Look up what is named. A full name without a port means the port that it can only mean, else all."""
    target = _target(view, mention.host)
    if target is None or (isinstance(mention.port, str) and mention.port.startswith("$")):
        return None
    asked = Dependency(target, mention.port, mention.protocol, "inferred")
    one = resolve(view, workload, asked)
    service = view.services.at(target) if isinstance(target, Address) else _service(view, one.found)
    if mention.port is None:
        port = _only_port(service, mention, name) if service else None
        if service is None or (port is None and not mention.full):
            return None
        one = resolve(view, workload, structs.replace(asked, port=port))
    return one if _counts(one.found, service, workload) else None


def _target(view: View, host: str) -> NameTarget | Address | None:
    """Return what a host means; None: an address that is no Service's own."""
    try:
        address = parse_address(host)
    except ValueError:
        return NameTarget(host)
    return address if view.services.at(address) is not None else None


def _counts(found: Found, service: Service | None, workload: Workload) -> bool:
    """Say whether it is something of the world that has the port, and not the workload itself."""
    if found.unsure or any(lost.what in ("NP201", "NP202") for lost in found.missing):
        return False
    if any(isinstance(flow.to, Host) or _is_own(flow.to, workload) for flow in found.flows):
        return False
    if service is None:
        return bool(found.flows) and all(flow.declared for flow in found.flows)
    ports = {port.port for port in service.ports}  # any number can be dialled behind a headless one
    return not service.headless or all(flow.declared or flow.port in ports for flow in found.flows)


def _is_own(to: object, workload: Workload) -> bool:
    return isinstance(to, Group) and to.ref == workload.ref


def _service(view: View, found: Found) -> Service | None:
    """Return the Service of a canonical name: `service.namespace` or `pod.service.namespace`."""
    parts = found.name.split(".")
    return view.services.get(parts[-1], parts[-2]) if len(parts) >= _QUALIFIED else None


def _only_port(service: Service, mention: Mention, name: str) -> int | None:
    """Return the port that can only be meant: there is one, or the names say which protocol is spoken."""
    numbers = {port.port for port in service.ports if port.protocol == mention.protocol}
    if len(numbers) == 1:
        return next(iter(numbers))
    text = "".join((*known_meaning(name).stem, mention.host)).lower()
    spoken = numbers.intersection(port for word, port in _SPOKEN.items() if word in text)
    return next(iter(spoken)) if len(spoken) == 1 else None
