"""The one thing that the server tells its applications."""


class Drain:
    """Whether this process is about to stop: then it is not ready, and asks clients to connect elsewhere next time."""

    begun: bool = False

    def begin(self) -> None:
        """Say so, for good."""
        self.begun = True
