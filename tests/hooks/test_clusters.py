"""Buckets of users."""

from __future__ import annotations

from collections import Counter

from openfeature_triton.hooks import schema
from openfeature_triton.hooks.clusters import bucket_of


def test_buckets_never_change() -> None:
    """They are stored: another hash would tear a user's outcomes apart."""
    assert [bucket_of(key) for key in ("anna", "bo", "\ud800", "")] == [110, 117, 65, 102]


def test_users_spread_evenly() -> None:
    """Each of the 128 buckets gets its share of 12,800 users, give or take."""
    counts = Counter(bucket_of(f"user-{number}") for number in range(12_800))
    assert len(counts) == schema.CLUSTER_BUCKETS
    assert max(counts.values()) < 150


def test_a_bucket_names_its_fields() -> None:
    """And the fields name their bucket."""
    assert schema.cluster_fields(7) == ("b7_n", "b7_errors", "b7_latency_ms")
    assert schema.parse_cluster_field("b7_latency_ms") == (7, "latency_ms")
    assert schema.cluster_metric_fields(7, "word_n") == ("b7_m_word_n_n", "b7_m_word_n_sum")
    assert schema.parse_cluster_field("b7_m_word_n_sum") == (7, "m_word_n_sum")
    assert schema.parse_cluster_field("bogus") is None
