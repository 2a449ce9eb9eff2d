"""flagd's operators as plain functions: what rules that are not compiled are evaluated with.

The reference's own for v3; for v2 flagd's `fractional` and `cat` in their place. flagd's v2 differs
from `openfeature-flagd-core` 1 in these cases, and flagd's answer is given:

case                                      flagd 0.16.1                    flagd-core 1.0
a weight of 50.0, or null                 50, or 1                        no variant
a third item in a share                   is passed over                  no variant
bucketing by null                         by flag key and targeting key   no variant
bucketing by ""                           the hash of ""                  no variant
bucketing by 5, true or an object         no variant                      no variant
a targeting key that is no text           no variant                      TypeError
`cat` of null                             nothing                         "null"
`cat` of a boolean, a list, an object     parse error                     "True", "1,2", …
`cat` of 0.1 + 0.2                        "0.30000000000000004"           "0.3"
`cat` of several, white space around      trimmed                         kept
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from json_logic.builtins import BUILTINS
from openfeature.contrib.tools.flagd.core.targeting.targeting import OPERATORS as V3_OPERATORS
from openfeature.exception import ParseError

from openfeature_triton.flagd_config.bucketing import hash_v2, split_v2, unit_hash_v2

Operator = Callable[..., Any]

_GO_EXPONENT_FROM = 1e21
_GO_WHITE_SPACE = "\t\n\v\f\r \x85\xa0\u1680" + "".join(map(chr, range(0x2000, 0x200B)))
_WHITE_SPACE = _GO_WHITE_SPACE + "\u2028\u2029\u202f\u205f\u3000"


def fractional_v2(data: Mapping[str, Any], *arguments: Any) -> Any:
    """Flagd's `fractional` over evaluated arguments, before CBOR came."""
    if not arguments:
        return None
    by, shares = arguments[0], arguments[1:]
    if isinstance(by, str):
        hashed: int | None = hash_v2(by)
    else:
        shares = shares if by is None else arguments
        hashed = unit_hash_v2(data["$flagd"]["flagKey"])(data.get("targetingKey"))
    split = None if hashed is None else split_v2(shares)
    return None if split is None or hashed is None else split.variant(hashed)


def cat_v2(_: Any, *arguments: Any) -> str:
    """Flagd's `cat`: numbers as Go prints them, several arguments trimmed together."""
    joined = "".join(_cat_text(argument) for argument in arguments)
    return joined.strip(_WHITE_SPACE) if len(arguments) > 1 else joined


def _cat_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ParseError(f"`cat` takes texts and numbers, not {type(value).__name__}")
    return go_number(value)


def go_number(number: float) -> str:
    """A number as Go prints a float64 without an exponent: the shortest digits that give it."""
    text = repr(float(number))
    if "e" in text:
        return _without_exponent(text)
    return text.removesuffix(".0")


def _without_exponent(text: str) -> str:
    mantissa, exponent = text.split("e")
    sign, digits = ("-", mantissa[1:]) if mantissa.startswith("-") else ("", mantissa)
    whole, _, fraction = digits.partition(".")
    digits, point = whole + fraction, len(whole) + int(exponent)
    if point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    if point >= len(digits):
        return sign + digits.ljust(point, "0")
    return f"{sign}{digits[:point]}.{digits[point:]}"


OPERATORS: Mapping[str, Mapping[str, Operator]] = MappingProxyType(
    {
        "v3": dict(V3_OPERATORS),
        "v2": {**V3_OPERATORS, "fractional": fractional_v2, "cat": cat_v2},
    }
)
# No operator of these looks at the data, so they need only their evaluated arguments.
PURE = frozenset(BUILTINS) - {"var", "missing", "missing_some", "log"} | {
    "starts_with",
    "ends_with",
    "sem_ver",
}
