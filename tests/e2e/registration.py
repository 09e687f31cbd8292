"""What a cluster's administrator writes: the webhook's configuration and the rights of its user."""

from typing import Any

from tests.testbed.control_plane import ControlPlane

NAME = "validate.netpol-preflight.io"  # audit annotations begin with it
CALLED_BY = "e2e.netpol-preflight.io/called-by"  # label of a namespace: the configuration that covers it
USER = "netpol-preflight"

# The kinds that `serve --source cluster` reads: no more is granted, and never secrets.
READ = {
    "": ["configmaps", "namespaces", "nodes", "pods", "replicationcontrollers", "serviceaccounts", "services"],
    "apps": ["daemonsets", "deployments", "replicasets", "statefulsets"],
    "batch": ["cronjobs", "jobs"],
    "discovery.k8s.io": ["endpointslices"],
    "networking.k8s.io": ["ingressclasses", "ingresses", "networkpolicies"],
    "admissionregistration.k8s.io": ["mutatingwebhookconfigurations", "validatingwebhookconfigurations"],
    "apiextensions.k8s.io": ["customresourcedefinitions"],
    "apiregistration.k8s.io": ["apiservices"],
    "rbac.authorization.k8s.io": ["clusterrolebindings", "rolebindings"],
}

# Far more than a chart would send, and failing closed: what is allowed here was allowed by an answer.
# `Namespaced`, because a namespaceSelector never exempts cluster-scoped objects: those are other tests' too.
EVERYTHING = [
    {"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*/*"], "scope": "Namespaced"}
]


def configuration(
    name: str, client_config: dict[str, Any], *, namespace_label: str, failure_policy: str = "Fail"
) -> dict[str, Any]:
    """Return a configuration that covers the namespaces whose label `CALLED_BY` has this value."""
    webhook = {
        "name": NAME,
        "clientConfig": client_config,
        "rules": EVERYTHING,
        "namespaceSelector": {"matchLabels": {CALLED_BY: namespace_label}},
        "failurePolicy": failure_policy,
        "timeoutSeconds": 10,
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
    }
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": name},
        "webhooks": [webhook],
    }


def unregister(control_plane: ControlPlane, name: str) -> None:
    """Delete the configuration if it is there."""
    done = control_plane.kubectl("delete", "validatingwebhookconfiguration", name, "--ignore-not-found")
    assert done.returncode == 0, done.stderr


def rights(name: str, subject: dict[str, str], without: str = "") -> list[dict[str, Any]]:
    """Return the role that lets a subject read `READ`, or all of it but one kind, and its binding."""
    rules = [
        {"apiGroups": [group], "resources": kept, "verbs": ["get", "list", "watch"]}
        for group, resources in READ.items()
        if (kept := [resource for resource in resources if resource != without])
    ]
    rbac = "rbac.authorization.k8s.io"
    role = {"apiVersion": f"{rbac}/v1", "kind": "ClusterRole", "metadata": {"name": name}, "rules": rules}
    reference = {"apiGroup": rbac, "kind": "ClusterRole", "name": name}
    binding = {"apiVersion": f"{rbac}/v1", "kind": "ClusterRoleBinding", "metadata": {"name": name}}
    return [role, binding | {"roleRef": reference, "subjects": [subject]}]


def revoke(control_plane: ControlPlane, name: str) -> None:
    """Undo `rights`."""
    done = control_plane.kubectl("delete", "clusterrole,clusterrolebinding", name)
    assert done.returncode == 0, done.stderr
