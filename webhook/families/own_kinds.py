"""A NetworkPolicy in the words of Calico's or Cilium's own kind, for those who keep their policies in one family.

It means the same; that it does is proved by evaluating what is written here, not what it was made of. Sources: the API
types `projectcalico.org/v3` (api/pkg/apis/projectcalico/v3) and `cilium.io/v2` (cilium/cilium pkg/policy/api).
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Literal

from msgspec import Struct

from webhook.enforcers import ENFORCERS
from webhook.enforcers.record import Staged
from webhook.families import CILIUM_POLICY
from webhook.model.answers import Manifest
from webhook.model.dialect import NETWORK_POLICY, Kind
from webhook.model.labels import NAME_LABEL
from webhook.model.policy import Direction

Family = Literal["networkpolicy", "calico", "cilium"]
Rule = dict[str, Any]


class Form(Struct, frozen=True):
    """A family's kind of policy for one namespace. `plural`: its resource, as `kubectl` takes it.

    `staged`: the kind beside it that is evaluated and logged, and drops nothing.
    """

    kind: Kind
    version: str
    plural: str
    staged: Staged | None = None


_CALICO: Final = "projectcalico.org"
FORMS: Final[Mapping[Family, Form]] = {
    "networkpolicy": Form(
        NETWORK_POLICY, "v1", "networkpolicy", next(one.staged for one in ENFORCERS.values() if one.staged)
    ),
    "calico": Form(
        (_CALICO, "NetworkPolicy"),
        "v3",
        f"networkpolicies.{_CALICO}",
        Staged(f"{_CALICO}/v3", "StagedNetworkPolicy", f"stagednetworkpolicies.{_CALICO}"),
    ),
    "cilium": Form(CILIUM_POLICY, "v2", "ciliumnetworkpolicies.cilium.io"),
}
_DIRECTIONS: Final = ((Direction.INGRESS, "ingress", "from"), (Direction.EGRESS, "egress", "to"))


def in_family(policy: Manifest, family: Family) -> Manifest:
    """Return a NetworkPolicy as a policy of `family`."""
    if family == "networkpolicy":
        return policy
    group, kind = FORMS[family].kind
    spec = _calico(policy["spec"]) if family == "calico" else _cilium(policy["spec"])
    return {
        "apiVersion": f"{group}/{FORMS[family].version}",
        "kind": kind,
        "metadata": policy["metadata"],
        "spec": spec,
    }


def staged(policy: Manifest, kind: Staged) -> Manifest:
    """Return a policy as the kind that is evaluated and logged and drops nothing."""
    spec = {"stagedAction": "Set", **policy["spec"]}
    return {**policy, "apiVersion": kind.api_version, "kind": kind.kind, "spec": spec}


def _peers(rule: Mapping[str, Any], word: str) -> Sequence[Mapping[str, Any] | None]:
    """Return the peers of a rule; None: everybody."""
    return rule.get(word) or (None,)


# -- Calico ------------------------------------------------------------------------------------------------------------


def _calico(spec: Mapping[str, Any]) -> Manifest:
    found: Manifest = {"selector": _expression(spec["podSelector"]), "types": spec["policyTypes"]}
    for direction, key, word in _DIRECTIONS:
        if direction.value in spec["policyTypes"] and (rules := spec.get(key)):
            other = "source" if direction is Direction.INGRESS else "destination"
            found[key] = [one for rule in rules for one in _calico_rules(rule, word, other)]
    return found


def _calico_rules(rule: Mapping[str, Any], word: str, other: str) -> Iterator[Rule]:
    """Yield a rule for each peer and protocol: a rule of Calico's has one of both."""
    for peer in _peers(rule, word):
        for protocol, ports in _by_protocol(rule).items():
            found: Rule = {"action": "Allow", **({"protocol": protocol} if protocol else {})}
            if peer is not None:
                found[other] = _entity(peer)
            if ports:
                found["destination"] = {**found.get("destination", {}), "ports": ports}
            yield found


def _by_protocol(rule: Mapping[str, Any]) -> dict[str, list[int | str]]:
    """Return ports by protocol: none of one is all of it; no protocol: every one."""
    found: dict[str, list[int | str] | None] = {}
    for one in rule.get("ports") or ():
        some = found.setdefault(one.get("protocol", "TCP"), [])
        if "port" not in one:
            found[one.get("protocol", "TCP")] = None
        elif some is not None:
            some.append(f"{one['port']}:{one['endPort']}" if "endPort" in one else one["port"])
    return {protocol: ports or [] for protocol, ports in found.items()} or {"": []}


def _entity(peer: Mapping[str, Any]) -> Rule:
    if "ipBlock" in peer:
        block = peer["ipBlock"]
        return {"nets": [block["cidr"]], **({"notNets": block["except"]} if block.get("except") else {})}
    pods = {"selector": _expression(peer["podSelector"])} if "podSelector" in peer else {}
    spaces = {"namespaceSelector": _expression(peer["namespaceSelector"])} if "namespaceSelector" in peer else {}
    return {**spaces, **pods}


_OPERATORS: Final = {"In": "{key} in {{{values}}}", "NotIn": "{key} not in {{{values}}}"}
_OPERATORS_OF_KEYS: Final = {"Exists": "has({key})", "DoesNotExist": "!has({key})"}


def _expression(selector: Mapping[str, Any]) -> str:
    """Return a label selector as Calico writes it; a value of a label has no quote in it."""
    parts = [f"{key} == '{value}'" for key, value in (selector.get("matchLabels") or {}).items()]
    for one in selector.get("matchExpressions") or ():
        values = ", ".join(f"'{value}'" for value in one.get("values") or ())
        form = _OPERATORS.get(one["operator"]) or _OPERATORS_OF_KEYS[one["operator"]]
        parts.append(form.format(key=one["key"], values=values))
    return " && ".join(parts) or "all()"


# -- Cilium ------------------------------------------------------------------------------------------------------------

_NAMESPACE: Final = "k8s:io.kubernetes.pod.namespace"
_NAMESPACE_LABEL: Final = "k8s:io.cilium.k8s.namespace.labels."


def _cilium(spec: Mapping[str, Any]) -> Manifest:
    found: Manifest = {"endpointSelector": spec["podSelector"]}
    for direction, key, word in _DIRECTIONS:
        if direction.value in spec["policyTypes"]:
            rules = [one for rule in spec.get(key) or () for one in _cilium_rules(rule, word)]
            found[key] = rules or [{}]  # an empty rule lets nobody through, and isolates
    return found


def _cilium_rules(rule: Mapping[str, Any], word: str) -> Iterator[Rule]:
    """Yield a rule for each kind of peer: pods and addresses may not stand in one."""
    peers = _peers(rule, word)
    pods = [_endpoints(one) for one in peers if one is not None and "ipBlock" not in one]
    blocks = [one["ipBlock"] for one in peers if one is not None and "ipBlock" in one]
    ports = [
        {"port": str(one.get("port", 0)), "protocol": one.get("protocol", "TCP")}
        | ({"endPort": one["endPort"]} if "endPort" in one else {})
        for one in rule.get("ports") or ()
    ]
    to_ports = {"toPorts": [{"ports": ports}]} if ports else {}
    if None in peers:
        yield {f"{word}Entities": ["all"], **to_ports}
    if pods:
        yield {f"{word}Endpoints": pods, **to_ports}
    if blocks:
        yield {f"{word}CIDRSet": blocks, **to_ports}


def _endpoints(peer: Mapping[str, Any]) -> Rule:
    """Return pods, by labels of their own and of their namespace, which Cilium gives them a prefix for."""
    pods, spaces = peer.get("podSelector") or {}, peer.get("namespaceSelector")
    labels = {**(pods.get("matchLabels") or {})}
    conditions = [*(pods.get("matchExpressions") or ())]
    if spaces is not None:
        labels |= {_of_namespace(key): value for key, value in (spaces.get("matchLabels") or {}).items()}
        conditions += ({**one, "key": _of_namespace(one["key"])} for one in spaces.get("matchExpressions") or ())
        if not spaces:
            conditions.append({"key": _NAMESPACE, "operator": "Exists"})
    return {
        **({"matchLabels": labels} if labels else {}),
        **({"matchExpressions": conditions} if conditions else {}),
    }


def _of_namespace(key: str) -> str:
    return _NAMESPACE if key == NAME_LABEL else f"{_NAMESPACE_LABEL}{key}"
