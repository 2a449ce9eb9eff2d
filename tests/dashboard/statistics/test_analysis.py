"""`summarize`: the verdict's order and sentences, and that it reads sums and nothing else."""

from __future__ import annotations

import json
import math
import random
from typing import Any

import numpy as np
import pytest

from openfeature_triton.dashboard.statistics import Plan, Slice, summarize
from openfeature_triton.dashboard.statistics.guardrails import parse_guardrails, read_guardrails
from openfeature_triton.hooks.histogram import bin_of

NAMES = ("control", "treatment")
EVEN = {"p1": dict.fromkeys(NAMES, 50.0)}


def counted(variant: str, requests: int, errors: int, **more: Any) -> Slice:
    """One slice of counts; exposures as many as requests unless given."""
    fields = {"exposures": requests, "requests": requests, "errors": errors, **more}
    return Slice(fields.pop("index", 0), fields.pop("phase", "p1"), variant, fields)


def timed(
    variant: str, median_ms: float, *, requests: int = 5000, errors: int = 250, phase: str = "p1"
) -> Slice:
    """A slice with lognormal latencies."""
    latencies = np.random.default_rng(1).lognormal(np.log(median_ms), 0.4, requests)
    logs = np.log(latencies)
    bins, counts = np.unique(bin_of(latencies), return_counts=True)
    more = {f"h{b}": float(c) for b, c in zip(bins, counts, strict=True)}
    more |= {"latency_ln_sum": float(logs.sum()), "latency_ln_sumsq": float((logs**2).sum())}
    return counted(variant, requests, errors, phase=phase, **more)


def plan(**changes: Any) -> Plan:
    """A plan for the success rate, 40,000 requests, one point."""
    fields: dict[str, Any] = {
        "control": "control", "weights": EVEN, "minimum_effect": 0.01, "planned_requests": 40_000,
    }  # fmt: skip
    return Plan(**{**fields, **changes})


def verdict(control: Slice, treatment: Slice, *, days: float | None = None, **changes: Any) -> Any:
    """The verdict on two slices."""
    per_day = None if days is None else 40_000 / days
    return summarize([control, treatment], plan(**changes), requests_per_day=per_day).verdict


def test_a_better_variant_is_shipped() -> None:
    """The sentence has the effect, its interval, the guardrails and the progress."""
    guardrails = parse_guardrails("error_rate:10%")
    found = verdict(
        counted("control", 20_500, 920), counted("treatment", 20_700, 557), guardrails=guardrails
    )
    assert found.kind == "Ship"
    assert found.reason == (
        "Treatment fails 1.8 points less often than control (95 % interval 1.2 to 2.4), "
        "no guardrail is harmed, and 41,200 of 40,000 planned requests are in: ship it."
    )


def test_a_broken_phase_does_not_hide_behind_fine_ones() -> None:
    """Ten phases as promised, and one that is not, which the sentence names."""
    fine = [counted(n, 200_000, 6000, phase=f"f{i}", index=i) for i in range(10) for n in NAMES]
    bad = [counted("control", 10_500, 315, phase="bad", index=10)]
    bad += [counted("treatment", 11_400, 342, phase="bad", index=10)]
    weights = dict.fromkeys((*(f"f{i}" for i in range(10)), "bad"), EVEN["p1"])
    found = summarize([*fine, *bad], plan(weights=weights))
    assert found.verdict.kind == "Broken"
    assert "split of phase bad is broken: control got 47.9 % of 21,900" in found.verdict.reason
    assert [each.phase for each in found.split.broken_phases] == ["bad"]
    assert not summarize(fine, plan(weights=weights)).split.broken


def test_nothing_is_shipped_past_guardrails_that_nobody_can_read() -> None:
    """Those that can be read are judged; the verdict says that others can't."""
    pair = counted("control", 20_500, 920), counted("treatment", 20_700, 557)
    guardrails, problems = read_guardrails("error_rate:10%, error_rate 5%")
    assert len(problems) == 1
    found = verdict(*pair, guardrails=guardrails, has_unread_guardrails=True)
    assert found.kind == "Review"
    assert found.reason.endswith("but not all guardrails can be read: review it.")


def test_a_metric_that_nobody_records_is_named() -> None:
    """A misspelt primary metric is found by its name in the sentence."""
    pair = counted("control", 2000, 20), counted("treatment", 2000, 20)
    found = summarize(pair, plan(primary_metric="sucess_rate"), strict=False).verdict
    assert found.kind == "Collecting data"
    assert "no values of sucess_rate can be expected" in found.reason


def test_an_uneven_split_does_not_end_before_it_could_tell() -> None:
    """All planned requests are in, but a tenth of them of the treatment: that says too little."""
    weights = {"p1": {"control": 90.0, "treatment": 10.0}}
    pair = counted("control", 36_000, 1800), counted("treatment", 4000, 190)
    found = verdict(*pair, weights=weights)
    assert found.kind == "Keep running"
    assert found.reason.endswith(
        "40,000 of 40,000 planned requests are in, but too few of them in the smaller group to end "
        "it: keep it running."
    )
    pair = counted("control", 360_000, 18_000), counted("treatment", 40_000, 1990)
    assert verdict(*pair, weights=weights).kind == "End, no effect"
    pair = counted("control", 20_000, 1000), counted("treatment", 20_000, 990)
    assert verdict(*pair).kind == "End, no effect"


@pytest.mark.parametrize(("treatments", "kind"), [(1, "Ship"), (9, "End, no effect")])
def test_a_quantile_among_many_variants_is_held_to_more(treatments: int, kind: str) -> None:
    """It has no p-value for Holm; what would do for one treatment may be chance among nine."""
    others = [f"t{nth}" for nth in range(1, treatments)]
    medians = {"control": 300.0, "t0": 279.0} | dict.fromkeys(others, 300.0)
    found = summarize(
        [timed(name, ms, requests=1500, errors=75) for name, ms in medians.items()],
        plan(
            primary_metric="latency_p50", minimum_effect=0.1,
            weights={"p1": dict.fromkeys(medians, 1)}, planned_requests=1500 * len(medians),
        ),
    )  # fmt: skip
    assert next(each for each in found.variants if each.variant == "t0").verdict.kind == kind


def test_a_broken_split_names_no_winner() -> None:
    """However good the treatment looks, nothing is shipped and nobody is named."""
    analysis = summarize(
        [counted("control", 20_000, 900), counted("treatment", 22_000, 400)], plan()
    )
    assert analysis.verdict.kind == "Broken"
    assert analysis.verdict.variant == ""
    assert "of 42,000 exposures and should have got 50.0 %" in analysis.verdict.reason
    assert all(each.verdict.kind == "Broken" for each in analysis.variants)
    assert not any(word in json.dumps(analysis.to_dict()).lower() for word in ("ship", "better"))


def test_what_was_shown_of_a_treatment_that_turned_is_not_turned_with_it() -> None:
    """Shown to be worse, then mended: it is not better; better, then fading: it is reviewed."""
    worse = [counted("control", 2000, 40), counted("treatment", 2000, 200)]
    mended = [counted(v, 40_000, n, index=1) for v, n in (("control", 2000), ("treatment", 1800))]
    analysis = summarize([*worse, *mended], plan())
    assert analysis.variants[0].p_value < 0.05
    assert (analysis.variants[0].primary.effect.value or 0) > 0
    assert analysis.variants[0].primary.state == "undecided"
    assert analysis.verdict.kind == "End, no effect"
    better = [counted("control", 2000, 200), counted("treatment", 2000, 60)]
    fading = [counted(v, 40_000, n, index=1) for v, n in (("control", 2000), ("treatment", 2060))]
    found = summarize([*better, *fading], plan()).verdict
    assert found.kind == "Review"
    assert "an earlier look showed and this one does not: review it." in found.reason
    stopped = [counted(v, 40_000, n, index=1) for v, n in (("control", 2000), ("treatment", 1900))]
    found = summarize([*worse, *stopped], plan()).verdict
    assert found.kind == "Stop"
    assert "as an earlier look showed: stop it." in found.reason


def test_a_worse_variant_is_stopped() -> None:
    """The primary metric is worse, and known to be."""
    found = verdict(counted("control", 20_000, 500), counted("treatment", 20_000, 900))
    assert found.kind == "Stop"
    assert "fails 2.0 points more often" in found.reason


def test_a_harmed_guardrail_stops_a_better_variant() -> None:
    """More accurate, but too often failing."""
    better = {
        "m_word_accuracy_n": 9000.0,
        "m_word_accuracy_sum": 8500.0,
        "m_word_accuracy_sumsq": 8100.0,
    }
    worse = {
        "m_word_accuracy_n": 9000.0,
        "m_word_accuracy_sum": 8000.0,
        "m_word_accuracy_sumsq": 7300.0,
    }
    found = verdict(
        counted("control", 10_000, 300, **worse),
        counted("treatment", 10_000, 600, **better),
        primary_metric="word_accuracy", minimum_effect=0.02,
        guardrails=parse_guardrails("error_rate:10%"),
    )  # fmt: skip
    assert found.kind == "Stop"
    assert found.reason == (
        "Treatment's error rate is 100.0 % higher than control's, "
        "and the guardrail allows 10 %: stop it."
    )


def test_a_guardrail_that_was_harmed_says_so_when_it_is_not_any_more() -> None:
    """What was shown stays shown, and the sentence does not contradict its number."""
    slices = [counted("control", 4000, 100), counted("treatment", 4000, 300)]
    slices += [counted(v, 40_000, n, index=1) for v, n in (("control", 2000), ("treatment", 1840))]
    guarded = parse_guardrails("error_rate:10%")
    found = summarize(slices, plan(primary_metric="latency", guardrails=guarded)).verdict
    assert found.reason == (
        "Treatment's error rate is 1.9 % higher than control's, but an earlier look showed more "
        "than the 10 % higher that the guardrail allows: stop it."
    )


def test_too_few_failures_are_no_evidence() -> None:
    """Below 20 of the rarer outcome, data is collected, whatever the ratio."""
    found = verdict(counted("control", 300, 12), counted("treatment", 300, 0))
    assert found.kind == "Collecting data"
    assert "about 6 failures can be expected in the smaller group so far, and 20" in found.reason
    found = verdict(counted("control", 300, 297), counted("treatment", 300, 300))
    assert "about 2 successes can be expected" in found.reason
    found = verdict(counted("control", 300, 0), counted("treatment", 300, 0))
    assert "hardly any failures can be expected" in found.reason


def test_better_with_an_open_guardrail_is_reviewed() -> None:
    """Better, but a guardrail cannot be judged yet."""
    found = verdict(
        counted("control", 20_000, 900), counted("treatment", 20_000, 540),
        guardrails=parse_guardrails("latency_p95:20%"),
    )  # fmt: skip
    assert found.kind == "Review"
    assert "the guardrail latency p95 is not yet proven safe: review it." in found.reason


def test_of_several_to_be_shipped_the_best_is_named_first() -> None:
    """And the others with it; a variant to be stopped comes before all."""
    arms = {"a": 800, "b": 500, "c": 600, "d": 905}
    slices = [counted("control", 20_000, 900)]
    slices += [counted(name, 20_000, errors) for name, errors in arms.items()]
    found = summarize(slices, plan(weights={"p1": dict.fromkeys(("control", *arms), 1)})).verdict
    assert found.kind == "Ship"
    assert found.reason.startswith("B fails 2.0 points less often")
    assert found.reason.endswith("ship it. The same verdict holds for c.")
    even = {"p1": dict.fromkeys(("control", *arms, "e"), 1)}
    stopped = summarize([*slices, counted("e", 20_000, 1400)], plan(weights=even)).verdict
    assert (stopped.kind, stopped.variant) == ("Stop", "e")
    assert stopped.reason.endswith("stop it. To be shipped: b and c.")


def test_nothing_found_by_the_planned_end_is_ended() -> None:
    """The planned requests are in, and the interval holds 0."""
    found = verdict(counted("control", 20_000, 900), counted("treatment", 20_000, 905))
    assert found.kind == "End, no effect"


def test_before_the_end_it_is_kept_running_with_the_days_left() -> None:
    """Half the requests in ten days of twenty: ten more."""
    found = verdict(counted("control", 10_000, 450), counted("treatment", 10_000, 440), days=20)
    assert found.kind == "Keep running"
    assert found.reason.endswith(
        "20,000 of 40,000 planned requests are in: keep it running for about 10 days."
    )


def test_latency_is_compared_by_ratio_and_quantile() -> None:
    """A third faster: the ratio of geometric means, and p95 with its interval."""
    analysis = summarize(
        [timed("control", 300.0), timed("treatment", 200.0)],
        plan(primary_metric="latency", minimum_effect=0.1, planned_requests=10_000),
    )
    assert analysis.verdict.kind == "Ship"
    assert analysis.verdict.reason.startswith(
        "Treatment is 33.3 % faster than control (95 % interval"
    )
    by_name = {each.metric: each for each in analysis.variants[0].metrics}
    p95 = by_name["latency_p95"].effect
    assert p95.value == pytest.approx(-1 / 3, abs=0.02)
    assert p95.low is not None
    assert p95.high is not None
    assert p95.low < -1 / 3 < p95.high < 0
    assert by_name["latency"].control == pytest.approx(300, rel=0.02)


def test_a_phase_in_which_everybody_was_slower_says_nothing_of_a_variant() -> None:
    """No metric and no guardrail blames it; both are shown as with the same mix of phases."""
    canary = [
        timed("control", 200.0, requests=9900, errors=99),
        timed("treatment", 200.0, requests=100, errors=1),
    ]
    half = [timed(name, 400.0, requests=5000, errors=500, phase="p2") for name in NAMES]
    weights = {"p1": {"control": 99.0, "treatment": 1.0}, "p2": EVEN["p1"]}
    guardrails = parse_guardrails("latency_p50:20%, latency_p95:20%, error_rate:50%")
    (found,) = summarize([*canary, *half], plan(weights=weights, guardrails=guardrails)).variants
    for each in found.metrics:
        assert each.state == "undecided", each
        assert each.treatment == pytest.approx(each.control, rel=0.1), each
    assert [each.state for each in found.guardrails] == ["safe"] * 3
    p95 = next(each.effect for each in found.metrics if each.metric == "latency_p95")
    assert p95.value == pytest.approx(0, abs=0.02)


def test_the_fixed_horizon_interval_of_phases_is_that_of_what_they_combine_to() -> None:
    """Two phases of equal size and effect: 1.96 times the root of half a phase's variance."""
    phases = [
        counted(n, 10_000, e, phase=p)
        for p in ("p1", "p2")
        for n, e in (("control", 450), ("treatment", 270))
    ]
    weights = {"p1": EVEN["p1"], "p2": EVEN["p1"]}
    (found,) = summarize(phases, plan(weights=weights)).variants
    half = 1.96 * math.sqrt((0.045 * 0.955 + 0.027 * 0.973) / 20_000)
    effect = found.primary.effect
    assert effect.fixed_low == pytest.approx(0.018 - half, rel=1e-3)
    assert effect.fixed_high == pytest.approx(0.018 + half, rel=1e-3)


def test_several_variants_are_judged_apart_and_holm_corrected() -> None:
    """The worst news comes first; p-values are adjusted for their number."""
    weights = {"p1": {"control": 1.0, "good": 1.0, "bad": 1.0}}
    analysis = summarize(
        [
            counted("control", 20_000, 900),
            counted("good", 20_000, 540),
            counted("bad", 20_000, 1400),
        ],
        plan(weights=weights, planned_requests=60_000),
    )
    assert {each.variant: each.verdict.kind for each in analysis.variants} == {
        "good": "Ship", "bad": "Stop",
    }  # fmt: skip
    assert (analysis.verdict.kind, analysis.verdict.variant) == ("Stop", "bad")
    for each in analysis.variants:
        assert each.primary.p_value is not None
        assert each.p_value >= each.primary.p_value


def test_phases_are_not_pooled() -> None:
    """Simpson: in each phase the arms are alike, and pooled they would not be."""
    weights = {
        "p1": {"control": 90.0, "treatment": 10.0},
        "p2": {"control": 10.0, "treatment": 90.0},
    }
    analysis = summarize(
        [
            counted("control", 18_000, 3600), counted("treatment", 2000, 400),
            counted("control", 2000, 40, phase="p2", index=1),
            counted("treatment", 18_000, 360, phase="p2", index=1),
        ],
        plan(weights=weights),
    )  # fmt: skip
    assert analysis.variants[0].primary.effect.value == pytest.approx(0.0, abs=1e-9)
    assert analysis.variants[0].primary.state == "undecided"


def test_the_order_of_slices_and_their_grain_do_not_matter() -> None:
    """Merging is summing: shuffled, and cut into ten writers each, the result is the same."""
    slices = [
        counted(variant, 1000 + 10 * index, 50 - offset, index=index)
        for index in range(12)
        for variant, offset in (("control", 0), ("treatment", 15))
    ]
    cut = [
        Slice(each.index, each.phase, each.variant, {k: v / 10 for k, v in each.fields.items()})
        for each in slices
        for _ in range(10)
    ]
    random.Random(1).shuffle(cut)  # noqa: S311 - no secret
    one, other = (summarize(each, plan()).to_dict() for each in (slices, cut))
    assert json.dumps(_rounded(one)) == json.dumps(_rounded(other))


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(each) for each in value]
    return round(value, 9) if isinstance(value, float) else value


@pytest.mark.parametrize(
    "slices",
    [[], [counted("control", 0, 0)], [counted("control", 500, 3)], [counted("treatment", 500, 3)]],
    ids=["nothing", "empty", "control only", "treatment only"],
)
def test_little_data_makes_sense(slices: list[Slice]) -> None:
    """No traffic, or one arm alone: no exception, no warning, plain JSON, nothing claimed."""
    analysis = summarize(slices, plan(weights={}), strict=False)
    text = json.dumps(analysis.to_dict(), allow_nan=False)
    assert "NaN" not in text
    assert analysis.verdict.kind == "Collecting data"


def test_no_interval_of_a_rate_reaches_beyond_a_whole() -> None:
    """All of one arm and none of the other fail: an effect of 100 points at most."""
    (found,) = summarize([counted("control", 90, 0), counted("treatment", 90, 90)], plan()).variants
    effect, (step,) = found.primary.effect, found.steps
    assert (effect.value, effect.low, effect.high) == (step.value, step.low, step.high)
    assert (effect.value, effect.low) == (-1.0, -1.0)
    assert -1 < (effect.high or 2) < 1


def test_the_primary_effect_is_told_step_by_step() -> None:
    """Its band shrinks as requests come in."""
    slices = [
        counted(variant, 1000, 50, index=index)
        for index in range(10)
        for variant in ("control", "treatment")
    ]
    steps = summarize(slices, plan()).variants[0].steps
    widths = [
        step.high - step.low for step in steps if step.high is not None and step.low is not None
    ]
    assert len(widths) == 10
    assert widths == sorted(set(widths), reverse=True)


def test_the_docstring_is_true() -> None:
    """The notebook example of the package runs as printed."""
    import doctest

    from openfeature_triton.dashboard import statistics

    assert doctest.testmod(statistics).failed == 0
