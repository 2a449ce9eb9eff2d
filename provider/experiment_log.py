"""ExperimentLog: one INFO line when an experiment starts, changes or ends for this process."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import NamedTuple

from openfeature_triton.flagd_config import Document, Experiment

_log = logging.getLogger(__name__)


class Change(NamedTuple):
    """What became of an experiment: `starts`, `changes` or `ends`."""

    what: str
    experiment: Experiment


def changes(before: Document | None, after: Document) -> Iterator[Change]:
    """What a new document means for the experiments that run; a change is a new phase."""
    running = _running(before) if before else {}
    for key, experiment in _running(after).items():
        known = running.pop(key, None)
        if known is None:
            yield Change("starts", experiment)
        elif known.phase != experiment.phase:
            yield Change("changes", experiment)
    for experiment in running.values():
        yield Change("ends", experiment)


def log_changes(before: Document | None, after: Document) -> None:
    """Say each change, in words and as fields of the record."""
    for what, experiment in changes(before, after):
        weights = ", ".join(f"{name} {weight}" for name, weight in experiment.weights.items())
        _log.info(
            "experiment %s %s: %s (phase %s)",
            experiment.key,
            what,
            weights,
            experiment.phase,
            extra={
                "experiment": experiment.key,
                "phase": experiment.phase,
                "task_type": experiment.task_type,
                "change": what,
            },
        )


def _running(document: Document) -> dict[str, Experiment]:
    return {key: each for key, each in document.experiments.items() if each.enabled}
