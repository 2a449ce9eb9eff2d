"""Verdict: one sentence that says what to do, the first of the list that applies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from openfeature_triton.dashboard.statistics.clusters import ENOUGH_BUCKETS
from openfeature_triton.dashboard.statistics.guardrails import HARMED, SAFE, GuardrailResult
from openfeature_triton.dashboard.statistics.rollups import LOWER_IS_BETTER, RATES
from openfeature_triton.dashboard.statistics.wording import (
    capital,
    in_words,
    p_in_words,
    percent,
    short,
)

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
    of the rarer event in the smaller arm, and `event` what that is; `buckets`, where the unit is
    the user, how many equally busy buckets of users that arm is worth. `is_shown_now` says whether
    the interval holds no 0 at present: one of an earlier look may have shown the effect.
    `is_precise` says whether the effect is known as well as the plan promised.
    """

    variant: str
    control: str
    primary: str
    effect: str
    guardrails: Sequence[GuardrailResult]
    events: float
    event: str
    requests: int
    planned_requests: int | None
    days_left: float | None
    buckets: float | None = None
    is_running: bool = True
    is_shown_now: bool = True
    is_precise: bool = True
    has_unread_guardrails: bool = False


def broken(
    counts: Mapping[str, int], shares: Mapping[str, float], p_value: float, phase: str = ""
) -> Verdict:
    """Say that the split is broken, or that of one `phase`; which variant is off, by how much."""
    total = sum(counts.values())
    off = max(counts, key=lambda variant: abs(counts[variant] / total - shares.get(variant, 0.0)))
    where = f" of phase {phase}" if phase else ""
    return Verdict(
        BROKEN,
        f"The split{where} is broken: {off} got {percent(counts[off] / total)} of {total:,} "
        f"exposures and should have got {percent(shares.get(off, 0.0))} ({p_in_words(p_value)}). "
        "No number of this experiment can be trusted until the cause is found.",
    )


def judge(found: Evidence) -> Verdict:
    """Give the verdict on one variant of an experiment whose split is not broken."""
    harmed = [each for each in found.guardrails if each.state == HARMED]
    if harmed:
        return Verdict(STOP, f"{_harm(found, harmed[0])}: stop it.", found.variant)
    if found.primary == WORSE:
        shown = "" if found.is_shown_now else ", as an earlier look showed"
        return Verdict(STOP, f"{found.effect}{shown}: stop it.", found.variant)
    if found.events < ENOUGH_EVENTS or _has_few_users(found):
        return Verdict(COLLECTING, _too_few(found), found.variant)
    if found.primary == BETTER:
        return _better(found)
    return _undecided(found)


def overall(verdicts: Sequence[Verdict], sizes: Sequence[float]) -> Verdict:
    """Give the verdict on an experiment of several variants: the first in the order.

    Of several of a kind that of the largest effect (`sizes`) is given, and the others are named;
    so are those to be shipped where another is to be stopped.
    """
    if not verdicts:
        return Verdict(COLLECTING, "Nothing was recorded of a treatment yet.")
    ranked = sorted(zip(verdicts, sizes, strict=True), key=lambda each: -each[1])
    first = min((verdict for verdict, _ in ranked), key=lambda each: ORDER.index(each.kind))
    others = [v.variant for v, _ in ranked if v.kind == first.kind and v is not first]
    shipped = [v.variant for v, _ in ranked if v.kind == SHIP and first.kind != SHIP]
    more = [f" The same verdict holds for {_and(others)}."] if others else []
    more += [f" To be shipped: {_and(shipped)}."] if shipped else []
    return replace(first, reason="".join([first.reason, *more]))


def _better(found: Evidence) -> Verdict:
    if not found.is_shown_now:
        reason = f"{found.effect}, which an earlier look showed and this one does not: review it."
        return Verdict(REVIEW, reason, found.variant)
    doubts = _doubts(found)
    if doubts:
        return Verdict(REVIEW, f"{found.effect}, but {_and(doubts)}: review it.", found.variant)
    safe = ", no guardrail is harmed" if found.guardrails else ""
    return Verdict(SHIP, f"{found.effect}{safe}, and {_progress(found)}: ship it.", found.variant)


def _doubts(found: Evidence) -> list[str]:
    """Say what of the guardrails keeps a better variant from being shipped."""
    open_ones = [in_words(g.guardrail.metric) for g in found.guardrails if g.state != SAFE]
    guardrails, are = ("guardrail", "is") if len(open_ones) == 1 else ("guardrails", "are")
    doubts = [f"the {guardrails} {_and(open_ones)} {are} not yet proven safe"] if open_ones else []
    return doubts + (["not all guardrails can be read"] if found.has_unread_guardrails else [])


def _undecided(found: Evidence) -> Verdict:
    planned = found.planned_requests
    if planned is not None and found.requests >= planned and not found.is_precise:
        few = "too few of them in the smaller group to end it"
        reason = f"{found.effect}; {_progress(found)}, but {few}: keep it running."
        return Verdict(RUNNING, reason, found.variant)
    if planned is not None and found.requests >= planned:
        reason = f"{found.effect}, which may be chance, and {_progress(found)}: end it."
        return Verdict(END, reason, found.variant)
    if not found.is_running:
        stands = "and it does not run: only more requests could decide it"
        return Verdict(RUNNING, f"{found.effect}; {_progress(found)}, {stands}.", found.variant)
    days = "" if found.days_left is None else f" for about {_days(found.days_left)}"
    return Verdict(
        RUNNING, f"{found.effect}; {_progress(found)}: keep it running{days}.", found.variant
    )


def _has_few_users(found: Evidence) -> bool:
    return found.buckets is not None and found.buckets < ENOUGH_BUCKETS


def _too_few(found: Evidence) -> str:
    start = f"There is too little data to compare {found.variant} with {found.control}:"
    if found.events < ENOUGH_EVENTS:
        hardly = "no" if found.event.startswith("values") and not found.events else "hardly any"
        many = f"about {found.events:.0f}" if found.events >= 0.5 else hardly
        few = f"{many} {found.event} can be expected in the smaller group so far"
        return f"{start} {few}, and {ENOUGH_EVENTS} are needed."
    users = f"the users of the smaller group count as {found.buckets:.0f} equally busy groups"
    return f"{start} {users}, and {ENOUGH_BUCKETS:.0f} are needed."


def _harm(found: Evidence, result: GuardrailResult) -> str:
    """A share of successes is judged by the errors, and so it is said."""
    metric = "error_rate" if result.guardrail.metric in RATES else result.guardrail.metric
    more, less = ("higher", "lower") if metric in LOWER_IS_BETTER else ("worse", "better")
    name, allowed = f"{capital(found.variant)}'s {in_words(metric)}", short(result.guardrail.margin)
    if result.ratio is None:
        return f"{name} is {more} than {found.control}'s, and the guardrail allows {allowed}"
    size = f"{percent(abs(result.ratio - 1))} {more if result.ratio >= 1 else less}"
    if result.ratio > 1 + result.guardrail.margin:
        return f"{name} is {size} than {found.control}'s, and the guardrail allows {allowed}"
    return (
        f"{name} is {size} than {found.control}'s, but an earlier look showed more than the "
        f"{allowed} {more} that the guardrail allows"
    )


def _progress(found: Evidence) -> str:
    if found.planned_requests is None:
        return f"{found.requests:,} requests are in"
    return f"{found.requests:,} of {found.planned_requests:,} planned requests are in"


def _days(days: float) -> str:
    return "a day" if days < 1.5 else f"{days:.0f} days"


def _and(names: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
