"""Buckets: sums by buckets of users, from the fields that they are recorded under to arrays."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from openfeature_triton.dashboard.statistics.always_valid import Floats
from openfeature_triton.dashboard.statistics.clusters import BUCKETS
from openfeature_triton.hooks.schema import parse_cluster_field


def buckets_of(fields: Mapping[str, float]) -> dict[str, Floats]:
    """Give each part's sums, (128,), from the fields of `inference_clusters`.

    Parts are those of `hooks.schema.parse_cluster_field`; what is no such field is left out.
    """
    names = tuple(fields)
    parts, places = _places(names)
    found = np.zeros(len(parts) * BUCKETS + 1)
    found[places] = np.fromiter(fields.values(), float, len(names))
    return dict(zip(parts, found[:-1].reshape(len(parts), BUCKETS), strict=True))


@lru_cache(512)
def _places(names: tuple[str, ...]) -> tuple[tuple[str, ...], npt.NDArray[np.int64]]:
    """Give the parts that are named, and where each name has its place, beyond them if nowhere.

    A year's slices have nearly all the same hundreds of names, so these are read once.
    """
    read = [(0, "") if (at := parse_cluster_field(name)) is None else at for name in names]
    parts = dict.fromkeys(part for bucket, part in read if part and bucket < BUCKETS)
    row = {part: nth * BUCKETS for nth, part in enumerate(parts)}
    nowhere = len(parts) * BUCKETS
    places = [row[part] + at if part in row and at < BUCKETS else nowhere for at, part in read]
    return tuple(parts), np.array(places, np.int64)
