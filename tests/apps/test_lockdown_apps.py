"""Five public applications, locked down: each goes on as before, nothing else is open, and nobody has a question."""

from typing import Final

import pytest

from tests import apps
from webhook.families.own_kinds import FORMS, Family
from webhook.fix.lockdown import lockdown
from webhook.judge import judge_workload
from webhook.model.answers import Verdict
from webhook.model.settings import Enforcer, Settings

ENFORCER: Final[dict[Family, str]] = {"networkpolicy": "generic", "calico": "calico", "cilium": "cilium"}


@pytest.mark.parametrize("family", FORMS)
@pytest.mark.parametrize("name", apps.NAMES)
def test_an_application_is_closed_and_goes_on_in_the_words_of_every_family(name: str, family: Family) -> None:
    settings = Settings(enforcer=Enforcer(ENFORCER[family]), admit=("*",))
    bare = [raw for raw in apps.load(name).objects if raw["kind"] != "NetworkPolicy"]
    world = apps.world_of(bare, settings)
    namespaces = sorted({workload.ref.namespace for workload in apps.workloads(world)} - {"kube-system"})
    found = lockdown(world, namespaces, family)
    assert (found.unfixable, found.questions) == ((), ())
    closed = [*bare, *found.policies]
    after = apps.world_of(closed, settings)
    answers = [part for workload in apps.workloads(after) for part in judge_workload(after, workload).parts]
    assert len(answers) > 10
    assert {one.verdict for one in answers} == {Verdict.ALLOWED}
    assert apps.findings(closed, settings) == ()
