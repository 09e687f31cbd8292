"""Matrix, judge and explain agree where policies stand in tiers: on pieces of every kind, and on each family's."""

from collections.abc import Iterator
from itertools import product
from typing import Final, NamedTuple

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from tests.conformance import corpora
from tests.support.arena import Arena, Raw, world_of
from tests.support.matrix_judge import Port, Table, between, beyond, boundaries, disagreements, edges, everybody
from tests.support.worlds_staged import Staged, staged
from tests.support.worlds_tiers import tiered_worlds
from webhook.families import project
from webhook.judge import explain
from webhook.matrix import matrix
from webhook.model.addresses import FAMILIES
from webhook.model.answers import Verdict
from webhook.model.policy import Direction
from webhook.model.settings import Enforcer, Settings
from webhook.model.truth import Truth
from webhook.world import View

SAMPLE: Final = 24  # cases of each corpus
ENFORCERS: Final = ("generic", "calico", "cilium", "ovn-kubernetes", "kube-network-policies", "antrea")


@given(staged())
def test_matrix_and_judge_agree_on_every_flow_of_any_world_with_tiers(view: Staged) -> None:
    assert list(disagreements(view))[:5] == []


@given(tiered_worlds(), st.sampled_from(ENFORCERS))
def test_matrix_and_judge_agree_on_every_flow_under_cluster_wide_policies(objects: list[Raw], enforcer: str) -> None:
    view = world_of(objects, settings=Settings(enforcer=Enforcer(enforcer)))
    assert list(disagreements(view))[:5] == []


@given(tiered_worlds(), st.data())
def test_matrix_and_explain_agree_under_cluster_wide_policies(objects: list[Raw], data: st.DataObject) -> None:
    view = world_of(objects)
    table = Table(matrix(view, unknown=True))
    bare = [
        workload for workload in view.workloads.every() if workload.ref.kind == "Pod" and view.pods.of(workload.ref)
    ]
    for source, target in product(bare, everybody(view)):
        if source.ref == target.ref:
            continue  # a pod always reaches itself, and that is no connection
        protocol, number = data.draw(st.sampled_from(boundaries(view)))
        word = f"{target.ref.kind.lower()}/{target.ref.name}.{target.ref.namespace}:{number}/{protocol}"
        explained = explain(view, source, word)
        found = table.between(source.ref, target.ref, (protocol, number))
        event(f"{explained.verdict}")
        assert (found is Truth.YES) == (explained.verdict is Verdict.ALLOWED), (word, explained)
        assert (found is not Truth.MAYBE) or (explained.verdict is Verdict.UNKNOWN), (word, explained)


class Case(NamedTuple):
    """One world of a corpus, with the ports that the corpus asks for."""

    view: View
    ports: list[Port]


def cases(corpus: str) -> Iterator[Case]:
    """Yield every case; kinds that are no policy's are left out where they are not read."""
    if corpus == "admin":
        for case in corpora.cluster_network_policies():
            yield Case(Arena(case.objects).world, sorted({(q.protocol, q.port) for q in case.questions}))  # type: ignore[misc]
        return
    around = [corpora.TO_HOST] if corpus == "calico" else []
    for row in corpora.rows(corpus):
        objects = [raw for raw in (*around, *row["objects"]) if project(raw) is not None]
        world = Arena(objects, Settings(enforcer=Enforcer(corpus))).world
        yield Case(world, sorted({(q["protocol"], q["port"]) for q in row["probes"]}))


@pytest.mark.parametrize("corpus", ["admin", "calico", "cilium"])
def test_matrix_and_judge_agree_on_a_sample_of_each_corpus(corpus: str, capsys: pytest.CaptureFixture[str]) -> None:
    every = list(cases(corpus))
    asked = 0
    wrong: list[tuple[object, ...]] = []
    for view, ports in every[:: len(every) // SAMPLE][:SAMPLE]:
        table = Table(matrix(view, unknown=True))
        for (source, target), port in product(product(everybody(view), repeat=2), ports):
            asked += 1
            if (expected := between(view, source, target, port)) is not table.between(source.ref, target.ref, port):
                wrong.append((str(source.ref), str(target.ref), port, expected))
        for (family, group), direction in product(product(FAMILIES, everybody(view)), Direction):
            for address, port in product(edges(view, family)[::5], ports[::3]):
                asked += 1
                pod, found = view.pods.at(address), table.beyond(direction, group.ref, address, port)
                expected = beyond(view, direction, group, address, port)
                if expected is not found and not (pod is not None and found is Truth.NO):
                    wrong.append((direction, str(group.ref), str(address), port, expected))
    with capsys.disabled():
        print(f"\n  matrix and judge on {SAMPLE} cases of {corpus}: {asked - len(wrong):,} of {asked:,}")  # noqa: T201
    assert wrong[:10] == []
