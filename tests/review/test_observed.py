"""Who an end of a flow is, by what a log tells of it."""

from pathlib import Path
from typing import Final

import pytest
import yaml

from tests.support.arena import world_of
from webhook.model.addresses import parse_block
from webhook.model.answers import Host
from webhook.model.refs import WorkloadRef
from webhook.review.observed import LeftOut, Tally
from webhook.wire.flowlogs import Endpoint, FlowRecord
from webhook.world import World

SHOP: Final = Path(__file__).parents[1] / "cli" / "observed.yaml"
WEB: Final = WorkloadRef("Deployment", "shop", "web")
DB: Final = WorkloadRef("StatefulSet", "shop", "db")
QUEUE: Final = WorkloadRef("DaemonSet", "shop", "queue")


@pytest.fixture(scope="module")
def shop() -> World:
    return world_of(yaml.safe_load_all(SHOP.read_text()))


def target(view: World, end: Endpoint) -> object:
    """Return whom the shop's web dialled; nobody: why it does not count."""
    tally = Tally(view)
    tally.add(FlowRecord(Endpoint(namespace="shop", pod="web-7d9c8b5f6-x2x4z"), end, "TCP", 5432))
    return next((flow.target for flow in tally.flows), None) or next(iter(tally.left_out), None)


@pytest.mark.parametrize(
    ("end", "who"),
    [
        (Endpoint("10.9.9.9", "shop", "db-0"), DB),  # whatever its address was
        (Endpoint("", "shop", "db-7"), DB),
        (Endpoint("", "shop", "db-*"), DB),
        (Endpoint("", "shop", "queue-x2x4z"), QUEUE),
        (Endpoint("", "shop", "web-5bdcdd9c97-x2x4z"), WEB),
        (Endpoint("", "shop", "web-5bdcdd9c97-*"), WEB),
        (Endpoint("", "shop", "gone", "StatefulSet", "db"), DB),
        (Endpoint("", "shop", "gone", labels=("app=db", "rev=1")), DB),
        (Endpoint("", "shop", "web-0"), LeftOut.FOREIGN),  # no Deployment calls its pods so
        (Endpoint("", "shop", "db-0-0-0"), LeftOut.FOREIGN),
        (Endpoint("", "shop", "gone", "Deployment", "db"), LeftOut.FOREIGN),
        (Endpoint("", "shop", "gone", labels=("app=other",)), LeftOut.FOREIGN),
        (Endpoint("10.0.1.2", "elsewhere", "db-0"), LeftOut.FOREIGN),  # the log knows better than the address
        (Endpoint("10.0.1.2"), DB),
        (Endpoint("10.96.0.9"), DB),
        (Endpoint("10.9.9.9"), parse_block("10.9.9.9/32")),
        (Endpoint("192.168.0.1"), parse_block("192.168.0.1/32")),
        (Endpoint("203.0.113.7", hosts=("api.example.com", "x")), Host("api.example.com")),
        (Endpoint("127.0.0.1"), LeftOut.FOREIGN),
        (Endpoint("10.0.1"), LeftOut.FOREIGN),
    ],
)
def test_an_end_is_who_the_log_says_and_else_who_has_its_address(shop: World, end: Endpoint, who: object) -> None:
    assert target(shop, end) == who


@pytest.mark.parametrize(
    "source",
    [Endpoint("192.168.0.1"), Endpoint("10.0.1.99", labels=("reserved:host",))],  # a node's, and Cilium's router's
)
def test_what_nodes_send_does_not_count(shop: World, source: Endpoint) -> None:
    tally = Tally(shop)
    tally.add(FlowRecord(source, Endpoint(namespace="shop", pod="db-0"), "TCP", 5432))
    assert (dict(tally.flows), dict(tally.left_out)) == ({}, {LeftOut.NODES: 1})


def test_labels_that_two_workloads_select_are_nobodys(shop: World) -> None:
    both = Endpoint("", "shop", "gone", labels=("app=db", "app=web"))
    assert target(shop, both) is LeftOut.FOREIGN


def test_a_port_that_a_service_does_not_have_is_its_addresss(shop: World) -> None:
    tally = Tally(shop)
    tally.add(FlowRecord(Endpoint("10.0.1.1"), Endpoint("10.96.0.9"), "TCP", 9))
    (flow,) = tally.flows
    assert flow.target == parse_block("10.96.0.9/32")
