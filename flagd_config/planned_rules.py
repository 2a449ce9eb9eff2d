"""Rules about an experiment's plan: the weights and the number of requests that it names."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from statistics import NormalDist
from typing import Any

from openfeature_triton.flagd_config.errors import shown
from openfeature_triton.flagd_config.findings import Draft
from openfeature_triton.flagd_config.metadata_rules import is_positive, is_share
from openfeature_triton.flagd_config.split_rules import find_splits, weight_of

Steps = tuple[str | int, ...]

ALPHA, POWER = 0.05, 0.8
ALWAYS_VALID = 1.68  # times as many as where one looks only at the end
_SURE_RATE = (
    0.999  # without a stated baseline, only what can't be reached even at this rate is said
)


def check_planned_weights(flag: Mapping[str, Any], steps: Steps) -> Iterator[Draft]:
    """Find weights that are not in the proportion that the metadata plans."""
    text = flag["metadata"].get("planned_weights")
    splits = find_splits(flag)
    if not isinstance(text, str) or len(splits) != 1:
        return
    planned = _read_planned(text, flag)
    where = (*steps, "metadata", "planned_weights")
    if planned is None:
        yield Draft(
            "metadata-type",
            where,
            f"{shown(text)} names no weights of variants",
            'write e.g. "control:50, treatment:50"',
        )
        return
    actual: dict[str, int] = {}
    for share in splits[0].arguments:
        if isinstance(share, list) and share and isinstance(share[0], str):
            actual[share[0]] = actual.get(share[0], 0) + (weight_of(share) or 0)
    if not _same_proportions(planned, actual):
        got = ", ".join(f"{name}:{weight}" for name, weight in actual.items())
        yield Draft(
            "weights-planned",
            (*steps, "targeting", *splits[0].steps),
            f"the weights are {got}, and the plan says {text}",
            "correct the weights, or change `planned_weights` with them",
        )


def _read_planned(text: str, flag: Mapping[str, Any]) -> dict[str, int] | None:
    planned = {}
    for part in text.split(","):
        name, colon, weight = part.rpartition(":")
        digits = weight.strip().removesuffix("%")
        if not colon or not digits.isdecimal() or name.strip() not in flag["variants"]:
            return None
        planned[name.strip()] = int(digits)
    return planned


def _same_proportions(one: Mapping[str, int], other: Mapping[str, int]) -> bool:
    sums = sum(one.values()), sum(other.values())
    return all(
        one.get(name, 0) * sums[1] == other.get(name, 0) * sums[0] for name in {*one, *other}
    )


def check_planned_requests(flag: Mapping[str, Any], steps: Steps) -> Iterator[Draft]:
    """Find a plan that is too small for the effect it wants to find.

    n per arm = (z₁₋α/₂ + z_power)²(σ_C² + σ_T²)/δ² · 1.68 (DESIGN, "Planner"), for success_rate
    and error_rate, whose variances follow from the baseline.
    """
    metadata = flag["metadata"]
    effect: Any = metadata.get("minimum_effect")
    planned: Any = metadata.get("planned_requests")
    rate = metadata.get("primary_metric", "success_rate") in ("success_rate", "error_rate")
    if rate and is_positive(effect) and not is_share(effect):
        yield Draft(
            "metadata-type",
            (*steps, "metadata", "minimum_effect"),
            f"a rate lies between 0 and 1, and can't change by {effect:g}",
            f"percent? Write {effect / 100:g}",
        )
    if not rate or not is_share(effect) or not is_positive(planned):
        return
    baseline: Any = metadata.get("baseline")
    p, moves = (baseline, effect) if is_share(baseline) else (_SURE_RATE, 0.0)
    normal = NormalDist()
    z = normal.inv_cdf(1 - ALPHA / 2) + normal.inv_cdf(POWER)
    per_arm = math.ceil(z**2 * sum(rate_variances(p, moves)) / effect**2 * ALWAYS_VALID)
    needed = math.ceil(per_arm / _smallest_share(flag))
    if planned < needed:
        yield Draft(
            "planned-requests",
            (*steps, "metadata", "planned_requests"),
            f"{planned:,} requests are too few to find an effect of {effect:g}: "
            f"{'' if baseline else 'even '}at a rate of {p:g} it takes {needed:,} with this split",
            f"plan {needed:,} or more, or a larger `minimum_effect`",
        )


def rate_variances(rate: float, effect: float) -> tuple[float, float]:
    """Give p(1 − p) of a rate, and of one that an effect moves towards 50 %, where it is larger."""
    moved = rate + effect if rate < 0.5 else rate - effect
    return rate * (1 - rate), max(moved * (1 - moved), 0.0)


def _smallest_share(flag: Mapping[str, Any]) -> float:
    splits = find_splits(flag)
    weights = [weight_of(share) or 0 for share in splits[0].arguments] if splits else []
    weights = [weight for weight in weights if weight > 0]
    return min(weights) / sum(weights) if len(weights) > 1 else 0.5
