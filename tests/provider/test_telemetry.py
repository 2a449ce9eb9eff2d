"""Telemetry: spans say which variant a request got, and nothing is imported without them."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from openfeature import api
from openfeature.evaluation_context import EvaluationContext
from openfeature.hook import Hook

from openfeature_triton.flagd_config import example
from openfeature_triton.provider import Experiments, TritonProvider
from tests.provider.test_experiments import ASKED, SERVICES, connect, events

__all__ = ["connect", "events"]  # fixtures


@pytest.fixture
def spans() -> Iterator[Any]:
    """A real tracer's spans, in memory."""
    pytest.importorskip("opentelemetry.sdk.trace", reason="pip install opentelemetry-sdk")
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    yield provider.get_tracer("tests"), exporter
    provider.shutdown()


def test_the_current_span_says_the_variant(spans: Any, connect: Callable[..., Experiments]) -> None:
    """OpenFeature's semantic attributes and the experiment's, through `infer`."""
    tracer, exporter = spans
    experiments = connect(example("asr"))
    with tracer.start_as_current_span("request"), experiments.infer("asr", **ASKED) as call:
        pass
    (span,) = exporter.get_finished_spans()
    assert dict(span.attributes) == {
        "feature_flag.key": "asr-fast-beam",
        "feature_flag.variant": call.route.variant,
        "feature_flag.provider_name": "openfeature-triton",
        "feature_flag.evaluation.reason": "targeting_match",
        "feature_flag.context.id": "r",
        "ab_test.experiment_id": "asr-fast-beam",
        "ab_test.variant_id": f"asr-fast-beam/{call.route.variant}",
        "ab_test.variant_name": call.route.variant,
    }


def test_plain_openfeature_use_says_it_too(spans: Any) -> None:
    """In asyncio as well, and without `ab_test.*` where no variant was given."""
    tracer, exporter = spans
    api.set_provider_and_wait(TritonProvider(example("asr"), SERVICES))
    client = api.get_client()

    async def evaluate(language: str) -> None:
        context = EvaluationContext("r", {"task_type": "asr", "language": language})
        with tracer.start_as_current_span("request"):
            await client.get_object_details_async("asr-fast-beam", {}, context)

    asyncio.run(evaluate("en-US"))
    asyncio.run(evaluate("hi"))
    matched, unmatched = exporter.get_finished_spans()
    assert matched.attributes["ab_test.experiment_id"] == "asr-fast-beam"
    assert unmatched.attributes["feature_flag.key"] == "asr-fast-beam"
    assert "ab_test.experiment_id" not in unmatched.attributes


@pytest.mark.parametrize("hooks", [[], [Hook()]])  # told directly, and through the SDK
def test_a_broken_tracer_costs_nothing(
    spans: Any,
    connect: Callable[..., Experiments],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    hooks: list[Hook],
) -> None:
    """Its trouble does not reach the request; it is counted, and logged once."""
    from opentelemetry import trace

    def fail() -> None:
        raise RuntimeError("no span for you")

    assert spans
    monkeypatch.setattr(trace, "get_current_span", fail)
    experiments = connect(example("asr"))
    api.add_hooks(hooks)
    assert all(experiments.route("asr", **ASKED).is_experiment for _ in range(3))
    provider = api.get_client().provider
    assert isinstance(provider, TritonProvider)
    trouble = "a span did not take which variant a request got"
    assert provider.counts() == {trouble: 3}
    assert [each.message for each in caplog.records if trouble in each.message] == [
        f"{trouble}: RuntimeError (1 since last said)"
    ]


def test_without_opentelemetry_nothing_is_imported() -> None:
    """A service that traces nothing pays nothing."""
    program = (
        "import sys\n"
        "class Absent:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] == 'opentelemetry':\n"
        "            raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Absent())\n"
        "from openfeature import api\n"
        "from openfeature_triton.flagd_config import example\n"
        "from openfeature_triton.provider import TritonProvider\n"
        "api.set_provider_and_wait(TritonProvider(example('asr'), {}))\n"
        "assert api.get_client().provider.get_provider_hooks() == []\n"
        "assert not [name for name in sys.modules if name.startswith('opentelemetry')]\n"
        "api.shutdown()\n"
    )
    subprocess.run(
        [sys.executable, "-c", program], check=True, cwd=Path(__file__).parents[2], timeout=60
    )
