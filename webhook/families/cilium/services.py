"""`toServices`: whoever stands behind Services by name, or by their labels (`pkg/policy/k8s/service.go`)."""

from typing import Final

from webhook.families.cilium.context import Context
from webhook.families.cilium.refused import checked, given, only, refuse
from webhook.families.cilium.wants import POD_SOURCES, wants_of
from webhook.model.labels import Requirement, Selector
from webhook.model.tier import Match, ServicesPeer, ServiceWish
from webhook.model.truth import Truth
from webhook.wire.shapes import Raw, fail, mapping, mappings, string

_KEYS: Final = frozenset({"k8sService", "k8sServiceSelector"})


def services_of(rule: Raw, key: str, path: str, context: Context) -> tuple[Match, ...]:
    """Read `toServices`. Where no such Service is there, `toPorts` alone are left: to anywhere."""
    wishes = []
    for index, raw in enumerate(checked(mappings, rule, key, path)):
        wishes.append(_wish(raw, f"{path}.{key}[{index}]"))
    config = context.config
    return (
        ServicesPeer(
            tuple(wishes),
            or_any=bool(rule.get("toPorts")),
            pods=Truth.of(config.blocks_hold_pods),
            nodes=Truth.of(config.blocks_hold_nodes),
        ),
    )


def _wish(raw: Raw, path: str) -> ServiceWish:
    only(raw, _KEYS, path)
    if given(raw, "k8sServiceSelector"):
        inner, path = checked(mapping, raw, "k8sServiceSelector", path), f"{path}.k8sServiceSelector"
        only(inner, frozenset({"selector", "namespace"}), path)
        wants = checked(wants_of, checked(mapping, inner, "selector", path), f"{path}.selector")
        if any(want.source not in POD_SOURCES for want in wants):
            fail(f"{path}.selector", "expected labels of Services")
        labels = Selector(tuple(Requirement(want.key, want.operator, want.values) for want in wants))
        return ServiceWish(checked(string, inner, "namespace", path), "", labels)
    if not given(raw, "k8sService"):
        refuse(path, "expected k8sService or k8sServiceSelector")
    inner, path = checked(mapping, raw, "k8sService", path), f"{path}.k8sService"
    only(inner, frozenset({"serviceName", "namespace"}), path)
    return ServiceWish(checked(string, inner, "namespace", path), checked(string, inner, "serviceName", path))
