"""Holm: several comparisons, and still at most α false alarms among all."""

from __future__ import annotations

from collections.abc import Sequence


def adjusted(p_values: Sequence[float]) -> tuple[float, ...]:
    """Give Holm's adjusted p-values, in the order given.

    Holm 1979, "A simple sequentially rejective multiple test procedure", page 67. Always-valid
    p-values stay always valid: the step-down procedure is monotone in each.
    """
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    found, highest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[index]))
        found[index] = highest
    return tuple(found)
