"""The story as a snapshot."""

import io
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from tests.support.running import STORY
from webhook.families import project
from webhook.manifests import Document, read
from webhook.wiring.snapshot import Snapshot, State, projection

TAKEN = datetime(2026, 11, 21, 1, 2, 3, tzinfo=UTC)


OK: dict[str, State] = {"Pod": "ok", "NetworkPolicy.networking.k8s.io": "ok"}


def taken(
    raws: Iterable[Any],
    kinds: dict[str, State] | None = None,
    namespaces: tuple[str, ...] = (),
    when: datetime = TAKEN,
) -> Snapshot:
    values = [(raw, project(raw)) for raw in raws]
    kept = [projection(raw, value) for raw, value in values if value is not None]
    return Snapshot(taken=when, cluster="https://a", namespaces=namespaces, kinds=kinds or OK, objects=kept)


def story() -> Iterator[dict[str, Any]]:
    for document in read([str(STORY)], io.BytesIO()):
        assert isinstance(document, Document)
        yield document.raw
