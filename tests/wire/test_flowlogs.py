"""Lines of flow logs as their programs write them, and lines that are none."""

import json
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhook.wire.flow_records import record
from webhook.wire.flowlogs import FORMATS, LONGEST_LINE, Endpoint, FlowLog, FlowRecord, Read, Skipped
from webhook.wire.shapes import Malformed

HUBBLE: Final = {  # a line of the exporter, https://docs.cilium.io/en/stable/observability/hubble/configuration/export/
    "flow": {
        "time": "2023-08-21T12:12:18.510175415Z",
        "verdict": "DROPPED",
        "drop_reason": 133,
        "IP": {"source": "10.244.1.60", "destination": "10.244.1.5", "ipVersion": "IPv4"},
        "l4": {"TCP": {"source_port": 44916, "destination_port": 80, "flags": {"SYN": True}}},
        "source": {
            "identity": 56030,
            "namespace": "default",
            "labels": ["k8s:app=xwing", "k8s:io.kubernetes.pod.namespace=default"],
            "pod_name": "xwing",
            "workloads": [{"name": "xwing", "kind": "Pod"}],
        },
        "destination": {"namespace": "default", "pod_name": "deathstar-7848d6c4d5-th9v2"},
        "Type": "L3_L4",
        "node_name": "kind-kind/kind-worker",
        "traffic_direction": "EGRESS",
        "drop_reason_desc": "POLICY_DENIED",
    },
    "node_name": "kind-kind/kind-worker",
    "time": "2023-08-21T12:12:18.510175415Z",
}
CALICO: Final = {  # felix/collector/flowlog/testdata/flows.log of projectcalico/calico
    "start_time": 1577834657,
    "end_time": 1577834965,
    "source_ip": None,
    "source_name": "-",
    "source_name_aggr": "tigera-manager-6cfdddccbb-*",
    "source_namespace": "tigera-manager",
    "source_port": None,
    "source_type": "wep",
    "source_labels": {"labels": ["pod-template-hash=6cfdddccbb", "k8s-app=tigera-manager"]},
    "dest_ip": None,
    "dest_name": "-",
    "dest_name_aggr": "coredns-576cbf47c7-*",
    "dest_namespace": "kube-system",
    "dest_port": 53,
    "dest_type": "wep",
    "dest_labels": {"labels": ["k8s-app=kube-dns"]},
    "proto": "udp",
    "action": "allow",
    "reporter": "dst",
    "policies": {"all_policies": ["0|__PROFILE__|__PROFILE__.kns.kube-system|allow"]},
}
WHISKER: Final = {  # whisker-backend/pkg/apis/v1 of projectcalico/calico
    "start_time": "2025-05-05T10:00:00Z",
    "end_time": "2025-05-05T10:00:15Z",
    "action": "Deny",
    "source_name": "web-7d9f-*",
    "source_namespace": "shop",
    "source_labels": "app=web | tier=front",
    "dest_name": "PUBLIC NETWORK",
    "dest_namespace": "Global",
    "dest_labels": "",
    "protocol": "tcp",
    "dest_port": 443,
    "reporter": "Src",
    "policies": {"enforced": [], "pending": []},
}
EMF: Final = {  # pkg/ebpf/events/emf_logger.go of aws/aws-network-policy-agent
    "_aws": {"Timestamp": 1700000000123, "CloudWatchMetrics": []},
    "timestamp": 1700000000123,
    "event": {
        "metric_name": "egress_l4_connections_denied",
        "direction": "egress",
        "src_ip": "10.0.0.1",
        "dst_ip": "10.0.0.2",
        "src_port": 1,
        "dst_port": 5432,
        "protocol": "TCP",
        "node_name": "n",
        "verdict": "DENY",
    },
    "metric_value": {"egress_l4_connections_denied": 1},
}
ONE, TWO = Endpoint("10.1.206.228"), Endpoint("172.20.0.10")


def read(*lines: object) -> list[Read | None]:
    log = FlowLog()
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    return [log.read(f"{text}\n".encode()) for text in texts]


def hubble(**changed: object) -> dict[str, object]:
    return {**HUBBLE, "flow": {**HUBBLE["flow"], **changed}}  # type: ignore[dict-item]  # a dict, as written above


def test_hubble_names_both_ends_and_whether_policy_dropped_it() -> None:
    source = Endpoint(
        "10.244.1.60", "default", "xwing", "Pod", "xwing", ("app=xwing", "io.kubernetes.pod.namespace=default")
    )
    target = Endpoint("10.244.1.5", "default", "deathstar-7848d6c4d5-th9v2")
    assert read(HUBBLE) == [FlowRecord(source, target, "TCP", 80, dropped=True, time=1692619938.510175)]
    assert read(HUBBLE["flow"]) == read(HUBBLE)  # `-o json` of before v0.9


def test_hubble_knows_by_what_name_an_address_was_looked_up() -> None:
    (found,) = read(hubble(destination={}, destination_names=["API.Example.com."], verdict="FORWARDED", is_reply=False))
    assert isinstance(found, FlowRecord)
    assert (found.target.hosts, found.dropped) == (("api.example.com",), False)


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"is_reply": True, "verdict": "FORWARDED"}, Skipped.REPLY),
        ({"l4": {"TCP": {"destination_port": 80, "flags": {"SYN": True, "ACK": True}}}}, Skipped.REPLY),
        ({"l4": {"TCP": {"destination_port": 80, "flags": {"ACK": True}}}}, Skipped.REPLY),
        ({"l4": {"ICMPv4": {"type": 8}}}, Skipped.OTHER),
        ({"l4": None}, Skipped.OTHER),
        ({"Type": "L7", "is_reply": False}, Skipped.OTHER),
        ({"verdict": "TRANSLATED"}, Skipped.OTHER),
        ({"drop_reason_desc": "STALE_OR_UNROUTABLE_IP"}, Skipped.FAULT),
        ({"drop_reason_desc": "", "drop_reason": 151}, Skipped.FAULT),
    ],
)
def test_hubble_tells_of_much_that_is_no_new_connection(changed: dict[str, object], why: Skipped) -> None:
    assert read(hubble(**changed)) == [why]


def test_hubble_says_what_it_has_lost() -> None:
    lost = {"lost_events": {"source": "HUBBLE_RING_BUFFER", "num_events_lost": "1", "cpu": 5}}
    assert read(lost, {"node_status": {"state_change": "NODE_CONNECTED"}}) == [Skipped.LOST, Skipped.OTHER]


def test_calico_folds_pods_by_the_start_of_their_names() -> None:
    (found,) = read(CALICO)
    assert isinstance(found, FlowRecord)
    assert (found.source.namespace, found.source.pod) == ("tigera-manager", "tigera-manager-6cfdddccbb-*")
    assert found.target == Endpoint("", "kube-system", "coredns-576cbf47c7-*", labels=("k8s-app=kube-dns",))
    assert (found.protocol, found.port, found.dropped, found.time) == ("UDP", 53, False, 1577834965)


def test_whisker_spells_the_same_in_its_own_way() -> None:
    (found,) = read(WHISKER)
    source = Endpoint("", "shop", "web-7d9f-*", labels=("app=web", "tier=front"))
    assert found == FlowRecord(source, Endpoint(), "TCP", 443, dropped=True, time=1746439215)


@pytest.mark.parametrize(
    "line",
    [
        {
            "level": "info",
            "ts": "2023-12-12T07:00:03.731Z",
            "logger": "ebpf-client",
            "msg": "Flow Info:  ",
            "Src IP": "10.1.206.228",
            "Src Port": 56468,
            "Dest IP": "172.20.0.10",
            "Dest Port": 53,
            "Proto": "UDP",
            "Verdict": "DENY",
        },
        {
            "level": "info",
            "ts": "2023-12-12T07:00:03.731Z",
            "msg": "Flow Info: Src IP: 10.1.206.228 Src Port: 56468 Dest IP: 172.20.0.10 Dest Port: 53 "
            "Proto UDP Verdict DENY Direction egress",
        },
        {
            "ts": "2023-12-12T07:00:03.731Z",
            "msg": "Flow Info: Src IP: 10.1.206.228 Src Port: 56468 Dest IP: 172.20.0.10 Dest Port: 53 "
            "Proto: UDP Verdict: DENY Direction: egress",
        },
        (
            "2023-12-12T07:00:03.731Z Node: ip-10;SIP: 10.1.206.228;SPORT: 56468;DIP: 172.20.0.10;DPORT: 53;"
            "PROTOCOL: UDP;PolicyVerdict: DENY"
        ),
    ],
)
def test_the_aws_agent_has_written_it_in_four_ways(line: object) -> None:
    assert read(line) == [FlowRecord(ONE, TWO, "UDP", 53, dropped=True, time=1702364403.731)]


def test_the_aws_agents_metrics_and_other_lines() -> None:
    ends = Endpoint("10.0.0.1"), Endpoint("10.0.0.2")
    assert read(EMF) == [FlowRecord(*ends, "TCP", 5432, dropped=True, time=1700000000.123)]
    assert read({"level": "info", "msg": "Updating Map with ", "IP Key:": "10.0.0.1/32"}) == [Skipped.OTHER]


def test_conntrack_says_who_answers_after_translation() -> None:
    lines = (
        (
            "tcp      6 431999 ESTABLISHED src=10.1.206.228 dst=10.96.0.9 sport=4000 dport=80 "
            "src=172.20.0.10 dst=10.1.206.228 sport=8080 dport=4000 [ASSURED] mark=0 use=1"
        ),
        "[1702364403.731000]\t    [NEW] udp      17 30 src=10.1.206.228 dst=172.20.0.10 sport=4 dport=53 [UNREPLIED]",
        "ipv4     2 icmp     1 29 src=10.1.206.228 dst=172.20.0.10 type=8 code=0 id=1 src=172.20.0.10 dst=10.1.206.228",
    )
    udp = FlowRecord(ONE, TWO, "UDP", 53, time=1702364403.731)
    assert read(*lines) == [FlowRecord(ONE, TWO, "TCP", 8080), udp, Skipped.OTHER]


def test_a_csv_says_what_its_columns_are() -> None:
    header = "Timestamp, SRC, dst_pod, dst_namespace, dst, dport, proto, verdict, bytes"
    found = read(header, "1702364403,10.1.206.228,web-0,shop,,80,tcp,drop,12", "# a remark", "")
    target = Endpoint("", "shop", "web-0")
    assert found == [None, FlowRecord(ONE, target, "TCP", 80, dropped=True, time=1702364403), None, None]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("10.0.0.1,10.0.0.2,80", "expected a flow, not `'10.0.0.1,10.0.0.2,80'`"),
        ("{", "expected a flow as JSON"),
        ({"kind": "Pod"}, "expected a flow"),
        ({**CALICO, "dest_port": 70000}, "port: expected 1 to 65535, not `70000`"),
        ({**CALICO, "action": "perhaps"}, "verdict: expected whether it passed, not `'perhaps'`"),
        ({**CALICO, "end_time": "yesterday"}, "time: expected RFC 3339 or Unix seconds, not `'yesterday'`"),
        ({**CALICO, "dest_port": {"a": 1}}, "Expected `int | null`, got `object`"),
        ("x" * (LONGEST_LINE + 1), "longer than 64 KiB"),
    ],
)
def test_what_is_no_flow_is_told_in_a_word(line: object, says: str) -> None:
    with pytest.raises(Malformed) as found:
        read(line)
    assert says in str(found.value)


def test_a_row_without_an_end_is_none() -> None:
    with pytest.raises(Malformed, match="at both ends"):
        read("src,dst,dport,proto", "10.0.0.1,-,80,tcp")


CONNTRACK: Final = (
    "tcp 6 86399 ESTABLISHED src=10.0.0.1 dst=10.0.0.2 sport=1 dport=80 src=10.0.0.2 dst=10.0.0.1 sport=80 dport=1"
)
AWS: Final = "Src IP: 10.0.0.1 Src Port: 1 Dest IP: 10.0.0.2 Dest Port: 80 Proto TCP Verdict ACCEPT"
OF_FORM: Final[dict[str, object]] = {
    "hubble": HUBBLE,
    "calico": CALICO,
    "aws": AWS,
    "conntrack": CONNTRACK,
    "csv": "src,dst,dport,proto",
}


def test_of_whose_form_lines_are_can_be_said() -> None:
    assert tuple(OF_FORM) == FORMATS
    for form in FORMATS:
        for other, line in OF_FORM.items():
            text = (line if isinstance(line, str) else json.dumps(line)).encode()
            wrong = told(FlowLog(form), text)
            if form == other:
                assert not wrong
                assert FlowLog(form).read(text) == FlowLog().read(text)
            elif not (form in ("hubble", "calico", "aws") and text.startswith(b"{")):
                assert wrong.startswith(f"expected a flow of {form}, not `"), (form, other)


def test_a_form_that_is_said_is_read_where_nothing_shows_it() -> None:
    bare = {key: value for key, value in CALICO.items() if key != "reporter"}
    assert told(FlowLog(), json.dumps(bare).encode())
    assert FlowLog("calico").read(json.dumps(bare).encode()) == FlowLog().read(json.dumps(CALICO).encode())
    header, row = b"src,dst,dport,proto,note", b"10.0.0.1,10.0.0.2,80,tcp,x src=1 dst=2"
    log, said = FlowLog(), FlowLog("csv")
    assert [one.read(header) for one in (log, said)] == [None, None]
    assert log.read(row) != said.read(row) == record(Endpoint("10.0.0.1"), Endpoint("10.0.0.2"), "tcp", "80", "")


def told(log: FlowLog, line: bytes) -> str:
    """Return what is wrong with a line; nothing where it can be read."""
    try:
        log.read(line)
    except Malformed as error:
        return str(error)
    return ""


@given(st.binary(max_size=200) | st.text(alphabet='srcdtp=,;: 0123456789.{}"[]', max_size=200).map(str.encode))
def test_any_bytes_are_a_value_or_one_error(line: bytes) -> None:
    log = FlowLog()
    log.read(b"src,dst,dport,proto,time,verdict")
    assert len(told(log, line)) < 300


VALUES: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(st.sampled_from((HUBBLE, CALICO, WHISKER, EMF)), st.data())
def test_any_value_in_a_real_line_is_a_value_or_one_error(line: dict[str, object], data: st.DataObject) -> None:
    changed = json.loads(json.dumps(line))
    place = changed[data.draw(st.sampled_from(["flow", "event"]))] if "flow" in line and "event" in line else changed
    place = place.get("flow") or place.get("event") or place
    place[data.draw(st.sampled_from(sorted(place)))] = data.draw(VALUES)
    assert len(told(FlowLog(), json.dumps(changed).encode())) < 300
