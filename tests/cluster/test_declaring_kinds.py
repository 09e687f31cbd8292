"""Other projects' kinds, webhook configurations and bindings in a cluster: what is kept of them, and where it goes."""

import asyncio
import json
from typing import Any

import pytest

from tests.support.patience import PATIENCE
from tests.support.watching import reached
from tests.testbed.control_plane import ControlPlane
from webhook.cluster.client_configuration import Access
from webhook.cluster.decoders import Decoders
from webhook.cluster.kinds import Collection, Kind
from webhook.families import project
from webhook.model.inbound import Backend, Call, Exposure
from webhook.model.settings import DEFAULTS
from webhook.wire.objects import DECLARING
from webhook.wiring.cluster_snapshot import lost, notes
from webhook.wiring.cluster_source import Cluster
from webhook.wiring.informer_cache import InformerCache
from webhook.wiring.snapshot import State, projection, restored
from webhook.world import World

Raw = dict[str, Any]
SECRET = "hunter2"
TO = {"name": "web", "namespace": "shop", "port": 443}
HOOK = {"clientConfig": {"service": {**TO, "path": f"/{SECRET}"}, "caBundle": SECRET}, "rules": [SECRET]}
SENT = {
    "routes": [
        {"match": SECRET, "services": [{**TO, "kind": "Service", "weight": 3}], "conditions": [{"header": SECRET}]}
    ],
    "tcpproxy": {"services": [TO], "secret": SECRET},
}
ROUTED = [{"match": [{"headers": SECRET}], "route": [{"destination": {"host": "web.shop", "port": {"number": 80}}}]}]
SCRAPED = [{"port": "http", "bearerTokenSecret": {"name": SECRET}}]
MONITOR = {"selector": {"matchLabels": {"app": "web"}}, "namespaceSelector": {"matchNames": ["shop"]}}
BOUND = {
    "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"},
    "subjects": [{"kind": "ServiceAccount", "name": "ctl", "namespace": "shop"}, {"kind": "User", "name": SECRET}],
}
EVERY: dict[tuple[str, str], Raw] = {
    ("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration"): {"webhooks": [HOOK]},
    ("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration"): {"webhooks": [HOOK, HOOK]},
    ("apiregistration.k8s.io/v1", "APIService"): {"spec": {"service": TO, "caBundle": SECRET}},
    ("apiextensions.k8s.io/v1", "CustomResourceDefinition"): {
        "spec": {"versions": [SECRET], "conversion": {"strategy": "Webhook", "webhook": HOOK}}
    },
    ("route.openshift.io/v1", "Route"): {
        "spec": {
            "to": {"kind": "Service", "name": "web"},
            "alternateBackends": [{"name": "v2"}],
            "port": {"targetPort": "http"},
            "tls": {"key": SECRET},
        }
    },
    ("networking.istio.io/v1", "VirtualService"): {
        "spec": {"gateways": ["edge/g"], "http": ROUTED, "tcp": ROUTED, "hosts": [SECRET]}
    },
    ("networking.istio.io/v1", "Gateway"): {"spec": {"selector": {"istio": "own"}, "servers": [{"tls": SECRET}]}},
    ("traefik.io/v1alpha1", "IngressRoute"): {"spec": SENT},
    ("traefik.containo.us/v1alpha1", "IngressRoute"): {"spec": SENT},
    ("projectcontour.io/v1", "HTTPProxy"): {"spec": SENT},
    ("monitoring.coreos.com/v1", "Probe"): {"spec": {"prober": {"url": "web:80"}, "basicAuth": SECRET}},
    ("monitoring.coreos.com/v1", "ServiceMonitor"): {"spec": {**MONITOR, "endpoints": SCRAPED}},
    ("monitoring.coreos.com/v1", "PodMonitor"): {"spec": {**MONITOR, "podMetricsEndpoints": SCRAPED}},
    ("rbac.authorization.k8s.io/v1", "RoleBinding"): BOUND,
    ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding"): BOUND,
}


def raw_of(version: str, kind: str) -> Raw:
    metadata = {"name": "x", "namespace": "shop", "managedFields": [{"f": SECRET}]}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **EVERY[version, kind]}


def test_every_kind_is_here() -> None:
    from webhook.wire.inbound_others import KINDS  # noqa: PLC0415 - beside the table that it is about

    assert {(version.rpartition("/")[0], kind) for version, kind in EVERY} == KINDS <= DECLARING


@pytest.mark.parametrize(("version", "kind"), EVERY)
def test_what_is_kept_while_decoding_projects_to_the_same_value(version: str, kind: str) -> None:
    raw = raw_of(version, kind)
    whole = json.dumps({"metadata": {"resourceVersion": "1"}, "items": [raw]}).encode()
    decoders = Decoders(Kind(version, kind, "any"))
    items = decoders.page(whole).items
    assert items
    (decoded,) = items
    assert project(decoded) == project(raw) is not None
    if "RoleBinding" not in kind:  # of which only who is bound is taken, when it is read
        assert SECRET not in json.dumps(decoded).replace(f"/{SECRET}", "")
    strange = {"metadata": {"name": "x", "namespace": "n"}, "spec": 4, "webhooks": 5, "subjects": {}}
    decoders.object(json.dumps(strange).encode())


@pytest.mark.parametrize(("version", "kind"), EVERY)
def test_what_a_snapshot_keeps_is_what_is_read_and_nothing_else(version: str, kind: str) -> None:
    raw = raw_of(version, kind)
    value = project(raw)
    assert value is not None
    record = projection(raw, value)
    assert restored(json.loads(json.dumps(record))) == value
    assert SECRET not in json.dumps(record)


def test_a_snapshot_keeps_that_pods_ask_for_a_token() -> None:
    token = {"name": "t", "projected": {"sources": [{"serviceAccountToken": {"path": SECRET}}]}}
    other = {"name": SECRET, "secret": {"secretName": SECRET}}
    for more in ({"volumes": [other, token]}, {"automountServiceAccountToken": False}, {"volumes": [7, other]}):
        spec = {"containers": [{"name": "c"}], **more}
        raw = {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "d", "namespace": "n"},
            "spec": {"template": {"spec": spec}},
        }
        value = project(raw)
        assert value is not None
        record = projection(raw, value)
        assert restored(json.loads(json.dumps(record))) == value
        assert SECRET not in json.dumps(record)


def test_gateways_of_two_projects_do_not_take_each_others_place() -> None:
    async def scenario() -> None:
        two_gateways()

    asyncio.run(scenario())


def two_gateways() -> None:
    mirror = InformerCache(World(DEFAULTS, complete=True))
    istio = Collection(Kind("networking.istio.io/v1", "Gateway", "gateways"))
    plain = Collection(Kind("gateway.networking.k8s.io/v1", "Gateway", "gateways"))
    for where in (istio, plain):
        metadata = {"name": "g", "namespace": "edge"}
        spec = {"selector": {"a": "b"}}
        mirror.begin(where)
        mirror.take(
            where,
            [{"apiVersion": where.kind.api_version, "kind": "Gateway", "metadata": metadata, "spec": spec}],
            0,
        )
        mirror.end(where)
    inbound = mirror.world.inbound
    assert inbound.istio_gateway("edge", "g") is not None
    assert inbound.gateway("edge", "g") is not None
    mirror.forget(istio)
    mirror.flush()
    assert inbound.istio_gateway("edge", "g") is None
    assert inbound.gateway("edge", "g") is not None


def test_what_may_not_be_read_is_said_once_and_leaves_the_world_whole() -> None:
    kinds = ("APIService.apiregistration.k8s.io", "RoleBinding.rbac.authorization.k8s.io")
    states: dict[str, State] = dict.fromkeys((*kinds, "Route.route.openshift.io"), "forbidden")
    assert not [*lost(states)]
    (note,) = notes(states, {})
    assert note == (
        f"{kinds[0]}, {kinds[1]}, Route.route.openshift.io may not be read (forbidden): the ways in that they declare "
        "are not judged, nor who needs the API server by its rights"
    )
    (alone,) = notes({kinds[1]: "forbidden"}, {})
    assert alone.endswith("who needs the API server by its rights is not inferred")


CRD = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "httpproxies.projectcontour.io"},
    "spec": {
        "group": "projectcontour.io",
        "scope": "Namespaced",
        "names": {"plural": "httpproxies", "singular": "httpproxy", "kind": "HTTPProxy", "listKind": "HTTPProxyList"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
            }
        ],
    },
}


def declared(namespace: str) -> list[Raw]:
    bound = {"kind": "ServiceAccount", "name": "ctl", "namespace": namespace}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"}
    hook = {
        "name": "v.example.com",
        "clientConfig": {"service": {"name": "web", "namespace": namespace, "port": 443}},
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "failurePolicy": "Ignore",
        "rules": [
            {"apiGroups": ["example.com"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["none"]}
        ],
    }
    return [
        {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingWebhookConfiguration",
            "metadata": {"name": f"v-{namespace}"},
            "webhooks": [hook],
        },
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": {"name": "b", "namespace": namespace},
            "roleRef": role,
            "subjects": [bound],
        },
        {
            "apiVersion": "projectcontour.io/v1",
            "kind": "HTTPProxy",
            "metadata": {"name": "p", "namespace": namespace},
            "spec": {"routes": [{"services": [{"name": "web", "port": 80}]}]},
        },
    ]


@pytest.mark.cluster
def test_a_cluster_s_webhooks_bindings_and_other_kinds_are_followed(
    control_plane: ControlPlane, namespace: str
) -> None:
    async def scenario() -> None:
        await asyncio.to_thread(control_plane.apply, CRD)
        await asyncio.to_thread(
            control_plane.kubectl, "wait", "--for=condition=Established", "crd/httpproxies.projectcontour.io"
        )
        for one in declared(namespace):
            await asyncio.to_thread(control_plane.apply, one)
        cluster = Cluster(Access(str(control_plane.kubeconfig())), DEFAULTS)
        task = asyncio.create_task(cluster.run())
        try:
            await asyncio.wait_for(cluster.ready(), PATIENCE)
            view = cluster.view()
            assert view is not None
            hook = ("ValidatingWebhookConfiguration", "", f"v-{namespace}")
            await reached(lambda: view.inbound.get(hook) is not None)
            assert view.inbound.get(hook) == Call(hook[0], hook[2], (Backend(namespace, "web", 443),))
            await reached(lambda: bool(view.inbound.bindings_of(namespace, "ctl")))
            await reached(lambda: isinstance(view.inbound.get(("HTTPProxy", namespace, "p")), Exposure))
            await asyncio.to_thread(control_plane.kubectl, "delete", hook[0], hook[2])
            await reached(lambda: view.inbound.get(hook) is None)
            await asyncio.to_thread(control_plane.kubectl, "delete", "crd", "httpproxies.projectcontour.io")
            await reached(lambda: view.inbound.get(("HTTPProxy", namespace, "p")) is None)
        finally:
            task.cancel()
            await asyncio.wait([task])

    asyncio.run(scenario())
