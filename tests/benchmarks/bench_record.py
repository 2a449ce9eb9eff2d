"""How long `Recorder.record` takes, beside a plain `deque.append` in the same run.

    python tests/benchmarks/bench_record.py

Each sample is the mean of a batch of calls, less the empty loop's. While it measures, the
background thread folds into rollups as in a service, and has the time between batches to keep up.
"""

from __future__ import annotations

import statistics
import time
from collections import deque
from collections.abc import Callable
from itertools import repeat

from openfeature_triton.hooks import MemorySink, Recorder, RecorderSettings, Series

BATCH = 200
SAMPLES = 2_000
ROUNDS = 7
PAUSE_S = 2e-4

SERIES = Series("nmt-indictrans3", "0f3c2a1b", "treatment", "treatment", "nmt", "hi")
METRICS = {"output_characters": 42.0}


def main() -> None:
    """Measure in rounds that alternate, and print medians with their spread."""
    recorder = Recorder(MemorySink(), RecorderSettings(window_s=300, on_sigterm=False))
    floor: deque[tuple[float, str, None]] = deque(maxlen=100_000)
    cases: dict[str, Callable[[], object]] = {
        "deque.append": lambda: floor.append((12.5, "", None)),
        "record": lambda: recorder.record(SERIES, 12.5),
        "record + metric": lambda: recorder.record(SERIES, 12.5, "", METRICS),
        "expose": lambda: recorder.expose(SERIES),
    }
    rounds: dict[str, list[list[float]]] = {name: [] for name in cases}
    for _ in range(ROUNDS):
        for name, call in cases.items():
            rounds[name].append(sample_us(call))
    print(f"{ROUNDS} rounds of {SAMPLES} batches of {BATCH} calls, per call, µs: median (spread)")
    floors = [statistics.median(samples) for samples in rounds["deque.append"]]
    for name, all_samples in rounds.items():
        p50s = [statistics.median(samples) for samples in all_samples]
        p99s = [statistics.quantiles(samples, n=100)[98] for samples in all_samples]
        ratios = [p50 / base for p50, base in zip(p50s, floors, strict=True)]
        print(f"{name:<16} p50 {spread(p50s)}  p99 {spread(p99s)}  × floor {spread(ratios)}")
    assert recorder.close(30)
    stats = recorder.stats()
    assert stats.delivered == 2 * ROUNDS * SAMPLES * BATCH, stats
    print(f"{stats.delivered:,} outcomes recorded, {sum(stats.dropped.values())} dropped")


def sample_us(call: Callable[[], object]) -> list[float]:
    """Time batches of a call; µs per call, less what an empty call costs."""
    empty = min(time_us(lambda: None) for _ in range(50))
    samples = []
    for _ in range(SAMPLES):
        samples.append(time_us(call) - empty)
        time.sleep(PAUSE_S)
    return samples


def time_us(call: Callable[[], object]) -> float:
    """Time one batch of a call; µs per call."""
    started = time.perf_counter_ns()
    for _ in repeat(None, BATCH):
        call()
    return (time.perf_counter_ns() - started) / BATCH / 1e3


def spread(values: list[float]) -> str:
    """Write the median, the least and the greatest."""
    return f"{statistics.median(values):6.3f} ({min(values):.3f} to {max(values):.3f})"


if __name__ == "__main__":
    main()
