"""Every command with its flags, as data and argparse calls."""

import argparse
from functools import partial
from typing import Final

from webhook.cli.flag_values import age, audit, certificate, dns, dns_label, glob, jobs, output, port, server

FORMATS: Final = ("text", "json")
CI_FORMATS: Final = (*FORMATS, "markdown", "github", "gitlab", "junit", "sarif")
_FORMATS_OF: Final = {
    "check": CI_FORMATS,
    "matrix": ("text", "json", "dot", "markdown", "html", "svg"),
    "audit": (*CI_FORMATS, "html"),
    "diff": CI_FORMATS,
}
_CI: Final = frozenset({"check", "audit", "diff"})  # what runs in CI, and may write several formats at once
_BY_SEVERITY: Final = frozenset({"check", "audit"})  # what findings cost, not what an answer is
_WEEK: Final = 7.0 * 86_400
NEVER: Final = "never"
FAIL_ON: Final = ("error", "warning", "info", NEVER)


def add(name: str, parser: argparse.ArgumentParser) -> None:
    """Give `parser` the flags of the command `name`."""
    match name:
        case "serve":
            _serve(parser)
        case "demo":
            parser.add_argument(
                "--port", type=port, default=0, metavar="PORT", help="listen there (default: any free port)"
            )
        case "completion":
            parser.add_argument("shell", choices=("bash", "zsh", "fish"), help="whose script to print")
        case "snapshot":
            _snapshot(parser)
        case "diff":
            _diff(parser)
        case "annotate":
            _world(parser)
            parser.add_argument("--write", action="store_true", help="write the files (default: print a diff)")
            _observed(parser)
        case _:
            _world(parser)
            for names, more in _FLAGS_OF:
                if name in names:
                    more(parser)
            _output(parser, name)


def _world(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what to look at")
    group.add_argument(
        "-f", "--filename", dest="files", action="append", default=[], metavar="FILE|DIR|-",
        help="manifests to judge; a DIR is read with its sub-folders (*.yaml *.yml *.json); repeatable",
    )  # fmt: skip
    group.add_argument(
        "-k", "--kustomize", action="append", default=[], metavar="DIR",
        help="what `kustomize` or `kubectl kustomize` makes of this folder; repeatable",
    )  # fmt: skip
    group.add_argument(
        "--helm", action="append", default=[], metavar="DIR",
        help="what `helm template` makes of this chart with its own values; repeatable",
    )  # fmt: skip
    _exclude(group)
    group.add_argument(
        "--against", action="append", default=[], metavar="PATH|SNAPSHOT|cluster",
        help="what is there already: manifests, a snapshot, or the cluster of the kubeconfig; repeatable",
    )  # fmt: skip
    _settings(group)
    _kubeconfig(group)


def _exclude(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--exclude", action="append", default=[], type=glob, metavar="GLOB",
        help="leave out files and folders below a DIR by name or path: '*-test.yaml', 'vendor'; repeatable",
    )  # fmt: skip


def _admit(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--admit", action="append", default=[], type=dns_label, metavar="NAMESPACE",
        help="let in clients and scrapers of this namespace where a server is fixed, not only its own; repeatable",
    )  # fmt: skip


def _jobs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-j", "--jobs", type=jobs, metavar="N",
        help="judge workloads by so many processes (default: on Linux one per usable core, at most one per 100 "
        "workloads; elsewhere 1)",
    )  # fmt: skip


_LOGS: Final = ("hubble", "calico", "aws", "conntrack", "csv")  # FORMATS of `wire.flowlogs`, loaded where it is used


def _observed(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--observed", action="append", default=[], metavar="FILE|-",
        help="flow log as evidence: Hubble's or Calico's JSON lines, the AWS agent's log, conntrack's, CSV; .gz too; "
        "repeatable",
    )  # fmt: skip
    parser.add_argument(
        "--since", type=age, default=_WEEK, metavar="AGE",
        help="flows that are older do not count: 7d (default), 36h, ...; 0: all do",
    )  # fmt: skip
    parser.add_argument(
        "--observed-format", choices=_LOGS, default="", metavar="FORMAT",
        help=f"what the logs are, where their lines do not show it: {', '.join(_LOGS)}",
    )  # fmt: skip


def _settings(group: argparse._ArgumentGroup) -> None:
    group.add_argument("-n", "--namespace", default="default", metavar="NS", help="namespace of objects without one")
    group.add_argument("--cni", metavar="NAME", help="who enforces policy: auto (default), generic, none, calico, ...")
    group.add_argument(
        "--dns", type=dns, metavar="NAMESPACE/SERVICE[:PORT]",
        help="the Service that pods ask for names, and the port of its pods (default: found, or kube-dns is assumed)",
    )  # fmt: skip
    group.add_argument("--config", metavar="FILE", help="configuration file")
    group.set_defaults(admit=())  # where no flag says more


def _kubeconfig(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--kubeconfig", metavar="FILE", help="kubeconfig of the cluster (default: as kubectl)")
    group.add_argument("--context", metavar="NAME", help="its context (default: the current one)")


def _snapshot(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-o", "--output", required=True, metavar="FILE|-", help="where to write it: x.json.gz")
    parser.add_argument(
        "-n", "--namespace", dest="namespaces", action="append", default=[], type=dns_label, metavar="NS",
        help="only what is in this namespace; repeatable (default: everything)",
    )  # fmt: skip
    parser.add_argument(
        "--redact", action="store_true",
        help="with made-up words for all names, the same everywhere, so that every answer is the same",
    )  # fmt: skip
    parser.add_argument("--from", dest="known", metavar="SNAPSHOT", help="of one that was taken before: no cluster")
    _kubeconfig(parser.add_argument_group("the cluster"))


def _output(parser: argparse.ArgumentParser, name: str) -> None:
    group = parser.add_argument_group("what to print")
    _formats(group, name)
    says = "`never`: exit 0 whatever is found"
    if name in _BY_SEVERITY:
        says = "exit 1 from this severity on (default: error)"
    group.add_argument("--fail-on", choices=FAIL_ON, default="error", help=says)
    if name in _BY_SEVERITY:
        group.add_argument(
            "--baseline", metavar="FILE|-", help="accept what is in this file: only what is new is told, and fails"
        )
        group.add_argument("--write-baseline", metavar="FILE", help="write all that is found there, and accept it")


def _formats(group: argparse._ArgumentGroup, name: str) -> None:
    """Add what to print, and for the commands of CI also where to."""
    formats = _FORMATS_OF.get(name, FORMATS)
    if name not in _CI:
        group.add_argument("--format", choices=formats, default="text", help="default: text")
        return
    group.add_argument("--format", choices=formats, help="on standard output (default: text)")
    group.add_argument(
        "--output", action="append", default=[], type=partial(output, formats=formats), metavar="FORMAT=FILE|-",
        help="also write this format there: sarif=netpol.sarif; repeatable",
    )  # fmt: skip


def _explain(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("topic", nargs="?", metavar="NPxxx", help="print the page of this finding")
    parser.add_argument("--from", dest="source", metavar="W", help="workload: deploy/web-api, or a unique name")
    parser.add_argument("--to", dest="target", metavar="DEP", help="as in the annotation: postgres.data:5432")
    parser.add_argument(
        "--error", metavar="TEXT|-",
        help="what the client printed, pasted: 'dial tcp 10.244.1.45:5432: i/o timeout'; - reads standard input",
    )  # fmt: skip


def _matrix(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--focus", metavar="W", help="only connections of one workload: deploy/web-api, or a unique name"
    )
    parser.add_argument("--group", action="store_true", help="fold workloads that behave alike into one")
    parser.add_argument("--unknown", action="store_true", help="also connections of which it cannot be told")


def _lockdown(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("namespaces", nargs="*", metavar="NAMESPACE", help="namespaces to close")
    parser.add_argument("--all", action="store_true", help="every namespace with a workload")
    parser.add_argument(
        "--admit-observed", action="store_true",
        help="let pass what passes in the log of --observed and nobody declares, instead of asking about it",
    )  # fmt: skip
    parser.add_argument(
        "--family", choices=("networkpolicy", "calico", "cilium"), default="networkpolicy",
        help="write policies of this family, which has to be enforced (default: networkpolicy)",
    )  # fmt: skip
    parser.add_argument("--staged", action="store_true", help="as Calico's staged policies, which log and drop nothing")


def _diff(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what to compare")
    for name in ("before", "after"):
        group.add_argument(
            f"--{name}", action="append", required=True, metavar="PATH|SNAPSHOT|cluster|git:REV:PATH",
            help=f"the world {name} the change; repeatable: `--{name} cluster --{name} k8s/` lays files over a cluster",
        )  # fmt: skip
    group.add_argument(
        "--against", action="append", default=[], metavar="PATH|SNAPSHOT|cluster",
        help="what is there before and after, below both; repeatable",
    )  # fmt: skip
    _exclude(group)
    _jobs(parser)
    parser.set_defaults(kustomize=(), helm=())
    _settings(group)
    _kubeconfig(group)
    shown = parser.add_argument_group("what to print")
    _formats(shown, "diff")
    shown.add_argument(
        "--fail-on", choices=(*FAIL_ON, "opened"), default="error",
        help="exit 1 where a declared dependency worsens (error, the default), also for a new finding of that "
        "severity (warning, info), or for a connection that is opened (opened); never: exit 0",
    )  # fmt: skip


def _serve(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("the world")
    group.add_argument("--source", metavar="cluster|PATH", help="default: the cluster that this runs in")
    _settings(group)
    group.add_argument(
        "--mode", metavar="MODE", help="off, audit, warn (default) or enforce, where no namespace says otherwise"
    )
    group.add_argument(
        "--disclose", choices=("all", "own"),
        help="whose namespaces an answer may tell of: all (default), or own: that of whoever asks, and visible ones",
    )  # fmt: skip
    group.add_argument(
        "--watch-namespace", action="append", default=[], type=dns_label, metavar="NS",
        help="watch this namespace alone, instead of all of the cluster; repeatable",
    )  # fmt: skip
    for flag, kinds in (("--no-config-maps", ("ConfigMap",)), ("--no-bindings", ("RoleBinding", "ClusterRoleBinding"))):
        group.add_argument(
            flag, dest="unasked", action="append_const", default=[], const=kinds,
            help=f"never ask the cluster for any {' or '.join(kinds)}: what they tell is not inferred then",
        )  # fmt: skip
    _kubeconfig(group)
    server(parser.add_argument_group("the server"))
    audit(parser.add_argument_group("the audit in the cluster, by one of the replicas"))
    certificate(parser.add_argument_group("a certificate that replicas share, kept and renewed in a Secret"))


def _deleted(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--deleted", action="store_true",
        help="judge what it takes from others to delete what -f names from what is there (--against)",
    )  # fmt: skip


_FLAGS_OF: Final = (  # what more than one command may have, and what each has of its own
    (("check", "fix", "audit", "lockdown"), _admit),
    (("check", "audit"), _jobs),
    (("audit", "lockdown"), _observed),
    (("check",), _deleted),
    (("explain",), _explain),
    (("matrix",), _matrix),
    (("lockdown",), _lockdown),
)
