"""What a container's settings say about whom it talks to: hosts and ports, never their text; names of settings."""

import re
from enum import Enum
from functools import lru_cache
from typing import Final, Literal, get_args

from msgspec import Struct

from webhook.model.addresses import Protocol
from webhook.model.labels import NO_LABELS, Labels

Cut = Literal["annotation", "config-map", "container"]  # what of an object was read in part only, for its length
CUTS: Final[tuple[Cut, ...]] = get_args(Cut)
_FULL_NAME: Final = re.compile(r"[a-z0-9-]++(?:\.[a-z0-9-]++){1,2}\.svc(?:\.[a-z0-9.-]*+)?")


class Mention(Struct, frozen=True, gc=False):
    """A place in the network that some text names. `port` None: the text names only the host.

    Host and port may be `$(NAME)`: a variable whose value is elsewhere. Any other text is the name of a Service's port.
    A host may be an IPv4 address.
    """

    host: str
    port: int | str | None = None
    protocol: Protocol = "TCP"

    @property
    def full(self) -> bool:
        """Whether the host can be nothing but a Service, or a pod behind one: `db.data.svc`, with a domain or not."""
        return _FULL_NAME.fullmatch(self.host) is not None


class Hint(Struct, frozen=True, gc=False):
    """What is known of one variable, or of one key of a ConfigMap. `number`: it holds a port and nothing else."""

    name: str
    mentions: tuple[Mention, ...] = ()
    number: int | None = None


class MapUse(Struct, frozen=True, gc=False):
    """A ConfigMap that a container is given. `keys` None: all of them.

    `variable` names the variable that one key becomes; `prefix` stands before the names of those that all become.
    `mounted`: its keys are files.
    """

    name: str
    keys: tuple[str, ...] | None = None
    variable: str = ""
    prefix: str = ""
    mounted: bool = False


class ContainerHints(Struct, frozen=True, gc=False):
    """What a container is given: `given` as variables and files, where a later one wins, `said` on its command line."""

    given: tuple[Hint | MapUse, ...] = ()
    said: tuple[Mention, ...] = ()

    @property
    def telling(self) -> bool:
        """Whether it may name anybody: most settings do not."""
        return bool(self.said) or any(isinstance(one, MapUse) or one.mentions for one in self.given)


class ConfigMap(Struct, frozen=True, gc=False):
    """A ConfigMap's hints, one for each key that has any. `settings`: where it is an agent's, those about policy."""

    namespace: str
    name: str
    entries: tuple[Hint, ...] = ()
    settings: Labels = NO_LABELS
    cut: tuple[Cut, ...] = ()


LONGEST_NAME: Final = 253  # characters, of a ConfigMap's key; what a longer name says is not looked at
_WORDS: Final = re.compile(r"[A-Z]++(?![a-z])|[A-Z]?[a-z]++|[A-Z]|\d++")


def _all(*lines: str) -> frozenset[str]:
    return frozenset(word for line in lines for word in line.split())


_HOST: Final = _all(
    "addr addrs address addresses brokers dsn endpoint endpoints host hosts hostname hostnames join members nodes",
    "peer peers seeds server servers upstream upstreams uri uris url urls",
)
_HOST_ENDS: Final = ("hostname", "host", "hosts", "url", "uri", "addr", "endpoint", "servers")  # `dbhost`, `siteurl`
_NOT_HOSTS: Final = _all("ghost localhost curl")
_SECRET: Final = _all(
    "apikey auth cert certificate certs cookie credential credentials htpasswd key keys login pass passphrase passwd",
    "password passwords pin private pwd salt secret secrets signature token tokens user username",
)
_SECRET_ENDS: Final = ("password", "passwd", "secret", "token")
_DIRECTIVES: Final = _all("proxy_pass fastcgi_pass uwsgi_pass scgi_pass grpc_pass memcached_pass")  # of nginx
_NOT_DIALLED: Final = _all(
    "advertise advertised allow allowed bind callback cors listen listener listeners origin origins public redirect",
    "referer trusted",
)

KNOWN_WORDS: Final = (  # in lower case, of the names of settings: all that `meaning` knows
    _HOST
    | _NOT_HOSTS
    | _SECRET
    | _NOT_DIALLED
    | _all("port number name no proxy pass fastcgi uwsgi scgi grpc memcached")
)


def telling(word: str) -> str:
    """Return the end of a word of a setting's name that says what it holds: all of the word, or nothing of it."""
    low = word.lower()
    ends = (end for end in (*_HOST_ENDS, *_SECRET_ENDS, "port") if low.endswith(end))
    return word if low in KNOWN_WORDS else word[len(word) - len(next(ends, "")) :]


class Says(Enum):
    """What kind of value a name announces."""

    HOST = "host"  # a bare word is a host
    PORT = "port"  # a number is a port
    NOTHING = "nothing"  # a secret, or a place that is listened on or let in: not to be read
    ANYTHING = "anything"


class Meaning(Struct, frozen=True):
    """What a name says. `stem` is what `DB_HOST` and `DB_PORT` have in common."""

    says: Says
    stem: tuple[str, ...] = ()


def meaning(name: str) -> Meaning:
    """Read a name in any of the usual spellings: `DB_HOST`, `--db-host`, `db.host`, `dbHost`, `dbhost`."""
    if len(name) > LONGEST_NAME:
        return Meaning(Says.NOTHING)
    if name in _DIRECTIVES:
        return Meaning(Says.ANYTHING)
    words = [word.lower() for word in _WORDS.findall(name)]
    if _NOT_DIALLED.intersection(words) or words[:2] == ["no", "proxy"]:
        return Meaning(Says.NOTHING)
    number = [words.pop()] if len(words) > 1 and words[-1].isdigit() else []
    if words[-2:] in (["host", "name"], ["port", "number"]):
        words.pop()
    last = words[-1] if words else ""
    if last == "port" or (last.endswith("port") and len(last) > len("port")):
        return Meaning(Says.PORT, (*_stem([*words[:-1], last.removesuffix("port")]), *number))
    if last in _HOST or (last.endswith(_HOST_ENDS) and last not in _NOT_HOSTS):
        return Meaning(Says.HOST, (*_stem(words), *number))
    if _SECRET.intersection(words) or any(word.endswith(_SECRET_ENDS) for word in words):
        return Meaning(Says.NOTHING)
    return Meaning(Says.ANYTHING)


def _stem(words: list[str]) -> tuple[str, ...]:
    """Return the words without those at the end that only say what it is."""
    while words and (not words[-1] or words[-1] in _HOST):
        words = words[:-1]
    if words and words[-1] not in _NOT_HOSTS:
        end = next((end for end in _HOST_ENDS if words[-1].endswith(end)), "")
        words = [*words[:-1], words[-1].removesuffix(end)]
    return tuple(words)


def known_meaning(name: str) -> Meaning:
    """Return the meaning of a variable's or a key's name. The same few names stand in most workloads.

    Not for names out of a text: what is a name there may be a secret, and secrets are not kept.
    """
    return _remembered(name) if len(name) <= LONGEST_NAME else meaning(name)


_remembered = lru_cache(maxsize=4_096)(meaning)
