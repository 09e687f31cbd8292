"""How long a test waits for what has to happen: far longer than it takes, for nobody knows the machine."""

from typing import Final

PATIENCE: Final = 120.0  # seconds; no test that passes waits so long, and none may be about how soon
