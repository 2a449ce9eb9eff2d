"""Rules about variants, services, the control and the split of an experiment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from openfeature_triton.flagd_config.errors import shown
from openfeature_triton.flagd_config.findings import Draft
from openfeature_triton.flagd_config.fractional import MAX_WEIGHT_SUM
from openfeature_triton.flagd_config.targeting import Operation, operation, operations

Steps = tuple[str | int, ...]

_ALWAYS_THERE = ("targetingKey", "task_type", "$flagd.flagKey", "$flagd.timestamp")


def check_number_of_splits(flag: Mapping[str, Any], steps: Steps) -> Iterator[Draft]:
    """Find an experiment that has not exactly one `fractional`."""
    splits = find_splits(flag)
    if not splits:
        yield Draft(
            "split-missing",
            (*steps, "targeting"),
            "the experiment has no `fractional`, so nothing splits its requests",
            'add {"fractional": [["control", 50], ["treatment", 50]]}',
        )
    for split in splits[1:]:
        yield Draft(
            "split-several",
            (*steps, "targeting", *split.steps),
            f"the experiment has {len(splits)} `fractional`s, so its weights are ambiguous",
            "keep one, and make a second experiment of the other",
        )


def find_splits(flag: Mapping[str, Any]) -> list[Operation]:
    """Give every `fractional` of a flag."""
    return [each for each in operations(flag.get("targeting")) if each.name == "fractional"]


def check_splits(flag: Mapping[str, Any], steps: Steps, bucketing: str) -> Iterator[Draft]:
    """Find what is wrong in each `fractional` of any flag."""
    for split in find_splits(flag):
        yield from _check_split(split, flag, (*steps, "targeting", *split.steps), bucketing)


def _check_split(
    split: Operation, flag: Mapping[str, Any], steps: Steps, bucketing: str
) -> Iterator[Draft]:
    shares = list(enumerate(split.arguments))
    if shares and not isinstance(shares[0][1], list):
        yield from _check_attribute(shares[0][1], (*steps, 0))
        shares = shares[1:]
    total = 0
    known = bool(shares)
    for index, share in shares:
        drafts = list(_check_share(share, flag, (*steps, index), bucketing))
        yield from drafts
        known = known and not any(d.rule_id in ("split-shape", "weight-type") for d in drafts)
        total += weight_of(share) or 0
    if not shares:
        yield Draft("split-shape", steps, "the split has no shares", 'write ["variant", weight]')
    elif known and total == 0 and all(weight_of(share) is not None for _, share in shares):
        yield Draft(
            "weights-zero",
            steps,
            "all weights are 0, so flagd silently gives no variant",
            "give at least one variant a weight above 0",
        )
    elif total > MAX_WEIGHT_SUM:
        yield Draft(
            "weights-sum",
            steps,
            f"the weights add up to {total:,}, and flagd drops a split above {MAX_WEIGHT_SUM:,}",
            "divide all of them by the same number",
        )


def _check_attribute(by: Any, steps: Steps) -> Iterator[Draft]:
    """Find what may leave a request without a value to be bucketed by."""
    if not isinstance(by, dict):
        yield Draft(
            "split-shape",
            steps,
            f"the split buckets by the constant {shown(by)}, the same for everybody",
            'write an expression such as {"var": "user_id"}, or leave it out for the targeting key',
        )
        return
    for found in operations(by):
        if found.name == "var" and len(found.arguments) == 1:
            name = found.arguments[0]
            if isinstance(name, str) and name not in _ALWAYS_THERE:
                yield Draft(
                    "bucketing-attribute",
                    (*steps, *found.steps),
                    f"requests without {name!r} silently get no variant, or all the same one",
                    f'leave it out for the targeting key, or give a default: {{"var": '
                    f'["{name}", {{"var": "targetingKey"}}]}}',
                )


def _check_share(
    share: Any, flag: Mapping[str, Any], steps: Steps, bucketing: str
) -> Iterator[Draft]:
    if not isinstance(share, list) or len(share) not in (1, 2):
        if operation(share) is None:
            yield Draft(
                "split-shape",
                steps,
                f"{shown(share)} is not a share of the split, and flagd drops the whole split",
                'write ["variant", weight]',
            )
        return
    yield from _check_share_variant(share[0], flag, (*steps, 0))
    if len(share) == 1:
        yield Draft(
            "weight-omitted",
            steps,
            "the share has no weight, which silently counts as 1",
            "write the weight: [variant, 50]",
        )
    else:
        yield from _check_weight(share[1], (*steps, 1), bucketing)


def _check_share_variant(variant: Any, flag: Mapping[str, Any], steps: Steps) -> Iterator[Draft]:
    if variant is None or isinstance(variant, dict):
        return
    name = str(variant).lower() if isinstance(variant, bool) else variant
    if isinstance(name, list):
        yield Draft("split-shape", steps, "a list does not name a variant", "write its name")
    elif str(name) not in flag["variants"]:
        yield Draft(
            "variant-unknown",
            steps,
            f"the split names {name!r}, which is not a variant ({', '.join(flag['variants'])})",
            "correct the name, or add the variant",
        )


def _check_weight(weight: Any, steps: Steps, bucketing: str) -> Iterator[Draft]:
    if isinstance(weight, dict) and operation(weight):
        return  # computed: `evaluation` looks at what it gives
    if isinstance(weight, bool) or not isinstance(weight, int):
        fine = ", though generation v2 takes it" if weight == int_of(weight) else ""
        yield Draft(
            "weight-type",
            steps,
            f"the weight {shown(weight)} is not a whole number: flagd silently drops the whole "
            f"split{fine if bucketing == 'v3' else ''}",
            "write it without a decimal point, such as 50",
        )
    elif weight < 0:
        yield Draft(
            "weight-negative",
            steps,
            f"the weight {weight} is negative, and flagd silently counts it as 0",
            "write 0, or what you meant",
        )


def int_of(value: Any) -> int | None:
    """The whole number that a float is."""
    return int(value) if isinstance(value, float) and value.is_integer() else None


def weight_of(share: Any) -> int | None:
    """The weight of a share as flagd counts it; None where it is computed or no weight."""
    if not isinstance(share, list) or not share:
        return None
    weight = share[1] if len(share) > 1 else 1
    whole = int_of(weight) if isinstance(weight, float) else weight
    return max(0, whole) if isinstance(whole, int) and not isinstance(whole, bool) else None
