"""Effects in plain words: what a person who never saw a p-value can read."""

from __future__ import annotations

from openfeature_triton.dashboard.statistics.rollups import ERROR_RATE, LATENCY, SUCCESS_RATE


def effect_in_words(
    variant: str, metric: str, value: float | None, low: float | None, high: float | None
) -> str:
    """Say an effect with its 95 % interval: "Treatment fails 1.8 points less often than control…".

    Args:
        variant: the treatment's name.
        metric: the primary metric.
        value: treatment − control in the metric's unit; for latency the ratio − 1.
        low: the interval's lower end; None where it has none yet.
        high: its upper end.
    """
    name = variant[:1].upper() + variant[1:]
    if value is None or low is None or high is None:
        return f"{name} can't be compared with control yet"
    if metric in (SUCCESS_RATE, ERROR_RATE):
        sign = 1 if metric == ERROR_RATE else -1
        return _failures(name, *sorted_ends(sign * value, sign * low, sign * high))
    if metric == LATENCY:
        return _speed(name, value, low, high)
    word = "higher" if value >= 0 else "lower"
    shown, ends = _flipped(value, low, high, 1.0)
    return (
        f"{name}'s {metric.replace('_', ' ')} is {shown:.3g} {word} than control's "
        f"(95 % interval {ends[0]:.3g} to {ends[1]:.3g})"
    )


def _failures(name: str, value: float, low: float, high: float) -> str:
    word = "more" if value >= 0 else "less"
    shown, ends = _flipped(value, low, high, 100.0)
    places = 1 if shown >= 0.1 else 2
    return (
        f"{name} fails {shown:.{places}f} points {word} often than control "
        f"(95 % interval {ends[0]:.{places}f} to {ends[1]:.{places}f})"
    )


def _speed(name: str, value: float, low: float, high: float) -> str:
    word = "slower" if value >= 0 else "faster"
    shown, ends = _flipped(value, low, high, 100.0)
    return (
        f"{name} is {shown:.1f} % {word} than control "
        f"(95 % interval {ends[0]:.1f} to {ends[1]:.1f} %)"
    )


def _flipped(
    value: float, low: float, high: float, scale: float
) -> tuple[float, tuple[float, float]]:
    """Give size and interval in the direction of the effect, so that "less" needs no minus."""
    if value >= 0:
        return value * scale, (low * scale, high * scale)
    return -value * scale, (-high * scale, -low * scale)


def sorted_ends(value: float, one: float, other: float) -> tuple[float, float, float]:
    """Give the value, the lower and the upper end."""
    return value, min(one, other), max(one, other)
