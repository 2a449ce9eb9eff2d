"""Each formula against scipy, statsmodels, or a slow direct computation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import NormalIndPower
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint
from statsmodels.stats.weightstats import CompareMeans, DescrStatsW

from openfeature_triton.dashboard.statistics import fixed_horizon, planner
from openfeature_triton.dashboard.statistics.always_valid import (
    half_width,
    log_evidence,
    mixture_scale,
    planned_g,
    running_p,
)
from openfeature_triton.dashboard.statistics.guardrails import (
    GuardrailError,
    log_event_evidence,
    log_shift_evidence,
    parse_guardrails,
)
from openfeature_triton.dashboard.statistics.holm import adjusted
from openfeature_triton.dashboard.statistics.moments import (
    Moments,
    combine,
    difference,
    log_ratio,
)
from openfeature_triton.dashboard.statistics.quantiles import (
    Ratio,
    combined,
    quantile_factor,
    quantile_interval,
    quantile_ratio,
)
from openfeature_triton.dashboard.statistics.scales import relative_scale
from openfeature_triton.dashboard.statistics.split import ALARM, log_over_phases, log_split_evidence
from openfeature_triton.hooks.histogram import GAMMA, bin_of

RNG = np.random.default_rng(7)


def moments(values: np.ndarray) -> Moments:
    """The sums of a sample."""
    return Moments(
        *(np.array(float(each)) for each in (len(values), values.sum(), (values**2).sum()))
    )


@pytest.mark.parametrize(
    ("effect", "se", "tau"), [(0.3, 0.1, 0.2), (-2.0, 1.0, 0.5), (0.0, 1.0, 3)]
)
def test_the_mixture_is_the_integral_it_stands_for(effect: float, se: float, tau: float) -> None:
    """The evidence is the likelihood ratio averaged over N(0, τ²)."""

    def averaged(theta: float) -> float:
        likelihood = stats.norm.pdf(effect, theta, se) / stats.norm.pdf(effect, 0, se)
        return float(likelihood * stats.norm.pdf(theta, 0, tau))

    direct, _ = integrate.quad(averaged, -40 * tau, 40 * tau, points=[0, effect], limit=200)
    assert float(log_evidence(effect, se, tau)) == pytest.approx(math.log(direct), abs=1e-6)


@given(st.floats(0.001, 10), st.floats(0.001, 10), st.floats(0.001, 0.5))
def test_the_interval_holds_what_the_test_does_not_reject(
    se: float, tau: float, alpha: float
) -> None:
    """At the interval's end e is 1/α."""
    width = float(half_width(se, tau, alpha))
    assert float(log_evidence(width, se, tau)) == pytest.approx(math.log(1 / alpha), rel=1e-6)


def test_the_planned_scale_makes_the_interval_narrowest_at_the_planned_end() -> None:
    """Neither a smaller nor a larger τ is better by more than a hair; g is 7.94."""
    assert planned_g() == pytest.approx(7.936, abs=0.001)
    effect, se = 0.01, 0.01 / (stats.norm.ppf(0.975) + stats.norm.ppf(0.8))
    tau = mixture_scale(effect)
    best = min(float(half_width(se, tau * scale)) for scale in np.linspace(0.3, 3, 300))
    assert float(half_width(se, tau)) <= best * 1.005


def test_the_running_p_never_rises() -> None:
    """What was once significant stays so."""
    p = running_p(RNG.normal(0, 3, (50, 4)))
    assert np.all(np.diff(p, axis=0) <= 0)
    assert np.all((p > 0) & (p <= 1))


def test_a_difference_of_means_is_welchs() -> None:
    """Effect as numpy's, SE at least Welch's."""
    one, other = RNG.normal(10, 2, 400), RNG.normal(10.5, 3, 300)
    d, se = difference(moments(one), moments(other), rate=False)
    assert float(d) == pytest.approx(other.mean() - one.mean())
    welch = math.sqrt(one.var(ddof=1) / 400 + other.var(ddof=1) / 300)
    pooled = math.sqrt(np.concatenate([one, other]).var(ddof=1) * (1 / 400 + 1 / 300))
    assert float(se) == pytest.approx(max(welch, pooled))


def test_a_log_ratio_is_the_delta_methods() -> None:
    """Against a bootstrap of the same samples, within its noise."""
    one, other = RNG.gamma(4, 2, 3000), RNG.gamma(4, 2.4, 3000)
    found, se = log_ratio(moments(one), moments(other), rate=False)
    draws = [
        math.log(RNG.choice(other, 3000).mean() / RNG.choice(one, 3000).mean()) for _ in range(800)
    ]
    assert float(found) == pytest.approx(math.log(other.mean() / one.mean()))
    assert float(se) == pytest.approx(np.std(draws), rel=0.1)


def test_arms_without_data_have_no_effect() -> None:
    """Nothing, one value, no variance at all: (nan, inf), and no warning."""
    empty, full = moments(np.zeros(0)), moments(RNG.normal(0, 1, 50))
    for control, treatment in ((empty, full), (full, empty), (moments(np.ones(1)), full)):
        d, se = difference(control, treatment, rate=False)
        assert math.isnan(float(d))
        assert math.isinf(float(se))
    assert float(half_width(np.inf, 1.0)) == math.inf
    assert float(log_evidence(0.0, np.inf, 1.0)) == 0.0


def test_no_event_at_all_is_no_certainty() -> None:
    """0 of 100 against 0 of 100 has a standard error."""
    none = moments(np.zeros(100))
    d, se = difference(none, none, rate=True)
    assert float(d) == 0.0
    assert 0.005 < float(se) < 0.05


def test_phases_combine_by_inverse_variance() -> None:
    """As a weighted mean by hand; a phase without an estimate counts nothing."""
    d, se = combine([0.1, 0.3, np.nan], [0.1, 0.2, np.inf])
    weights = np.array([1 / 0.01, 1 / 0.04])
    assert float(d) == pytest.approx((0.1 * weights[0] + 0.3 * weights[1]) / weights.sum())
    assert float(se) == pytest.approx(1 / math.sqrt(weights.sum()))
    assert math.isinf(float(combine([np.nan], [np.inf])[1]))


@pytest.mark.parametrize(
    ("x1", "n1", "x0", "n0"), [(56, 70, 48, 80), (9, 10, 3, 10), (0, 50, 5, 60), (30, 40, 40, 40)]
)
def test_newcombe_is_statsmodels(x1: int, n1: int, x0: int, n0: int) -> None:
    """The hybrid score interval, and Wilson's that it is made of."""
    assert fixed_horizon.newcombe(x1, n1, x0, n0) == pytest.approx(
        confint_proportions_2indep(x1, n1, x0, n0, method="newcomb"), abs=1e-9
    )
    assert fixed_horizon.wilson(x1, n1) == pytest.approx(
        proportion_confint(x1, n1, method="wilson"), abs=1e-9
    )


def test_welch_is_statsmodels() -> None:
    """Unequal variances, Satterthwaite's degrees of freedom."""
    one, other = RNG.normal(5, 1, 30), RNG.normal(6, 3, 20)
    mine = fixed_horizon.welch(
        (other.mean(), other.var(ddof=1), 20), (one.mean(), one.var(ddof=1), 30)
    )
    theirs = CompareMeans(DescrStatsW(other), DescrStatsW(one)).tconfint_diff(usevar="unequal")
    assert mine == pytest.approx(theirs)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_is_statsmodels(p_values: list[float]) -> None:
    """Adjusted p-values in the order given."""
    assert adjusted(p_values) == pytest.approx(multipletests(p_values, method="holm")[1])


def test_the_planner_is_statsmodels() -> None:
    """The fixed-horizon number of a two-sample z-test; the always-valid one is 1.68 times it."""
    variance, effect = 0.05 * 0.95, 0.01
    theirs = NormalIndPower().solve_power(effect / math.sqrt(variance), alpha=0.05, power=0.8)
    mine = planner.requests_per_arm(effect, variance, always_valid=False)
    assert mine == pytest.approx(theirs, rel=0.001)
    assert planner.requests_per_arm(effect, variance) == pytest.approx(1.68 * theirs, rel=0.001)
    with pytest.raises(ValueError, match="not 0"):
        planner.requests_per_arm(0.0, variance)
    assert planner.days_left(1000, 400, 200) == 3
    assert planner.days_left(1000, 1400, 200) == 0
    assert planner.days_left(1000, 400, 0) is None


def test_the_split_is_the_dirichlet_multinomial() -> None:
    """Ln e against scipy's own distribution over the multinomial."""
    counts, weights = np.array([480, 520, 260]), np.array([2.0, 2.0, 1.0])
    alphas = 1000 * weights / weights.sum()
    theirs = stats.dirichlet_multinomial.logpmf(counts, alphas, counts.sum())
    theirs -= stats.multinomial.logpmf(counts, counts.sum(), weights / weights.sum())
    assert float(log_split_evidence(counts, weights)) == pytest.approx(theirs, abs=1e-6)
    assert float(log_split_evidence([10, 1], [1.0, 0.0])) == math.inf
    assert float(log_split_evidence([10, 0], [1.0, 0.0])) == pytest.approx(0.0)


def test_the_splits_of_phases_are_weighed_and_multiplied() -> None:
    """Half the product, half a mixture that ends in what did not begin; none is no evidence."""
    e = np.array([3.0, 0.5, 20.0])
    mixture = 3 / 2 + 0.5 / 6 + 20 / 12 + 1 / 4
    alike, apart = (
        float(log_over_phases(np.log(e), are_independent=each)) for each in (False, True)
    )
    assert math.exp(alike) == pytest.approx(mixture)
    assert math.exp(apart) == pytest.approx((30 + mixture) / 2)
    later = log_over_phases([*np.log(e), 0.0, 0.0], are_independent=True)
    assert float(later) == pytest.approx(apart)
    assert float(log_over_phases([], are_independent=True)) == pytest.approx(0.0)


@pytest.mark.parametrize("are_independent", [False, True])
def test_no_number_of_phases_makes_a_fine_split_look_broken(*, are_independent: bool) -> None:
    """Ten phases at 90/10, looked at thirty times each: at most a thousandth of 8,000 runs."""
    runs, looks, phases = 8000, 30, 10
    chance = np.random.default_rng(11)
    treated = chance.binomial(200, 0.1, (runs, phases, looks)).cumsum(axis=2)
    counts = np.stack([200 * np.arange(1, looks + 1) - treated, treated], axis=-1)
    log_e = log_split_evidence(counts, [90, 10])
    highest = np.zeros(runs)
    for phase in range(phases):
        ended = np.repeat(log_e[:, :phase, -1:], looks, axis=2)
        sofar = np.concatenate([ended, log_e[:, phase : phase + 1]], axis=1)
        found = log_over_phases(np.moveaxis(sofar, 1, -1), are_independent=are_independent)
        highest = np.maximum(highest, found.max(axis=1))
    alarms = int((highest > -math.log(ALARM)).sum())
    assert stats.binom.sf(alarms - 1, runs, ALARM) > 0.01, alarms


@pytest.mark.parametrize(
    ("x1", "x0", "margin"), [(3, 5, 0.1), (40, 20, 0.1), (10, 60, 0.5), (0, 0, 0.2)]
)
def test_event_evidence_is_the_truncated_integral(x1: int, x0: int, margin: float) -> None:
    """The evidence is the likelihood ratio averaged over the truncated Beta, on each side."""
    weights = (1.0, 3.0)
    theta0 = weights[0] * (1 + margin) / (weights[0] * (1 + margin) + weights[1])
    prior = stats.beta(30 * theta0, 30 * (1 - theta0))

    def averaged(theta: float) -> float:
        log_ratio_ = x1 * math.log(theta / theta0) + x0 * math.log((1 - theta) / (1 - theta0))
        return float(math.exp(log_ratio_) * prior.pdf(theta))

    harm, safety = log_event_evidence(x1, x0, weights, margin)
    above, _ = integrate.quad(averaged, theta0, 1, limit=300)
    below, _ = integrate.quad(averaged, 0, theta0, limit=300)
    assert float(harm) == pytest.approx(math.log(above / prior.sf(theta0)), abs=1e-6)
    assert float(safety) == pytest.approx(math.log(below / prior.cdf(theta0)), abs=1e-6)


def test_event_evidence_is_finite_far_out() -> None:
    """A million failures of one arm do not underflow."""
    harm, safety = log_event_evidence(1e6, 1e3, (1.0, 1.0), 0.1)
    assert math.isfinite(float(harm))
    assert math.isfinite(float(safety))
    assert float(harm) > 1e5
    assert float(safety) < 0


def test_shift_evidence_is_the_half_normal_integral() -> None:
    """e₊ is the likelihood ratio averaged over the upper half of N(0, τ²)."""
    effect, se, margin, tau = 0.4, 0.15, 0.1, 0.3
    d = effect - margin

    def averaged(theta: float) -> float:
        likelihood = stats.norm.pdf(d, theta, se) / stats.norm.pdf(d, 0, se)
        return float(likelihood * 2 * stats.norm.pdf(theta, 0, tau))

    harm, safety = log_shift_evidence(effect, se, margin, tau)
    assert float(harm) == pytest.approx(math.log(integrate.quad(averaged, 0, 5)[0]), abs=1e-6)
    assert float(safety) == pytest.approx(math.log(integrate.quad(averaged, -5, 0)[0]), abs=1e-6)


def test_a_quantile_ratio_holds_the_exact_one() -> None:
    """p95 of two lognormal arms: the point within 2 %, the true ratio inside."""
    one, other = RNG.lognormal(5, 0.5, 20_000), RNG.lognormal(4.8, 0.5, 20_000)
    found = []
    for sample in (one, other):
        bins, counts = np.unique(bin_of(sample), return_counts=True)
        found.append(quantile_interval(bins, counts, 0.95, 1.96))
        assert found[-1] is not None
        assert found[-1][0] == pytest.approx(np.quantile(sample, 0.95), rel=0.01)
    both = quantile_ratio(*found)
    assert both is not None
    assert both.value == pytest.approx(math.exp(-0.2), rel=0.04)
    assert both.low < math.exp(-0.2) < both.high
    assert quantile_interval([1], [3], 0.99, 1.96) is None
    assert quantile_ratio(None, found[0]) is None


def test_ranks_are_as_wide_as_the_always_valid_factor_says() -> None:
    """√[(1 + 1/g)(ln(1 + g) + 2 ln(1/α))], where g is n's share of the plan times its optimum."""
    for n, planned, share in ((500.0, 2000.0, 0.25), (500.0, None, 1.0)):
        g = (-2 * math.log(0.05) + math.log(1 - 2 * math.log(0.05))) * share
        wanted = math.sqrt((1 + 1 / g) * (math.log(1 + g) + 2 * math.log(20)))
        assert quantile_factor(n, planned, 0.05) == pytest.approx(wanted)


def test_the_scale_of_a_relative_effect_is_the_absolute_ones_over_control() -> None:
    """Of latency, whose effect is relative as it is, the same; where control is 0, too."""
    assert relative_scale(0.01, "error_rate", 0.05) == pytest.approx(0.2)
    assert relative_scale(0.5, "bleu", -4.0) == pytest.approx(0.125)
    assert relative_scale(0.01, "latency", 200.0) == 0.01
    assert relative_scale(0.01, "error_rate", 0.0) == 0.01


def test_ratios_of_phases_are_combined_by_what_each_knows() -> None:
    """Weights are inverse variances; independent half-widths add up as squares, others as such."""
    small, large = Ratio(1.3, 1.3 / 1.2, 1.3 * 1.2), Ratio(1.1, 1.1 / 1.05, 1.1 * 1.05)
    variances = np.log([1.2, 1.05]) ** 2
    weights = (1 / variances) / (1 / variances).sum()
    d = weights @ np.log([1.3, 1.1])
    for are_alike, width in (
        (False, math.sqrt(weights**2 @ variances)),
        (True, weights @ np.sqrt(variances)),
    ):
        found = combined([small, large], are_alike=are_alike)
        assert np.log([found.value, found.low, found.high]) == pytest.approx(
            [d, d - width, d + width]
        )
        alone = combined([small], are_alike=are_alike)
        assert (alone.value, alone.low, alone.high) == pytest.approx((1.3, 1.3 / 1.2, 1.3 * 1.2))
    many = combined([Ratio(1.0, 1 / 1.02, 1.02)] * 100, are_alike=False)
    assert many.high == pytest.approx(GAMMA ** (1 / math.sqrt(2)))


def test_guardrails_are_read_from_text() -> None:
    """The flag's metadata holds primitives only, so guardrails are one text."""
    first, second = parse_guardrails("error_rate:10%, latency_p95: 20 %")
    assert (first.metric, second.metric) == ("error_rate", "latency_p95")
    assert (first.margin, second.margin) == pytest.approx((0.1, 0.2))
    assert parse_guardrails("") == ()
    for bad in ("error_rate", "error_rate:10", "error_rate:x%", ":10%", "a:-5%", "a:0%", "a:nan%"):
        with pytest.raises(GuardrailError, match="write e"):
            parse_guardrails(bad)
