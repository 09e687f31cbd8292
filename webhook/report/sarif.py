"""SARIF 2.1.0 (OASIS): rules with their pages, results that keep their names when lines move, fixes as edits."""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final
from urllib.parse import quote

from webhook.model.answers import DEFAULT_SEVERITY, Finding, Location, Manifest, Severity
from webhook.model.refs import WorkloadRef
from webhook.model.settings import PRODUCT
from webhook.report import json_
from webhook.report.admission import DumpYaml
from webhook.report.json_ import Record
from webhook.report.safe import clean, lines
from webhook.report.text import Failure, Run, place
from webhook.report.words import message
from webhook.review.compare import fingerprints

SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
Page = Callable[[str], str]  # id -> its page in Markdown, empty where it has none
InsertAt = Callable[[Location], int | None]  # before which line of its file another document fits; None: nowhere
HOME: Final = "https://github.com/netpol-preflight/netpol-preflight"
PAGES: Final = f"{HOME}/blob/main/docs/findings/"
_LEVEL: Final = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
_GITHUB: Final = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "recommendation"}
_ROOT: Final = "%SRCROOT%"
_SAFE: Final = "/-._~!$&'()*+,;=@"  # RFC 3986, pchar and `/`; a colon could pass for a scheme's end


def sarif(run: Run, page: Page, dump_yaml: DumpYaml, insert_at: InsertAt) -> str:
    """Return the log, of one run. `dump_yaml` writes the policies of fixes."""
    ids = sorted({one.id for one in run.findings})
    marks = fingerprints(run.findings)
    results = [
        _result(run, one, mark, ids.index(one.id), _fixes(one, dump_yaml, insert_at))
        for one, mark in zip(run.findings, marks, strict=True)
    ]
    driver = {"name": PRODUCT, "version": run.version, "semanticVersion": run.version, "informationUri": HOME}
    invocation: Record = {"executionSuccessful": not run.failures}
    if run.failures:
        invocation["toolExecutionNotifications"] = [_notification(one) for one in run.failures]
    whole = {
        "tool": {"driver": driver | {"rules": [_rule(name, page(name)) for name in ids]}},
        "automationDetails": {"id": f"{PRODUCT}/{run.command}/"},
        "invocations": [invocation],
        "columnKind": "unicodeCodePoints",
        "results": results,
    }
    return json_.render({"$schema": SCHEMA, "version": "2.1.0", "runs": [whole]})


# -- rules -------------------------------------------------------------------------------------------------------------


def _rule(name: str, page: str) -> Record:
    """Return a rule. Its words are those of its page: `# NP102: title`, then sections."""
    title, sections = _parts(page)
    severity = DEFAULT_SEVERITY.get(name, Severity.WARNING)
    what = sections.get("What", title or name)
    text = "\n\n".join(sections[one] for one in ("What", "Why it hurts", "How to fix") if one in sections)
    return {
        "id": name,
        **({"name": "".join(word.capitalize() for word in re.findall(r"[A-Za-z0-9]+", title))} if title else {}),
        "shortDescription": {"text": title or name},
        "fullDescription": {"text": what},
        **({"helpUri": f"{PAGES}{name}.md"} if page else {}),
        "help": {"text": text or name, "markdown": page or name},
        "defaultConfiguration": {"level": _LEVEL[severity]},
        "properties": {
            "tags": ["kubernetes", "networkpolicy"],
            "precision": "very-high" if severity is Severity.ERROR else "high",
            "problem.severity": _GITHUB[severity],
        },
    }


def _parts(page: str) -> tuple[str, dict[str, str]]:
    head, *rest = re.split(r"^## +", page, flags=re.MULTILINE)
    title = re.match(r"# [^:\n]+: *([^\n]*)", head)
    sections = (part.partition("\n") for part in rest)
    return title[1] if title else "", {name.strip(): text.strip() for name, _, text in sections}


# -- results -----------------------------------------------------------------------------------------------------------


def _result(run: Run, finding: Finding, mark: str, rule: int, fixes: list[Record]) -> Record:
    found = {
        "ruleId": finding.id,
        "ruleIndex": rule,
        "level": _LEVEL[finding.severity],
        "message": {"text": _unlinked(message(finding))},
        "locations": [_location(finding)],
        # the one that GitHub compares by, which an upload makes of the line's text where it is missing; and our own
        "partialFingerprints": {"primaryLocationLineHash": f"{mark[:16]}:1", f"{PRODUCT}/v1": mark},
        "properties": {
            "dependency": clean(finding.dependency) if finding.dependency else None,
            "verdict": finding.verdict,
            "source": finding.source,
            "policies": [clean(ref.titled) for ref in finding.policies],
        },
    }
    return found | ({"fixes": fixes} if fixes else {}) | ({"baselineState": "new"} if run.compared else {})


def _unlinked(text: str) -> str:
    """Return a message in which nothing is a link (SARIF 2.1.0, 3.11.6)."""
    return text.replace("](", "\\](")


def _location(finding: Finding) -> Record:
    found: Record = {"logicalLocations": [*_logical(finding)]}
    file, line = place(finding.location)
    if file:
        artifact = {"artifactLocation": _artifact(file), "region": {"startLine": max(line, 1)}}
        found["physicalLocation"] = artifact
    return found


def _logical(finding: Finding) -> Iterator[Record]:
    refs: Sequence[WorkloadRef] = finding.hits or ((finding.workload,) if finding.workload else ())
    for ref in refs:
        whole = clean(f"{ref.namespace}/{ref.kind}/{ref.name}")
        yield {"name": clean(ref.name), "fullyQualifiedName": whole, "kind": "resource"}
    if not refs:
        for policy in finding.policies[:1]:
            whole = clean(f"{policy.namespace or ''}/{policy.kind}/{policy.name}").lstrip("/")
            yield {"name": clean(policy.name), "fullyQualifiedName": whole, "kind": "resource"}


def _artifact(file: str) -> Record:
    """Return where a file is: below the folder that the command ran in, unless its path leads out of it."""
    if file == "-":
        return {"uri": "stdin"}
    uri = quote(file.encode(errors="replace"), safe=_SAFE)
    if file.startswith("/"):
        return {"uri": f"file://{uri}"}
    return {"uri": uri.removeprefix("./"), "uriBaseId": _ROOT}


def _notification(one: Failure) -> Record:
    where = {"artifactLocation": _artifact(one.file)} | ({"region": {"startLine": one.line}} if one.line else {})
    return {
        "level": "error",
        "message": {"text": _unlinked(clean(one.message))},
        "locations": [{"physicalLocation": where}],
    }


# -- fixes -------------------------------------------------------------------------------------------------------------


def _fixes(finding: Finding, dump_yaml: DumpYaml, insert_at: InsertAt) -> list[Record]:
    """Return one fix, all of whose policies are needed: as documents in front of the finding's, or as a new file."""
    if not finding.fix:
        return []
    text = lines(dump_yaml(finding.fix).removeprefix("---\n")).rstrip("\n") + "\n"
    file, _ = place(finding.location)
    line = insert_at(finding.location) if finding.location and not finding.location.template else None
    if line is None:
        change = _insertion(_beside(file, finding.fix[0]), 1, text)
    else:
        change = _insertion(file, line, f"{text}---\n")
    names = ", ".join(clean(f"{one['metadata']['namespace']}/{one['metadata']['name']}") for one in finding.fix)
    return [{"description": {"text": f"Add NetworkPolicy {names}"}, "artifactChanges": [change]}]


def _insertion(file: str, line: int, text: str) -> Record:
    nothing = {"startLine": line, "startColumn": 1, "endLine": line, "endColumn": 1}
    replacement = {"deletedRegion": nothing, "insertedContent": {"text": text}}
    return {"artifactLocation": _artifact(file), "replacements": [replacement]}


def _beside(file: str, policy: Manifest) -> str:
    """Return the path of a new file in the folder of `file`."""
    folder = "" if file == "-" else file.rpartition("/")[0]
    name = clean(f"{policy['metadata']['namespace']}-{policy['metadata']['name']}").replace("/", "-")
    return f"{folder}/{name}.yaml" if folder else f"{name}.yaml"
