"""The pages of findings: what each means, why it hurts, how to fix and how to silence it."""

from pathlib import Path
from typing import Final

import webhook
from webhook.config import nearest
from webhook.facade.usage import UsageError

_HERE: Final = Path(webhook.__file__).parent
_FOLDERS: Final = (_HERE / "pages", _HERE.parent / "docs/findings")  # in a wheel; in a checkout


def page(name: str) -> str:
    """Return the page of a finding, Markdown. Raises UsageError."""
    known = pages()
    if name not in known:
        raise UsageError(f"no finding `{name}`{nearest(name, known)}: expected {', '.join(sorted(known))}")
    return known[name].read_text(encoding="utf-8").rstrip("\n")


def pages() -> dict[str, Path]:
    """Return the file of each page, by finding."""
    folder = next((one for one in _FOLDERS if one.is_dir()), None)
    return {file.stem: file for file in sorted(folder.glob("NP*.md"))} if folder else {}
