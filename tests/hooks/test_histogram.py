"""The latency histogram."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openfeature_triton.hooks import histogram

LATENCIES = st.floats(histogram.MIN_LATENCY_MS, histogram.MAX_LATENCY_MS)
SHARES = st.floats(0, 1)
HAIR = 1e-9


@given(LATENCIES)
def test_a_latency_lies_in_its_bin(latency_ms: float) -> None:
    """The edges of a latency's bin are around it, and the bin exists."""
    index = histogram.bin_of(latency_ms)
    lower, upper = histogram.edges_ms(index)
    assert lower * (1 - HAIR) <= latency_ms <= upper * (1 + HAIR)
    assert 0 <= index < histogram.BINS


def test_bins_join_without_gap() -> None:
    """Each bin ends where the next one begins, and its middle is the geometric one."""
    lower, upper = histogram.edges_ms(np.arange(histogram.BINS))
    np.testing.assert_allclose(upper[:-1], lower[1:], rtol=1e-12)
    np.testing.assert_allclose(
        histogram.middle_ms(np.arange(histogram.BINS)), np.sqrt(lower * upper), rtol=1e-12
    )


def test_the_shortest_latencies_share_the_first_bin() -> None:
    """A latency of nought is counted like the shortest one that has a bin."""
    assert histogram.bin_of([0, 1e-9, histogram.MIN_LATENCY_MS]).tolist() == [0, 0, 0]


@given(st.lists(LATENCIES, min_size=1, max_size=200), SHARES)
def test_a_quantile_is_within_one_percent(latencies_ms: list[float], p: float) -> None:
    """A quantile from counts is at most √γ − 1 off the exact order statistic."""
    bins, counts = np.unique(histogram.bin_of(latencies_ms), return_counts=True)
    rank = max(math.ceil(p * len(latencies_ms) * (1 - 1e-12)), 1)
    exact = sorted(latencies_ms)[rank - 1]
    answered = float(histogram.quantile_ms(bins, counts, p))
    assert abs(answered / exact - 1) <= histogram.RELATIVE_ERROR + HAIR < 0.01


def test_quantiles_come_in_the_shape_that_was_asked_for() -> None:
    """Several shares are answered at once, and the bins may come in any order."""
    bins, counts = [500, 100, 300], [10, 80, 10]
    answered = histogram.quantile_ms(bins, counts, [[0.5, 0.8], [0.9, 1.0]])
    expected = histogram.middle_ms([[100, 100], [300, 500]])
    np.testing.assert_array_equal(answered, expected)


def test_a_share_that_floats_write_too_large_means_its_own_rank() -> None:
    """0.07 of 100 is the 7th, although the product is a hair above 7."""
    assert 0.07 * 100 > 7
    answered = histogram.quantile_ms(np.arange(100), np.ones(100), 0.07)
    assert answered == histogram.middle_ms(6)


@pytest.mark.parametrize("counts", [[], [0, 0]])
def test_nothing_counted_has_no_quantile(counts: list[int]) -> None:
    """Without latencies the answer is NaN, not an error."""
    assert np.isnan(histogram.quantile_ms(list(range(len(counts))), counts, 0.5))
