"""The whole analysis of an experiment from merged rollups: 30 days, 2 phases, 2 variants.

Run by hand: `python tests/benchmarks/bench_analysis.py`. Printed are the median and the spread of
one `summarize`, beside reading the same rollups as JSON, as a floor.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable

import numpy as np

from openfeature_triton.dashboard.statistics import Plan, Slice, summarize
from openfeature_triton.dashboard.statistics.guardrails import parse_guardrails
from openfeature_triton.hooks.histogram import bin_of

ROUNDS = 51


def _slices() -> list[Slice]:
    rng = np.random.default_rng(0)
    found = []
    for day in range(30):
        for variant, median_ms in (("control", 200.0), ("treatment", 180.0)):
            logs = rng.normal(np.log(median_ms), 0.5, 5000)
            bins, counts = np.unique(bin_of(np.exp(logs)), return_counts=True)
            fields = {f"h{b}": float(c) for b, c in zip(bins, counts, strict=True)}
            fields |= {"exposures": 5000.0, "requests": 5000.0, "errors": 100.0}
            fields |= {"latency_ln_sum": logs.sum(), "latency_ln_sumsq": (logs**2).sum()}
            fields |= {"m_bleu_score_n": 5000.0, "m_bleu_score_sum": 2000.0}
            fields |= {"m_bleu_score_sumsq": 900.0}
            found.append(Slice(day, "p1" if day < 10 else "p2", variant, fields))
    return found


def _ms(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return (time.perf_counter() - started) * 1e3


def main() -> None:
    """Time both in turn."""
    slices, even = _slices(), {"control": 1.0, "treatment": 1.0}
    plan = Plan(
        "control", {"p1": even, "p2": even}, minimum_effect=0.01, planned_requests=300_000,
        guardrails=parse_guardrails("error_rate:10%, latency_p95:20%"),
    )  # fmt: skip
    text = json.dumps([dict(each.fields) for each in slices])
    summarize(slices, plan)
    floors, times = [], []
    for _ in range(ROUNDS):
        floors.append(_ms(lambda: json.loads(text)))
        times.append(_ms(lambda: summarize(slices, plan)))
    for name, values in (("json.loads", floors), ("summarize", times)):
        print(
            f"{name:12} median {statistics.median(values):6.2f} ms"
            f"   min {min(values):.2f}   max {max(values):.2f}"
        )


if __name__ == "__main__":
    main()
