"""Hosts and ports that stand apart, put together by what their names have in common."""

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
    ports = [one for one in every if one.number is not None]
    for one in every:
        for mention in one.mentions:
            if mention.port is not None:
                yield mention
                continue
            near = [port for port in ports if port.stem == one.stem and (one.stem or _together(one, port))]
            nearest = min(near, key=lambda port: abs(port.place[1] - one.place[1]), default=None)
            yield Mention(mention.host, nearest.number if nearest else None, mention.protocol)


def _together(one: Setting, other: Setting) -> bool:
    return one.place[0] == other.place[0] and abs(one.place[1] - other.place[1]) <= NEAR
