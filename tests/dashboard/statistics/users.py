"""Simulated users: who come back, each with habits of their own, some of them very often."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from openfeature_triton.dashboard.statistics import Plan
from openfeature_triton.dashboard.statistics.always_valid import Floats
from openfeature_triton.dashboard.statistics.rollups import Cumulative
from openfeature_triton.hooks.histogram import GAMMA, bin_of

BUCKETS = 128
NOISE_MS = 30.0
EVEN = {"p": {"control": 50.0, "treatment": 50.0}}


def users_plan(weights: dict[str, dict[str, float]] = EVEN, **more: object) -> Plan:
    """A plan whose unit is the user."""
    return Plan("control", weights, unit="user", **{"minimum_effect": 0.02, **more})  # type: ignore[arg-type]


@dataclass(frozen=True)
class Habits:
    """What each user's requests are like: (users,) each."""

    activity: Floats
    success: Floats
    latency_ms: Floats
    accuracy: Floats
    bucket: npt.NDArray[np.int64]
    place: Floats

    @classmethod
    def drawn(cls, rng: np.random.Generator, users: int) -> Habits:
        """Zipf traffic, capped so that the heaviest user is not the experiment."""
        return cls(
            activity=np.minimum(rng.zipf(1.7, users), 400) / 10,
            success=rng.beta(8, 2, users),
            latency_ms=rng.lognormal(5, 0.4, users),
            accuracy=rng.normal(0.9, 0.03, users),
            bucket=rng.integers(0, BUCKETS, users),
            place=rng.random(users),
        )


def watched(
    rng: np.random.Generator,
    habits: Habits,
    shares: Floats,
    *,
    lift: float = 0.0,
    with_bins: bool = False,
) -> Cumulative:
    """What a store holds at each look of an experiment on these users.

    Each user's requests are Poisson, so those of a bucket are, too, and are drawn at once.

    Args:
        rng: what the requests are drawn from.
        habits: the users.
        shares: (looks,) the treatment's share at each; a user below it is in the treatment, so a
            ramp moves users from control. Looks of one share are one phase.
        lift: by how much the treatment fails less.
        with_bins: whether to draw latencies, too, for quantiles at the end.
    """
    phases, phase_of = np.unique(shares, return_inverse=True)
    arms = [_arms(habits, share, lift) for share in phases]
    means = _Means(*(np.array([arm[name] for arm in arms]) for name in _Means._fields))
    drawn = _drawn(rng, _Means(*(each[phase_of] for each in means)))
    buckets = {name: np.zeros((len(shares), len(phases), 2, BUCKETS)) for name in drawn}
    for name, values in drawn.items():
        buckets[name][np.arange(len(shares)), phase_of] = values
        buckets[name] = buckets[name].cumsum(axis=0)
    counts = np.zeros((len(phases), 2, 0))
    if with_bins:
        looks = np.bincount(phase_of)
        counts = np.stack(
            [_histograms(rng, habits, *each) for each in zip(phases, looks, strict=True)]
        )
    return Cumulative(
        slices=tuple(range(len(shares))),
        phases=tuple(f"p{share:g}" for share in phases),
        variants=("control", "treatment"),
        fields=_light(buckets, habits),
        bins=np.arange(counts.shape[-1], dtype=float),
        counts=counts,
        buckets=buckets,
    )


class _Means(NamedTuple):
    """What is expected in each bucket at a look, (2, B), and of the latency of one request."""

    n: Floats
    errors: Floats
    latency_ms: Floats
    latency_var: Floats
    accuracy: Floats
    accuracy_var: Floats


def _arms(habits: Habits, share: float, lift: float) -> dict[str, Floats]:
    treated = habits.place < share
    place = habits.bucket + BUCKETS * treated

    def summed(values: Floats | float) -> Floats:
        weights = habits.activity * values
        return np.bincount(place, weights, 2 * BUCKETS).astype(float).reshape(2, BUCKETS)

    n = summed(1.0)
    found = {"n": n, "errors": summed(1 - np.clip(habits.success + lift * treated, 0, 1))}
    for name, values in (("latency_ms", habits.latency_ms), ("accuracy", habits.accuracy)):
        noise = NOISE_MS if name == "latency_ms" else 0.1
        mean, square = (summed(values**power) / np.maximum(n, 1e-9) for power in (1, 2))
        key = name.removesuffix("_ms")
        found |= {name: mean, f"{key}_var": np.maximum(square - mean**2, 0) + noise**2}
    return found


def _drawn(rng: np.random.Generator, means: _Means) -> dict[str, Floats]:
    """One draw of each look: which user a request is of is in its variance."""
    errors = rng.poisson(means.errors)
    n = (errors + rng.poisson(means.n - means.errors)).astype(float)

    def of(mean: Floats, variance: Floats) -> Floats:
        return np.asarray(n * mean + np.sqrt(n * variance) * rng.standard_normal(n.shape))

    return {
        "n": n,
        "errors": errors.astype(float),
        "latency_ms": of(means.latency_ms, means.latency_var),
        "m_word_accuracy_n": n,
        "m_word_accuracy_sum": of(means.accuracy, means.accuracy_var),
    }


def _light(buckets: dict[str, Floats], habits: Habits) -> dict[str, Floats]:
    """The same as requests alone know it; squares as they are expected."""
    n = buckets["n"].sum(axis=-1)
    spread = float(np.average(habits.latency_ms**2, weights=habits.activity)) + NOISE_MS**2
    square = float(np.average(habits.accuracy**2, weights=habits.activity)) + 0.01
    return {
        "exposures": n,
        "requests": n,
        "errors": buckets["errors"].sum(axis=-1),
        "latency_ms_sum": buckets["latency_ms"].sum(axis=-1),
        "latency_ms_sumsq": n * spread,
        "m_word_accuracy_n": n,
        "m_word_accuracy_sum": buckets["m_word_accuracy_sum"].sum(axis=-1),
        "m_word_accuracy_sumsq": n * square,
    }


def _histograms(rng: np.random.Generator, habits: Habits, share: float, looks: int) -> Floats:
    """The latencies of a phase, by variant and bin: those of each user, give or take a fifth."""
    reach = 50
    steps = np.arange(-reach, reach + 1) * np.log(GAMMA)
    near = np.exp(-0.5 * (steps / 0.2) ** 2)
    place = bin_of(habits.latency_ms)
    treated = habits.place < share
    expected = [
        np.convolve(np.bincount(place, looks * habits.activity * inside, 2000), near / near.sum())
        for inside in (~treated, treated)
    ]
    return rng.poisson(expected)[:, reach:-reach].astype(float)
