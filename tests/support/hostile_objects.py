"""Objects that cost who reads them."""

from typing import Any

from tests.support.making import deployment, metadata

Raw = dict[str, Any]


def told(env: dict[str, str] | None = None, *containers: Raw, **more: Any) -> Raw:  # noqa: ANN401 - any field
    first = {"name": "c", "env": [{"name": name, "value": value} for name, value in (env or {}).items()], **more}
    return deployment("shop/web", containers=[first, *containers], replicas=0)


def config_map(data: dict[str, str], name: str = "shop/settings") -> Raw:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata(name), "data": data}


def doubling(times: int, start: int = 100) -> dict[str, str]:
    """Return variables of which each holds the one before twice."""
    return {"A0": "x" * start} | {f"A{n + 1}": f"$(A{n})$(A{n})" for n in range(times)}


def urls(keys: int, each: int) -> dict[str, str]:
    return {f"K{k}_URL": ",".join(f"http://h{k}-{n}.other:80" for n in range(each)) for k in range(keys)}
