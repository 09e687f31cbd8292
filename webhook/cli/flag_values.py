"""What flags may hold, each read into a value or refused with what was expected; and those of the server itself."""

import argparse
import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from webhook.model.budget import duration

_DAY: Final = 86_400.0
_OLDEST: Final = 3_650 * _DAY
_LAST_PORT: Final = 65_535
_MOST_JOBS: Final = 256
_LONGEST_DRAIN: Final = 3_600.0
_SHORTEST_LIFE: Final = timedelta(seconds=5)
_LONGEST_LIFE: Final = timedelta(days=100 * 365)
# https://kubernetes.io/docs/concepts/overview/working-with-objects/names/
_LABEL: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")


def seconds(text: str) -> float:
    """Read a number of seconds, 0 included; a Go duration is taken as well."""
    number = duration(text if not text.replace(".", "", 1).isdigit() else f"{text}s")
    if number is None or number > _LONGEST_DRAIN:
        raise argparse.ArgumentTypeError(f"`{text}` is no such time: expected 0 to {_LONGEST_DRAIN:.0f} seconds")
    return number


def lifetime(text: str) -> timedelta:
    """Read how long a certificate is to live, as Go writes durations."""
    number = duration(text)
    if number is None or not _SHORTEST_LIFE.total_seconds() <= number <= _LONGEST_LIFE.total_seconds():
        raise argparse.ArgumentTypeError(f"`{text}` is no lifetime: expected 5s to 876000h, such as 2160h or 1h30m")
    return timedelta(seconds=number)


def age(text: str) -> float:
    """Read how old something may be, in seconds: days (`7d`) or a Go duration."""
    days = text.removesuffix("d")
    number = float(days) * _DAY if days != text and days.isascii() and days.isdigit() else duration(text)
    if number is None or number > _OLDEST:
        raise argparse.ArgumentTypeError(f"`{text}` is no age: expected 0 to 3650d, such as 7d or 36h")
    return number


def dns_label(text: str) -> str:
    """Read a namespace's name."""
    if not _LABEL.fullmatch(text):
        raise argparse.ArgumentTypeError(f"`{text}` is no name of a namespace")
    return text


def jobs(text: str) -> int:
    """Read a number of processes."""
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= _MOST_JOBS:
        raise argparse.ArgumentTypeError(f"`{text}` is no number of processes: expected 1 to {_MOST_JOBS}")
    return int(text)


def glob(text: str) -> str:
    """Read a shell pattern."""
    if not text.strip("/"):
        raise argparse.ArgumentTypeError(f"`{text}` is no pattern: expected a name or path with `*`, `?` or `[...]`")
    return text.rstrip("/")


def output(text: str, formats: Sequence[str]) -> tuple[str, str]:
    """Read FORMAT=FILE."""
    name, equals, file = text.partition("=")
    if not equals or not file or name not in formats:
        expected = f"expected FORMAT=FILE, where FORMAT is one of {', '.join(formats)}"
        raise argparse.ArgumentTypeError(f"`{text}` is no output: {expected}")
    return name, file


def dns_name(text: str) -> str:
    """Read an object's name."""
    if not _NAME.fullmatch(text):
        raise argparse.ArgumentTypeError(f"`{text}` is no name of an object")
    return text


def secret(text: str) -> tuple[str, str]:
    """Read NAMESPACE/NAME."""
    namespace, slash, name = text.partition("/")
    if not slash or not _LABEL.fullmatch(namespace) or not _NAME.fullmatch(name):
        raise argparse.ArgumentTypeError(f"`{text}` names no Secret: expected NAMESPACE/NAME")
    return namespace, name


def lease(text: str) -> tuple[str, str]:
    """Read NAMESPACE/NAME of a Lease."""
    namespace, slash, name = text.partition("/")
    if not slash or not _LABEL.fullmatch(namespace) or not _NAME.fullmatch(name):
        raise argparse.ArgumentTypeError(f"`{text}` names no Lease: expected NAMESPACE/NAME")
    return namespace, name


def dns(text: str) -> tuple[str, str, int | None]:
    """Read NAMESPACE/SERVICE[:PORT]; the port is that of the pods."""
    place, colon, number = text.partition(":")
    namespace, slash, name = place.partition("/")
    good = slash and _LABEL.fullmatch(namespace) and _LABEL.fullmatch(name)
    if not good or (colon and not (port(number) if number.isdigit() else 0) >= 1):
        raise argparse.ArgumentTypeError(f"`{text}` names no Service: expected NAMESPACE/SERVICE[:PORT]")
    return namespace, name, int(number) if colon else None


def port(text: str) -> int:
    """Read a TCP port; 0 is any free one."""
    if not text.isascii() or not text.isdigit() or int(text) > _LAST_PORT:
        raise argparse.ArgumentTypeError(f"`{text}` is no port: expected 0 to {_LAST_PORT}")
    return int(text)


def listen(text: str) -> tuple[str, int]:
    """Read HOST:PORT; an IPv6 address stands in brackets."""
    host, colon, number = text.rpartition(":")
    bare = host.removeprefix("[").removesuffix("]")
    if not colon or not bare or (":" in bare and host == bare):
        raise argparse.ArgumentTypeError(f"`{text}` is no place to listen: expected HOST:PORT")
    return bare, port(number)


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
