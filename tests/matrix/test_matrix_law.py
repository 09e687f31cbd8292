"""One law under every name of `--cni`: allowed is a sure row, denied is no row, unknown is an unknown row."""

from random import Random
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.arena import Raw, world_of
from tests.support.matrix_judge import differences
from tests.support.worlds import namespace, pod, policy
from tests.support.worlds_whole import HOSTS as HOST_NAMESPACE
from tests.support.worlds_whole import whole
from webhook.enforcers import ENFORCERS
from webhook.model.settings import Enforcer, Settings

EACH: Final = -(-settings().max_examples // len(ENFORCERS))  # by hand with `--hypothesis-profile long`: 10,000 in all


@pytest.mark.parametrize("enforcer", ENFORCERS)
def test_matrix_and_review_agree_on_every_connection_under_every_enforcer(enforcer: str) -> None:
    @settings(max_examples=EACH)
    @given(whole(), st.booleans(), st.randoms(use_true_random=False))
    def law(objects: list[Raw], complete: bool, random: Random) -> None:
        view = world_of(objects, complete=complete, settings=Settings(enforcer=Enforcer(enforcer)))
        assert list(differences(view, random))[:3] == []

    law()


CLOSED: Final = policy("x/closed", podSelector={}, policyTypes=["Ingress", "Egress"])


def lonely(name: str, number: int, **spec: str | bool) -> Raw:
    """Return a pod on node n1, or where `spec` says."""
    raw = pod(name, number, {"app": "a"}, [])
    raw["spec"] |= {"nodeName": "n1", **spec}
    return raw


HOSTS: Final[tuple[Raw, ...]] = (
    namespace("x", {"team": "a"}),
    lonely("x/a", 1, hostNetwork=True),
    lonely("x/b", 2, hostNetwork=True, nodeName="n2"),
    lonely("x/c", 3),
)
FROM_A: Final = [{"from": [{"podSelector": {"matchLabels": {"app": "a"}}}]}]
FROM_NODES: Final = [{"from": [{"namespaceSelector": {"matchLabels": HOST_NAMESPACE}}]}]
WORLDS: Final[dict[str, tuple[str, list[Raw]]]] = {
    "two pods on the host network that a peer may mean": (
        "aws",
        [
            *HOSTS,
            policy("x/in", podSelector={}, ingress=FROM_A),
            policy("x/out", podSelector={}, policyTypes=["Egress"]),
        ],
    ),
    "a pod that reaches its own node whatever policy says": ("azure-npm", [*HOSTS, CLOSED]),
    "a pod that may": ("weave", [*HOSTS, CLOSED]),
    "a node that stands in a namespace of its own": (
        "ovn-kubernetes",
        [
            *HOSTS,
            policy(
                "x/in", podSelector={}, ingress=[{"from": [{"namespaceSelector": {"matchLabels": HOST_NAMESPACE}}]}]
            ),
        ],
    ),
    "pods whose mesh dials a port that is closed": (
        "generic",
        [
            namespace("x", {"istio.io/dataplane-mode": "ambient"}),
            lonely("x/c", 3),
            lonely("x/d", 4),
            policy("x/in", podSelector={}, ingress=[{"ports": [{"port": 80}]}]),
        ],
    ),
}


@pytest.mark.parametrize("name", WORLDS)
def test_what_once_told_matrix_and_review_apart(name: str) -> None:
    enforcer, objects = WORLDS[name]
    view = world_of(objects, settings=Settings(enforcer=Enforcer(enforcer)))
    assert list(differences(view, Random(1))) == []
