"""Everything that one workload declares, judged; the DNS look-up once for all."""

from msgspec import Struct

from webhook.dependencies import parse, resolve
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
    return tuple(dict.fromkeys(item for note in workload.connects_to for item in parse(note.text)))


def judge_workload(view: View, workload: Workload) -> JudgedWorkload:
    """Judge each declared dependency once, in the order of declaration."""
    items = declared(workload)
    if not items:
        return JudgedWorkload(workload)
    resolved = (resolve(view, workload, item) for item in items if isinstance(item, Dependency))
    answers = tuple({r.text: judge(view, workload, r) for r in resolved}.values())
    return JudgedWorkload(
        workload,
        answers,
        tuple(item for item in items if isinstance(item, Malformed)),
        judge_dns(view, workload) if any(a.by_name for a in answers) else None,
    )
