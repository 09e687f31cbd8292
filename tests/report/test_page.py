"""What a page is as text: nothing but itself, and nothing of a name that a browser could take for markup."""

import base64
import hashlib
import html.parser
import json
import re
from importlib import resources

import pytest

from webhook.cli.outputs import parts
from webhook.report.page import embedded, page

ASSETS = resources.files("webhook.report") / "assets"
HOSTILE = "</script><!--<script>&\u2028\u202e\ud800"


class Elements(html.parser.HTMLParser):
    """The elements of a page with their attributes, and the text of scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {"script": [], "style": []}
        self.inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag in self.texts and "type" not in dict(attrs):
            self.inside = tag
            self.texts[tag].append("")

    def handle_endtag(self, tag: str) -> None:  # noqa: ARG002 - as the parser calls it
        self.inside = ""

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.texts[self.inside][-1] += data


@pytest.mark.parametrize("name", ["audit", "matrix"])
def test_the_policy_allows_what_is_inside_and_nothing_else(name: str) -> None:
    elements = Elements(page(parts(name), "x", {"a": HOSTILE}))
    policy = next(a["content"] for tag, a in elements.found if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    hashes = {
        tag: [f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" for text in texts]
        for tag, texts in elements.texts.items()
    }
    assert rules == {
        "default-src": "'none'",
        "script-src": " ".join(hashes["script"]),
        "style-src": " ".join(hashes["style"]),
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    loading = {"src", "srcset", "action", "formaction", "style", "ping"}
    for _, attributes in elements.found:
        assert not [key for key in attributes if key in loading or key.startswith("on")]
        assert re.match(r"#|data:,$", attributes.get("href") or "#")


def test_what_is_somebody_elses_comes_with_its_licence() -> None:
    text = page(parts("audit"), "x", {})
    assert "Copyright (c) 2012-2014 Chris Pettitt" in text
    assert "Copyright 2010-2026 Mike Bostock" in text
    assert "sourceMappingURL" not in text


def test_what_is_somebody_elses_is_what_the_notice_says() -> None:
    notice = (ASSETS / "NOTICE").read_text(encoding="utf-8")
    said = dict(re.findall(r"^(\S+\.min\.js)(?:(?!^\S).)*?sha256 ([0-9a-f]{64})", notice, re.MULTILINE | re.DOTALL))
    files = [file for file in ASSETS.iterdir() if file.name.endswith(".min.js")]
    assert said == {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def test_data_ends_no_script_and_comes_out_as_it_went_in() -> None:
    text = embedded({HOSTILE: [HOSTILE]})
    assert not set("<>&\u2028\u2029") & set(text)
    assert text.isascii()
    assert json.loads(text) == {HOSTILE: [HOSTILE]}


@pytest.mark.parametrize("name", ["audit", "matrix"])
def test_it_is_ascii_so_that_no_pipe_changes_a_byte_and_with_it_a_hash(name: str) -> None:
    assert page(parts(name), "\u202e\u00e9", {"\u00e9": "\u6771"}).isascii()


def test_a_title_is_text() -> None:
    assert "<title>&lt;/title&gt;&lt;b&gt;</title>" in page(parts("audit"), "</title><b>", {})
