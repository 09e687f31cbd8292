"""Calico's kinds on a real API server: they appear, change and go while a world follows."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from tests.support.patience import PATIENCE
from tests.support.watching import reached
from tests.testbed.control_plane import ControlPlane
from webhook.cluster.client_configuration import Access
from webhook.cluster.reflector import Pace
from webhook.judge import explain
from webhook.model.answers import Verdict
from webhook.model.refs import WorkloadRef
from webhook.model.settings import Enforcer, Settings
from webhook.wiring.cluster_source import Cluster

CRDS: Final = (Path(__file__).parent / "calico" / "crds.yaml").read_text(encoding="utf-8")
KINDS: Final = ("globalnetworkpolicies", "globalnetworksets", "tiers")
QUICK: Final = Pace(first=0.1, most=0.5, slow=0.5, discover=0.2)
OUTSIDE: Final = "203.0.113.7:443"


@asynccontextmanager
async def served(bed: ControlPlane) -> AsyncIterator[None]:
    """Have Calico's kinds served."""
    names = [f"crd/{kind}.projectcalico.org" for kind in KINDS]
    wait = ("wait", "--for=condition=Established", *names, f"--timeout={PATIENCE:.0f}s")
    try:
        await asyncio.to_thread(bed.apply, CRDS)
        await asyncio.to_thread(bed.kubectl, *wait)
        yield
    finally:
        await asyncio.to_thread(bed.kubectl, "delete", *names, "--ignore-not-found")


@asynccontextmanager
async def following(bed: ControlPlane) -> AsyncIterator[Cluster]:
    source = Cluster(Access(str(bed.kubeconfig())), Settings(enforcer=Enforcer("calico")), pace=QUICK)
    task = asyncio.create_task(source.run())
    try:
        await asyncio.wait_for(source.ready(), PATIENCE)
        yield source
    finally:
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled(), task.exception()


def calico(kind: str, name: str, spec: dict[str, Any], **labels: str) -> dict[str, Any]:
    metadata = {"name": name, "labels": labels}
    return {"apiVersion": "projectcalico.org/v3", "kind": kind, "metadata": metadata, "spec": spec}


def policy(namespace: str, selector: str = "app == 'web'", **more: Any) -> dict[str, Any]:  # noqa: ANN401 - any field
    rules = [{"action": "Deny", "destination": {"selector": "net == 'ext'"}}, {"action": "Allow"}]
    spec = {"selector": selector, "namespaceSelector": f"projectcalico.org/name == '{namespace}'", "egress": rules}
    return calico("GlobalNetworkPolicy", "out", {"types": ["Egress"], **spec, **more})


def web(namespace: str) -> dict[str, Any]:
    labels = {"app": "web"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": namespace},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "web", "image": "web"}]}},
        },
    }


def verdict(source: Cluster, namespace: str) -> Verdict | None:
    view = source.view()
    workload = view.workloads.get(WorkloadRef("Deployment", namespace, "web")) if view else None
    return explain(view, workload, OUTSIDE).verdict if view and workload else None


def told(source: Cluster) -> list[str]:
    """Return what is wrong with policies, without where in a text."""
    view = source.view()
    assert view is not None
    return [problem.partition(",")[0] for problems in view.policies.problems().values() for problem in problems]


def test_a_verdict_follows_calicos_kinds_as_they_appear_change_and_go(
    control_plane: ControlPlane, namespace: str
) -> None:
    async def act(action: Callable[[], object], source: Cluster, expected: Verdict) -> None:
        await asyncio.to_thread(action)
        await reached(lambda: verdict(source, namespace) is expected)

    async def scenario(source: Cluster) -> None:
        def apply(*objects: dict[str, Any]) -> None:
            for one in objects:
                control_plane.apply(one)

        await act(lambda: apply(web(namespace)), source, Verdict.ALLOWED)
        async with served(control_plane):
            ext = calico("GlobalNetworkSet", "ext", {"nets": ["203.0.113.0/24"]}, net="ext")
            await act(lambda: apply(ext, policy(namespace)), source, Verdict.DENIED)
            other = calico("GlobalNetworkSet", "ext", {"nets": ["198.51.100.0/24"]}, net="ext")
            await act(lambda: apply(other), source, Verdict.ALLOWED)
            await act(lambda: apply(ext), source, Verdict.DENIED)
            await act(lambda: apply(policy(namespace, "app = 'web'")), source, Verdict.ALLOWED)
            assert told(source) == ["not in force: spec.selector: expected an operator behind a label"]
            await act(lambda: apply(policy(namespace, tier="sec")), source, Verdict.UNKNOWN)
            tiers = (calico("Tier", "default", {"order": 1_000_000}), calico("Tier", "sec", {"order": 1}))
            await act(lambda: apply(*tiers), source, Verdict.DENIED)
        await reached(lambda: verdict(source, namespace) is Verdict.ALLOWED)

    async def main() -> None:
        async with following(control_plane) as source:
            await scenario(source)

    asyncio.run(main())
