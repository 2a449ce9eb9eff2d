"""The limits that every value of a flag document keeps, whichever syntax it was written in."""

from __future__ import annotations

import math
from typing import Any

from openfeature_triton.flagd_config.errors import (
    MalformedFileError,
    Place,
    RefusedByFlagdError,
    RepeatedKeyError,
)

MAX_DEPTH = 100  # evaluators recurse; a service's stack has less room than an empty one
MAX_VALUES = 1_000_000  # stops aliases and `$ref`s that multiply each other


class RepeatedKey(dict[str, Any]):
    """An object of JSON that named `key` twice; `check_values` reports it with its path."""

    key = ""


class Budget:
    """Counts the values of one document and refuses too many."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._left = MAX_VALUES

    def spend(self, depth: int) -> None:
        """Count one value at this depth; raises RefusedByFlagdError beyond a limit."""
        self._left -= 1
        if depth > MAX_DEPTH:
            raise too_deep(self._place)
        if self._left < 0:
            raise RefusedByFlagdError(
                self._place,
                f"it holds more than {MAX_VALUES:,} values once aliases and $ref are replaced",
                "split the file, or make evaluators refer to each other less often",
            )


def too_deep(place: Place) -> RefusedByFlagdError:
    """Give the error for a document that is nested too deeply."""
    return RefusedByFlagdError(
        place,
        f"it is nested more than {MAX_DEPTH} levels deep",
        "flatten the targeting: `and`, `or` and `if` take any number of arguments",
    )


def check_values(value: Any, place: Place) -> None:
    """Raise FlagFileError unless all values are what JSON can hold, unambiguously."""
    _check(value, place, (), Budget(place))


# Only the steps travel down, not a Place: making one costs more than checking a value.
def _check(value: Any, top: Place, steps: tuple[str | int, ...], budget: Budget) -> None:
    budget.spend(len(steps))
    if isinstance(value, dict):
        _check_object(value, top, steps, budget)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _check(item, top, (*steps, index), budget)
    elif isinstance(value, str):
        _check_text(value, top, steps)
    elif isinstance(value, float) and not math.isfinite(value):
        raise MalformedFileError(
            top.at(*steps), f"{value} is not a number in JSON", "write a finite number, or a text"
        )


def _check_object(
    value: dict[str, Any], top: Place, steps: tuple[str | int, ...], budget: Budget
) -> None:
    if isinstance(value, RepeatedKey):
        raise RepeatedKeyError(
            top.at(*steps, value.key),
            f"the key {value.key!r} stands here twice, and readers silently keep the last one",
            "remove or rename one of the two",
        )
    for key, item in value.items():
        _check_text(key, top, steps)
        _check(item, top, (*steps, key), budget)


def _check_text(text: str, top: Place, steps: tuple[str | int, ...]) -> None:
    if text.isascii():
        return
    try:
        text.encode()
    except UnicodeEncodeError:
        raise MalformedFileError(
            top.at(*steps),
            f"the text {text[:40]!r} holds half of a surrogate pair, which is not Unicode",
            r"write the character itself, or both halves as \uD83D\uDE00",
        ) from None
