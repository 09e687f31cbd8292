"""CIDR checks with the arithmetic that a subnet calculator would show: NP401 to NP404 and NP409."""

from collections.abc import Iterator
from typing import Final

from webhook.checklist.own import Own
from webhook.explain.dns import dns_service
from webhook.explain.workload import declared
from webhook.families.networkpolicy import isolates
from webhook.model.addresses import BITS, Address, Block, parse_address
from webhook.model.dependency import Dependency
from webhook.model.finding import DEFAULT_SEVERITY, Finding
from webhook.model.objects import Service
from webhook.model.policy import BlockPeer, Direction, Policy
from webhook.model.truth import Truth
from webhook.world import View

Facts = tuple[tuple[str, str], ...]
_MOST_ENDPOINTS: Final = 3
FROM_WORDS: Final = {Direction.EGRESS: "egress", Direction.INGRESS: "ingress"}


def check_blocks(view: View, policy: Policy, own: Own) -> Iterator[Finding]:
    """Yield what is odd about the address blocks of one policy, rule by rule. `own`: the addresses of `view`."""
    for remark in policy.remarks:
        facts = (("text", remark.text), ("block", remark.block), *_host(remark.text))
        yield finding(remark.finding, policy, remark.direction, remark.rule, facts)
    for direction, rule, peer in _blocks(policy):
        yield from _wide(view, policy, direction, rule, peer)
        yield from _of_the_cluster(own, policy, direction, rule, peer)


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
        for rule in policy.rules(direction) if isolates(policy, direction) else ():
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
    """Yield what workloads declare that a block holds, by the address that policy sees."""
    for workload in view.workloads(policy.namespace):
        if policy.subject is None or policy.subject.matches(workload.template.shape.labels) is Truth.NO:
            continue
        for item in declared(workload):
            target = item.target if isinstance(item, Dependency) else None
            if isinstance(target, Address):
                yield from (seen for seen in _seen(view, target) if block.holds(seen))
            elif isinstance(target, Block) and block.covers(target):
                yield target


def _seen(view: View, target: Address) -> Iterator[Address]:
    """Yield the addresses that policy sees of one that is dialled: of a Service the listed endpoints, and no pods."""
    service = view.service_at(target)
    if service is None or view.dialect.services.egress_before:
        yield target
    elif service.selector is None:
        yield from dict.fromkeys(address for address, _, _ in view.endpoints(service))


def _of_the_cluster(own: Own, policy: Policy, direction: Direction, rule: int, peer: BlockPeer) -> Iterator[Finding]:
    block, view = peer.block, own.view
    service = view.service_at(Address(block.family, block.first)) if block.size == 1 else None
    if service is not None:
        seen = view.dialect.services.egress_before and direction is Direction.EGRESS
        if service != dns_service(view) and not seen:
            name = f"{service.namespace}/{service.name}"
            facts = (("block", str(block)), ("service", name), ("instead", _instead(view, service)))
            yield finding("NP409", policy, direction, rule, facts)
        return
    if block.prefix == 0 or (what := own.overlap(block, peer.excepts)) is None:
        return
    yield finding("NP404", policy, direction, rule, (("block", str(block)), ("range", what[0]), ("of", what[1])))


def _instead(view: View, service: Service) -> str:
    """Return what to write instead of a Service's address: its pods, or the endpoints that somebody listed."""
    if service.selector is not None:
        return f"select its pods instead: {','.join(f'{k}={v}' for k, v in service.selector.pairs)}"
    listed = [f"{address.block} on port {port}" for address, port, _ in view.endpoints(service)][:_MOST_ENDPOINTS]
    return f"write its endpoints instead: {', '.join(listed)}" if listed else "write its endpoints instead"
