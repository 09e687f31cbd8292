"""Hosts and ports that stand apart, put together by what their names have in common."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator

from msgspec import Struct

from webhook.model.hints import Mention
from webhook.model.variables import Meaning, Says
from webhook.wire.mentions import mentions, number

NEAR = 4  # lines between a `host:` and the `port:` that belongs to it


class Setting(Struct, frozen=True):
    """One name with what its value names. `place`: how deep and on which line it stands."""

    stem: tuple[str, ...]
    mentions: tuple[Mention, ...]
    number: int | None
    place: tuple[int, int] = (0, 0)


def setting(said: Meaning, value: str, place: tuple[int, int] = (0, 0)) -> Setting:
    """Read a value as its name says it is to be read."""
    match said.says:
        case Says.NOTHING:
            return Setting((), (), None, place)
        case Says.PORT:
            return Setting(said.stem, mentions(value, bare=False), number(value), place)
        case _:
            return Setting(said.stem, mentions(value, bare=said.says is Says.HOST), None, place)


def paired(settings: Iterable[Setting]) -> Iterator[Mention]:
    """Yield every mention; one without a port gets the port whose name has the same stem, the nearest of several."""
    every = list(settings)
    ports: dict[_Kin, list[Setting]] = {}
    for one in every:
        if one.number is not None:
            ports.setdefault(_kin(one), []).append(one)
    for one in every:
        for mention in one.mentions:
            if mention.port is not None:
                yield mention
            else:
                yield Mention(mention.host, _nearest(one, ports.get(_kin(one), [])), mention.protocol)


_Kin = tuple[tuple[str, ...], int]


def _kin(one: Setting) -> _Kin:
    """Return what a host and its port have in common: the stem or, where there is none, how deep they stand."""
    return one.stem, 0 if one.stem else one.place[0]


def _nearest(one: Setting, ports: list[Setting]) -> int | None:
    """Return the nearest port, which stand by line; the first of two. Without a stem it must be near."""
    at = bisect_left(ports, one.place[1], key=_line)
    around = ports[max(0, at - 1) : at + 1]
    found = min(around, key=lambda port: abs(_line(port) - _line(one)), default=None)
    if found is None or (not one.stem and abs(_line(found) - _line(one)) > NEAR):
        return None
    return found.number


def _line(one: Setting) -> int:
    return one.place[1]
