"""Where the API server is and who we are to it, by the official client's own loaders."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from webhook.cluster.errors import BadConfigError, cleaned

if TYPE_CHECKING:
    from kubernetes.aio.client import Configuration

# kubernetes.aio.config.incluster_config.SERVICE_TOKEN_FILENAME, known without the import
SERVICE_ACCOUNT_TOKEN: Final = "/var/run/secrets/kubernetes.io/serviceaccount/token"  # noqa: S105 - a path


def in_cluster() -> bool:
    """Say whether this process runs in a pod that has a service account's token."""
    return bool(os.environ.get("KUBERNETES_SERVICE_HOST")) and Path(SERVICE_ACCOUNT_TOKEN).is_file()


async def configuration(kubeconfig: str | None, context: str | None) -> "Configuration":
    """Load what to connect to, in kubectl's order. Raises BadConfigError.

    In a pod the client reads the token file again every minute.
    """
    from kubernetes.aio.client import Configuration  # noqa: PLC0415 - takes a second, and only who connects pays

    settings = Configuration()
    files = kubeconfig or os.environ.get("KUBECONFIG") or str(Path.home() / ".kube/config")
    if _any_exists(files):
        await _from_kubeconfig(settings, files, context)
    elif kubeconfig or context or not in_cluster():
        raise BadConfigError(f"no kubeconfig at `{files}`, and this is no pod with a service account")
    else:
        _from_service_account(settings)
    return settings


def _any_exists(files: str) -> bool:
    return any(part and Path(part).expanduser().is_file() for part in files.split(os.pathsep))


async def _from_kubeconfig(settings: "Configuration", files: str, context: str | None) -> None:
    from kubernetes.aio.config import load_kube_config  # noqa: PLC0415 - see configuration

    try:
        await load_kube_config(  # type: ignore[no-untyped-call]
            config_file=files, context=context, client_configuration=settings, persist_config=False
        )
    except Exception as error:  # whatever is wrong in the file, the loader trips over it in a way of its own
        raise BadConfigError(f"kubeconfig `{files}`: {_why(error)}") from error


def _from_service_account(settings: "Configuration") -> None:
    from kubernetes.aio.config import ConfigException, load_incluster_config  # noqa: PLC0415 - see configuration

    try:
        load_incluster_config(client_configuration=settings)  # type: ignore[no-untyped-call]
    except (ConfigException, OSError) as error:
        raise BadConfigError(f"the pod's service account: {_why(error)}") from error


def _why(error: Exception) -> str:
    """Say what is wrong, where the loader itself knows; what it merely trips over would be said in Python's terms."""
    from kubernetes.aio.config import ConfigException  # noqa: PLC0415 - see configuration

    if isinstance(error, OSError):
        return (error.strerror or "cannot be read").lower()
    text = cleaned(str(error)).removeprefix("Invalid kube-config file. ") if isinstance(error, ConfigException) else ""
    return text[:1].lower() + text[1:] if text else "not a kubeconfig that can be used"
