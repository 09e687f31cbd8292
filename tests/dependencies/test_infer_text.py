"""Text of settings to hosts and ports: what is read, and that nothing else leaves."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from webhook.model.hints import Mention, meaning
from webhook.wire.arguments import Allowance, in_file, said
from webhook.wire.hints import MOST_TEXT
from webhook.wire.mentions import LONGEST, MOST, mentions, number

FOLDER = Path(__file__).parent / "infer"


def cases(name: str) -> list[Any]:
    found: list[dict[str, Any]] = yaml.safe_load((FOLDER / f"{name}.yaml").read_text())
    return [pytest.param(case, id=str(next(iter(case.values())))[:60]) for case in found]


def shown(found: tuple[Mention, ...]) -> list[str]:
    return [
        f"{m.host}" + (f":{m.port}" if m.port else "") + ("" if m.protocol == "TCP" else f"/{m.protocol}")
        for m in found
    ]


@pytest.mark.parametrize("case", cases("mentions"))
def test_a_text_names(case: dict[str, Any]) -> None:
    for bare in [case["bare"]] if "bare" in case else [True, False]:
        if bare and "bare" not in case and not case["names"] and "://" not in case["text"]:
            continue  # words are hosts there, and these are words
        assert shown(mentions(case["text"], bare=bare)) == case["names"]


@pytest.mark.parametrize("case", cases("names"))
def test_a_name_announces(case: dict[str, Any]) -> None:
    found = meaning(case["name"])
    assert found.says.value == case["says"]
    if "stem" in case:
        assert found.stem == tuple(case["stem"])


@pytest.mark.parametrize("case", cases("arguments"))
def test_a_command_line_names(case: dict[str, Any]) -> None:
    assert shown(said(case["words"], Allowance(MOST_TEXT))) == case["names"]


@pytest.mark.parametrize("case", cases("files"))
def test_a_file_names(case: dict[str, Any]) -> None:
    assert shown(in_file(case["text"], Allowance(MOST_TEXT))) == case["names"]


def test_a_number_is_a_port_only_alone() -> None:
    assert [number(t) for t in ("5432", " 5432 ", '"5432"', "0", "65536", "5432/TCP", "", "٣", "1" * 5000)] == [
        *[5432] * 3,
        *[None] * 6,
    ]


def test_there_is_an_end_to_it() -> None:
    assert len(mentions(",".join(f"a{n}:80" for n in range(500)), bare=False)) == MOST
    assert mentions("a:80 " * LONGEST, bare=False) == ()


PARTS = ("a", "a:", ":", "@", "://", "a://", "jdbc:", "jdbc:a:", "$(", "$(a", "(", "=", "a=", "'", '"', ",", " ", "-a")


STARTS = {"pass": "", "token-": "", "x": "a=b ", "y": "a=b; ", ", ": "a: b", "A": "", "=": "a"}


@pytest.mark.parametrize(("part", "start"), [*((part, "") for part in PARTS), *STARTS.items()])
def test_the_longest_texts_of_one_part_name_nothing(part: str, start: str) -> None:
    """With a quadratic step in it this takes minutes, without one milliseconds."""
    text = start + part * ((LONGEST - len(start)) // len(part))
    assert mentions(text, bare=False) == ()
    assert said([text, f"x {text}"], Allowance(MOST_TEXT)) == ()
    assert in_file("\n".join([text[:1999]] * 3), Allowance(MOST_TEXT)) == ()


@given(st.text(max_size=80), st.booleans())
def test_any_text_ends_in_hosts_and_ports(text: str, bare: bool) -> None:
    for found in (
        *mentions(text, bare=bare),
        *in_file(text, Allowance(MOST_TEXT)),
        *said([text, f"a {text}"], Allowance(MOST_TEXT)),
    ):
        assert found.host == found.host.lower() or found.host.startswith("$(")
        assert found.host.isascii()
        assert not set(found.host) & set("@/?#=:;, \"'")


JUNK = st.text(st.sampled_from("ab1:/@?#&=%,;.- '\"$()[]{}|\\\t\n"), max_size=6)
MARK = "zqsecretzq"
WHERE = {  # where passwords stand -> characters that the format itself forbids there
    "postgres://user:{}@db:5432/shop": "",
    "postgres://user:{}@db:5432/shop?application_name=x": "",
    "https://api/v1?token={}": "",
    "https://api/v1?token={}&x=y": "",
    "https://api/#{}": "",
    "https://{}@api/": "",
    "redis://:{}@cache:6379/0": "",
    "amqp://user:{}@mq/%2f": "",
    "mongodb://user:{}@m-0:27017,m-1:27017/x": "",
    "jdbc:postgresql://db:5432/x?user=u&password={}": "",
    "jdbc:sqlserver://db:1433;password={};x=y": "",
    "jdbc:oracle:thin:user/{}@//db:1521/x": "",
    "user:{}@tcp(db:3306)/shop": "",
    "host=db password='{}' port=5432": "'",
    "host=db password={} port=5432": "' \t\n",
    "Server=db;Password={};Port=3306": ";",
    "redis:6379,password={},ssl=False": "",
    "password: {}": "",
    '{{"password": "{}"}}': "",
}


@given(st.sampled_from(list(WHERE)), JUNK, JUNK, st.booleans())
def test_no_part_of_a_password_survives(where: str, before: str, after: str, bare: bool) -> None:
    for character in WHERE[where]:
        before, after = before.replace(character, ""), after.replace(character, "")
    text = where.format(before + MARK + after)
    if "://" in before + after:
        return  # a password with a whole URL in it: no reader of this text knows where it ends
    bare = bare and not where.startswith(("password", "{"))
    found = (
        mentions(text, bare=bare),
        in_file(f"url: {text}".replace("\n", " "), Allowance(MOST_TEXT)),
        said([f"--url={text}"], Allowance(MOST_TEXT)),
        said(["--url", text], Allowance(MOST_TEXT)),
    )
    assert MARK not in repr(found)
