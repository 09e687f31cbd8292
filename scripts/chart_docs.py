"""What of the chart is written by a program; run by scripts/chart-docs.

The README's table of values, out of the comments (`# --`) of values.yaml; in values.schema.json what may stand under
`config`, out of the program's configuration. `--check` writes nothing and exits 1 where a file would be another.
"""

import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec
import yaml

from webhook.config import File

CHART = Path(__file__).parent.parent / "charts/netpol-preflight"
KEY = re.compile(r"( *)([A-Za-z][A-Za-z0-9]*):")
HEAD = """# netpol-preflight

{description}. Chart {version}, Kubernetes {kube}.

```sh
helm install netpol-preflight oci://ghcr.io/netpol-preflight/charts/netpol-preflight \\
  --namespace netpol-preflight --create-namespace
helm test netpol-preflight --namespace netpol-preflight
```

What to do next, and how to stop it at once, is what `helm install` prints; the guides are in `docs/` of the repository:
install, rollout, GitOps, clouds, clusters that deny by default, emergency stop, upgrade, uninstall.

## Values

Unknown keys and wrong types are refused (`values.schema.json`).

| key | default | |
|---|---|---|
"""
FOOT = """
Written by `scripts/chart-docs` out of `values.yaml`: change the comments there.
"""


def described(lines: list[str]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield the path of each key that a comment `# --` stands above, with the comment."""
    path: list[str] = []
    text = ""
    for line in lines:
        if line.lstrip().startswith("# --"):
            text = line.partition("# --")[2].strip()
        elif match := KEY.match(line):
            depth = len(match[1]) // 2
            path[depth:] = [match[2]]
            if text:
                yield tuple(path), text
            text = ""


def value_at(values: object, path: tuple[str, ...]) -> object:
    """Return what stands at a path."""
    for key in path:
        if not isinstance(values, dict):
            raise TypeError(f"{'.'.join(path)}: expected a map above `{key}`")
        values = values[key]
    return values


def readme() -> str:
    """Return the whole file."""
    source = (CHART / "values.yaml").read_text(encoding="utf-8")
    values = yaml.safe_load(source)
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    rows = [
        f"| `{'.'.join(path)}` | `{json.dumps(value_at(values, path))}` | {text.replace('|', chr(92) + '|')} |"
        for path, text in described(source.splitlines())
    ]
    kube = chart["kubeVersion"].removesuffix("-0")
    head = HEAD.format(description=chart["description"], version=chart["version"], kube=kube)
    return head + "\n".join(rows) + "\n" + FOOT


def schema() -> str:
    """Return values.schema.json with the part that the program knows."""
    whole = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    _, made = msgspec.json.schema_components([File], ref_template="#/definitions/config{name}")
    config = made.pop("File")
    for key in ("mode", "cni"):  # values of their own
        del config["properties"][key]
    kept = {name: one for name, one in whole["definitions"].items() if not name.startswith("config")}
    whole["definitions"] = kept | {f"config{name}": made[name] for name in sorted(made)}
    whole["properties"]["config"] = config
    return json.dumps(whole, indent=1) + "\n"


def written(files: Mapping[Path, str], script: str) -> int:
    """Write files, or with `--check` compare them; return the exit code."""
    code = 0
    for target, text in files.items():
        if "--check" not in sys.argv[1:]:
            target.write_text(text, encoding="utf-8")
        elif not target.is_file() or target.read_text(encoding="utf-8") != text:
            sys.stderr.write(f"{target} is not what it is made from: run {script}\n")
            code = 1
    return code


def main() -> int:
    """Write them, or compare."""
    return written({CHART / "README.md": readme(), CHART / "values.schema.json": schema()}, "scripts/chart-docs")


if __name__ == "__main__":
    sys.exit(main())
