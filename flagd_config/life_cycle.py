"""The life of an experiment: draft → running ⇄ paused → completed | cancelled.

The flag's state is what flagd obeys; its metadata's `status` tells apart what flagd can't.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from openfeature_triton.flagd_config import audit
from openfeature_triton.flagd_config.document import YAML_SUFFIXES, Document, parse_document
from openfeature_triton.flagd_config.errors import FlagFileError, Place
from openfeature_triton.flagd_config.experiment import Experiment
from openfeature_triton.flagd_config.file_change import digest, locked, replace
from openfeature_triton.flagd_config.flag_text import FlagText, NoSuchPlaceError, Step
from openfeature_triton.flagd_config.syntax import read_bytes
from openfeature_triton.flagd_config.targeting import operations

DRAFT, RUNNING, PAUSED = "draft", "running", "paused"
COMPLETED, CANCELLED = "completed", "cancelled"
STEPS: Mapping[str, tuple[tuple[str, ...], str]] = {
    "start": ((DRAFT,), RUNNING),
    "pause": ((RUNNING,), PAUSED),
    "resume": ((PAUSED,), RUNNING),
    "stop": ((RUNNING, PAUSED), COMPLETED),
    "cancel": ((DRAFT, RUNNING, PAUSED), CANCELLED),
}
"""Command → from which statuses, to which."""

RAMPABLE = (DRAFT, RUNNING, PAUSED)
Edit = Callable[[FlagText, Experiment], None]


class LifeCycleError(FlagFileError):
    """A step that the life of an experiment does not allow."""


def status(experiment: Experiment) -> str:
    """Give where an experiment is in its life; one without a `status` by its flag's state."""
    written = experiment.metadata.get("status")
    known = (DRAFT, RUNNING, PAUSED, COMPLETED, CANCELLED)
    if experiment.enabled:
        return RUNNING
    return str(written) if written in known and written != RUNNING else DRAFT


def step(path: Path, key: str, command: str, reason: str) -> audit.Entry:
    """Take one step of the life cycle: start, pause, resume, stop or cancel.

    Raises LifeCycleError where the step is not allowed, FlagFileError where the file is no good.
    """
    allowed, goal = STEPS[command]

    def edit(text: FlagText, experiment: Experiment) -> None:
        _require(path, experiment, command, allowed)
        text.set(("flags", key, "state"), "ENABLED" if goal == RUNNING else "DISABLED")
        text.set(("flags", key, "metadata", "status"), goal)

    return _change(path, key, command, reason, edit)


def ramp(path: Path, key: str, shares: Mapping[str, float], reason: str) -> audit.Entry:
    """Change the split: each named variant gets its share of 100, the others what is left.

    What is left is divided among the other variants as they stand to each other. Weights stay in
    the file's order, so the hash moves no more assignments than the shares demand of two variants.
    """

    def edit(text: FlagText, experiment: Experiment) -> None:
        _require(path, experiment, "ramp", RAMPABLE)
        weights = ramped(experiment, shares, Place(str(path)).at("flags", key))
        for place, variant in _weight_places(path, text.text, key):
            text.set(place, weights[variant])

    return _change(path, key, "ramp", reason, edit)


def conclude(path: Path, key: str, winner: str, reason: str) -> audit.Entry:
    """Turn an experiment into a plain flag: whoever it took now gets the winner.

    The targeting keeps its conditions and gives the winner in the place of the split, so requests
    that the experiment did not take (another language, say) still go to their own service.
    """

    def edit(text: FlagText, experiment: Experiment) -> None:
        _require(path, experiment, "conclude", (RUNNING, PAUSED))
        if winner not in experiment.services:
            names = ", ".join(experiment.services)
            place = Place(str(path)).at("flags", key)
            raise LifeCycleError(place, f"{winner!r} is no variant", f"name one of: {names}")
        split, _ = _split(path, text.text, key)
        text.set(split[:-1], winner)
        text.set(("flags", key, "state"), "ENABLED")
        text.set(("flags", key, "metadata", "experiment"), False)
        text.set(("flags", key, "metadata", "shipped"), winner)
        text.set(("flags", key, "metadata", "status"), COMPLETED)

    return _change(path, key, "conclude", reason, edit)


def undo(path: Path, reason: str) -> audit.Entry:
    """Put back exactly what was there before the last change of the log; an undo can be undone.

    Raises LifeCycleError if there is none, or the file was changed by hand since.
    """
    with locked(path):
        before, entries = read_bytes(path), audit.read(path)
        if not entries:
            raise LifeCycleError(Place(str(path)), "nothing was changed yet", "see experiment log")
        last = entries[-1]
        if digest(before) != last.after:
            raise LifeCycleError(
                Place(str(path)), "it was changed by hand since", "take it back with git instead"
            )
        made = audit.entry("undo", last.experiment, reason, before, last.restored())
        replace(path, before, last.restored())
        audit.append(path, made)
    return made


def ramped(experiment: Experiment, shares: Mapping[str, float], place: Place) -> dict[str, int]:
    """Give whole weights of all variants: of 100, or more where a share is no whole number."""
    unknown = [name for name in shares if name not in experiment.weights]
    if unknown:
        names = ", ".join(experiment.weights)
        raise LifeCycleError(place, f"{unknown[0]!r} is no variant", f"name one of: {names}")
    named = sum(shares.values())
    if any(share < 0 for share in shares.values()) or named > 100:
        raise LifeCycleError(
            place, f"shares of {named:g} % can't be", "keep them within 0 to 100 %"
        )
    others = {name: w for name, w in experiment.weights.items() if name not in shares}
    rest, weight = 100 - named, sum(others.values())
    if others and not weight:
        others, weight = dict.fromkeys(others, 1), len(others)
    if not others and rest:
        raise LifeCycleError(place, f"the shares add up to {named:g} %", "make it 100 %")
    exact = {
        name: shares.get(name, rest * others.get(name, 0) / (weight or 1))
        for name in experiment.weights
    }
    for scale in (1, 10, 100, 1000):
        whole = {name: round(share * scale) for name, share in exact.items()}
        if sum(whole.values()) == 100 * scale and all(
            abs(whole[name] - share * scale) < 1e-6 for name, share in exact.items()
        ):
            return whole
    return {name: round(share * 1000) for name, share in exact.items()}


def _require(path: Path, experiment: Experiment, command: str, allowed: tuple[str, ...]) -> None:
    found = status(experiment)
    if found not in allowed:
        raise LifeCycleError(
            Place(str(path)).at("flags", experiment.key),
            f"it is {found}, and only what is {' or '.join(allowed)} can be taken to {command}",
            "see where it is: openfeature-triton experiment show",
        )


def _change(
    path: Path,
    key: str,
    command: str,
    reason: str,
    edit: Edit,
) -> audit.Entry:
    """Edit one flag under the file's lock: checked, written as a whole, then logged."""
    with locked(path):
        before = read_bytes(path)
        document = _read(path, before)
        text = FlagText(before.decode())
        try:
            edit(text, _experiment(path, document, key))
        except NoSuchPlaceError as error:
            raise LifeCycleError(
                Place(str(path)).at("flags", key),
                f"it can't be edited, for {error}",
                "write it out where it uses `$ref`, or edit it by hand",
            ) from error
        after = text.text.encode()
        _check(path, key, document, after)
        made = audit.entry(command, key, reason, before, after)
        replace(path, before, after)
        audit.append(path, made)
    return made


def _check(path: Path, key: str, before: Document, after: bytes) -> None:
    """See that the edited file is good, and that no other flag has changed."""
    document = _read(path, after)
    for name in {*before.flags, *document.flags} - {key}:
        if before.flags.get(name) != document.flags.get(name):
            place = Place(str(path)).at("flags", name)
            raise LifeCycleError(place, "the edit would change this flag too", "edit it by hand")


def _experiment(path: Path, document: Document, key: str) -> Experiment:
    found = document.experiments.get(key)
    if found is None:
        names = ", ".join(document.experiments) or "none"
        raise LifeCycleError(
            Place(str(path)).at("flags", key), "there is no such experiment", f"there are: {names}"
        )
    return found


def _read(path: Path, content: bytes) -> Document:
    return parse_document(content, source=str(path), yaml=_is_yaml(path))


def _is_yaml(path: Path) -> bool:
    return path.suffix.lower() in YAML_SUFFIXES


def _split(path: Path, text: str, key: str) -> tuple[tuple[Step, ...], Any]:
    """Give the path of the arguments of a flag's `fractional`, as written, and the arguments."""
    flag = _read(path, text.encode()).flags[key]
    (found,) = (each for each in operations(flag["targeting"]) if each.name == "fractional")
    return ("flags", key, "targeting", *found.steps), found.arguments


def _weight_places(path: Path, text: str, key: str) -> list[tuple[tuple[Step, ...], str]]:
    """Give the path of each weight of a flag's split, and whose it is."""
    split, arguments = _split(path, text, key)
    places = []
    for index, argument in enumerate(arguments):
        if isinstance(argument, list) and argument and isinstance(argument[0], str):
            if len(argument) < 2:
                place = Place(str(path)).at("flags", key)
                raise LifeCycleError(place, f"{argument[0]!r} has no weight", "write it")
            places.append(((*split, index, 1), argument[0]))
    return places
