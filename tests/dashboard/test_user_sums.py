"""User sums: from rows to arrays, whatever their order, and added up."""

from __future__ import annotations

import math

import numpy as np

from openfeature_triton.dashboard.user_sums import NOBODY, UserSums, merge, user_sums

Row = tuple[int, str, float]


def made(*rows: Row, size: int = 2) -> list[UserSums]:
    """The user sums of rows: a group's number, a field, its sum."""
    groups, fields, values = zip(*rows, strict=True)
    return user_sums(groups, fields, values, size)


def test_each_sum_lies_in_its_groups_parts_bucket() -> None:
    """Rows of one field are added up; what is no bucket, or no number, is left out."""
    first, second = made(
        (0, "b3_n", 5.0), (1, "b127_errors", 2.0), (0, "requests", 9.0), (0, "b128_n", 7.0),
        (0, "b3_n", 1.0), (0, "b4_errors", math.nan), (1, "b0_n", math.inf),
    )  # fmt: skip
    assert {part: sums[3] for part, sums in first.parts.items()} == {"n": 6.0}
    assert {part: sums[127] for part, sums in second.parts.items()} == {"errors": 2.0}
    assert first.parts["n"].sum() == 6.0
    assert made((0, "requests", 1.0), size=1) == [NOBODY]
    assert user_sums([], [], [], 0) == []


def test_merging_is_adding() -> None:
    """A part that one alone has is kept as it is; nothing is added to nothing."""
    first, second = made((0, "b3_n", 5.0), (1, "b3_n", 2.0), (1, "b4_errors", 1.0))
    both = merge([first, NOBODY, second])
    assert both == made((0, "b3_n", 7.0), (0, "b4_errors", 1.0), size=1)[0]
    assert both != first
    assert hash(both) == hash(merge([second, first]))
    assert merge([]) == NOBODY
    assert np.array_equal(first.parts["n"], made((0, "b3_n", 5.0), size=1)[0].parts["n"])
