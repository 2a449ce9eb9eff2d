"""Accumulating: slices added up over time into the arrays that all else is computed from."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import product
from typing import NamedTuple

import numpy as np

from openfeature_triton.dashboard.statistics.always_valid import Floats
from openfeature_triton.dashboard.statistics.clusters import BUCKETS
from openfeature_triton.dashboard.statistics.rollups import Cumulative, Slice
from openfeature_triton.hooks import schema


def accumulate(slices: Iterable[Slice], control: str, *, by_user: bool = False) -> Cumulative:
    """Add slices up over time; several of one index, phase and variant are merged by summing.

    Args:
        slices: sums, in any order.
        control: the variant that comes first.
        by_user: whether the buckets of users are wanted, where they were counted.
    """
    given = tuple(slices)
    axes = _axes(given, control)
    names = {name for each in given for name in each.fields}
    bins = {name: index for name in names if (index := schema.parse_bin_field(name)) is not None}
    return Cumulative(
        slices=axes.times,
        phases=axes.phases,
        variants=axes.variants,
        fields=_fields(given, sorted(names - bins.keys()), axes),
        bins=np.array(sorted(bins.values()), float),
        counts=_counts(given, sorted(bins, key=bins.__getitem__), axes),
        buckets=_buckets(given, axes) if by_user else {},
    )


class _Axes(NamedTuple):
    """What the axes of an array stand for."""

    times: tuple[int, ...]
    phases: tuple[str, ...]
    variants: tuple[str, ...]

    @property
    def shape(self) -> tuple[int, int, int]:
        """How long they are."""
        return len(self.times), len(self.phases), len(self.variants)

    def places(self, slices: Iterable[Slice]) -> list[tuple[int, int, int]]:
        """Give where in an array each slice has its place."""
        time, phase, variant = ({key: nth for nth, key in enumerate(keys)} for keys in self)
        return [(time[each.index], phase[each.phase], variant[each.variant]) for each in slices]

    def flat(self, slices: Iterable[Slice]) -> list[int]:
        """Give the same in an array that was made flat."""
        _, phases, variants = self.shape
        return [(t * phases + p) * variants + v for t, p, v in self.places(slices)]


def _axes(slices: Sequence[Slice], control: str) -> _Axes:
    times = sorted({each.index for each in slices})
    phases = dict.fromkeys(each.phase for each in sorted(slices, key=lambda each: each.index))
    treatments = sorted({each.variant for each in slices} - {control})
    return _Axes(tuple(times), tuple(phases), (control, *treatments))


def _fields(slices: Sequence[Slice], names: Sequence[str], axes: _Axes) -> dict[str, Floats]:
    """Add up each field over time."""
    sums = _sums(slices, names, axes.flat(slices), math.prod(axes.shape))
    return dict(zip(names, sums.reshape(len(names), *axes.shape).cumsum(axis=1), strict=True))


def _counts(slices: Sequence[Slice], names: Sequence[str], axes: _Axes) -> Floats:
    """Add up the bins of each phase and variant, whenever they were counted."""
    known = set(names)
    timed = [each for each in slices if not known.isdisjoint(each.fields)]
    _, phases, variants = axes.shape
    places = [phase * variants + variant for _, phase, variant in axes.places(timed)]
    sums = _sums(timed, names, places, phases * variants)
    return np.transpose(sums).reshape(phases, variants, len(names))


def _sums(
    slices: Sequence[Slice], names: Sequence[str], places: Sequence[int], width: int
) -> Floats:
    """Add up fields in an array of shape (names, width), each slice's at its place."""
    row = {name: nth * width for nth, name in enumerate(names)}
    at: list[int] = []
    values: list[float] = []
    for each, place in zip(slices, places, strict=True):
        for name, value in each.fields.items():
            if name in row:
                at.append(row[name] + place)
                values.append(value)
    found = np.bincount(np.array(at, int), np.array(values, float), len(names) * width)
    return found.astype(float).reshape(len(names), width)


def _buckets(slices: Iterable[Slice], axes: _Axes) -> dict[str, Floats]:
    """Add up each part's buckets over time, in arrays with a last axis of 128.

    In an array of one time, which is small, as it stood at the end of each.
    """
    by_time: dict[int, list[Slice]] = {time: [] for time in axes.times}
    for each in slices:
        by_time[each.index].append(each)
    parts = sorted({part for each in slices for part in each.buckets})
    now = np.zeros((*axes.shape[1:], len(parts), BUCKETS))
    rows = dict(
        zip(product(axes.phases, axes.variants, parts), now.reshape(-1, BUCKETS), strict=True)
    )
    found = np.empty((len(by_time), *now.shape))
    for members, then in zip(by_time.values(), found, strict=True):
        for each in members:
            for part, sums in each.buckets.items():
                rows[each.phase, each.variant, part] += sums
        then[:] = now
    return {part: found[..., nth, :] for nth, part in enumerate(parts)}
