"""The fuzzer's fixed budget, and that it finds what it is for. Longer runs are by hand: see tests/fuzzing.py."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzzing import TARGETS

ROUNDS = 300
PLANTED = """
import sys
from tests import fuzzing
kept = []
def crash(dice):
    assert dice.random() < 0.95
def leak(dice):
    kept.append(bytearray(4 << 20))
fuzzing.TARGETS.update(crash=crash, leak=leak)
sys.exit(fuzzing.main(sys.argv[1:]))
"""


def fuzzed(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, text=True, check=False)


def test_nothing_from_outside_crashes_hangs_or_eats_memory() -> None:
    done = fuzzed("-m", "tests.fuzzing", "--rounds", str(ROUNDS))
    assert done.returncode == 0, done.stdout + done.stderr[-4_000:]
    found = [line.partition(" found, ")[0] for line in done.stdout.splitlines()]
    assert found == [f"{target}: {ROUNDS} inputs, nothing" for target in TARGETS]


@pytest.mark.parametrize(("planted", "error"), [("crash", "AssertionError"), ("leak", "MemoryError")])
def test_a_crash_and_a_leak_are_found_and_can_be_played_again(planted: str, error: str) -> None:
    if planted == "leak" and sys.platform != "linux":
        pytest.skip("memory is limited on Linux alone")
    done = fuzzed("-c", PLANTED, planted)
    assert done.returncode == 1
    assert error in done.stderr
    assert done.stdout.startswith(f"{planted}: seed 20261121, round ")
