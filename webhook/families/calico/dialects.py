"""How Calico, and Canal, which is its policy over flannel, read policies."""

from collections.abc import Callable, Mapping
from typing import Final

from webhook.families.admin.kinds import ANP, BANP, CNP
from webhook.families.calico.hosts import hosts, to_own_node
from webhook.families.calico.kinds import POLICIES
from webhook.families.calico.pools import pod_blocks
from webhook.families.calico.sets import of_namespaces
from webhook.families.calico.tiers import DEFAULT, OF_KUBERNETES, admin_tiers, ties_of_kubernetes
from webhook.families.calico.versions import FIRST_API, SECOND_API, version
from webhook.families.surroundings import Surroundings
from webhook.model.dialect import Dialect, Kind
from webhook.model.truth import Truth

_FIRST_KINDS: Final[frozenset[Kind]] = frozenset({ANP, BANP})
_SECOND_KINDS: Final[frozenset[Kind]] = frozenset({CNP})


def _dialect(name: str, surroundings: Surroundings) -> Dialect:
    running = version(surroundings)
    first = _FIRST_KINDS if FIRST_API <= running < SECOND_API else frozenset[Kind]()
    second = _SECOND_KINDS if running >= SECOND_API else frozenset[Kind]()
    admin, baseline = admin_tiers(running)
    return Dialect(
        name,
        evaluated=frozenset(POLICIES) | first | second,
        inert=(_FIRST_KINDS | _SECOND_KINDS) - first - second,
        network_policies=DEFAULT,
        rank=(OF_KUBERNETES,),
        ties=ties_of_kubernetes(running),
        admin=admin,
        baseline=baseline,
        by_name=True,
        unknown_peers=frozenset({"nodes", "domainNames"}),
        to_own_node=to_own_node(surroundings),
        hairpin=Truth.NO,
        hosts=hosts(surroundings),
        members=tuple(of_namespaces(surroundings)),
        pod_blocks=pod_blocks(surroundings),
    )


def _named(name: str) -> Callable[[Surroundings], Dialect]:
    return lambda surroundings: _dialect(name, surroundings)


DIALECTS: Final[Mapping[str, Callable[[Surroundings], Dialect]]] = {name: _named(name) for name in ("calico", "canal")}
