"""What `infer` adds around a real inference on a real Triton, with the experiment and without.

    python -m tests.benchmarks.bench_infer_triton

With three models: one that gives back what it gets, the shortest inference there is; espeak-ng,
which speaks a sentence; and pocketsphinx, which hears a command. The ways take turns in one run, in
a new order each time: the bare tritonclient, the same once more (how far apart two equal ways come
out is the noise), `infer` where no experiment takes the request, and `infer` in an experiment. All
alternate between the same two clients of two services that are the same model.
"""

from __future__ import annotations

import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from openfeature import api
from pydantic import SecretStr
from tritonclient import http

from openfeature_triton.dashboard.demo.speech import utterances
from openfeature_triton.dashboard.demo.triton_server import RunningTriton
from openfeature_triton.flagd_config import example
from openfeature_triton.hooks import ExperimentHook, Recorder, RecorderSettings
from openfeature_triton.provider import Experiments, Service, TritonProvider
from tests import servers
from tests.services import served
from tests.services.tensors import audio_input, text_input

WARM_UP = 20
BLOCKS = 10
SENTENCE = (
    "She sells sea shells by the sea shore, and the shells she sells are sea shells for sure."
)


@dataclass(frozen=True)
class Asked:
    """What each request asks of a model, and of how many is the run."""

    model: str
    inputs: Sequence[Any]
    output: str
    requests: int


def main() -> None:
    """Time all ways for each model; print p50 and p99, and the ratios to the bare client's."""
    models = {each.name: each for each in (*served.models("tts"), *served.models("asr"))}
    speaker, recogniser = models["tts-fastpitch"], models["asr-fast"]
    numbers = http.InferInput("audio", [16], "INT16")
    numbers.set_data_from_numpy(np.arange(16, dtype=np.int16))
    sentence = [text_input(http, "text", SENTENCE), text_input(http, "language", "en")]
    (said,) = utterances(1)
    echo = servers.deterministic_model("echo", "echo")
    with servers.triton(echo, speaker, recogniser) as triton:
        for asked in (
            Asked(echo.name, [numbers], "text", 3_000),
            Asked(speaker.name, sentence, "audio", 800),
            Asked(recogniser.name, [audio_input(http, "audio", said.samples)], "text", 200),
        ):
            with _experiments(triton, asked) as experiments:
                times = _times_us(_ways(experiments, asked), asked.requests)
            _print(asked, times)


@contextmanager
def _experiments(triton: RunningTriton, asked: Asked) -> Iterator[Experiments]:
    """A service as the README sets it up; all of its outcomes are stored in the end."""
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        store = SecretStr(f"sqlite:///{Path(folder)}/store.db")
        recorder = Recorder.open(RecorderSettings(store=store, on_sigterm=False))
        stack.callback(recorder.close)
        credential = SecretStr(servers.CREDENTIAL)
        services = {
            name: Service(name, "asr", triton.http_url, asked.model, credential=credential)
            for name in ("asr-careful", "asr-fast")
        }
        provider = TritonProvider(example("asr"), services, on_track=recorder.track)
        api.set_provider_and_wait(provider)
        stack.callback(api.shutdown)
        api.add_hooks([ExperimentHook(recorder)])
        yield stack.enter_context(closing(Experiments(api.get_client())))
        assert recorder.flush(30)
        assert recorder.stats().recorded == WARM_UP + asked.requests


def _ways(experiments: Experiments, asked: Asked) -> dict[str, Callable[[str], None]]:
    services = api.get_client().provider.services  # type: ignore[attr-defined]
    clients = [experiments.clients.http(each) for each in services.values()]

    def bare(key: str) -> None:
        client = clients[hash(key) % 2]
        client.infer(asked.model, asked.inputs).as_numpy(asked.output)

    def infer(key: str, language: str = "en-US", own: str = "asr-careful") -> None:
        with experiments.infer("asr", language=language, targeting_key=key, service_id=own) as call:
            answer = call.client.infer(call.model_name, asked.inputs)
            call.record(output_characters=len(answer.as_numpy(asked.output)))

    return {
        "tritonclient": bare,
        "tritonclient again": lambda key: bare(key + "!"),
        "infer, no experiment": lambda key: infer(key, "fr", list(services)[hash(key) % 2]),
        "infer, experiment": infer,
    }


def _times_us(ways: Mapping[str, Callable[[str], None]], requests: int) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {name: [] for name in ways}
    turns, order = list(ways.items()), random.Random(1)  # noqa: S311 - no secret
    for number in range(WARM_UP + requests):
        order.shuffle(turns)
        for name, way in turns:
            started_ns = time.perf_counter_ns()
            way(f"request-{number}")
            if number >= WARM_UP:
                times[name].append((time.perf_counter_ns() - started_ns) / 1e3)
    return times


def _print(asked: Asked, times: Mapping[str, list[float]]) -> None:
    """Each way's quantiles, and the median and range of their ratios, block by block."""
    base = times["tritonclient"]
    print(f"{asked.model}: {asked.requests:,} requests each way, ratios of {BLOCKS} blocks")
    for name, each in times.items():
        shown = [f"{name:<22}"]
        for percent in (50, 99):
            ratios = [
                _quantile(mine, percent) / _quantile(bare, percent)
                for mine, bare in zip(_blocks(each), _blocks(base), strict=True)
            ]
            shown.append(
                f"p{percent} {_quantile(each, percent):8.1f} µs × {statistics.median(ratios):.3f}"
                f" ({min(ratios):.3f} to {max(ratios):.3f})"
            )
        print("   ".join(shown))


def _blocks(times_us: list[float]) -> list[list[float]]:
    size = len(times_us) // BLOCKS
    return [times_us[size * block : size * (block + 1)] for block in range(BLOCKS)]


def _quantile(times_us: list[float], percent: int) -> float:
    return statistics.quantiles(times_us, n=100)[percent - 1]


if __name__ == "__main__":
    main()
