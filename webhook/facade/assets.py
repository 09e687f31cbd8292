"""The files that pages are made of, out of the package."""

from importlib import resources
from typing import Final

from webhook.report.page import Parts

_LAYOUT: Final = ("dagre.min.js", *(f"d3-{name}.min.js" for name in ("dispatch", "quadtree", "timer", "force")))
_PROGRAMS: Final = {  # page -> what runs in it, in this order
    "audit": (*_LAYOUT, "dom.js", "graph.js", "audit.js"),
    "matrix": ("dom.js", "matrix.js"),
}
_LICENCES: Final = {"audit": ("dagre", "d3"), "matrix": ()}  # of what is not our own


def parts(name: str) -> Parts:
    """Return the files of the page `name`, `audit` or `matrix`."""
    files = resources.files("webhook.report") / "assets"
    programs = _PROGRAMS[name]
    return Parts(
        body=(files / f"{name}.html").read_text(encoding="utf-8"),
        style="".join((files / style).read_text(encoding="utf-8") for style in ("page.css", f"{name}.css")),
        scripts=tuple((files / program).read_text(encoding="utf-8") for program in programs),
        licences=tuple((files / f"{name}.LICENSE").read_text(encoding="utf-8") for name in _LICENCES[name]),
    )
