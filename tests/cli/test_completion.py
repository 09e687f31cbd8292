"""Tab, in the shells that people have: commands, flags and values, told by the program itself."""

import os
import pty
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import pytest

from tests.support.patience import PATIENCE
from tests.support.running import STORY, Run
from tests.testbed.binaries import Binaries
from webhook.cli.main import COMMANDS, EXAMPLES, parser

BIN: Final = Path(sys.executable).parent
ENVIRONMENT: Final = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "TERM": "dumb", "PS1": "> ", "PROMPT": "> "}
SHELLS: Final = {  # shell -> how it is started, and what switches completion on
    "bash": (("bash", "--norc", "--noprofile", "-i"), 'eval "$(netpol-preflight completion bash)"; echo re""ady'),
    "zsh": (
        ("zsh", "-f", "-i"),
        'autoload -U compinit; compinit -u -D; eval "$(netpol-preflight completion zsh)"; echo re""ady',
    ),
}
TYPED: Final = [  # what is typed before Tab, and what stands there after it
    ("netpol-preflight expl", "netpol-preflight explain "),
    ("netpol-preflight check --form", "netpol-preflight check --format "),
    ("netpol-preflight check --format gith", "netpol-preflight check --format github"),
    ("netpol-preflight audit --against clu", "netpol-preflight audit --against cluster"),
    ("netpol-preflight serve --mode enf", "netpol-preflight serve --mode enforce"),
    ("netpol-preflight check --cni cal", "netpol-preflight check --cni calico"),
    ("netpol-preflight explain NP5", "netpol-preflight explain NP50"),
    ("netpol-preflight check -f manif", "netpol-preflight check -f manifests/"),
    ("kubectl-netpol_preflight matr", "kubectl-netpol_preflight matrix "),
]


def needs(shell: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(shell) is None, reason=f"no {shell} on this machine")


@pytest.fixture
def here(tmp_path: Path) -> Path:
    (tmp_path / "manifests").mkdir()
    return tmp_path


def at_a_tab(command: Sequence[str], before: str, typed: str, wanted: str, folder: Path) -> str:
    """Return what the screen of an interactive shell shows once `wanted` does, or after a long time."""
    process, screen = pty.fork()
    if process == 0:
        os.chdir(folder)
        os.execvpe(command[0], [*command], ENVIRONMENT)  # noqa: S606 - a shell is what is started
    try:
        os.write(screen, before.encode() + b"\n")
        shown = until(screen, "ready")
        os.write(screen, typed.encode() + b"\t")
        return shown + until(screen, wanted)
    finally:
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        os.close(screen)


def until(screen: int, wanted: str) -> str:
    shown, deadline = "", time.monotonic() + PATIENCE
    os.set_blocking(screen, False)
    while wanted not in shown and time.monotonic() < deadline:
        try:
            shown += os.read(screen, 65_536).decode(errors="replace").replace("\a", "")
        except BlockingIOError:
            time.sleep(0.01)
    return shown


@pytest.mark.parametrize(("typed", "wanted"), TYPED, ids=[typed for typed, _ in TYPED])
@pytest.mark.parametrize("shell", [pytest.param(name, marks=needs(name)) for name in SHELLS])
def test_bash_and_zsh_complete_what_is_typed(shell: str, typed: str, wanted: str, here: Path) -> None:
    command, before = SHELLS[shell]
    assert wanted in at_a_tab(command, before, typed, wanted, here)


@needs("fish")
@pytest.mark.parametrize(("typed", "wanted"), TYPED, ids=[typed for typed, _ in TYPED])
def test_fish_completes_what_is_typed(typed: str, wanted: str, here: Path) -> None:
    for name in ("netpol-preflight", "kubectl-netpol_preflight"):
        script = f"{name} completion fish | source; complete -C {shlex.quote(typed)}"
        done = subprocess.run(
            ["fish", "--no-config", "-c", script],
            cwd=here, env=ENVIRONMENT, capture_output=True, text=True, check=True,
        )  # fmt: skip
        first = done.stdout.splitlines()[0].partition("\t")[0]
        assert typed.rpartition(" ")[0] + " " + first.rstrip() == wanted.rstrip() or first.startswith("NP50")


def asked_by_kubectl(*words: str, folder: Path, more: Mapping[str, str] | None = None) -> list[str]:
    done = subprocess.run(
        [BIN / "kubectl_complete-netpol_preflight", *words],
        cwd=folder, env={**ENVIRONMENT, **(more or {})}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stderr == ""
    return done.stdout.splitlines()


def test_kubectl_is_told_commands_with_what_they_do(here: Path) -> None:
    assert asked_by_kubectl("snap", folder=here) == [f"snapshot\t{COMMANDS['snapshot']}", ":4"]
    every = [line.partition("\t")[0] for line in asked_by_kubectl("", folder=here)]
    assert every[-1] == ":4"
    assert set(COMMANDS) <= set(every)


@pytest.mark.parametrize(
    ("words", "first"),
    [
        (("check", "--format", ""), "text"),
        (("check", "--format=gi"), "--format=github"),
        (("check", "-f", ""), "manifests/"),
        (("check", "-f", "a b", "--against", "clu"), "cluster"),
        (("explain", "NP101"), "NP101"),
        (("check", "-n", ""), ":4"),
        (("check", "--output", "sa"), "sarif="),
        (("explain", "-f", str(STORY), "--from", ""), "deploy/coredns.kube-system"),
        (("explain", "-f", str(STORY), "--from", "deploy/w"), "deploy/web-api.production"),
        (("matrix", "--against", str(STORY), "--focus", "s"), "sts/postgres.production"),
        (("explain", "-f", "/nowhere", "--from", ""), ":4"),
        (("explain", "--against", "cluster", "--from", ""), ":4"),
        (("check", "--output", "sarif=manif"), "sarif=manifests/"),
    ],
)
def test_kubectl_is_told_values(words: tuple[str, ...], first: str, here: Path) -> None:
    assert asked_by_kubectl(*words, folder=here)[0].partition("\t")[0] == first


def test_kubectl_itself_asks_the_plugin(testbed_binaries: Binaries, here: Path) -> None:
    done = subprocess.run(
        [testbed_binaries.paths["kubectl"], "__complete", "netpol-preflight", "check", "--format", "gith"],
        cwd=here, env=ENVIRONMENT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.splitlines()[0].startswith("github")
    assert done.stdout.splitlines()[-1] == ":4"


def test_whoever_asks_for_no_completion_loads_none_of_it() -> None:
    code = "import sys; from webhook.cli.main import main; main(['explain', 'NP102']); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert "argcomplete" not in done.stdout.split()


def test_an_unknown_shell_is_told_which_are_known(run: Run) -> None:
    done = run("completion", "csh")
    assert done.code == 2
    assert "'bash', 'zsh', 'fish'" in done.err or "bash, zsh, fish" in done.err


# -- examples ----------------------------------------------------------------------------------------------------------


def test_every_command_has_examples_in_its_help(run: Run) -> None:
    assert set(EXAMPLES) == set(COMMANDS)
    for name, examples in EXAMPLES.items():
        shown = run(name, "--help").out
        assert examples
        for what, line in examples:
            assert f"  # {what}\n  {line}\n" in shown


LINES: Final = [line for examples in EXAMPLES.values() for _, line in examples]


@pytest.mark.parametrize("line", LINES)
def test_an_example_is_what_the_program_takes(line: str) -> None:
    words = shlex.split(line.removeprefix('eval "$(').removesuffix(')"'), posix=True)
    start = words.index("netpol-preflight") + 1
    ours = words[start:]
    end = next((at for at, word in enumerate(ours) if word in {"|", ">"}), len(ours))
    assert parser().parse_args(ours[:end]).command in COMMANDS


def test_a_plugins_examples_begin_with_kubectl() -> None:
    code = (
        "import sys; from webhook.cli.main import main; sys.argv[0] = 'kubectl-netpol_preflight'; main(['fix', '-h'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False, text=True)
    assert "\n  kubectl netpol-preflight fix -f k8s/\n" in done.stdout
