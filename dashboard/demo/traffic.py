"""Traffic: what a speech service does with each request, some hundreds of times."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from typing import Any

from openfeature import api
from pydantic import SecretStr

from openfeature_triton.dashboard.demo.folder import Folder
from openfeature_triton.dashboard.demo.grammar import word_accuracy
from openfeature_triton.dashboard.demo.recognisers import INPUT, OUTPUT, TASK_TYPE
from openfeature_triton.dashboard.demo.speech import Utterance
from openfeature_triton.hooks import ExperimentHook, InfluxSettings, Recorder, RecorderSettings
from openfeature_triton.provider import Experiments, ProviderSettings, TritonProvider

_DOMAIN = "openfeature-triton-demo"
_OWN_SERVICE = "asr-careful"


@contextmanager
def ready_experiments(folder: Folder, key: SecretStr) -> Iterator[Experiments]:
    """Set a service up, as README shows; what it recorded is in the store in the end."""
    recorder = Recorder.open(
        RecorderSettings(
            store=SecretStr(folder.store),
            window_s=10,
            latency_window_s=60,
            flush_s=1,
            on_sigterm=False,  # the demo unwinds by itself
        ),
        InfluxSettings(url=""),  # its store is the folder's, whatever the environment says
    )
    settings = ProviderSettings(
        flags=str(folder.flags),
        registry=SecretStr(folder.registry),
        keys=key,
        experiments=True,
        bucketing="v3",
    )
    try:
        provider = TritonProvider.open(settings, on_track=recorder.track)
        api.set_provider_and_wait(provider, _DOMAIN)
        client = api.get_client(_DOMAIN)
        client.add_hooks([ExperimentHook(recorder)])
        experiments = Experiments(client, settings=settings)
        try:
            yield experiments
        finally:
            experiments.close()
            api.shutdown()
    finally:
        recorder.close()


def send(
    experiments: Experiments, recordings: Sequence[Utterance], requests: int, threads: int
) -> Iterator[None]:
    """Send requests from some threads; gives something after each, whatever came of it."""
    spoken = itertools.islice(itertools.cycle(recordings), requests)
    pool = ThreadPoolExecutor(threads, thread_name_prefix="oft-demo")
    try:
        sent = [
            pool.submit(_transcribe, experiments, utterance, f"request-{number}")
            for number, utterance in enumerate(spoken)
        ]
        for each in as_completed(sent):
            each.exception()  # an inference that failed is recorded, and the next one goes on
            yield
    finally:
        pool.shutdown(cancel_futures=True)


def _transcribe(experiments: Experiments, utterance: Utterance, request_id: str) -> None:
    """Be the speech service for one request."""
    with experiments.infer(
        TASK_TYPE,
        language=utterance.language,
        targeting_key=request_id,
        service_id=_OWN_SERVICE,
    ) as call:
        answer = call.client.infer(
            call.model_name, [_audio(utterance)], model_version=call.model_version
        )
        text = bytes(answer.as_numpy(OUTPUT)).decode()
        call.record(
            output_characters=len(text),
            output_words=len(text.split()),
            word_accuracy=word_accuracy(utterance.text, text),
        )


def _audio(utterance: Utterance) -> Any:
    from tritonclient.http import InferInput  # noqa: PLC0415 - 200 ms, and gevent

    audio = InferInput(INPUT, [utterance.samples.size], "INT16")
    audio.set_data_from_numpy(utterance.samples)
    return audio
