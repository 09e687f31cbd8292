"""The error of whoever called: said in one line, exit 2."""


class UsageError(ValueError):
    """What was asked for cannot be done; the message says what was expected."""
