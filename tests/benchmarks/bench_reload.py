"""A change of flags: how long until the first decision with it, and what it costs requests.

Run by hand: `python -m tests.benchmarks.bench_reload`. Printed are, for the file and for the sync
stream, the time from the change in the file to the first evaluation that shows it; and the slowest
evaluations of two threads while one of 5,000 flags changes again and again, beside those of the
same threads while nothing changes.
"""

from __future__ import annotations

import json
import random
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from openfeature import api
from openfeature.evaluation_context import EvaluationContext
from openfeature.provider import AbstractProvider

from openfeature_triton.flagd_config import example
from openfeature_triton.provider import FileFlags, SyncFlags, SyncSettings, TritonProvider
from tests.flagd_servers import Flagd

CHANGES = 15
FLAGS = 5_000
LOAD_S = 6.0
CONTEXT = EvaluationContext("request-1", {"task_type": "asr", "language": "en-US"})


def _document(number: int, flags: int) -> bytes:
    """Many experiments, and one plain flag that holds a number."""
    (key, flag), *_ = json.loads(example("asr").read_text(encoding="utf-8"))["flags"].items()
    many = {f"{key}-{index}": flag for index in range(flags)}
    plain = {"state": "ENABLED", "variants": {"v": number}, "defaultVariant": "v"}
    return json.dumps({"flags": {**many, "number": plain}}).encode()


def _write(path: Path, text: bytes) -> None:
    replacement = path.with_suffix(".new")
    replacement.write_bytes(text)
    replacement.replace(path)


def _seconds_to_first_decision(path: Path, provider: AbstractProvider) -> list[float]:
    """Change the file at odd moments, and ask until the change shows."""
    api.set_provider_and_wait(provider, "reload")
    client = api.get_client("reload")
    times = []
    for number in range(1, CHANGES + 1):
        time.sleep(random.uniform(0.2, 1.2))  # noqa: S311 - out of step with whoever polls
        text = _document(number, 10)
        started = time.perf_counter()
        _write(path, text)
        while client.get_integer_value("number", -1) != number:
            time.sleep(0.001)
        times.append(time.perf_counter() - started)
    provider.shutdown()
    return times


def _slowest_ms(path: Path, change: Callable[[int], None]) -> tuple[list[float], int]:
    """Evaluate in two threads while something happens; gives the times in ms, slowest first."""
    provider = TritonProvider(FileFlags(path), {})
    api.set_provider_and_wait(provider, "load")
    client = api.get_client("load")
    times: list[list[float]] = [[], []]
    stop = threading.Event()

    def ask(mine: list[float]) -> None:
        while not stop.is_set():
            started = time.perf_counter()
            client.get_object_details("number", {}, CONTEXT)
            mine.append((time.perf_counter() - started) * 1_000)
            time.sleep(0.0005)

    threads = [threading.Thread(target=ask, args=(mine,)) for mine in times]
    for thread in threads:
        thread.start()
    end_s, number = time.monotonic() + LOAD_S, 0
    while time.monotonic() < end_s:
        number += 1
        change(number)
        time.sleep(1.5)
    stop.set()
    for thread in threads:
        thread.join()
    provider.shutdown()
    return sorted(times[0] + times[1], reverse=True), number


def _print(source: str, times: list[float]) -> None:
    p50, worst = statistics.median(times), max(times)
    print(f"{source}: change to first decision p50 {p50:.3f} s, max {worst:.3f} s")


def main() -> None:
    """Measure both, and print them."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "flags.json"
        _write(path, _document(0, 10))
        times = _seconds_to_first_decision(path, TritonProvider(FileFlags(path), {}))
        _print("file", times)
        flagd = Flagd(path)
        flagd.start()
        settings = SyncSettings(host="127.0.0.1", port=flagd.port, deadline_ms=3_000)
        try:
            times = _seconds_to_first_decision(path, TritonProvider(SyncFlags(settings), {}))
        finally:
            flagd.kill()
        _print("sync", times)
        texts = {number: _document(number, FLAGS) for number in range(20)}
        _write(path, texts[0])
        for name, change in (
            ("no change", lambda _: None),
            ("one of 5,000 flags changes", lambda number: _write(path, texts[number])),
        ):
            slowest, changes = _slowest_ms(path, change)
            print(
                f"{name}: {len(slowest):,} evaluations, slowest "
                + ", ".join(f"{each:.2f}" for each in slowest[:5])
                + f" ms ({changes} times)"
            )


if __name__ == "__main__":
    main()
