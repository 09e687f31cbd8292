"""How Calico, and Canal, which is its policy over flannel, read policies."""

from collections.abc import Callable, Mapping
from typing import Final

from webhook.families.calico.hosts import hosts, to_own_node
from webhook.families.calico.pools import pod_blocks
from webhook.families.calico.sets import of_namespaces
from webhook.families.calico.tiers import DEFAULT, OF_KUBERNETES, admin_tiers, ties_of_kubernetes
from webhook.families.calico.versions import SINCE_FIRST_API, SINCE_SECOND_API, version
from webhook.families.kinds import CALICO_POLICIES
from webhook.model.compile_context import CompileContext
from webhook.model.dialect import CNP, FIRST_API, Dialect, Kind
from webhook.model.truth import Truth

_SECOND_KINDS: Final[frozenset[Kind]] = frozenset({CNP})


def _dialect(name: str, compile_context: CompileContext) -> Dialect:
    running = version(compile_context)
    first = FIRST_API if SINCE_FIRST_API <= running < SINCE_SECOND_API else frozenset[Kind]()
    second = _SECOND_KINDS if running >= SINCE_SECOND_API else frozenset[Kind]()
    admin, baseline = admin_tiers(running)
    return Dialect(
        name,
        evaluated=frozenset(CALICO_POLICIES) | first | second,
        inert=(FIRST_API | _SECOND_KINDS) - first - second,
        network_policies=DEFAULT,
        rank=(OF_KUBERNETES,),
        ties=ties_of_kubernetes(running),
        admin=admin,
        baseline=baseline,
        by_name=True,
        unknown_peers=frozenset({"nodes", "domainNames"}),
        to_own_node=to_own_node(compile_context),
        hairpin=Truth.NO,
        hosts=hosts(compile_context),
        members=tuple(of_namespaces(compile_context)),
        pod_blocks=pod_blocks(compile_context),
    )


def _named(name: str) -> Callable[[CompileContext], Dialect]:
    return lambda compile_context: _dialect(name, compile_context)


DIALECTS: Final[Mapping[str, Callable[[CompileContext], Dialect]]] = {
    name: _named(name) for name in ("calico", "canal")
}
