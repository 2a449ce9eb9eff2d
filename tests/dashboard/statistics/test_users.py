"""Users as units: buckets of users against direct computations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from openfeature_triton.dashboard.statistics import (
    Plan,
    Slice,
    buckets_of,
    requests_per_arm,
    summarize,
)
from openfeature_triton.dashboard.statistics.accumulating import accumulate
from openfeature_triton.dashboard.statistics.always_valid import Floats, log_evidence
from openfeature_triton.dashboard.statistics.clusters import (
    Clustered,
    clustered,
    design_effect,
    widening,
    worth,
    worth_in_users,
)
from openfeature_triton.dashboard.statistics.guardrails import parse_guardrails
from openfeature_triton.dashboard.statistics.split import log_mean, log_user_split_evidence
from openfeature_triton.hooks import schema
from openfeature_triton.hooks.schema import cluster_fields, cluster_metric_fields
from tests.dashboard.statistics.users import EVEN, users_plan

RNG = np.random.default_rng(1)


def means(*arms: tuple[Sequence[float] | Floats, Sequence[float] | Floats]) -> Clustered:
    """One metric of several groups: sums and counts of each by bucket."""
    sums, counts = (np.array(each, float) for each in zip(*arms, strict=True))
    found = clustered([sums], counts)
    return replace(found, value=found.value[0], covariance=found.covariance[0])


def test_a_ratio_over_buckets_is_the_delta_methods() -> None:
    """Against a bootstrap over buckets, but for the widening that t has over the normal."""
    n = RNG.integers(50, 400, 128).astype(float)
    s = RNG.binomial(n.astype(int), RNG.beta(20, 180, 128)).astype(float)
    found = means((s, n))
    draws = []
    for _ in range(2000):
        chosen = RNG.integers(0, 128, 128)
        draws.append(s[chosen].sum() / n[chosen].sum())
    assert float(found.value[0]) == pytest.approx(s.sum() / n.sum())
    assert float(found.se()[0]) == pytest.approx(np.std(draws), rel=0.1)
    assert means((np.zeros(128), np.zeros(128))).se() == math.inf


def test_the_variance_is_the_formula_bucket_by_bucket() -> None:
    """B/(B − 1)·Σ(s_b − r·n_b)²/(Σn)², and t over z, in a plain loop; of a difference likewise."""
    n, s, t = [10.0] * 40, *([float(RNG.integers(0, 10)) for _ in range(40)] for _ in range(2))
    wider = stats.t.ppf(0.975, 39) / stats.norm.ppf(0.975)
    apart = [b - a for a, b in zip(s, t, strict=True)]
    for found, each in ((means((s, n)), s), (means((s, n), (t, n)).apart(), apart)):
        r = sum(each) / sum(n)
        moved = sum((a - r * b) ** 2 for a, b in zip(each, n, strict=True))
        assert float(found.value[0]) == pytest.approx(r)
        assert float(found.se()[0]) == pytest.approx(
            math.sqrt(40 / 39 * moved / sum(n) ** 2) * wider
        )


def test_the_ln_is_the_delta_methods() -> None:
    """The standard error of ln r is that of r over r."""
    n, s = RNG.integers(50, 60, 128).astype(float), RNG.integers(20, 40, 128).astype(float)
    found = means((s, n))
    assert float(found.ln().value[0]) == pytest.approx(math.log(s.sum() / n.sum()))
    assert float(found.ln().se()[0]) == pytest.approx(float(found.se()[0] / found.value[0]))


def test_phases_of_the_same_users_are_not_taken_for_independent() -> None:
    """Twice the same phase is as sure as once; two phases of other users are surer by √2."""
    n = np.full(128, 100.0)
    one, other = (RNG.normal(50, 5, 128) for _ in range(2))
    se = float(means((one, n)).se()[0])
    for second, wanted in ((one, se), (other, se / math.sqrt(2))):
        both = means((one, n), (second, n))
        assert float(both.combined(widening(both.worth))[1]) == pytest.approx(wanted, rel=0.15)
    none = means((np.zeros(128), np.zeros(128)))
    assert none.combined(widening(none.worth))[1] == math.inf


def test_a_few_busy_users_are_worth_few() -> None:
    """(Σn)²/Σn², by bucket; and by user, from how much buckets differ."""
    assert float(worth(np.full(128, 7.0))) == pytest.approx(128)
    assert float(worth([90.0] + [1.0] * 10)) == pytest.approx(100**2 / 8110)
    assert float(worth(np.zeros(128))) == 0.0
    found = []
    for _ in range(200):
        requests = np.minimum(RNG.zipf(1.8, 3000), 200).astype(float)
        buckets = np.bincount(RNG.integers(0, 128, 3000), requests, 128)
        found.append(float(worth_in_users(buckets)) * (requests**2).sum() / requests.sum() ** 2)
    assert np.median(found) == pytest.approx(1, abs=0.1)


def test_requests_of_a_user_that_are_all_alike_count_once() -> None:
    """Users of ten equal requests need ten times as many, and so says the planner."""
    per_user = RNG.normal(100, 20, 12_800)
    sums = np.bincount(np.arange(12_800) % 128, per_user * 10, 128)
    counts = np.full(128, 1000.0)
    found = design_effect(sums, counts, float(per_user.var()))
    assert found == pytest.approx(10, rel=0.3)
    assert design_effect(sums[:10], counts[:10], 1.0) is None
    once, again = (requests_per_arm(0.01, 0.1, design_effect=each) for each in (1.0, 10.0))
    assert again == pytest.approx(10 * once, rel=1e-4)


def test_the_split_of_users_is_held_against_what_they_are_worth() -> None:
    """Evidence of the share's distance from its weight; the standard error is √(w(1 − w)/m)."""
    both = RNG.poisson(200, 128).astype(float)
    treated = np.round(both * 0.53)
    m = float(worth_in_users(both))
    distance, se = treated.sum() / both.sum() - 0.5, math.sqrt(0.25 / m)
    wanted = float(log_evidence(distance, se, 0.02))
    assert float(log_user_split_evidence(treated, both, 0.5)) == pytest.approx(wanted)
    assert float(log_user_split_evidence(treated, both, 0.0)) == math.inf
    assert float(log_user_split_evidence(np.zeros(128), both, 0.0)) == 0.0
    assert float(log_user_split_evidence(treated / 1e4, both / 1e4, 0.5)) == 0.0
    assert float(log_mean([0.0, math.log(3)])) == pytest.approx(math.log(2))


def by_bucket(variant: str, errors: list[int], n: int = 100) -> Slice:
    """A slice whose users made n requests in each bucket; fields as the recorder writes them."""
    fields: dict[str, float] = {}
    for bucket, failed in enumerate(errors):
        names = cluster_fields(bucket)
        fields |= dict(zip(names, (float(n), float(failed), n * 50.0), strict=True))
        fields |= dict(
            zip(cluster_metric_fields(bucket, "word_accuracy"), (n, 0.9 * n), strict=True)
        )
    total, ms = n * len(errors), n * len(errors) * 50.0
    fields |= {"exposures": total, "requests": total, "errors": float(sum(errors))}
    fields |= {"latency_ms_sum": ms, "latency_ms_sumsq": ms * 50, "latency_ln_sum": 1.0}
    metric = schema.metric_fields("word_accuracy")
    fields |= dict(zip(metric, (total, 0.9 * total, 0.82 * total), strict=True))
    return Slice(0, "p", variant, fields, buckets_of(fields))


def test_buckets_are_read_by_their_names_whatever_their_order() -> None:
    """Each value lies in its part's bucket; what is no bucket of users is left out."""
    found = buckets_of({"b3_n": 5.0, "requests": 9.0, "b127_errors": 2.0, "b128_n": 7.0})
    again = buckets_of({"b127_errors": 2.0, "b3_n": 5.0})
    for each in (found, again):
        assert {part: int(np.flatnonzero(sums)[0]) for part, sums in each.items()} == {
            "n": 3,
            "errors": 127,
        }
        assert {part: sums.sum() for part, sums in each.items()} == {"n": 5.0, "errors": 2.0}
    assert buckets_of({}) == {}


def test_slices_of_one_place_are_added_up() -> None:
    """Two slices of one index, phase and variant are as one that holds both."""
    half, whole = by_bucket("control", [1] * 128), by_bucket("control", [2] * 128, n=200)
    twice, once = (accumulate(each, "control", by_user=True) for each in ([half, half], [whole]))
    assert np.array_equal(twice.of(schema.ERRORS), once.of(schema.ERRORS))
    for part in ("n", "errors"):
        assert np.array_equal(twice.part(part), once.part(part))


def test_one_heavy_user_is_no_verdict() -> None:
    """Failures of one bucket alone: sure by request, nothing by user."""
    slices = [by_bucket("control", [0] * 127 + [90]), by_bucket("treatment", [1] * 128)]
    plan = users_plan()
    assert summarize(slices, Plan("control", EVEN)).variants[0].primary.p_value != 1.0
    analysis = summarize(slices, plan)
    assert analysis.verdict.kind == "Keep running"
    assert analysis.user_share == 1.0


def test_users_are_compared_over_buckets() -> None:
    """The interval is that of buckets' differences, and the fixed one is beside it."""
    errors = [RNG.integers(0, 30, 128).tolist() for _ in range(2)]
    slices = [
        by_bucket(name, each) for name, each in zip(("control", "treatment"), errors, strict=True)
    ]
    (variant,) = summarize(slices, users_plan()).variants
    effect = variant.primary.effect
    assert effect.value == pytest.approx((sum(errors[0]) - sum(errors[1])) / 12_800)
    differences = (np.array(errors[0]) - np.array(errors[1])) / 12_800
    se = math.sqrt(128 / 127 * ((differences - differences.mean()) ** 2).sum())
    se *= stats.t.ppf(0.975, 127) / stats.norm.ppf(0.975)
    assert effect.fixed_high is not None
    assert effect.value is not None
    assert effect.fixed_high - effect.value == pytest.approx(1.96 * se, rel=1e-3)
    assert {each.metric for each in variant.metrics} >= {"latency", "word_accuracy"}


def test_too_few_users_are_said() -> None:
    """Many requests of users in ten buckets are not enough."""
    slices = [by_bucket(name, [9] * 10, 500) for name in ("control", "treatment")]
    found = summarize(slices, users_plan()).verdict
    assert found.kind == "Collecting data"
    assert (
        "the users of the smaller group count as 10 equally busy groups, and 20 are needed"
        in found.reason
    )


def test_without_buckets_requests_are_compared() -> None:
    """Where nobody counted by user, the analysis says so and goes on."""
    slices = [
        Slice(0, "p", name, {"exposures": 900, "requests": 900, "errors": errors})
        for name, errors in (("control", 90), ("treatment", 70))
    ]
    analysis = summarize(slices, users_plan())
    assert analysis.user_share is None
    assert analysis.variants[0].primary.effect.low is not None
    assert accumulate(slices, "control", by_user=True).is_by_user is False


def test_guardrails_of_users_are_judged_over_buckets() -> None:
    """Errors of one bucket harm nobody; errors of all do."""
    guardrails = parse_guardrails("error_rate:10%, latency:10%")
    few, many = (RNG.integers(low, low + 4, 128).tolist() for low in (2, 6))
    control = by_bucket("control", few)
    for errors, state in (([*few[:127], 99], "unknown"), (many, "harmed")):
        slices = [control, by_bucket("treatment", errors)]
        (variant,) = summarize(slices, users_plan(guardrails=guardrails)).variants
        assert variant.guardrails[0].state == state
    assert variant.guardrails[1].state in ("safe", "unknown")
