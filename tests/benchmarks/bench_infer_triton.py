"""What `infer` adds around a real inference on a real Triton, with the experiment and without.

    python -m tests.benchmarks.bench_infer_triton

The ways are timed in turn, request by request, in one run: the bare tritonclient, `infer` where no
experiment takes the request, and `infer` in an experiment whose variants are the same model.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import numpy as np
from openfeature import api
from pydantic import SecretStr
from tritonclient.http import InferInput

from openfeature_triton.flagd_config import example
from openfeature_triton.hooks import ExperimentHook, Recorder, RecorderSettings
from openfeature_triton.provider import Experiments, Service, TritonProvider
from tests import servers

REQUESTS = 3_000
WARM_UP = 200
MODEL = "echo"


def main() -> None:
    """Time the three ways; print p50 and p99, and the ratios to the bare client's."""
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        triton = stack.enter_context(servers.triton(servers.deterministic_model(MODEL, "echo")))
        store = SecretStr(f"sqlite:///{Path(folder)}/store.db")
        recorder = Recorder.open(RecorderSettings(store=store, on_sigterm=False))
        stack.callback(recorder.close)
        credential = SecretStr(servers.CREDENTIAL)
        services = {
            name: Service(name, "asr", triton.http_url, MODEL, credential=credential)
            for name in ("asr-careful", "asr-fast")
        }
        provider = TritonProvider(example("asr"), services, on_track=recorder.track)
        api.set_provider_and_wait(provider)
        stack.callback(api.shutdown)
        api.add_hooks([ExperimentHook(recorder)])
        experiments = stack.enter_context(closing(Experiments(api.get_client())))
        times = _times_us(_ways(experiments, services["asr-careful"]))
        assert recorder.flush(30)
        assert recorder.stats().recorded == WARM_UP + REQUESTS
    _print(times)


def _ways(experiments: Experiments, own: Service) -> dict[str, Callable[[str], None]]:
    audio = InferInput("audio", [16], "INT16")
    audio.set_data_from_numpy(np.arange(16, dtype=np.int16))
    client = experiments.clients.http(own)

    def bare(_: str) -> None:
        client.infer(MODEL, [audio]).as_numpy("text")

    def infer(key: str, language: str = "en-US") -> None:
        with experiments.infer(
            "asr", language=language, targeting_key=key, service_id="asr-careful"
        ) as call:
            text: Any = call.client.infer(call.model_name, [audio]).as_numpy("text")
            call.record(output_characters=len(text))

    return {
        "tritonclient": bare,
        "infer, no experiment": lambda key: infer(key, "fr"),
        "infer, experiment": infer,
    }


def _times_us(ways: dict[str, Callable[[str], None]]) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(WARM_UP + REQUESTS):
        for name, way in ways.items():
            started_ns = time.perf_counter_ns()
            way(f"request-{number}")
            if number >= WARM_UP:
                times[name].append((time.perf_counter_ns() - started_ns) / 1e3)
    return times


def _print(times: dict[str, list[float]]) -> None:
    (base, *_) = (_quantiles(each) for each in times.values())
    for name, each in times.items():
        found = _quantiles(each)
        shown = "   ".join(
            f"p{percent} {value:8.1f} µs (× {value / base[percent]:.3f})"
            for percent, value in found.items()
        )
        print(f"{name:<22} {shown}")
    print(f"{REQUESTS:,} requests each; all of the experiment's recorded")


def _quantiles(times_us: list[float]) -> dict[int, float]:
    cuts = statistics.quantiles(times_us, n=100)
    return {percent: cuts[percent - 1] for percent in (50, 99)}


if __name__ == "__main__":
    main()
