"""What adding up an outcome costs the background thread, by what is told of it.

    python tests/benchmarks/bench_fold.py

Interpreter time per outcome, of 500 outcomes of one series at once; of bare successes also of as
many as wait where a million come in a second.
"""

from __future__ import annotations

import random
import statistics
import time
from array import array
from collections.abc import Callable, Mapping

from openfeature_triton.hooks import Series, outcomes
from openfeature_triton.hooks.metrics import DEFAULT_UNITS

SERIES = Series("nmt-indictrans3", "0f3c2a1b", "treatment", "treatment", "nmt", "hi")
MANY = 250_000
ROUNDS = 41

METRIC = {"output_characters": 42.0}
THREE = {**METRIC, "input_characters": 40.0, "bleu_score": 0.3}


def main() -> None:
    """Measure each kind by turns."""
    draw = random.Random(7)  # noqa: S311
    latencies = array("d", [draw.lognormvariate(3, 1) for _ in range(MANY)])
    few = latencies[: outcomes.AT_ONCE]
    users = [f"user-{draw.randrange(10**6)}" for _ in few]

    def told(
        error_class: str = "", metrics: Mapping[str, float] | None = None, *, by_user: bool = False
    ) -> Callable[[], object]:
        batch: list[outcomes.Outcome] = [
            (ms, error_class, metrics, user if by_user else None)
            for ms, user in zip(few, users, strict=True)
        ]
        return lambda: outcomes.fold([(SERIES, batch)], DEFAULT_UNITS)

    cases: dict[str, tuple[int, Callable[[], object]]] = {
        "bare success": (len(few), lambda: outcomes.fold_successes([(SERIES, few)])),
        "bare, very many": (MANY, lambda: outcomes.fold_successes([(SERIES, latencies)])),
        "error": (len(few), told("timeout")),
        "one metric": (len(few), told(metrics=METRIC)),
        "three metrics": (len(few), told(metrics=THREE)),
        "user": (len(few), told(by_user=True)),
        "user, one metric": (len(few), told(metrics=METRIC, by_user=True)),
    }
    spent: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(ROUNDS):
        for name, (size, fold) in cases.items():
            before_s = time.thread_time()
            fold()
            spent[name].append((time.thread_time() - before_s) / size * 1e6)
    print(f"{ROUNDS} rounds, per outcome, µs: median (least)")
    for name, each_us in spent.items():
        print(f"{name:17} {statistics.median(each_us):6.3f} ({min(each_us):.3f})")


if __name__ == "__main__":
    main()
