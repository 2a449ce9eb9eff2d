"""Clusters: outcomes by 128 buckets of users, for experiments whose unit is the user.

A user's outcomes resemble each other, so what is compared are buckets of users
(DESIGN.md, "Statistics"). Pure.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b

from openfeature_triton.hooks import schema
from openfeature_triton.hooks.metrics import Gathered

# Salted, so that a bucket says nothing of the variant that a key was assigned to.
_SALTED = blake2b(digest_size=1, person=b"clusters")


def bucket_of(targeting_key: str) -> int:
    """Give the bucket of a targeting key: 0 to 127, the same in every process and for ever."""
    digest = _SALTED.copy()
    digest.update(targeting_key.encode("utf-8", "surrogatepass"))
    return digest.digest()[0] % schema.CLUSTER_BUCKETS


def sums(
    keys: Iterable[object],
    failed: Iterable[bool],
    latencies_ms: Iterable[float],
    gathered: Mapping[str, Gathered],
) -> dict[str, float]:
    """Add up outcomes by bucket: how many, how many errors, ms of latency, custom metrics.

    Args:
        keys: the targeting key of each; one that is no text names no user, and is left out.
        failed: whether it failed, of each.
        latencies_ms: of each.
        gathered: the custom metrics that some of them carried.
    """
    buckets = [bucket_of(key) if isinstance(key, str) else None for key in keys]
    increments: defaultdict[str, float] = defaultdict(float)
    for bucket, has_failed, latency_ms in zip(buckets, failed, latencies_ms, strict=True):
        if bucket is not None:
            count, errors, milliseconds = schema.cluster_fields(bucket)
            increments[count] += 1.0
            increments[errors] += has_failed
            increments[milliseconds] += latency_ms
    for name, (places, values) in gathered.items():
        _add_metric(increments, name, [buckets[place] for place in places], values)
    return dict(increments)


def _add_metric(
    increments: dict[str, float],
    name: str,
    buckets: Sequence[int | None],
    values: Sequence[float],
) -> None:
    for bucket, value in zip(buckets, values, strict=True):
        if bucket is not None:
            count, total = schema.cluster_metric_fields(bucket, name)
            increments[count] += 1.0
            increments[total] += value
