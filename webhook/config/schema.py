"""The configuration file for editors: JSON Schema 2020-12."""

from typing import Any

import msgspec

from webhook.config.file import File


def schema() -> dict[str, Any]:
    """Return the schema of the file; `docs/config.schema.json` is this, written down."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "netpol-preflight configuration",
        **msgspec.json.schema(File),
    }
