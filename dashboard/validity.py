"""Validity: what could be wrong with an experiment's numbers, before anybody reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from openfeature_triton.dashboard.formats import ago, metric_name, percent
from openfeature_triton.dashboard.losses import Losses
from openfeature_triton.dashboard.statistics import Analysis
from openfeature_triton.dashboard.statistics.verdict import COLLECTING
from openfeature_triton.dashboard.statistics.wording import p_in_words

State = Literal["fine", "warning", "broken"]

MAX_FALLBACK_RATE = 0.01
MIN_USER_SHARE = 0.99
STALE_AFTER = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that could be wrong, whether it is, and what that means."""

    name: str
    state: State
    text: str


def checks(
    analysis: Analysis | None,
    *,
    requests: int,
    fallbacks: Mapping[str, int],
    last_seen: datetime | None,
    is_running: bool,
    now: datetime,
    problems: Sequence[str] = (),
    is_of_users: bool = False,
    losses: Losses | None = None,
) -> tuple[Check, ...]:
    """Give what was looked at, the worst first.

    Args:
        analysis: what the statistics say, if they could.
        requests: of all variants.
        fallbacks: requests that another variant answered, by the one assigned.
        last_seen: when the newest window began.
        is_running: whether the flag file sends traffic now.
        now: the present time.
        problems: what of the plan can't be read.
        is_of_users: whether users were randomised.
        losses: what recording processes lost on the way, None where none can be seen.
    """
    found = [_plan(each) for each in problems]
    if analysis is not None:
        found += [_split(analysis), _amount(analysis)]
        found += [_users(analysis.user_share)] if is_of_users and analysis.requests else []
    else:
        text = "No control variant is known, so nothing can be compared."
        found.append(Check("Control", "warning", text))
    found += [_fallbacks(requests, sum(fallbacks.values()))]
    found += [_recording(losses)] if losses is not None else []
    found += [_freshness(last_seen, now)] if is_running and last_seen is not None else []
    order: dict[State, int] = {"broken": 0, "warning": 1, "fine": 2}
    return tuple(sorted(found, key=lambda check: order[check.state]))


def _plan(problem: str) -> Check:
    return Check("Plan", "warning", problem)


def _split(analysis: Analysis) -> Check:
    split, p_value = analysis.split, p_in_words(analysis.split.p_value)
    if split.broken:
        text = f"Variants do not get what their weights promise ({p_value}). Look for the cause."
        return Check("Split", "broken", text)
    if not sum(split.counts.values()):
        return Check("Split", "fine", "Nobody was sent to a variant yet.")
    if not sum(split.shares.values()):
        return Check("Split", "warning", "No weights are known, so the split can't be checked.")
    return Check("Split", "fine", f"Variants get what their weights promise ({p_value}).")


def _amount(analysis: Analysis) -> Check:
    if analysis.verdict.kind == COLLECTING:
        return Check("Data", "warning", "There is too little of it to compare variants.")
    if analysis.split.broken:
        return Check("Data", "fine", f"{analysis.requests:,} requests are in.")
    return Check("Data", "fine", f"{analysis.requests:,} requests are enough to compare variants.")


def _users(share: float | None) -> Check:
    """Requests of one user are alike: who takes them for independent is too sure."""
    if share is None:
        text = (
            "Randomised by user, but no request names its user, so requests are compared: with a "
            "few heavy users the intervals are too narrow, and the split may look broken."
        )
        return Check("Users", "warning", text)
    text = f"{percent(share, 1)} of the requests name their user"
    if share < MIN_USER_SHARE:
        return Check("Users", "warning", f"{text}: the rest is left out of every comparison.")
    return Check("Users", "fine", f"Users are compared, not requests: {text}.")


def _fallbacks(requests: int, fallbacks: int) -> Check:
    if not fallbacks:
        return Check("Fallbacks", "fine", "No request was answered by another variant.")
    rate = fallbacks / requests if requests else 0.0
    text = f"{percent(rate, 2)} of the requests were answered by another variant"
    if rate > MAX_FALLBACK_RATE:
        return Check("Fallbacks", "warning", f"{text}, so the difference looks smaller than it is.")
    return Check("Fallbacks", "fine", f"{text}.")


def _recording(losses: Losses) -> Check:
    """The processes know no experiments: what one lost may have been of any."""
    lost = {metric_name(name).lower(): count for name, count in losses.dropped.items()}
    if losses.dead_lettered:
        lost["refused by InfluxDB"] = losses.dead_lettered
    if lost:
        handed_over = losses.accepted + sum(losses.dropped.values())
        reasons = ", ".join(f"{name}: {count:,}" for name, count in lost.items())
        text = (
            f"{sum(lost.values()):,} of {handed_over:,} outcomes of all experiments never "
            f"came to the store ({reasons})."
        )
        return Check("Recording", "warning", text)
    waiting = f"; {losses.spooled:,} outcomes are on their way" if losses.spooled else ""
    one, many = "recording process", f"{losses.processes:,} recording processes"
    seen = one if losses.processes == 1 else many
    return Check("Recording", "fine", f"Nothing was dropped by the {seen} seen from here{waiting}.")


def _freshness(last_seen: datetime, now: datetime) -> Check:
    if now - last_seen > STALE_AFTER:
        text = f"The last request came {ago(last_seen, now)}, though the experiment runs."
        return Check("Freshness", "warning", text)
    return Check("Freshness", "fine", f"The last request came {ago(last_seen, now)}.")
