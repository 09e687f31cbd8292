"""Workloads and pods (`apps/v1`, `batch/v1`, `v1`)."""

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Final

from webhook.model.addresses import FIRST_PORT, LAST_PORT, Address, ContainerPort, Protocol, parse_address
from webhook.model.hints import Cut
from webhook.model.labels import Labels
from webhook.model.objects import Declaration, HostAlias, Pod, PodClass, Template, Workload
from webhook.model.refs import WorkloadRef
from webhook.model.settings import CONNECTS_TO, EXEMPT
from webhook.wire import shapes
from webhook.wire.agents import daemon_set_flags
from webhook.wire.hints import container_hints
from webhook.wire.inbound import scrape
from webhook.wire.shapes import (
    Malformed,
    Raw,
    fail,
    flag,
    integer,
    mapping,
    mappings,
    protocol,
    shown,
    string,
    string_map,
    strings,
)

AUTOMOUNT = "automountServiceAccountToken"  # of a ServiceAccount and of a pod

USUAL_PATH = ("spec", "template")
TEMPLATE_PATHS = {
    "Deployment": USUAL_PATH,
    "StatefulSet": USUAL_PATH,
    "DaemonSet": USUAL_PATH,
    "ReplicaSet": USUAL_PATH,
    "ReplicationController": USUAL_PATH,
    "Job": USUAL_PATH,
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
    "Pod": (),
}
_FINISHED = frozenset({"Succeeded", "Failed"})
LONGEST_NOTE: Final = 65_536  # characters that are read of an annotation
_GIVEN_TO_ALL: Final = "kube-api-access-"  # the volume that every pod is given (`ServiceAccount` admission)
_API_AUDIENCE: Final = re.compile(r"(?:(?:https://)?kubernetes\.default.*)?$")  # of the API server; empty: its own
_URL: Final = re.compile(r"jdbc:|://", re.IGNORECASE)


def workload(
    raw: Raw, kind: str, namespace: str, name: str | None = None, at: tuple[str, ...] | None = None
) -> Workload:
    """Read an object of a kind in TEMPLATE_PATHS, or with its template `at` a path. `name` replaces an absent one."""
    template_raw, path = _template(raw, TEMPLATE_PATHS[kind] if at is None else at)
    spec, owner = mapping(raw, "spec", ""), shapes.maker(raw, kind)
    top, inner = _labels_and_notes(raw, template_raw, path)
    told = mapping(template_raw, "spec", path)
    hints, cut = container_hints(told, namespace) if owner is None else ((), False)
    return Workload(
        ref=WorkloadRef(kind, namespace, name if name is not None else shapes.name(raw)),
        template=read_template(template_raw, path, namespace),
        replicas=_replicas(raw, spec, kind),
        labels=shapes.labels(raw),
        selector=selector(spec, kind),
        owner=owner,
        connects_to=declarations(top, inner, CONNECTS_TO),
        exempt=declarations(top, inner, EXEMPT),
        service_name=string(spec, "serviceName", "spec") if kind == "StatefulSet" else "",
        hints=hints,
        flags=daemon_set_flags(raw, told.get("containers")) if kind == "DaemonSet" else (),
        cut=cuts(top, inner, containers=cut),
        uid=shapes.uid(raw) if kind != "Pod" else "",  # no pod makes another object
    )


def cuts(top: Mapping[str, str], inner: Mapping[str, str], *, containers: bool) -> tuple[Cut, ...]:
    """Return of what no more than a part was read. `containers`: of what these are given."""
    notes = top.get(CONNECTS_TO, ""), top.get(EXEMPT, ""), inner.get(CONNECTS_TO, ""), inner.get(EXEMPT, "")
    annotations: tuple[Cut, ...] = ("annotation",) if max(map(len, notes)) > LONGEST_NOTE else ()
    return (*annotations, "container") if containers else annotations


def pod(raw: Raw, namespace: str) -> Pod:
    """Read a Pod; one that no workload makes is a workload of its own, too."""
    name, owner = shapes.name(raw), shapes.controller(raw)
    spec, status = mapping(raw, "spec", ""), mapping(raw, "status", "")
    declared = tuple(_ports(spec, "spec"))
    live = string(status, "phase", "status") not in _FINISHED and not shapes.deleting(raw)
    return Pod(
        namespace=namespace,
        name=name,
        pod_class=_pod_class(namespace, shapes.labels(raw), declared, spec, "spec", template=False),
        addresses=tuple(_addresses(status)),
        node=string(spec, "nodeName", "spec"),
        live=live,
        owner=owner,
        declares=declared,
        bare=workload(raw, "Pod", namespace) if owner is None or (live and shapes.maker(raw, "Pod") is None) else None,
    )


def _replicas(raw: Raw, spec: Raw, kind: str) -> int | None:
    if kind == "DaemonSet":
        return integer(mapping(raw, "status", ""), "desiredNumberScheduled", "status")
    return None if kind == "Pod" else integer(spec, "replicas", "spec")


def _template(raw: Raw, keys: tuple[str, ...]) -> tuple[Raw, str]:
    path = ""
    for key in keys:
        raw = mapping(raw, key, path)
        path = f"{path}.{key}" if path else key
    return raw, path


def _labels_and_notes(raw: Raw, template: Raw, path: str) -> tuple[Mapping[str, str], Mapping[str, str]]:
    top = shapes.annotations(raw)
    inner = top if template is raw else shapes.annotations(template, path)
    return top, ({} if inner is top else inner)


def declarations(top: Mapping[str, str], inner: Mapping[str, str], key: str) -> tuple[Declaration, ...]:
    """Return what annotations of an object, and of its template, declare under a key."""
    if key not in top and key not in inner:
        return ()
    places = (("metadata", top), ("template", inner))
    return tuple([Declaration(_read(notes[key], key), place) for place, notes in places if key in notes])


def _read(text: str, key: str) -> str:
    """Return the whole items in as much of an annotation as is read: a part of one may be a part of a password."""
    if len(text) <= LONGEST_NOTE:
        return text
    line = text.rfind("\n", 0, LONGEST_NOTE) + 1
    parted = key == CONNECTS_TO and not _URL.search(text, line, LONGEST_NOTE)  # a comma in a URL may part nothing
    return text[: max(line, text.rfind(",", line, LONGEST_NOTE) + 1) if parted else line]


def selector(spec: Raw, kind: str) -> Labels | None:
    """Read which pods a workload of a kind takes for its own."""
    if kind == "ReplicationController":
        return Labels(string_map(spec, "selector", "spec")) or None
    if kind in ("Job", "CronJob", "Pod"):
        return None
    return Labels(string_map(mapping(spec, "selector", "spec"), "matchLabels", "spec.selector")) or None


def read_template(raw: Raw, path: str, namespace: str) -> Template:
    """Read a pod template, which is at `path`."""
    spec_path = f"{path}.spec" if path else "spec"
    spec = mapping(raw, "spec", path)
    declared = tuple(_ports(spec, spec_path))
    labels = shapes.labels(raw, path)
    return Template(
        pod_class=_pod_class(namespace, labels, declared, spec, spec_path, template=True),
        declares=declared,
        dns_policy=string(spec, "dnsPolicy", spec_path) or "ClusterFirst",
        service_account=string(spec, "serviceAccountName", spec_path),
        subdomain=string(spec, "subdomain", spec_path),
        scrape=scrape(shapes.annotations(raw, path)),
        injected=shapes.injected(shapes.annotations(raw, path)),
        aliases=tuple(_aliases(spec, spec_path)),
        nameservers=tuple(_nameservers(spec, spec_path)),
        probed=tuple(dict.fromkeys(_probed(spec, spec_path))),
        host_ports=tuple(_host_ports(spec, spec_path)),
        token=_token(spec),
        mounts=mounts if isinstance(mounts := spec.get(AUTOMOUNT), bool) else None,
    )


def _aliases(spec: Raw, path: str) -> Iterator[HostAlias]:
    """Yield the host aliases; what is no address tells nothing."""
    for index, entry in enumerate(mappings(spec, "hostAliases", path)):
        where = f"{path}.hostAliases[{index}]"
        names = tuple(name.lower().rstrip(".") for name in strings(entry, "hostnames", where))
        with suppress(ValueError):
            yield HostAlias(parse_address(string(entry, "ip", where)), names)


def _nameservers(spec: Raw, path: str) -> Iterator[Address]:
    for text in strings(mapping(spec, "dnsConfig", path), "nameservers", f"{path}.dnsConfig"):
        with suppress(ValueError):
            yield parse_address(text)


def _pod_class(
    namespace: str, labels: Labels, ports: tuple[ContainerPort, ...], spec: Raw, path: str, *, template: bool
) -> PodClass:
    return PodClass(
        namespace=namespace,
        labels=labels,
        ports=tuple(p for p in ports if p.name),
        host_network=flag(spec, "hostNetwork", path),
        template=template,
        account=string(spec, "serviceAccountName", path) or "default",
    )


def _ports(spec: Raw, path: str) -> Iterator[ContainerPort]:
    """Yield declared ports where Kubernetes looks names up: containers, then restartable init containers.

    Source: `k8s.io/endpointslice` FindPort and KEP-753.
    """
    for key in ("containers", "initContainers"):
        for index, container in enumerate(mappings(spec, key, path)):
            if key == "initContainers" and container.get("restartPolicy") != "Always":
                continue
            where = f"{path}.{key}[{index}]"
            for place, entry in enumerate(mappings(container, "ports", where)):
                yield _port(entry, f"{where}.ports[{place}]")


def _host_ports(spec: Raw, path: str) -> Iterator[tuple[Protocol, int]]:
    for index, container in enumerate(mappings(spec, "containers", path)):
        where = f"{path}.containers[{index}]"
        for place, entry in enumerate(mappings(container, "ports", where)):
            number = integer(entry, "hostPort", f"{where}.ports[{place}]")
            if number:
                yield protocol(entry, f"{where}.ports[{place}]"), number


def _token(spec: Raw) -> bool:
    """Say whether a volume asks for a token for the API server."""
    with suppress(Malformed):
        return any(map(asks_for_token, mappings(spec, "volumes", "")))
    return False


def asks_for_token(volume: Raw) -> bool:
    """Say whether a volume is a token for the API server that the manifest's author asked for. Raises Malformed."""
    if string(volume, "name", "").startswith(_GIVEN_TO_ALL):
        return False
    sources = mappings(mapping(volume, "projected", ""), "sources", "")
    tokens = [mapping(one, "serviceAccountToken", "") for one in sources if "serviceAccountToken" in one]
    return any(_API_AUDIENCE.match(string(one, "audience", "")) is not None for one in tokens)


_PROBES = ("readinessProbe", "livenessProbe", "startupProbe")


def _probed(spec: Raw, path: str) -> Iterator[int]:
    """Yield the ports, by number, that the kubelet asks on: somebody listens there, declared or not."""
    for index, container in enumerate(mappings(spec, "containers", path)):
        where = f"{path}.containers[{index}]"
        for probe in _PROBES:
            told = mapping(container, probe, where)
            for way in ("httpGet", "tcpSocket", "grpc"):
                port = mapping(told, way, f"{where}.{probe}").get("port")
                if isinstance(port, int) and not isinstance(port, bool):
                    yield port


def _port(raw: Raw, path: str) -> ContainerPort:
    number = integer(raw, "containerPort", path)
    if number is None or not FIRST_PORT <= number <= LAST_PORT:
        fail(f"{path}.containerPort", f"expected a port from 1 to 65535, not {shown(number)}")
    return ContainerPort(number, protocol(raw, path), string(raw, "name", path))


def _addresses(status: Raw) -> Iterator[Address]:
    several = [string(entry, "ip", "status.podIPs") for entry in mappings(status, "podIPs", "status")]
    for text in several or [string(status, "podIP", "status")]:
        if text:
            yield address(text, "status.podIPs")


def address(text: str, path: str) -> Address:
    """Read an address or raise Malformed."""
    try:
        return parse_address(text)
    except ValueError:
        fail(path, f"expected an IP address, not {shown(text)}")
