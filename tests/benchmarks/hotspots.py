"""Where the time goes: cProfile over reviews of each case, without HTTP."""

import cProfile
import io
import pstats
from datetime import UTC, datetime
from typing import Final

from tests.benchmarks.requests import CASES, bodies
from tests.benchmarks.server import Fixed
from tests.benchmarks.synthetic import Sizes
from tests.benchmarks.world import build, encoded
from webhook.wiring.reviewer import Reviewer

LINES: Final = 30
COUNT: Final = 64


def report(sizes: Sizes) -> str:
    """Return, for each case, the functions that take the most time, of their own and in all."""
    reviewer = Reviewer(Fixed(build(encoded(sizes)).world), lambda: datetime.now(UTC).date())
    parts = []
    for case in CASES:
        some = bodies(case, sizes, COUNT)
        for body in some:
            reviewer.review(body, timeout=None)
        profile = cProfile.Profile()
        with profile:
            for body in some:
                reviewer.review(body, timeout=None)
        text = io.StringIO()
        stats = pstats.Stats(profile, stream=text).strip_dirs()
        stats.sort_stats("tottime").print_stats(LINES).sort_stats("cumulative").print_stats(LINES)
        parts.append(f"== {case}: {COUNT} reviews\n{text.getvalue().strip()}")
    return "\n\n".join(parts)
