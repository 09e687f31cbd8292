"""CIDR checks with the arithmetic that a subnet calculator would show: NP401 to NP404 and NP409."""

from collections.abc import Iterator
from typing import Final

from webhook.explain.dns import dns_service
from webhook.explain.workload import declared
from webhook.model.addresses import BITS, Address, Block, Family, parse_address
from webhook.model.dependency import Dependency
from webhook.model.finding import DEFAULT_SEVERITY, Finding
from webhook.model.labels import Labels
from webhook.model.policy import BlockPeer, Direction, Policy
from webhook.model.truth import Truth
from webhook.world import View

Facts = tuple[tuple[str, str], ...]
FROM_WORDS: Final = {Direction.EGRESS: "egress", Direction.INGRESS: "ingress"}


def check_blocks(view: View, policy: Policy) -> Iterator[Finding]:
    """Yield what is odd about the address blocks of one policy, rule by rule."""
    for remark in policy.remarks:
        facts = (("text", remark.text), ("block", remark.block), *_host(remark.text))
        yield finding(remark.finding, policy, remark.direction, remark.rule, facts)
    for direction, rule, peer in _blocks(policy):
        yield from _wide(view, policy, direction, rule, peer)
        yield from _of_the_cluster(view, policy, direction, rule, peer)


def finding(name: str, policy: Policy, direction: Direction, rule: int | None, facts: Facts) -> Finding:
    """Return a finding about one rule of a policy."""
    where = f"{FROM_WORDS[direction]}[{rule}]" if rule is not None else FROM_WORDS[direction]
    return Finding(
        name,
        DEFAULT_SEVERITY[name],
        workload=None,
        source="policy",
        policies=(policy.ref.at(rule),),
        facts=(("policy", str(policy.ref)), ("rule", where), *facts),
    )


def _host(text: str) -> Facts:
    address, _, prefix = text.partition("/")
    one = parse_address(address)
    size = 1 << max(BITS[one.family] - int(prefix), 0)
    return (("addresses", str(size)), ("one", str(one.block)))


def _blocks(policy: Policy) -> Iterator[tuple[Direction, int, BlockPeer]]:
    for direction in Direction:
        section = policy.section(direction)
        for rule in section.rules if section else ():
            for peer in rule.peers or ():
                if isinstance(peer, BlockPeer):
                    yield direction, rule.index, peer


def _wide(view: View, policy: Policy, direction: Direction, rule: int, peer: BlockPeer) -> Iterator[Finding]:
    """NP402: workloads declare single addresses in a block, and nothing declares the block itself."""
    if direction is not Direction.EGRESS or peer.block.size == 1:
        return
    targets = list(_declared(view, policy, peer.block))
    used = sorted({t for t in targets if isinstance(t, Address)})
    if not used or len(used) != len(set(targets)):
        return
    many = peer.block.size
    facts = (
        ("block", str(peer.block)),
        ("addresses", str(many)),
        ("used", str(len(used))),
        ("spare", str(many - len(used))),
    )
    yield finding("NP402", policy, direction, rule, (*facts, ("one", str(used[0].block))))


def _declared(view: View, policy: Policy, block: Block) -> Iterator[Address | Block]:
    for workload in view.workloads(policy.namespace):
        if policy.subject is None or policy.subject.matches(workload.template.shape.labels) is Truth.NO:
            continue
        for item in declared(workload):
            target = item.target if isinstance(item, Dependency) else None
            if (isinstance(target, Address) and block.holds(target)) or (
                isinstance(target, Block) and block.covers(target)
            ):
                yield target


def _of_the_cluster(view: View, policy: Policy, direction: Direction, rule: int, peer: BlockPeer) -> Iterator[Finding]:
    block = peer.block
    service = view.service_at(Address(block.family, block.first)) if block.size == 1 else None
    if service is not None:
        if service != dns_service(view):
            labels = (service.selector or Labels()).as_dict()
            pods = ",".join(f"{k}={v}" for k, v in labels.items())
            name = f"{service.namespace}/{service.name}"
            yield finding("NP409", policy, direction, rule, (("block", str(block)), ("service", name), ("pods", pods)))
        return
    if block.prefix == 0 or (what := _overlap(view, peer)) is None:
        return
    yield finding("NP404", policy, direction, rule, (("block", str(block)), ("range", what[0]), ("of", what[1])))


def _overlap(view: View, peer: BlockPeer) -> tuple[str, str] | None:
    """Return the first range of the cluster's own that a block reaches into, and whose it is."""
    for inner, text, owner in _ranges(view, peer.block.family):
        if peer.block.overlaps(inner) and not any(e.covers(inner) for e in peer.excepts):
            return text, owner
    return None


def _ranges(view: View, family: Family) -> Iterator[tuple[Block, str, str]]:
    """Yield ranges that new pods get addresses from, then the addresses of pods and Services."""
    for pool in view.pod_blocks(family):
        yield pool, str(pool), "pods"
    for namespace in view.namespaces():
        for group in view.groups(namespace):
            for address in (a for pod in group.pods if not pod.shape.host_network for a in pod.addresses):
                yield address.block, str(address), f"pod {group.ref.short}"
        for service in view.services(namespace):
            for address in service.cluster_ips:
                yield address.block, str(address), f"Service {service.namespace}/{service.name}"
