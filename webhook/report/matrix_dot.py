"""A matrix as a graph for Graphviz: a box a workload, a frame a namespace, an arrow a connection."""

from collections.abc import Iterator

from webhook.matrix import Alike, Matrix, Party, Ranges
from webhook.model.refs import SHORT_KINDS, WorkloadRef
from webhook.model.verdict import Verdict
from webhook.report.matrix_words import layers, members, party, ports
from webhook.report.safe import clean


def dot(whole: Matrix) -> str:
    """Return a directed graph; arrows that are not known are dashed. Workloads without any are there too."""
    beyond: dict[Ranges, int] = {}
    arrows = []
    for layer, verdict in layers(whole):
        style = ', style="dashed"' if verdict is Verdict.UNKNOWN else ""
        for source, target, some in whole.rows(layer):
            here, there = (_node(end, beyond) for end in (source, target))
            arrows.append(f"  {here} -> {there} [label={_quoted(ports(some))}{style}];")
    lines = ["digraph matrix {", "  rankdir=LR;", "  node [shape=box];", *_boxes(whole)]
    for blocks, number in beyond.items():
        lines.append(f"  a{number} [shape=ellipse, label={_quoted(*map(str, blocks))}];")
    return "\n".join([*lines, *arrows, "}"])


def _node(end: int | Ranges, beyond: dict[Ranges, int]) -> str:
    return f"w{end}" if isinstance(end, int) else f"a{beyond.setdefault(end, len(beyond))}"


def _boxes(whole: Matrix) -> Iterator[str]:
    framed: dict[str, list[str]] = {}
    for number, one in enumerate(whole.parties):
        spaces = {ref.namespace for ref in members(one)}
        if len(spaces) == 1:
            framed.setdefault(spaces.pop(), []).append(f"w{number} [label={_quoted(*_names(one))}];")
        else:
            yield f"  w{number} [label={_quoted(*map(party, members(one)))}];"
    for number, (space, boxes) in enumerate(framed.items()):
        yield f"  subgraph cluster_{number} {{"
        yield f"    label={_quoted(space)};"
        yield from (f"    {box}" for box in boxes)
        yield "  }"


def _names(one: Party) -> Iterator[str]:
    """Yield names without the namespace, which the frame says."""
    for ref in one.members if isinstance(one, Alike) else (one,):
        yield _short(ref)


def _short(ref: WorkloadRef) -> str:
    return f"{SHORT_KINDS.get(ref.kind, ref.kind.lower())}/{ref.name}"


def _quoted(*lines: str) -> str:
    r"""Return a DOT string; `\n` between lines."""
    each = (clean(line).replace("\\", "\\\\").replace('"', '\\"') for line in lines)
    return '"' + "\\n".join(each) + '"'
