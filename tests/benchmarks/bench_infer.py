"""What `infer` adds around a client that does nothing, against calling that client directly.

    python -m tests.benchmarks.bench_infer

Flags, registry's services, hook and recorder are those of a service; the ways are timed in turn:
in an experiment, in one with a hook that needs the SDK's stages, and where no experiment matches.
"""

from __future__ import annotations

import statistics
import time
from contextlib import closing
from typing import Any

from openfeature import api
from openfeature.hook import Hook

from openfeature_triton.flagd_config import example
from openfeature_triton.hooks import ExperimentHook, MemorySink, Recorder, RecorderSettings
from openfeature_triton.provider import (
    Experiments,
    ProviderSettings,
    Service,
    TritonClients,
    TritonProvider,
)
from openfeature_triton.provider.thread_clients import ThreadClients

ROUNDS = 7
REQUESTS = 4_000


class NoOpClient:
    """Answers at once."""

    def infer(self, model_name: str, inputs: list[Any]) -> str:  # noqa: ARG002
        """Answer."""
        return "text"

    def close(self) -> None:
        """Nothing is open."""


class NoOpClients(TritonClients):
    """Pools clients that do nothing, for every service; their deadlines are enforced."""

    def __init__(self) -> None:
        settings = ProviderSettings()
        super().__init__(settings)
        self._of_threads = _NoOpThreadClients(settings)


class _NoOpThreadClients(ThreadClients):
    def _connect(self, service: Service) -> NoOpClient:  # noqa: ARG002
        return NoOpClient()


def main() -> None:
    """Time both ways in rounds that alternate; print p50 and p99 with their spread."""
    recorder = Recorder(MemorySink(), RecorderSettings(on_sigterm=False))
    services = {
        name: Service(name, "asr", "127.0.0.1:1", name) for name in ("asr-careful", "asr-fast")
    }
    api.set_provider_and_wait(TritonProvider(example("asr"), services, on_track=recorder.track))
    api.add_hooks([ExperimentHook(recorder)])
    clients = NoOpClients()
    with closing(recorder), closing(Experiments(api.get_client())) as experiments:
        client_with_hook = api.get_client()
        client_with_hook.add_hooks([Hook()])
        hooked = Experiments(client_with_hook)
        experiments.clients.close()
        hooked.clients.close()
        experiments.clients = hooked.clients = clients
        client = clients.http(services["asr-careful"])

        def direct(_: str) -> None:
            client.infer("asr-careful", [])

        def through_infer(key: str, language: str = "en-US", way: Any = experiments) -> None:
            with way.infer(
                "asr", language=language, targeting_key=key, service_id="asr-careful"
            ) as call:
                text = call.client.infer(call.model_name, [])
                call.record(output_characters=len(text))

        def no_experiment(key: str) -> None:
            through_infer(key, "fr")

        def by_sdk(key: str) -> None:
            through_infer(key, way=hooked)

        ways = {
            "direct": direct,
            "infer": through_infer,
            "infer by the SDK": by_sdk,
            "infer, no match": no_experiment,
        }
        p50s, p99s = _rounds(ways)
        assert recorder.flush(30)
        recorded = recorder.stats().recorded
    api.shutdown()
    for name in ways:
        print(f"{name:<16} p50 {_spread(p50s[name])} µs   p99 {_spread(p99s[name])} µs")
    added = [mine - base for mine, base in zip(p50s["infer"], p50s["direct"], strict=True)]
    print(f"{'added by infer':<16} p50 {_spread(added)} µs")
    assert recorded == 2 * (ROUNDS + 1) * REQUESTS, recorded
    print(f"{recorded:,} outcomes recorded: each request once")


def _rounds(ways: dict[str, Any]) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Give the p50 and the p99 of each round, µs; a first round warms up."""
    p50s: dict[str, list[float]] = {name: [] for name in ways}
    p99s: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(ROUNDS + 1):
        for name, way in ways.items():
            times = [_time_us(way, f"request-{number}-{each}") for each in range(REQUESTS)]
            if number:
                p50s[name].append(statistics.median(times))
                p99s[name].append(statistics.quantiles(times, n=100)[98])
    return p50s, p99s


def _time_us(way: Any, key: str) -> float:
    started_ns = time.perf_counter_ns()
    way(key)
    return (time.perf_counter_ns() - started_ns) / 1e3


def _spread(values: list[float]) -> str:
    return f"{statistics.median(values):7.2f} ({min(values):.2f} to {max(values):.2f})"


if __name__ == "__main__":
    main()
