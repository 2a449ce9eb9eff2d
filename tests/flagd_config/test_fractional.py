from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openfeature.contrib.tools.flagd.core import FlagdCore
from openfeature.evaluation_context import EvaluationContext

from openfeature_triton.flagd_config.errors import Place
from openfeature_triton.flagd_config.fractional import read_weights
from openfeature_triton.flagd_config.targeting import operation

VARIANTS = ("control", "treatment", "true")


def _weights(*arguments: Any) -> dict[str, int]:
    split = operation({"fractional": list(arguments)})
    assert split is not None
    return read_weights(split, VARIANTS, Place("f"))


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([["control", 50], ["treatment", 50]], (50, 50, 0)),
        ([["treatment"], ["control", 3]], (3, 1, 0)),
        ([{"var": "user_id"}, ["control", 90], ["treatment", 10]], (90, 10, 0)),
        ([["control", 25], ["treatment", 50], ["control", 25]], (50, 50, 0)),
        ([["control", 1], ["treatment", -1]], (1, 0, 0)),
        ([["control", 1], [True, 2]], (1, 0, 2)),
        ([["control", 5], ["treatment", 5], [None, 90]], (5, 5, 0)),
    ],
)
def test_weights(arguments: list[Any], expected: tuple[int, ...]) -> None:
    """Weights are read in both forms of the split, in the order of the variants."""
    assert tuple(_weights(*arguments).values()) == expected


@given(st.lists(st.integers(-2, 5), min_size=3, max_size=3).filter(lambda ws: max(ws) > 0))
def test_flagd_core_sends_requests_where_weights_are(numbers: list[int]) -> None:
    """A variant gets requests from flagd-core exactly if its weight is above 0."""
    shares = [[name, weight] for name, weight in zip(VARIANTS, numbers, strict=True)]
    weights = _weights(*shares)
    core = FlagdCore()
    flag = {
        "state": "ENABLED",
        "variants": {name: name for name in VARIANTS},
        "targeting": {"fractional": shares},
    }
    core.set_flags({"flags": {"f": flag}})
    served = Counter(
        core.resolve_string_value("f", "", EvaluationContext(str(key))).variant
        for key in range(200)
    )
    assert {name for name, weight in weights.items() if weight > 0} == set(served)
