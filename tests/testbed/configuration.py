"""The files and arguments that the control plane's processes start with."""

import json
import secrets
from collections.abc import Mapping
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from tests.testbed.certificates import CertificateAuthority, private_pem

PERSON = "admin"
CONTROLLER_MANAGER = "system:kube-controller-manager"
# The users of the token file and their groups. RBAC's bootstrap policy knows the controller manager by its name;
# the webhook's and the developer's users may do nothing until a test binds them a role.
USERS = {PERSON: "system:masters", CONTROLLER_MANAGER: "", "netpol-preflight": "", "developer": ""}

SERVICE_RANGES = "10.96.0.0/16,fd00:10:96::/112"
# No kubelet reports: whoever doubts nodes or evicts pods would undo what tests set up.
CONTROLLERS = "*,-node-lifecycle-controller,-taint-eviction-controller"

AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [{"level": "None", "verbs": ["get", "list", "watch"]}, {"level": "Metadata"}],
}

# As on GKE: outside the namespaces that have a quota for them, no pod is of a class of the system's.
ADMISSION = {
    "apiVersion": "apiserver.config.k8s.io/v1",
    "kind": "AdmissionConfiguration",
    "plugins": [
        {
            "name": "ResourceQuota",
            "configuration": {
                "apiVersion": "apiserver.config.k8s.io/v1",
                "kind": "ResourceQuotaConfiguration",
                "limitedResources": [
                    {
                        "resource": "pods",
                        "matchScopes": [
                            {
                                "scopeName": "PriorityClass",
                                "operator": "In",
                                "values": ["system-node-critical", "system-cluster-critical"],
                            }
                        ],
                    }
                ],
            },
        }
    ],
}


def write_files(directory: Path, port: int) -> dict[str, str]:
    """Write all but the logs into `directory`; returns the token of each user."""
    authority = CertificateAuthority()
    names = ["127.0.0.1", "::1", "localhost", "kubernetes.default.svc", "10.96.0.1", "fd00:10:96::1"]
    certificate, key = authority.issue(names)
    (directory / "ca.crt").write_bytes(authority.pem)
    (directory / "tls.crt").write_bytes(certificate)
    (directory / "tls.key").write_bytes(key)
    (directory / "service-account.key").write_bytes(private_pem(ec.generate_private_key(ec.SECP256R1())))
    (directory / "audit-policy.yaml").write_text(json.dumps(AUDIT_POLICY), encoding="utf-8")
    (directory / "admission.yaml").write_text(json.dumps(ADMISSION), encoding="utf-8")
    (directory / "egress.yaml").write_text(json.dumps(_egress(directory / "connect.sock")), encoding="utf-8")
    tokens = {user: secrets.token_hex(16) for user in USERS}
    lines = [f'{tokens[user]},{user},{user},"{groups}"\n' for user, groups in USERS.items()]
    (directory / "tokens.csv").write_text("".join(lines), encoding="utf-8")
    for user, token in tokens.items():
        text = json.dumps(_kubeconfig(f"https://127.0.0.1:{port}", directory / "ca.crt", user, token))
        kubeconfig_path(directory, user).write_text(text, encoding="utf-8")
    return tokens


def kubeconfig_path(directory: Path, user: str) -> Path:
    """Return where the user's kubeconfig is; raises KeyError for a user that there is not."""
    if user not in USERS:
        raise KeyError(f"no user `{user}`, only {', '.join(USERS)}")
    return directory / f"{user.replace(':', '-')}.kubeconfig"


def etcd_arguments(binaries: Mapping[str, Path], directory: Path) -> list[str | Path]:
    """Return etcd's command line: on unix sockets, and never waiting for a disk."""
    return [
        binaries["etcd"],
        f"--data-dir={directory}/etcd",
        f"--listen-client-urls=unix://{directory}/etcd.sock",
        "--advertise-client-urls=http://127.0.0.1:2379",  # must be given and look like this, is never dialled
        f"--listen-peer-urls=unix://{directory}/peer.sock",
        "--unsafe-no-fsync",
        "--log-level=warn",
    ]


def apiserver_arguments(binaries: Mapping[str, Path], directory: Path, port: int) -> list[str | Path]:
    """Return kube-apiserver's command line."""
    return [
        binaries["kube-apiserver"],
        f"--etcd-servers=unix://{directory}/etcd.sock",
        "--advertise-address=127.0.0.1",
        "--bind-address=127.0.0.1",
        f"--secure-port={port}",
        f"--tls-cert-file={directory}/tls.crt",
        f"--tls-private-key-file={directory}/tls.key",
        "--authorization-mode=RBAC",
        f"--token-auth-file={directory}/tokens.csv",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-signing-key-file={directory}/service-account.key",
        f"--service-account-key-file={directory}/service-account.key",
        f"--service-cluster-ip-range={SERVICE_RANGES}",
        "--endpoint-reconciler-type=none",  # loopback is no address an Endpoints object may hold
        f"--audit-policy-file={directory}/audit-policy.yaml",
        f"--audit-log-path={directory}/logs/audit.log",
        f"--egress-selector-config-file={directory}/egress.yaml",
        f"--admission-control-config-file={directory}/admission.yaml",
        "--allow-privileged",
        "--profiling=false",
    ]


def controller_manager_arguments(binaries: Mapping[str, Path], directory: Path) -> list[str | Path]:
    """Return kube-controller-manager's command line; it listens nowhere."""
    return [
        binaries["kube-controller-manager"],
        f"--kubeconfig={kubeconfig_path(directory, CONTROLLER_MANAGER)}",
        "--secure-port=0",
        "--leader-elect=false",
        "--use-service-account-credentials",
        f"--service-account-private-key-file={directory}/service-account.key",
        f"--root-ca-file={directory}/ca.crt",
        f"--controllers={CONTROLLERS}",
        "--kube-api-qps=500",
        "--kube-api-burst=1000",
    ]


def _egress(socket: Path) -> object:
    connection = {"proxyProtocol": "HTTPConnect", "transport": {"uds": {"udsName": str(socket)}}}
    return {
        "apiVersion": "apiserver.k8s.io/v1beta1",
        "kind": "EgressSelectorConfiguration",
        "egressSelections": [{"name": "cluster", "connection": connection}],
    }


def _kubeconfig(server: str, ca_file: Path, user: str, token: str) -> object:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "testbed", "cluster": {"server": server, "certificate-authority": str(ca_file)}}],
        "users": [{"name": user, "user": {"token": token}}],
        "contexts": [{"name": "testbed", "context": {"cluster": "testbed", "user": user}}],
        "current-context": "testbed",
    }
