"""One dependency, looked up as the pod's resolver would (design.md §5): /etc/hosts, Services, pods, addresses."""

from typing import Final

from msgspec import Struct, structs

from webhook.dependencies.addresses import at_address, at_block
from webhook.dependencies.container_ports import declared_ports, declares, declaring
from webhook.dependencies.services import (
    MOST_PORTS,
    Found,
    Missing,
    has,
    or_supposed,
    port_text,
    tells,
    through_service,
    too_many,
    undeclared,
)
from webhook.evaluate import Flow
from webhook.model.addresses import Address, Block, Protocol, parse_address
from webhook.model.answers import Dependency, Host, NameTarget, Source, WorkloadTarget
from webhook.model.objects import Service, Workload
from webhook.model.refs import SHORT_KINDS, WorkloadRef
from webhook.world import Group, View

Port = int | str | None
LOCALHOST: Final = "localhost"
LOOPBACK_ADDRESS: Final = parse_address("127.0.0.1")


def is_localhost(host: str) -> bool:
    """Say whether a name means the pod itself (RFC 6761, 6.3)."""
    bare = host.rstrip(".").lower()
    return bare == LOCALHOST or bare.endswith((f".{LOCALHOST}", f"{LOCALHOST}.localdomain"))


def in_hosts_file(view: View, workload: Workload, target: NameTarget, port: Port, protocol: Protocol) -> Found | None:
    """Return the flows to a name that is in the pod's own file; None: it is not."""
    name = target.host.rstrip(".")
    addresses = [alias.address for alias in workload.template.aliases if name in alias.names]
    if not addresses:
        addresses = [LOOPBACK_ADDRESS] if is_localhost(name) else []
    if not addresses:
        return None
    several = [at_address(view, workload, address, port, protocol) for address in dict.fromkeys(addresses)]
    flows = tuple(flow for found in several for flow in found.flows)
    missing = tuple(lost for found in several for lost in found.missing)
    unsure = next((found.unsure for found in several if found.unsure), None)
    notes = tuple(note for found in several for note in found.assumptions)
    return Found(name, flows, several[0].port, missing, unsure, notes)


def at_workload(view: View, workload: Workload, target: WorkloadTarget, port: Port, protocol: Protocol) -> Found:
    """Return the flows to a workload that is named by its kind."""
    namespace = (target.namespace or workload.ref.namespace).removesuffix(f".{view.settings.cluster_domain}")
    ref = WorkloadRef(target.kind, namespace.removesuffix(".svc"), target.name)
    text = f"{SHORT_KINDS.get(ref.kind, ref.kind.lower())}/{ref.name}.{ref.namespace}"
    if view.workloads.get(ref) is None and not view.pods.of(ref):
        facts = (("what", ref.kind), ("name", ref.short), ("complete", str(view.complete)))
        return Found(text, port=port_text(port, protocol), missing=(Missing("NP201", facts),))
    return direct(view, ref, text, port, protocol)


def direct(view: View, ref: WorkloadRef, text: str, port: Port, protocol: Protocol) -> Found:
    """Flows to a workload's pods themselves: no Service translates anything."""
    pods, template = view.pods.of(ref), view.workloads.get(ref)
    group = Group(ref, pods, None if pods else template)
    view.budget.spend(len(pods))
    if isinstance(port, int):
        declared = declares(group, port, protocol)
        lost = () if declared or not tells(view, group, port) else (_undeclared(ref, port, protocol),)
        return Found(text, (Flow(group, protocol, port, declared=declared),), port_text(port, protocol), lost)
    chosen = [p for p in declared_ports(group) if port is None or (p.name == port and p.protocol == protocol)]
    if not chosen:
        facts = (
            ("service", str(ref)),
            ("port", port_text(port, protocol)),
            ("has", ", ".join(f"{p.number}/{p.protocol}" for p in declared_ports(group)) or "none"),
        )
        return Found(text, port=port_text(port, protocol), missing=(Missing("NP202", facts),))
    if len(chosen) > MOST_PORTS:
        return Found(text, port=port_text(port, protocol), unsure=too_many(text, len(chosen)))
    flows = tuple(Flow(declaring(group, p), p.protocol, p.number) for p in chosen)
    return Found(text, flows, "*" if port is None else f"{chosen[0].number}/{protocol}")


def _undeclared(ref: WorkloadRef, port: int, protocol: Protocol) -> Missing:
    return Missing(
        "NP203", (("service", ref.short), ("port", f"{port}/{protocol}"), ("number", str(port)), ("workload", str(ref)))
    )


def pod_behind(
    view: View, namespace: str, pod_name: str, service_name: str, port: Port, protocol: Protocol
) -> Found | None:
    """A pod of a StatefulSet by its stable name, `pod.service`."""
    service = view.services.get(namespace, service_name)
    if service is None or not service.headless:
        return None
    groups = view.pods.behind(service)
    view.budget.spend(sum(1 + len(group.pods) for group in groups))
    one = next((g for group in groups if (g := _stable(group, pod_name))), None)
    if one is None:
        return None
    text = f"{pod_name}.{service_name}.{namespace}"
    number = next((p.port for p in service.ports if port in (p.port, p.name)), port)
    if isinstance(number, str):
        facts = (("service", f"{namespace}/{service_name}"), ("port", f"{port}/{protocol}"), ("has", has(service)))
        return Found(text, port=f"{port}/{protocol}", missing=(Missing("NP202", facts),))
    wanted = [(number, protocol)] if number is not None else [(p.port, p.protocol) for p in service.ports]
    if len(wanted) > MOST_PORTS:
        return Found(text, port=port_text(number, protocol), unsure=too_many(text, len(wanted)))
    flows = tuple(
        Flow(one, spoken, dialled, families=service.families, declared=declares(one, dialled, spoken))
        for dialled, spoken in wanted
    )
    lost = [
        undeclared(service, p, one, p.port, text)
        for p in service.ports
        if (p.port, p.protocol) in wanted and not declares(one, p.port, p.protocol) and tells(view, one, p.port)
    ]
    return Found(text, flows, port_text(number, protocol), tuple(dict.fromkeys(lost)))


def _stable(group: Group, pod_name: str) -> Group | None:
    """Return the one pod of that name; before there are pods, the template that a StatefulSet makes it from."""
    if pods := tuple(pod for pod in group.pods if pod.name == pod_name):
        return Group(group.ref, pods)
    name, _, ordinal = pod_name.rpartition("-")
    stable = group.ref.kind == "StatefulSet" and name == group.ref.name and ordinal.isdecimal()
    return group if stable and group.template is not None else None


QUALIFIED = 2  # parts of `name.namespace`
OF_A_POD = 3  # parts of `pod.service.namespace`


class Resolved(Struct, frozen=True):
    """A dependency with its canonical text and what it comes down to. `by_name`: a DNS look-up comes first.

    `shared`: that it is inferred of what others are told, too, so that the workload may not mean it.
    """

    text: str
    source: Source
    found: Found
    by_name: bool = True
    shared: str | None = None


def resolve(view: View, workload: Workload, dependency: Dependency) -> Resolved:
    """Look one dependency up."""
    view.budget.spend()
    target, port, protocol = dependency.target, dependency.port, dependency.protocol
    if isinstance(target, Address):
        found = at_address(view, workload, target, port, protocol)
    elif isinstance(target, Block):
        found = at_block(view, workload, target, port, protocol)
    elif isinstance(target, WorkloadTarget):
        found = at_workload(view, workload, target, port, protocol)
    else:
        own = in_hosts_file(view, workload, target, port, protocol)
        found = own or _name(view, workload, target, port, protocol)
        return Resolved(f"{found.name}:{found.port}", dependency.source, found, by_name=own is None)
    return Resolved(f"{found.name}:{found.port}", dependency.source, found, by_name=False)


def _name(view: View, workload: Workload, target: NameTarget, port: Port, protocol: Protocol) -> Found:
    own = workload.ref.namespace
    host, domain = target.host, view.settings.cluster_domain
    bare = host.rstrip(".")
    inside = bare.removesuffix(f".{domain}").removesuffix(".svc")
    absolute = inside != bare
    if not absolute and (host.startswith("*.") or host.endswith(".")):
        return _external(bare, port, protocol)
    parts = inside.split(".")
    for namespace, name in _places(parts, own, absolute=absolute):
        if found := _in_namespace(view, workload, namespace, name, port, protocol):
            return found
    if absolute or len(parts) == 1 or _pod_missing(view, parts):
        return _absent(view, parts, own, port, protocol, known=True)
    if len(parts) > QUALIFIED or (target.scheme and parts[1] not in view.namespaces):
        return _external(bare, port, protocol)
    return _absent(view, parts, own, port, protocol, known=(parts[1] in view.namespaces))


def _places(parts: list[str], own: str, *, absolute: bool) -> list[tuple[str, str]]:
    """Return (namespace, name or pod.service) in the order of the resolver's search list.

    `absolute`: it ended in `.svc`, which the search list's first entry makes no name of.
    """
    match len(parts):
        case 1:
            return [(own, parts[0])]
        case 2:
            inside = [] if absolute else [(own, ".".join(parts))]
            return [*inside, (parts[1], parts[0])]
        case 3:
            return [(parts[2], f"{parts[0]}.{parts[1]}")]
        case _:
            return []


def _pod_missing(view: View, parts: list[str]) -> bool:
    """Say whether `pod.service.namespace` is about a Service that is here, so that only the pod is not."""
    return len(parts) == OF_A_POD and view.services.get(parts[2], parts[1]) is not None


def _in_namespace(
    view: View, workload: Workload, namespace: str, name: str, port: Port, protocol: Protocol
) -> Found | None:
    pod_name, dot, service_name = name.partition(".")
    if dot:
        return pod_behind(view, namespace, pod_name, service_name, port, protocol)
    service = view.services.get(namespace, name)
    if service is not None:
        return _service(view, workload, service, port, protocol)
    workloads = list(view.workloads.every(namespace))
    view.budget.spend(len(workloads))
    matches = sorted(w.ref for w in workloads if w.ref.name == name and w.owner is None)
    if matches:
        return direct(view, matches[0], f"{name}.{namespace}", port, protocol)
    return None


def _service(view: View, workload: Workload, service: Service, port: Port, protocol: Protocol) -> Found:
    if service.external_name is None:
        return or_supposed(view, service, workload, through_service(view, service, port, protocol, workload.ref))
    number = next((p.port for p in service.ports if port == p.name), port)
    found = _aliased(view, workload, service.external_name.lower().rstrip("."), number, protocol)
    return structs.replace(found, name=f"{service.name}.{service.namespace}")


def _aliased(view: View, workload: Workload, alias: str, port: Port, protocol: Protocol) -> Found:
    """Follow an ExternalName, once: it is a whole DNS name, to which no search list is applied."""
    inside = alias.removesuffix(f".{view.settings.cluster_domain}").removesuffix(".svc")
    if inside == alias:
        return _external(alias, port, protocol)
    parts = inside.split(".")
    behind = view.services.get(parts[1], parts[0]) if len(parts) == QUALIFIED else None
    if behind is None:
        return _absent(view, parts, parts[-1], port, protocol, known=True)
    if behind.external_name is not None:
        why = f"it leads to {alias}, which is an ExternalName itself; only one is followed"
        return Found(alias, port=port_text(port, protocol), unsure=why)
    return through_service(view, behind, port, protocol, workload.ref)


def _external(host: str, port: Port, protocol: Protocol) -> Found:
    if isinstance(port, str):
        return Found(host, port=port_text(port, protocol), unsure=f"`{port}` is a port name, and {host} is no Service")
    return Found(host, (Flow(Host(host), protocol, port),), port_text(port, protocol))


def _absent(view: View, parts: list[str], own: str, port: Port, protocol: Protocol, *, known: bool) -> Found:
    """Nobody of that name; say what is missing and the slip that it looks like."""
    name, namespace = (parts[0], own) if len(parts) == 1 else (".".join(parts[:-1]), parts[-1])
    there = len(parts) == 1 or namespace in view.namespaces
    facts = [
        ("what", "Service or workload" if there else "namespace"),
        ("name", f"{namespace}/{name}" if there else namespace),
        ("complete", str(view.complete)),
    ]
    if not known and len(parts) == QUALIFIED:
        facts.append(("hint", "if it is external, write it with a trailing dot"))
    others = list(view.namespaces.names()) if there else []
    view.budget.spend(len(others))
    elsewhere = [n for n in others if n != namespace and view.services.get(n, name)]
    if elsewhere:
        facts.append(("hint", f"there is {name}.{elsewhere[0]}"))
    return Found(f"{name}.{namespace}", port=port_text(port, protocol), missing=(Missing("NP201", tuple(facts)),))
