"""The caBundle of one ValidatingWebhookConfiguration: read by its name, and nothing else of it ever written."""

from base64 import b64encode
from typing import Final

import msgspec
from msgspec import Struct

from webhook.cluster.client import Connection
from webhook.cluster.errors import GarbledError, NotServedError, RefusedError
from webhook.cluster.secrets import CONFLICT, OvertakenError

_PATH: Final = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/"
# It knows webhooks by their names (patchMergeKey), where a merge patch would replace the whole list.
_PATCH: Final = "application/strategic-merge-patch+json"


class Entry(Struct, frozen=True):
    """One webhook: its name and its caBundle, PEM."""

    name: str
    bundle: bytes


class Configuration(Struct, frozen=True):
    """What was read, and of which version."""

    name: str
    version: str
    entries: tuple[Entry, ...]


class _ClientConfig(Struct, rename="camel"):
    ca_bundle: bytes | None = None


class _Webhook(Struct, rename="camel"):
    name: str
    client_config: _ClientConfig = msgspec.field(default_factory=_ClientConfig)


class _Metadata(Struct, rename="camel"):
    resource_version: str = ""


class _Configuration(Struct):
    """`admissionregistration.k8s.io/v1`, as far as it is read; base64 is decoded."""

    metadata: _Metadata = msgspec.field(default_factory=_Metadata)
    webhooks: list[_Webhook] | None = None


async def read(connection: Connection, name: str) -> Configuration | None:
    """Return the configuration, None where there is none. Raises ClusterError."""
    try:
        body = await connection.get(_PATH + name, {})
    except NotServedError:
        return None
    try:
        found = msgspec.json.decode(body, type=_Configuration)
    except msgspec.DecodeError as error:
        raise GarbledError(f"ValidatingWebhookConfiguration `{name}` cannot be read: {error}") from error
    entries = (Entry(each.name, each.client_config.ca_bundle or b"") for each in found.webhooks or ())
    return Configuration(name, found.metadata.resource_version, tuple(entries))


async def publish(connection: Connection, configuration: Configuration, bundle: bytes) -> None:
    """Put one caBundle into every webhook. Raises OvertakenError where the configuration is another by now."""
    client_config = {"caBundle": b64encode(bundle).decode()}
    patch = {
        "metadata": {"resourceVersion": configuration.version},
        "webhooks": [{"name": entry.name, "clientConfig": client_config} for entry in configuration.entries],
    }
    try:
        await connection.send("PATCH", _PATH + configuration.name, patch, _PATCH)
    except RefusedError as error:
        if error.status == CONFLICT:
            raise OvertakenError(str(error)) from error
        raise
