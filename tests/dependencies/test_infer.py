"""Hints of a workload joined with the world: what counts, what does not, and what it costs."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tests import apps
from tests.apps import Raw
from tests.support.making import headless, metadata, service, workload
from webhook import config
from webhook.dependencies import infer
from webhook.families import project
from webhook.fix import fix
from webhook.model.answers import Finding, Severity
from webhook.model.hints import ConfigMap, ContainerHints
from webhook.model.objects import Pod, Workload
from webhook.model.settings import CONNECTS_TO, Settings
from webhook.report.admission import LONGEST, line
from webhook.report.text import block
from webhook.report.words import message
from webhook.review.workload import review_workload
from webhook.world import Drop, Overlay, World

MARK = "zqsecretzq"


def container(**more: Any) -> Raw:  # noqa: ANN401 - any field
    return {"name": "c", **more}


def env(**values: str) -> list[Raw]:
    return [{"name": name, "value": value} for name, value in values.items()]


def web(*containers: Raw, kind: str = "Deployment", **more: Any) -> Raw:  # noqa: ANN401 - any field
    return workload(kind, "shop/web", containers=list(containers), **more)


def config_map(name: str, data: object) -> Raw:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata(name), "data": data}


def db(port: int = 5432, name: str = "shop/db") -> Raw:
    return service(name, {"app": "db"}, [{"port": port}])


SERVER = workload("Deployment", "shop/db", [{"containerPort": 5432}])


def inferred(*objects: Raw, name: str = "web") -> list[str]:
    world = apps.world_of(objects)
    (asked,) = (w for w in world.workloads.every() if w.ref.name == name)
    return [found.text for found in infer(world, asked)]


def texts(*objects: Raw, **values: str) -> list[str]:
    return inferred(web(container(env=env(**values))), *objects)


# -- what counts -----------------------------------------------------------------------------------------------------


def test_only_what_the_world_has_counts() -> None:
    urls = {"A_URL": "http://db:5432", "B_URL": "http://elsewhere:80", "C_URL": "https://example.com"}
    assert texts(db(), **urls) == ["db.shop:5432/TCP"]


def test_a_port_that_the_service_has_not_does_not_count() -> None:
    assert texts(db(), DB_ADDR="db:5433") == []
    assert texts(db(), DB_HOST="db", DB_PORT="5433") == []


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ({"DB_HOST": "db", "DB_PORT": "5432"}, True),
        ({"DB_PORT": "5432", "DB_HOST": "db"}, True),
        ({"DB_HOST": "db"}, True),
        ({"DATABASE": "db"}, False),
        ({"DB_HOST": "db", "OTHER_PORT": "5433"}, True),
        ({"DB_NAME": "db", "DB_PORT": "5432"}, False),
        ({"DB_HOST": "db.shop.svc.cluster.local."}, True),
        ({"DB_HOST": "db.other"}, False),
    ],
)
def test_a_word_is_a_host_only_where_its_name_says_so(values: dict[str, str], found: bool) -> None:
    assert texts(db(), **values) == (["db.shop:5432/TCP"] if found else [])


def test_of_several_ports_the_one_that_is_spoken_is_meant() -> None:
    several = service("shop/mq", {"app": "mq"}, [{"name": "a", "port": 5672}, {"name": "b", "port": 15672}])
    assert texts(several, MQ_HOST="mq") == []
    assert texts(several, RABBITMQ_HOST="mq") == ["mq.shop:5672/TCP"]
    assert texts(several, MQ_URL="amqp://mq") == ["mq.shop:5672/TCP"]


def test_a_workload_is_no_dependency_of_itself() -> None:
    own = service("shop/web", {"app": "web"}, [{"port": 80}])
    assert texts(own, db(), SITE_URL="http://web", DB_URL="tcp://db:5432") == ["db.shop:5432/TCP"]


def test_a_workload_counts_where_it_declares_the_port() -> None:
    assert texts(SERVER, DB_URL="tcp://db:5432") == ["db.shop:5432/TCP"]
    assert texts(SERVER, DB_URL="tcp://db:5433") == []


def test_any_number_can_be_dialled_behind_a_headless_service_but_not_every_one_is_served() -> None:
    peers = headless("shop/db", {"app": "db"}, [{"port": 5432}])
    stateful = workload("StatefulSet", "shop/db", serviceName="db")
    assert texts(peers, stateful, DB_URL="tcp://db-0.db:5432") == ["db-0.db.shop:5432/TCP"]
    assert texts(peers, stateful, DB_URL="tcp://db:9999") == []


def test_a_service_in_another_namespace() -> None:
    assert texts(db(name="data/db"), DB_URL="postgres://db.data/x") == ["db.data:5432/TCP"]


SETTINGS_OF: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "infer" / "settings.yaml").read_text())


@pytest.mark.parametrize("case", [pytest.param(case, id=case["name"]) for case in SETTINGS_OF])
def test_settings_of_widely_used_programs(case: dict[str, Any]) -> None:
    objects = [web(container(env=env(**case.get("env", {})), args=case.get("args", [])))]
    objects.append(service("shop/web", {"app": "web"}, [{"port": 80}]))
    for name, numbers in case["services"].items():
        ports = [{"name": f"p{number}", "port": number} for number in numbers]
        stateful = case.get("stateful") == name
        objects.append((headless if stateful else service)(f"shop/{name}", {"app": name}, ports))
        if stateful:
            objects.append(workload("StatefulSet", f"shop/{name}", serviceName=name))
    wanted = (need.rsplit(":", 1) for need in case["needs"])
    assert sorted(inferred(*objects)) == sorted(f"{name}.shop:{port}/TCP" for name, port in wanted)


# -- where it is said ------------------------------------------------------------------------------------------------


def test_init_containers_arguments_and_commands_speak_too() -> None:
    init = container(command=["sh", "-c", "until nc -z db 5432; do sleep 1; done"])
    assert inferred(web(container(), initContainers=[init]), db()) == ["db.shop:5432/TCP"]
    assert inferred(web(container(args=["--db-host=db"])), db()) == ["db.shop:5432/TCP"]


def test_variables_are_expanded_as_kubernetes_does() -> None:
    later = env(URL="postgres://$(NAME):$(PORT)/x", NAME="db", PORT="5432")
    earlier = [*later[1:], later[0]]
    assert inferred(web(container(env=later)), db()) == [], "a later variable is not known yet"
    assert inferred(web(container(env=earlier)), db()) == ["db.shop:5432/TCP"]
    assert inferred(web(container(env=env(NAME="db"), args=["--url=postgres://$(NAME)/x"])), db()) == [
        "db.shop:5432/TCP"
    ]
    assert inferred(web(container(env=env(NAME="db"), args=["--url=postgres://$$(NAME)/x"])), db()) == []
    spaced = [{"name": "NS", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}}]
    assert inferred(web(container(env=[*spaced, *env(DB_ADDR="db.$(NS).svc:5432")])), db()) == ["db.shop:5432/TCP"]


def test_a_later_variable_replaces_an_earlier_one() -> None:
    assert inferred(web(container(env=[*env(DB_ADDR="db:5432"), *env(DB_ADDR="localhost:5432")])), db()) == []


def test_variables_of_services_that_kubernetes_gives() -> None:
    given = container(args=["--db=$(MY_DB_SERVICE_HOST):$(MY_DB_SERVICE_PORT)"])
    assert inferred(web(given), db(name="shop/my-db")) == ["my-db.shop:5432/TCP"]
    assert inferred(web(given), db()) == []


def from_key(variable: str, name: str, key: str) -> Raw:
    return {"name": variable, "valueFrom": {"configMapKeyRef": {"name": name, "key": key}}}


def mount(**more: object) -> Raw:
    return container(volumeMounts=[{"name": "v", "mountPath": "/x", **more}])


SETTINGS = config_map("shop/settings", {"DB_HOST": "db", "DB_PORT": "5432", "other": "http://db:5432"})


@pytest.mark.parametrize(
    "asking",
    [
        web(container(envFrom=[{"configMapRef": {"name": "settings"}}])),
        web(container(envFrom=[{"configMapRef": {"name": "settings"}, "prefix": "X_"}])),
        web(container(env=[from_key("A_HOST", "settings", "DB_HOST"), from_key("A_PORT", "settings", "DB_PORT")])),
        web(container(env=[from_key("X", "settings", "DB_HOST"), *env(URL="postgres://$(X)/x")])),
        web(container(env=[from_key("X", "settings", "other")])),
        web(mount(), volumes=[{"name": "v", "configMap": {"name": "settings"}}]),
        web(mount(subPath="other"), volumes=[{"name": "v", "configMap": {"name": "settings"}}]),
        web(
            mount(),
            volumes=[{"name": "v", "configMap": {"name": "settings", "items": [{"key": "other", "path": "a"}]}}],
        ),
        web(mount(), volumes=[{"name": "v", "projected": {"sources": [{"configMap": {"name": "settings"}}]}}]),
    ],
)
def test_config_maps_speak_for_who_uses_them(asking: Raw) -> None:
    assert inferred(asking, SETTINGS, db()) == ["db.shop:5432/TCP"]
    assert inferred(asking, db()) == [], "without the map nothing is known"


@pytest.mark.parametrize(
    "asking",
    [
        web(container(envFrom=[{"configMapRef": {"name": "another"}}])),
        web(container(envFrom=[{"secretRef": {"name": "settings"}}])),
        web(
            container(env=[{"name": "DB_HOST", "valueFrom": {"secretKeyRef": {"name": "settings", "key": "DB_HOST"}}}])
        ),
        web(container(env=[from_key("A_HOST", "settings", "DB_PORT")])),
        web(container(), volumes=[{"name": "v", "configMap": {"name": "settings"}}]),
        web(mount(subPath="else"), volumes=[{"name": "v", "configMap": {"name": "settings"}}]),
        web(
            mount(), volumes=[{"name": "v", "configMap": {"name": "settings", "items": [{"key": "none", "path": "a"}]}}]
        ),
        web(mount(), volumes=[{"name": "v", "secret": {"secretName": "settings"}}]),
    ],
)
def test_what_is_not_used_and_what_is_secret_says_nothing(asking: Raw) -> None:
    assert inferred(asking, SETTINGS, db()) == []


def test_a_secret_is_no_object_of_ours() -> None:
    assert project({**SETTINGS, "kind": "Secret"}) is None


def test_a_config_map_comes_and_goes() -> None:
    asking = web(container(envFrom=[{"configMapRef": {"name": "settings"}}]))
    world = apps.world_of([asking, SETTINGS, db()])
    (found,) = (w for w in world.workloads.every() if w.ref.name == "web")
    overlay = Overlay(world, [found])
    assert [r.text for r in infer(overlay, found)] == ["db.shop:5432/TCP"]
    world.apply([Drop("ConfigMap", "shop", "settings")])
    assert infer(overlay, found) == ()


# -- what it costs ---------------------------------------------------------------------------------------------------

DENY = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "NetworkPolicy",
    "metadata": {"namespace": "shop", "name": "deny"},
    "spec": {"podSelector": {"matchLabels": {"app": "db"}}, "policyTypes": ["Ingress"]},
}


def reviewed(asking: Raw, *more: Raw, settings: Settings | None = None) -> tuple[World, Workload, tuple[Finding, ...]]:
    world = apps.world_of([asking, SERVER, db(), *more], settings or Settings())
    (found,) = (w for w in world.workloads.every() if w.ref.name == "web")
    return world, found, review_workload(world, found)


def test_a_denied_one_is_a_warning_that_says_it_is_inferred() -> None:
    _, _, (found,) = reviewed(web(container(env=env(DB_URL="postgres://db/x"))), DENY)
    assert (found.id, found.severity, found.source) == ("NP102", Severity.WARNING, "inferred")
    assert " (inferred)" in message(found)
    assert "(inferred)" in block(found).splitlines()[0]
    assert "(inferred) (NP102)" in line(found)
    assert len(line(found)) <= LONGEST
    assert found.fix


def test_the_fix_opens_it() -> None:
    world, asking, _ = reviewed(web(container(env=env(DB_URL="postgres://db/x"))), DENY)
    policies = fix(world, [asking]).policies
    assert policies
    assert reviewed(web(container(env=env(DB_URL="postgres://db/x"))), DENY, *policies)[2] == ()


@pytest.mark.parametrize("text", ["db:5432", "db", "postgres://db", "deploy/db:5432", "db.shop.svc:5432/TCP"])
def test_a_declared_dependency_wins_over_the_same_inferred_one(text: str) -> None:
    asking = web(container(env=env(DB_URL="postgres://db/x")), annotations={CONNECTS_TO: text})
    found = reviewed(asking, DENY)[2]
    assert {(f.id, f.source, f.severity) for f in found} == {("NP102", "annotation", Severity.ERROR)}


def test_a_look_up_is_inferred_where_nothing_else_needs_it() -> None:
    closed = {**DENY, "spec": {"podSelector": {"matchLabels": {"app": "web"}}, "policyTypes": ["Egress"]}}
    asking = web(container(env=env(DB_URL="postgres://db/x")))
    found = reviewed(asking, closed)[2]
    assert {(f.id, f.source, f.severity) for f in found} == {
        ("NP101", "inferred", Severity.WARNING),
        ("NP103", "inferred", Severity.WARNING),
    }
    both = web(container(env=env(DB_URL="postgres://db/x")), annotations={CONNECTS_TO: "db:5432, https://example.com"})
    assert {f.source for f in reviewed(both, closed)[2] if f.id == "NP103"} == {"annotation"}


def test_it_can_be_switched_off() -> None:
    off = config.settings(file=config.read_file({"infer": False}))
    assert off.infer is False
    assert config.settings().infer is True
    assert reviewed(web(container(env=env(DB_URL="postgres://db/x"))), DENY, settings=off)[2] == ()


# -- what is kept ----------------------------------------------------------------------------------------------------


def test_pods_keep_no_hints_but_those_that_nobody_controls() -> None:
    bare = workload("Pod", "shop/web", containers=[container(env=env(DB_URL="http://db:5432"))])
    pod = project(bare)
    assert isinstance(pod, Pod)
    assert pod.bare is not None
    assert pod.bare.hints
    bare["metadata"]["ownerReferences"] = [
        {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-1", "controller": True}
    ]
    owned = project(bare)
    assert isinstance(owned, Pod)
    assert owned.bare is None
    assert "5432" not in repr(owned)


def test_what_has_another_shape_says_nothing_and_breaks_nothing() -> None:
    odd: list[object] = [None, 1, "x", [], {}, [1], {"a": 1}, True]
    for value in odd:
        for key in ("env", "envFrom", "args", "command", "volumeMounts"):
            found = project(web(container(**{key: value})))
            assert isinstance(found, Workload)
            assert found.hints == ()
        assert isinstance(project(web(container(), volumes=value)), Workload)
        assert isinstance(project(config_map("shop/x", value)), ConfigMap)
        for inner in ({"name": value, "value": value}, {"name": "A", "valueFrom": value}):
            assert isinstance(project(web(container(env=[inner]))), Workload)


JUNK = st.text(st.sampled_from("ab1:@?#&=%,;. '\"()[]{}|\\"), max_size=5)
FORMS = (
    "postgres://user:{}@db:5432/shop",
    "https://api/v1?token={}",
    "user:{}@tcp(db:3306)/shop",
    "Server=db;Password='{}'",
    "redis:6379,password={}",
)


@given(st.sampled_from(FORMS), JUNK, JUNK, st.sampled_from(["DB_URL", "DB_PASSWORD", "DB_HOST", "X"]))
def test_no_part_of_a_password_is_in_any_value_or_output(form: str, before: str, after: str, name: str) -> None:
    secret = (before + MARK + after).replace("'", "") if "'" in form else before + MARK + after
    value = form.format(secret)
    asking = web(
        container(
            env=[*env(**{name: value}), *env(DB_PASSWORD=MARK, API_TOKEN=f"x:{MARK}:80", COPY="$(DB_PASSWORD)")],
            args=[f"--url={value}", "--password", MARK, f"--token={MARK}", "$(DB_PASSWORD)"],
            command=["sh", "-c", f"mysql -h db -p{MARK} --password={MARK}"],
            envFrom=[{"configMapRef": {"name": "settings"}}],
        )
    )
    settings = config_map(
        "shop/settings", {name: value, "app.yaml": f"url: {value}\npassword: {MARK}\n", "PASSWORD": MARK}
    )
    world, found, findings = reviewed(asking, DENY, settings)
    assert MARK not in repr((found, project(settings), findings, infer(world, found)))
    assert all(MARK not in line(one) + message(one) + block(one) for one in findings)


def test_hints_are_few_whatever_a_template_holds() -> None:
    many = container(env=env(**{f"A{n}_URL": ",".join(f"http://h{m}-{n}:80" for m in range(99)) for n in range(900)}))
    found = project(web(many))
    assert isinstance(found, Workload)
    (hints,) = found.hints
    assert isinstance(hints, ContainerHints)
    assert len(hints.given) == 500
    assert len(infer(apps.world_of([web(many), *(db(80, f"shop/h{m}-1") for m in range(99))]), found)) <= 200


# -- what several workloads are told ---------------------------------------------------------------------------------

WHOLE = {"envFrom": [{"configMapRef": {"name": "all"}}]}
FILE = {"volumeMounts": [{"name": "v", "mountPath": "/x"}]}
ONE_KEY = {"env": [{"name": "DB_ADDR", "valueFrom": {"configMapKeyRef": {"name": "all", "key": "DB_ADDR"}}}]}
OWN = {"env": env(DB_ADDR="db:5432")}
SHARED = "from ConfigMap all, which 2 workloads share: declare it where it is meant"


@pytest.mark.parametrize(
    ("given", "others", "sure"),
    [
        (WHOLE, 1, False),
        (FILE, 1, False),
        (WHOLE, 0, True),
        (FILE, 0, True),
        (ONE_KEY, 1, True),
        (WHOLE | OWN, 1, True),
        (FILE | OWN, 1, True),
    ],
)
def test_of_what_several_workloads_are_told_each_may_mean_only_some(given: Raw, others: int, sure: bool) -> None:
    volumes = [{"name": "v", "configMap": {"name": "all"}}]
    more = [
        workload("Deployment", f"shop/other{n}", containers=[container(**WHOLE)], volumes=volumes)
        for n in range(others)
    ]
    data = config_map("shop/all", {"DB_ADDR": "db:5432", "x.yaml": "url: tcp://db:5432"})
    _, _, (found,) = reviewed(web(container(**given), volumes=volumes), data, DENY, *more)
    assert (found.id, found.severity) == ("NP102", Severity.WARNING if sure else Severity.INFO)
    assert (SHARED in found.assumptions) is not sure
    assert f"; note: {SHARED}" in message(found) or sure
