"""Orders of an experiment's variants in its split: buckets are cut in that order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations

from openfeature_triton.flagd_config.document import Document
from openfeature_triton.flagd_config.split_rules import find_splits, weight_of

_MOST = 5  # variants: 120 orders


@dataclass(frozen=True, slots=True)
class Order:
    """An order of an experiment's variants that moves fewer keys than the one written."""

    key: str
    variants: tuple[str, ...]
    moved: float
    moved_as_written: float


def better_orders(old: Document, new: Document) -> Iterator[Order]:
    """Find orders of shares that keep more keys where they are."""
    for key in new.experiments:
        if key not in old.experiments or old.bucketing != new.bucketing:
            continue
        was, used = _shares_of(old, key), _shares_of(new, key)
        names = [name for name, _ in used]
        if not 1 < len(used) <= _MOST or len(set(names)) < len(names):
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
