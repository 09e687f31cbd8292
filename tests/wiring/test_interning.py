"""Equal parts of values become one, stay equal, and are let go when nobody has them."""

from typing import Any

from tests.benchmarks.synthetic import Sizes, objects
from tests.support.informing import named
from webhook.families import project
from webhook.model.labels import Operator
from webhook.model.objects import Pod
from webhook.model.policy import Direction
from webhook.wire.objects import Projected
from webhook.wiring.informer_cache import Interning

EVERY = list(objects(Sizes(pods=400, policies=60, services=120)))


def values() -> list[Projected]:
    return [value for value in map(project, EVERY) if value is not None]


def kept(sharing: Interning) -> int:
    return sum(map(len, sharing._kept.values()))  # noqa: SLF001 - what it is about


def pod(name: str, **labels: str) -> Pod:
    value = project(named(name, **labels))
    assert isinstance(value, Pod)
    return value


def test_whatever_is_shared_stays_equal() -> None:
    sharing = Interning()
    assert [sharing.interned(value) for value in values()] == values()


def test_pods_of_one_shape_have_one_shape() -> None:
    sharing = Interning()
    first, second, other = (sharing.interned(pod(name, app=app)) for name, app in (("a", "x"), ("b", "x"), ("c", "y")))
    assert first.pod_class is second.pod_class
    assert other.pod_class is not first.pod_class
    assert other.namespace is first.namespace is other.pod_class.namespace
    ((key, _),) = first.pod_class.labels.pairs
    assert other.pod_class.labels.pairs[0][0] is key


def test_words_of_an_enumeration_stay_what_they_are() -> None:
    sharing = Interning()
    sharing.interned(pod("a", In="Egress", Egress="In"))
    for value in values():
        seen: list[Any] = [sharing.interned(value)]
        while seen:
            one = seen.pop()
            if isinstance(one, tuple | frozenset):
                seen += one
            elif hasattr(one, "__struct_fields__"):
                seen += [getattr(one, field) for field in one.__struct_fields__]
                for field, kind in (("operator", Operator), ("direction", Direction)):
                    assert type(getattr(one, field, kind)) in (kind, type(kind))
    for text in sharing._kept[str]:  # noqa: SLF001 - see kept
        assert type(text) is str


def test_what_nobody_has_any_more_is_let_go() -> None:
    sharing = Interning()
    number = 0
    for number in range(20_000):
        sharing.interned(pod("a", app=f"app-{number}"))
    assert kept(sharing) < 20_000
    live = [sharing.interned(value) for value in values()]
    assert live
    sharing.sweep()
    sharing.sweep()
    shared = kept(sharing)
    del live
    for _ in range(5):  # a part of a part is let go one sweep later
        sharing.sweep()
    assert 5 * kept(sharing) < shared
    left = {kind for kind, interned in sharing._kept.items() if interned}  # noqa: SLF001 - see kept
    assert left <= {str, tuple, frozenset}  # the words of the manifests, and what is empty
