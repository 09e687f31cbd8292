"""Policies that let others in to a workload: who sends by a declared way in, and those who depend on it."""

from collections.abc import Collection, Iterable, Iterator, Sequence

from webhook.fix.fix import UNPROVED, Fixed, Fixes, Unfixable, distinct, fix, in_the_way, is_open
from webhook.fix.needs import needs
from webhook.fix.selectors import Unwritable
from webhook.fix.write import write
from webhook.judge.dependency import judge
from webhook.judge.inbound import Way, closed_part, judge_inbound
from webhook.judge.workload import Dependant, judge_dependants
from webhook.model.answers import CLOSED, FlowVerdict
from webhook.model.objects import Workload
from webhook.model.refs import WorkloadRef
from webhook.wire.networkpolicies import network_policy
from webhook.world import Overlay, View

MOST = 50  # clients that one policy lets in
MOST_SPACES = 5  # namespaces that are named with what lets their clients in
MOST_NAMED = 3  # clients of each


def fix_all(view: View, workloads: Sequence[Workload]) -> Fixes:
    """Fix what workloads declare, and let in whoever is declared to reach them."""
    own, reviewed = fix(view, workloads), {workload.ref for workload in workloads}
    policies, unfixable, notes = list(own.policies), list(own.unfixable), list(own.notes)
    for workload in workloads if view.enforcer.enforces else ():
        for clients, text, fixed in fix_server(view, workload, reviewed):
            policies += fixed.policies
            notes += fixed.notes
            if not fixed.policies:
                asked = (ref for ref in clients if ref not in fixed.held)
                unfixable += (Unfixable(ref, text, fixed.reason or UNPROVED) for ref in asked)
    policies.sort(key=lambda one: (one["metadata"]["namespace"], one["metadata"]["name"]))
    return Fixes(distinct(policies), tuple(dict.fromkeys(unfixable)), tuple(dict.fromkeys(notes)))


def fix_server(
    view: View, server: Workload, reviewed: Collection[WorkloadRef]
) -> Iterator[tuple[tuple[WorkloadRef, ...], str, Fixed]]:
    """Yield what opens each way in to a workload that is closed, and each dependency of others on it.

    First comes who is let in.
    """
    off = {name for name, severity in view.settings.severities if not severity}
    anew = Overlay(view, [server], anew=True)
    for way in judge_inbound(anew, server, near=False) if "NP108" not in off else ():
        if way.verdict in CLOSED:
            yield way.senders, way.path.to.text, fix_way(anew, server, way)
    by_text: dict[str, list[Dependant]] = {}
    for one in judge_dependants(anew, server, reviewed).found if "NP109" not in off else ():
        if any(shuts_out(flow) for flow in one.judged.flows):
            by_text.setdefault(one.judged.text, []).append(one)
    for text, some in by_text.items():
        yield tuple(one.client.ref for one in some), text, fix_dependants(anew, server, some)


def shuts_out(flow: FlowVerdict) -> bool:
    """Say whether the server's own side has a part in it that a flow does not pass."""
    return flow.verdict in CLOSED and flow.ingress.verdict in CLOSED


def fix_way(view: View, server: Workload, way: Way) -> Fixed:
    """Open a declared way in, for all kinds of pods that send. Where it is not known who does, nobody is let in."""
    if way.path.claimed and (held := _held(view, server, way.senders)):
        return _holding(Fixed(), held)
    if len(way.senders) > 1:
        names = ", ".join(ref.short for ref in way.senders)
        return Fixed(reason=f"any of {names} may be the one that sends")
    return _fixed(view, server, [Dependant(sender, closed_part(one)) for sender, one in way.judged])


def fix_dependants(view: View, server: Workload, every: Sequence[Dependant]) -> Fixed:
    """Open a server to clients that depend on it; to as many as it can be where it is not possible for all.

    That they do is what they say themselves: who is of another namespace has to be admitted.
    """
    held = _held(view, server, (one.client.ref for one in every))
    closed = [one for one in every if one.client.ref not in held]
    return _holding(_for_all(view, server, closed) if closed else Fixed(), held)


def _held(view: View, server: Workload, clients: Iterable[WorkloadRef]) -> tuple[WorkloadRef, ...]:
    own = server.ref.namespace
    return tuple(dict.fromkeys(ref for ref in clients if not view.settings.admits(ref.namespace, own)))


def _holding(fixed: Fixed, held: tuple[WorkloadRef, ...]) -> Fixed:
    """Say who is not let in, namespace by namespace."""
    spaces: dict[str, list[str]] = {}
    for ref in held:
        spaces.setdefault(ref.namespace, []).append(ref.short)
    told = [f"not let in without `--admit {name}`: {_some(refs)}" for name, refs in spaces.items()]
    if told[MOST_SPACES:]:
        told[MOST_SPACES:] = [f"not let in either: clients of {len(told) - MOST_SPACES} more namespaces"]
    reason = fixed.reason if fixed.policies or fixed.reason or not told else told[0]
    return Fixed(fixed.policies, reason, (*fixed.notes, *told), held)


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_NAMED} more" if names[MOST_NAMED:] else ""
    return ", ".join(names[:MOST_NAMED]) + more


def _for_all(view: View, server: Workload, closed: Sequence[Dependant]) -> Fixed:
    some = [Dependant(one.client, closed_part(one.judged)) for one in closed[:MOST]]
    left = (f"{len(closed) - MOST} more clients are not in it: apply this, and look again",) if closed[MOST:] else ()
    together = _fixed(view, server, some)
    if together.policies or len(some) == 1:
        return Fixed(together.policies, together.reason, (*together.notes, *left))
    alone = {one.client.ref.short: _fixed(view, server, [one]) for one in some}
    good = [one for one in some if alone[one.client.ref.short].policies]
    bad = [f"{name} is not let in: {found.reason}" for name, found in alone.items() if not found.policies]
    both = _fixed(view, server, good) if good else together
    return Fixed(both.policies, both.reason, (*both.notes, *(bad if both.policies else ()), *left))


def _fixed(view: View, server: Workload, parts: Sequence[Dependant]) -> Fixed:
    """Write for all of them at once, evaluate again, and only then show."""
    if (why := in_the_way((one.judged for one in parts), only_final=True)) is not None:
        return Fixed(reason=why)
    wanted = [need for one in parts for need in needs(one.client, [one.judged])]
    if not wanted:
        return Fixed(reason=next((one.judged.reason for one in parts if one.judged.reason), "no policy is in the way"))
    try:
        manifests, notes = write(view, server, wanted)
    except Unwritable as error:
        return Fixed(reason=str(error))
    after = Overlay(view, [network_policy(one, one["metadata"]["namespace"]) for one in manifests])
    resolved = [(one.client, one.judged.resolved) for one in parts if one.judged.resolved is not None]
    proofs = [judge(after, client, to, near=False) for client, to in resolved]
    if not all(map(is_open, proofs)):
        return Fixed(reason=in_the_way(proofs) or UNPROVED)
    return Fixed(tuple(manifests), notes=tuple(notes))
