"""The flags of `serve` that are about the server itself: ports, certificates, logs."""

import argparse
from datetime import timedelta

from webhook.cli.readers import dns_name, lease, lifetime, listen, seconds, secret


def server(group: argparse._ArgumentGroup) -> None:
    """Add where to listen, with which certificate, and what to log."""
    group.add_argument(
        "--listen", type=listen, default=("127.0.0.1", 8443), metavar="HOST:PORT", help="default: 127.0.0.1:8443"
    )
    group.add_argument(
        "--health-listen", type=listen, metavar="HOST:PORT",
        help="probes without TLS, and metrics and reasons, which are then on no other port",
    )  # fmt: skip
    group.add_argument(
        "--metrics-listen", type=listen, metavar="HOST:PORT",
        help="metrics and /readyz?verbose without TLS, which are then on no other port",
    )  # fmt: skip
    group.add_argument(
        "--report-listen", type=listen, metavar="HOST:PORT",
        help="/report, with TLS: the audit as a page, for whoever's bearer token may list NetworkPolicies",
    )  # fmt: skip
    group.add_argument(
        "--client-ca", metavar="FILE",
        help="CA of client certificates: review only for a client that shows one, as the API server can be told to",
    )  # fmt: skip
    group.add_argument(
        "--client-name", action="append", default=[], metavar="NAME",
        help="common or DNS name in the client's certificate; repeatable (default: kube-apiserver)",
    )  # fmt: skip
    group.add_argument(
        "--drain", type=seconds, default=0.0, metavar="SECONDS",
        help="serve on for so long after SIGTERM, not ready, until the cluster sends nothing more (default: 0)",
    )  # fmt: skip
    group.add_argument("--tls-dir", metavar="DIR", help="holds, or receives, ca.crt tls.crt tls.key")
    group.add_argument("--tls-cert", metavar="FILE", help="certificate chain, instead of --tls-dir")
    group.add_argument("--tls-key", metavar="FILE", help="its key")
    group.add_argument(
        "--tls-san", action="append", default=[], metavar="NAME",
        help="one more name or address for the made certificate; repeatable",
    )  # fmt: skip
    group.add_argument(
        "--log-level", choices=("debug", "info", "warning", "error"), default="info", help="default: info"
    )
    group.add_argument(
        "--log-format", choices=("text", "json"), default="text", help="of the lines on standard error (default: text)"
    )


def audit(group: argparse._ArgumentGroup) -> None:
    """Add how replicas agree on who audits the cluster."""
    group.add_argument(
        "--audit-lease", type=lease, metavar="NAMESPACE/NAME",
        help="the Lease by which replicas agree on who does it; it is made if it is not there. `audit.enabled` in the "
        "configuration turns it on",
    )  # fmt: skip


def certificate(group: argparse._ArgumentGroup) -> None:
    """Add how a certificate in a Secret is kept."""
    group.add_argument(
        "--certificate-secret", type=secret, metavar="NAMESPACE/NAME",
        help="where it is: created if it is not there, repaired if it is damaged",
    )  # fmt: skip
    group.add_argument(
        "--webhook-configuration", type=dns_name, metavar="NAME",
        help="the ValidatingWebhookConfiguration whose caBundle is kept right; it may come later",
    )  # fmt: skip
    group.add_argument(
        "--certificate-lifetime", type=lifetime, default=timedelta(days=90), metavar="DURATION",
        help="of the certificate, renewed after two thirds of it: 2160h (default), 30m, ...",
    )  # fmt: skip
    group.add_argument(
        "--ca-lifetime", type=lifetime, default=timedelta(days=5 * 365), metavar="DURATION",
        help="of its CA, at least twice as long: 43800h (default)",
    )  # fmt: skip
