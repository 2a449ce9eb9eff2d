"""Harm: a guardrail that a variant harms beyond its margin, in words and numbers. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from openfeature_triton.dashboard.statistics import Analysis, GuardrailResult
from openfeature_triton.dashboard.statistics.guardrails import HARMED
from openfeature_triton.dashboard.store import Totals
from openfeature_triton.hooks import schema


@dataclass(frozen=True, slots=True)
class Harm:
    """What is harmed by which variant, and how many requests were looked at."""

    variant: str
    control: str
    found: GuardrailResult
    requests: Mapping[str, int]

    def text(self) -> str:
        """Say it with its numbers."""
        metric, ratio = self.found.guardrail.metric, self.found.ratio
        than = f"{self.control}'s"
        size = f"more than {than}, which has none," if ratio is None else f"{ratio:.2f} × {than},"
        counts = ", ".join(f"{count:,} of {name}" for name, count in self.requests.items())
        margin = f"{100 * self.found.guardrail.margin:g}%"
        return f"{metric} of {self.variant} is {size} beyond the margin of {margin} ({counts})"

    def numbers(self) -> dict[str, Any]:
        """Give the numbers by name."""
        return {
            "variant": self.variant,
            "metric": self.found.guardrail.metric,
            "margin": self.found.guardrail.margin,
            "ratio": self.found.ratio,
            "requests": dict(self.requests),
        }


def first_harm(
    analysis: Analysis, requests: Mapping[str, int], control: str, min_requests: int
) -> Harm | None:
    """Find a guardrail that is harmed, and still beyond its margin, where both arms are large."""
    for result in analysis.variants:
        pair = {name: requests.get(name, 0) for name in (result.variant, control)}
        if min(pair.values()) < min_requests:
            continue
        for found in result.guardrails:
            is_beyond = found.ratio is None or found.ratio > 1 + found.guardrail.margin
            if found.state == HARMED and is_beyond:
                return Harm(result.variant, control, found, pair)
    return None


def requests_by_variant(totals: Iterable[Totals]) -> dict[str, int]:
    """Count the requests of each variant."""
    counts: dict[str, int] = {}
    for each in totals:
        count = int(each.fields.get(schema.REQUESTS, 0))
        counts[each.variant] = counts.get(each.variant, 0) + count
    return counts
