"""Who enforces policy, told by what runs in a cluster."""

import json
from typing import Any

import pytest

from tests.support.arena import Raw, world_of
from webhook.config.settings_from_file import CNIS
from webhook.config.settings_from_file import settings as made
from webhook.enforcers import ENFORCERS
from webhook.families import project
from webhook.model.settings import UNRECOGNISED, Enforcer, Settings
from webhook.world import Drop, Put

ON_CLUSTER = Settings(detect="cluster")


def daemon_set(name: str, *containers: Raw, namespace: str = "kube-system", wanted: int = 3, ready: int = 3) -> Raw:
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"namespace": namespace, "name": name},
        "spec": {"template": {"spec": {"containers": list(containers)}}},
        "status": {"desiredNumberScheduled": wanted, "numberReady": ready},
    }


def container(image: str = "i", name: str = "c", *args: str, **env: str) -> Raw:
    return {"name": name, "image": image, "args": list(args), "env": [{"name": k, "value": v} for k, v in env.items()]}


def node(name: str, *words: str, key: str = "k3s.io/node-args", **labels: str) -> Raw:
    notes = {key: json.dumps(words)} if words else {}
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "annotations": notes, "labels": labels}}


CALICO = daemon_set("calico-node", container("docker.io/calico/node:v3.31.2"), namespace="calico-system")
CILIUM = daemon_set("cilium", container("quay.io/cilium/cilium:v1.20.2@sha256:ab"))
SETTINGS = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"namespace": "kube-system", "name": "cilium-config"},
    "data": {"enable-policy": "default"},
}
AWS = daemon_set("aws-node", container("x/amazon/aws-network-policy-agent:v1.2", "a", "--enable-network-policy=true"))
AWS_IDLE = daemon_set(
    "aws-node", container("x/amazon/aws-network-policy-agent:v1.2", "a", "--enable-network-policy=false")
)
FLANNEL = daemon_set("kube-flannel-ds", namespace="kube-flannel")


def kindnet(tag: str) -> Raw:
    return daemon_set("kindnet", container(f"docker.io/kindest/kindnetd{tag}"))


CASES: dict[str, tuple[list[Raw], tuple[str, bool, bool]]] = {
    "nothing runs": ([], (UNRECOGNISED.name, False, True)),
    "calico": ([CALICO], ("calico", True, True)),
    "calico that wants no pods is a leftover": ([daemon_set("calico-node", wanted=0)], ("unrecognised", False, True)),
    "calico of which most pods are not ready": (
        [daemon_set("calico-node", container("calico/node:v3.31.2"), ready=1)],
        ("calico", False, True),
    ),
    "calico by its digest alone": (
        [daemon_set("calico-node", container("calico/node@sha256:ab"))],
        ("calico", False, True),
    ),
    "calico of a namespace where nobody installs it": (
        [daemon_set("calico-node", container("calico/node:v3.31.2"), namespace="shop")],
        ("unrecognised", False, True),
    ),
    "canal": ([daemon_set("canal", container("calico/node:v3.31.2"))], ("canal", True, True)),
    "canal of rke2": (
        [
            daemon_set("rke2-canal", container("rancher/hardened-calico:v3.30.3-build20251015")),
            node("n", "server", key="rke2.io/node-args"),
        ],
        ("canal", True, True),
    ),
    "rke2 and a network that is not known": (
        [node("n", "server", key="rke2.io/node-args")],
        ("unrecognised", False, True),
    ),
    "cilium": ([CILIUM], ("cilium", True, True)),
    "cilium on aws": ([CILIUM, AWS_IDLE], ("cilium", True, True)),
    "gke": ([daemon_set("anetd")], ("gke-dataplane-v2", True, True)),
    "aws": ([AWS], ("aws", True, True)),
    "aws, agent off": ([AWS_IDLE], ("none", False, False)),
    "aws without an agent": ([daemon_set("aws-node")], ("none", False, False)),
    "calico over aws": ([CALICO, AWS_IDLE], ("calico", True, True)),
    "calico beside the agent of aws": ([CALICO, AWS], ("aws+calico", False, True)),
    "calico and cilium": ([CALICO, CILIUM], ("calico+cilium", False, True)),
    "azure": ([daemon_set("azure-npm"), daemon_set("azure-cns")], ("azure-npm", True, True)),
    "azure without a policy engine": ([daemon_set("azure-cns")], ("none", False, False)),
    "azure powered by cilium": ([daemon_set("azure-cns"), CILIUM], ("cilium", True, True)),
    "weave": ([daemon_set("weave-net", container(name="weave"), container(name="weave-npc"))], ("weave", True, True)),
    "weave without its controller": ([daemon_set("weave-net", container(name="weave"))], ("none", False, False)),
    "weave that expects none": (
        [daemon_set("weave-net", container("i", "weave", EXPECT_NPC="0"), container(name="weave-npc"))],
        ("none", False, False),
    ),
    "flannel": ([FLANNEL], ("none", False, False)),
    "flannel and calico's policy": ([FLANNEL, CALICO], ("calico", True, True)),
    "kube-router": (
        [daemon_set("kube-router", container("k", "c", "--run-firewall=true"))],
        ("kube-router", True, True),
    ),
    "kube-router as a router only": (
        [daemon_set("kube-router", container("k", "c", "--run-firewall=false"))],
        ("none", False, False),
    ),
    "k3s": ([node("n", "server"), node("m", "agent")], ("kube-router", True, True)),
    "k3s without its controller": ([node("n", "server", "--disable-network-policy")], ("none", False, False)),
    "k3s with another network's policy": (
        [node("n", "server", "--flannel-backend", "none", "--disable-network-policy", "true"), CALICO],
        ("calico", True, True),
    ),
    "k3s without its network or its controller": (
        [node("n", "server", "--flannel-backend=none", "--disable-network-policy")],
        ("unrecognised", False, True),
    ),
    "k3s whose controller runs beside calico": ([node("n", "server"), CALICO], ("calico+kube-router", False, True)),
    "k3s whose servers differ": (
        [node("n", "server", "--disable-network-policy"), node("m", "server")],
        ("kube-router", False, True),
    ),
    "k3s whose servers are no nodes": ([node("m", "agent")], ("kube-router", False, True)),
    "antrea": ([daemon_set("antrea-agent")], ("antrea", True, True)),
    "openshift": ([daemon_set("ovnkube-node", namespace="openshift-ovn-kubernetes")], ("ovn-kubernetes", True, True)),
    "kindnet that enforces": ([kindnet(":v20250512-df8de77b")], ("kindnet", True, True)),
    "kindnet of kind 0.24": ([kindnet(":v20240813-c6f155d6")], ("kindnet", True, True)),
    "kindnet of kind 0.23": ([kindnet(":v20240513-cbc0fa4b")], ("none", False, False)),
    "kindnet between the two": ([kindnet(":v20240719-e7903573")], ("kindnet", False, True)),
    "kindnet by its digest": ([kindnet("@sha256:ab")], ("kindnet", False, True)),
    "kindnet too old, and a policy engine": (
        [kindnet(":v20230511-dc714da8"), daemon_set("kube-network-policies")],
        ("kube-network-policies", True, True),
    ),
    "kube-ovn": ([daemon_set("kube-ovn-cni")], ("kube-ovn", False, True)),
    "terway": ([daemon_set("terway-eniip")], ("terway", False, True)),
}


@pytest.mark.parametrize("case", CASES)
def test_who_enforces_is_told_by_what_runs(case: str) -> None:
    objects, expected = CASES[case]
    found = world_of([*objects, SETTINGS], settings=ON_CLUSTER).enforcer
    assert (found.name, found.decisive, found.enforces) == expected, found
    assert bool(found.why) == (not found.decisive and found.name not in ("unrecognised", "kube-ovn", "terway")), found


@pytest.mark.parametrize("name", [name for name in CNIS if name != "auto"])
def test_what_is_set_wins_over_what_runs(name: str) -> None:
    found = world_of([CALICO, CILIUM, SETTINGS, AWS], settings=made(cni=name, live=True)).enforcer
    known = ENFORCERS[name]
    assert found == Enforcer(name, decisive=known.decisive, enforces=known.enforces)


def test_an_enforcer_whose_settings_are_not_known_rejects_nothing() -> None:
    world = world_of([CILIUM], settings=ON_CLUSTER)
    found = world.enforcer
    assert (found.decisive, found.enforces) == (False, True)
    assert found.why == "ConfigMap cilium-config is not known, and Cilium's defaults are assumed"
    world.apply([Put(value(SETTINGS))])
    assert world.enforcer == Enforcer("cilium")
    world.apply([Drop("ConfigMap", "kube-system", "cilium-config")])
    assert not world.enforcer.decisive


@pytest.mark.parametrize(("key", "text", "why"), [
    ("enable-policy", "never", "enable-policy is `never`"),
    ("policy-audit-mode", "true", "policy-audit-mode is on"),
])  # fmt: skip
def test_an_enforcer_that_is_told_to_drop_nothing_enforces_nothing(key: str, text: str, why: str) -> None:
    found = world_of([CILIUM, SETTINGS | {"data": {key: text}}], settings=ON_CLUSTER).enforcer
    assert (found.name, found.decisive, found.enforces, found.why) == ("cilium", False, False, why)


def test_who_enforces_follows_what_comes_and_goes() -> None:
    world = world_of([node("n", "server")], settings=ON_CLUSTER)
    assert world.enforcer.name == "kube-router"
    world.apply([Put(value(node("n", "server", "--disable-network-policy")))])
    assert not world.enforcer.enforces
    world.apply([Put(value(CALICO))])
    assert world.enforcer.name == "calico"
    world.apply([Drop("DaemonSet", "calico-system", "calico-node"), Drop("Node", "", "n")])
    assert world.enforcer == UNRECOGNISED


def value(raw: Raw) -> Any:  # noqa: ANN401 - whatever it projects to
    found = project(raw)
    assert found is not None
    return found
