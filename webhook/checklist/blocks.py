"""CIDR checks with the arithmetic of a subnet calculator: NP401 to NP404 and NP409."""

from bisect import bisect_left
from collections.abc import Iterator
from functools import cached_property
from typing import Final

from webhook.evaluate import Outside
from webhook.evaluate.coverage import entities_of
from webhook.evaluate.match import block_matches
from webhook.families.enforced import block_peer
from webhook.families.networkpolicy import isolates
from webhook.judge.dns import dns_service
from webhook.judge.workload import declared
from webhook.model.addresses import BITS, Address, Block, Family, parse_address
from webhook.model.answers import DEFAULT_SEVERITY, Dependency, Finding
from webhook.model.objects import Service
from webhook.model.policy import BlockPeer, Direction, Policy
from webhook.model.truth import Truth
from webhook.world import View

Owned = tuple[Block, str]  # and whose it is


class Own:
    """The ranges and addresses of one view, of which nothing changes meanwhile."""

    def __init__(self, view: View) -> None:
        """Look at nothing yet."""
        self.view = view

    def overlap(self, block: Block, excepts: tuple[Block, ...]) -> tuple[str, str] | None:
        """Return a range that `block` reaches into and does not except, and whose it is.

        The ranges of pods come first, then the lowest address of a pod or a Service.
        """
        for pool in self.view.pod_blocks(block.family):
            if block.overlaps(pool) and not any(e.covers(pool) for e in excepts):
                return str(pool), "pods"
        addresses = self._addresses.get(block.family, [])
        for place in range(bisect_left(addresses, block.first, key=_value), len(addresses)):
            address, owner = addresses[place]
            if address.first > block.last:
                break
            if not any(e.covers(address) for e in excepts):
                return str(Address(address.family, address.first)), owner
        return None

    @cached_property
    def _addresses(self) -> dict[Family, list[Owned]]:
        found: dict[Family, dict[Block, str]] = {}
        for namespace in self.view.namespaces.names():
            for group in self.view.pods.groups(namespace):
                for address in (a for pod in group.pods if not pod.pod_class.host_network for a in pod.addresses):
                    found.setdefault(address.family, {}).setdefault(address.block, f"pod {group.ref.short}")
            for service in self.view.services.within(namespace):
                for address in service.cluster_ips:
                    owner = f"Service {service.namespace}/{service.name}"
                    found.setdefault(address.family, {}).setdefault(address.block, owner)
        return {family: sorted(some.items()) for family, some in found.items()}


def _value(one: Owned) -> int:
    return one[0].first


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
    used = sorted({(t, port) for t, port in targets if isinstance(t, Address)}, key=str)
    if not used or len(used) != len(set(targets)):
        return
    opened = {address: _alone(view, address.block) for address, _ in used}
    held = sorted(address for address, truth in opened.items() if truth is Truth.YES)
    many, count = peer.block.size, len(held) or len(opened)
    facts = (
        ("block", str(peer.block)),
        ("addresses", str(many)),
        ("used", str(count)),
        ("spare", str(many - count)),
    )
    if Truth.MAYBE in opened.values():
        return  # who has an address decides what opens it: neither the block nor the address is sure to
    if held:
        yield finding("NP402", policy, direction, rule, (*facts, ("one", str(held[0].block))))
    else:
        more = (("one", str(used[0][0])), ("cni", view.dialect.name), ("instead", _for_node(view, *used[0])))
        yield finding("NP402", policy, direction, rule, (*facts, *more, ("slip", "nodes")))


def _alone(view: View, block: Block) -> Truth:
    """Say whether a block of one address opens it: some enforcers' blocks hold no nodes."""
    return block_matches(view, block_peer(BlockPeer(block), view.dialect), Outside(block), block.family)


def _for_node(view: View, address: Address, port: int | None) -> str:
    """Return what to do where no block opens a node's address."""
    if not view.dialect.own.entities:
        return "leave it out: no address block opens a node here"
    return f"write {entities_of(view, address.block, port or 0)} in a {view.dialect.own.kind}"


def _declared(view: View, policy: Policy, block: Block) -> Iterator[tuple[Address | Block, int | None]]:
    """Yield what workloads declare that a block holds, by the address and port that policy sees."""
    for workload in view.workloads.every(policy.namespace):
        if policy.subject is None or policy.subject.matches(workload.template.pod_class.labels) is Truth.NO:
            continue
        for item in declared(workload):
            if not isinstance(item, Dependency):
                continue
            port = item.port if isinstance(item.port, int) else None
            if isinstance(item.target, Address):
                yield from ((one, number) for one, number in _seen(view, item.target, port) if block.holds(one))
            elif isinstance(item.target, Block) and block.covers(item.target):
                yield item.target, port


def _seen(view: View, target: Address, port: int | None) -> Iterator[tuple[Address, int | None]]:
    """Yield what policy sees of an address that is dialled: of a Service the listed endpoints, and no pods."""
    service = view.services.at(target)
    if service is None or view.dialect.services.egress_before:
        yield target, port
    elif service.selector is None:
        yield from dict.fromkeys((address, number) for address, number, _ in view.services.endpoints(service))


def _of_the_cluster(own: Own, policy: Policy, direction: Direction, rule: int, peer: BlockPeer) -> Iterator[Finding]:
    block, view = peer.block, own.view
    service = view.services.at(Address(block.family, block.first)) if block.size == 1 else None
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
    endpoints = view.services.endpoints(service)
    if endpoints and all(_alone(view, address.block) is Truth.NO for address, _, _ in endpoints):
        return _for_node(view, *endpoints[0][:2])
    listed = [f"{address.block} on port {port}" for address, port, _ in endpoints][:_MOST_ENDPOINTS]
    return f"write its endpoints instead: {', '.join(listed)}" if listed else "write its endpoints instead"
