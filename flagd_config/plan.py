"""Plan: who moves from where to where when one version of a flag file is replaced by another.

Both versions are evaluated for the same targeting keys in each slice of task type and language.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from openfeature_triton.flagd_config.assigner import Assigner, Keys, Place
from openfeature_triton.flagd_config.dates import Dates
from openfeature_triton.flagd_config.document import Document
from openfeature_triton.flagd_config.split_order import Order, better_orders

KEYS = 100_000
OWN = "own service"


@dataclass(frozen=True, slots=True)
class Move:
    """How many of a slice's keys go from one place to another; `share` is of all its keys."""

    before: str
    after: str
    keys: int
    share: float


@dataclass(frozen=True, slots=True)
class SliceMoves:
    """What happens to the keys of one task type and language.

    `least` is the share that any change between these two splits must move, half the sum of
    |share after - share before| over places.
    """

    task_type: str
    language: str
    keys: int
    before: Mapping[str, float]
    after: Mapping[str, float]
    moves: tuple[Move, ...]
    moved: float
    least: float


@dataclass(frozen=True, slots=True)
class PhaseChange:
    """An experiment whose phase differs between the versions; a phase of "" is none.

    `shipped` is the variant that it was concluded with, "" if it was not.
    """

    key: str
    before: str
    after: str
    shipped: str = ""


@dataclass(frozen=True, slots=True)
class DatesChange:
    """An experiment that is to begin or end at another time, in words."""

    key: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class MovePlan:
    """All that a change of a flag file does."""

    slices: tuple[SliceMoves, ...]
    phases: tuple[PhaseChange, ...]
    dates: tuple[DatesChange, ...]
    orders: tuple[Order, ...]

    def as_dict(self) -> dict[str, Any]:
        """Give the same as values that JSON can hold."""
        return asdict(self)


def default_keys(count: int = KEYS) -> list[str]:
    """Give the same targeting keys each time."""
    return [f"key-{index:06d}" for index in range(count)]


def make_plan(
    old: Document,
    new: Document,
    keys: Sequence[str],
    slices: Sequence[tuple[str, str]] | None = None,
    *,
    at: int | None = None,
    say: Callable[[str], object] = str,
) -> MovePlan:
    """Give what moves between two versions.

    Args:
        old: the version that runs.
        new: the version that is to run.
        keys: the targeting keys that are assigned in both.
        slices: pairs of task type and language, those that experiments name if not given.
        at: the moment to look at, in seconds since 1970; if not given, each flag is looked at
            while its dates let it take requests.
        say: is told how far it is.
    """
    chosen = find_slices(old, new) if slices is None else slices
    before, after = Assigner(old, keys, at), Assigner(new, keys, at)
    moves = []
    for index, (task, language) in enumerate(chosen, 1):
        say(f"{index} of {len(chosen)} slices")
        was, goes = before.places(task, language), after.places(task, language)
        moves.append(_compare(task, language, was, goes))
    return MovePlan(
        tuple(moves),
        tuple(_phase_changes(old, new)),
        tuple(_date_changes(old, new)),
        tuple(better_orders(old, new)),
    )


def find_slices(*documents: Document) -> list[tuple[str, str]]:
    """Give each task type with each language that an experiment of it names, and one other."""
    found: dict[str, set[str]] = {}
    for document in documents:
        for experiment in document.experiments.values():
            found.setdefault(experiment.task_type, set()).update(experiment.languages)
    return [
        (task, language)
        for task, languages in sorted(found.items())
        for language in [*sorted(languages), ""]
    ]


def _compare(
    task_type: str,
    language: str,
    before: Sequence[tuple[Place, Keys]],
    after: Sequence[tuple[Place, Keys]],
) -> SliceMoves:
    size = len(before[0][1])
    moves = []
    for old_place, was in before:
        for new_place, goes in after:
            count = int(np.count_nonzero(was & goes))
            if count and old_place != new_place:
                moves.append(Move(_name(old_place), _name(new_place), count, count / size))
    shares_before, shares_after = _shares(before), _shares(after)
    names = {*shares_before, *shares_after}
    least = sum(abs(shares_after.get(n, 0) - shares_before.get(n, 0)) for n in names) / 2
    return SliceMoves(
        task_type,
        language,
        size,
        shares_before,
        shares_after,
        tuple(sorted(moves, key=lambda move: (-move.keys, move.before, move.after))),
        sum(move.keys for move in moves) / size,
        least,
    )


def _shares(places: Sequence[tuple[Place, Keys]]) -> dict[str, float]:
    shares = {_name(place): float(np.count_nonzero(goes)) / len(goes) for place, goes in places}
    return {name: share for name, share in shares.items() if share}


def _name(place: Place) -> str:
    return f"{place[0]}/{place[1]}" if place[0] else OWN


def _phase_changes(old: Document, new: Document) -> Iterator[PhaseChange]:
    for key in sorted({*old.experiments, *new.experiments}):
        before, after = _phase(old, key), _phase(new, key)
        if before != after:
            concluded = new.shipped.get(key)
            yield PhaseChange(key, before, after, concluded.winner if concluded else "")


def _phase(document: Document, key: str) -> str:
    return document.experiments[key].phase if key in document.experiments else ""


def _date_changes(old: Document, new: Document) -> Iterator[DatesChange]:
    for key, experiment in new.experiments.items():
        before = old.experiments[key].dates if key in old.experiments else Dates()
        if before != experiment.dates:
            yield DatesChange(key, str(before), str(experiment.dates))
