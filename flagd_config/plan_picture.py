"""A plan as a picture in text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from openfeature_triton.flagd_config.errors import one_line
from openfeature_triton.flagd_config.findings import Finding
from openfeature_triton.flagd_config.forecast import Forecast
from openfeature_triton.flagd_config.plan import MovePlan, PhaseChange, SliceMoves

_WIDTH = 40
_MARKS = "█▓▒░▚▞▀▄"


def as_text(
    plan: MovePlan, forecasts: Sequence[Forecast] = (), findings: Sequence[Finding] = ()
) -> str:
    """Give bars of before and after for each slice, the moves, and what else is to be known."""
    lines: list[str] = []
    for each in plan.slices:
        lines += _slice_lines(each)
    lines += said(plan, forecasts, findings)
    return "\n".join(map(one_line, lines)) or "nothing changes"


def _slice_lines(each: SliceMoves) -> list[str]:
    lines = [f"{each.task_type} {each.language or 'other languages'}: {moved(each)}"]
    if not each.moves:
        return lines
    names = sorted({*each.before, *each.after})
    marks = {name: _MARKS[index % len(_MARKS)] for index, name in enumerate(names)}
    lines.append(f"  before |{_bar(each.before, marks)}|")
    lines.append(f"  after  |{_bar(each.after, marks)}|")
    lines.append("         " + "  ".join(f"{marks[name]} {name}" for name in names))
    lines += [f"  {move.share:7.2%}  {move.before} → {move.after}" for move in each.moves]
    return lines


def moved(each: SliceMoves) -> str:
    """Say how many move, against the least."""
    if not each.moves:
        return "nobody moves"
    return f"{each.moved:.2%} of the keys move; the least with these weights is {each.least:.2%}"


def _bar(shares: Mapping[str, float], marks: Mapping[str, str]) -> str:
    so_far, drawn, bar = 0.0, 0, ""
    for name in marks:
        so_far += shares.get(name, 0.0)
        size = round(so_far * _WIDTH) - drawn
        bar, drawn = bar + marks[name] * size, drawn + size
    return bar


def said(plan: MovePlan, forecasts: Sequence[Forecast], findings: Sequence[Finding]) -> list[str]:
    """Give a line for each experiment that begins, ends, or is planned, and for each finding."""
    return [
        *map(_phase_line, plan.phases),
        *(f"{each.key}: takes requests {each.after} (was: {each.before})" for each in plan.dates),
        *(
            f"{order.key}: written in the order {', '.join(order.variants)} the split moves "
            f"{order.moved:.1%} of its keys, not {order.moved_as_written:.1%}"
            for order in plan.orders
        ),
        *map(str, forecasts),
        *(
            f"{each.path}:{each.line}: {each.severity} [{each.rule_id}] {each.problem}"
            for each in findings
        ),
    ]


def _phase_line(phase: PhaseChange) -> str:
    key, before, after = phase.key, phase.before, phase.after
    if not before:
        return f"{key}: begins, with phase {after}"
    if phase.shipped:
        return f"{key}: is concluded (phase {before} ends): all that it took go to {phase.shipped}"
    if not after:
        return f"{key}: is no experiment any more (was in phase {before})"
    return f"{key}: opens a new phase, {after} after {before}; outcomes are analysed per phase"
