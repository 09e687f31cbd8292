"""What a shared certificate lives in: one Secret, and the caBundle of one ValidatingWebhookConfiguration.

Both are read by name. The Secret is created, and replaced as long as nobody else wrote it in between; of the
configuration nothing but the caBundle is ever written.
"""

from base64 import b64encode
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from webhook.cluster.client import Connection, ObjectRef
from webhook.cluster.errors import CONFLICT, GarbledError, NotServedError, OvertakenError, RefusedError

# What the chart's empty Secret is, as kubernetes.io/tls may not be empty: a type never changes, and Helm's replacing
# upgrade of a Secret that we had to make anew would fail on another one.
TYPE: Final = "Opaque"
# No more: every other label is the chart's to set, and Helm's server-side apply would stop at one that is ours.
_LABELS: Final = {"app.kubernetes.io/part-of": "netpol-preflight"}
_WHO: Final = "/apis/authentication.k8s.io/v1/selfsubjectreviews"


class SecretRef(ObjectRef, frozen=True):
    """Where a Secret is."""

    @property
    def folder(self) -> str:
        """The path of the namespace's Secrets."""
        return f"/api/v1/namespaces/{self.namespace}/secrets"


class Stored(Struct, frozen=True):
    """The Secret as it was read: its data, and all of it."""

    data: dict[str, bytes]
    raw: dict[str, Any]

    def __repr__(self) -> str:
        return f"{type(self).__name__}(...)"  # keys must not get into a log or a traceback


class _Secret(Struct):
    """`core/v1 Secret`, as far as it is read; base64 is decoded."""

    data: dict[str, bytes] | None = None


async def read_secret(connection: Connection, ref: SecretRef) -> Stored | None:
    """Return the Secret, None where there is none. Raises ClusterError."""
    try:
        body = await connection.get(f"{ref.folder}/{ref.name}", {})
    except NotServedError:
        return None
    try:
        return Stored(msgspec.json.decode(body, type=_Secret).data or {}, msgspec.json.decode(body))
    except msgspec.DecodeError:  # without its text: it may quote what it could not read
        raise GarbledError(f"Secret `{ref}` cannot be read") from None


async def create_secret(connection: Connection, ref: SecretRef, data: Mapping[str, bytes]) -> None:
    """Create the Secret; it goes when our ServiceAccount goes. Raises OvertakenError where it exists, ClusterError."""
    owner = await _owner(connection, ref.namespace)
    metadata = {"name": ref.name, "namespace": ref.namespace, "labels": _LABELS, "ownerReferences": owner}
    secret = {"apiVersion": "v1", "kind": "Secret", "type": TYPE, "metadata": metadata, "data": _encoded(data)}
    try:
        await connection.send("POST", ref.folder, secret)
    except RefusedError as error:
        if error.status == CONFLICT:
            raise OvertakenError(str(error)) from error
        raise


async def replace_secret(connection: Connection, ref: SecretRef, stored: Stored, data: Mapping[str, bytes]) -> None:
    """Put other data into the Secret that was read. Raises OvertakenError where it is another by now, ClusterError."""
    try:
        await connection.send("PUT", f"{ref.folder}/{ref.name}", {**stored.raw, "data": _encoded(data)})
    except RefusedError as error:
        if error.status == CONFLICT or isinstance(error, NotServedError):
            raise OvertakenError(str(error)) from error
        raise


def _encoded(data: Mapping[str, bytes]) -> dict[str, str]:
    return {key: b64encode(value).decode() for key, value in data.items()}


class _User(Struct):
    username: str = ""
    uid: str = ""


class _ReviewStatus(Struct):
    user: _User = msgspec.field(default_factory=_User, name="userInfo")


class _Review(Struct):
    """`authentication.k8s.io/v1 SelfSubjectReview`; every user may ask (role system:basic-user), from 1.28 on."""

    status: _ReviewStatus = msgspec.field(default_factory=_ReviewStatus)


async def _owner(connection: Connection, namespace: str) -> list[dict[str, str]]:
    """Return our ServiceAccount as an owner, so that uninstalling leaves no Secret; nobody where we have none there.

    A reference is set when the Secret is created and never later, as OwnerReferencesPermissionEnforcement asks for the
    right to delete for that.
    """
    kind = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    try:
        user = msgspec.json.decode(await connection.send("POST", _WHO, kind), type=_Review).status.user
    except (RefusedError, msgspec.DecodeError):
        return []
    prefix = f"system:serviceaccount:{namespace}:"
    if not user.uid or not user.username.startswith(prefix):
        return []
    name = user.username.removeprefix(prefix)
    return [{"apiVersion": "v1", "kind": "ServiceAccount", "name": name, "uid": user.uid}]


# -- the caBundle ------------------------------------------------------------------------------------------------------


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


class _ConfigurationMetadata(Struct, rename="camel"):
    resource_version: str = ""


class _Configuration(Struct):
    """`admissionregistration.k8s.io/v1`, as far as it is read; base64 is decoded."""

    metadata: _ConfigurationMetadata = msgspec.field(default_factory=_ConfigurationMetadata)
    webhooks: list[_Webhook] | None = None


async def read_configuration(connection: Connection, name: str) -> Configuration | None:
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


async def publish_bundle(connection: Connection, configuration: Configuration, bundle: bytes) -> None:
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
