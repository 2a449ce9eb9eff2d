"""Simulated users: who come back, each with habits of their own, some of them very often."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from openfeature_triton.dashboard.statistics.always_valid import Floats
from openfeature_triton.dashboard.statistics.rollups import Cumulative
from openfeature_triton.hooks.histogram import bin_of

BUCKETS = 128
NOISE_MS = 30.0


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

    Args:
        rng: what the requests are drawn from.
        habits: the users.
        shares: (looks,) the treatment's share at each; a user below it is in the treatment, so a
            ramp moves users from control. Looks of one share are one phase.
        lift: by how much the treatment fails less.
        with_bins: whether to draw each latency, for quantiles at the end.
    """
    users, looks = len(habits.activity), len(shares)
    requests = rng.poisson(habits.activity[:, None], (users, looks)).astype(float)
    treated = habits.place[:, None] < shares
    rate = np.clip(habits.success[:, None] + lift * treated, 0, 1)
    parts = {
        "n": requests,
        "errors": requests - rng.binomial(requests.astype(int), rate),
        "latency_ms": _sum(rng, requests, habits.latency_ms, NOISE_MS),
        "m_word_accuracy_n": requests,
        "m_word_accuracy_sum": _sum(rng, requests, habits.accuracy, 0.1),
    }
    phases, phase_of = np.unique(shares, return_inverse=True)
    shape = (looks, len(phases), 2)
    buckets = {name: np.zeros((*shape, BUCKETS)) for name in parts}
    ones, nth = np.ones(users), np.arange(users)
    of_bucket = csr_array((ones, (habits.bucket, nth)), shape=(BUCKETS, users))
    for name, values in parts.items():
        for column, inside in ((0, ~treated), (1, treated)):
            by_bucket = of_bucket @ (values * inside)
            buckets[name][np.arange(looks), phase_of, column] = by_bucket.T
    buckets = {name: values.cumsum(axis=0) for name, values in buckets.items()}
    held = [
        _histogram(rng, habits, requests[:, nth == phase_of], treated[:, nth == phase_of])
        for nth in range(len(phases) if with_bins else 0)
    ]
    counts = np.array(held) if held else np.zeros((len(phases), 2, 0))
    return Cumulative(
        slices=tuple(range(looks)),
        phases=tuple(f"p{share:g}" for share in phases),
        variants=("control", "treatment"),
        fields=_light(buckets, habits),
        bins=np.arange(counts.shape[-1], dtype=float),
        counts=counts,
        buckets=buckets,
    )


def _sum(rng: np.random.Generator, requests: Floats, mean: Floats, noise: float) -> Floats:
    drawn = rng.standard_normal(requests.shape)
    return np.asarray(requests * mean[:, None] + np.sqrt(requests) * noise * drawn)


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


def _histogram(
    rng: np.random.Generator, habits: Habits, requests: Floats, treated: npt.NDArray[np.bool_]
) -> Floats:
    """Each request's latency, by variant and bin: that of its user, give or take."""
    held = []
    for inside in (~treated, treated):
        who = np.repeat(
            np.arange(len(habits.activity)), (requests * inside).sum(axis=1).astype(int)
        )
        drawn = habits.latency_ms[who] * rng.lognormal(0, 0.2, len(who))
        held.append(np.bincount(bin_of(drawn).astype(int), minlength=2000))
    return np.array(held, float)
