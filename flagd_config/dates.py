"""Dates: from when until when a flag takes requests, written where every evaluator obeys them.

    {"if": [{"and": [{">=": [{"var": "$flagd.timestamp"}, 1796119200]},
                     {"<": [{"var": "$flagd.timestamp"}, 1798711200]}]}, rule]}

They guard the split and are no part of it: a phase goes on under another end.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from openfeature_triton.flagd_config.targeting import Operation, operation

TIMESTAMP = "$flagd.timestamp"
_YEAR_10000 = 253_402_300_800
_FOREVER = math.inf


@dataclass(frozen=True, slots=True)
class Dates:
    """Seconds since 1970: the first that a flag takes requests in, and the first that it doesn't.

    None is from ever, or for ever.
    """

    start: int | None = None
    end: int | None = None

    def __bool__(self) -> bool:
        return self.start is not None or self.end is not None

    @property
    def are_possible(self) -> bool:
        """Whether there is a moment between them."""
        return self.start is None or self.end is None or self.start < self.end

    def hold(self, moment: int) -> bool:
        """Whether a moment is between them."""
        return (self.start or -_FOREVER) <= moment < (_FOREVER if self.end is None else self.end)

    def inside(self, otherwise: int) -> int:
        """Give a moment between them: the start, or the last one before the end."""
        if self.start is not None:
            return self.start
        return otherwise if self.end is None else self.end - 1

    def overlap(self, other: Dates) -> bool:
        """Whether some moment is between both."""
        if not self or not other:
            return self.are_possible and other.are_possible
        return self.within(other).are_possible

    def within(self, other: Dates) -> Dates:
        """Give the dates that say both."""
        starts = [each for each in (self.start, other.start) if each is not None]
        ends = [each for each in (self.end, other.end) if each is not None]
        return Dates(max(starts, default=None), min(ends, default=None))

    def __str__(self) -> str:
        start = "" if self.start is None else f"from {iso(self.start)}"
        end = "" if self.end is None else f"until {iso(self.end)}"
        return " ".join(filter(None, (start, end))) or "at any time"


_ALWAYS = Dates()
_COMPARISONS = (">=", ">", "<", "<=")


def take_dates(rule: Any) -> tuple[Dates, Any]:
    """Give the dates that guard all of a rule, and the rule without them."""
    found = operation(rule)
    if found is None or found.name not in ("if", "?:") or not _is_guard(found):
        return _ALWAYS, rule
    dates, condition = _of_condition(found.arguments[0])
    inner, result = take_dates(found.arguments[1])
    if condition is not True:
        result = {found.name: [condition, result, *found.arguments[2:]]}
    if not dates and not inner:
        return _ALWAYS, rule
    return dates.within(inner), result


def condition_of(dates: Dates) -> dict[str, Any]:
    """Give the condition that a moment is between dates, of which there is one at least."""
    asked = [
        {operator: [{"var": TIMESTAMP}, moment]}
        for operator, moment in ((">=", dates.start), ("<", dates.end))
        if moment is not None
    ]
    return asked[0] if len(asked) == 1 else {"and": asked}


def wrapped_rule(rule: Any) -> Any:
    """Give what `{"if": [dates, rule]}` guards, None for any other rule."""
    found = operation(rule)
    if found is None or found.name != "if" or len(found.arguments) != 2:
        return None
    dates, rest = _of_condition(found.arguments[0])
    return found.arguments[1] if dates and rest is True else None


def _is_guard(found: Operation) -> bool:
    """Whether an `if` gives nothing where its condition does not hold."""
    return len(found.arguments) >= 2 and found.arguments[2:] in ([], [None])


def _of_condition(condition: Any) -> tuple[Dates, Any]:
    """Give the dates of a condition, and what else it asks, True for nothing."""
    found = operation(condition)
    if found is None or found.name not in ("and", *_COMPARISONS):
        return _ALWAYS, condition
    if found.name != "and":
        dates = _comparison(found)
        return dates, True if dates else condition
    parts = [_of_condition(each) for each in found.arguments]
    dates = _ALWAYS
    for each, _ in parts:
        dates = dates.within(each) if each else dates
    if not dates:
        return _ALWAYS, condition
    rest = [left for _, left in parts if left is not True]
    return dates, {"and": rest} if len(rest) > 1 else (rest or [True])[0]


def _comparison(found: Operation) -> Dates:
    """Give the dates of `timestamp >= moment` and its like."""
    if len(found.arguments) != 2 or not is_timestamp(found.arguments[0]):
        return _ALWAYS
    moment = found.arguments[1]
    if isinstance(moment, bool) or not isinstance(moment, (int, float)):
        return _ALWAYS
    if not 0 <= moment < _YEAR_10000:
        return _ALWAYS
    first, after = math.ceil(moment), math.floor(moment) + 1
    made = {
        ">=": Dates(start=first),
        ">": Dates(start=after),
        "<": Dates(end=first),
        "<=": Dates(end=after),
    }
    return made[found.name]


def is_timestamp(rule: Any) -> bool:
    """Whether a rule reads the moment of the evaluation."""
    found = operation(rule)
    return found is not None and found.name == "var" and found.arguments == [TIMESTAMP]


# As people write them


def read_date(value: Any) -> datetime | None:
    """Give the moment that a text of ISO 8601 names, UTC where it says no zone; None for others."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value.strip().replace("Z", "+00:00"))
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)


def read_seconds(value: Any) -> int | None:
    """Give the same in seconds since 1970, rounded up; None also for a year that is none there."""
    moment = read_date(value)
    if moment is None:
        return None
    seconds = math.ceil(moment.timestamp())
    return seconds if 0 <= seconds < _YEAR_10000 else None


def iso(seconds: int) -> str:
    """Give a moment as ISO 8601, in UTC."""
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
