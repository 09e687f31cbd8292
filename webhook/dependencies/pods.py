"""Pods dialled themselves, by their workload or by their own stable names: no Service translates anything."""

from webhook.dependencies.services import (
    MOST_PORTS,
    declared_ports,
    declares,
    declaring,
    has,
    tells,
    too_many,
    undeclared,
)
from webhook.dependencies.targets import Found, Missing, port_text
from webhook.evaluate import Flow
from webhook.model.dependency import WorkloadTarget
from webhook.model.objects import Workload
from webhook.model.ports import Protocol
from webhook.model.refs import SHORT_KINDS, WorkloadRef
from webhook.world import Group, View

Port = int | str | None


def at_workload(view: View, workload: Workload, target: WorkloadTarget, port: Port, protocol: Protocol) -> Found:
    """Return the flows to a workload that is named by its kind."""
    namespace = (target.namespace or workload.ref.namespace).removesuffix(f".{view.settings.cluster_domain}")
    ref = WorkloadRef(target.kind, namespace.removesuffix(".svc"), target.name)
    text = f"{SHORT_KINDS.get(ref.kind, ref.kind.lower())}/{ref.name}.{ref.namespace}"
    if view.workload(ref) is None and not view.pods_of(ref):
        facts = (("what", ref.kind), ("name", ref.short), ("complete", str(view.complete)))
        return Found(text, port=port_text(port, protocol), missing=(Missing("NP201", facts),))
    return direct(view, ref, text, port, protocol)


def direct(view: View, ref: WorkloadRef, text: str, port: Port, protocol: Protocol) -> Found:
    """Flows to a workload's pods themselves: no Service translates anything."""
    pods, template = view.pods_of(ref), view.workload(ref)
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
    service = view.service(namespace, service_name)
    if service is None or not service.headless:
        return None
    groups = view.backends(service)
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
