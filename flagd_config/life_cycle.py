"""The life of an experiment: draft → running ⇄ paused → completed | cancelled.

The flag's state is what flagd obeys; its metadata's `status` tells apart what flagd can't.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, NoReturn

from openfeature_triton.flagd_config import audit
from openfeature_triton.flagd_config.dates import (
    Dates,
    condition_of,
    iso,
    take_dates,
    wrapped_rule,
)
from openfeature_triton.flagd_config.document import Document
from openfeature_triton.flagd_config.edit import edit_flag
from openfeature_triton.flagd_config.errors import FlagFileError, Place
from openfeature_triton.flagd_config.experiment import Experiment
from openfeature_triton.flagd_config.file_change import current, digest, locked, replace
from openfeature_triton.flagd_config.flag_text import FlagText
from openfeature_triton.flagd_config.lint import Against
from openfeature_triton.flagd_config.places import Step
from openfeature_triton.flagd_config.ramp import new_weights
from openfeature_triton.flagd_config.shipped import COMPLETED
from openfeature_triton.flagd_config.targeting import Operation, operations

DRAFT, RUNNING, PAUSED, CANCELLED = "draft", "running", "paused", "cancelled"
STEPS: Mapping[str, tuple[tuple[str, ...], str]] = {
    "start": ((DRAFT,), RUNNING),
    "pause": ((RUNNING,), PAUSED),
    "resume": ((PAUSED,), RUNNING),
    "stop": ((RUNNING, PAUSED), COMPLETED),
    "cancel": ((DRAFT, RUNNING, PAUSED), CANCELLED),
}
"""Command → from which statuses, to which."""

ALIVE = (DRAFT, RUNNING, PAUSED)
_Change = Callable[[FlagText, Experiment, Any], None]  # with the targeting, `$ref`s resolved


class LifeCycleError(FlagFileError):
    """A step that the life of an experiment does not allow."""


def status(experiment: Experiment) -> str:
    """Give where an experiment is in its life; one without a `status` by its flag's state."""
    written = experiment.metadata.get("status")
    known = (DRAFT, RUNNING, PAUSED, COMPLETED, CANCELLED)
    if experiment.enabled:
        return RUNNING
    return str(written) if written in known and written != RUNNING else DRAFT


def step(
    path: Path,
    key: str,
    command: str,
    reason: str,
    against: Against | None = None,
    *,
    dates: Dates | None = None,
) -> audit.Entry:
    """Take one step of the life cycle: start, pause, resume, stop or cancel.

    Raises LifeCycleError where the step is not allowed, EditRefusedError where lint would not
    allow what comes of it, FlagFileError where the file is no good.
    """
    allowed, goal = STEPS[command]

    def change(text: FlagText, experiment: Experiment, rule: Any) -> None:
        """Set the state, and dates if any are named."""
        text.set(("flags", key, "state"), "ENABLED" if goal == RUNNING else "DISABLED")
        text.set(("flags", key, "metadata", "status"), goal)
        if dates:
            _set_dates(path, text, experiment, rule, dates)

    return _edit(path, key, (command, allowed, reason), change, against)


def schedule(
    path: Path, key: str, dates: Dates, reason: str, against: Against | None = None
) -> audit.Entry:
    """Set from when until when an experiment takes requests; a date of None stays as it is.

    Raises LifeCycleError without a date.
    """
    if not dates:
        raise LifeCycleError(Place(str(path)).at("flags", key), "no date is named", "name one")

    def change(text: FlagText, experiment: Experiment, rule: Any) -> None:
        """Set the dates alone."""
        _set_dates(path, text, experiment, rule, dates)

    return _edit(path, key, ("schedule", ALIVE, reason), change, against)


def ramp(
    path: Path, key: str, shares: Mapping[str, float], reason: str, against: Against | None = None
) -> audit.Entry:
    """Change the split: each named variant gets its share of 100, the others what is left.

    Weights stay in the file's order, so the hash moves no more assignments than the shares demand
    of two variants.
    """

    def change(text: FlagText, experiment: Experiment, rule: Any) -> None:
        """Write the new weight in each place of a variant."""
        weights = new_weights(experiment.weights, shares, Place(str(path)).at("flags", key))
        for place, variant in _weight_places(path, key, rule):
            text.set(place, weights.pop(variant, 0))  # 0 where a variant has a second share

    return _edit(path, key, ("ramp", ALIVE, reason), change, against)


def conclude(
    path: Path, key: str, winner: str, reason: str, against: Against | None = None
) -> audit.Entry:
    """Turn an experiment into a plain flag: whoever it took gets the winner, without an end.

    The targeting keeps its conditions and gives the winner in the place of the split, so requests
    that the experiment did not take (another language, say) still go to their own service.
    """

    def change(text: FlagText, experiment: Experiment, rule: Any) -> None:
        """Give the winner to all whom the experiment took."""
        if winner not in experiment.services:
            names = ", ".join(experiment.services)
            place = Place(str(path)).at("flags", key)
            raise LifeCycleError(place, f"{winner!r} is no variant", f"name one of: {names}")
        _give_all(text, key, rule, winner)
        concluded = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        said = {"concluded": concluded, "shipped": winner, "status": COMPLETED, "experiment": False}
        text.set(("flags", key, "state"), "ENABLED")
        for name, value in said.items():
            text.set(("flags", key, "metadata", name), value)

    return _edit(path, key, ("conclude", (RUNNING, PAUSED), reason), change, against)


def undo(path: Path, reason: str) -> audit.Entry:
    """Put back exactly what was there before the last change of the log; an undo can be undone.

    Raises LifeCycleError if there is none, or the file was changed by hand since.
    """
    with locked(path):
        before, entries = current(path), audit.read(path)
        if not entries:
            raise LifeCycleError(Place(str(path)), "nothing was changed yet", "see experiment log")
        last = entries[-1]
        if digest(before) != last.after:
            _refuse_undo(path, last, before)
        made = audit.entry("undo", last.experiment, reason, before, last.restored())
        with audit.added(path, made):
            replace(path, before, last.restored())
    return made


def _refuse_undo(path: Path, last: audit.Entry, before: bytes | None) -> NoReturn:
    if digest(before) == last.before:
        raise LifeCycleError(
            Place(str(path)),
            f"it is already as it was before the last change ({last.command} {last.experiment})",
            "see experiment log",
        )
    raise LifeCycleError(
        Place(str(path)), "it was changed by hand since", "take it back with git instead"
    )


def _edit(
    path: Path,
    key: str,
    step: tuple[str, tuple[str, ...], str],
    change: _Change,
    against: Against | None,
) -> audit.Entry:
    """Change an experiment that is where the command may be given; `step` has its reason, too."""
    command, allowed, reason = step

    def edit(text: FlagText, document: Document) -> None:
        experiment = _experiment(path, document, key)
        _require(path, experiment, command, allowed)
        change(text, experiment, document.flags[key]["targeting"])

    return edit_flag(path, key, edit, against or Against(), command=command, reason=reason)


def _experiment(path: Path, document: Document, key: str) -> Experiment:
    found = document.experiments.get(key)
    if found is not None:
        return found
    for error in document.refused:
        if error.flag_key == key:
            raise error
    names = ", ".join(document.experiments) or "none"
    raise LifeCycleError(
        Place(str(path)).at("flags", key), "there is no such experiment", f"there are: {names}"
    )


def _require(path: Path, experiment: Experiment, command: str, allowed: tuple[str, ...]) -> None:
    found = status(experiment)
    if found not in allowed:
        raise LifeCycleError(
            Place(str(path)).at("flags", experiment.key),
            f"it is {found}, and only what is {' or '.join(allowed)} can be taken to {command}",
            f"see where it is: openfeature-triton experiment show {experiment.key}",
        )


# In the flag's targeting


def _set_dates(path: Path, text: FlagText, experiment: Experiment, rule: Any, dates: Dates) -> None:
    """Write dates around the targeting, and beside it for people to read."""
    flag, old, inner = ("flags", experiment.key), experiment.dates, wrapped_rule(rule)
    start = old.start if dates.start is None else dates.start
    end = old.end if dates.end is None else dates.end
    condition = condition_of(Dates(start, end))
    if inner is not None and not take_dates(inner)[0]:
        text.set((*flag, "targeting", "if", 0), condition)
    elif old:
        raise LifeCycleError(
            Place(str(path)).at(*flag, "targeting"),
            "its dates are written between other conditions",
            "change them there, or remove them and try again",
        )
    else:
        text.wrap((*flag, "targeting"), condition)
    for name, moment in (("end", end), ("start", start)):
        if moment is not None:
            text.set((*flag, "metadata", name), iso(moment))


def _give_all(text: FlagText, key: str, rule: Any, winner: str) -> None:
    """Put the winner in the place of the split, and take the dates away."""
    targeting = ("flags", key, "targeting")
    inner = wrapped_rule(rule)
    if inner is not None:
        text.lift(targeting, ("if", 1))
        rule = inner
    dates, without = take_dates(rule)
    if dates:
        text.set(targeting, without)
    split = _split(without).steps[:-1]
    if split:
        text.set((*targeting, *split), winner)
    else:  # the split is all: a text alone is no rule, and without a rule the default is given
        text.set(targeting, {})
        text.set(("flags", key, "defaultVariant"), winner)


def _split(rule: Any) -> Operation:
    (found,) = (each for each in operations(rule) if each.name == "fractional")
    return found


def _weight_places(path: Path, key: str, rule: Any) -> list[tuple[tuple[Step, ...], str]]:
    """Give the path of each weight of a flag's split, and whose it is."""
    split, places = _split(rule), []
    for index, argument in enumerate(split.arguments):
        if isinstance(argument, list) and argument and isinstance(argument[0], str):
            place = ("flags", key, "targeting", *split.steps, index)
            if len(argument) < 2:
                at = Place(str(path)).at(*place)
                raise LifeCycleError(at, f"{argument[0]!r} has no weight", "write it")
            places.append(((*place, 1), argument[0]))
    return places
