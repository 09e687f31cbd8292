"""One dependency of one workload, looked up as the pod's resolver would (design.md §5)."""

from msgspec import Struct, structs

from webhook.dependencies.addresses import at_address, at_block
from webhook.dependencies.hosts import in_hosts_file
from webhook.dependencies.pods import at_workload, direct, pod_behind
from webhook.dependencies.services import through_service
from webhook.dependencies.targets import Found, Missing, port_text
from webhook.evaluate import Flow
from webhook.model.addresses import Address, Block
from webhook.model.dependency import Dependency, NameTarget, Source, WorkloadTarget
from webhook.model.objects import Service, Workload
from webhook.model.ports import Protocol
from webhook.model.verdict import Host
from webhook.world import View

Port = int | str | None
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
    if len(parts) > QUALIFIED or (target.scheme and not view.has_namespace(parts[1])):
        return _external(bare, port, protocol)
    return _absent(view, parts, own, port, protocol, known=view.has_namespace(parts[1]))


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
    return len(parts) == OF_A_POD and view.service(parts[2], parts[1]) is not None


def _in_namespace(
    view: View, workload: Workload, namespace: str, name: str, port: Port, protocol: Protocol
) -> Found | None:
    pod_name, dot, service_name = name.partition(".")
    if dot:
        return pod_behind(view, namespace, pod_name, service_name, port, protocol)
    service = view.service(namespace, name)
    if service is not None:
        return _service(view, workload, service, port, protocol)
    workloads = list(view.workloads(namespace))
    view.budget.spend(len(workloads))
    matches = sorted(w.ref for w in workloads if w.ref.name == name and w.owner is None)
    if matches:
        return direct(view, matches[0], f"{name}.{namespace}", port, protocol)
    return None


def _service(view: View, workload: Workload, service: Service, port: Port, protocol: Protocol) -> Found:
    if service.external_name is None:
        return through_service(view, service, port, protocol, workload.ref)
    number = next((p.port for p in service.ports if port == p.name), port)
    found = _aliased(view, workload, service.external_name.lower().rstrip("."), number, protocol)
    return structs.replace(found, name=f"{service.name}.{service.namespace}")


def _aliased(view: View, workload: Workload, alias: str, port: Port, protocol: Protocol) -> Found:
    """Follow an ExternalName, once: it is a whole DNS name, to which no search list is applied."""
    inside = alias.removesuffix(f".{view.settings.cluster_domain}").removesuffix(".svc")
    if inside == alias:
        return _external(alias, port, protocol)
    parts = inside.split(".")
    behind = view.service(parts[1], parts[0]) if len(parts) == QUALIFIED else None
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
    there = len(parts) == 1 or view.has_namespace(namespace)
    facts = [
        ("what", "Service or workload" if there else "namespace"),
        ("name", f"{namespace}/{name}" if there else namespace),
        ("complete", str(view.complete)),
    ]
    if not known and len(parts) == QUALIFIED:
        facts.append(("hint", "if it is external, write it with a trailing dot"))
    others = list(view.namespaces()) if there else []
    view.budget.spend(len(others))
    elsewhere = [n for n in others if n != namespace and view.service(n, name)]
    if elsewhere:
        facts.append(("hint", f"there is {name}.{elsewhere[0]}"))
    return Found(f"{name}.{namespace}", port=port_text(port, protocol), missing=(Missing("NP201", tuple(facts)),))
