"""`explain --from --to` as a person reads it: the packet's way, drawn."""

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any, Final, NamedTuple

import pytest
import yaml

import webhook
from webhook.cli.main import main

STORY: Final = Path(webhook.__file__).parent / "story"
SHOP: Final = Path(__file__).parents[1] / "cases" / "worlds" / "shop.yaml"


class Done(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def drawing(self) -> str:
        """What stands before the remedy."""
        return self.out.partition("\nremedy, for")[0].rstrip() + "\n"

    @property
    def remedy(self) -> list[dict[str, Any]]:
        return [*yaml.safe_load_all(self.out.partition("\n---\n")[2])]


Run = Callable[..., Done]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def command(*arguments: object) -> Done:
        try:
            code = main(["explain", *map(str, arguments)])
        except SystemExit as stop:
            code = int(stop.code or 0)
        return Done(code, *capsys.readouterr())

    return command


@pytest.fixture
def shop(run: Run, tmp_path: Path) -> Callable[..., Done]:
    """Explain a connection of `shop/web`, with policies given as `namespace/name: spec`."""

    def ask(to: str, policies: dict[str, Any], *extra: dict[str, Any]) -> Done:
        objects = [
            {
                "apiVersion": "networking.k8s.io/v1",
                "kind": "NetworkPolicy",
                "metadata": dict(zip(("namespace", "name"), name.split("/"), strict=True)),
                "spec": spec,
            }
            for name, spec in policies.items()
        ]
        file = tmp_path / "policies.yaml"
        file.write_text(yaml.safe_dump_all([*objects, *extra]))
        return run("--against", SHOP, "-f", file, "--from", "deploy/web.shop", "--to", to)

    return ask


def text(words: str) -> str:
    return dedent(words).lstrip("\n")


def test_the_story(run: Run) -> None:
    done = run("-f", STORY, "--from", "deploy/web-api", "--to", "postgres:5432")
    assert (done.code, done.err) == (1, "")
    assert done.drawing == text("""
        deploy/production/web-api -> postgres.production:5432/TCP: denied

        DNS look-up to kube-system/coredns on 53/UDP,TCP: allowed
          Deployment production/web-api
            |  egress   allowed  isolated by production/web-api-egress; its egress[0] lets it out
            |  Service  kube-dns.kube-system, ports 53/UDP, 53/TCP
            |  ingress  allowed  not isolated: no policy selects it for ingress
            v
          Deployment kube-system/coredns, by its template

        connection to production/postgres on 5432/TCP: denied
          Deployment production/web-api
            x  egress   denied   isolated by production/web-api-egress; no rule lets it out
            |  Service  postgres.production, port 5432/TCP
            x  ingress  denied   isolated by production/default-deny-ingress; no rule admits it
            x
          StatefulSet production/postgres, by its template
    """)
    assert [policy["metadata"]["name"] for policy in done.remedy] == [
        "allow-postgres-from-web-api-5432",
        "allow-web-api-to-postgres-5432",
    ]


def test_after_its_remedy_the_story_passes_and_names_the_rules(run: Run, tmp_path: Path) -> None:
    before = run("-f", STORY, "--from", "web-api", "--to", "postgres:5432")
    (tmp_path / "fix.yaml").write_text(before.out.partition("\n---\n")[2])
    done = run("-f", STORY, "-f", tmp_path, "--from", "web-api", "--to", "postgres:5432")
    assert done.code == 0
    assert done.out.endswith(
        text("""
        connection to production/postgres on 5432/TCP: allowed
          Deployment production/web-api
            |  egress   allowed  isolated by production/allow-web-api-to-postgres-5432, production/web-api-egress; \
production/allow-web-api-to-postgres-5432 egress[0] lets it out
            |  Service  postgres.production, port 5432/TCP
            |  ingress  allowed  isolated by production/allow-postgres-from-web-api-5432, \
production/default-deny-ingress; production/allow-postgres-from-web-api-5432 ingress[0] admits it
            v
          StatefulSet production/postgres, by its template
        """)
    )


WALL: Final = {"podSelector": {}, "policyTypes": ["Ingress"]}


def test_the_services_port_is_not_the_pods(shop: Callable[..., Done]) -> None:
    rule = {"from": [{"namespaceSelector": {"matchLabels": {"team": "a"}}}], "ports": [{"port": 80}]}
    done = shop("api.data:80", {"data/api": {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [rule]}})
    assert done.code == 1
    assert done.drawing.endswith(
        text("""
        connection to data/api on 8080/TCP: denied
          Deployment shop/web
            |  egress   allowed  not isolated: no policy selects it for egress
            |  Service  api.data, port 80/TCP -> 8080/TCP
            x  ingress  denied   isolated by data/api; no rule admits it
            |                    near miss: api opens 80/TCP, the Service's port; the packet arrives on 8080/TCP \
(ingress[0])
            x
          Deployment data/api, 1 pod
        """)
    )


def test_a_slip_in_a_label_is_shown_with_the_rule_that_has_it(shop: Callable[..., Done]) -> None:
    everywhere: dict[str, Any] = {"namespaceSelector": {}}
    rules = [
        {"from": [{"podSelector": {"matchLabels": {"app": "other"}}}]},
        {"from": [{**everywhere, "podSelector": {"matchLabels": {"app": "wep"}}}], "ports": [{"port": 5432}]},
    ]
    done = shop("db.data:5432", {"data/allow-db-access": {**WALL, "ingress": rules}})
    miss = "near miss: allow-db-access admits app=wep; this workload has app=web (ingress[1])"
    assert miss in done.out


def test_rules_are_counted_as_their_author_finds_them(shop: Callable[..., Done]) -> None:
    rules = [{"from": [{"ipBlock": {"cidr": "203.0.113.0/24"}}]}, {"from": [{"namespaceSelector": {}}]}]
    done = shop("db.data:5432", {"data/db": {**WALL, "ingress": rules}})
    assert done.code == 0
    assert "isolated by data/db; its ingress[1] admits it" in done.out


def test_every_kind_of_backend_is_drawn(shop: Callable[..., Done]) -> None:
    old = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"namespace": "data", "name": "old-api", "labels": {"app": "api", "track": "old"}},
        "spec": {"containers": [{"name": "api", "image": "api", "ports": [{"containerPort": 8080}]}]},
        "status": {"phase": "Running", "podIP": "10.244.2.9"},
    }
    done = shop("api.data", {"data/old": {**WALL, "podSelector": {"matchLabels": {"track": "old"}}}}, old)
    assert done.code == 1
    assert "deploy/shop/web -> api.data:*: partial" in done.out
    assert "connection to data/api on 8080/TCP: allowed" in done.out
    assert "connection to data/old-api on 8080/TCP: denied" in done.out
    assert "\n  Pod data/old-api, 1 pod\n" in done.out


def test_a_denied_look_up_comes_first(shop: Callable[..., Done]) -> None:
    rule = {"to": [{"namespaceSelector": {"matchLabels": {"team": "b"}}}]}
    done = shop("db.data:5432", {"shop/out": {"podSelector": {}, "policyTypes": ["Egress"], "egress": [rule]}})
    assert done.code == 1
    lines = done.out.splitlines()
    assert lines[1] == "  DNS look-ups are denied, so the name cannot be resolved"
    assert lines[3] == "DNS look-up to kube-system/coredns on 53/UDP,TCP: denied"
    assert "connection to data/db on 5432/TCP: allowed" in lines
    assert {p["spec"]["egress"][0]["ports"][0]["port"] for p in done.remedy} == {53}


def test_addresses_outside_have_no_policies_of_their_own(shop: Callable[..., Done]) -> None:
    done = shop("203.0.113.9:443", {"shop/out": {"podSelector": {}, "policyTypes": ["Egress"]}})
    assert done.drawing == text("""
        deploy/shop/web -> 203.0.113.9:443/TCP: denied

        connection to 203.0.113.9 on 443/TCP: denied
          Deployment shop/web
            x  egress   denied   isolated by shop/out; no rule lets it out
            x
          203.0.113.9, outside
    """)


def test_an_outside_name_that_cannot_be_decided_says_why_and_ends_with_0(shop: Callable[..., Done]) -> None:
    rule: dict[str, Any] = {"to": [{"namespaceSelector": {}}, {"ipBlock": {"cidr": "198.51.100.0/24"}}]}
    done = shop(
        "https://api.example.com", {"shop/out": {"podSelector": {}, "policyTypes": ["Egress"], "egress": [rule]}}
    )
    assert done.code == 0
    assert "policy does not let every address through" in done.out
    assert "\n  api.example.com, outside\n" in done.out


def test_what_is_missing_is_said_in_the_words_of_check(shop: Callable[..., Done]) -> None:
    done = shop("db:5432", {})
    assert done.code == 0
    assert (
        "shop/web -> db.shop:5432/TCP: no Service or workload `shop/db` in what was read; there is db.data (NP201)"
        in (done.out)
    )


def test_what_is_assumed_is_noted(run: Run) -> None:
    done = run(
        "-f", STORY / "production.yaml", "-f", STORY / "web-api.yaml", "--from", "web-api", "--to", "postgres:5432"
    )
    assert "\nnote: kube-dns in kube-system on port 53 is assumed: no DNS Service is given\n" in done.out


def test_names_out_of_manifests_are_printed_safely(run: Run, tmp_path: Path) -> None:
    """A drawing is many lines: a name with a line end, or an escape, must not draw."""
    file = tmp_path / "a.yaml"
    file.write_text((STORY / "production.yaml").read_text().replace("default-deny-ingress", '"a\\e[31m\\nremedy"'))
    done = run("-f", file, "-f", STORY / "web-api.yaml", "--from", "web-api", "--to", "postgres:5432")
    assert "\x1b" not in done.out
    assert "\nremedy;" not in done.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["np999"], "no finding `NP999`"),
        (["web-api"], "unexpected `web-api`: expected `--from W --to DEP`, `--from W --error TEXT`, or"),
        (["--from", "web-api"], "expected `--from W --to DEP`, `--from W --error TEXT`, or a finding"),
        (["--to", "postgres:5432"], "expected `--from W --to DEP`"),
        (["--error", "i/o timeout"], "expected `--from W --to DEP`"),
        ([], "expected `--from W --to DEP`"),
    ],
)
def test_bad_usage_says_what_was_expected(run: Run, arguments: list[str], said: str) -> None:
    done = run("-f", STORY, *arguments)
    assert (done.code, done.out) == (2, "")
    assert said in done.err
