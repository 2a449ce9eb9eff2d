"""Formats: numbers and times as a page shows them, with no more digits than they are worth."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from datetime import datetime

from openfeature_triton.dashboard.statistics.rollups import LATENCY, RATES

NOTHING = "–"
"""What stands where nothing was recorded."""

_UNITS = (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1))


def count(value: int | None) -> str:
    """12345 → 12,345."""
    return NOTHING if value is None else f"{value:,}"


def percent(share: float | None, decimals: int = 1) -> str:
    """0.5034 → 50.3 %, the space one that does not break."""
    return NOTHING if share is None else f"{100 * share:.{decimals}f}\u00a0%"


def short_percent(share: float) -> str:
    """0.5 → 50 %, 0.125 → 12.5 %: a weight, as somebody wrote it."""
    whole = abs(100 * share - round(100 * share)) < 0.05
    return percent(share, 0 if whole else 1)


def unbroken(text: str) -> str:
    """Keep a percent sign, and a p-value, on one line."""
    for apart in (" %", "p < ", "p = "):
        text = text.replace(apart, apart.replace(" ", "\u00a0"))
    return text


def decimals(values: Iterable[float | None]) -> int:
    """Say how many decimals give each of these numbers three digits or more, at most three."""
    sizes = [abs(value) for value in values if value]
    if not sizes:
        return 0
    return min(max(2 - math.floor(math.log10(min(sizes))), 0), 3)


def number(value: float | None, decimals: int = 0) -> str:
    """1234.567 → 1,234.6 with one decimal."""
    return NOTHING if value is None else f"{value:,.{decimals}f}"


def signed(value: float, places: int) -> str:
    """1.234 → +1.23, -0.5 → −0.50; what rounds to 0 has no sign."""
    text = f"{abs(value):,.{places}f}"
    return text if not text.strip("0.") else f"{'+' if value > 0 else '−'}{text}"


def minute(time: datetime | None) -> str:
    """A time of UTC → 2026-11-24 02:40."""
    return NOTHING if time is None else f"{time:%Y-%m-%d %H:%M}"


def ago(time: datetime, now: datetime) -> str:
    """How long ago, in the largest unit that fits: 3 min ago."""
    passed_s = max((now - time).total_seconds(), 0.0)
    unit, size_s = next((each for each in _UNITS if passed_s >= each[1]), _UNITS[-1])
    return f"{int(passed_s // size_s)}\u00a0{unit} ago"


def metric_name(name: str) -> str:
    """word_accuracy → Word accuracy."""
    return name.replace("_", " ").capitalize()


def days_left(days: float) -> str:
    """0.4 → less than a day; 3.2 → about 3 days."""
    if days < 1:
        return "less than a day"
    return "about a day" if days < 1.5 else f"about {days:,.0f} days"


def fact(value: object) -> str:
    """What an operator wrote of an experiment: true → yes, 40000 → 40,000."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else str(value)


def effect_size(value: object, metric: object) -> str:
    """What effect is worth finding: 0.01 of a rate → 1 point, of latency → 1 %."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not isinstance(metric, str):
        return fact(value)
    if metric in RATES:
        return f"{100 * value:g} {'point' if 100 * value == 1 else 'points'}"
    return f"{100 * value:g}\u00a0%" if metric.startswith(LATENCY) else f"{value:g}"


def pretty(text: str) -> str:
    """Give JSON indented; any other text as it is."""
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return text


def file_name(key: str, ending: str) -> str:
    """a/b → a-b.csv: a file that no key leads out of the folder it is saved to."""
    safe = "".join(each if each.isalnum() or each in "-_." else "-" for each in key)
    return f"{safe.strip('.') or 'experiment'}.{ending}"
