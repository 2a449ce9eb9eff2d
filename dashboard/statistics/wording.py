"""Effects in plain words: what a person who never saw a p-value can read."""

from __future__ import annotations

import math
from dataclasses import dataclass

from openfeature_triton.dashboard.statistics.rollups import ERROR_RATE, LATENCY, SUCCESS_RATE


def effect_in_words(variant: str, control: str, metric: str, effect: Spoken | None) -> str:
    """Say an effect with its 95 % interval: "Treatment fails 1.8 points less often than control…".

    Args:
        variant: the treatment's name.
        control: the control's.
        metric: the primary metric.
        effect: treatment − control in the metric's unit, for latency the ratio − 1; None where
            it has no interval yet.
    """
    name = capital(variant)
    if effect is None:
        return f"{name} can't be compared with {control} yet"
    if metric in (SUCCESS_RATE, ERROR_RATE):
        points = effect.scaled(100 if metric == ERROR_RATE else -100)
        size, word, interval = points.said("more", "less", points.tenths())
        if _is_nothing(size):
            return f"{name} fails as often as {control} (95 % interval {interval} points)"
        return f"{name} fails {size} points {word} often than {control} (95 % interval {interval})"
    if metric.startswith(LATENCY):
        percents = effect.scaled(100)
        size, word, interval = percents.said("slower", "faster", percents.tenths(), " %")
        how = "" if metric == LATENCY else f", by its {in_words(metric)}"
        if _is_nothing(size):
            return f"{name} is as fast as {control}{how} (95 % interval {interval})"
        return f"{name} is {size} % {word} than {control}{how} (95 % interval {interval})"
    size, word, interval = effect.said("higher", "lower", f".{effect.places()}f")
    name, other = f"{name}'s {in_words(metric)}", f"{control}'s"
    return f"{name} is {size} {word} than {other} (95 % interval {interval})"


def in_words(metric: str) -> str:
    """word_accuracy → word accuracy."""
    return metric.replace("_", " ")


def capital(name: str) -> str:
    """Treatment → Treatment, as a sentence begins."""
    return name[:1].upper() + name[1:]


def percent(share: float) -> str:
    """0.531 → 53.1 %."""
    return f"{share * 100:.1f} %"


def short(share: float) -> str:
    """0.1 → 10 %, 0.125 → 12.5 %: as somebody wrote it."""
    return f"{share * 100:.4g} %"


def p_in_words(p_value: float) -> str:
    """0.8235 → p = 0.82: no more digits than say something."""
    return "p < 0.0001" if p_value < 0.0001 else f"p = {p_value:.2g}"


def _is_nothing(size: str) -> bool:
    return not size.strip("0.")


@dataclass(frozen=True, slots=True)
class Spoken:
    """An effect and the ends of its interval, on their way into a sentence."""

    value: float
    low: float
    high: float

    def scaled(self, factor: float) -> Spoken:
        """Give the same in another unit; a negative factor turns it round."""
        ends = sorted((self.low * factor, self.high * factor))
        return Spoken(self.value * factor, *ends)

    def tenths(self) -> str:
        """Give the format of one decimal, or of as many as show on which side of 0 an end lies."""
        near = min(abs(self.low), abs(self.high))
        if near >= 0.05 or near == 0:
            return ".1f"
        most = 2 if self.low < 0 < self.high else 4
        return f".{min(-math.floor(math.log10(near)), most)}f"

    def places(self) -> int:
        """Give how many decimals show three digits of the largest of the three numbers."""
        largest = max(abs(self.value), abs(self.low), abs(self.high))
        return max(0, 2 - math.floor(math.log10(largest))) if largest > 0 else 0

    def said(self, more: str, less: str, form: str, unit: str = "") -> tuple[str, str, str]:
        """Give size, direction and interval, each without a minus sign.

        An interval on one side of nothing reads "0.9 to 2.7", in the effect's direction; one that
        holds nothing says both directions: "1.2 less to 0.4 more".
        """
        size, word = format(abs(self.value), form), more if self.value >= 0 else less
        near, far = sorted((abs(self.low), abs(self.high)))
        if self.low < 0 < self.high:
            interval = f"{abs(self.low):{form}}{unit} {less} to {self.high:{form}}{unit} {more}"
            return size, word, interval
        return size, word, f"{near:{form}} to {far:{form}}{unit}"
