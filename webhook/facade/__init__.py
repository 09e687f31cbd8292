"""What commands and other programs share: a world out of files, objects or a cluster, and what is asked of it.

`webhook.World` is `facade.world.World`. Nothing is imported here: `--help` passes by.
"""


class UsageError(ValueError):
    """What was asked for cannot be done; the message says what was expected. The command's exit code is 2."""
