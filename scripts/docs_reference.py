"""The reference in docs/reference, written out of the program; run by scripts/docs-reference.

`--check` writes nothing and exits 1 where a page would be another.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml
from chart_docs import CHART, described, value_at, written

from webhook.api.backend import PREFIX, Metrics
from webhook.certificates.shared_certificate import utc
from webhook.cli.main import COMMANDS, EXAMPLES, parser
from webhook.cluster.client_configuration import Access
from webhook.cluster.lease import LeaseRef
from webhook.config.file import schema
from webhook.model.answers import DEFAULT_SEVERITY
from webhook.model.settings import DEFAULTS
from webhook.wiring.background_audit import Auditing, BackgroundAudit
from webhook.wiring.cluster_source import Cluster
from webhook.wiring.source import Health, Reloads

DOCS = Path(__file__).parent.parent / "docs"
FOLDER = DOCS / "reference"
FOOT = "\nWritten by `scripts/docs-reference` out of the program: change it there.\n"


def cell(text: str) -> str:
    """Return text as a cell of a table."""
    return text.replace("|", "\\|").replace("\n", " ")


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """Return a table; its cells are ready to be written."""
    lines = (f"| {' | '.join(row)} |" for row in (head, *rows))
    first = next(lines)
    return "\n".join([first, "|" + "---|" * len(head), *lines])


# -- commands ----------------------------------------------------------------------------------------------------------


def commands() -> str:
    """Return the page of every command with its flags and examples."""
    whole = parser()
    (choices,) = (one.choices for one in whole._actions if isinstance(one, argparse._SubParsersAction))  # noqa: SLF001
    parts = [
        "# Commands\n",
        "Exit codes: 0 clean, 1 findings at or above `--fail-on`, 2 bad usage or unreadable input, 130 interrupted.\n",
        table(("command", "does"), [(f"[`{name}`](#{name})", cell(does)) for name, does in COMMANDS.items()]),
        "",
        *(part for name in COMMANDS for part in command(name, choices[name])),
    ]
    return "\n".join(parts) + FOOT


def command(name: str, its: argparse.ArgumentParser) -> Iterator[str]:
    """Yield the section of one command."""
    yield f"## {name}\n"
    yield f"{its.description}\n"
    yield "```sh\n" + "\n".join(f"# {what}\n{line}" for what, line in EXAMPLES[name]) + "\n```\n"
    for group in its._action_groups:  # noqa: SLF001 - argparse has no other way to its groups
        rows = [flag(one) for one in group._group_actions if one.dest != "help"]  # noqa: SLF001
        if rows:
            yield table((cell(group.title or ""), ""), rows) + "\n"


def flag(action: argparse.Action) -> tuple[str, str]:
    """Return what a flag is called, with its value, and what it says."""
    value = action.metavar or ("{" + ",".join(map(str, action.choices)) + "}" if action.choices else "")
    takes = f" {value}" if value and action.nargs != 0 and action.option_strings else ""
    names = ", ".join(action.option_strings) or str(value or action.dest)
    return f"`{cell(names + takes)}`", cell((action.help or "").replace("%%", "%"))


# -- findings ----------------------------------------------------------------------------------------------------------


def findings() -> str:
    """Return the page that leads to each finding's own."""
    rows = []
    for name, severity in sorted(DEFAULT_SEVERITY.items()):
        title = (DOCS / f"findings/{name}.md").read_text(encoding="utf-8").partition("\n")[0].partition(": ")[2]
        rows.append((f"[{name}](../findings/{name}.md)", severity.word, cell(title)))
    says = (
        "Ids are stable. Severities are the defaults, which [configuration](../configuration.md) may change; only "
        "NP101 to NP104 reject in `enforce`. `netpol-preflight explain NP102` prints a page.\n"
    )
    return "\n".join(["# Findings\n", says, table(("id", "severity", ""), rows)]) + "\n" + FOOT


# -- configuration -----------------------------------------------------------------------------------------------------


def configuration() -> str:
    """Return the page of every setting of the configuration file."""
    whole = schema()
    rows = list(settings(whole["$defs"]["File"], whole["$defs"], ""))
    says = (
        "The file of `--config`, and the value `config` of the chart; [what each is for](../configuration.md), "
        "[its JSON schema](../config.schema.json). `x[]`: of each item of a list.\n"
    )
    return "\n".join(["# Settings\n", says, table(("setting", "value", "default", ""), rows)]) + "\n" + FOOT


def settings(one: dict[str, Any], every: dict[str, Any], before: str) -> Iterator[tuple[str, str, str, str]]:
    """Yield a row for each setting of an object, and for those below it."""
    for key, value in one["properties"].items():
        path = f"{before}{key}"
        shown = value.get("default")
        default = "" if shown in (None, []) or isinstance(shown, dict) else f"`{json.dumps(shown)}`"
        below = {name: every[name] for name in sorted(objects(value))}
        says = value.get("description") or " ".join(inner.get("description", "") for inner in below.values())
        yield f"`{path}`", cell(kind(value, every)), cell(default), cell(says)
        for inner in (of for of in below.values() if "properties" in of):
            several = "array" in {part.get("type") for part in (value, *value.get("anyOf", ()))}
            yield from settings(inner, every, f"{path}[]." if several else f"{path}.")


def objects(value: dict[str, Any]) -> set[str]:
    """Return the names of the definitions that a value's schema refers to."""
    if "$ref" in value:
        return {value["$ref"].rpartition("/")[2]}
    parts = [*value.get("anyOf", ()), *([value["items"]] if isinstance(value.get("items"), dict) else [])]
    return {name for part in parts for name in objects(part)}


def kind(value: dict[str, Any], every: dict[str, Any]) -> str:
    """Return what a value is, in words."""
    match value:
        case {"$ref": reference}:
            return kind(every[reference.rpartition("/")[2]], every)
        case {"enum": words}:
            return ", ".join(f"`{word}`" for word in words)
        case {"anyOf": some}:
            return " or ".join(kind(part, every) for part in some if part.get("type") != "null")
        case {"type": "array", "items": dict() as items}:
            return f"list of {kind(items, every)}"
        case {"type": "object", "additionalProperties": dict() as inner}:
            return f"map to {kind(inner, every)}"
        case {"format": form}:
            return str(form)
    return str(value.get("type", "any"))


# -- the chart, and metrics --------------------------------------------------------------------------------------------


def chart() -> str:
    """Return the page of the chart's values."""
    source = (CHART / "values.yaml").read_text(encoding="utf-8")
    values = yaml.safe_load(source)
    rows = [
        (f"`{'.'.join(path)}`", f"`{cell(json.dumps(value_at(values, path)))}`", cell(text))
        for path, text in described(source.splitlines())
    ]
    says = "Of `charts/netpol-preflight`; unknown keys and wrong types are refused. [How to install](../install.md).\n"
    return "\n".join(["# Values of the chart\n", says, table(("key", "default", ""), rows)]) + "\n" + FOOT


def metrics() -> str:
    """Return the page of every metric of `serve`."""
    made = Metrics()
    labels = {one._name: one._labelnames for one in vars(made).values() if hasattr(one, "_labelnames")}  # noqa: SLF001
    health = Health(lambda: True, lambda: False)
    cluster = Cluster(Access(), DEFAULTS)
    audit = BackgroundAudit(cluster, Auditing(Access(), LeaseRef("", ""), ""), utc)
    for collector in (*cluster.collectors(), health, Reloads(lambda: True), audit):
        made.registry.register(collector)
    rows = []
    for family in sorted(made.registry.collect(), key=lambda one: one.name):
        if family.name.startswith(PREFIX):
            name = family.name + ("_total" if family.type == "counter" else "")
            names = labels.get(family.name) or getattr(family, "_labelnames", ())
            rows.append((f"`{name}`", family.type, ", ".join(f"`{one}`" for one in names), cell(family.documentation)))
    says = (
        "Of `serve`, on the port of `--metrics-listen`; besides these `process_…` and `python_…` as every Python "
        "program has them. [What to make of them](../monitoring.md).\n"
    )
    return "\n".join(["# Metrics\n", says, table(("metric", "type", "labels", ""), rows)]) + "\n" + FOOT


PAGES: dict[str, Callable[[], str]] = {
    "commands": commands,
    "findings": findings,
    "configuration": configuration,
    "chart": chart,
    "metrics": metrics,
}


def main() -> int:
    """Write them, or compare."""
    return written({FOLDER / f"{name}.md": make() for name, make in PAGES.items()}, "scripts/docs-reference")


if __name__ == "__main__":
    sys.exit(main())
