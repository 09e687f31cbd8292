"""The pictures of the README; run by scripts/screenshots.

The terminal's is what the program writes to a terminal, drawn by rich. The report's is a real page in a real browser.
"""

import os
import pty
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

TOP = Path(__file__).parent.parent
IMAGES = TOP / "docs/images"
COLUMNS = 112
SHOWN = (  # what is typed, and how many lines of it the picture has; 0: all
    ("netpol-preflight check -f story/", 0),
    ("netpol-preflight explain -f story/ -n production --from deploy/web-api --to postgres:5432", 17),
)
# rich's own, without the fonts that it asks another server for
FORMAT = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">
<title>netpol-preflight in a terminal</title>
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace;
 font-size: {char_height}px; line-height: {line_height}px; font-variant-east-asian: full-width; }}
.{unique_id}-title {{ font-size: 18px; font-weight: bold; font-family: sans-serif; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""
WORLD = (  # the story, beside two applications
    "webhook/story",
    *(f"tests/apps/{name}/{file}.yaml" for name in ("boutique", "retail") for file in ("app", "policies")),
)
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def on_a_terminal(command: str) -> str:
    """Return what a terminal gets of a command."""
    master, slave = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": str(COLUMNS)}
    environment.pop("NO_COLOR", None)
    words = [sys.executable, "-m", "webhook", *command.split()[1:]]
    with subprocess.Popen(  # noqa: S603 - the program itself
        words, cwd=TOP / "webhook", stdin=subprocess.DEVNULL, stdout=slave, stderr=subprocess.DEVNULL, env=environment
    ):
        os.close(slave)
        parts = []
        while True:
            try:
                part = os.read(master, 65_536)
            except OSError:
                break
            if not part:
                break
            parts.append(part)
    os.close(master)
    return b"".join(parts).decode().replace("\r\n", "\n")


def terminal() -> str:
    """Return the picture of the terminal, SVG."""
    console = Console(record=True, width=COLUMNS, file=open(os.devnull, "w", encoding="utf-8"), force_terminal=True)  # noqa: PTH123, SIM115
    for command, most in SHOWN:
        console.print(Text(f"$ {command}", style="bold green"))
        lines = on_a_terminal(command).rstrip("\n").split("\n")
        for line in lines[: most or None]:
            console.print(Text.from_ansi(line))
        console.print()
    return console.export_svg(title="", code_format=FORMAT, unique_id="npp")


def report(browser: str, target: Path) -> None:
    """Write the picture of `audit --format html`."""
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "report.html"
        with page.open("wb") as out:
            files = [word for path in WORLD for word in ("-f", path)]
            words = [sys.executable, "-m", "webhook", "audit", *files, "--format", "html", "--fail-on", "never"]
            subprocess.run(words, cwd=TOP, stdout=out, check=True)  # noqa: S603
        flags = [
            "--headless",
            "--no-sandbox",
            "--hide-scrollbars",
            "--window-size=1280,900",
            "--virtual-time-budget=3000",
        ]
        profile = f"--user-data-dir={folder}/profile"
        words = [browser, *flags, profile, f"--screenshot={target}", page.as_uri()]
        subprocess.run(words, check=True, stderr=subprocess.DEVNULL)  # noqa: S603


def main() -> int:
    """Take them, or compare."""
    target, drawn = IMAGES / "terminal.svg", terminal()
    if "--check" in sys.argv[1:]:
        if target.read_text(encoding="utf-8") == drawn:
            return 0
        sys.stderr.write(f"{target} is not what the program prints: run scripts/screenshots\n")
        return 1
    target.write_text(drawn, encoding="utf-8")
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        sys.stderr.write("no Chromium on PATH: the report's picture stays as it is\n")
    else:
        report(browser, IMAGES / "report.png")
    return 0


if __name__ == "__main__":
    sys.exit(main())
