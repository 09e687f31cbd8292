"""A page that is one file: its style, its programs and its data inside, and a policy by which it can load nothing.

The policy (CSP level 3) allows the style and the programs by their hashes, and nothing else: no request, no inline
attribute, no form. Data is JSON in a block that no browser runs, so that nothing in a name can become markup.
"""

import base64
import hashlib
import json
from html import escape
from typing import Final

from msgspec import Struct

from webhook.report.json_ import Record


class Parts(Struct, frozen=True):
    """What a page is made of, as text: its body without data, its style, and its programs in order.

    `licences`: of programs that are somebody else's, which every copy has to carry.
    """

    body: str
    style: str
    scripts: tuple[str, ...]
    licences: tuple[str, ...] = ()


_ESCAPED: Final = str.maketrans({character: f"\\u{ord(character):04x}" for character in "<>&"})  # as JSON writes them
_ICON: Final = "data:,"  # none: a browser asks the server for one where nothing is said


def page(parts: Parts, title: str, data: Record) -> str:
    """Return the document, in ASCII like its parts. `data` is what its programs find in the element `data`."""
    scripts = [_unmapped(script) for script in parts.scripts]
    policy = "; ".join(
        (
            "default-src 'none'",
            f"script-src {' '.join(map(_hash, scripts))}",
            f"style-src {_hash(parts.style)}",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )
    head = (
        '<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="referrer" content="no-referrer">',
        '<meta name="color-scheme" content="light dark">',
        f'<link rel="icon" href="{_ICON}">',
        f"<title>{ascii_text(title)}</title>",
        f"<style>{parts.style}</style>",
    )
    return "\n".join(
        (
            "<!doctype html>",
            '<html lang="en">',
            "<head>",
            *head,
            "</head>",
            "<body>",
            parts.body,
            *(f"<!--\n{licence}\n-->" for licence in parts.licences),
            f'<script type="application/json" id="data">{embedded(data)}</script>',
            *(f"<script>{script}</script>" for script in scripts),
            "</body>",
            "</html>",
        )
    )


def embedded(data: Record) -> str:
    """Return JSON that can stand in a script element: ASCII, and no `<`, `>` or `&` in it."""
    return json.dumps(data, separators=(",", ":")).translate(_ESCAPED)


def ascii_text(text: str) -> str:
    """Return text for an element or an attribute, in ASCII: the same bytes whatever a pipe makes of it."""
    return escape(text).encode("ascii", "xmlcharrefreplace").decode()


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _unmapped(script: str) -> str:
    """Return a program without the line that names its source map, which is not there."""
    return script.partition("\n//# sourceMappingURL=")[0]
