"""Who stands behind Services that a rule names, or selects by their labels (`model.tier.ServicesPeer`)."""

from collections.abc import Callable, Iterator

from webhook.evaluate.ends import End, Outside
from webhook.evaluate.node_and_service_peers import is_some_pod
from webhook.model.addresses import Family
from webhook.model.dialect import visible
from webhook.model.labels import NO_KEYS, Selector
from webhook.model.objects import Service
from webhook.model.policy import BlockPeer
from webhook.model.tier import ServicesPeer, ServiceWish
from webhook.model.truth import Truth
from webhook.world import View

Held = Callable[[BlockPeer], Truth]


def behind(view: View, peer: ServicesPeer, other: End, family: Family | None, held: Held) -> Truth:
    """Say whether `other` stands behind one of the Services; in a world that is not whole, others may be there.

    `held`: whether a block holds it.
    """
    by_wish = [list(_wanted(view, wish)) for wish in peer.wanted]
    found = [service for some in by_wish for service in some]
    if not found:
        return Truth.of(peer.or_any) if view.complete else Truth.MAYBE
    if peer.or_any and not any(service.selector or view.serving(service) for service in found):
        return Truth.MAYBE  # nobody stands behind them: to some versions that is as if there were none
    best = max(_stands(view, peer, service, other, family, held) for service in found)
    named = all(some and w.labels is None and w.namespace for w, some in zip(peer.wanted, by_wish, strict=True))
    return best if view.complete or named else max(best, Truth.MAYBE)


def _wanted(view: View, wish: ServiceWish) -> Iterator[Service]:
    for namespace in (wish.namespace,) if wish.namespace else view.namespaces():
        view.budget.spend()
        if wish.labels is None:
            service = view.service(namespace, wish.name)
            yield from () if service is None else (service,)
        else:
            services = list(view.services(namespace))
            view.budget.spend(len(services))
            yield from (s for s in services if wish.labels.matches(s.labels) is Truth.YES)


def _stands(view: View, peer: ServicesPeer, service: Service, other: End, family: Family | None, held: Held) -> Truth:
    if service.selector is not None:
        return _selected(view, service, other)
    serving = view.serving(service)
    view.budget.spend(len(serving))
    addresses = (a for a in serving if family is None or a.family == family)
    blocks = (BlockPeer(address.block, pods=peer.pods, nodes=peer.nodes) for address in addresses)
    return max((held(block) for block in blocks), default=Truth.NO)


def _selected(view: View, service: Service, other: End) -> Truth:
    if isinstance(other, Outside):
        return Truth.MAYBE if is_some_pod(other) else Truth.NO
    shape = other.shape
    selector = (
        None if service.selector is None else visible(Selector.exactly(service.selector), view.dialect.peers.unseen)
    )
    if selector is None or shape.host_network or shape.namespace != service.namespace:
        return Truth.NO
    return selector.matches(shape.labels, view.settings.pending_labels if shape.template else NO_KEYS)
