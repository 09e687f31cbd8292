"""What the checklist's findings say: declarations, labels, blocks and selectors (NP107, NP201 to NP409)."""

from typing import Final

from webhook.model.answers import Finding
from webhook.model.settings import CONNECTS_TO
from webhook.report.flows import Cut, Facts, pair, who

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


def absent(finding: Finding, facts: Facts, cut: Cut) -> str:
    """Say that what is declared is not there (NP201)."""
    what, name = cut(facts.get("what", "Service or workload")), cut(facts.get("name", finding.dependency or ""))
    where = "in the cluster" if facts.get("complete") == "True" else "in what was read"
    return _hinted(f"{pair(finding, cut)}: no {what} `{name}` {where}", facts, cut)


def no_such_port(finding: Finding, facts: Facts, cut: Cut) -> str:
    """Say which ports there are (NP202)."""
    service, port, has = (cut(facts.get(key, "")) for key in ("service", "port", "has"))
    owner = service if "/" in service[: service.rfind("/")] else f"Service {service}"
    ports = f"; it has {has}" if has else ""
    return _hinted(f"{pair(finding, cut)}: {owner} has no port {port}{ports}", facts, cut)


def undeclared(finding: Finding, facts: Facts, cut: Cut) -> str:
    """Say that no container has the target port (NP203)."""
    workload, port = cut(facts.get("workload", "the destination")), cut(facts.get("port", ""))
    if "target" in facts:
        target = cut(facts["target"])
        return f"{pair(finding, cut)}: no container of {workload} names a port `{target}`, so port {port} leads nowhere"
    text = f"{pair(finding, cut)}: no container of {workload} declares port {cut(facts.get('number', port))}"
    return f"{text}; {cut(facts['headless'])}" if "headless" in facts else text


def no_backends(finding: Finding, facts: Facts, cut: Cut) -> str:
    """Say that nobody is behind a Service (NP204)."""
    service = cut(facts.get("service", finding.dependency or ""))
    if facts.get("complete") == "False":
        return (
            f"{pair(finding, cut)}: nobody in what was read stands behind Service {service} "
            "(an operator may make its pods)"
        )
    return f"{pair(finding, cut)}: Service {service} has no backends, connections will be refused"


def malformed(finding: Finding, facts: Facts, cut: Cut) -> str:
    """Say where a declaration cannot be read, and what was expected (NP303)."""
    item, expected = cut(facts.get("item", finding.dependency or "")), cut(facts.get("expected", "another form"))
    place = f"item {cut(facts['position'])}" if "position" in facts else "an item"
    annotation = cut(facts.get("annotation", CONNECTS_TO))
    return f"{who(finding, cut)}: {place} of {annotation} `{item}` is malformed: expected {expected}"


def not_enforced(finding: Finding, facts: Facts, cut: Cut) -> str:
    """Say that nothing does what policies say (NP107)."""
    if finding.workload is None:
        return _not_in_force(facts, cut)
    why = "; ".join(cut(value) for value in facts.values())
    return f"{pair(finding, cut)}: policies deny this, but nothing enforces them here" + (f": {why}" if why else "")


def _not_in_force(facts: Facts, cut: Cut) -> str:
    """Say that a policy does nothing here, or not what it says."""
    policy = cut(facts.get("policy", "the policy"))
    if "unserved" in facts:
        return f"{policy} does nothing: no API server takes {cut(facts['unserved'])} since Kubernetes 1.16"
    if "problem" in facts:
        more = f" (and {facts['more']} more)" if "more" in facts else ""
        return f"{policy} is not taken as it is written: {cut(facts['problem'])}{more}"
    enforcer, kind = cut(facts.get("enforcer", "")), cut(facts.get("kind", ""))
    return f"{policy} has no enforcer here: {enforcer} takes no notice of {kind}"


def _hinted(text: str, facts: Facts, cut: Cut) -> str:
    return f"{text}; {cut(facts['hint'])}" if "hint" in facts else text
