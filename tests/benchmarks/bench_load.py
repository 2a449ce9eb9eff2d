"""Full tilt from 8 threads, and from asyncio: the split, the counts and the memory at the end.

    python -m tests.benchmarks.bench_load --seconds 300

Half of the time each. The Triton clients do nothing, so that all of the load is on routing and
recording; the store is a real SQLite file. Ends with an error where a count or the split is wrong.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from openfeature import api
from pydantic import SecretStr
from scipy.stats import binomtest

from openfeature_triton.flagd_config import example
from openfeature_triton.hooks import ExperimentHook, Recorder, RecorderSettings
from openfeature_triton.provider import Experiments, Service, TritonProvider
from tests.benchmarks.bench_infer import NoOpClient, NoOpClients
from tests.services.world import stored

THREADS = 8
TASKS = 64
ASKED: Any = {"language": "en-US", "service_id": "asr-careful"}


class AsyncClient(NoOpClient):
    """Answers after the event loop's next turn."""

    async def infer(self, model_name: str, inputs: list[Any]) -> str:  # type: ignore[override]  # noqa: ARG002
        """Answer."""
        await asyncio.sleep(0)
        return "text"


class Clients(NoOpClients):
    """Clients that do nothing, for threads and for event loops."""

    def aio(self, service: Service) -> AsyncClient:  # noqa: ARG002
        """The client of an event loop."""
        return AsyncClient()


def main() -> None:
    """Run both loads; print and check what is left."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=300.0)
    half_s = parser.parse_args().seconds / 2
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        store = f"sqlite:///{folder}/store.db"
        recorder = Recorder.open(RecorderSettings(store=SecretStr(store), on_sigterm=False))
        stack.callback(recorder.close)
        services = {
            name: Service(name, "asr", "127.0.0.1:1", name) for name in ("asr-careful", "asr-fast")
        }
        api.set_provider_and_wait(TritonProvider(example("asr"), services, on_track=recorder.track))
        stack.callback(api.shutdown)
        api.add_hooks([ExperimentHook(recorder)])
        experiments = stack.enter_context(closing(Experiments(api.get_client())))
        experiments.clients.close()
        experiments.clients = Clients()
        threads = _measured("8 threads", lambda: _from_threads(experiments, half_s))
        tasks = _measured("asyncio", lambda: _from_asyncio(experiments, half_s))
        assert recorder.flush(60), "the store did not take everything"
        stats = recorder.stats()
        assert not stats.dropped, stats.dropped
        _check(store, threads + tasks)


def _from_threads(experiments: Experiments, seconds: float) -> int:
    until_s, counts = time.monotonic() + seconds, [0] * THREADS

    def run(thread: int) -> None:
        while time.monotonic() < until_s:
            key = f"thread-{thread}-{counts[thread]}"
            with experiments.infer("asr", targeting_key=key, **ASKED) as call:
                call.record(output_characters=len(call.client.infer(call.model_name, [])))
            counts[thread] += 1

    running = [threading.Thread(target=run, args=(number,)) for number in range(THREADS)]
    for each in running:
        each.start()
    for each in running:
        each.join()
    return sum(counts)


def _from_asyncio(experiments: Experiments, seconds: float) -> int:
    until_s, counts = time.monotonic() + seconds, [0] * TASKS

    async def run(task: int) -> None:
        while time.monotonic() < until_s:
            key = f"task-{task}-{counts[task]}"
            async with experiments.infer_async("asr", targeting_key=key, **ASKED) as call:
                call.record(output_characters=len(await call.client.infer(call.model_name, [])))
            counts[task] += 1

    async def all_of_them() -> None:
        await asyncio.gather(*(run(number) for number in range(TASKS)))

    asyncio.run(all_of_them())
    return sum(counts)


def _measured(name: str, load: Callable[[], int]) -> int:
    """Run a load while its memory is sampled; print both."""
    samples_mib: list[float] = []
    done = threading.Event()

    def sample() -> None:
        while not done.wait(0.5):
            samples_mib.append(_resident_mib())

    sampling = threading.Thread(target=sample)
    sampling.start()
    started_s = time.monotonic()
    requests = load()
    took_s = time.monotonic() - started_s
    done.set()
    sampling.join()
    fifth = max(len(samples_mib) // 5, 1)
    fifths = [samples_mib[start : start + fifth] for start in range(0, 5 * fifth, fifth)]
    memory = ", ".join(f"{min(each):.0f} to {max(each):.0f}" for each in fifths if each)
    print(
        f"{name:<10} {requests:>10,} requests in {took_s:.0f} s, {requests / took_s:,.0f}/s; "
        f"memory in each fifth of the time: {memory} MiB"
    )
    return requests


def _resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _check(store: str, requests: int) -> None:
    """Compare the store with what was sent."""
    recorded = stored(store, "asr-fast-beam")
    counts = {variant: numbers.requests for variant, numbers in recorded.items()}
    assert sum(counts.values()) == requests, (counts, requests)
    assert sum(numbers.exposures for numbers in recorded.values()) == requests
    chance = binomtest(counts["treatment"], requests, 0.5).pvalue
    print(f"{requests:,} requests sent, {sum(counts.values()):,} outcomes stored: {counts}")
    print(f"split against 50/50: p = {chance:.3f}")
    assert chance > 1e-4, "the split is broken"


if __name__ == "__main__":
    main()
