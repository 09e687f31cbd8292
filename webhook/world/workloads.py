"""Workloads, by name, by what their declarations mention, and by whether they scrape metrics.

What a declaration means is for `dependencies` to say. Here it is only made sure that nothing is missed: what is written
as `a.b.c` may be `a` of the own namespace, `a` of namespace `b`, or pod `a` behind `b`, of the own or of namespace `c`.
They are found by the text alone, so that a change touches only its own.
"""

import re
from collections.abc import Collection, Iterable, Iterator
from itertools import islice
from typing import Final, Generic, TypeVar

from webhook.model.hints import ConfigMap, Hint, MapUse
from webhook.model.objects import Pod, Workload
from webhook.model.refs import EXPECTED, WorkloadRef
from webhook.world.changes import Clock, Stamps, discard
from webhook.world.pods import PodIndex

Name = tuple[str, str]  # namespace, name
K = TypeVar("K", WorkloadRef, Name)
MOST: Final = 4_000  # names of one workload: 200 items, with room for ports, protocols and whatever URLs have
_HOST: Final = re.compile(r"[a-z0-9_][a-z0-9_.-]*+")
_ADDRESS: Final = re.compile(r"(?<![\w.-])[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?![\w-])|\[")  # of either family
_AN_ADDRESS: Final[Name] = ("", "[")  # in place of each: whose it is changes
_INJECTED: Final = re.compile(r"\$\((?P<service>[A-Z0-9_]+)_SERVICE_HOST\)")  # what every container is given
# The labels are those of kube-prometheus, of Prometheus' and VictoriaMetrics' operators and of their charts.
_NAME: Final = "app.kubernetes.io/name"
_PART: Final = "app.kubernetes.io/component"
_SCRAPERS: Final = {"prometheus": 9090, "vmagent": 8429, "victoria-metrics-agent": 8429}
_PARTS: Final = frozenset({None, "prometheus", "server", "vmagent", "monitoring"})


class Workloads:
    """An index of workloads, bare Pods included, and of the ConfigMaps that their variables are read from."""

    def __init__(self, clock: Clock, pods: PodIndex) -> None:
        """Start empty, over an index of pods."""
        self.stamps = Stamps(clock)
        self.by_namespace: dict[str, dict[WorkloadRef, Workload]] = {}
        self._clock = clock
        self._pods = pods
        self._mentions = Mentions()
        self._scrapers: dict[WorkloadRef, Workload] = {}
        self._config_maps: dict[Name, ConfigMap] = {}
        self.expected: dict[str, dict[WorkloadRef, Workload]] = {}

    def expect(self, workloads: Iterable[Workload]) -> None:
        """Take those that the configuration expects in place of those before."""
        self.expected.clear()
        for one in workloads:
            self.expected.setdefault(one.ref.namespace, {})[one.ref] = one
        self._clock.tick()

    def put(self, workload: Workload) -> None:
        """Add or replace a workload."""
        ref = workload.ref
        self.by_namespace.setdefault(ref.namespace, {})[ref] = workload
        self._mentions.put(workload)
        if scrapes(workload):
            self._scrapers[ref] = workload
        else:
            self._scrapers.pop(ref, None)
        self.stamps.change(ref.namespace, empty=False)

    def drop(self, ref: WorkloadRef) -> None:
        """Remove a workload, if it is here."""
        discard(self.by_namespace, ref.namespace, ref)
        self._mentions.drop(ref)
        self._scrapers.pop(ref, None)
        self.stamps.change(ref.namespace, empty=ref.namespace not in self.by_namespace)

    def put_bare(self, pod: Pod) -> None:
        """Take what a pod declares for itself; whoever controls one declares for it."""
        if pod.bare is not None:
            self._mentions.put(pod.bare)
        else:
            self._mentions.drop(WorkloadRef("Pod", pod.namespace, pod.name))

    def drop_bare(self, namespace: str, name: str) -> None:
        """Hear that a pod is gone."""
        self._mentions.drop(WorkloadRef("Pod", namespace, name))

    def get(self, ref: WorkloadRef) -> Workload | None:
        """Return a workload."""
        if ref.kind == "Pod":
            pod = self._pods.get(ref.namespace, ref.name)
            return pod.bare if pod else None
        if ref.kind == EXPECTED:
            return self.expected.get(ref.namespace, {}).get(ref)
        return self.by_namespace.get(ref.namespace, {}).get(ref)

    def every(self, namespace: str | None = None) -> Iterable[Workload]:
        """Return the workloads of one namespace, or all."""
        for name in sorted({*self.by_namespace, *self._pods.bare}) if namespace is None else (namespace,):
            yield from self.by_namespace.get(name, {}).values()
            yield from (pod.bare for pod in self._pods.bare.get(name, {}).values() if pod.bare)

    def scrapers(self) -> tuple[Workload, ...]:
        """Return the workloads that scrape what is annotated, those included that something else controls."""
        return tuple(self._scrapers[ref] for ref in sorted(self._scrapers))

    def mentioning(self, names: Iterable[Name]) -> tuple[WorkloadRef, ...]:
        """Return the workloads whose declarations may mean one of these names, sorted."""
        return tuple(sorted(self._mentions.of(names)))

    def reaching(self, names: Iterable[Name]) -> tuple[WorkloadRef, ...]:
        """Return the workloads that may reach one of these names, or an address, sorted."""
        return tuple(sorted(self._mentions.reaching(names)))

    def telling(self, names: Iterable[Name]) -> set[WorkloadRef]:
        """Return the workloads whose containers are given one of these names, or an address."""
        return self._mentions.telling(names)

    # -- ConfigMaps ------------------------------------------------------------------------------------------------

    def put_config_map(self, value: ConfigMap) -> None:
        """Add or replace a ConfigMap."""
        self._config_maps[value.namespace, value.name] = value
        self._mentions.put_map(value)
        self._clock.tick()

    def drop_config_map(self, namespace: str, name: str) -> None:
        """Remove a ConfigMap, if it is here."""
        self._config_maps.pop((namespace, name), None)
        self._mentions.drop_map(namespace, name)
        self._clock.tick()

    def config_map(self, namespace: str, name: str) -> ConfigMap | None:
        """Return what a ConfigMap says of hosts and ports."""
        return self._config_maps.get((namespace, name))


def scrapes(workload: Workload) -> bool:
    """Say whether a workload's pods are named like a scraper's, and declare its port."""
    labels = workload.template.pod_class.labels
    port = _SCRAPERS.get(labels.get(_NAME) or labels.get("app") or "")
    part = labels.get(_PART) or labels.get("component")
    return part in _PARTS and any(one.number == port for one in workload.template.declares)


# -- names that declarations mention -----------------------------------------------------------------------------------


class Mentions:
    """Indexes from names to the workloads whose declarations, or settings, mention them."""

    def __init__(self) -> None:
        """Start empty."""
        self._declared = _Names[WorkloadRef]()
        self._told = _Names[WorkloadRef]()  # by what their containers are given, without ConfigMaps
        self._using = _Names[WorkloadRef]()  # ConfigMaps, by the same kind of name
        self._maps = _Names[Name]()  # ConfigMaps that mention a name
        self._addressed: dict[WorkloadRef, None] = {}  # who declares an address

    def put(self, workload: Workload) -> None:
        """Add or replace a workload; what a workload made is asked of that one."""
        ref = workload.ref
        self.drop(ref)
        if workload.owner is not None:
            return
        self._declared.put(ref, mentioned(workload))
        if any(addressed(note.text) for note in workload.connects_to) or workload.template.nameservers:
            self._addressed[ref] = None
        if workload.hints or workload.service_name:
            self._told.put(ref, tuple(islice(dict.fromkeys(_told(workload)), MOST)))
            given = (one for container in workload.hints for one in container.given)
            self._using.put(ref, tuple({(ref.namespace, one.name): None for one in given if isinstance(one, MapUse)}))

    def put_map(self, value: ConfigMap) -> None:
        """Add or replace a ConfigMap."""
        hosts = (one.host for entry in value.entries for one in entry.mentions)
        names = (name for host in hosts for name in _names_of(host, value.namespace))
        self._maps.put((value.namespace, value.name), tuple(islice(dict.fromkeys(names), MOST)))

    def drop_map(self, namespace: str, name: str) -> None:
        """Remove a ConfigMap, if it is here."""
        self._maps.put((namespace, name), ())

    def drop(self, ref: WorkloadRef) -> None:
        """Remove a workload, if it is here."""
        for index in (self._declared, self._told, self._using):
            index.put(ref, ())
        self._addressed.pop(ref, None)

    def of(self, names: Iterable[Name]) -> set[WorkloadRef]:
        """Return who may mean one of these names by a declaration."""
        return self._declared.of(names)

    def reaching(self, names: Iterable[Name]) -> set[WorkloadRef]:
        """Return who may mean one of these names, or an address, by a declaration or by what containers are given."""
        wanted = tuple(names)
        return self._declared.of(wanted) | self.telling(wanted) | self._addressed.keys()

    def telling(self, names: Iterable[Name]) -> set[WorkloadRef]:
        """Return who may mean one of these names, or an address, by what containers are given."""
        wanted = (*names, _AN_ADDRESS)
        return self._told.of(wanted) | self._using.of(self._maps.of(wanted))


class _Names(Generic[K]):
    """An index from names to those of whom they are kept."""

    def __init__(self) -> None:
        self._by_name: dict[Name, dict[K, None]] = {}
        self._names: dict[K, tuple[Name, ...]] = {}

    def put(self, key: K, names: tuple[Name, ...]) -> None:
        """Keep other names; none: let it go."""
        for name in self._names.pop(key, ()):
            discard(self._by_name, name, key)
        if names:
            self._names[key] = names
        for name in names:
            self._by_name.setdefault(name, {})[key] = None

    def of(self, names: Iterable[Name]) -> set[K]:
        """Return of whom one of these names is kept."""
        return {key for name in names for key in self._by_name.get(name, ())}


def reaches(workload: Workload, names: Collection[Name]) -> bool:
    """Say whether a workload that is in no index may be among those of `Mentions.reaching`, ConfigMaps unseen."""
    if any(addressed(note.text) for note in workload.connects_to) or workload.template.nameservers:
        return True
    return any(name in names for name in mentioned(workload)) or tells(workload, names)


def tells(workload: Workload, names: Collection[Name]) -> bool:
    """Say whether a workload that is in no index may be among those of `Mentions.telling`, ConfigMaps unseen."""
    return uses_maps(workload) or any(name in names or name == _AN_ADDRESS for name in _told(workload))


def uses_maps(workload: Workload) -> bool:
    """Say whether containers are given what is in ConfigMaps."""
    return any(isinstance(one, MapUse) for container in workload.hints for one in container.given)


def addressed(text: str) -> bool:
    """Say whether declarations hold an address, or look as if they did."""
    return _ADDRESS.search(text) is not None


def _told(workload: Workload) -> Iterator[Name]:
    """Yield the names in what a workload's containers are given, and of the Service of its own pods."""
    space = workload.ref.namespace
    if workload.service_name:
        yield space, workload.service_name
    for container in workload.hints:
        hints = (one for one in container.given if isinstance(one, Hint))
        for mention in (*(one for hint in hints for one in hint.mentions), *container.said):
            yield from _names_of(mention.host, space)


def _names_of(host: str, own: str) -> Iterator[Name]:
    """Yield the names that a host may mean; `$(DB_SERVICE_HOST)` is Service `db`, any other variable has its own."""
    if addressed(host) or ":" in host:
        yield _AN_ADDRESS
    elif (injected := _INJECTED.fullmatch(host)) is not None:
        yield own, injected["service"].replace("_", "-").lower()
    elif not host.startswith("$("):
        yield from names_in(host.lower(), own)


def mentioned(workload: Workload) -> tuple[Name, ...]:
    """Return the names that a workload's declarations may mean, and those of `given_whole`."""
    found: dict[Name, None] = {}
    for note in workload.connects_to:
        for name in names_in(note.text.lower(), workload.ref.namespace):
            found[name] = None
            if len(found) >= MOST:
                return tuple(found)
    uses = (given for one in workload.hints for given in one.given if isinstance(given, MapUse) and not given.variable)
    found.update((given_whole(workload.ref.namespace, use.name), None) for use in islice(uses, MOST - len(found)))
    return tuple(found)


def mentions(workload: Workload, wanted: Collection[Name]) -> bool:
    """Say whether a workload that is in no index may be among those of `Mentions.of`."""
    texts = [note.text.lower() for note in workload.connects_to]
    told = any(name in text for text in texts for _, name in wanted) or uses_maps(workload)
    return told and not frozenset(wanted).isdisjoint(mentioned(workload))  # which most are not


def given_whole(namespace: str, config_map: str) -> Name:
    """Return the name that finds whoever is given a ConfigMap as it is, not one key of it. No namespace has a slash."""
    return f"{namespace}/configmaps", config_map


def names_in(text: str, own: str) -> Iterator[Name]:
    """Yield the names that a text may mean, said in namespace `own`."""
    for match in islice(_HOST.finditer(text), MOST):
        first, *more = match[0].split(".")[:3]
        yield own, first
        if more:
            yield more[0], first
            yield own, more[0]
        if len(more) > 1:
            yield more[1], more[0]
