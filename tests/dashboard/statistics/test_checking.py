"""What can't be meant is refused in one line that says what is wrong and what to write."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pytest

from openfeature_triton.dashboard.statistics import (
    Guardrail,
    Plan,
    Slice,
    requests_per_arm,
    summarize,
)
from openfeature_triton.dashboard.statistics.guardrails import parse_guardrails

FIELDS: dict[str, Any] = {"exposures": 20_000, "requests": 20_000, "errors": 900, "h500": 20_000.0}
WEIGHTS = {"p": {"control": 50, "treatment": 50}}


def recorded(**changes: Any) -> list[Slice]:
    """Two variants; `changes` are the treatment's. What is None is left out."""
    better = {**FIELDS, "errors": 540}
    fields = {name: value for name, value in {**better, **changes}.items() if value is not None}
    return [Slice(0, "p", "control", FIELDS), Slice(0, "p", "treatment", fields)]


def plan(**changes: Any) -> Plan:
    """A plan by which the treatment is shipped."""
    return Plan(**{"control": "control", "weights": WEIGHTS, "minimum_effect": 0.01, **changes})


def test_what_can_be_meant_is_summarised() -> None:
    """The same sums and plan that each other test here changes at one place."""
    assert summarize(recorded(), plan()).verdict.kind == "Ship"
    assert summarize([], plan()).verdict.kind == "Collecting data"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"weights": {"control": 50, "treatment": 50}}, "weights must be by phase, as {"),
        ({"weights": {"p": {"control": "half"}}}, "weight of 'control' in phase 'p' is 'half'"),
        ({"weights": {"p": {"control": -1}}}, "weight of 'control' in phase 'p' is -1"),
        ({"unit": "users"}, "unit = 'users' is neither 'request' nor 'user'"),
        ({"minimum_effect": "1%"}, "minimum_effect = '1%' is no positive number: 0.01 is one"),
        ({"minimum_effect": -0.01}, "minimum_effect = -0.01 is no positive number"),
        ({"minimum_effect": math.nan}, "minimum_effect = nan is no positive number"),
        ({"planned_requests": 0}, "planned_requests = 0 is no positive number"),
        ({"alpha": 2}, "alpha = 2 is no chance of a false alarm between 0 and 0.5"),
        ({"power": 0.1}, "power = 0.1 is no chance of finding an effect between 0.5 and 1"),
        ({"guardrails": "error_rate:10%"}, "guardrails must be a tuple as (Guardrail("),
        ({"lower_is_better": "wer"}, "lower_is_better must be a tuple of metrics"),
    ],
)
def test_a_plan_that_cant_be_meant_is_refused(changes: dict[str, Any], said: str) -> None:
    """Whoever makes it, before anything is computed."""
    refuses(said, lambda: plan(**changes))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"weights": {}}, "plan.weights say nothing of the phase 'p', so its split can't be"),
        ({"weights": {"q": {"control": 1}}}, "plan.weights say nothing of the phase 'p'"),
        ({"control": "contrl"}, "'contrl' has a weight in no phase: did you mean 'control'?"),
        ({"weights": {"p": {"control": 1, "treatmnt": 1}}}, "did you mean 'treatmnt'?"),
        ({"primary_metric": "sucess_rate"}, "did you mean 'success_rate'?"),
        ({"primary_metric": "wer"}, "'wer' was not recorded: there are success_rate, error_rate"),
        ({"guardrails": (Guardrail("latency_p955", 0.1),)}, "did you mean 'latency_p95'?"),
        ({"lower_is_better": ("wer",)}, "the metric 'wer' was not recorded"),
        ({"minimum_effect": 5}, "minimum_effect = 5 is no share of requests: 0.01 is one point"),
    ],
)
def test_a_plan_of_something_else_is_refused(changes: dict[str, Any], said: str) -> None:
    """Names that nothing was recorded under; a page shows what it can of the same."""
    refuses(said, lambda: summarize(recorded(), plan(**changes)))
    summarize(recorded(), plan(**changes), strict=False)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"request": 5}, "the field 'request' is never recorded: did you mean 'requests'?"),
        ({"errors": 20_001}, "errors of 'treatment' in phase 'p' is more than its requests"),
        ({"errors": -1}, "errors of 'treatment' in phase 'p' is negative in a slice"),
        ({"requests": math.nan}, "requests of 'treatment' in phase 'p' is no finite number"),
        ({"latency_ms_sum": math.inf}, "latency_ms_sum of 'treatment' in phase 'p' is no finite"),
        ({"m_wer_n": -4}, "m_wer_n of 'treatment' in phase 'p' is negative in a slice"),
        ({"h500": -4}, "h500 of 'treatment' in phase 'p' is no count"),
    ],
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_sums_that_cant_be_are_refused(changes: dict[str, Any], said: str) -> None:
    """With whose they are."""
    refuses(said, lambda: summarize(recorded(**changes), plan()))


def test_sums_of_logarithms_and_metrics_may_be_negative() -> None:
    """Latencies below a millisecond, and scores below 0."""
    fields = {"latency_ln_sum": -5.0, "latency_ln_sumsq": 9.0, "m_bleu_sum": -3.0, "m_bleu_n": 9}
    assert summarize(recorded(**fields), plan()).verdict.kind == "Ship"


@pytest.mark.parametrize("per_day", [-1.0, math.nan, math.inf, "many"])
def test_traffic_that_cant_be_is_refused(per_day: Any) -> None:
    """Days would be left, or never end."""
    said = f"requests_per_day = {per_day!r} is no number from 0 up"
    refuses(said, lambda: summarize(recorded(), plan(), requests_per_day=per_day))


def test_exposures_that_nobody_counted_are_asked_for() -> None:
    """Without them no split could be broken."""
    slices = [Slice(0, "p", each, {"requests": 9.0}) for each in WEIGHTS["p"]]
    refuses("no slice has 'exposures', so the split can't be checked", lambda: _of(slices))


def test_users_are_asked_for_in_buckets() -> None:
    """Fields of buckets would else be left out, and requests compared; a part has 128 sums."""
    slices = recorded(b3_n=5.0)
    refuses("give Slice(…, buckets=buckets_of(fields))", lambda: _of(slices, unit="user"))
    refuses("an array of 128 sums", lambda: Slice(0, "p", "control", {}, {"n": np.zeros(100)}))
    for value in (-1.0, math.inf):
        buckets = {"n": np.full(128, value)}
        slices = [Slice(0, "p", "control", FIELDS, buckets), *recorded()[1:]]
        refuses("buckets['n'] of 'control'", lambda given=slices: _of(given, unit="user"))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("monday", "p", "control", {}), "the index 'monday' is no whole number"),
        ((0, 1, "control", {}), "phase 1 and variant 'control' must be names"),
        ((0, "p", "control", [5]), "fields must be sums by name, not [5]"),
    ],
)
def test_a_slice_of_another_kind_is_refused(given: Any, said: str) -> None:
    """Where it is made."""
    refuses(said, lambda: Slice(*given))


def test_a_planner_and_a_guardrail_refuse_what_cant_be() -> None:
    """A variance below 0 gave a negative number of requests; a margin below 0 a division by 0."""
    refuses("a variance is -1, which is no number from 0 up", lambda: requests_per_arm(0.01, -1))
    refuses("the effect to be found", lambda: requests_per_arm(0, 0.1))
    refuses("alpha = 2", lambda: requests_per_arm(0.01, 0.1, alpha=2))
    refuses("power = 1", lambda: requests_per_arm(0.01, 0.1, power=1))
    refuses("design_effect = 0.5", lambda: requests_per_arm(0.01, 0.1, design_effect=0.5))
    refuses("margin of error_rate is -1", lambda: Guardrail("error_rate", -1))
    refuses("'error_rate:inf%' is no guardrail", lambda: parse_guardrails("error_rate:inf%"))


def _of(slices: list[Slice], **changes: Any) -> Any:
    return summarize(slices, plan(**changes))


def refuses(said: str, call: Any) -> None:
    """Hold that a call says so, in one line."""
    with pytest.raises(ValueError, match=re.escape(said)) as caught:
        call()
    assert "\n" not in str(caught.value)
