"""Worlds as clusters are: pods with company, controllers, templates and nodes, and much that is not known."""

from copy import deepcopy
from typing import Final

from hypothesis import strategies as st

from tests.support.worlds import Raw, policies_of, worlds


@st.composite
def populated(draw: st.DrawFn) -> list[Raw]:
    """Draw a world with workloads of several pods, templates without pods, hosts, and things that cannot be told."""
    objects = draw(inhabited(draw(worlds())))
    return [*objects, *(thing for thing in THINGS if draw(st.integers(0, 4)) == 0)]


@st.composite
def inhabited(draw: st.DrawFn, cast: list[Raw]) -> list[Raw]:
    """Return a world of single pods as one of workloads, with some namespaces and policies that cannot be read."""
    objects = deepcopy(cast)
    if draw(st.integers(0, 2)) == 0:
        objects = [o for o in objects if o["kind"] != "Namespace"]  # their labels are not known
    for raw in [o for o in objects if o["kind"] == "Pod"]:
        _change(draw, raw, objects)
    for raw in policies_of(objects):
        _cloud(draw, raw)
    return objects


THINGS: Final[tuple[Raw, ...]] = (
    {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": "n1"},
        "spec": {"podCIDRs": ["10.0.0.0/16"]},
        "status": {"addresses": [{"type": "InternalIP", "address": "203.0.113.7"}]},
    },
    {
        "apiVersion": "cilium.io/v2",
        "kind": "CiliumNetworkPolicy",
        "metadata": {"namespace": "x", "name": "other"},
        "spec": {"endpointSelector": {"matchLabels": {"tier": "a"}}},
    },
    {
        "apiVersion": "policy.networking.k8s.io/v1alpha2",
        "kind": "ClusterNetworkPolicy",
        "metadata": {"name": "all"},
        "spec": {"subject": {"namespaces": {"matchLabels": {"app": "a"}}}},
    },
)


def _change(draw: st.DrawFn, raw: Raw, objects: list[Raw]) -> None:
    """Give a pod company, a controller, a node that it shares, no address, or take it back to a template."""
    meta = raw["metadata"]
    raw["spec"]["nodeName"] = draw(st.sampled_from(("n1", "n1", "n2", "")))
    if draw(st.integers(0, 4)) == 0:
        raw["status"] = {"phase": "Pending"}
    if draw(st.integers(0, 3)) == 0:
        meta["labels"] = {**meta["labels"], "pod-template-hash": "5d4f8c7b9"}
    kind = draw(st.sampled_from(("bare", "owned", "twice", "template")))
    if kind == "bare":
        return
    owner = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": f"s-{meta['name']}", "controller": True}
    if kind == "template":
        spec: Raw = {"template": {"metadata": {"labels": meta["labels"]}, "spec": raw["spec"]}}
        if draw(st.booleans()):
            spec["replicas"] = draw(st.integers(0, 2))
        raw |= {"apiVersion": "apps/v1", "kind": "StatefulSet", "spec": spec}
        raw.pop("status")
        return
    meta["ownerReferences"] = [owner]
    if kind == "twice":
        objects.append(_company(draw, raw))
    elif draw(st.booleans()):
        spec = {"replicas": 1, "template": {"metadata": {"labels": meta["labels"]}, "spec": raw["spec"]}}
        metadata = {"namespace": meta["namespace"], "name": owner["name"]}
        objects.append({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": metadata, "spec": spec})


def _company(draw: st.DrawFn, raw: Raw) -> Raw:
    """Return a second pod of the same controller, that may differ in its labels and its node."""
    other = deepcopy(raw)
    other["metadata"]["name"] += "-1"
    other["spec"]["nodeName"] = draw(st.sampled_from(("n1", "n2", "")))
    for ip in other["status"].get("podIPs", ()):
        ip["ip"] += "9"
    if other["status"].get("podIPs"):
        other["status"]["podIP"] = other["status"]["podIPs"][0]["ip"]
    if draw(st.booleans()):
        other["metadata"]["labels"] = {**raw["metadata"]["labels"], "app": draw(st.sampled_from(("a", "b", "")))}
    return other


UNCLEAR: Final[tuple[Raw, ...]] = (
    {"podSelector": {"matchExpressions": [{"key": "pod-template-hash", "operator": "Exists"}]}},
    {"podSelector": {"matchExpressions": [{"key": "pod-template-hash", "operator": "NotIn", "values": ["x"]}]}},
    {"ipBlock": {"cidr": "010.0.0.0/8"}},
    {},
)


def _cloud(draw: st.DrawFn, raw: Raw) -> None:
    """Make a policy unclear in one of the ways that there are; most stay clear."""
    what = draw(st.integers(0, 9))
    side = draw(st.sampled_from(("ingress", "egress")))
    rules = [rule for rule in raw["spec"].get(side) or () if rule.get("from") or rule.get("to")]
    if what == 0:
        raw["spec"]["policyTypes"] = ["Sideways"]
    elif what == 1:
        raw["spec"]["podSelector"] = {"matchLabels": {"pod-template-hash": "5d4f8c7b9"}}
    elif what == 2:
        raw["spec"]["podSelector"] = {"matchExpressions": [{"key": "app", "operator": "Is"}]}
    elif what in (3, 4) and rules:
        rule = draw(st.sampled_from(rules))
        rule["from" if "from" in rule else "to"].append(draw(st.sampled_from(UNCLEAR)))
    elif what == 5 and rules:
        draw(st.sampled_from(rules))["port"] = 80
