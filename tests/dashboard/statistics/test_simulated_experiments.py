"""Whole experiments by `summarize`: a ramp 1 → 10 → 50 % while all metrics change for everybody.

What is drawn are sums of a day: of lognormal latencies, of scores that are normal, of bins.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest
from scipy import stats

from openfeature_triton.dashboard.statistics import Effect, Plan, Slice, summarize
from openfeature_triton.dashboard.statistics.always_valid import Floats
from openfeature_triton.dashboard.statistics.guardrails import parse_guardrails
from openfeature_triton.hooks import schema
from openfeature_triton.hooks.histogram import bin_of, edges_ms

pytestmark = pytest.mark.slow
DAYS, PER_DAY, RUNS = 30, 4000, 200
LOOKS = (3, 6, 10, 11, 15, 20, 21, 25, 30)
SHARES = {"p1": 0.01, "p2": 0.1, "p3": 0.5}
SPREAD = 0.5
VERDICTS = ("Broken", "Stop", "Ship", "Review")
BINS = np.arange(int(bin_of(10.0)), int(bin_of(8000.0)))
PLAN = Plan(
    "control",
    {phase: {"control": 1 - share, "treatment": share} for phase, share in SHARES.items()},
    minimum_effect=0.01,
    planned_requests=50_000,  # so that the ramp tells as much as it planned
    guardrails=parse_guardrails(
        "error_rate:10%, latency:20%, latency_p50:20%, latency_p95:20%, latency_p99:20%, bleu:10%"
    ),
)


@dataclass(frozen=True)
class Harm:
    """How many times as bad the treatment is."""

    errors: float = 1.0
    latency: float = 1.0
    score: float = 1.0


def phase_of(day: int) -> str:
    """Ten days each."""
    return tuple(SHARES)[day * len(SHARES) // DAYS]


def median_ms(day: int) -> float:
    """Slower by the day, and by half from the last phase on."""
    return 200 * 1.01**day * (1.5 if phase_of(day) == "p3" else 1.0)


@cache
def chances(median: float) -> Floats:
    """The chance of each bin."""
    inside = stats.lognorm(SPREAD, scale=median).cdf(edges_ms(BINS)[1][:-1])
    return np.asarray(np.diff(inside, prepend=0.0, append=1.0))


def experiment(rng: np.random.Generator, harm: Harm) -> Iterator[Slice]:
    """The slices of both variants, day by day."""
    for day in range(DAYS):
        treated = int(rng.binomial(PER_DAY, SHARES[phase_of(day)]))
        for variant, n, each in (
            ("control", PER_DAY - treated, Harm()),
            ("treatment", treated, harm),
        ):
            yield Slice(day, phase_of(day), variant, recorded(rng, day, n, each))


def recorded(rng: np.random.Generator, day: int, n: int, harm: Harm) -> dict[str, float]:
    """A day of a variant: errors fall from 8 to 2 %, scores from 30 to 24."""
    past, median = day / DAYS, median_ms(day) * harm.latency
    counts = rng.multinomial(n, chances(median))
    fields = {schema.bin_field(int(b)): float(c) for b, c in zip(BINS, counts, strict=True) if c}
    errors = float(rng.binomial(n, (0.08 - 0.06 * past) * harm.errors))
    fields |= {schema.EXPOSURES: n, schema.REQUESTS: n, schema.ERRORS: errors}
    logs = moments(rng, n, math.log(median), SPREAD)
    fields |= zip((schema.LATENCY_LN_SUM, schema.LATENCY_LN_SUMSQ), logs, strict=True)
    scores = n, *moments(rng, n, (30 - 6 * past) / harm.score, 9.0)
    return fields | dict(zip(schema.metric_fields("bleu"), scores, strict=True))


def moments(rng: np.random.Generator, n: int, mean: float, sd: float) -> tuple[float, float]:
    """The sum of n normal values, and that of their squares."""
    if n == 0:
        return 0.0, 0.0
    total = n * mean + math.sqrt(n) * sd * rng.standard_normal()
    return total, total**2 / n + sd**2 * (rng.chisquare(n - 1) if n > 1 else 0.0)


def said(harm: Harm) -> Counter[tuple[str, str]]:
    """In how many runs each thing was said at any look."""
    rng, found = np.random.default_rng(12), Counter[tuple[str, str]]()
    for _ in range(RUNS):
        slices = [*experiment(rng, harm)]
        found.update({each for days in LOOKS for each in looked_at(slices[: 2 * days])})
    return found


def looked_at(slices: list[Slice]) -> Iterator[tuple[str, str]]:
    """What is said of the metrics, of the guardrails and of the whole."""
    analysis = summarize(slices, PLAN)
    (variant,) = analysis.variants
    yield "verdict", analysis.verdict.kind
    yield from ((each.metric, each.state) for each in variant.metrics)
    yield from ((each.guardrail.metric, each.state) for each in variant.guardrails)
    yield from ((each.metric, "apart") for each in variant.metrics if not holds_0(each.effect))


def holds_0(effect: Effect) -> bool:
    """Whether no effect is inside the interval, and inside the relative one."""
    ends = (effect.low, effect.high), (effect.relative_low, effect.relative_high)
    return all(low is None or high is None or low <= 0 <= high for low, high in ends)


def often(found: Counter[tuple[str, str]], *states: str) -> dict[tuple[str, str], int]:
    """What was said in more than 5 % of the runs, of some states."""
    return {key: n for key, n in found.items() if key[1] in states and n > 0.05 * RUNS}


def test_a_ramp_while_everything_changes_gives_no_false_alarms() -> None:
    """A/A, nine looks: each metric, its intervals, each guardrail and the verdict, at most 5 %.

    Of 200 runs a true 10 % would pass once in a hundred times.
    """
    found = said(Harm())
    assert found["verdict", "End, no effect"] > 0.95 * RUNS
    assert not often(found, "better", "worse", "apart", "harmed", *VERDICTS)
    assert found["latency_p95", "safe"] > 0.9 * RUNS  # so it says something of quantiles


def test_a_ramp_at_the_margins_is_rarely_decided() -> None:
    """Exactly as bad as the guardrails allow: harmed, and safe, in at most 5 % of the runs each."""
    found = said(Harm(errors=1.1, latency=1.2, score=1.1))
    assert not often(found, "harmed", "safe", "Broken")
    assert found["latency", "worse"] > 0.95 * RUNS
