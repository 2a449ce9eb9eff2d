"""The hook, on the stock OpenFeature client."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from openfeature import api
from openfeature.client import OpenFeatureClient
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import ErrorCode, GeneralError
from openfeature.flag_evaluation import (
    FlagEvaluationDetails,
    FlagResolutionDetails,
    FlagType,
    Reason,
)
from openfeature.hook import Hook, HookContext
from openfeature.provider.in_memory_provider import InMemoryFlag, InMemoryProvider

from openfeature_triton.hooks import ExperimentHook, MemorySink, Recorder, RecorderSettings, schema

METADATA: dict[str, Any] = {"experiment": True, "phase": "0a1b2c3d", "task_type": "asr"}


def unmatched(flag: InMemoryFlag[str], _: EvaluationContext) -> FlagResolutionDetails[str]:
    """Resolve as flagd does where no rule matches."""
    return FlagResolutionDetails("own", reason=Reason.DEFAULT, flag_metadata=flag.flag_metadata)


def broken(_: InMemoryFlag[str], __: EvaluationContext) -> FlagResolutionDetails[str]:
    """Fail as a provider may."""
    raise GeneralError("broken")


VARIANTS = {"control": "asr-careful", "treatment": "asr-fast"}
FLAGS: dict[str, InMemoryFlag[Any]] = {
    "split": InMemoryFlag("treatment", VARIANTS, METADATA),
    "unmatched": InMemoryFlag("control", VARIANTS, METADATA, context_evaluator=unmatched),
    "broken": InMemoryFlag("control", VARIANTS, METADATA, context_evaluator=broken),
    "plain": InMemoryFlag("control", VARIANTS, {"owner": "me"}),
}


@pytest.fixture
def sink() -> MemorySink:
    """Where the counts go."""
    return MemorySink()


@pytest.fixture
def recorder(sink: MemorySink) -> Iterator[Recorder]:
    """What the hook tells."""
    recorder = Recorder(sink, RecorderSettings(flush_s=3600, on_sigterm=False))
    yield recorder
    recorder.close()


@pytest.fixture
def client(recorder: Recorder) -> OpenFeatureClient:
    """A stock client with the hook."""
    api.set_provider_and_wait(InMemoryProvider(FLAGS))
    client = api.get_client()
    client.add_hooks([ExperimentHook(recorder)])
    return client


def test_a_served_variant_is_an_exposure(
    client: OpenFeatureClient, recorder: Recorder, sink: MemorySink
) -> None:
    """The exposure has the experiment, phase, variant, task type and language."""
    context = EvaluationContext("key", {"language": "HI-in"})
    assert client.get_string_value("split", "own", context) == "asr-fast"
    assert recorder.flush()
    tags = {
        "experiment": "split",
        "phase": "0a1b2c3d",
        "variant": "treatment",
        "served": "treatment",
        "task_type": "asr",
        "language": "hi-IN",
    }
    assert sink.total(schema.LIGHT, schema.EXPOSURES, **tags) == 1
    evaluation = {"experiment": "split", "variant": "treatment", "reason": "STATIC"}
    assert sink.total(schema.EVALUATION, schema.COUNT, **evaluation) == 1
    assert sink.total(schema.EVALUATION, schema.DURATION_SUM, **evaluation) > 0


def test_the_async_client_is_counted_alike(
    client: OpenFeatureClient, recorder: Recorder, sink: MemorySink
) -> None:
    """An evaluation on an event loop is an exposure too."""
    assert asyncio.run(client.get_string_value_async("split", "own")) == "asr-fast"
    assert recorder.flush()
    assert sink.total(schema.LIGHT, schema.EXPOSURES) == 1


@pytest.mark.parametrize(
    "case",
    [
        ("unmatched", "DEFAULT", ""),
        ("broken", "ERROR", "GENERAL"),
        ("missing", "ERROR", "FLAG_NOT_FOUND"),
    ],
)
def test_without_a_variant_there_is_no_exposure(
    client: OpenFeatureClient, recorder: Recorder, sink: MemorySink, case: tuple[str, str, str]
) -> None:
    """The caller gets its own service, and only the evaluation is counted."""
    flag_key, reason, error_code = case
    assert client.get_string_value(flag_key, "own") == "own"
    assert recorder.flush()
    tags = {"experiment": flag_key, "reason": reason, "error_code": error_code}
    assert sink.total(schema.LIGHT, schema.EXPOSURES) == 0
    assert sink.total(schema.EVALUATION, schema.COUNT, **tags) == 1
    assert sink.total(schema.EVALUATION, schema.EVALUATION_ERRORS) == (1 if error_code else 0)


def test_a_value_of_the_wrong_type_is_no_exposure(
    client: OpenFeatureClient, recorder: Recorder, sink: MemorySink
) -> None:
    """The client refuses the value, so nobody was sent anywhere."""
    assert client.get_integer_value("split", 7) == 7
    assert recorder.flush()
    assert sink.total(schema.LIGHT, schema.EXPOSURES) == 0
    assert sink.total(schema.EVALUATION, schema.COUNT, error_code="TYPE_MISMATCH") == 1


def test_flags_that_are_no_experiments_are_left_alone(
    client: OpenFeatureClient, recorder: Recorder, sink: MemorySink
) -> None:
    """A plain flag's evaluation is nobody's exposure and opens no series."""
    assert client.get_string_value("plain", "own") == "asr-careful"
    assert recorder.flush()
    assert sink.points == {}


class FailingHook(Hook):
    """A hook of somebody else that fails before the flag is evaluated."""

    def before(self, hook_context: HookContext, hints: Any) -> None:  # noqa: ARG002
        """Fail."""
        raise ValueError("not today")


def test_an_evaluation_that_never_began_is_counted(
    client: OpenFeatureClient, recorder: Recorder, sink: MemorySink
) -> None:
    """Where an earlier hook fails, the evaluation is an error without a duration."""
    api.add_hooks([FailingHook()])
    assert client.get_string_value("split", "own") == "own"
    assert recorder.flush()
    assert sink.total(schema.EVALUATION, schema.EVALUATION_ERRORS, error_code="GENERAL") == 1
    assert sink.total(schema.EVALUATION, schema.DURATION_SUM) == 0


def test_the_hook_never_raises(recorder: Recorder) -> None:
    """Whatever the SDK or another hook hands it, the hook only counts that it could not."""
    hook = ExperimentHook(recorder)
    nothing: Any = None
    hook.before(nothing, {})
    hook.finally_after(nothing, nothing, {})
    context = HookContext("split", FlagType.STRING, "own", EvaluationContext())
    hook.finally_after(context, FlagEvaluationDetails("split", "own", flag_metadata=nothing), {})
    strange: Any = 3
    failed = FlagEvaluationDetails("split", "own", variant=strange, error_code=ErrorCode.GENERAL)
    hook.finally_after(context, failed, {})
    assert recorder.stats().dropped == {"bad_evaluation": 3}
