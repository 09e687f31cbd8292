"""What reading and writing manifests guarantees: every document found, every error placed, nothing hostile obeyed."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhook.manifests import Broken, Document, NoSuchPath, Skipped, Unbuilt, dump, parse, read, yaml_events
from webhook.manifests.emit import emit_any
from webhook.manifests.files import MOST_MIB
from webhook.manifests.parse import documents


def from_stdin(data: str | bytes) -> list[Any]:
    return list(read(["-"], io.BytesIO(data.encode() if isinstance(data, str) else data)))


def values(data: str | bytes) -> list[dict[str, Any]]:
    """Every document's value, where nothing is broken."""
    found = from_stdin(data)
    assert [one for one in found if isinstance(one, Broken)] == []
    return [one.raw for one in found if isinstance(one, Document)]


def the_error(data: str | bytes) -> tuple[int, str]:
    (broken,) = from_stdin(data)
    assert isinstance(broken, Broken)
    return broken.line, broken.reason


def from_paths(*paths: Path | str) -> list[Any]:
    return list(read([str(path) for path in paths], io.BytesIO()))


# Files and folders


def test_a_folder_is_read_recursively_sorted_and_without_dot_files(tmp_path: Path) -> None:
    for name in ("b.yml", "a/z.yaml", "a/y.json", ".hidden.yaml", ".git/x.yaml", "notes.txt", "c.yaml"):
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(f'{{"from": "{name}"}}')
    found = from_paths(tmp_path)
    assert [one.raw["from"] for one in found if isinstance(one, Document)] == [
        "a/y.json",
        "a/z.yaml",
        "b.yml",
        "c.yaml",
    ]
    assert found[0].file == str(tmp_path / "a/y.json")


def test_links_that_loop_end_and_linked_files_count_once(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real/a.yaml").write_text("a: 1")
    (tmp_path / "real/back").symlink_to(tmp_path)
    (tmp_path / "again").symlink_to(tmp_path / "real")
    (tmp_path / "b.yaml").symlink_to(tmp_path / "real/a.yaml")
    assert [one.raw for one in from_paths(tmp_path) if isinstance(one, Document)] == [{"a": 1}]


def test_a_mounted_config_map_is_read_through_its_links(tmp_path: Path) -> None:
    (tmp_path / "..2026_11_20").mkdir()
    (tmp_path / "..2026_11_20/a.yaml").write_text("a: 1")
    (tmp_path / "..data").symlink_to("..2026_11_20")
    (tmp_path / "a.yaml").symlink_to("..data/a.yaml")
    assert [one.raw for one in from_paths(tmp_path) if isinstance(one, Document)] == [{"a": 1}]


def test_a_file_of_any_name_is_read_when_it_is_named(tmp_path: Path) -> None:
    (tmp_path / "rendered").write_text("a: 1")
    assert from_paths(tmp_path / "rendered") == [Document({"a": 1}, str(tmp_path / "rendered"), 1)]


def test_a_pipe_is_read_when_named_and_passed_over_in_a_folder(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "a.yaml").write_text("a: 1")
    assert [one.file for one in from_paths(tmp_path)] == [str(tmp_path / "a.yaml")]
    reading, writing = os.pipe()
    os.write(writing, b"b: 2")
    os.close(writing)
    assert from_paths(f"/dev/fd/{reading}") == [Document({"b": 2}, f"/dev/fd/{reading}", 1)]
    os.close(reading)


def test_a_path_named_twice_is_read_once(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("a: 1")
    assert len(from_paths(tmp_path, tmp_path / "a.yaml", f"{tmp_path}/./a.yaml")) == 1


def test_a_missing_path_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(NoSuchPath, match=r"^cannot read `.*/gone`: no such file or directory$"):
        read(["-", str(tmp_path / "gone")], io.BytesIO())


@pytest.mark.parametrize("path", ["a\0b", "x" * 300, "\ud800"])
def test_a_path_that_cannot_be_is_refused_too(path: str) -> None:
    with pytest.raises(NoSuchPath):
        read([path], io.BytesIO())


def test_a_folder_without_manifests_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("a: 1")
    with pytest.raises(NoSuchPath, match=r"no file in `.*` ends in \.yaml, \.yml or \.json$"):
        read([str(tmp_path)], io.BytesIO())


def test_a_dangling_link_in_a_folder_is_reported_and_the_rest_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").symlink_to(tmp_path / "gone")
    (tmp_path / "b.yaml").write_text("b: 1")
    broken, document = from_paths(tmp_path)
    assert str(broken) == f"{tmp_path}/a.yaml:1: no such file or directory"
    assert isinstance(document, Document)


def test_a_file_beyond_the_size_limit_is_refused_unread(tmp_path: Path) -> None:
    with (tmp_path / "a.yaml").open("wb") as file:
        file.truncate((MOST_MIB << 20) + 1)
    (broken,) = from_paths(tmp_path / "a.yaml")
    assert isinstance(broken, Broken)
    assert broken.reason == "larger than 64 MiB"


# Documents and their lines


def test_a_document_s_line_is_that_of_its_first_content() -> None:
    text = "# licence\n\na: 1\n---\n\n# comment\nb: 2\n--- # three\nc: 3\n---\n--- {d: 4}\n...\n# end\n"
    assert [(one.line, one.raw) for one in from_stdin(text) if isinstance(one, Document)] == [
        (3, {"a": 1}),
        (7, {"b": 2}),
        (9, {"c": 3}),
        (11, {"d": 4}),
    ]


def test_a_document_that_kubectl_would_drop_is_an_error() -> None:
    """After `...` comes `---` or nothing: kubectl never looks at what follows otherwise."""
    first, broken = from_stdin("a: 1\n...\nb: 2\n")
    assert first == Document({"a": 1}, "-", 1)
    assert str(broken) == "-:3: did not find expected <document start> in column 1"


def test_windows_line_ends_count_as_one() -> None:
    assert [one.line for one in from_stdin("a: 1\r\n---\r\nb: 2\r\n")] == [1, 3]


@pytest.mark.parametrize("text", ["", "\n", "# only a comment\n", "---\n", "---\n---\n...\n", "null\n", "~", "\ufeff"])
def test_empty_documents_are_skipped(text: str) -> None:
    assert from_stdin(text) == []


def test_a_marker_inside_a_block_is_text_when_indented() -> None:
    assert values("a: |\n  x\n  ---\n  y\n---\nb: 1\n") == [{"a": "x\n---\ny\n"}, {"b": 1}]


def test_directives_belong_to_the_document_below_them() -> None:
    assert values("# c\n%YAML 1.1\n---\na: 1\n---\nb: 2\n") == [{"a": 1}, {"b": 2}]


@pytest.mark.parametrize(
    "broken",
    [
        'x: "unclosed',
        "x: [1, 2",
        "x: 1\n y: 2",
        "a:\n\tb: 1",
        "x: \0",
        "x: &a [*a]",
        "x: *b",
        "a: 1\na: 2",
    ],
)
def test_a_broken_document_costs_only_itself(broken: str) -> None:
    before, error, after = from_stdin(f"before: 1\n---\n{broken}\n---\nafter: 1\n")
    assert before == Document({"before": 1}, "-", 1)
    assert isinstance(error, Broken)
    assert 3 <= error.line <= 2 + len(broken.splitlines())
    assert after == Document({"after": 1}, "-", 3 + len(broken.splitlines()) + 1)


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        (
            "a: 1\nb:\n\tc: 2\n",
            3,
            "a tab where YAML wants spaces in column 1",
        ),
        ('a: "b\nc: 1\n', 1, "found unexpected end of stream in column 4, while scanning a quoted scalar"),
        (
            "a:\n  b: 1\n c: 2\n",
            3,
            "did not find expected key in column 2, while parsing a block mapping that starts on line 1",
        ),
        ("a: 1\nb: 2\na: 3\n", 3, "duplicate key `a`, first on line 1"),
        ("a: *gone\n", 1, "alias `*gone` has no anchor"),
        ("a: &x\n- 1\n- *x\n", 3, "alias `*x` is inside what it stands for"),
        ("a: 1\nb: \0\n", 2, "U+0000 is not allowed in YAML"),
        ("apiVersion: v1\nkind: Pod\na: !mine 1\n", 3, "tag `!mine` is not supported"),
        ("apiVersion: v1\nkind: Pod\na: !mine {b: 1}\n", 3, "tag `!mine` is not supported"),
        ("a: !!int x\n", 1, "`x` is not what its tag `!!int` says"),
        ("a: !!binary '%'\n", 1, "`!!binary` is not text in base64"),
        ("a: -.inf\n", 1, "`-.inf` is not a number that JSON can carry"),
        ("? [a]\n: 1\n", 1, "a key is an object or a list: expected text"),
        ("~: 1\n", 1, "a key is empty: expected text"),
        ("a: 1\n<<: 2\n", 2, "`<<` merges objects: expected an alias of one"),
    ],
)
def test_the_reason_is_said_in_a_reader_s_words(text: str, line: int, reason: str) -> None:
    assert the_error(text) == (line, reason)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("- {op: replace, path: /spec/replicas, value: 3}\n", "expected an object, got a list"),
        ("true\n", "expected an object, got a boolean"),
        ("a word\n", "expected an object, got text"),
        ("[]\n", "expected an object, got a list"),
        ("key: !vault |\n  $ANSIBLE_VAULT;1.1\n", "tag `!vault` is not supported"),
        ("automation: !include automations.yaml\n", "tag `!include` is not supported"),
        ("slug: !!python/object/apply:os.system [id]\n", "tag `!!python/object/apply:os.system` is not supported"),
        ("!Sub {a: b}\n", "tag `!Sub` is not supported"),
    ],
)
def test_a_document_that_is_no_object_is_skipped_and_those_around_it_count(text: str, reason: str) -> None:
    first, skipped, last = from_stdin(f"a: 1\n---\n{text}---\nb: 2\n")
    assert isinstance(first, Document)
    assert skipped == Skipped("-", 3, reason)
    assert isinstance(last, Document)


@pytest.mark.parametrize("name", ["kustomization.yaml", "kustomization.yml", "Kustomization"])
def test_a_folder_that_kustomize_builds_is_not_read_as_it_is(tmp_path: Path, name: str) -> None:
    for file in ("plain/a.yaml", f"overlay/{name}", "overlay/b.yaml", "overlay/patches/c.yaml"):
        (tmp_path / file).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / file).write_text("a: 1\n")
    unbuilt, document = from_paths(tmp_path)
    assert unbuilt == Unbuilt(str(tmp_path / "overlay"), "kustomize")
    assert isinstance(document, Document)
    assert document.file == str(tmp_path / "plain/a.yaml")


def test_a_chart_is_not_read_as_it_is(tmp_path: Path) -> None:
    for file in ("charts/web/Chart.yaml", "charts/web/values.yaml", "charts/web/templates/d.yaml", "a.yaml"):
        (tmp_path / file).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / file).write_text("a: 1\n")
    document, unbuilt = from_paths(tmp_path)
    assert isinstance(document, Document)
    assert unbuilt == Unbuilt(str(tmp_path / "charts/web"), "helm")


def test_a_folder_with_nothing_but_a_chart_says_how_it_is_read(tmp_path: Path) -> None:
    (tmp_path / "Chart.yaml").write_text("name: a\n")
    with pytest.raises(NoSuchPath, match=r"is a Helm chart: expected `--helm .*`, or what `helm template` prints"):
        from_paths(tmp_path)


@pytest.mark.parametrize(
    ("glob", "left"),
    [
        ("b.yaml", ["a.yaml", "vendor/c.yaml"]),
        ("vendor", ["a.yaml", "b.yaml"]),
        ("vendor/*", ["a.yaml", "b.yaml"]),
        ("*.yaml", None),
        ("c.*", ["a.yaml", "b.yaml"]),
    ],
)
def test_what_a_glob_names_is_left_out(tmp_path: Path, glob: str, left: list[str] | None) -> None:
    for file in ("a.yaml", "b.yaml", "vendor/c.yaml"):
        (tmp_path / file).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / file).write_text("a: 1\n")
    if left is None:
        with pytest.raises(NoSuchPath, match="that `--exclude` leaves"):
            list(read([str(tmp_path)], io.BytesIO(), [glob]))
        return
    found = list(read([str(tmp_path)], io.BytesIO(), [glob]))
    assert [one.file for one in found if isinstance(one, Document)] == [str(tmp_path / name) for name in left]


@pytest.mark.parametrize(
    "text",
    [
        "{{- if .Values.on }}\na: 1\n{{- end }}\n",
        "a: {{ .Values.a }}\n",
        "a:\n  - {{ .Values.a }}-b\n",
        'a: 1\n{{ include "x" . | indent 2 }}\n',
    ],
)
def test_a_helm_template_is_told_how_it_becomes_a_manifest(text: str) -> None:
    assert the_error(text)[1].endswith("(looks like a Helm template: run `helm template` and check what it prints)")


def test_braces_inside_text_are_no_template() -> None:
    assert values("a: '{{ $labels.pod }}'\nb: x {{ y }}\nc: |\n  {{ z }}\n")[0]["b"] == "x {{ y }}"
    assert "Helm" not in the_error("a: '{{ x }}'\nb: [\n")[1]


# Scalars, as kubectl reads them


@pytest.mark.parametrize(
    ("written", "value"),
    [
        *((word, True) for word in ("y", "Y", "yes", "on", "True", "ON")),
        *((word, False) for word in ("n", "no", "off", "FALSE")),
        *((word, None) for word in ("", "~", "null", "Null")),
        ("0755", 493),
        ("0o17", 15),
        ("0x1F", 31),
        ("-0b11", -3),
        ("1_000", 1000),
        ("08", 8),
        ("5.0", 5),
        ("1e3", 1000),
        (".5", 0.5),
        ("1e30", 1e30),
        ("9" * 30, int("9" * 30)),
        ("1:30", "1:30"),
        ("190:20:30", "190:20:30"),
        ("2024-01-01", "2024-01-01"),
        ("2024-01-01T00:00:00Z", "2024-01-01T00:00:00Z"),
        ("1e999", "1e999"),
        ("1.2.3", "1.2.3"),
        ("0x", "0x"),
        ("=", "="),
        ("yEs", "yEs"),
        ("'yes'", "yes"),
        ('"8080"', "8080"),
        ("!!str 8080", "8080"),
        ("! 8080", "8080"),
        ("!!int '7'", 7),
        ("!!float 7", 7),
        ("!!binary YWI=", "ab"),
    ],
)
def test_a_scalar_is_what_kubectl_takes_it_for(written: str, value: object) -> None:
    (document,) = values(f"a: {written}\n")
    assert document == {"a": value}
    assert type(document["a"]) is type(value)


def test_a_number_of_any_length_costs_nothing() -> None:
    assert values(f"a: {'9' * 100_000}\n") == [{"a": "9" * 100_000}]


def test_keys_are_text_as_kubectl_makes_them() -> None:
    assert values("on: 1\n80: 2\n'no': 3\n") == [{"true": 1, "80": 2, "no": 3}]


def test_merge_keys_fill_in_what_is_absent() -> None:
    text = (
        "base: &b {x: 1, w: 2}\nother: &o {w: 3, z: 4}\none: {w: 9, <<: *b}\ntwo: {<<: [*b, *o]}\nquoted: {'<<': 1}\n"
    )
    (document,) = values(text)
    assert document["one"] == {"x": 1, "w": 9}
    assert document["two"] == {"x": 1, "w": 2, "z": 4}
    assert document["quoted"] == {"<<": 1}


# Hostile input


def bomb(wide: int, levels: int) -> str:
    lines = [f"a0: &a0 [{', '.join(['x'] * wide)}]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * wide)}]" for n in range(1, levels)]
    return "\n".join(lines) + "\n"


def test_an_alias_bomb_is_refused_by_its_expanded_size() -> None:
    assert the_error(bomb(9, 12)) == (7, "aliases expand to too much")
    assert the_error(f"a: &a {'x' * 9000}\nb: [{', '.join(['*a'] * 1000)}]\n") == (2, "aliases expand to too much")


def test_a_bomb_by_merge_keys_is_refused_too() -> None:
    lines = ["a0: &a0 {k: 1}"]
    lines += [f"a{n}: &a{n} {{p: *a{n - 1}, q: *a{n - 1}, <<: *a{n - 1}}}" for n in range(1, 40)]
    assert the_error("\n".join(lines))[1] == "aliases expand to too much"


def test_ordinary_aliases_are_expanded() -> None:
    assert values("a: &a {x: [1]}\nb: *a\nc: &c text\n*c : 1\n") == [
        {"a": {"x": [1]}, "b": {"x": [1]}, "c": "text", "text": 1}
    ]


def test_an_anchor_is_forgotten_with_its_document() -> None:
    document, broken = from_stdin("a: &a 1\n---\nb: *a\n")
    assert isinstance(document, Document)
    assert str(broken) == "-:3: alias `*a` has no anchor"


@pytest.mark.parametrize(
    "text",
    [
        "a: " + "[" * 100_000,
        "- " * 100_000,
        '{"a":' * 100_000 + "1" + "}" * 100_000,
        '{"a": ' + "[" * 300 + "]" * 300 + "}",
    ],
)
def test_nesting_has_a_limit(text: str) -> None:
    assert the_error(text)[1] == "nested more than 200 levels deep"


def test_aliases_cannot_nest_beyond_the_limit() -> None:
    lines = ["a0: &a0 " + "[" * 90 + "]" * 90]
    lines += [f"a{n}: &a{n} {'[' * 90}*a{n - 1}{']' * 90}" for n in range(1, 4)]
    assert the_error("\n".join(lines))[1] == "nested more than 200 levels deep"


# Encodings


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16"])
def test_utf8_and_marked_utf16_are_read(codec: str) -> None:
    assert values("a: grüße\n---\nb: 1\n".encode(codec)) == [{"a": "grüße"}, {"b": 1}]
    assert values("\ufeff---\na: 1\n".encode("utf-16-be")) == [{"a": 1}]


def test_a_mark_between_joined_files_is_no_text() -> None:
    assert values("a: 1\n\ufeff---\nb: 1\n---\n\ufeffc: 1\n") == [{"a": 1}, {"b": 1}, {"c": 1}]


@pytest.mark.parametrize(
    ("data", "line", "reason"),
    [
        ("a: 1".encode("utf-16-le"), 1, "looks like UTF-16 without a byte-order mark: expected UTF-8"),
        ("a: 1".encode("utf-32"), 1, "encoded as UTF-32: expected UTF-8"),
        ("a\n".encode("utf-16") + b"\x00\xd8", 2, "not valid UTF-16, although it starts like it"),
        ('{"a":\n"é"}'.encode("latin-1"), 2, "byte 0xe9 in column 2 is not UTF-8"),
    ],
)
def test_other_encodings_are_named(data: bytes, line: int, reason: str) -> None:
    assert the_error(data) == (line, reason)


def test_latin1_costs_only_its_own_document() -> None:
    first, broken, last = from_stdin("a: 1\n---\nb: 1\nname: café\n---\nc: 1\n".encode("latin-1"))
    assert str(broken) == "-:4: byte 0xe9 in column 10 is not UTF-8"
    assert (first.line, last.line) == (1, 6)


# JSON


def test_json_documents_may_follow_each_other() -> None:
    found = from_stdin('{"a": 1}\n\n{"b": 2}{"c": 3}\n')
    assert [(one.line, one.raw) for one in found if isinstance(one, Document)] == [
        (1, {"a": 1}),
        (3, {"b": 2}),
        (3, {"c": 3}),
    ]


def test_json_like_yaml_is_yaml() -> None:
    assert values('{a: b}\n---\n{"c": "d"}\n') == [{"a": "b"}, {"c": "d"}]
    assert values('{"c": "d"}\n---\na: b\n') == [{"c": "d"}, {"a": "b"}]


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ('{"a": 1, "b": {"c": 1, "c": 2}}', 1, "duplicate key `c` in one object"),
        ('{"a": NaN}', 1, "`NaN` is not JSON"),
        ('{"a": 1e999}', 1, "number out of range: `1e999`"),
        ('{"a": ' + "9" * 5000 + "}", 1, "a number is too long"),
        ('{"a":\n 1,}', 2, "not JSON: illegal trailing comma before end of object, in column 3"),
        ('{"a": "', 1, "not JSON: unterminated string starting at, in column 7"),
    ],
)
def test_a_json_file_is_read_as_json(tmp_path: Path, text: str, line: int, reason: str) -> None:
    (tmp_path / "a.json").write_text(text)
    (broken,) = from_paths(tmp_path / "a.json")
    assert isinstance(broken, Broken)
    if "trailing comma" not in reason:  # CPython words this one anew from release to release
        assert broken.reason == reason
    assert broken.line == line


def test_trailing_garbage_costs_no_document_before_it() -> None:
    document, broken = from_stdin('{"a": 1}\n garbage')
    assert document == Document({"a": 1}, "-", 1)
    assert str(broken) == "-:2: not JSON: expecting value, in column 2"


def test_half_a_surrogate_pair_becomes_a_replacement_as_in_go() -> None:
    assert values('{"a": "\\ud800", "b": ["x\\udc00"], "c": "\\ud83d\\ude00"}') == [
        {"a": "\ufffd", "b": ["x\ufffd"], "c": "\N{GRINNING FACE}"}
    ]


# Writing


def test_objects_are_written_as_kubectl_prints_them() -> None:
    policy = {
        "kind": "NetworkPolicy",
        "spec": {
            "podSelector": {},
            "ingress": [{"from": [{"podSelector": {"matchLabels": {"app": "a"}}}], "ports": []}],
        },
    }
    assert dump([policy, {"b": None}]) == (
        "kind: NetworkPolicy\nspec:\n  podSelector: {}\n  ingress:\n  - from:\n    - podSelector:\n"
        "        matchLabels:\n          app: a\n    ports: []\n---\nb: null\n"
    )


def test_text_that_reads_as_something_else_is_quoted() -> None:
    risky = ["y", "no", "on", "0755", "8080", "1e3", "0o17", "1:30", "2024-01-01", "", "~", ".inf", "<<", "="]
    assert dump([{"a": risky}]) == "a:\n" + "".join(f'- "{one}"\n' for one in risky)


def test_what_is_shared_is_written_out() -> None:
    shared = {"app": "a"}
    assert dump([{"a": shared, "b": shared}]) == "a:\n  app: a\nb:\n  app: a\n"


def test_hidden_characters_are_written_as_escapes() -> None:
    assert dump([{"a": "x\u202ey"}]) == 'a: "x\\u202Ey"\n'


def test_long_text_stays_on_its_line() -> None:
    assert dump([{"a": "word " * 100 + "end"}]).count("\n") == 1


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | st.from_regex(r"[-+.0-9eoxbynNOT_:~<=]{1,6}")
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts
trees = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=8
)


@given(st.lists(st.dictionaries(texts, trees, max_size=3), min_size=1, max_size=3))
def test_what_is_written_reads_back_the_same(objects: list[dict[str, Any]]) -> None:
    assert values(dump(objects)) == objects


words = st.from_regex(r"[a-z0-9A-Z._/:-]{1,8}", fullmatch=True) | st.sampled_from(("a" * 99, "a" * 130, "yes", "1e3"))
plain = st.recursive(
    words | st.integers() | texts | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=6,
)


@given(st.lists(st.dictionaries(words, plain, max_size=3), min_size=1, max_size=3))
def test_what_is_written_without_the_emitter_is_what_that_writes(objects: list[dict[str, Any]]) -> None:
    assert dump(objects) == emit_any(objects)


@given(st.dictionaries(texts, trees, max_size=3))
def test_json_reads_back_the_same(value: dict[str, Any]) -> None:
    assert values(json.dumps(value)) == [value]


@given(st.binary(max_size=200) | st.text("ab:-[]{}&*!|>'\"#%\n\t ,?~0.", max_size=60).map(str.encode))
def test_any_bytes_end_as_documents_or_errors(data: bytes) -> None:
    lines = data.count(b"\n") + data.count(b"\r") + data.count(b"\x85") + data.count(b"\xa8") + data.count(b"\xa9") + 1
    for one in from_stdin(data):
        assert 1 <= one.line <= lines
        assert isinstance(one, Document) or one.reason.isprintable()


LINES = st.sampled_from(
    ["a: 1", "b:", "  c: x", "  - &x y", "  - *x", "- z", "- k: v", "  <<: {d: 1}", "'<<': 1", "a: yes", "1: 2", "? q",
     "...", "[1, 2]: 3", "e: !!str 1", "f: !x 1", "g: .inf", "h: |", "  text", "i: 'j", "{k: l}", "m: [n, {o: p}]",
     "---", "# c", "%YAML 1.1", "", "\t", "q: 0x1F", "r: {s: {t: u}}"]
)  # fmt: skip


@given(st.lists(LINES, max_size=8).map("\n".join) | st.text("ab:-[]{}&*!|>'\"#%\n\t ,?~0.<", max_size=40))
def test_reading_what_is_plain_at_once_changes_nothing(text: str) -> None:
    found = repr([*documents("x.yaml", text.encode())])  # tells 1, 1.0 and True apart, and the order of keys
    never = mock.Mock(return_value=None)
    with mock.patch.object(yaml_events, "plain_documents", never), mock.patch.object(parse, "plain_documents", never):
        assert repr([*documents("x.yaml", text.encode())]) == found


def test_importing_the_package_does_not_import_yaml() -> None:
    program = "import sys, webhook.manifests; sys.exit('yaml' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
