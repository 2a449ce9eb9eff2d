"""Chosen: which part of an experiment is looked at: a phase, a range of days, or all of it. Pure.

A part is for exploring. Whoever looks at many will find one that pleases, so no verdict is made of
any.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date

from openfeature_triton.dashboard.errors import DashboardError
from openfeature_triton.dashboard.store import STEP_NS, Totals

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_DAY_0 = date(1970, 1, 1).toordinal()
_NAMES = ("phase", "start", "end")


class ChoiceError(DashboardError):
    """A part that can't be chosen so; says which value is wrong, and how to write it."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """A part of an experiment: a phase, and the days of UTC from `start` to `end`, both in it.

    Empty or None is no bound; without any it is all of the experiment.
    """

    phase: str = ""
    start: date | None = None
    end: date | None = None

    def __bool__(self) -> bool:
        """Say whether it is a part, and not all."""
        return bool(self.phase) or self.is_range

    @property
    def is_range(self) -> bool:
        """Whether it is bounded by days."""
        return self.start is not None or self.end is not None

    @property
    def query(self) -> dict[str, str]:
        """What a link to it asks for."""
        given = {"phase": self.phase, "start": self.start, "end": self.end}
        return {name: str(value) for name, value in given.items() if value}

    @property
    def days(self) -> str:
        """The range in words; empty without one."""
        if self.start is not None and self.start == self.end:
            return f"on {self.start}"
        said = [f"from {self.start}"] if self.start is not None else []
        return " ".join(said + ([f"to {self.end}"] if self.end is not None else []))

    @property
    def range_ns(self) -> tuple[int | None, int | None]:
        """When it begins, and before when it ends, in ns since 1970; None for no bound."""
        start, end = (
            None if each is None else (each.toordinal() - _DAY_0) * STEP_NS["day"]
            for each in (self.start, self.end)
        )
        return start, None if end is None else end + STEP_NS["day"]

    def holds(self, totals: Totals) -> bool:
        """Say whether some totals lie in it."""
        return (
            self.phase in ("", totals.phase)
            and (self.start is None or totals.day >= self.start)
            and (self.end is None or totals.day <= self.end)
        )


ALL = Chosen()


def read_chosen(given: Mapping[str, Sequence[str]]) -> Chosen:
    """Read what a query, or a command's options, ask for. Raises ChoiceError."""
    twice = next((name for name in _NAMES if len(given.get(name, ())) > 1), None)
    if twice is not None:
        raise ChoiceError(f"{twice}: give it once")
    phase, start, end = (next(iter(given.get(name, ())), "") for name in _NAMES)
    found = Chosen(phase, _day("start", start), _day("end", end))
    if found.start is not None and found.end is not None and found.start > found.end:
        raise ChoiceError(f"start: {found.start} lies after end, {found.end}; swap them")
    return found


def _day(name: str, text: str) -> date | None:
    if not text.strip():
        return None
    with suppress(ValueError):  # a 13th month
        if _DAY.fullmatch(text.strip()):
            return date.fromisoformat(text.strip())
    raise ChoiceError(f"{name}: {text[:40]!r} is no day; write one as 2026-11-24")
