"""Plan: who moves from where to where when one version of a flag file is replaced by another.

Both versions are evaluated for the same targeting keys in each slice of task type and language.
The conditions of a slice are evaluated once; only the split is done for each key, with numpy.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import permutations
from typing import Any

import numpy as np
import numpy.typing as npt

from openfeature_triton.flagd_config.bucketing import (
    make_split,
    unit_hash_v2,
    unit_hash_v3,
)
from openfeature_triton.flagd_config.document import Document
from openfeature_triton.flagd_config.experiment import Experiment
from openfeature_triton.flagd_config.explain import explain_flag
from openfeature_triton.flagd_config.split_rules import find_splits, weight_of
from openfeature_triton.flagd_config.targeting import operations

KEYS = 100_000
OWN = "own service"
_MAX_ORDERS = 5  # 120 permutations
Places = npt.NDArray[np.int64]
Place = tuple[str, str]  # experiment key and variant, both empty outside of experiments


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
    """An experiment whose phase differs between the versions; a phase of "" is none."""

    key: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Order:
    """An order of an experiment's variants that moves fewer keys than the one written."""

    key: str
    variants: tuple[str, ...]
    moved: float
    moved_as_written: float


@dataclass(frozen=True, slots=True)
class MovePlan:
    """All that a change of a flag file does."""

    slices: tuple[SliceMoves, ...]
    phases: tuple[PhaseChange, ...]
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
) -> MovePlan:
    """Give what moves between two versions; `slices` are pairs of task type and language."""
    chosen = find_slices(old, new) if slices is None else slices
    before, after = Assigner(old, keys), Assigner(new, keys)
    return MovePlan(
        tuple(
            _compare(task, language, before.places(task, language), after.places(task, language))
            for task, language in chosen
        ),
        tuple(_phase_changes(old, new)),
        tuple(_better_orders(old, new)),
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


class Assigner:
    """Says where the keys go in a slice of one version."""

    def __init__(self, document: Document, keys: Sequence[str]) -> None:
        self._document = document
        self._keys = keys
        self._hashes: dict[str, Places] = {}

    def places(self, task_type: str, language: str) -> list[tuple[Place, npt.NDArray[np.bool_]]]:
        """Give the places of a slice with the keys that go there; every key goes to one place."""
        left = np.ones(len(self._keys), dtype=bool)
        found = []
        for experiment in self._document.of_task(task_type):
            for variant, goes in self._variants(experiment, language):
                found.append(((experiment.key, variant), goes & left))
                left &= ~goes
        return [*found, (("", ""), left)]

    def _variants(
        self, experiment: Experiment, language: str
    ) -> Iterator[tuple[str, npt.NDArray[np.bool_]]]:
        """Give which keys each variant of an experiment takes, of all keys."""
        context = {"task_type": experiment.task_type, "language": language}
        probe = explain_flag(
            self._document, experiment.key, {**context, "targetingKey": self._keys[0]}
        )
        if _depends_on_key(experiment, self._document):
            yield from self._one_by_one(experiment, context)
        elif probe.trace.bucket is None:
            if probe.variant is not None:
                yield probe.variant, np.ones(len(self._keys), dtype=bool)
        else:
            yield from self._split(experiment, probe.trace.bucket.weights)

    def _split(
        self, experiment: Experiment, weights: Sequence[tuple[Any, int]]
    ) -> Iterator[tuple[str, npt.NDArray[np.bool_]]]:
        split = make_split([weight for _, weight in weights], [name for name, _ in weights])
        if split is None:
            return
        hashes = self._hash(experiment.key)
        chosen = np.searchsorted(np.array(split.ends), hashes, side="right")
        for name in dict.fromkeys(split.variants):
            if name is not None:
                wanted = [i for i, each in enumerate(split.variants) if each == name]
                yield str(name), np.isin(chosen, wanted)

    def _hash(self, flag_key: str) -> Places:
        if flag_key not in self._hashes:
            v3 = self._document.bucketing == "v3"
            hash_of = (unit_hash_v3 if v3 else unit_hash_v2)(flag_key)
            self._hashes[flag_key] = np.fromiter(
                (hash_of(key) or 0 for key in self._keys), dtype=np.int64, count=len(self._keys)
            )
        return self._hashes[flag_key]

    def _one_by_one(
        self, experiment: Experiment, context: Mapping[str, Any]
    ) -> Iterator[tuple[str, npt.NDArray[np.bool_]]]:
        """Explain each key: the targeting looks at the key itself."""
        names = [
            explain_flag(self._document, experiment.key, {**context, "targetingKey": key}).variant
            for key in self._keys
        ]
        for name in dict.fromkeys(names):
            if name is not None:
                yield name, np.array([each == name for each in names])


def _depends_on_key(experiment: Experiment, document: Document) -> bool:
    """Whether the targeting does more with the key than to split by flag key and key."""
    targeting = document.flags[experiment.key].get("targeting")
    return any(
        (found.name == "var" and found.arguments[:1] in (["targetingKey"], [""], []))
        or (found.name == "fractional" and not isinstance(found.arguments[0], list))
        or found.name in ("missing", "missing_some")
        or (found.name == "var" and not isinstance(found.arguments[0], str))
        for found in operations(targeting)
    )


def _compare(
    task_type: str,
    language: str,
    before: Sequence[tuple[Place, npt.NDArray[np.bool_]]],
    after: Sequence[tuple[Place, npt.NDArray[np.bool_]]],
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


def _shares(places: Sequence[tuple[Place, npt.NDArray[np.bool_]]]) -> dict[str, float]:
    shares = {_name(place): float(np.count_nonzero(goes)) / len(goes) for place, goes in places}
    return {name: share for name, share in shares.items() if share}


def _name(place: Place) -> str:
    return f"{place[0]}/{place[1]}" if place[0] else OWN


def _phase_changes(old: Document, new: Document) -> Iterator[PhaseChange]:
    for key in sorted({*old.experiments, *new.experiments}):
        before, after = _phase(old, key), _phase(new, key)
        if before != after:
            yield PhaseChange(key, before, after)


def _phase(document: Document, key: str) -> str:
    return document.experiments[key].phase if key in document.experiments else ""


def _better_orders(old: Document, new: Document) -> Iterator[Order]:
    """Find orders of shares that keep more keys where they are: buckets are cut in that order."""
    for key in new.experiments:
        if key not in old.experiments or old.bucketing != new.bucketing:
            continue
        was, used = _shares_of(old, key), _shares_of(new, key)
        names = [name for name, _ in used]
        if not 1 < len(used) <= _MAX_ORDERS or len(set(names)) < len(names):
            continue
        weights, ends = dict(used), _cuts(was)
        moved = {
            order: _moved(ends, _cuts([(name, weights[name]) for name in order]))
            for order in permutations(names)
        }
        best = min(moved, key=lambda order: moved[order])
        if moved[best] < moved[tuple(names)] - 1e-9:
            yield Order(key, best, moved[best], moved[tuple(names)])


def _shares_of(document: Document, key: str) -> list[tuple[str, int]]:
    """Give the weights above 0 in the order of the split, in which the buckets are cut."""
    (split,) = find_splits(document.flags[key])
    shares = [share for share in split.arguments if isinstance(share, list)]
    weighed = ((str(share[0]), weight_of(share) or 0) for share in shares)
    return [(name, weight) for name, weight in weighed if weight]


def _cuts(weights: Sequence[tuple[str, int]]) -> list[tuple[float, float, str]]:
    total, low, cuts = sum(weight for _, weight in weights), 0.0, []
    for name, weight in weights:
        cuts.append((low, low + weight / total, name))
        low += weight / total
    return cuts


def _moved(
    before: Sequence[tuple[float, float, str]], after: Sequence[tuple[float, float, str]]
) -> float:
    stays = sum(
        max(0.0, min(old[1], new[1]) - max(old[0], new[0]))
        for old in before
        for new in after
        if old[2] == new[2]
    )
    return 1 - stays
