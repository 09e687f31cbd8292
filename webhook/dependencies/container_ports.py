"""The ports that the containers behind a name declare, by number and by name."""

from collections.abc import Iterator

from webhook.model.addresses import ContainerPort, Protocol
from webhook.model.objects import Pod
from webhook.world import Group


def by_name(group: Group, name: str, protocol: Protocol) -> Iterator[tuple[int | None, Group]]:
    """Split a group by the number that a port's name stands for on each pod; None where it stands for nothing."""
    if group.template is not None:
        yield named(group.template.template.declares, name, protocol), group
        return
    parts: dict[int | None, list[Pod]] = {}
    for pod in group.pods:
        parts.setdefault(named(pod.declares, name, protocol), []).append(pod)
    for number, members in parts.items():
        yield number, Group(group.ref, tuple(members))


def declared_ports(group: Group) -> tuple[ContainerPort, ...]:
    """Return every port that some container of the group declares, each once."""
    if group.template is not None:
        return group.template.template.declares
    return tuple(dict.fromkeys(port for pod in group.pods for port in pod.declares))


def declaring(group: Group, port: ContainerPort) -> Group:
    """Return the part of a group that declares `port`; replicas may differ while they are rolled out."""
    return Group(group.ref, tuple(p for p in group.pods if port in p.declares), group.template)


def named(ports: tuple[ContainerPort, ...], name: str, protocol: Protocol) -> int | None:
    """Return the number of a named container port, as `k8s.io/endpointslice` FindPort looks it up."""
    return next((p.number for p in ports if p.name == name and p.protocol == protocol), None)


def declares(group: Group, number: int, protocol: Protocol) -> bool:
    """Say whether any container of the group declares the port. Declaring is not needed, only telling."""
    return any(p.number == number and p.protocol == protocol for p in declared_ports(group))
