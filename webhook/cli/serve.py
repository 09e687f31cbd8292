"""`serve`: the webhook, until it is told to stop."""

import argparse
from functools import partial
from pathlib import Path
from typing import Final

from webhook.api.certificate import CertificateError
from webhook.certificates.directory import TlsError
from webhook.certificates.issue import general_name
from webhook.certificates.rotation import Lives
from webhook.certificates.shared_certificate import Managed, utc
from webhook.cli import logs
from webhook.cli.terminal import emit
from webhook.cluster.certificate_objects import SecretRef
from webhook.cluster.client_configuration import Access, in_cluster
from webhook.cluster.errors import ClusterError
from webhook.config import Invalid
from webhook.facade.sources import CLUSTER, read_settings
from webhook.facade.usage import UsageError
from webhook.manifests import STDIN
from webhook.model.settings import Settings
from webhook.wiring.cluster_source import Cluster
from webhook.wiring.configuration import Configured
from webhook.wiring.folder import Folder
from webhook.wiring.serve import Serving, serve
from webhook.wiring.source import Source, Unusable

_API_SERVER: Final = "kube-apiserver"  # the common name that OPA Gatekeeper expects, too


def run(arguments: argparse.Namespace) -> int:
    """Serve; 0 after SIGTERM, 2 where it cannot begin."""
    logs.start(arguments.log_level, arguments.log_format)
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
    made = Cluster(_access(arguments), settings) if source == CLUSTER else Folder(source, settings, arguments.namespace)
    if arguments.config is None or arguments.config == STDIN:
        return made
    load = partial(_reload, arguments, live=source == CLUSTER)
    return Configured(made, Path(arguments.config), load, settings, lambda: utc().date())


def _settings(arguments: argparse.Namespace, *, live: bool) -> Settings:
    return read_settings(arguments.config, arguments.cni, arguments.mode, dns=arguments.dns, live=live)


def _reload(arguments: argparse.Namespace, *, live: bool) -> Settings:
    try:
        return _settings(arguments, live=live)
    except UsageError as error:
        raise Invalid(str(error)) from error


def _access(arguments: argparse.Namespace) -> Access:
    return Access(arguments.kubeconfig, arguments.context, tuple(dict.fromkeys(arguments.watch_namespace)))


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
        drain=arguments.drain,
    )


def _path(text: str | None) -> Path | None:
    return Path(text) if text else None
