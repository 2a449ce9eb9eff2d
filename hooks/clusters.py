"""Clusters: outcomes by 128 buckets of users, for experiments whose unit is the user.

A user's outcomes resemble each other, so what is compared are buckets of users
(DESIGN.md, "Statistics"). Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import blake2b

from openfeature_triton.hooks import schema

_SALT = b"clusters"  # so that a bucket says nothing of the variant that a key was assigned to


def bucket_of(targeting_key: str) -> int:
    """Give the bucket of a targeting key: 0 to 127, the same in every process and for ever."""
    key = targeting_key.encode("utf-8", "surrogatepass")
    return blake2b(key, digest_size=1, person=_SALT).digest()[0] % schema.CLUSTER_BUCKETS


def sums(outcomes: Iterable[tuple[str, bool, float, Mapping[str, float]]]) -> dict[str, float]:
    """Add up outcomes by bucket: how many, how many errors, ms of latency, custom metrics.

    Args:
        outcomes: targeting key, whether it failed, latency in ms, custom metrics, of each.
    """
    increments: dict[str, float] = {}
    for targeting_key, failed, latency_ms, metrics in outcomes:
        bucket = bucket_of(targeting_key)
        grown = [*zip(schema.cluster_fields(bucket), (1.0, float(failed), latency_ms), strict=True)]
        for name, value in metrics.items():
            grown += zip(schema.cluster_metric_fields(bucket, name), (1.0, value), strict=True)
        for field, amount in grown:
            increments[field] = increments.get(field, 0.0) + amount
    return increments
