"""What a flush with 1,000 live series costs: interpreter time, and how long others wait for it.

    python tests/benchmarks/bench_flush.py

A flush here folds 10 outcomes of each series and hands all changed windows to the spool, or to the
embedded store. Beside it another thread notes the longest time that it was kept from running.
"""

from __future__ import annotations

import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from openfeature_triton.hooks import InfluxSettings, Recorder, RecorderSettings, Series

SERIES = [
    Series(f"e{number // 50}", "0f3c2a1b", "treatment", "treatment", "nmt", f"a{number % 50:02d}")
    for number in range(1000)
]
ROUNDS = 15


def main() -> None:
    """Measure both sinks in one run."""
    with tempfile.TemporaryDirectory() as folder:
        settings = RecorderSettings.model_validate(
            {
                "store": f"sqlite:///{folder}/store.db",
                "spool": Path(folder) / "spool",
                "flush_s": 3600,
                "spool_s": 60,
                "on_sigterm": False,
                "raw_points": False,
            }
        )
        nowhere = InfluxSettings(url="http://127.0.0.1:9")
        with Stalls() as idle:
            time.sleep(1)
        print(f"nothing       longest wait of another thread {idle.longest_ms:4.1f} ms in 1 s")
        for name, recorder in (
            ("spool", Recorder.open(settings, nowhere)),
            ("SQLite store", Recorder.open(settings, InfluxSettings(url=""))),
        ):
            measure(name, recorder)


def measure(name: str, recorder: Recorder) -> None:
    """Print medians over rounds, the first one left out."""
    worker = recorder._worker
    cpu_ms, stalls_ms = [], []
    for _ in range(ROUNDS + 1):
        for series in SERIES:
            for _ in range(10):
                recorder.record(series, 12.5)
        with Stalls() as stalls:
            cpu_ms.append(thread_time_ms(worker.folding.fold) + thread_time_ms(worker.write))
        stalls_ms.append(stalls.longest_ms)
    print(
        f"{name:<13} interpreter time {statistics.median(cpu_ms[1:]):5.1f} ms, "
        f"longest wait of another thread {statistics.median(stalls_ms[1:]):4.1f} ms "
        f"(most {max(stalls_ms[1:]):.1f})"
    )
    recorder.close(0.1)


def thread_time_ms(work: Callable[[], object]) -> float:
    """Run in a thread of its own; gives its CPU time."""
    spent = []

    def run() -> None:
        work()
        spent.append(time.thread_time() * 1e3)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return spent[0]


class Stalls:
    """Watches, in a thread that has little to do but wants it done at once, how long it waits."""

    def __enter__(self) -> Stalls:
        self.longest_ms = 0.0
        self._ending = False
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending = True
        self._thread.join()

    def _watch(self) -> None:
        while not self._ending:
            before = time.perf_counter()
            time.sleep(0.0005)
            self.longest_ms = max(self.longest_ms, (time.perf_counter() - before - 0.0005) * 1e3)


if __name__ == "__main__":
    main()
