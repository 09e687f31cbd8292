"""What the checklist's findings say: labels, default deny, blocks and selectors (NP301 to NP409)."""

from typing import Final

from webhook.model.answers import Finding
from webhook.report.flows import Cut

# A sentence with its facts in braces, and what to do about it. `{policy}` and `{rule}` point at the author's own line.
_TABLE: Final = {
    "NP301": (
        "{who}: pod template without required labels: {labels}",
        "add them to the pod template: policies select only what is labelled",
    ),
    "NP302": (
        "{who}: declares no dependency, and its namespace asks for declarations",
        "add the annotation netpol-preflight.io/connects-to",
    ),
    "NP304": (
        "{who} -> {dependency}: used but not declared",
        "add it to netpol-preflight.io/connects-to: `netpol-preflight annotate`",
    ),
    "NP305": (
        "namespace {namespace}: no policy denies {direction} by default",
        "add a NetworkPolicy with an empty podSelector and no {direction} rules",
    ),
    "NP306": (
        "{policy} denies everything by default, and nothing says how a new service gets past it",
        "add an allow policy, or the annotation netpol-preflight.io/allow-path that tells the way",
    ),
    "NP401": (
        "{policy} {rule}: {text} has host bits set: it is {block}, {addresses} addresses",
        "write {block}, or {one} for the one address",
    ),
    "NP402": (
        "{policy} {rule}: {block} opens {addresses} addresses, {spare} more than the {used} that is used",
        "write {one}",
    ),
    "NP403": (
        "{policy} {rule}: except {text} is outside {block}, or all of it, and the API server refuses it",
        "write a smaller block inside {block}, or leave the exception out",
    ),
    "NP404": (
        "{policy} {rule}: {block} reaches into the cluster's own addresses: {range} ({of})",
        "select pods by podSelector and namespaceSelector: CNIs differ on pods in blocks",
    ),
    "NP405": (
        "{policy} selects nothing: no workload here has {selector}",
        "correct the selector, or the labels that it asks for",
    ),
    "NP406": (
        "{policy} {rule}: opens {port}, the port of Service {service}; packets arrive on {target}",
        "write {target}: policy sees the pod's port",
    ),
    "NP408": (
        "{policy} {rule}: lets in every pod of {namespaces}, or pods with {pods} of its own namespace, which has none",
        "put namespaceSelector and podSelector into one list item: both must hold",
    ),
    "NP409": (
        "{policy} {rule}: {block} is the address of Service {service}, which policy never sees",
        "{instead}",
    ),
}
IDS: Final = tuple(_TABLE)


class _Blank(dict[str, str]):
    """A fact that is not there is a question mark, never an error in the middle of a review."""

    def __missing__(self, key: str) -> str:
        return "?"


def _facts(finding: Finding, cut: Cut) -> _Blank:
    workload = finding.workload
    who = f"{cut(workload.namespace)}/{cut(workload.name)}" if workload else "the cluster"
    return _Blank({"who": who, "dependency": cut(finding.dependency or ""), **{k: cut(v) for k, v in finding.facts}})


_SLIPS: Final = {  # other forms of NP408, and of NP402
    "nodes": (
        "{policy} {rule}: {block} opens {addresses} addresses, and not {one}, a node's: no block holds one under {cni}",
        "{instead}",
    ),
    "vain": (
        "{policy} {rule}: `namespaceSelector: {{}}` {does} every pod, and the item with {pods} beside it does nothing",
        "put namespaceSelector and podSelector into one list item, or leave out the one that is not meant",
    ),
    "two": (
        "{policy} {rule} {does} its peers on every port, and rule {other} {does} everybody on {ports}",
        "if one rule was meant, put peers and ports into one list item, without a second `-`",
    ),
}


def _words(finding: Finding) -> tuple[str, str]:
    slip = dict(finding.facts).get("slip", "")
    return _SLIPS.get(slip) or _TABLE[finding.id]


def sentence(finding: Finding, _: object, cut: Cut) -> str:
    """Return what is wrong."""
    text = _words(finding)[0].format_map(_facts(finding, cut))
    hint = dict(finding.facts).get("hint") if finding.id == "NP405" else None
    return f"{text}; {cut(hint)}" if hint else text


def remedy(finding: Finding, cut: Cut) -> str:
    """Return what to do about it."""
    text = _words(finding)[1].format_map(_facts(finding, cut))
    return f"{text}, or {DECLARE}" if "unseen" in dict(finding.facts) else text


DECLARE: Final = "say by `expected` in the configuration what an operator makes"
