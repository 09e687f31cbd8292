"""`serve`: the webhook, until it is told to stop."""

import argparse
import logging
import socket
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from webhook.api.backend import FIELDS
from webhook.api.listener import CertificateError
from webhook.certificates.directory import TlsError
from webhook.certificates.issue import general_name
from webhook.certificates.rotation import Lives
from webhook.certificates.shared_certificate import Managed, utc
from webhook.cli.terminal import emit
from webhook.cluster.certificate_objects import SecretRef
from webhook.cluster.client_configuration import Access, in_cluster
from webhook.cluster.errors import ClusterError
from webhook.cluster.lease import LeaseRef
from webhook.config import Invalid
from webhook.facade import UsageError
from webhook.facade.sources import CLUSTER, read_settings
from webhook.manifests import STDIN
from webhook.model.settings import Settings
from webhook.report.safe import clean
from webhook.wiring.cluster_source import Cluster
from webhook.wiring.serve import Serving, serve
from webhook.wiring.source import Configured, Folder, Source, Unusable

if TYPE_CHECKING:  # what few turn on, and only they load
    from webhook.wiring.background_audit import BackgroundAudit
    from webhook.wiring.report_server import ReportServer

_API_SERVER: Final = "kube-apiserver"  # the common name that OPA Gatekeeper expects, too


def run(arguments: argparse.Namespace) -> int:
    """Serve; 0 after SIGTERM, 2 where it cannot begin."""
    start_logging(arguments.log_level, arguments.log_format)
    serving = _serving(arguments)
    try:
        serve(_source(arguments), serving, lambda address: emit(f"ready {address}"))
    except (Unusable, ClusterError, TlsError, CertificateError) as error:
        raise UsageError(str(error)) from error
    except OSError as error:
        host, port = serving.listen
        raise UsageError(f"cannot serve on {host}:{port}: {error.strerror or error}") from error
    return 0


def _source(arguments: argparse.Namespace) -> Source:
    source = arguments.source
    if source is None:
        if not in_cluster():
            raise UsageError(
                "no `--source`, and no service account token: expected `--source PATH` or `--source cluster`"
            )
        source = CLUSTER
    settings = _settings(arguments, live=source == CLUSTER)
    if source != CLUSTER and arguments.watch_namespace:
        raise UsageError("`--watch-namespace` is for a cluster: expected `--source cluster` with it")
    if source != CLUSTER and arguments.unasked:
        raise UsageError("`--no-bindings` and `--no-config-maps` are for a cluster: expected `--source cluster`")
    made = Cluster(_access(arguments), settings) if source == CLUSTER else Folder(source, settings, arguments.namespace)
    if arguments.config is None or arguments.config == STDIN:
        return made
    load = partial(_reload, arguments, live=source == CLUSTER)
    return Configured(made, Path(arguments.config), load, settings, lambda: utc().date())


def _settings(arguments: argparse.Namespace, *, live: bool) -> Settings:
    made = read_settings(arguments.config, arguments.cni, arguments.mode, dns=arguments.dns, live=live)
    if made.audit.enabled and not live:
        raise UsageError("`audit.enabled` is for a cluster: expected `--source cluster` with it")
    if made.audit.enabled and not arguments.audit_lease:
        raise UsageError(
            "`audit.enabled` is for one replica at a time: expected `--audit-lease NAMESPACE/NAME` with it"
        )
    return msgspec.structs.replace(made, disclose=arguments.disclose) if arguments.disclose else made


def _reload(arguments: argparse.Namespace, *, live: bool) -> Settings:
    try:
        return _settings(arguments, live=live)
    except UsageError as error:
        raise Invalid(str(error)) from error


def _access(arguments: argparse.Namespace) -> Access:
    namespaces, unasked = tuple(dict.fromkeys(arguments.watch_namespace)), frozenset().union(*arguments.unasked)
    return Access(arguments.kubeconfig, arguments.context, namespaces, unasked)


def _managed(arguments: argparse.Namespace) -> Managed | None:
    secret, configuration = arguments.certificate_secret, arguments.webhook_configuration
    if bool(secret) != bool(configuration):
        raise UsageError("`--certificate-secret` and `--webhook-configuration` go together")
    if not secret:
        return None
    if arguments.tls_cert:
        raise UsageError("expected `--certificate-secret`, or `--tls-cert` with `--tls-key`, not both")
    lives = Lives(arguments.certificate_lifetime, arguments.ca_lifetime)
    if lives.ca < 2 * lives.leaf:
        raise UsageError("expected a `--ca-lifetime` of at least twice the `--certificate-lifetime`")
    return Managed(_access(arguments), SecretRef(*secret), configuration, tuple(arguments.tls_san), lives)


def _auditing(arguments: argparse.Namespace) -> "Callable[[Source], BackgroundAudit] | None":
    if not arguments.audit_lease:
        return None
    from webhook.wiring.background_audit import Auditing, BackgroundAudit

    how = Auditing(_access(arguments), LeaseRef(*arguments.audit_lease), socket.gethostname())
    return lambda source: BackgroundAudit(source, how, utc)


def _reporting(arguments: argparse.Namespace) -> "Callable[[Source], ReportServer] | None":
    if arguments.report_listen is None:
        return None
    if arguments.source not in {None, CLUSTER}:
        raise UsageError("`--report-listen` asks a cluster who a caller is: expected `--source cluster` with it")
    from webhook.cli.outputs import parts
    from webhook.wiring.report_server import Reporting, ReportServer

    how = Reporting(arguments.report_listen, _access(arguments), parts("audit"))
    return lambda source: ReportServer(source, how, utc)


def _serving(arguments: argparse.Namespace) -> Serving:
    if bool(arguments.tls_cert) != bool(arguments.tls_key):
        raise UsageError("`--tls-cert` and `--tls-key` go together")
    if arguments.tls_dir and arguments.tls_cert:
        raise UsageError("expected `--tls-dir`, or `--tls-cert` with `--tls-key`, not both")
    for name in arguments.tls_san:
        try:
            general_name(name)
        except ValueError as error:
            raise UsageError(f"--tls-san {error}") from error
    if arguments.client_name and not arguments.client_ca:
        raise UsageError("`--client-name` is of a certificate: expected `--client-ca` with it")
    return Serving(
        listen=arguments.listen,
        health=arguments.health_listen,
        metrics=arguments.metrics_listen,
        client_ca=_path(arguments.client_ca),
        client_names=frozenset(arguments.client_name or [_API_SERVER]) if arguments.client_ca else frozenset(),
        directory=_path(arguments.tls_dir),
        cert=_path(arguments.tls_cert),
        key=_path(arguments.tls_key),
        names=tuple(arguments.tls_san),
        managed=_managed(arguments),
        auditing=_auditing(arguments),
        reporting=_reporting(arguments),
        drain=arguments.drain,
    )


def _path(text: str | None) -> Path | None:
    return Path(text) if text else None


# -- log lines on standard error: no body, and nothing of one ----------------------------------------------------------


FORMATS: Final = ("text", "json")


def start_logging(level: str, style: str) -> None:
    """Log from `level` on, in one of FORMATS."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if style == "json" else TextFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)


class TextFormatter(logging.Formatter):
    """`2026-11-21T01:02:03.456Z INFO webhook.api: message key=value`; a traceback below it."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one record; line ends of others cannot begin a line of ours."""
        fields = "".join(f" {key}={clean(str(value))}" for key, value in _fields(record).items())
        line = f"{_time(record)} {record.levelname} {record.name}: {clean(record.getMessage())}{fields}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class JsonFormatter(logging.Formatter):
    """One object a line: time, level, logger, message, then the record's own fields; `exception` is a traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one record."""
        whole = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_fields(record),
        }
        if record.exc_info:
            whole["exception"] = self.formatException(record.exc_info)
        try:
            return msgspec.json.encode(whole).decode()
        except UnicodeEncodeError:  # a lone surrogate, which JSON text cannot hold
            return msgspec.json.encode({key: clean(str(value)) for key, value in whole.items()}).decode()


def _fields(record: logging.LogRecord) -> Mapping[str, object]:
    fields = getattr(record, FIELDS, None)
    return fields if isinstance(fields, Mapping) else {}


def _time(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
