"""Forced: a tester gets the variant that a rule names, and is left out of the analysis."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from openfeature import api
from openfeature.evaluation_context import EvaluationContext

from openfeature_triton.hooks import ExperimentHook, Recorder
from openfeature_triton.hooks.memory_sink import MemorySink
from openfeature_triton.provider import Experiments, RouteReason
from tests.provider.test_experiments import ASKED, Event, connect, events, outcomes, write_flags

__all__ = ["connect", "events"]  # fixtures

SPLIT = {"fractional": [["control", 50], ["treatment", 50]]}
TESTER = {"==": [{"var": "tester"}, "t"]}
ENGLISH = {"in": [{"var": "language"}, ["en-US", "en-GB"]]}
RULES: dict[str, Any] = {
    "a branch before": {"if": [TESTER, "treatment", ENGLISH, SPLIT]},
    "a branch around": {"if": [ENGLISH, {"if": [TESTER, "treatment", SPLIT]}]},
    "an attribute that names it": {"or": [{"var": "variant"}, SPLIT]},
}
FORCE = {"tester": "t", "variant": "treatment"}


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_a_tester_is_served_and_not_recorded(
    connect: Callable[..., Experiments], events: list[Event], tmp_path: Path, rule: Any
) -> None:
    """Route and outcome; everybody else is split as ever."""
    experiments = connect(write_flags(tmp_path / "flags.json", one={"targeting": rule}))
    for number in range(20):
        asked = {**ASKED, "targeting_key": f"r{number}"}
        with experiments.infer("asr", **asked, attributes=FORCE) as call:
            assert call.model_name == "asr-fast"
        assert call.route.reason is RouteReason.FORCED
        assert (call.route.variant, call.route.is_experiment) == ("treatment", False)
        assert call.token == ""
    assert not outcomes(events)
    variants = set()
    for number in range(20):
        with experiments.infer("asr", **{**ASKED, "targeting_key": f"r{number}"}) as call:
            variants.add(call.route.variant)
            assert call.route.reason is RouteReason.EXPERIMENT
    assert variants == {"control", "treatment"}
    assert len(outcomes(events)) == 20


def test_neither_forced_nor_default_variants_are_exposures(
    connect: Callable[..., Experiments], tmp_path: Path
) -> None:
    """In plain OpenFeature use, the hook counts those that the split chose."""
    rule = {"if": [TESTER, "treatment", ENGLISH, SPLIT]}
    flag = {"targeting": rule, "defaultVariant": "control"}
    connect(write_flags(tmp_path / "flags.json", one=flag))
    sink = MemorySink()
    recorder = Recorder(sink)
    client = api.get_client()
    client.add_hooks([ExperimentHook(recorder)])
    for attributes in ({"tester": "t"}, {"language": "en-US"}, {"language": "fr"}):
        details = client.get_object_details("one", {}, EvaluationContext("r", attributes))
        assert details.variant
        forced = details.flag_metadata.get("forced", False)
        assert forced is (attributes != {"language": "en-US"})
    assert recorder.close()
    assert sink.total("inference_light", "exposures") == 1
