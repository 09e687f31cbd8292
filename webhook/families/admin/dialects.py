"""Who enforces which of these kinds (site-src/implementations.md of `kubernetes-sigs/network-policy-api`).

What an enforcer is not known to have, it may have by now: that kind stays doubtful.
"""

from collections.abc import Callable, Mapping
from typing import Final

from webhook.families.admin.kinds import ANP, BANP, CNP
from webhook.families.surroundings import Surroundings
from webhook.model.dialect import Dialect, Kind

FIRST_API: Final[frozenset[Kind]] = frozenset({ANP, BANP})
BOTH_APIS: Final[frozenset[Kind]] = FIRST_API | {CNP}
_SAID: Final = {
    dialect.name: dialect
    for dialect in (
        Dialect("generic", evaluated=BOTH_APIS),
        Dialect("unrecognised", evaluated=BOTH_APIS),
    )
}


def _saying(dialect: Dialect) -> Callable[[Surroundings], Dialect]:
    return lambda _: dialect


DIALECTS: Final[Mapping[str, Callable[[Surroundings], Dialect]]] = {name: _saying(d) for name, d in _SAID.items()}
