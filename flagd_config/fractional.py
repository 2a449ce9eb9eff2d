"""The split of an experiment: the weights in its one `fractional`."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from openfeature_triton.flagd_config.errors import BrokenExperimentError, Place, shown
from openfeature_triton.flagd_config.targeting import Operation

MAX_WEIGHT_SUM = 2**31 - 1


def read_weights(split: Operation, variants: Collection[str], place: Place) -> dict[str, int]:
    """Give the weight of each variant, in the variants' order; one that is not named has 0.

    Weights count as in flagd: 1 where omitted, 0 where negative, added up where a variant stands
    twice; a `null` variant takes its share out of the experiment. `place` is that of the split.
    Raises BrokenExperimentError.
    """
    weights = dict.fromkeys(variants, 0)
    total = 0
    for index, share in _shares(split, place):
        variant, weight = _read_share(share, place.at(index))
        total += weight
        if variant is None:
            continue
        if variant not in weights:
            raise BrokenExperimentError(
                place.at(index),
                f"the split names {variant!r}, which is not a variant ({', '.join(weights)})",
                "correct the name, or add the variant",
            )
        weights[variant] += weight
    _check_total(weights, total, place)
    return weights


def _shares(split: Operation, place: Place) -> list[tuple[int, Any]]:
    """Give the shares with their positions, without the bucketing expression before them."""
    shares = list(enumerate(split.arguments))
    if not shares or isinstance(shares[0][1], list):
        return shares
    if not isinstance(shares[0][1], dict):
        raise BrokenExperimentError(
            place.at(0),
            f"the split buckets by the constant {shown(shares[0][1])}, the same for everybody",
            'write an expression such as {"var": "user_id"}, or leave it out for the targeting key',
        )
    return shares[1:]


def _read_share(share: Any, place: Place) -> tuple[str | None, int]:
    if not isinstance(share, list) or len(share) not in (1, 2):
        raise BrokenExperimentError(
            place, f"{shown(share)} is not a share of the split", 'write ["variant", weight]'
        )
    variant = share[0]
    if isinstance(variant, bool):
        variant = str(variant).lower()  # as flagd does
    if variant is not None and not isinstance(variant, str):
        raise BrokenExperimentError(
            place.at(0), f"{shown(variant)} does not name a variant", "write the variant's name"
        )
    return variant, _read_weight(share, place)


def _read_weight(share: list[Any], place: Place) -> int:
    if len(share) == 1:
        return 1
    weight = share[1]
    if isinstance(weight, bool) or not isinstance(weight, int):
        raise BrokenExperimentError(
            place.at(1),
            f"the weight {shown(weight)} is not a whole number, and flagd drops the whole split",
            "write it without a decimal point or an expression, such as 50",
        )
    return max(0, weight)


def _check_total(weights: dict[str, int], total: int, place: Place) -> None:
    if not any(weights.values()):
        raise BrokenExperimentError(
            place, "no variant has a weight above 0", "give at least one variant a weight"
        )
    if total > MAX_WEIGHT_SUM:
        raise BrokenExperimentError(
            place,
            f"the weights add up to {total:,}, and flagd drops a split above {MAX_WEIGHT_SUM:,}",
            "divide all of them by the same number",
        )
