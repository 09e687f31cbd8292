"""Everything that one workload declares, or is inferred to need, judged; the DNS look-up once for all."""

from msgspec import Struct, structs

from webhook.dependencies import infer, parse, resolve, uncovered
from webhook.explain.dns import judge_dns
from webhook.explain.judge import Judged, judge
from webhook.model.dependency import Declared, Dependency, Malformed
from webhook.model.objects import Workload
from webhook.world import View


class JudgedWorkload(Struct, frozen=True):
    """The answers for one workload. `dns` None: no look-up is needed, or nobody is known to answer."""

    workload: Workload
    dependencies: tuple[Judged, ...] = ()
    malformed: tuple[Malformed, ...] = ()
    dns: Judged | None = None


def declared(workload: Workload) -> tuple[Declared, ...]:
    """Return the items of both annotations, each once."""
    found: dict[Declared, Declared] = {}
    for note in workload.connects_to:
        for item in parse(note.text):
            found.setdefault(item, structs.replace(item, place=note.place) if isinstance(item, Malformed) else item)
    return tuple(found.values())


def judge_workload(view: View, workload: Workload) -> JudgedWorkload:
    """Judge each dependency once: the declared ones in the order of declaration, then the inferred ones."""
    items = declared(workload)
    resolved = (resolve(view, workload, item) for item in items if isinstance(item, Dependency))
    said = tuple({one.text: one for one in resolved}.values())
    inferred = uncovered(infer(view, workload), said) if view.settings.infer else ()
    answers = tuple(judge(view, workload, one) for one in (*said, *inferred))
    return JudgedWorkload(
        workload,
        answers,
        tuple(item for item in items if isinstance(item, Malformed)),
        _look_up(view, workload, answers),
    )


def _look_up(view: View, workload: Workload, answers: tuple[Judged, ...]) -> Judged | None:
    """Judge the look-up that names need; where only inferred ones do, it is inferred too."""
    named = [answer for answer in answers if answer.by_name]
    dns = judge_dns(view, workload) if named else None
    if dns is None or any(answer.source != "inferred" for answer in named):
        return dns
    return structs.replace(dns, source="inferred")
