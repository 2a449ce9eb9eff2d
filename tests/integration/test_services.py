"""The five example services in front of a real Triton: what the store then holds."""

from __future__ import annotations

import asyncio
import importlib.util
import io
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from sacrebleu import sentence_bleu

from openfeature_triton.dashboard.demo.speech import utterances
from openfeature_triton.dashboard.summary import Numbers
from tests import servers
from tests.services import asr, ner, nmt, ocr, served, tts
from tests.services.world import World, provider_settings, world

pytestmark = pytest.mark.integration

Metrics = dict[str, float]


@contextmanager
def _service(task_type: str, folder: Path, protocol: str = "http") -> Iterator[World]:
    """A service of a task type in front of a Triton with its models."""
    with (
        servers.triton(*served.models(task_type)) as running,
        world(provider_settings(task_type, running, folder, protocol), folder) as ready,
    ):
        yield ready


class _Sent:
    """What a test knows of its requests: the metrics of each, by variant."""

    def __init__(self) -> None:
        self.metrics: defaultdict[str, list[Metrics]] = defaultdict(list)

    def add(self, variant: str, **metrics: float) -> None:
        self.metrics[variant].append(metrics)

    def check(self, recorded: dict[str, Numbers]) -> None:
        """Compare with what was recorded: requests to the request, metrics to the digit."""
        assert set(recorded) == set(self.metrics)
        for variant, sent in self.metrics.items():
            numbers = recorded[variant]
            assert (numbers.requests, numbers.errors) == (len(sent), 0)
            for name in {name for metrics in sent for name in metrics}:
                values = [metrics[name] for metrics in sent if name in metrics]
                assert numbers.metrics[name].count == len(values), name
                assert numbers.metrics[name].mean == pytest.approx(np.mean(values)), name


def test_asr_hears_commands(tmp_path: Path) -> None:
    """Two searches of one recogniser: characters and words of each answer are recorded."""
    sent = _Sent()
    with _service("asr", tmp_path) as service:
        for number, said in enumerate(utterances(12)):
            key = f"request-{number}"
            text = asr.transcribe(service.experiments, said.samples, said.language, key)
            variant = service.variant("asr", said.language, key)
            sent.add(variant, output_characters=len(text), output_words=len(text.split()))
        assert set(sent.metrics) == {"control", "treatment"}
        sent.check(service.numbers())
    heard = [each["output_words"] for all_ in sent.metrics.values() for each in all_]
    assert np.mean(heard) > 2  # they do hear something


def test_tts_speaks(tmp_path: Path) -> None:
    """Two voices of espeak-ng: the slower takes longer for the same text, and the store says so."""
    sent, text = _Sent(), "The kettle is on in the kitchen."
    with _service("tts", tmp_path) as service:
        for number in range(40):
            speech = tts.speak(service.experiments, text, "en", f"request-{number}")
            variant = service.variant("tts", "en", f"request-{number}")
            sent.add(variant, input_characters=len(text), audio_length_seconds=speech.length_s)
        recorded = service.numbers()
        sent.check(recorded)
    lengths = {
        variant: numbers.metrics["audio_length_seconds"].mean
        for variant, numbers in recorded.items()
    }
    assert lengths["treatment"] > 1.2 * lengths["control"] > 1.0


def test_ocr_reads_pictures(tmp_path: Path) -> None:
    """Reading the layout first finds both lines of a picture; taking it for one line does not."""
    picture, texts = _picture("INVOICE 2048", "TOTAL 731 EUR"), {}
    sent = _Sent()
    with _service("ocr", tmp_path) as service:
        for number in range(12):
            text = ocr.read(service.experiments, picture, "en", f"request-{number}")
            variant = service.variant("ocr", "en", f"request-{number}")
            texts[variant] = text
            sent.add(variant, output_characters=len(text), output_words=len(text.split()))
        recorded = service.numbers()
        sent.check(recorded)
    assert "".join(texts["treatment"].split()) == "INVOICE2048TOTAL731EUR"
    assert texts["control"] != texts["treatment"]
    assert 0.5 < recorded["treatment"].metrics["confidence"].mean <= 1


def test_ner_finds_entities_over_grpc(tmp_path: Path) -> None:
    """Three variants, a user keeping theirs: each knows more than the one before."""
    sent, text = _Sent(), "In 1843 Ada Lovelace wrote to Charles Babbage in London."
    with _service("ner", tmp_path, "grpc") as service:
        for number in range(60):
            user = f"user-{number % 30}"
            found = ner.entities(service.experiments, text, "en", user)
            types = {each["type"] for each in found}
            variant = service.variant("ner", "en", user)
            sent.add(
                variant,
                input_characters=len(text),
                entities=len(found),
                entity_types=len(types),
            )
        sent.check(service.numbers())
    counts = {
        variant: {each["entities"] for each in all_} for variant, all_ in sent.metrics.items()
    }
    assert counts == {"control": {2}, "spans": {3}, "spans-large": {4}}


def test_nmt_translates_in_asyncio_with_telemetry(
    tmp_path: Path, spans: Callable[[], list[dict[str, object]]]
) -> None:
    """Concurrent translations: BLEU where a reference is known; spans name variants."""
    sent = _Sent()
    text, reference = "this is my good house robot", "यह है मेरा अच्छा घर रोबोट"
    with _service("nmt", tmp_path) as service:

        async def one(number: int) -> str:
            known = reference if number % 2 else ""
            return await nmt.translate(service.experiments, text, "hi", f"request-{number}", known)

        async def all_of_them() -> list[str]:
            return await asyncio.gather(*(one(number) for number in range(24)))

        for number, translated in enumerate(asyncio.run(all_of_them())):
            variant = service.variant("nmt", "hi", f"request-{number}")
            metrics: Metrics = {"input_characters": len(text)}
            metrics["output_characters"] = len(translated)
            if number % 2:
                metrics["bleu_score"] = sentence_bleu(translated, [reference]).score
            sent.add(variant, **metrics)
            assert ("robot" in translated) == (variant == "control")
        sent.check(service.numbers())
    named = [str(each.get("ab_test.variant_name")) for each in spans()]
    assert sorted(named) == sorted(
        variant for variant, requests in sent.metrics.items() for _ in requests
    )


@pytest.fixture
def spans() -> Callable[[], list[dict[str, object]]]:
    """OpenTelemetry, keeping what ended; gives the attributes of each span."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    return lambda: [dict(span.attributes or {}) for span in exporter.get_finished_spans()]


def _picture(*lines: str) -> bytes:
    """A PNG with some lines of print."""
    if importlib.util.find_spec("rapidocr_onnxruntime") is None:
        pytest.skip("NEEDS rapidocr-onnxruntime: it has no wheel for this Python")
    try:
        import cv2  # type: ignore[import-not-found,unused-ignore]
    except ImportError as error:
        servers.missing("OpenCV", str(error), "install libgl1 and libglib2.0-0")
    from PIL import Image, ImageDraw, ImageFont

    del cv2
    picture = Image.new("RGB", (460, 60 * len(lines) + 40), "white")
    for number, line in enumerate(lines):
        ImageDraw.Draw(picture).text(
            (30, 30 + 60 * number), line, fill="black", font=ImageFont.load_default(36)
        )
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()
