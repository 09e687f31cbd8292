"""An enforcer is one record: a file that holds it is all that adds one; and no policy family is loaded unasked."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import webhook
from webhook.enforcers import AGENTS, ENFORCERS

INVENTED: Final = '''\
"""An enforcer that nobody has, and that answers with a refusal."""

from typing import Final

from webhook.enforcers.record import Enforcer, reads, runs
from webhook.model.dialect import Dialect
from webhook.model.truth import Truth

RECORDS: Final = (
    Enforcer(
        "invented",
        agents={"invented-agent": runs("invented")},
        dialect=reads(Dialect("invented", rejects=Truth.YES)),
    ),
)
'''
ASKED: Final = """\
import importlib.util, sys
spec = importlib.util.find_spec("webhook.enforcers")
spec.submodule_search_locations.append(sys.argv[1])
room = importlib.util.module_from_spec(spec)
sys.modules["webhook.enforcers"] = room
spec.loader.exec_module(room)
from webhook.config.settings_from_file import CNIS, settings
from webhook.families import dialect_of
from webhook.model.crd_policies import CompileContext
from webhook.model.truth import Truth
assert "invented" in CNIS
assert dialect_of(CompileContext(settings(cni="invented").enforcer)).rejects is Truth.YES
assert "invented-agent" in room.AGENTS
assert room.REJECTING["invented"] == "invented"
"""


def python(program: str, *arguments: object) -> None:
    subprocess.run([sys.executable, "-c", program, *map(str, arguments)], check=True, cwd=Path(__file__).parents[2])


def test_a_file_with_a_record_adds_an_enforcer(tmp_path: Path) -> None:
    (tmp_path / "invented.py").write_text(INVENTED)
    python(ASKED, tmp_path)


def test_the_evaluator_loads_no_vendors_policies() -> None:
    python(
        "import sys, webhook.evaluate\n"
        "families = ('calico', 'cilium', 'admin', 'opaque')\n"
        "assert not [m for m in sys.modules if m.startswith(tuple(f'webhook.families.{f}' for f in families))]"
    )


ROOT: Final = Path(webhook.__file__).parent
BELOW: Final = {"families", "enforcers", "wire", "model"}
SAID: Final = {
    "cli/main.py",  # examples of what a person may write
    "cli/flags.py",
    "config/file.py",  # which names a person may write, and what a flow log may be
    "wiring/renamed.py",  # what a snapshot without names keeps: words that are everybody's
}
PRODUCTS: Final = re.compile(rf"(?<![a-z])({'|'.join({*ENFORCERS, 'azure', 'ovn'} - {'generic', 'none'})})")


def words(tree: ast.AST) -> Iterator[str]:
    """Yield what a module imports, names and says, without its docstrings."""
    docstrings = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        match node:
            case ast.Constant(value=str(text)) if node not in docstrings:
                yield text
            case ast.ImportFrom(module=str(name)) | ast.Name(id=name) | ast.FunctionDef(name=name):
                yield name
            case _:
                pass


def test_nothing_above_the_families_names_a_product() -> None:
    above = {path.relative_to(ROOT).as_posix(): path for path in ROOT.glob("**/*.py")}
    found = [
        (name, word)
        for name, path in above.items()
        if name.partition("/")[0] not in BELOW and name not in SAID
        for word in words(ast.parse(path.read_text(encoding="utf-8")))
        if PRODUCTS.search(word.lower())
    ]
    assert found == []  # it is a value of the enforcer's record or dialect


def test_every_agent_is_of_one_enforcer() -> None:
    assert len(AGENTS) == sum(len(one.agents) for one in ENFORCERS.values())
