"""The reviewer behind `/validate`, over a world that does not change."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import yaml
from prometheus_client.registry import Collector

import webhook
from webhook.api.backend import Check
from webhook.model.settings import DEFAULTS, Settings
from webhook.wiring.inputs import read_inputs
from webhook.wiring.reviewer import Reviewer
from webhook.world import Put, View, World

STORY = Path(webhook.__file__).parent / "story"


class Fixed:
    """A source whose world is given."""

    def __init__(self, view: View | None) -> None:
        self._view = view

    def view(self) -> View | None:
        return self._view

    def version(self) -> int | None:
        return None

    def stale(self) -> str | None:
        return None

    def collectors(self) -> tuple[Collector, ...]:
        return ()

    def checks(self) -> tuple[Check, ...]:
        return (Check("source", self._view is not None),)

    async def ready(self) -> None:
        pass

    async def run(self) -> None:
        pass


def world(settings: Settings = DEFAULTS) -> World:
    made = World(settings, complete=False)
    with (STORY / "web-api.yaml").open("rb") as unused:
        made.apply(Put(value) for value, _ in read_inputs([str(STORY)], unused, "default").values)
    return made


def reviewer(source: Fixed) -> Reviewer:
    """Return one that the speed of this machine does not stop: its steps are counted as ever."""
    return Reviewer(source, lambda: date(2026, 11, 20), processor=60)


def body(**changes: Any) -> bytes:  # noqa: ANN401 - a field's value
    raw = yaml.safe_load((STORY / "web-api.yaml").read_text())
    request = {
        "uid": "u-1",
        "kind": {"group": "apps", "version": "v1", "kind": "Deployment"},
        "operation": "CREATE",
        "namespace": "production",
        "name": "web-api",
        "object": raw,
        **changes,
    }
    return json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}).encode()
