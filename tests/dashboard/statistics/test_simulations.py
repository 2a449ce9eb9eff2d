"""Promises held in simulation: A/A looked at a hundred times, power, coverage. Seeds are fixed.

Each test prints nothing and takes its runs at once as arrays of (runs, looks).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from openfeature_triton.dashboard.statistics.always_valid import (
    Floats,
    half_width,
    log_evidence,
    mixture_scale,
    running_p,
)
from openfeature_triton.dashboard.statistics.guardrails import log_event_evidence
from openfeature_triton.dashboard.statistics.moments import Moments, combine, difference, log_ratio
from openfeature_triton.dashboard.statistics.planner import requests_per_arm
from openfeature_triton.dashboard.statistics.scales import relative_scale
from openfeature_triton.dashboard.statistics.split import ALARM, log_split_evidence
from openfeature_triton.dashboard.statistics.verdict import ENOUGH_EVENTS

pytestmark = pytest.mark.slow
LOOKS = 100
SPLITS = pytest.mark.parametrize("share", [0.5, 0.1, 0.01], ids=["50/50", "90/10", "99/1"])
Draw = Callable[[np.random.Generator, tuple[int, ...]], Floats]


def alarms(
    effect: Floats, se: Floats, tau: float, known: npt.NDArray[np.bool_] | None = None
) -> float:
    """The share of runs in which the running p ever gets to 0.05; `known`: looks that may count."""
    log_e = log_evidence(np.nan_to_num(effect), se, tau)
    if known is not None:
        log_e = np.where(known, log_e, 0.0)
    return float(np.mean(running_p(log_e.T)[-1] <= 0.05))


def rate_moments(rng: np.random.Generator, requests: Floats, rate: Floats | float) -> Moments:
    """Cumulative sums of a rate: requests (runs, looks) of each look."""
    successes = rng.binomial(requests.astype(int), rate).cumsum(axis=1).astype(float)
    return Moments(requests.cumsum(axis=1), successes, successes)


def arrivals(
    rng: np.random.Generator, runs: int, per_look: int, share: float
) -> tuple[Floats, Floats]:
    """Requests of control and treatment at each look, (runs, looks), split at random."""
    treated = rng.binomial(per_look, share, (runs, LOOKS)).astype(float)
    return per_look - treated, treated


def rarer(control: Moments, treatment: Moments) -> Floats:
    """The expected number of the rarer outcome in the smaller arm, as the verdict counts it."""
    share = (control.total + treatment.total) / (control.n + treatment.n)
    return np.asarray(np.minimum(control.n, treatment.n) * np.minimum(share, 1 - share))


@SPLITS
@pytest.mark.parametrize("rate", [0.001, 0.02, 0.5])
def test_looking_at_a_rate_gives_no_false_alarms(share: float, rate: float) -> None:
    """A/A, looked at 100 times: at most 5 % ever name a winner, and each run could have.

    Of as many requests as bring the smaller arm 100 of the rarer outcome, and 200,000 at least: 10
    million of a rate of 0.1 % at 99/1.
    """
    rng = np.random.default_rng(1)
    n0, n1 = arrivals(rng, 4000, max(2000, round(1 / (min(share, 1 - share) * rate))), share)
    control, treatment = rate_moments(rng, n0, rate), rate_moments(rng, n1, rate)
    effect, se = difference(control, treatment, rate=True)
    known = rarer(control, treatment) >= ENOUGH_EVENTS
    assert known[:, LOOKS // 2].all()
    tau = mixture_scale(0.2 * min(rate, 1 - rate))
    assert alarms(effect, se, tau, known) <= 0.05
    assert alarms(effect, 0.6 * se, tau, known) > 0.05  # were it surer than it is


def _lognormal(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    return rng.lognormal(0.0, 1.0, shape)


def _pareto(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    return 1 + rng.pareto(2.5, shape)


def sums(values: Floats) -> Moments:
    """Cumulative sums over looks of values (runs, looks, requests)."""
    parts = (np.ones(values.shape), values, values**2)
    return Moments(*(part.sum(axis=2).cumsum(axis=1) for part in parts))


@pytest.mark.parametrize("sizes", [(60, 60), (108, 12), (198, 2)], ids=["50/50", "90/10", "99/1"])
@pytest.mark.parametrize("draw", [_lognormal, _pareto], ids=["lognormal", "pareto"])
@pytest.mark.parametrize("scale", ["ln", "mean"])
def test_looking_at_latency_gives_no_false_alarms(
    sizes: tuple[int, int], draw: Draw, scale: str
) -> None:
    """A/A for the geometric mean and for the plain mean of heavy-tailed latencies."""
    rng = np.random.default_rng(2)
    runs = 600
    arms = []
    for size in sizes:
        values = draw(rng, (runs, LOOKS, size))
        arms.append(sums(np.log(values) if scale == "ln" else values))
    effect, se = difference(*arms, rate=False)
    known = np.minimum(arms[0].n, arms[1].n) >= ENOUGH_EVENTS
    mean = float(arms[0].mean()[:, -1].mean())
    tau = mixture_scale(np.log1p(0.1) if scale == "ln" else 0.1 * mean)
    assert alarms(effect, se, tau, known) <= 0.05


def test_a_ramp_through_a_time_trend_gives_no_false_alarms() -> None:
    """1 → 10 → 50 % while the rate falls: phases analysed apart; pooled, most runs would alarm."""
    rng = np.random.default_rng(4)
    runs, per_look = 2000, 2000
    trend = np.linspace(0.2, 0.05, LOOKS)
    phase_of = np.repeat([0, 1, 2], [30, 30, 40])
    shares = np.array([0.01, 0.1, 0.5])[phase_of]
    n1 = rng.binomial(per_look, shares, (runs, LOOKS)).astype(float)
    n0 = per_look - n1
    x0, x1 = rng.binomial(n0.astype(int), trend), rng.binomial(n1.astype(int), trend)
    effects, ses = [], []
    for phase in range(3):
        inside = phase_of == phase
        control, treatment = (
            Moments(*((part * inside).cumsum(axis=1).astype(float) for part in (n, x, x)))
            for n, x in ((n0, x0), (n1, x1))
        )
        effect, se = difference(control, treatment, rate=True)
        started = np.arange(LOOKS) >= np.argmax(inside)
        effects.append(effect)
        ses.append(np.where(started, se, np.inf))
    combined = combine(np.stack(effects, axis=-1), np.stack(ses, axis=-1))
    tau = mixture_scale(0.01)
    assert alarms(*combined, tau) <= 0.05
    whole = [
        Moments(*(part.cumsum(axis=1).astype(float) for part in (n, x, x)))
        for n, x in ((n0, x0), (n1, x1))
    ]
    assert alarms(*difference(*whole, rate=True), tau) > 0.5  # what pooling would do


@SPLITS
def test_looking_at_the_split_gives_no_false_alarms(share: float) -> None:
    """A split as the weights say, looked at 100 times: at most 0.1 % of runs are called broken."""
    rng = np.random.default_rng(5)
    n0, n1 = arrivals(rng, 20_000, 500, share)
    counts = np.stack([n0.cumsum(axis=1), n1.cumsum(axis=1)], axis=-1)
    log_e = log_split_evidence(counts, [1 - share, share])
    assert np.mean(running_p(log_e.T)[-1] < ALARM) <= 0.001


def test_a_broken_split_is_found() -> None:
    """Two points off 50/50 in 50,000 requests is called broken in almost every run."""
    rng = np.random.default_rng(6)
    n0, n1 = arrivals(rng, 500, 500, 0.52)
    counts = np.stack([n0.cumsum(axis=1), n1.cumsum(axis=1)], axis=-1)
    assert np.mean(running_p(log_split_evidence(counts, [1, 1]).T)[-1] < ALARM) > 0.99


@pytest.mark.parametrize(("rate", "effect"), [(0.05, 0.01), (0.5, 0.02), (0.02, 0.005)])
def test_the_planned_effect_is_found_at_the_planned_end(rate: float, effect: float) -> None:
    """Power of at least 78 % at the number of requests that the planner gave."""
    rng = np.random.default_rng(7)
    better = rate + effect
    per_arm = requests_per_arm(effect, rate * (1 - rate), better * (1 - better))
    size = np.full((4000, LOOKS), per_arm // LOOKS, float)
    control, treatment = rate_moments(rng, size, rate), rate_moments(rng, size, better)
    found = difference(control, treatment, rate=True)
    assert alarms(*found, mixture_scale(effect)) >= 0.78


@pytest.mark.parametrize("shift", [math.log(1.05), math.log(0.95)], ids=["slower", "faster"])
def test_the_planned_effect_on_latency_is_found_at_the_planned_end(shift: float) -> None:
    """Power of at least 78 %, of lognormal latencies as the planner has them, by the ln."""
    rng = np.random.default_rng(11)
    size = requests_per_arm(shift, 0.6**2) // LOOKS
    arms = (sums(rng.normal(5 + each, 0.6, (2000, LOOKS, size))) for each in (0.0, shift))
    assert alarms(*difference(*arms, rate=False), mixture_scale(shift)) >= 0.78


@SPLITS
@pytest.mark.parametrize("effect", [0.0, 0.01, 0.05])
def test_intervals_cover_at_every_look(effect: float, share: float) -> None:
    """In at least 95 % of the runs the true effect is inside at all 100 looks; relative, too."""
    rng = np.random.default_rng(8)
    rate, tau = 0.1, mixture_scale(0.01)
    n0, n1 = arrivals(rng, 4000, 1000, share)
    control, treatment = rate_moments(rng, n0, rate), rate_moments(rng, n1, rate + effect)
    relative_tau = relative_scale(tau, "error_rate", rate)
    for (found, se), truth, width in (
        (difference(control, treatment, rate=True), effect, tau),
        (log_ratio(control, treatment, rate=True), math.log1p(effect / rate), relative_tau),
    ):
        assert covered(found, se, truth, width) >= 0.95
        assert covered(found, 0.6 * se, truth, width) < 0.95  # were it surer than it is


def covered(found: Floats, se: Floats, truth: float, tau: float) -> float:
    """The share of runs in which the truth is inside at all looks that say something."""
    inside = (np.abs(found - truth) <= half_width(se, tau)) | ~np.isfinite(se)
    return float(np.mean(inside.all(axis=1)))


@SPLITS
@pytest.mark.parametrize("side", ["harm", "safety"])
def test_a_guardrail_at_its_margin_is_rarely_decided(share: float, side: str) -> None:
    """Exactly 10 % more errors than control: harmed or safe in at most 5 % of the runs each."""
    rng = np.random.default_rng(10)
    n0, n1 = arrivals(rng, 3000, 2000, share)
    x0 = rng.binomial(n0.astype(int), 0.02).cumsum(axis=1)
    x1 = rng.binomial(n1.astype(int), 0.022).cumsum(axis=1)
    harm, safety = log_event_evidence(x1, x0, (share, 1 - share), 0.1)
    found = harm if side == "harm" else safety
    assert np.mean(running_p(found.T)[-1] <= 0.05) <= 0.05
