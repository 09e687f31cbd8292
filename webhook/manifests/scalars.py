"""What a plain YAML scalar means to kubectl.

The rules are those of `sigs.k8s.io/yaml` (goyaml.v2/resolve.go), which is YAML 1.1 but for: no base-60 numbers, `0o17`
is octal too, and dates stay text. A fraction of zero is dropped, as it is when the value passes through JSON.
"""

import math
import re
from typing import Final

_WORDS: Final[dict[str, bool | None]] = {
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
}
_NOT_FINITE: Final = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_INTEGER: Final = re.compile(r"([-+]?)(?:0[xX]([0-9a-fA-F]+)|0[bB]([01]+)|0[oO]?([0-7]+)|(0|[1-9][0-9]*))")
_BASES: Final = (16, 2, 8, 10)
_FLOAT: Final = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_LONGEST: Final = 400  # characters of a number: past any double, and far below Python's own limit for integers
_BIGGEST_INTEGRAL: Final = 1e21  # Go writes integral floats below this without an exponent


class NotFinite(ValueError):  # noqa: N818 - it is the number that is wrong
    """`.inf` or `.nan`: YAML has them, JSON and so Kubernetes has not."""


def plain(text: str) -> str | bool | float | None:
    """Return the value of an unquoted, untagged scalar. Raises NotFinite."""
    if text[:1] in "+-.0123456789":
        return _number(text) if text else None
    return _WORDS.get(text, text)


def _number(text: str) -> str | float:
    if _NOT_FINITE.fullmatch(text):
        raise NotFinite(f"`{text}` is not a number that JSON can carry")
    digits = text.replace("_", "") if text[0] != "." else text
    if len(digits) > _LONGEST:
        return text
    if found := _INTEGER.fullmatch(digits):
        sign, *by_base = found.groups()
        value = next(int(part, base) for part, base in zip(by_base, _BASES, strict=True) if part)
        return -value if sign == "-" else value
    if _FLOAT.fullmatch(digits):
        number = float(digits)
        if math.isfinite(number):
            return shortened(number)
    return text


def shortened(number: float) -> float:
    """Return an integral number as the integer that Go's JSON encoder makes of it."""
    return int(number) if number.is_integer() and abs(number) < _BIGGEST_INTEGRAL else number
