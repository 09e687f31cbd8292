"""The whole allow set of namespaces, and a default deny of both directions, proved to close nothing that is declared.

What is declared, inferred and declared by ways in is judged as if the default deny were there already: what it denies
is what has to be allowed. Clients of other namespaces say that they connect, which is a claim and no right: they are
let in where they are admitted, and are a question else.
"""

from collections.abc import Collection, Iterator, Sequence
from typing import Final

from msgspec import Struct

from webhook.families import project
from webhook.families.own_kinds import Family, in_family
from webhook.fix.fix import UNPROVED, Unfixable, in_the_way
from webhook.fix.lockdown_policies import Wanted, default_deny, documented, written
from webhook.fix.needs import needs
from webhook.judge import Judged, judge, judge_dns, judge_workload
from webhook.judge.inbound import judge_hooks, judge_inbound, remedy
from webhook.matrix import matrix, sets
from webhook.model.addresses import Block
from webhook.model.answers import CLOSED, Host, Manifest, Verdict
from webhook.model.crd_policies import CrdPolicy
from webhook.model.objects import Workload
from webhook.model.policy import Policy
from webhook.model.refs import WorkloadRef
from webhook.model.settings import PRODUCT
from webhook.wire.networkpolicies import network_policy
from webhook.world import Overlay, Put, View
from webhook.world.proposed import Proposed

_Declared = dict[tuple[WorkloadRef, WorkloadRef | Block], sets.PortSet]
_MOST_BESIDES: Final = 50  # connections that are asked about
_MOST_BLOCKS: Final = 4  # of addresses, that a question names


class Question(Struct, frozen=True):
    """What could not be known, or is for a person to decide. `workload` None: it is about a namespace."""

    workload: WorkloadRef | None
    about: str
    reason: str


class Lockdown(Struct, frozen=True):
    """Policies in the order to apply: the allow rules first, the default deny last."""

    policies: tuple[Manifest, ...] = ()
    questions: tuple[Question, ...] = ()
    unfixable: tuple[Unfixable, ...] = ()
    notes: tuple[str, ...] = ()


def lockdown(view: View, namespaces: Sequence[str], family: Family = "networkpolicy") -> Lockdown:
    """Return the policies for `namespaces`. `view` is without what an earlier lockdown of them wrote.

    `family`: whose words they are in; its enforcer has to be there.
    """
    denies = [default_deny(view, name) for name in namespaces]
    closed = Overlay(view, [network_policy(one, one["metadata"]["namespace"]) for one in denies])
    asked = _Asked(view, closed, frozenset(namespaces))
    wanted = list(asked.wanted())
    allows, unfixable, notes = written(closed, wanted)
    policies = [in_family(one, family) for one in (*allows, *(documented(one, allows) for one in denies))]
    after = Proposed(view, [Put(_value(one)) for one in policies])
    unfixable += _unproved(after, wanted, {(one.workload, one.dependency) for one in unfixable})
    return Lockdown(
        tuple(policies),
        tuple(dict.fromkeys((*asked.questions, *_open_besides(after, frozenset(namespaces), asked.declared)))),
        tuple(dict.fromkeys(unfixable)),
        tuple(dict.fromkeys(notes)),
    )


def _value(policy: Manifest) -> Policy | CrdPolicy:
    value = project(policy, policy["metadata"]["namespace"])
    assert isinstance(value, Policy | CrdPolicy)  # noqa: S101 - of our own making
    return value


# -- what is needed, and what is for a person to say -------------------------------------------------------------------


class _Asked:
    """Everything that is declared, judged with the default deny in place."""

    def __init__(self, view: View, closed: View, locked: frozenset[str]) -> None:
        self._view, self._closed = view, closed
        self._locked = locked
        self.questions: list[Question] = []
        self.declared: _Declared = {}

    def wanted(self) -> Iterator[Wanted]:
        """Yield what clients need of the namespaces; the questions are whole after the last."""
        quiet: list[WorkloadRef] = []
        subjects: set[WorkloadRef] = set()
        for workload in sorted((w for w in self._view.workloads.every() if w.owner is None), key=lambda w: w.ref):
            found = [*self._declared(workload), *self._ways_in(workload)]
            if workload.ref.namespace in self._locked:
                self._of_workload(workload)
                quiet.append(workload.ref)
            subjects |= {need.subject for one in found for need in one.needs}
            yield from found
        for ref in (ref for ref in quiet if ref not in subjects):
            why = "nothing is declared from or to it: it is closed whole, or stays as other policies have it"
            self.questions.append(Question(ref, "no declaration", why))

    def _of_workload(self, workload: Workload) -> None:
        if workload.template.pod_class.host_network:
            why = "it is on the host network: no NetworkPolicy isolates it"
            self.questions.append(Question(workload.ref, "host network", why))
        for port, _, judged in judge_hooks(self._closed, workload):
            self.questions.append(Question(workload.ref, judged.text, remedy(self._closed, port)))

    def _declared(self, workload: Workload) -> Iterator[Wanted]:
        for part in judge_workload(self._closed, workload).parts:
            yield from self._of_part(workload, part)

    def _ways_in(self, server: Workload) -> Iterator[Wanted]:
        if server.ref.namespace not in self._locked:
            return
        for way in judge_inbound(Overlay(self._closed, [server], anew=True), server):
            if way.verdict not in CLOSED:
                continue
            if len(way.senders) > 1:
                names = ", ".join(ref.short for ref in way.senders)
                self.questions.append(Question(server.ref, way.path.by, f"any of {names} may be the one that sends"))
                continue
            for sender, part in way.judged:
                yield from self._of_part(sender, part, way.path.by)

    def _of_part(self, client: Workload, part: Judged, by: str = "") -> Iterator[Wanted]:
        """Yield what one answer needs, or ask."""
        self._note(client.ref, part)
        mine = tuple(need for need in needs(client, [part]) if need.subject.namespace in self._locked)
        if mine and not self._admitted(client.ref.namespace):
            about = by or f"{client.ref.short} -> {part.text}"
            why = f"{client.ref.short} says that it connects: `--admit {client.ref.namespace}` lets it in"
            self.questions += [Question(ref, about, why) for ref in dict.fromkeys(need.subject for need in mine)]
            return
        if client.ref.namespace in self._locked:
            self._unsure(client, part)
        if mine:
            yield Wanted(client, part, mine)

    def _admitted(self, namespace: str) -> bool:
        return namespace in self._locked or self._view.settings.admits(namespace)

    def _note(self, client: WorkloadRef, part: Judged) -> None:
        for flow in part.flows:
            if not isinstance(flow.to, Host) and flow.port:
                port = sets.interval(flow.protocol, flow.port, flow.port)
                pair = (client, flow.to)
                self.declared[pair] = sets.union(self.declared.get(pair, sets.NOTHING), port)

    def _unsure(self, client: Workload, part: Judged) -> None:
        names = [flow.to.name for flow in part.flows if isinstance(flow.to, Host)]
        if names:
            why = "which addresses the name stands for is not known: add an ipBlock for them"
            self.questions.append(Question(client.ref, part.text, why))
        elif part.verdict is Verdict.UNKNOWN:
            self.questions.append(Question(client.ref, part.text, part.reason or "it cannot be decided"))


# -- the proof ---------------------------------------------------------------------------------------------------------


def _unproved(after: View, wanted: Sequence[Wanted], known: Collection[tuple[WorkloadRef, str]]) -> list[Unfixable]:
    """Judge everything again with all policies in place, and return what does not pass."""
    found = []
    for one in wanted:
        if (one.client.ref, one.part.text) in known:
            continue
        resolved = one.part.resolved
        proof = judge_dns(after, one.client) if resolved is None else judge(after, one.client, resolved)
        if proof is not None and proof.verdict in CLOSED:
            found.append(Unfixable(one.client.ref, one.part.text, in_the_way([proof]) or UNPROVED))
    return found


def _open_besides(after: View, locked: Collection[str], declared: _Declared) -> Iterator[Question]:
    """Ask about connections of the namespaces that are sure to pass, and that nobody declares."""
    whole = matrix(after)
    inside = {
        ref
        for ref in whole.workloads
        if isinstance(ref, WorkloadRef) and ref.namespace in locked and not _on_host(after, ref)
    }
    blocks: dict[WorkloadRef, list[tuple[Block, sets.PortSet]]] = {}
    for (client, to), ports in declared.items():
        if isinstance(to, Block):
            blocks.setdefault(client, []).append((to, ports))
    found: list[Question] = []
    for row in whole.connections(whole.sure):
        match row.source, row.target:
            case WorkloadRef() as source, WorkloadRef() as target if source in inside or target in inside:
                rest = sets.difference(row.ports, declared.get((source, target), sets.NOTHING))
                found += [_question(source, source.short, target.short, rest)] if rest else []
            case WorkloadRef() as source, tuple() as ranges if source in inside:
                for ports, some in _undeclared(ranges, row.ports, blocks.get(source, ())).items():
                    found.append(_question(source, source.short, _addresses(some), ports))
            case tuple() as ranges, WorkloadRef() as target if target in inside:
                found.append(_question(target, _addresses(ranges), target.short, row.ports))
    yield from found[:_MOST_BESIDES]
    if len(found) > _MOST_BESIDES:
        rest_of_them = f"and {len(found) - _MOST_BESIDES} more connections"
        yield Question(None, rest_of_them, f"`{PRODUCT} matrix` shows them")


def _undeclared(
    ranges: Sequence[Block], ports: sets.PortSet, declared: Sequence[tuple[Block, sets.PortSet]]
) -> dict[sets.PortSet, list[Block]]:
    """Return the blocks of a row by what is open to them and not declared."""
    found: dict[sets.PortSet, list[Block]] = {}
    for block in ranges:
        rest = ports
        for one, some in declared:
            rest = sets.difference(rest, some) if one.covers(block) else rest
        if rest:
            found.setdefault(rest, []).append(block)
    return found


def _addresses(blocks: Sequence[Block]) -> str:
    more = f" and {len(blocks) - _MOST_BLOCKS} more blocks" if len(blocks) > _MOST_BLOCKS else ""
    return ", ".join(map(str, blocks[:_MOST_BLOCKS])) + more


def _on_host(view: View, ref: WorkloadRef) -> bool:
    workload = view.workloads.get(ref)
    pod_classes = [pod.pod_class for pod in view.pods.of(ref)] or ([workload.template.pod_class] if workload else [])
    return any(pod_class.host_network for pod_class in pod_classes)


def _question(about: WorkloadRef, source: str, target: str, ports: sets.PortSet) -> Question:
    which = "all ports" if ports == sets.EVERYTHING else ", ".join(map(str, sets.ranges(ports)))
    why = "nobody declares it, and it passes all the same: by policies that are there already, or however enforced"
    return Question(about, f"{source} -> {target} on {which}", why)
