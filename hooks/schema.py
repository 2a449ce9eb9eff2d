"""Schema: the names under which numbers are stored, in one place.

Every field of a window is additive over windows, writers and series: merging is summing. A point's
time is its window's start plus the writer's constant offset, which is smaller than the window.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache

from openfeature_triton.hooks.series import Evaluation, Series

LIGHT = "inference_light"
LATENCY = "inference_latency"
EVALUATION = "evaluation"
PHASE = "experiment_phase"
CLUSTERS = "inference_clusters"
RAW = "inference"
LATE = "late_windows"
MERGED = "merged_day"

SERIES_TAGS = Series._fields
"""Tags of `inference_light` and `inference_latency`."""

CLUSTER_TAGS = tuple(tag for tag in SERIES_TAGS if tag != "language")
"""Tags of `inference_clusters`."""

EVALUATION_TAGS = Evaluation._fields
"""Tags of `evaluation`."""

PHASE_TAGS = ("experiment", "phase")
"""Tags of `experiment_phase`."""

# inference_light. The latency sums cover all requests, success and error alike.
EXPOSURES = "exposures"
REQUESTS = "requests"
ERRORS = "errors"
LATENCY_SUM = "latency_ms_sum"
LATENCY_SUMSQ = "latency_ms_sumsq"
LATENCY_LN_SUM = "latency_ln_sum"
LATENCY_LN_SUMSQ = "latency_ln_sumsq"

ERROR_CLASSES = (
    "timeout",
    "unreachable",
    "unauthorised",
    "invalid_request",
    "server_error",
    "cancelled",
    "other",
)
"""The classes of a failed inference; each has a field `error_<class>`."""

# evaluation
COUNT = "count"
EVALUATION_ERRORS = "errors"
DURATION_SUM = "duration_us_sum"

# inference_clusters
CLUSTER_BUCKETS = 128

# inference: raw points
SUCCESS = "success"
LATENCY_MS = "latency_ms"
ERROR_CLASS = "error_class"

# experiment_phase
WEIGHTS = "weights"
METADATA = "metadata"
DEFINITION = "definition"
BUCKETING = "bucketing"
PHASE_FIELDS = (WEIGHTS, METADATA, DEFINITION, BUCKETING)

# late_windows (beside the windows) and merged_day (beside the merged days): no tags
MARK = "mark"
MARKS_SEEN = "marks_seen"

_METRIC = re.compile(r"m_(?P<name>[a-z][a-z0-9_]*)_(?P<part>n|sum|sumsq)")
_CLUSTER = re.compile(r"b(?P<bucket>[0-9]+)_(?P<part>n|errors|latency_ms|m_[a-z0-9_]+_(n|sum))")
_BIN = re.compile(r"h(?P<bin>[0-9]+)")


def error_field(error_class: str) -> str:
    """Give the field that counts one class of errors."""
    return f"error_{error_class}"


def metric_fields(name: str) -> tuple[str, str, str]:
    """Give the fields of a custom metric: how many values, their sum, the sum of their squares."""
    return f"m_{name}_n", f"m_{name}_sum", f"m_{name}_sumsq"


def parse_metric_field(field: str) -> tuple[str, str] | None:
    """Give the metric's name and which part it is (`n`, `sum`, `sumsq`); None for another field."""
    match = _METRIC.fullmatch(field)
    return (match["name"], match["part"]) if match else None


def bin_field(index: int) -> str:
    """Give the field that counts one bin of the latency histogram."""
    return f"h{index}"


@lru_cache(4096)
def parse_bin_field(field: str) -> int | None:
    """Give the bin that a field counts; None for another field."""
    match = _BIN.fullmatch(field)
    return int(match["bin"]) if match else None


def cluster_fields(bucket: int) -> tuple[str, str, str]:
    """Give the fields of a bucket of users: how many outcomes, errors among them, ms of latency."""
    return _CLUSTER_FIELDS[bucket]


@cache
def cluster_metric_fields(bucket: int, name: str) -> tuple[str, str]:
    """Give the fields of a custom metric in a bucket of users: how many values, and their sum."""
    return f"b{bucket}_m_{name}_n", f"b{bucket}_m_{name}_sum"


def parse_cluster_field(field: str) -> tuple[int, str] | None:
    """Give the bucket and its part; None for another field.

    Parts are `n`, `errors`, `latency_ms`, and `m_<name>_n` and `m_<name>_sum` of custom metrics.
    """
    match = _CLUSTER.fullmatch(field)
    return (int(match["bucket"]), match["part"]) if match else None


_CLUSTER_FIELDS = tuple(
    (f"b{bucket}_n", f"b{bucket}_errors", f"b{bucket}_latency_ms")
    for bucket in range(CLUSTER_BUCKETS)
)
