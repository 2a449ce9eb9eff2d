"""The whole analysis of an experiment from merged rollups: 30 days, 2 phases, 2 variants.

Run by hand: `python tests/benchmarks/bench_analysis.py`. Printed are the median and the spread of
one `summarize`, of 30 daily looks and of the page's 99, where requests are compared and where users
are; beside it reading the same rollups as JSON, as a floor, and making arrays of the buckets of
users.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from typing import Literal

import numpy as np

from openfeature_triton.dashboard.statistics import Plan, Slice, buckets_of, summarize
from openfeature_triton.dashboard.statistics.always_valid import Floats
from openfeature_triton.dashboard.statistics.guardrails import parse_guardrails
from openfeature_triton.hooks.histogram import bin_of
from openfeature_triton.hooks.schema import CLUSTER_BUCKETS, cluster_fields, cluster_metric_fields

ROUNDS = 51


Recorded = list[tuple[int, str, str, dict[str, float], dict[str, float]]]


def _recorded(hours: int, *, by_user: bool) -> Recorded:
    """Thirty days of two variants: index, phase, variant, fields, clusters.

    By the day, but for the first hours, and all latencies in each variant's first slice.
    """
    rng = np.random.default_rng(0)
    found: Recorded = []
    for at in (*range(hours), *range(hours, 720, 24)):
        requests = 200 if at < hours else 5000
        for variant, median_ms in (("control", 200.0), ("treatment", 180.0)):
            fields = _light(np.exp(rng.normal(np.log(median_ms), 0.5, requests)))
            fields |= _latencies(rng, median_ms) if at == 0 else {}
            clusters = _clusters(rng, requests) if by_user else {}
            found.append((at, "p1" if at < 240 else "p2", variant, fields, clusters))
    return found


def _light(latency_ms: Floats) -> dict[str, float]:
    """The sums of a slice's requests."""
    n, logs = float(len(latency_ms)), np.log(latency_ms)
    return {
        "exposures": n,
        "requests": n,
        "errors": n / 50,
        "latency_ln_sum": float(logs.sum()),
        "latency_ln_sumsq": float((logs**2).sum()),
        "latency_ms_sum": float(latency_ms.sum()),
        "latency_ms_sumsq": float((latency_ms**2).sum()),
        "m_bleu_score_n": n,
        "m_bleu_score_sum": 0.4 * n,
        "m_bleu_score_sumsq": 0.18 * n,
    }


def _latencies(rng: np.random.Generator, median_ms: float) -> dict[str, float]:
    """The histogram of all days."""
    drawn = np.exp(rng.normal(np.log(median_ms), 0.5, 150_000))
    bins, counts = np.unique(bin_of(drawn), return_counts=True)
    return {f"h{b}": float(c) for b, c in zip(bins, counts, strict=True)}


def _clusters(rng: np.random.Generator, requests: int) -> dict[str, float]:
    """The requests of a slice, dealt out among the buckets of users."""
    found: dict[str, float] = {}
    for bucket, dealt in enumerate(
        rng.multinomial(requests, [1 / CLUSTER_BUCKETS] * CLUSTER_BUCKETS)
    ):
        n = float(dealt)
        values = n, float(rng.binomial(dealt, 0.02)), n * rng.normal(200, 10)
        found |= dict(zip(cluster_fields(bucket), values, strict=True))
        found |= dict(zip(cluster_metric_fields(bucket, "bleu_score"), (n, 0.4 * n), strict=True))
    return found


def _ms(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return (time.perf_counter() - started) * 1e3


def main() -> None:
    """Time each kind of experiment and its floors in turn."""
    for hours in (0, 72):
        print(f"{hours + (720 - hours) // 24} looks")
        for unit in ("request", "user"):
            _compare(unit, hours)


def _compare(unit: Literal["request", "user"], hours: int) -> None:
    recorded, even = _recorded(hours, by_user=unit == "user"), {"control": 1.0, "treatment": 1.0}
    plan = Plan(
        "control", {"p1": even, "p2": even}, minimum_effect=0.01, planned_requests=300_000,
        guardrails=parse_guardrails("error_rate:10%, latency_p95:20%"), unit=unit,
    )  # fmt: skip
    text = json.dumps([(fields, clusters) for *_, fields, clusters in recorded])
    slices = [
        Slice(at, phase, variant, fields, buckets_of(clusters))
        for at, phase, variant, fields, clusters in recorded
    ]
    calls: dict[str, Callable[[], object]] = {
        "json.loads": lambda: json.loads(text),
        "buckets_of": lambda: [buckets_of(clusters) for *_, clusters in recorded],
        "summarize": lambda: summarize(slices, plan),
    }
    rounds = [{name: _ms(call) for name, call in calls.items()} for _ in range(ROUNDS)]
    times = {name: [each[name] for each in rounds] for name in calls}
    for name, values in times.items():
        print(
            f"by {unit:8} {name:12} median {statistics.median(values):6.2f} ms"
            f"   min {min(values):.2f}   max {max(values):.2f}"
        )


if __name__ == "__main__":
    main()
