"""Every command: what it does, and examples of its use. Data alone, as `--help` and the pages print it."""

from typing import Final

COMMANDS: Final = {  # name -> what it does
    "serve": "answer AdmissionReviews: the webhook",
    "check": "review manifests as the webhook would, policies included",
    "explain": "show one verdict step by step, or what a finding means: explain NP102",
    "fix": "print the policies to apply, as YAML for `kubectl apply -f -`",
    "audit": "judge every declared dependency of a cluster, of a snapshot or of files",
    "snapshot": "write what the evaluator needs of a cluster into a file, for use without it; never a Secret",
    "annotate": "write inferred dependencies into manifests as annotations; comments and order stay",
    "matrix": "show every connection that is open, between workloads and to addresses outside",
    "lockdown": "print all that namespaces need to be allowed, and a default deny, in the order to apply",
    "diff": "show what a change opens and closes, and which declared dependencies it loses",
    "bench": "measure the evaluator on this machine, in a world that is given or a made-up one",
    "demo": "play the story: a new service, two policies, a timeout, the fix",
    "completion": "print a script that completes commands, flags and values in bash, zsh or fish",
}

EXAMPLES: Final = {  # name -> what is wanted, and the line that does it
    "serve": (
        ("on this machine, against manifests in a folder", "netpol-preflight serve --source k8s/ --tls-dir certs/"),
        (
            "in a pod, for its cluster, rejecting where no namespace says otherwise",
            "netpol-preflight serve --source cluster --mode enforce --listen 0.0.0.0:10250 --tls-dir /certs",
        ),
    ),
    "check": (
        ("manifests in a folder", "netpol-preflight check -f k8s/"),
        ("against what is there already", "netpol-preflight check -f k8s/ --against cluster"),
        (
            "what is new since a baseline, for GitLab's merge request, too",
            "netpol-preflight check -f k8s/ --baseline netpol.json --output gitlab=gl-code-quality-report.json",
        ),
        ("what Kustomize makes, in a pull request", "netpol-preflight check -k overlays/prod --format github"),
        ("what Helm makes", "helm template web charts/web | netpol-preflight check -f -"),
        ("what deleting a policy takes", "netpol-preflight check --deleted -f old-policy.yaml --against cluster"),
    ),
    "explain": (
        (
            "one dependency",
            "netpol-preflight explain -f k8s/ --from deploy/web-api --to postgres:5432",
        ),
        (
            "what a client printed",
            "netpol-preflight explain --against cluster --from web-api --error 'dial tcp 10.0.1.5:5432: i/o timeout'",
        ),
        ("a finding", "netpol-preflight explain NP102"),
    ),
    "fix": (
        ("look at it first", "netpol-preflight fix -f k8s/"),
        ("and then apply it", "netpol-preflight fix -f k8s/ --against cluster | kubectl apply -f -"),
        (
            "let in clients of another namespace that name this server",
            "netpol-preflight fix -f db.yaml --against cluster --admit payments",
        ),
    ),
    "audit": (
        ("the cluster of the kubeconfig", "netpol-preflight audit"),
        ("a page to look at", "netpol-preflight audit --format html > audit.html"),
        ("a snapshot, without its cluster", "netpol-preflight audit --against cluster.json.gz"),
        ("with what was really seen", "netpol-preflight audit --observed flows.jsonl --since 36h"),
    ),
    "snapshot": (
        ("the whole cluster", "netpol-preflight snapshot -o cluster.json.gz"),
        (
            "two namespaces of another context",
            "netpol-preflight snapshot -o shop.json.gz -n shop -n data --context prod",
        ),
    ),
    "annotate": (
        ("show what would be written", "netpol-preflight annotate -f k8s/"),
        ("write it, with what a flow log shows", "netpol-preflight annotate -f k8s/ --observed flows.jsonl --write"),
    ),
    "matrix": (
        ("everything in a folder", "netpol-preflight matrix -f k8s/"),
        ("who reaches one workload", "netpol-preflight matrix --against cluster -n shop --focus deploy/web-api"),
        ("a picture", "netpol-preflight matrix -f k8s/ --group --format dot | dot -Tsvg"),
    ),
    "lockdown": (
        ("one namespace of the cluster", "netpol-preflight lockdown shop"),
        ("every one, as Calico's staged policies first", "netpol-preflight lockdown --all --family calico --staged"),
    ),
    "diff": (
        ("a branch and what it leaves", "netpol-preflight diff --before git:origin/main:k8s --after k8s/"),
        (
            "a folder laid over the cluster",
            "netpol-preflight diff --before cluster --after cluster --after k8s/ --format markdown",
        ),
    ),
    "bench": (
        ("a made-up world", "netpol-preflight bench"),
        ("a world of one's own", "netpol-preflight bench --against cluster.json.gz"),
    ),
    "demo": (("all of it, in half a minute", "netpol-preflight demo"),),
    "completion": (
        ("bash, from now on", 'eval "$(netpol-preflight completion bash)"'),
        ("zsh, in ~/.zshrc after compinit", 'eval "$(netpol-preflight completion zsh)"'),
        ("fish, for good", "netpol-preflight completion fish > ~/.config/fish/completions/netpol-preflight.fish"),
    ),
}


def examples(name: str, program: str) -> str:
    """Return the examples of a command as its `--help` ends with them."""
    lines = (f"  # {what}\n  {line.replace('netpol-preflight', program)}" for what, line in EXAMPLES[name])
    return "examples:\n" + "\n".join(lines)
