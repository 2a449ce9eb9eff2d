"""The whole analysis of an experiment from merged rollups: 30 days, 2 phases, 2 variants.

Run by hand: `python tests/benchmarks/bench_analysis.py`. Printed are the median and the spread of
processor time, at 30 daily looks and at the page's 99, where requests are compared and where users
are, of

- `analyse`: all that a page does from the totals that it remembers to a verdict,
- `summarize`: the statistics alone, most of it,
- `totals`: making totals, and arrays of the buckets of users, of all rows of a store: once,
- `buckets_of`: making these arrays in a notebook, of fields by name.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Literal

import numpy as np

from openfeature_triton.dashboard import rows
from openfeature_triton.dashboard.plans import BY_VARIANT, analyse, slices
from openfeature_triton.dashboard.statistics import Plan, buckets_of, summarize
from openfeature_triton.dashboard.statistics.always_valid import Floats
from openfeature_triton.dashboard.statistics.guardrails import parse_guardrails
from openfeature_triton.dashboard.store import (
    CLUSTERS,
    COUNTS,
    LATENCIES,
    STEP_NS,
    Query,
    Totals,
)
from openfeature_triton.hooks.histogram import bin_of
from openfeature_triton.hooks.schema import CLUSTER_BUCKETS, cluster_fields, cluster_metric_fields

ROUNDS = 51
NOW = datetime(1970, 1, 31, tzinfo=timezone.utc)

Rows = list[tuple[tuple[int, str, str], str, float]]
"""The hour, the phase and the variant, a field, and its sum."""


def _recorded(hours: int, *, by_user: bool) -> dict[str, Rows]:
    """Thirty days of two variants: by the day, but for the first hours."""
    rng = np.random.default_rng(0)
    found: dict[str, Rows] = {COUNTS: [], LATENCIES: [], CLUSTERS: []}
    for at in (*range(hours), *range(hours, 720, 24)):
        requests = 200 if at < hours else 5000
        for variant, median_ms in (("control", 200.0), ("treatment", 180.0)):
            key = at, "p1" if at < 240 else "p2", variant
            light = _light(np.exp(rng.normal(np.log(median_ms), 0.5, requests)))
            found[COUNTS] += ((key, *each) for each in light.items())
            if at == 0:
                found[LATENCIES] += ((key, *each) for each in _latencies(rng, median_ms).items())
            if by_user:
                found[CLUSTERS] += ((key, *each) for each in _clusters(rng, requests).items())
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


def _totals(recorded: dict[str, Rows]) -> tuple[list[Totals], list[Totals]]:
    """Make totals of rows, as a store does; those by buckets of users apart."""
    counts, latencies, clusters = (_made(what, given) for what, given in recorded.items())
    return [*counts, *latencies], [*clusters]


def _made(what: str, given: Rows) -> tuple[Totals, ...]:
    query, hour_ns = Query(what, "e", by=BY_VARIANT), STEP_NS["hour"]
    keys, fields, values = zip(*given, strict=True) if given else ((), (), ())
    return rows.totals(
        query, keys, lambda key: rows.group(query, key[1:], key[0] * hour_ns), fields, values
    )


def _ms(call: Callable[[], object]) -> float:
    started = time.process_time()  # not while others have the core
    call()
    return (time.process_time() - started) * 1e3


def main() -> None:
    """Time each kind of experiment."""
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
    totals, clusters = _totals(recorded)
    used = [*slices(plan, totals, clusters)]
    by_name: dict[tuple[int, str, str], dict[str, float]] = {}
    for key, field, value in recorded[CLUSTERS]:
        by_name.setdefault(key, {})[field] = value
    calls: dict[str, Callable[[], object]] = {
        "analyse": lambda: analyse(plan, totals, NOW, clusters),
        "summarize": lambda: summarize(used, plan),
        "totals": lambda: _totals(recorded),
        "buckets_of": lambda: [buckets_of(each) for each in by_name.values()],
    }
    for name, call in calls.items():
        values = [_ms(call) for _ in range(ROUNDS)]
        print(
            f"by {unit:8} {name:12} median {statistics.median(values):6.2f} ms"
            f"   min {min(values):.2f}   max {max(values):.2f}"
        )


if __name__ == "__main__":
    main()
