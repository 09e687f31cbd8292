"""What is done once, when the world is there: it stays, so that nothing has to look through it again."""

import ctypes
import gc
from contextlib import suppress


def settle() -> None:
    """Take all that is alive out of the garbage collector's sight, and give free memory back to the system.

    A full collection of a great world stops reviews for as long as hundreds of them take. What is put later is seen
    as usual; what leaves the world is freed by its reference count, frozen or not.
    """
    gc.collect()
    gc.freeze()
    with suppress(OSError, AttributeError):  # glibc's own; others give back what they want
        ctypes.CDLL(None).malloc_trim(0)
