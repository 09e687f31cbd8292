"""What is lost by any change is the difference of two whole audits, and nobody is asked whom it cannot touch."""

from collections.abc import Iterable
from typing import Any, Final

from hypothesis import event, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tests.support.denied_worlds import HEAVY
from tests.support.reviews import TODAY
from tests.support.worlds import policies
from tests.support.worlds_tiers import wide_policies
from tests.support.worlds_whole import CALICO, CILIUM
from webhook.dependencies import assumed_api_server, parse, resolve
from webhook.families import REFERENCES, project
from webhook.judge import judge, judge_dns, judge_workload
from webhook.judge.inbound import judge_inbound
from webhook.judge.remembered import Remembered
from webhook.judge.workload import judge_item, judge_look_up
from webhook.model.answers import CLOSED, Dependency, Verdict
from webhook.model.crd_policies import CrdPolicy
from webhook.model.objects import Namespace, Service
from webhook.model.policy import Policy
from webhook.model.settings import CONNECTS_TO, Enforcer, Settings
from webhook.review.blast_radius import Radius
from webhook.review.changes import Steps, lost_by
from webhook.review.touched import Touched, change_of
from webhook.world import Change, Overlay, Put, View, World
from webhook.world.changes import Value, key_of
from webhook.world.controllers import maker_of
from webhook.world.proposed import Proposed

Raw = dict[str, Any]
Lost = tuple[str, str]


def _of(version: str, kind: str, name: str, space: str | None, spec: Raw, **labels: str) -> Raw:
    where = {} if space is None else {"namespace": space}
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, "labels": labels, **where}, "spec": spec}


V3: Final = "projectcalico.org/v3"
V2: Final = "cilium.io/v2"
FROM_SET: Final[Raw] = {
    "selector": "all()",
    "types": ["Ingress"],
    "ingress": [{"action": "Allow", "source": {"selector": "zone == 'a'"}}],
}
WALLS: Final = tuple(
    _of("networking.k8s.io/v1", "NetworkPolicy", "wall", space, {"podSelector": {}, "policyTypes": [side]})
    for space in ("x", "y", "kube-system")
    for side in ("Ingress", "Egress")
)
MORE: Final[tuple[tuple[Raw, ...], ...]] = (
    (),
    (
        _of(V3, "GlobalNetworkSet", "wide", None, {"nets": ["10.0.0.0/16"]}, zone="a"),
        _of(V3, "NetworkSet", "own", "x", {"nets": ["10.0.0.2/32"]}, zone="a"),
        _of(V3, "NetworkPolicy", "set", "x", FROM_SET),
        _of(V3, "Tier", "early", None, {"order": 10, "defaultAction": "Pass"}),
        _of(
            V3,
            "GlobalNetworkPolicy",
            "early.deny",
            None,
            {"tier": "early", "selector": "app == 'b'", "types": ["Egress"], "egress": [{"action": "Deny"}]},
        ),
    ),
    (
        _of(
            "networking.k8s.io/v1",
            "NetworkPolicy",
            "to-x",
            "y",
            {
                "podSelector": {},
                "egress": [{"to": [{"namespaceSelector": {"matchLabels": {"app": "a"}}}]}],
                "policyTypes": ["Egress"],
            },
        ),
        _of(
            "networking.k8s.io/v1",
            "NetworkPolicy",
            "from-y",
            "x",
            {"podSelector": {}, "ingress": [{"from": [{"namespaceSelector": {"matchLabels": {"app": "a"}}}]}]},
        ),
    ),
    (
        _of("cilium.io/v2alpha1", "CiliumCIDRGroup", "group", None, {"externalCIDRs": ["198.51.100.0/24"]}),
        _of(
            V2,
            "CiliumNetworkPolicy",
            "to-group",
            "x",
            {"endpointSelector": {}, "egress": [{"toCIDRSet": [{"cidrGroupRef": "group"}]}]},
        ),
    ),
)
ACCOUNTS: Final = (  # who asks for the labels of ServiceAccounts, as peers and as subjects
    _of(
        V3,
        "NetworkPolicy",
        "by-account",
        "x",
        {
            "selector": "all()",
            "types": ["Ingress"],
            "ingress": [
                {
                    "action": "Allow",
                    "source": {"namespaceSelector": "all()", "serviceAccounts": {"selector": "app == 'a'"}},
                }
            ],
        },
    ),
    _of(V3, "GlobalNetworkPolicy", "of-account", None, {"serviceAccountSelector": "app == 'b'", "types": ["Egress"]}),
)
SETTINGS: Final = (
    Settings(),
    Settings(detect="files"),
    Settings(enforcer=Enforcer("calico")),
    Settings(enforcer=Enforcer("cilium")),
)
LABELS: Final[tuple[dict[str, str], ...]] = ({}, {"app": "a"}, {"app": "b"}, {"app": "a", "tier": "a"})
CAST: Final = (
    ("x", "one", "a"),
    ("x", "two", "b"),
    ("y", "three", "a"),
    ("y", "four", "b"),
    ("x", "five", "c"),  # who is told apart from `two` by nobody who asks for `a`
    ("x", "six", "c"),
    ("kube-system", "dns", "dns"),
)
TOKEN: Final[Raw] = {"name": "t", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}}
INGRESS: Final[tuple[Raw, ...]] = (
    {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": "i", "namespace": "x"},
        "spec": {"defaultBackend": {"service": {"name": "one", "port": {"number": 80}}}},
        "status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.200"}]}},
    },
    {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "front", "namespace": "y"},
        "spec": {"type": "LoadBalancer", "selector": {"app": "b"}, "ports": [{"port": 80}]},
        "status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.200"}]}},
    },
)
TARGETS: Final = (
    *(f"{name}.{space}:80" for space, name, _ in CAST[:4]),
    "one",
    "deploy/two.x:8080",
    "alias.y:80",
    "listed.y:80",
    "10.0.0.1:8080",
    "198.51.100.7:443",
    "10.0.0.0/24:8080",
    "api.example.com:443",
)


@st.composite
def cluster(draw: st.DrawFn) -> list[Raw]:
    """Draw workloads that declare what they connect to, or are told it, with pods or without, and no policies."""
    spaces = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": n, "labels": draw(labels)}} for n in ("x", "y")
    ]
    objects = [*spaces, _service("alias", "y", {"type": "ExternalName", "externalName": "one.x.svc.cluster.local"})]
    objects.append(_service("listed", "y", {"ports": [{"port": 80, "targetPort": 8080}]}))
    objects.append(_listed("10.0.0.2"))
    objects += [_account(space, draw(labels)) for space in ("x", "y", "kube-system")]
    for number, (space, name, app) in enumerate(CAST, 1):
        objects += draw(_workload(number, space, name, {"app": app, **draw(st.sampled_from(({}, {"tier": "a"})))}))
    return objects + list(INGRESS if draw(st.booleans()) else ())


labels = st.sampled_from(LABELS)


@st.composite
def _workload(draw: st.DrawFn, number: int, space: str, name: str, own: dict[str, str]) -> list[Raw]:
    ports = [{"name": "web", "containerPort": 8080}]
    port: Raw = {"port": 80, "targetPort": draw(st.sampled_from((8080, "web")))}
    if name == "dns":
        ports, port = [{"name": "dns", "containerPort": 53, "protocol": "UDP"}], {"port": 53, "protocol": "UDP"}
    container: Raw = {"name": "c", "image": "i", "ports": ports}
    meta: Raw = {"name": name, "namespace": space}
    if draw(st.integers(0, 3)):
        meta["annotations"] = {CONNECTS_TO: ", ".join(draw(st.lists(st.sampled_from(TARGETS), min_size=1, max_size=4)))}
    else:
        value = draw(st.sampled_from(("one.x:80", "http://three.y", "$(HOST)")))
        container["env"] = [{"name": "HOST", "value": "two.x"}, {"name": "BACKEND_URL", "value": value}]
    template: Raw = {"metadata": {"labels": own}, "spec": {"containers": [container]}}
    if draw(st.booleans()):
        template["spec"]["serviceAccountName"] = "runner"
    if draw(st.integers(0, 3)) == 0:
        template["spec"]["volumes"] = [TOKEN]
    spec = {"selector": {"matchLabels": {"app": own["app"]}}, "template": template}
    service = "kube-dns" if name == "dns" else name
    found = [
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": spec},
        _service(service, space, {"selector": {"app": own["app"]}, "ports": [port]}),
    ]
    if draw(st.integers(0, 2)):
        owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": f"{name}-5d8", "controller": True}
        labelled = {**own, "pod-template-hash": "5d8"}
        pod = {"name": f"{name}-5d8-x", "namespace": space, "labels": labelled, "ownerReferences": [owner]}
        status = {"phase": "Running", "podIP": f"10.0.0.{number}", "podIPs": [{"ip": f"10.0.0.{number}"}]}
        found.append({"apiVersion": "v1", "kind": "Pod", "metadata": pod, "spec": template["spec"], "status": status})
    return found


def _service(name: str, space: str, spec: Raw) -> Raw:
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": space}, "spec": spec}


def _account(space: str, own: dict[str, str]) -> Raw:
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": "runner", "namespace": space, "labels": own},
    }


def _listed(address: str) -> Raw:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": "listed-1", "namespace": "y", "labels": {"kubernetes.io/service-name": "listed"}},
        "addressType": "IPv4",
        "ports": [{"name": "", "port": 8080, "protocol": "TCP"}],
        "endpoints": [{"addresses": [address], "conditions": {"ready": True}}],
    }


@st.composite
def fences(draw: st.DrawFn, objects: list[Raw]) -> list[Raw]:
    """Draw policies of one family or two, with what they refer to."""
    number = st.integers(0, 2)
    pods = [raw for raw in objects if raw["kind"] in ("Pod", "Namespace")]
    found = [draw(policies(pods, f"np{n}")) for n in range(draw(number))] if len(pods) > 2 else []
    found += [draw(wide_policies(pods, f"w{n}")) for n in range(draw(number))] if len(pods) > 2 else []
    found += draw(
        st.lists(
            st.sampled_from((*WALLS, *WALLS, *ACCOUNTS, *draw(st.sampled_from((CALICO, CILIUM))))),
            max_size=3,
            unique_by=str,
        )
    )
    found += draw(st.sampled_from(MORE))
    return found


@st.composite
def steps(draw: st.DrawFn, objects: list[Raw], fenced: list[Raw]) -> tuple[list[Raw], list[Raw], list[Raw]]:
    """Draw what is there before of the policies, and what is written and taken away then."""
    before = [raw for raw in fenced if draw(st.integers(0, 2)) == 0]
    late = [raw for raw in fenced if raw not in before]
    match draw(st.sampled_from(("late", "late", "late", "gone", "namespace", "account", "service"))):
        case "late" if late:
            return before, draw(st.lists(st.sampled_from(late), min_size=1, max_size=2, unique_by=str)), []
        case "namespace":
            space = draw(st.sampled_from(("x", "y")))
            return (
                fenced,
                [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": space, "labels": draw(labels)}}],
                [],
            )
        case "account":
            space = draw(st.sampled_from(("x", "y")))
            gone = [_account(space, {})] if draw(st.booleans()) else []
            asking = draw(st.sampled_from((ACCOUNTS, ACCOUNTS[:1], ACCOUNTS[1:])))
            return list(asking), [] if gone else [_account(space, draw(labels))], gone
        case "service":
            old = draw(
                st.sampled_from([raw for raw in objects if raw["kind"] == "Service" and "selector" in raw["spec"]])
            )
            spec = {
                **old["spec"],
                **draw(
                    st.sampled_from(({"selector": {"app": "b"}}, {"ports": [{"port": 81}]}, {"ports": [{"port": 80}]}))
                ),
            }
            return before, [{**old, "spec": spec}], []
        case _ if before:
            return before, [], [draw(st.sampled_from(before))]
        case _:
            service = draw(st.sampled_from([raw for raw in objects if raw["kind"] == "Service"]))
            return before, [], [service]


def audit(view: View) -> tuple[dict[Lost, Verdict], dict[tuple[str, str, str], Verdict]]:
    """Return every answer about every workload, gone where nobody is there; and every way in."""
    answers: dict[Lost, Verdict] = {}
    ways: dict[tuple[str, str, str], Verdict] = {}
    for workload in view.workloads.every():
        if maker_of(view, workload) is not None:
            continue
        assumed = assumed_api_server(view, workload)
        if assumed is not None:  # of which `judge_workload` tells only that it is out of reach
            part = judge(view, workload, assumed)
            answers[str(workload.ref), part.text] = part.verdict
        for part in judge_workload(view, workload).parts:
            lost = not part.flows and any(one.what in ("NP201", "NP202", "NP204") for one in part.missing)
            answers[str(workload.ref), part.text] = Verdict.DENIED if lost else part.verdict
        for way in judge_inbound(Overlay(view, [workload], anew=True), workload):
            for sender in way.senders if way.verdict in (Verdict.ALLOWED, *CLOSED) else ():
                ways[str(sender), way.path.to.text, way.path.by] = way.verdict
    return answers, ways


def difference(before: View, after: View) -> set[Lost]:
    (was, ways_were), (now, ways_are) = audit(before), audit(after)
    lost = {key for key, verdict in was.items() if verdict is Verdict.ALLOWED and now.get(key) in CLOSED}
    shut = {
        key[:2] for key, verdict in ways_are.items() if verdict in CLOSED and Verdict.ALLOWED in _same(ways_were, key)
    }
    return lost | shut


def _same(ways: dict[tuple[str, str, str], Verdict], key: tuple[str, str, str]) -> set[Verdict]:
    """Return what a way in was before, whoever sent."""
    return {verdict for other, verdict in ways.items() if other[1:] == key[1:]}


def filled(settings: Settings, values: Iterable[Value]) -> World:
    made = World(settings, complete=True)
    made.apply(map(Put, values))
    return made


@hypothesis_settings(max_examples=4 * HEAVY, deadline=None)
@given(st.data())
def test_what_any_change_takes_is_the_difference_of_two_whole_audits(data: st.DataObject) -> None:
    settings = data.draw(st.sampled_from(SETTINGS))
    objects = data.draw(cluster())
    fenced, late, gone = data.draw(steps(objects, data.draw(fences(objects))))
    values = [value for raw in (*objects, *fenced) if (value := project(raw)) is not None]
    new, old = ([value for raw in some if (value := project(raw)) is not None] for some in (late, gone))
    changes: list[Change] = [*map(Put, new), *map(key_of, old)]
    before, after = filled(settings, values), filled(settings, values)
    after.apply(changes)
    some = [value for value in (*new, *old) if isinstance(value, Policy | CrdPolicy | Namespace | Service)]
    found = lost_by(before, Steps(tuple(changes), tuple(some)), TODAY, "x")
    lost = {(str(draft.finding.workload), draft.finding.dependency or "") for draft in found.drafts}
    nameless = {
        (str(draft.finding.workload), draft.finding.dependency or "")
        for draft in found.drafts
        if "of that name" in dict(draft.finding.facts).get("why", "") and any(isinstance(one, Service) for one in old)
    }
    expected = difference(before, after)
    for value in some:
        reference = isinstance(value, CrdPolicy) and (value.group, value.ref.kind) in REFERENCES
        word = "reference" if reference else value.ref.kind if isinstance(value, CrdPolicy) else type(value).__name__
        event(f"{word}{' gone' if old else ''}: {'lost' if expected else 'nothing'}")
    assert lost - nameless == expected - nameless
    full = Radius(before, Proposed(before, changes), change_of(some), Touched(everybody=True))
    assert lost == {
        (str(draft.finding.workload), draft.finding.dependency or "")
        for ref in full.candidates
        for draft in full.of(ref).lost
    }


@hypothesis_settings(max_examples=4 * HEAVY, deadline=None)
@given(st.data())
def test_what_is_known_of_one_client_holds_for_those_that_no_policy_tells_apart(data: st.DataObject) -> None:
    objects = data.draw(cluster())
    fenced = data.draw(fences(objects))
    settings = data.draw(st.sampled_from(SETTINGS))
    view = filled(settings, [value for raw in (*objects, *fenced) if (value := project(raw)) is not None])
    for workload in view.workloads.every():
        remembered = Remembered(view, workload)
        for item in (one for text in TARGETS for one in parse(text) if isinstance(one, Dependency)):
            assert judge_item(remembered, item) == judge(view, workload, resolve(view, workload, item), near=False)
        assert judge_look_up(remembered) == judge_dns(view, workload, near=False)
