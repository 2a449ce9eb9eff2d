"""User sums: what was summed by the 128 buckets of users, as arrays that add up. Pure.

The names of hundreds of fields are read where a store's rows are; what is remembered, merged and
analysed are arrays.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from openfeature_triton.dashboard.histograms import MOST
from openfeature_triton.hooks.histogram import Floats, Ints
from openfeature_triton.hooks.schema import CLUSTER_BUCKETS, parse_cluster_field


@dataclass(frozen=True, slots=True, eq=False)
class UserSums:
    """The sums of each part, (128,); parts are those of `hooks.schema.parse_cluster_field`."""

    parts: Mapping[str, Floats] = field(default_factory=dict)

    def __bool__(self) -> bool:
        """Say whether anything was summed."""
        return bool(self.parts)

    def __eq__(self, other: object) -> bool:
        """Compare by what was summed."""
        if not isinstance(other, UserSums):
            return NotImplemented
        return self.parts.keys() == other.parts.keys() and all(
            np.array_equal(sums, other.parts[part]) for part, sums in self.parts.items()
        )

    def __hash__(self) -> int:
        """Fit with `==`."""
        return hash(tuple(sorted((part, sums.tobytes()) for part, sums in self.parts.items())))


NOBODY = UserSums()


def merge(given: Iterable[UserSums]) -> UserSums:
    """Add user sums up."""
    members = [each for each in given if each.parts]
    if len(members) < 2:
        return members[0] if members else NOBODY
    sums: dict[str, Floats] = {}
    for each in members:
        for part, held in each.parts.items():
            sums[part] = sums[part] + held if part in sums else held
    return UserSums(sums)


def user_sums(
    groups: Sequence[int], fields: Sequence[str], values: Sequence[float], size: int
) -> list[UserSums]:
    """Make the user sums of `size` groups from rows: a group's number, a field, and its sum.

    A field of no bucket, and a sum that is no number, are left out; so is a part that is all 0.
    """
    parts, places = _places(fields)
    held, shape = np.asarray(values, np.float64), (size, len(parts), CLUSTER_BUCKETS)
    used = (places >= 0) & (np.abs(held) < MOST)
    rows = np.asarray(groups, np.int64) * (len(parts) * CLUSTER_BUCKETS) + places
    table = np.bincount(rows[used], held[used], math.prod(shape)).astype(np.float64)
    return [_of(parts, sums) for sums in table.reshape(shape)]


def _places(fields: Sequence[str]) -> tuple[list[str], Ints]:
    """Give the parts that are named, and where among their buckets each field is; −1 nowhere."""
    read = {name: parse_cluster_field(name) for name in dict.fromkeys(fields)}
    known = {name: at for name, at in read.items() if at and at[0] < CLUSTER_BUCKETS}
    parts = sorted({part for _, part in known.values()})
    first = {part: nth * CLUSTER_BUCKETS for nth, part in enumerate(parts)}
    place = {name: first[part] + bucket for name, (bucket, part) in known.items()}
    return parts, np.array([place.get(name, -1) for name in fields], np.int64)


def _of(parts: Sequence[str], table: Floats) -> UserSums:
    """Take over a group's sums, as a copy: it may be remembered for longer than the others."""
    held = table.copy()
    return UserSums({part: sums for part, sums in zip(parts, held, strict=True) if sums.any()})
