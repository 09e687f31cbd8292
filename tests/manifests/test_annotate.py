"""`annotate`: inferred dependencies into manifests; nothing else of a file changes."""

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tests import apps
from webhook.cli.main import main
from webhook.manifests import Document, read
from webhook.manifests.annotate import Edited, annotate, write
from webhook.manifests.edit import Edit
from webhook.manifests.files import Content
from webhook.model.settings import CONNECTS_TO

LAYOUTS: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "annotate" / "layouts.yaml").read_text())
ITEMS = ("db:5432", "redis.cache:6379")
SECRET = "hunter2-of-the-manifest"
Run = Callable[..., tuple[int, str, str]]


def always(document: Document) -> Iterator[Edit]:
    """Want two dependencies of whatever has metadata, until they are there."""
    notes = document.raw["metadata"].get("annotations") or {}
    if "redis.cache:6379" not in (notes.get(CONNECTS_TO) or ""):
        yield Edit((), CONNECTS_TO, ITEMS)


def edited(text: str, name: str = "x.yaml") -> Edited:
    return annotate(Content(name, text.encode()), always)


def name_of(layout: dict[str, Any]) -> str:
    return str(layout["name"])


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*words: str | Path) -> tuple[int, str, str]:
        code = main([str(word) for word in words])
        done = capsys.readouterr()
        return code, done.out, done.err

    return run


@pytest.mark.parametrize("layout", [x for x in LAYOUTS if "after" in x], ids=name_of)
def test_a_layout_is_kept(layout: dict[str, Any]) -> None:
    name = "x.json" if layout.get("json") else "x.yaml"
    once = edited(layout["before"], name)
    assert once.refused == ()
    assert once.after.decode() == layout["after"]
    assert not edited(once.after.decode(), name).changed


@pytest.mark.parametrize("layout", [x for x in LAYOUTS if "refused" in x], ids=name_of)
def test_what_cannot_be_edited_safely_is_left_and_said(layout: dict[str, Any]) -> None:
    once = edited(layout["before"])
    assert not once.changed
    assert once.diff == ""
    (refusal,) = once.refused
    assert layout["refused"] in refusal.reason


def test_long_lists_are_written_one_a_line() -> None:
    items = tuple(f"a-service-with-a-long-name-{n}.shop:8080" for n in range(4))
    once = annotate(Content("x", b"metadata:\n  name: web\n"), lambda _: [Edit((), CONNECTS_TO, items)])
    lines = once.after.decode().splitlines()
    assert lines[3] == f"    {CONNECTS_TO}: |-"
    assert lines[4:] == [f"      {item}" for item in items]


def test_other_encodings_are_left_and_said() -> None:
    once = annotate(Content("x", "\ufeffmetadata:\n  name: web\n".encode("utf-16-le")), always)
    assert not once.changed
    assert [r.reason for r in once.refused] == ["left as it is: expected UTF-8"]


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
def test_no_text_is_broken(text: str) -> None:
    def wanted(document: Document) -> Iterator[Edit]:
        if isinstance(document.raw.get("metadata"), dict):
            yield from always(document)

    data = text.encode()
    assert annotate(Content("x.yaml", data), wanted).after == data
    framed = f"metadata:\n  name: web\n  note: |\n    {text!r}\nspec: {{}}\n".encode()
    again = annotate(Content("x.yaml", framed), wanted)
    assert again.refused or yaml.safe_load(again.after)["metadata"]["annotations"][CONNECTS_TO] == ", ".join(ITEMS)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
notes = st.none() | st.dictionaries(st.sampled_from(["a", "b: c", CONNECTS_TO]), st.just("api:80"), max_size=3)


@given(
    st.fixed_dictionaries(
        {
            "kind": st.just("Deployment"),
            "metadata": st.fixed_dictionaries(
                {"name": st.sampled_from(["web", "1"])}, optional={"annotations": notes, "labels": values}
            ),
            "spec": values,
        }
    ),
    st.sampled_from([None, True, False]),
    st.sampled_from([None, "'", '"', "|", ">"]),
    st.integers(1, 9),
    st.booleans(),
)
def test_any_dump_changes_only_in_its_annotation(
    raw: dict[str, Any], flow: bool | None, style: str | None, indent: int, as_json: bool
) -> None:
    if as_json:
        text = json.dumps(raw, indent=indent if flow else None)
    else:
        text = yaml.safe_dump(raw, default_flow_style=flow, default_style=style, indent=indent, sort_keys=False)
    before = list(read_text(text, as_json=as_json))
    if not before:
        return  # a dump that Kubernetes would not take either
    once = edited(text, "x.json" if as_json else "x.yaml")
    if once.refused:
        assert not once.changed
        assert style in ("|", ">", "'", '"') or "{{" in text
        return
    (after,) = read_text(once.after.decode(), as_json=as_json)
    had = (before[0]["metadata"].get("annotations") or {}).get(CONNECTS_TO, "")
    assert after["metadata"]["annotations"].pop(CONNECTS_TO).replace("\n", ", ").strip(", ").split(", ") == [
        *([had.strip()] if had else []),
        *ITEMS,
    ]
    if not before[0]["metadata"].get("annotations"):
        after["metadata"].pop("annotations")
        before[0]["metadata"].pop("annotations", None)
    else:
        before[0]["metadata"]["annotations"].pop(CONNECTS_TO, None)
    assert after == before[0]


def read_text(text: str, *, as_json: bool) -> Iterator[dict[str, Any]]:
    found = read(["-"], io.BytesIO(text.encode("utf-8", "surrogatepass")))
    yield from (one.raw for one in found if isinstance(one, Document) and (as_json or "metadata" in one.raw))


@pytest.mark.parametrize("name", apps.NAMES)
def test_an_application_is_annotated_once_and_loses_nothing(name: str, tmp_path: Path, run: Run) -> None:
    shipped = (apps.FOLDER / name / "app.yaml").read_text().replace(CONNECTS_TO, "example.com/seen-by-a-person")
    file = tmp_path / "app.yaml"
    file.write_text(shipped)
    file.chmod(0o640)
    code, diff, said = run("annotate", "-f", tmp_path)
    assert code == 0
    assert "`--write` writes them" in said
    assert file.read_text() == shipped
    added = [line[1:] for line in diff.splitlines() if line.startswith("+") and not line.startswith("+++")]
    assert not [line for line in diff.splitlines() if line.startswith("-") and not line.startswith("---")]
    assert run("annotate", "-f", tmp_path, "--write")[0] == 0
    written = file.read_text().splitlines()
    assert file.stat().st_mode & 0o777 == 0o640
    rest = iter(written)
    assert all(line in rest for line in shipped.splitlines()), "a line of the file is gone, or stands elsewhere"
    assert len(written) == len(shipped.splitlines()) + len(added)
    assert run("annotate", "-f", tmp_path, "--write") == (0, "", "nothing to annotate\n")
    declared = apps.world_of([d.raw for d in read([str(file)], io.BytesIO()) if isinstance(d, Document)])
    edges = {(e.source, e.to) for e in apps.load(name).edges if e.inferable and not e.unseen}
    assert {(w.ref.short, t) for w in apps.workloads(declared) for t in apps.declared(declared, w)} == edges


def deployment(name: str, **metadata: object) -> dict[str, Any]:
    container = {
        "name": "c",
        "env": [{"name": "DB_URL", "value": f"postgres://u:{SECRET}@db/x"}, {"name": "DB_PASSWORD", "value": SECRET}],
    }
    template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, **metadata},
        "spec": {"selector": {"matchLabels": {"app": name}}, "template": template},
    }


DB = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "db"},
    "spec": {"selector": {"app": "db"}, "ports": [{"port": 5432}]},
}


def test_each_workload_of_a_list_is_annotated(tmp_path: Path, run: Run) -> None:
    file = tmp_path / "list.json"
    every = {"apiVersion": "v1", "kind": "List", "items": [deployment("a"), DB, deployment("b", namespace="other")]}
    file.write_text(json.dumps(every, indent=2))
    assert run("annotate", "-f", file, "--write")[0] == 0
    first, _, second = json.loads(file.read_text())["items"]
    assert first["metadata"]["annotations"] == {CONNECTS_TO: "db:5432"}
    assert second == every["items"][2], "there is no db in that namespace"


@pytest.mark.parametrize("indent", [None, 2])
def test_a_diff_shows_nothing_but_metadata(tmp_path: Path, run: Run, indent: int | None) -> None:
    last = json.dumps(deployment("a"))
    raw = deployment("a", annotations={"kubectl.kubernetes.io/last-applied-configuration": last})
    (tmp_path / "a.json").write_text(json.dumps(raw, indent=indent))
    (tmp_path / "b.yaml").write_text(yaml.safe_dump(deployment("b"), default_flow_style=indent is None))
    (tmp_path / "db.json").write_text(json.dumps(DB))
    code, diff, said = run("annotate", "-f", tmp_path)
    assert code == 0
    assert diff.count("+++") == 2
    assert SECRET not in diff + said


@pytest.mark.parametrize("key", [CONNECTS_TO, "note"])
def test_a_diff_shows_no_user_info_of_other_annotations(tmp_path: Path, run: Run, key: str) -> None:
    raw = deployment("a", annotations={key: f"https://u:{SECRET}@example.com"})
    (tmp_path / "a.yaml").write_text(yaml.safe_dump(raw, sort_keys=False))
    (tmp_path / "db.json").write_text(json.dumps(DB))
    code, diff, said = run("annotate", "-f", tmp_path)
    assert (code, diff.count("+++")) == (0, 1)
    assert SECRET not in diff + said


def test_what_is_there_already_is_looked_up_but_not_written(tmp_path: Path, run: Run) -> None:
    (tmp_path / "web.json").write_text(json.dumps(deployment("a")))
    (tmp_path / "there.json").write_text(json.dumps(DB))
    assert run("annotate", "-f", tmp_path / "web.json") == (0, "", "nothing to annotate\n")
    code, _, said = run("annotate", "-f", tmp_path / "web.json", "--against", tmp_path / "there.json", "--write")
    assert (code, said) == (0, "wrote 1 dependency into 1 file\n")
    assert json.loads((tmp_path / "there.json").read_text()) == DB


def test_broken_documents_and_templates_are_left_and_said(tmp_path: Path, run: Run) -> None:
    file = tmp_path / "x.yaml"
    template = "---\nmetadata:\n  name: {{ .Release.Name }}\n"
    good = "---\n" + yaml.safe_dump(deployment("a")) + "---\n" + yaml.safe_dump(DB)
    quoted = "---\n" + yaml.safe_dump(deployment("{{ .Release.Name }}"))
    file.write_text(template + good + quoted)
    code, _, said = run("annotate", "-f", file, "--write")
    assert code == 2
    assert said.count("looks like a Helm template") == 2
    assert file.read_text().startswith(template)
    assert file.read_text().endswith(quoted)
    assert f"{CONNECTS_TO}: db:5432\n" in file.read_text()


def test_a_file_that_changes_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    file.write_bytes(b"metadata:\n  name: web\n")
    once = annotate(Content(str(file), file.read_bytes()), always)
    file.write_bytes(b"mine\n")
    with pytest.raises(OSError, match="it has changed"):
        write(once)
    assert file.read_bytes() == b"mine\n"
    assert [p.name for p in tmp_path.iterdir()] == ["x.yaml"]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    real, link = tmp_path / "real.yaml", tmp_path / "link.yaml"
    real.write_bytes(b"metadata:\n  name: web\n")
    link.symlink_to(real)
    write(annotate(Content(str(link), link.read_bytes()), always))
    assert link.is_symlink()
    assert CONNECTS_TO in real.read_text()


def test_standard_input_cannot_be_written_back(run: Run) -> None:
    code, _, said = run("annotate", "-f", "-")
    assert code == 2
    assert "standard input cannot be annotated" in said
