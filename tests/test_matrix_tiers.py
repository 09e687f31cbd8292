"""Matrix and judge agree on every flow where cluster-wide policies stand around NetworkPolicy."""

from hypothesis import event, given
from hypothesis import strategies as st

from tests.arena import Raw, world_of
from tests.matrix_judge import disagreements
from tests.worlds_tiers import enumerated, tiered_worlds
from webhook.evaluate.reach import matrix
from webhook.model.settings import Enforcer, Settings

STEP = 5  # every how manieth small world is asked: judging every flow of one takes long
ENFORCERS = ("generic", "generic", "kube-network-policies", "calico", "ovn-kubernetes")


def test_matrix_and_judge_agree_on_every_flow_of_small_worlds_with_tiers() -> None:
    for objects in list(enumerated())[::STEP]:
        assert list(disagreements(world_of(objects)))[:5] == [], objects[15:]


@given(tiered_worlds(), st.sampled_from(ENFORCERS))
def test_matrix_and_judge_agree_on_every_flow_of_any_world_with_tiers(objects: list[Raw], enforcer: str) -> None:
    view = world_of(objects, settings=Settings(enforcer=Enforcer(enforcer)))
    layer = matrix(view, unknown=True).unknown
    assert layer is not None
    event(f"unknown {any(layer.pods)}")
    assert list(disagreements(view))[:5] == []
