"""What mkdocs is told besides mkdocs.yml: pages that stand outside docs/, and where links out of docs/ lead."""

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

TOP = Path(__file__).parent.parent
OUTSIDE = {  # path in the repository -> path on the site
    "README.md": "index.md",
    "docs/README.md": "index.md",
    "CHANGELOG.md": "project/CHANGELOG.md",
    "CONTRIBUTING.md": "project/CONTRIBUTING.md",
    "SECURITY.md": "project/SECURITY.md",
}
FOLDERS = {"Findings": "findings", "Who enforces policy": "cni", "Decisions": "decisions"}
LINK = re.compile(r"(\]\()([^)\s]+)(\))")
FENCE = re.compile(r"(^```.*?^```[^\n]*$)", re.MULTILINE | re.DOTALL)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Fill the parts of the navigation that are a folder each."""
    for section in config.nav or ():
        for part in (part for parts in section.values() for part in parts if isinstance(part, dict)):
            for name in part.keys() & FOLDERS.keys():
                part[name] = sorted(
                    (page.relative_to(TOP / "docs").as_posix() for page in (TOP / "docs" / FOLDERS[name]).glob("*.md")),
                    key=lambda path: (not path.endswith("README.md"), path),
                )
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that GitHub looks for at the top."""
    for source, target in OUTSIDE.items():
        if not source.startswith("docs/"):
            files.append(File.generated(config, target, abs_src_path=str(TOP / source)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Lead every link to the page's place on the site, or into the repository where it is no page."""
    here = page.file.src_uri
    source = next((name for name, place in OUTSIDE.items() if place == here), f"docs/{here}")
    known = set(files.src_uris)

    def led(match: re.Match[str]) -> str:
        opened, link, closed = match.groups()
        if re.match(r"[a-z]+:|#", link):
            return match[0]
        path, hash_, anchor = link.partition("#")
        target = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
        place = OUTSIDE.get(target, target.removeprefix("docs/"))
        for candidate in (place, f"{place}/README.md"):
            if candidate in known:
                return f"{opened}{posixpath.relpath(candidate, posixpath.dirname(here) or '.')}{hash_}{anchor}{closed}"
        if place == "findings":
            return f"{opened}{posixpath.relpath('reference/findings.md', posixpath.dirname(here) or '.')}{closed}"
        kind = "tree" if (TOP / target).is_dir() else "blob"
        return f"{opened}{config.repo_url}/{kind}/main/{target}{hash_}{anchor}{closed}"

    parts = FENCE.split(markdown)
    return "".join(part if part.startswith("```") else LINK.sub(led, part) for part in parts)
