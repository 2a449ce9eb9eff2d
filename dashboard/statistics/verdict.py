"""Verdict: one sentence that says what to do, the first of the list that applies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from openfeature_triton.dashboard.statistics.clusters import ENOUGH_BUCKETS
from openfeature_triton.dashboard.statistics.guardrails import HARMED, SAFE, GuardrailResult

BROKEN = "Broken"
STOP = "Stop"
COLLECTING = "Collecting data"
SHIP = "Ship"
REVIEW = "Review"
END = "End, no effect"
RUNNING = "Keep running"
ORDER = (BROKEN, STOP, COLLECTING, SHIP, REVIEW, END, RUNNING)

BETTER, WORSE, UNDECIDED = "better", "worse", "undecided"
ENOUGH_EVENTS = 20


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do (`kind`, one of `ORDER`) and why, in one plain sentence with numbers.

    `variant` is the variant it is about; empty under Broken, where no winner is ever named.
    """

    kind: str
    reason: str
    variant: str = ""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a verdict on one variant is made from.

    `effect` is the effect in words ("Treatment fails 1.8 points less often than control (95 %
    interval 0.9 to 2.7)"), `primary` one of better, worse, undecided; `events` the expected number
    of the rarer event in the smaller arm; `buckets`, where the unit is the user, how many equally
    busy buckets of users that arm is worth.
    """

    variant: str
    primary: str
    effect: str
    guardrails: Sequence[GuardrailResult]
    events: float
    requests: int
    planned_requests: int | None
    days_left: float | None
    buckets: float | None = None
    is_running: bool = True


def broken(counts: Mapping[str, int], shares: Mapping[str, float], p_value: float) -> Verdict:
    """Say that the split is broken; which variant is off most, and by how much."""
    total = sum(counts.values())
    off = max(counts, key=lambda variant: abs(counts[variant] / total - shares.get(variant, 0.0)))
    return Verdict(
        BROKEN,
        f"The split is broken: {off} got {_percent(counts[off] / total)} of {total:,} exposures "
        f"and should have got {_percent(shares.get(off, 0.0))} (p {_p(p_value)}). "
        "No number below can be trusted until the cause is found.",
    )


def judge(found: Evidence) -> Verdict:
    """Give the verdict on one variant of an experiment whose split is not broken."""
    harmed = [each for each in found.guardrails if each.state == HARMED]
    if harmed:
        return Verdict(
            STOP, f"{_capital(found.variant)} {_harm(harmed[0])}: stop it.", found.variant
        )
    if found.primary == WORSE:
        return Verdict(STOP, f"{found.effect}: stop it.", found.variant)
    if found.events < ENOUGH_EVENTS or _has_few_users(found):
        return Verdict(COLLECTING, _too_few(found), found.variant)
    if found.primary == BETTER:
        return _better(found)
    return _undecided(found)


def overall(verdicts: Sequence[Verdict]) -> Verdict:
    """Give the verdict that comes first in the order, for experiments of several variants."""
    if not verdicts:
        return Verdict(COLLECTING, "Nothing was recorded of a treatment yet.")
    return min(verdicts, key=lambda verdict: ORDER.index(verdict.kind))


def _better(found: Evidence) -> Verdict:
    open_ones = [each.guardrail.metric for each in found.guardrails if each.state != SAFE]
    if open_ones:
        reason = f"{found.effect}, but {_and(open_ones)} is not yet proven safe: review it."
        return Verdict(REVIEW, reason, found.variant)
    safe = ", no guardrail is harmed" if found.guardrails else ""
    return Verdict(SHIP, f"{found.effect}{safe}, and {_progress(found)}: ship it.", found.variant)


def _undecided(found: Evidence) -> Verdict:
    planned = found.planned_requests
    if planned is not None and found.requests >= planned:
        reason = f"{found.effect}, which may be nothing, and {_progress(found)}: end it."
        return Verdict(END, reason, found.variant)
    if not found.is_running:
        reason = f"{found.effect}; {_progress(found)}, and it does not run: resume it or end it."
        return Verdict(RUNNING, reason, found.variant)
    days = "" if found.days_left is None else f" for about {_days(found.days_left)}"
    return Verdict(
        RUNNING, f"{found.effect}; {_progress(found)}: keep it running{days}.", found.variant
    )


def _has_few_users(found: Evidence) -> bool:
    return found.buckets is not None and found.buckets < ENOUGH_BUCKETS


def _too_few(found: Evidence) -> str:
    start = f"There is too little data to compare {found.variant} with control:"
    if found.events < ENOUGH_EVENTS:
        came = f"the rarer outcome came about {found.events:.0f} times in the smaller arm"
        return f"{start} {came}, and {ENOUGH_EVENTS} are needed."
    users = (
        f"the users of the smaller arm are worth {found.buckets:.0f} groups of equally busy ones"
    )
    return f"{start} {users}, and {ENOUGH_BUCKETS:.0f} are needed."


def _harm(result: GuardrailResult) -> str:
    more = "" if result.ratio is None else f" ({_percent(result.ratio - 1)} more than control)"
    return (
        f"harms the guardrail {result.guardrail.metric}{more}, "
        f"of which at most {_percent(result.guardrail.margin)} more is allowed"
    )


def _progress(found: Evidence) -> str:
    if found.planned_requests is None:
        return f"{found.requests:,} requests are in"
    return f"{found.requests:,} of {found.planned_requests:,} planned requests are in"


def _days(days: float) -> str:
    return "a day" if days < 1.5 else f"{days:.0f} days"


def _percent(share: float) -> str:
    return f"{share * 100:.1f} %"


def _p(p_value: float) -> str:
    return "< 0.0001" if p_value < 0.0001 else f"= {p_value:.4f}"


def _and(names: Sequence[str]) -> str:
    return " and ".join(names)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
