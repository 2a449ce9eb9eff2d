"""Histogram: latencies in bins that grow by 2 %, so that quantiles add up over series.

Bin i holds the latencies from 0.001 ms·γ^i up to 0.001 ms·γ^(i+1), γ = 1.02. A quantile is answered
with its bin's geometric middle, which is off by at most √γ − 1 = 0.995 % of the exact one
(Masson, Rim & Lee 2019, "DDSketch: a fast and fully-mergeable quantile sketch with relative-error
guarantees"). Shorter latencies than 0.001 ms count as that.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

GAMMA = 1.02
MIN_LATENCY_MS = 1e-3
MAX_LATENCY_MS = 1e9
RELATIVE_ERROR = math.sqrt(GAMMA) - 1

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_LN_GAMMA = math.log(GAMMA)


def bin_of(latency_ms: npt.ArrayLike) -> Ints:
    """Give the bin of each latency in ms, in the same shape."""
    latencies = np.clip(np.asarray(latency_ms, np.float64), MIN_LATENCY_MS, MAX_LATENCY_MS)
    return bin_of_ln(np.log(latencies))


def bin_of_ln(ln_latency_ms: Floats) -> Ints:
    """Give the bin of each ln of a latency in ms, at least that of `MIN_LATENCY_MS`."""
    return np.asarray((ln_latency_ms - math.log(MIN_LATENCY_MS)) / _LN_GAMMA, np.int64)


BINS = int(bin_of(MAX_LATENCY_MS)) + 1
"""How many bins there are: 0 to BINS − 1."""


def edges_ms(bins: npt.ArrayLike) -> tuple[Floats, Floats]:
    """Give the lower and the upper edge of each bin, in ms, each of the same shape as `bins`."""
    indices = np.asarray(bins, np.float64)
    return MIN_LATENCY_MS * GAMMA**indices, MIN_LATENCY_MS * GAMMA ** (indices + 1)


def middle_ms(bins: npt.ArrayLike) -> Floats:
    """Give the geometric middle of each bin, in ms, of the same shape as `bins`."""
    return np.asarray(MIN_LATENCY_MS * GAMMA ** (np.asarray(bins, np.float64) + 0.5))


def quantile_ms(bins: npt.ArrayLike, counts: npt.ArrayLike, p: npt.ArrayLike) -> Floats:
    """Give the latencies in ms below or at which a share `p` of all lies, of the shape of `p`.

    Args:
        bins: (n,) bin indices in any order, each once.
        counts: (n,) how many latencies each bin holds; may be merged from many series.
        p: shares between 0 and 1.

    Gives the middle of the bin of the ⌈p·N⌉-th smallest latency: within `RELATIVE_ERROR` of it.
    NaN if nothing was counted.
    """
    indices, held = np.asarray(bins, np.int64), np.asarray(counts, np.float64)
    shares = np.asarray(p, np.float64)
    total = held.sum()
    if not total > 0:
        return np.full(shares.shape, np.nan)
    order = np.argsort(indices)
    reached = np.cumsum(held[order])
    # A hair less than p·N: 0.07 × 100 is 7.000000000000001, and yet means the 7th.
    ranks = np.maximum(np.ceil(shares * total * (1 - 1e-12)), 1)
    places = np.minimum(np.searchsorted(reached, ranks), len(reached) - 1)
    return middle_ms(indices[order][places])
