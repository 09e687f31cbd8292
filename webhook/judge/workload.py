"""All that one workload declares, or is inferred to need, judged, the DNS look-up once for all; and its dependants."""

from collections.abc import Collection, Generator, Iterator
from fnmatch import fnmatchcase
from typing import Final, TypeVar

from msgspec import Struct, structs

from webhook.dependencies import Resolved, asks_nobody, assumed_api_server, infer, parse, resolve, uncovered
from webhook.judge.dependency import Judged, judge
from webhook.judge.dns import judge_dns
from webhook.judge.remembered import LISTS, Question, Remembered
from webhook.model.addresses import Address, Block
from webhook.model.answers import CLOSED, Declared, Dependency, Malformed, NameTarget, Verdict, WorkloadTarget
from webhook.model.budget import Exhausted
from webhook.model.objects import Workload
from webhook.model.refs import WorkloadRef
from webhook.model.truth import Truth
from webhook.world import Group, View
from webhook.world.workloads import Name, names_in

T = TypeVar("T")


class JudgedWorkload(Struct, frozen=True):
    """The answers for one workload. `dns` None: no look-up is needed, or nobody is known to answer.

    `clean`: every one of them is that it is allowed, and nothing is malformed or missing.
    """

    workload: Workload
    dependencies: tuple[Judged, ...] = ()
    malformed: tuple[Malformed, ...] = ()
    dns: Judged | None = None
    clean: bool = False

    @property
    def parts(self) -> tuple[Judged, ...]:
        """Every answer, the look-up's last."""
        return self.dependencies if self.dns is None else (*self.dependencies, self.dns)


def declared(workload: Workload) -> tuple[Declared, ...]:
    """Return the items of both annotations, each once, and no more than a workload may have."""
    found: dict[Declared, Declared] = {}
    for note in workload.connects_to:
        for item in parse(note.text, said=found):
            found.setdefault(item, structs.replace(item, place=note.place) if isinstance(item, Malformed) else item)
    return tuple(found.values())


def everybodys(view: View, workload: Workload) -> tuple[Dependency, ...]:
    """Return what the configuration says that every workload of such a namespace connects to."""
    name = workload.ref.namespace
    found = []
    for one in view.settings.everywhere:
        named = not one.namespaces or any(fnmatchcase(name, pattern) for pattern in one.namespaces)
        if named and one.selector.matches(view.namespaces.get(name).labels) is Truth.YES:
            found += [structs.replace(item, source="config") for item in parse(one.to) if isinstance(item, Dependency)]
    return tuple(found)


def judge_workload(view: View, workload: Workload, *, near: bool = True) -> JudgedWorkload:
    """Judge each dependency once: those declared, in that order, then those of everybody, then those inferred.

    `near`: with near misses; the look-up always has them.
    """
    return finished(judge_in_steps(view, workload, near=near))


_SHORT: Final = 2_048  # characters of declarations that are remembered as a whole


def judge_declared(view: View, workload: Workload) -> JudgedWorkload:
    """Judge what is declared, by the workload or for everybody, and the look-up that it needs, without near misses."""
    said = workload.connects_to

    def answer(view: View, client: Workload) -> JudgedWorkload:
        remembered = Remembered(view, structs.replace(client, connects_to=said))
        return finished(_of_declared(remembered, near=False, alone=False))

    remembered = Remembered(view, workload)
    short = sum([len(note.text) for note in said]) <= _SHORT
    found = remembered.ask(Question(said, answer, lambda one: one.parts, LISTS)) if short else None
    if found is None:
        return finished(_of_declared(remembered, near=False))
    if found.clean or found.dns is None or not _is_closed(found.dns):
        return structs.replace(found, workload=workload)
    return structs.replace(found, workload=workload, dns=judge_dns(view, workload))


def with_inferred(view: View, declared: JudgedWorkload, *, near: bool = True) -> JudgedWorkload:
    """Add what is inferred, and the look-up where only that needs it."""
    if not view.settings.infer or asks_nobody(view, declared.workload):
        return declared
    return finished(_with_inferred(view, declared, near=near))


Steps = Generator[None, None, T]


def finished(steps: Steps[T]) -> T:
    """Return what comes of steps that are taken one after the other."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            found: T = end.value
            return found


def judge_in_steps(view: View, workload: Workload, *, near: bool = True) -> Steps[JudgedWorkload]:
    """Do as `judge_workload` does, one dependency a step; between two the view may change."""
    remembered = Remembered(view, workload)
    declared = yield from _of_declared(remembered, near=near)
    return (yield from _with_inferred(view, declared, near=near))


def _of_declared(remembered: Remembered, *, near: bool, alone: bool = True) -> Steps[JudgedWorkload]:
    """Judge what is declared. `alone`: for this client, so that the look-up has near misses."""
    view, workload = remembered.view, remembered.workload
    items = declared(workload)
    found: dict[str, Judged] = {}
    for item in (*(item for item in items if isinstance(item, Dependency)), *everybodys(view, workload)):
        one = judge_item(remembered, item, near=near)
        found.setdefault(one.text, one)
        yield
    answers = tuple(found.values())
    bad = tuple(item for item in items if isinstance(item, Malformed))
    dns = _look_up(remembered, answers, near=alone)
    parts = answers if dns is None else (*answers, dns)
    allowed = all(one.verdict is Verdict.ALLOWED and not one.missing for one in parts)
    opened = dns is None or not _is_closed(dns)
    return JudgedWorkload(workload, answers, bad, dns, clean=allowed and opened and not bad)


def judge_item(remembered: Remembered, item: Dependency, *, near: bool = False) -> Judged:
    """Judge one dependency. `near`: with near misses."""

    def answer(view: View, client: Workload) -> Judged:
        return judge(view, client, resolve(view, client, item), near=False)

    found = remembered.ask(Question(item, answer, lambda one: (one,)))
    view, workload = remembered.view, remembered.workload
    if found is None:
        return judge(view, workload, resolve(view, workload, item), near=near)
    again = found.resolved if near and _is_closed(found) else None
    return found if again is None else judge(view, workload, again)


def judge_look_up(remembered: Remembered, *, near: bool = False) -> Judged | None:
    """Judge the look-up that names need. `near`: with near misses."""

    def answer(view: View, client: Workload) -> tuple[Judged, ...]:
        found = judge_dns(view, client, near=False)
        return (found,) if found is not None else ()

    found = remembered.ask(Question("look-up", answer, lambda several: several))
    if found is None or (near and any(map(_is_closed, found))):
        return judge_dns(remembered.view, remembered.workload, near=near)
    return found[0] if found else None


def _is_closed(one: Judged) -> bool:
    """Say whether there may be near misses of an answer."""
    return any(flow.egress.verdict in CLOSED or flow.ingress.verdict in CLOSED for flow in one.flows)


def _with_inferred(view: View, declared: JudgedWorkload, *, near: bool) -> Steps[JudgedWorkload]:
    workload = declared.workload
    if not view.settings.infer:
        return declared
    said = [one.resolved for one in declared.dependencies if one.resolved is not None]
    inferred = []
    for one in uncovered(infer(view, workload), said):
        inferred.append(judge(view, workload, one, near=near))
        yield
    inferred += _api_server(view, workload, said, near=near)
    if not inferred:
        return declared
    answers = (*declared.dependencies, *inferred)
    look_up = declared.dns or _look_up(Remembered(view, workload), answers, near=True)
    return structs.replace(declared, dependencies=answers, dns=look_up, clean=False)


def _api_server(view: View, workload: Workload, said: list[Resolved], *, near: bool) -> Iterator[Judged]:
    """Yield that the API server is out of reach, wherever it may be; what is not sure is not told."""
    assumed = assumed_api_server(view, workload)
    for one in uncovered([assumed] if assumed else [], said):
        if judge(view, workload, one, near=False).verdict is Verdict.DENIED:
            first = one.found.flows[0].port
            usual = tuple(flow for flow in one.found.flows if flow.port == first)
            yield judge(view, workload, structs.replace(one, found=structs.replace(one.found, flows=usual)), near=near)


def allowed_api_server(view: View, workload: Workload) -> Judged | None:
    """Return that a workload reaches the API server for sure, wherever it may be; None: not so, or it needs none."""
    assumed = assumed_api_server(view, workload) if view.settings.infer else None
    found = None if assumed is None else judge(view, workload, assumed, near=False)
    return found if found is not None and found.verdict is Verdict.ALLOWED else None


def _look_up(remembered: Remembered, answers: tuple[Judged, ...], *, near: bool) -> Judged | None:
    """Judge the look-up that names need; where only inferred ones do, it is inferred too."""
    named = [answer for answer in answers if answer.by_name]
    dns = judge_look_up(remembered, near=near) if named else None
    if dns is None or any(answer.source != "inferred" for answer in named):
        return dns
    return structs.replace(dns, source="inferred", unsure=all(answer.unsure for answer in named))


MOST: Final = 100  # dependants that one review looks at: a millisecond each where they are kept out
_ENDS: Final = frozenset({"Job", "Pod"})  # kinds that stay when their work is done


class Dependant(Struct, frozen=True):
    """A client's declared dependency as far as it leads to the server, judged without near misses."""

    client: Workload
    judged: Judged


class Dependants(Struct, frozen=True):
    """The dependencies of the first `MOST` clients. `left`: how many clients were not looked at.

    `exhausted`: there was no time for some of them.
    """

    found: tuple[Dependant, ...] = ()
    left: int = 0
    exhausted: bool = False


def judge_dependants(view: View, server: Workload, without: Collection[WorkloadRef] = ()) -> Dependants:
    """Judge what others declare that leads to the pods of a workload's template.

    `view` has the workload, without any pods. `without`: clients that are told of it themselves.
    """
    ref = server.ref
    services = view.services.selecting(server.template.pod_class)
    names = {(ref.namespace, ref.name), *[(one.namespace, one.name) for one in services]}
    others = [one for one in view.workloads.mentioning(names) if one != ref and one not in without]
    refs = sorted(others, key=lambda one: one.namespace != ref.namespace)  # its own first, whoever else claims it
    found: list[Dependant] = []
    for number, one in enumerate(refs[:MOST]):
        try:
            client = view.workloads.get(one)
            found += _of_client(view, client, ref, names) if client is not None and _lives(view, client) else ()
        except Exhausted:
            return Dependants(tuple(found), len(refs) - number, exhausted=True)
    return Dependants(tuple(found), len(refs[MOST:]))


def _lives(view: View, client: Workload) -> bool:
    """Say whether a client may still connect: what has ended stays in the cluster for a while."""
    return client.ref.kind not in _ENDS or bool(view.pods.of(client.ref))


def _of_client(view: View, client: Workload, server: WorkloadRef, names: Collection[Name]) -> Iterator[Dependant]:
    told: set[str] = set()
    for item in declared(client):
        if not isinstance(item, Dependency) or not may_lead(view, client, item, names):
            continue
        resolved = _part(resolve(view, client, item), server)
        if resolved.found.flows and resolved.text not in told:
            told.add(resolved.text)
            yield Dependant(client, judge(view, client, resolved, near=False))


def may_lead(view: View, client: Workload, item: Dependency, names: Collection[Name]) -> bool:
    """Say whether an item may lead to a server that is known under `names`: most items of a client do not."""
    view.budget.spend()
    match item.target:
        case NameTarget(host=host):
            return any(name in names or _aliased(view, name) for name in names_in(host, client.ref.namespace))
        case WorkloadTarget(name=name):
            return any(name == own for _, own in names)
        case Address() as address:
            return view.pods.at(address) is not None or view.services.at(address) is not None
        case Block() as block:
            return block.size == 1


def _aliased(view: View, name: Name) -> bool:
    """Say whether a Service leads where its own selector does not say."""
    service = view.services.get(*name)
    return service is not None and service.selector is None


def _part(resolved: Resolved, server: WorkloadRef) -> Resolved:
    flows = tuple(f for f in resolved.found.flows if isinstance(f.to, Group) and f.to.ref == server)
    return structs.replace(resolved, found=structs.replace(resolved.found, flows=flows, missing=()))
