"""What a flush with 1,000 live series costs: interpreter time, and how long others wait for it.

    python tests/benchmarks/bench_flush.py

A flush here folds 10 outcomes of each series and hands all changed windows to the spool, or to the
embedded store. Beside it another thread notes the longest time that it was kept from running; what
either of the two waited for a core meanwhile is no time that the flush held the interpreter.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from openfeature_triton.hooks import InfluxSettings, Recorder, RecorderSettings, Series
from tests.benchmarks.core_waits import CoreWaits

SERIES = [
    Series(f"e{number // 50}", "0f3c2a1b", "treatment", "treatment", "nmt", f"a{number % 50:02d}")
    for number in range(1000)
]
ROUNDS = 15
_NAP_S = 5e-4


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
        print(f"nothing       other thread held {idle.longest_ms:4.1f} ms at most in 1 s")
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
            spent_s = time.thread_time()
            worker.folding.fold()
            worker.write()
            cpu_ms.append((time.thread_time() - spent_s) * 1e3)
        stalls_ms.append(stalls.longest_ms)
    print(
        f"{name:<13} interpreter time {statistics.median(cpu_ms[1:]):5.1f} ms, "
        f"other thread held {statistics.median(stalls_ms[1:]):4.1f} ms at most "
        f"(in the worst round {max(stalls_ms[1:]):.1f})"
    )
    recorder.close(0.1)


class Stalls:
    """Watches, in a thread that has little to do but wants it done at once, how long it is held."""

    def __enter__(self) -> Stalls:
        self.longest_ms = 0.0
        self._ending = False
        self._working = threading.get_native_id()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending = True
        self._thread.join()

    def _watch(self) -> None:
        waits = CoreWaits(self._working, threading.get_native_id())
        looked_s, waited_ms = time.perf_counter(), waits.ms()
        while not self._ending:
            time.sleep(_NAP_S)
            now_s, now_waited_ms = time.perf_counter(), waits.ms()
            held_ms = (now_s - looked_s - _NAP_S) * 1e3 - (now_waited_ms - waited_ms)
            self.longest_ms = max(self.longest_ms, held_ms)
            looked_s, waited_ms = now_s, now_waited_ms
        waits.close()


if __name__ == "__main__":
    main()
