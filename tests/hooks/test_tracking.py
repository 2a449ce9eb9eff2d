"""Reading tracking events."""

from __future__ import annotations

from typing import Any

import pytest
from openfeature.evaluation_context import EvaluationContext
from openfeature.track import TrackingEventDetails

from openfeature_triton.hooks import MemorySink, Recorder, tracking
from openfeature_triton.hooks.series import Series

FULL: dict[str, Any] = {
    "experiment": "e",
    "phase": "p",
    "variant": "treatment",
    "served": "control",
    "task_type": "asr",
    "language": "hi",
    "success": False,
    "error_class": "timeout",
    "metrics": {"output_words": 3},
}


def test_all_that_is_said_is_taken() -> None:
    """A full event gives the arguments of `record`."""
    read = tracking.inference(EvaluationContext("key"), TrackingEventDetails(12.5, dict(FULL)))
    series = Series("e", "p", "treatment", "control", "asr", "hi")
    assert read == (series, 12.5, "timeout", {"output_words": 3}, None)


def test_what_is_left_out_is_empty_or_in_the_context() -> None:
    """Served is the variant, task type and language come from the context, the rest is empty."""
    context = EvaluationContext("key", {"task_type": "nmt", "language": "ta"})
    read = tracking.inference(context, TrackingEventDetails(3, {"variant": "treatment"}))
    series = Series("", "", "treatment", "treatment", "nmt", "ta")
    assert read == (series, 3, "", None, None)


def test_a_failure_without_a_class_is_an_error_of_the_class_other() -> None:
    """A service may say that it failed without saying how."""
    read = tracking.inference(None, TrackingEventDetails(3, {"success": False}))
    assert read.error_class == "other"


def test_breakers_are_remembered_until_they_close() -> None:
    """The recorder's counts tell which services are left alone; odd events are refused."""
    recorder = Recorder(MemorySink())
    for service_id, state in (("asr", "open"), ("nmt", "open"), ("asr", "closed"), ("x", "closed")):
        said = TrackingEventDetails(attributes={"service_id": service_id, "state": state})
        recorder.track("breaker", None, said)
    recorder.track("breaker", None, TrackingEventDetails(attributes={"service_id": 7}))
    recorder.track("breaker", None, None)
    stats = recorder.stats()
    assert (stats.breakers, stats.dropped) == ({"nmt": "open"}, {"bad_event": 2})
    assert recorder.close()


def test_a_phase_is_a_point_at_the_time_it_was_seen() -> None:
    """The phase's definition is kept as text."""
    attributes: dict[str, Any] = {"experiment": "e", "phase": "p", "weights": '{"a": 1}'}
    point = tracking.phase(TrackingEventDetails(attributes=attributes), 17)
    assert (point.measurement, point.time_ns) == ("experiment_phase", 17)
    assert point.tags == (("experiment", "e"), ("phase", "p"))
    assert point.fields == {
        "weights": '{"a": 1}',
        "metadata": "",
        "definition": "",
        "bucketing": "",
    }


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"experiment": "e"},
        {"experiment": "e" * 65, "phase": "p"},
        {"experiment": "e", "phase": "p", "weights": {"a": 1}},
        {"experiment": "e", "phase": "p", "definition": "x" * 1_000_001},
        {"experiment": "e", "phase": "p", "definition": "\ud800"},
        {"experiment": "e", "phase": "p", "definition": "\0"},
    ],
)
def test_a_phase_that_a_store_could_not_hold_is_refused(attributes: dict[str, Any]) -> None:
    """Missing ids and texts that are no texts raise, for the recorder to count."""
    with pytest.raises(ValueError, match=r"."):
        tracking.phase(TrackingEventDetails(attributes=attributes), 17)


def test_a_user_is_taken_where_the_unit_is_the_user() -> None:
    """A request's own key says nothing that is worth keeping."""
    context = EvaluationContext("anna")
    for unit, expected in (("user", "anna"), ("request", None)):
        details = TrackingEventDetails(1.0, {"experiment": "e", "unit": unit})
        assert tracking.inference(context, details).targeting_key == expected
