"""Forest: the primary effect of each variant in each language, one below the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from openfeature_triton.dashboard.bars import scale_of
from openfeature_triton.dashboard.developments import LanguageEffect
from openfeature_triton.dashboard.effects import Row, Table, holds_0, row
from openfeature_triton.dashboard.statistics.always_valid import ALPHA
from openfeature_triton.dashboard.statistics.verdict import UNDECIDED


@dataclass(frozen=True, slots=True)
class ForestRow:
    """One variant in one language, as the forest shows it."""

    language: str
    variant: str
    row: Row


def forest(
    effects: Sequence[LanguageEffect], *, is_broken: bool = False
) -> tuple[float, tuple[ForestRow, ...]]:
    """Give the scale of the bars, and a row per language and variant."""
    scale = scale_of(each.result.effect for each in effects)
    rows = []
    for each in effects:
        is_sure = each.p_value <= ALPHA and not holds_0(each.result)
        result = each.result if is_sure else replace(each.result, state=UNDECIDED)
        table = Table(result.metric, scale, is_broken=is_broken)
        rows.append(ForestRow(each.language, each.variant, row(result, table)))
    return scale, tuple(rows)
