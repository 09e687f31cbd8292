"""docs/reference is what the program says of itself, and the README's picture what it prints."""

import subprocess
import sys
from pathlib import Path

TOP = Path(__file__).parents[2]


def test_the_picture_of_the_terminal_is_what_the_program_prints() -> None:
    done = subprocess.run(
        [sys.executable, "scripts/screenshots.py", "--check"], cwd=TOP, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_reference_is_what_scripts_docs_reference_writes() -> None:
    done = subprocess.run(
        [sys.executable, "scripts/docs_reference.py", "--check"], cwd=TOP, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
