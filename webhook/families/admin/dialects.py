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


def _as_the_api_says(around: Surroundings) -> Dialect:
    return Dialect(around.enforcer.name, evaluated=BOTH_APIS)


DIALECTS: Final[Mapping[str, Callable[[Surroundings], Dialect]]] = dict.fromkeys(
    ("generic", "unrecognised"), _as_the_api_says
)
