"""Plots: what the script draws, with no more digits than a pixel shows."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from openfeature_triton.dashboard.developments import Look
from openfeature_triton.dashboard.report import Report
from openfeature_triton.dashboard.statistics.rollups import LATENCY, RATES

_MAX_POINTS = 400


def plots(report: Report) -> dict[str, Any]:
    """Give the plots of an experiment's page by name; one that has nothing to show is not there."""
    found = {
        "effect": _effect(report),
        "latency": _latency(report),
        "exposures": _exposures(report),
    }
    return {name: plot for name, plot in found.items() if plot is not None}


def _effect(report: Report) -> dict[str, Any] | None:
    if report.shown is None:
        return None
    metric = next((each.primary.metric for each in report.shown.variants), "")
    is_share = metric in RATES or metric.startswith(LATENCY)
    scale, unit = (100.0, "points" if metric in RATES else "%") if is_share else (1.0, "")
    # No rate is another's by more than 100 points, however little is known.
    most = 1.0 if metric in RATES else math.inf
    lines = [
        _effect_line(variant, looks, scale, most)
        for variant, looks in report.looks.items()
        if len(looks) > 1
    ]
    if not lines:
        return None
    last = [looks[-1] for looks in report.looks.values() if looks]
    places = _places(scale * (each.high - each.low) for each in last)
    return {"metric": metric, "unit": unit, "places": places, "lines": lines}


def _latency(report: Report) -> list[dict[str, Any]] | None:
    lines = [
        {
            "variant": curve.variant,
            "control": curve.variant == report.line.definition.control,
            "latency_ms": [_digits(value) for value in curve.latency_ms],
            "share": [round(value, 5) for value in curve.share],
        }
        for curve in report.curves
    ]
    return lines or None


def _exposures(report: Report) -> list[dict[str, Any]] | None:
    lines = []
    for each in report.exposed:
        if len(each.times) < 2 or not any(each.counts):
            continue
        kept = _thinned(tuple(zip(each.times, each.counts, each.promised, strict=True)))
        lines.append(
            {
                "variant": each.variant,
                "control": each.variant == report.line.definition.control,
                "time": [_time(time) for time, _, _ in kept],
                "count": [count for _, count, _ in kept],
                "promised": [round(promised) for _, _, promised in kept],
            }
        )
    return lines or None


def _effect_line(variant: str, looks: Sequence[Look], scale: float, most: float) -> dict[str, Any]:
    kept = _thinned(looks)
    return {
        "variant": variant,
        "time": [_time(each.time) for each in kept],
        "value": [_digits(each.value * scale) for each in kept],
        "low": [_digits(max(each.low, -most) * scale) for each in kept],
        "high": [_digits(min(each.high, most) * scale) for each in kept],
    }


def _places(widths: Iterable[float]) -> int:
    """Give how many decimals tell three digits of the narrowest interval as it is now."""
    narrowest = min(widths)
    return min(max(2 - math.floor(math.log10(narrowest)), 0), 9) if narrowest > 0 else 2


def _thinned(points: Sequence[Any]) -> list[Any]:
    """Give every so manieth point and the last, so that a long experiment's page stays small."""
    every = -(-len(points) // _MAX_POINTS)
    return [*points[:-1:every], points[-1]]


def _time(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M}"


def _digits(value: float) -> float:
    return float(f"{value:.5g}")
