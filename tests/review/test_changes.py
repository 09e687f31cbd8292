"""What whoever writes a policy, a Namespace's labels or a Service is told, and where that rejects."""

import copy
import json
from typing import Any, Final

import pytest
import yaml
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tests.support.changed_shop import BEFORE, WALL, values
from tests.support.denied_worlds import HEAVY
from tests.support.reviews import TODAY
from webhook.manifests import dump
from webhook.model.budget import Budget
from webhook.model.settings import DEFAULTS, POLICY_MODE_LABEL, Enforcer, Mode, Settings
from webhook.report.admission import encode
from webhook.review.decide import decide
from webhook.review.drafts import Decision
from webhook.wire.admission import AdmissionRequest, admission_request
from webhook.world import Drop, Put, World

Raw = dict[str, Any]
DOCUMENTS: Final[tuple[Raw, ...]] = tuple(yaml.safe_load_all(BEFORE))
NAMED: Final = {(raw["kind"], raw["metadata"]["name"]): raw for raw in DOCUMENTS}
CLOSED: Final[Raw] = yaml.safe_load(WALL.replace("shop", "data"))
KEEPER: Final = "system:serviceaccount:kube-system:namespace-controller"


def asked(raw: Raw | None, old: Raw | None = None, **more: Any) -> AdmissionRequest:  # noqa: ANN401 - any field
    thing = raw or old or {}
    group, _, version = thing["apiVersion"].rpartition("/")
    space = thing["metadata"].get("namespace", "")
    if thing["kind"] == "Namespace":
        space = thing["metadata"]["name"]
    request = {
        "uid": "u-1",
        "kind": {"group": group, "version": version, "kind": thing["kind"]},
        "operation": "DELETE" if raw is None else "UPDATE" if old else "CREATE",
        "namespace": space,
        "name": thing["metadata"]["name"],
        "object": raw,
        "oldObject": old,
        "userInfo": {"username": "jane"},
        **more,
    }
    return admission_request(
        json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}).encode()
    )


def cluster(*texts: str, label: str = "", settings: Settings = DEFAULTS) -> World:
    made = World(settings, complete=True)
    made.apply(Put(value) for text in (BEFORE, *texts) for value in values(text))
    if label:
        space = {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": "data", "labels": {POLICY_MODE_LABEL: label}},
        }
        made.apply(Put(value) for value in values(json.dumps(space)))
    return made


def answered(decision: Decision) -> Raw:
    found: Raw = json.loads(encode(decision, dump))["response"]
    return found


def with_spec(kind: str, name: str, **spec: Any) -> tuple[Raw, Raw]:  # noqa: ANN401 - any field of a spec
    """Return an object of the world with other fields, and as it was."""
    old = NAMED[kind, name]
    return {**old, "spec": {**old["spec"], **spec}}, old


TEXT: Final = "cuts shop/web -> data/db:5432/TCP: ingress isolated by data/"
OTHERS: Final = [{"from": [{"namespaceSelector": {"matchLabels": {"team": "x"}}}]}]


def test_whoever_closes_a_server_hears_who_loses_with_the_near_miss_and_the_remedy() -> None:
    policy, old = with_spec("NetworkPolicy", "fence", ingress=OTHERS)
    found = answered(decide(asked(policy, old), cluster(), TODAY))
    assert found["allowed"]
    expected = f"{TEXT}fence; fence admits namespaces with team=x; the namespace of the client has team=shop (NP501)"
    assert found["warnings"] == [f"netpol-preflight: data/fence {expected}; run `netpol-preflight fix`"]
    assert found["auditAnnotations"] == {"mode": "warn", "verdict": "warning", "findings": "NP501"}


def without_fence() -> World:
    made = cluster()
    made.apply([Drop("NetworkPolicy", "data", "fence")])
    return made


def test_a_default_deny_where_nothing_was_closed() -> None:
    (line,) = answered(decide(asked(CLOSED), without_fence(), TODAY))["warnings"]
    assert line.startswith(f"netpol-preflight: data/wall {TEXT}wall (NP501); run")
    assert answered(decide(asked(CLOSED, dryRun=True), without_fence(), TODAY))["warnings"] == [line]


SERVICE: Final = NAMED["Service", "db"]
SPACE: Final = NAMED["Namespace", "shop"]
SAYS: Final = {
    "a policy that lets in": (asked(None, NAMED["NetworkPolicy", "out"]), []),
    "a policy that is the same": (asked(NAMED["NetworkPolicy", "out"], NAMED["NetworkPolicy", "out"]), []),
    "a policy that closes what is closed": (asked(CLOSED), []),
    "a Service that leads nowhere": (
        asked(*with_spec("Service", "db", selector={"app": "nobody"})),
        ["Service data/db cuts shop/web -> db.data:5432/TCP: no backends are left (NP502); no fix: keep what it uses"],
    ),
    "a Service with another port": (
        asked(*with_spec("Service", "db", ports=[{"port": 1}])),
        ["Service data/db cuts shop/web -> db.data:5432/TCP: no such port is left (NP502); no fix: keep what it uses"],
    ),
    "a Service that sends elsewhere": (
        asked(*with_spec("Service", "db", ports=[{"port": 5432, "targetPort": 1}])),
        ["Service data/db cuts shop/web -> data/db:1/TCP: ingress isolated by data/fence; fence opens 5432/TCP"],
    ),
    "a Service that goes": (
        asked(None, SERVICE),
        ["Service data/db cuts shop/web -> db.data:5432/TCP: no Service or workload of that name is left (NP502)"],
    ),
    "the labels of a namespace": (
        asked({**SPACE, "metadata": {"name": "shop", "labels": {"team": "y"}}}, SPACE),
        ["the label change of namespace shop cuts shop/web -> data/db:5432/TCP: ingress isolated by data/fence"],
    ),
    "a namespace that goes": (asked(None, SPACE), []),
    "a Service that comes": (asked({**SERVICE, "metadata": {"name": "new", "namespace": "data"}}), []),
    "another kind": (asked({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x", "namespace": "data"}}), []),
    "a scale": (asked(CLOSED, subResource="scale"), []),
    "the end of a policy": (
        asked({**CLOSED, "metadata": {**CLOSED["metadata"], "deletionTimestamp": "now"}}, CLOSED),
        [],
    ),
}


@pytest.mark.parametrize("name", SAYS)
def test_what_is_said_of_each_kind_of_write(name: str) -> None:
    request, expected = SAYS[name]
    found = answered(decide(request, cluster(), TODAY))
    assert found["allowed"]
    for line, begins in zip(found["warnings"], expected, strict=True):
        assert line.startswith(f"netpol-preflight: {begins}")


def test_the_labels_of_a_server_drop_it_out_of_its_clients_rules() -> None:
    old = NAMED["Deployment", "db"]
    template = {**old["spec"]["template"], "metadata": {"labels": {"name": "db", "app": "database"}}}
    found = answered(decide(asked({**old, "spec": {**old["spec"], "template": template}}, old), cluster(), TODAY))
    (line,) = found["warnings"]
    assert line.startswith(
        "netpol-preflight: the label change of deploy/data/db cuts shop/web -> data/db:5432/TCP: egress isolated by "
        "shop/out; out lets out to app=db; the server has app=database (NP502)"
    )


ACCOUNT: Final[Raw] = {
    "apiVersion": "v1",
    "kind": "ServiceAccount",
    "metadata": {"name": "default", "namespace": "shop", "labels": {"role": "web"}},
}
BY_ACCOUNT: Final[Raw] = {
    "apiVersion": "projectcalico.org/v3",
    "kind": "NetworkPolicy",
    "metadata": {"name": "by-account", "namespace": "data"},
    "spec": {
        "selector": "all()",
        "types": ["Ingress"],
        "ingress": [
            {
                "action": "Allow",
                "source": {"namespaceSelector": "all()", "serviceAccounts": {"selector": "role == 'web'"}},
            }
        ],
    },
}


def test_the_labels_of_a_service_account_are_what_policies_may_ask_for() -> None:
    made = cluster(json.dumps(ACCOUNT), json.dumps(BY_ACCOUNT), settings=Settings(enforcer=Enforcer("calico")))
    made.apply([Drop("NetworkPolicy", "data", "fence")])
    other = {**ACCOUNT, "metadata": {**ACCOUNT["metadata"], "labels": {"role": "x"}}}
    said = "the label change of ServiceAccount shop/default cuts shop/web -> data/db:5432/TCP: ingress isolated by "
    for written in (asked(other, ACCOUNT), asked(None, ACCOUNT)):
        (line,) = answered(decide(written, made, TODAY))["warnings"]
        assert line.startswith(f"netpol-preflight: {said}")
        assert "(NP502)" in line
    noted = {**ACCOUNT, "metadata": {**ACCOUNT["metadata"], "annotations": {"a": "b"}}}
    found = answered(decide(asked(noted, ACCOUNT), made, TODAY))
    assert found["auditAnnotations"]["not-evaluated"] == "what policies see of it is the same"
    assert answered(decide(asked(ACCOUNT), made, TODAY))["warnings"] == []


# -- what nobody should send -------------------------------------------------------------------------------------------


JUNK: Final[st.SearchStrategy[Any]] = st.sampled_from(
    (None, 1, -1, True, "", "x" * 300, [], [None], {}, {"a": {}}, [{"x": 1}], "\u202e\n")
)
FAMILIES: Final[tuple[Raw, ...]] = (
    *DOCUMENTS,
    {
        "apiVersion": "policy.networking.k8s.io/v1alpha2",
        "kind": "ClusterNetworkPolicy",
        "metadata": {"name": "x"},
        "spec": {
            "tier": "Admin",
            "priority": 1,
            "subject": {"namespaces": {}},
            "ingress": [{"action": "Deny", "from": []}],
        },
    },
    {
        "apiVersion": "projectcalico.org/v3",
        "kind": "GlobalNetworkPolicy",
        "metadata": {"name": "x"},
        "spec": {"selector": "all()", "types": ["Ingress"], "ingress": [{"action": "Deny"}]},
    },
    {"apiVersion": "projectcalico.org/v3", "kind": "Tier", "metadata": {"name": "x"}, "spec": {"order": 1}},
    {
        "apiVersion": "cilium.io/v2",
        "kind": "CiliumNetworkPolicy",
        "metadata": {"name": "x", "namespace": "data"},
        "spec": {"endpointSelector": {}, "ingress": [{"fromEndpoints": [{}]}]},
    },
    {"apiVersion": "cilium.io/v2", "kind": "CiliumCIDRGroup", "metadata": {"name": "x"}, "spec": {"externalCIDRs": []}},
)


@st.composite
def mangled(draw: st.DrawFn) -> tuple[Raw, Raw]:
    """Draw an object of any kind, and the same with some part replaced by something else."""
    old: Raw = draw(st.sampled_from(FAMILIES))
    new = copy.deepcopy(old)
    here: Any = new
    while True:
        key = draw(st.sampled_from(sorted(here) if isinstance(here, dict) else list(range(len(here)))))
        if not here[key] or not isinstance(here[key], dict | list) or draw(st.booleans()):
            if key not in ("apiVersion", "kind", "metadata", "name", "namespace"):
                here[key] = draw(JUNK)
            return old, new
        here = here[key]


@hypothesis_settings(max_examples=HEAVY)
@given(mangled(), st.sampled_from(("generic", "calico", "cilium")), st.sampled_from(("CREATE", "UPDATE", "DELETE")))
def test_whatever_is_written_is_answered_and_what_cannot_be_read_rejects_nothing(
    pair: tuple[Raw, Raw], cni: str, operation: str
) -> None:
    old, new = pair
    made = cluster(label="enforce", settings=Settings(enforcer=Enforcer(cni)))
    found = answered(decide(asked(new, old, operation=operation), made, TODAY))
    assert all(line.isprintable() and len(line) <= 256 for line in found.get("warnings", ()))
    if operation == "DELETE":
        assert found["allowed"]


def test_a_policy_that_cannot_be_read_is_said_and_nothing_else() -> None:
    broken = {**CLOSED, "spec": "deny all"}
    made = without_fence()
    (line,) = answered(decide(asked(broken), made, TODAY))["warnings"]
    assert line.startswith("netpol-preflight: data/wall cannot be read: spec: expected")
    assert line.endswith("; who loses by it is not known")


# -- what it costs -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("label", "more", "allowed"),
    [
        ("", {}, True),
        ("warn", {}, True),
        ("audit", {}, True),
        ("nonsense", {}, True),
        ("enforce", {}, False),
        ("enforce", {"dryRun": True}, False),
        ("enforce", {"userInfo": {"username": KEEPER}}, True),
        ("enforce", {"userInfo": {"username": "system:kube-controller-manager"}}, True),
    ],
)
def test_it_rejects_only_where_the_namespace_asks_for_that(label: str, more: Raw, allowed: bool) -> None:
    policy, old = with_spec("NetworkPolicy", "fence", ingress=OTHERS)
    decision = decide(asked(policy, old, **more), cluster(label=label, settings=Settings(mode=Mode.ENFORCE)), TODAY)
    assert decision.allowed is allowed
    found = answered(decision)
    if not allowed:
        assert "NP501 data/fence cuts shop/web" in found["status"]["message"]
        assert "name: allow-db-from-web.shop-5432" in found["status"]["message"]


def test_nothing_is_rejected_in_a_namespace_that_is_being_deleted() -> None:
    policy, old = with_spec("NetworkPolicy", "fence", ingress=OTHERS)
    made = cluster(label="enforce")
    assert not decide(asked(policy, old), made, TODAY).allowed
    meta = {"name": "data", "labels": {POLICY_MODE_LABEL: "enforce"}, "deletionTimestamp": "2026-11-20T12:00:00Z"}
    made.apply(Put(value) for value in values(json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": meta})))
    found = answered(decide(asked(policy, old), made, TODAY))
    assert found["allowed"]
    assert len(found["warnings"]) == 1


def test_what_is_off_is_not_looked_at_and_what_is_audited_is_not_said() -> None:
    policy, old = with_spec("NetworkPolicy", "fence", ingress=OTHERS)
    off = answered(decide(asked(policy, old), cluster(label="off"), TODAY))
    assert (off["warnings"], off["auditAnnotations"]["not-evaluated"]) == ([], "mode off")
    audited = answered(decide(asked(policy, old), cluster(label="audit"), TODAY))
    assert (audited["warnings"], audited["auditAnnotations"]["findings"]) == ([], "NP501")


def test_a_label_that_says_nothing_is_said() -> None:
    found = answered(decide(asked(CLOSED), cluster(label="loud"), TODAY))
    said = "namespace data: label netpol-preflight.io/policy-mode=loud is none of off, audit, warn, enforce; using warn"
    assert found["warnings"] == [f"netpol-preflight: {said} (NP303); correct the label"]


LETS: Final[Raw] = {
    **CLOSED,
    "metadata": {"name": "lets", "namespace": "data"},
    "spec": {"podSelector": {}, "ingress": [{"from": [{"namespaceSelector": {}}]}]},
}


def test_a_deletion_is_never_rejected_and_the_audit_log_has_what_it_opens_and_closes() -> None:
    made = cluster(json.dumps(LETS), json.dumps(CLOSED), label="enforce")
    made.apply([Drop("NetworkPolicy", "data", "fence")])
    found = answered(decide(asked(None, LETS), made, TODAY))
    assert found["allowed"]
    assert [line[18:42] for line in found["warnings"]] == ["data/lets cuts shop/web "]
    assert found["auditAnnotations"]["findings"] == "NP501,NP504"
    assert found["auditAnnotations"]["deleting"] == "closes: shop/web -> db.data:5432/TCP"
    made.apply([Drop("NetworkPolicy", "data", "lets")])
    opened = answered(decide(asked(None, CLOSED), made, TODAY))
    assert opened["warnings"] == []
    assert opened["auditAnnotations"]["deleting"] == "opens: shop/web -> db.data:5432/TCP, free: data/db"


def test_nothing_is_rejected_by_what_may_be_out_of_date() -> None:
    policy, old = with_spec("NetworkPolicy", "fence", ingress=OTHERS)
    decision = decide(asked(policy, old), cluster(label="enforce"), TODAY, stale="no news for an hour")
    assert decision.allowed
    assert answered(decision)["auditAnnotations"]["stale"] == "no news for an hour"


# -- how much is said --------------------------------------------------------------------------------------------------


def crowd(count: int, spaces: int = 3) -> str:
    """Return so many clients of data/db, in as many namespaces."""
    web = NAMED["Deployment", "web"]
    every = (
        {**web, "metadata": {**web["metadata"], "name": f"w{n:03}", "namespace": f"s{n % spaces}"}}
        for n in range(count)
    )
    return "---\n".join(json.dumps(one) + "\n" for one in every)


def test_many_who_lose_are_summed_up() -> None:
    made = cluster(crowd(21))
    made.apply([Drop("NetworkPolicy", "data", "fence")])
    lines = answered(decide(asked(CLOSED), made, TODAY))["warnings"]
    assert len(lines) == 8
    assert lines[-1] == (
        "netpol-preflight: and 15 more workloads in 3 namespaces; "
        "run `netpol-preflight check -f FILE --against cluster`"
    )
    assert sum(map(len, lines)) <= 2_048
    assert all(len(line) <= 256 for line in lines)


def test_what_there_was_no_time_for_is_said() -> None:
    made = cluster(crowd(60))
    made.apply([Drop("NetworkPolicy", "data", "fence")])
    decision = decide(asked(CLOSED), made, TODAY, budget=Budget(300))
    assert not decision.exhausted
    assert decision.left_out
    found = answered(decision)
    assert found["warnings"][0].startswith("netpol-preflight: data/wall cuts ")
    assert "others" in found["auditAnnotations"]["left-out"]
    assert "of 62 workloads that may lose by this were looked at in time" in decision.notes[0]
    assert found["warnings"][-1].startswith("netpol-preflight: and at least ")


def test_nobody_is_told_of_those_whom_they_may_not_see() -> None:
    made = without_fence()
    made.configure(Settings(disclose="own"))
    found = answered(decide(asked(CLOSED), made, TODAY))
    assert found["warnings"] == []
    made.apply(Put(value) for value in values(crowd(1).replace("s0", "data")))
    assert [line[18:37] for line in answered(decide(asked(CLOSED), made, TODAY))["warnings"]] == ["data/wall cuts data"]
