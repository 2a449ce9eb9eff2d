"""ExperimentLog: one INFO line when an experiment starts, changes or ends for this process."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import NamedTuple

from openfeature_triton.flagd_config import Document, Experiment
from openfeature_triton.flagd_config.give_way import GiveWay

_log = logging.getLogger(__name__)


class Change(NamedTuple):
    """What became of an experiment: `starts`, `changes` or `ends`."""

    what: str
    experiment: Experiment


def changes(before: Document | None, after: Document) -> Iterator[Change]:
    """What a new document means for the experiments that run; a change is a new phase."""
    give_way = GiveWay()
    running = _running(before, give_way) if before else {}
    for key, experiment in _running(after, give_way).items():
        give_way()
        known = running.pop(key, None)
        if known is None:
            yield Change("starts", experiment)
        elif known.phase != experiment.phase:
            yield Change("changes", experiment)
    for experiment in running.values():
        yield Change("ends", experiment)


def log_changes(before: Document | None, after: Document) -> None:
    """Say each change, in words and as fields of the record."""
    if before is not None:
        log_bucketing(before.bucketing, after.bucketing)
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


def log_bucketing(before: str, after: str) -> None:
    """Say loudly that another generation of the hash splits from now on."""
    if before != after:
        _log.warning(
            "bucketing changes from %s to %s: each experiment opens a new phase, and half of its "
            "users get another variant than before — if nobody meant that, set OFT_BUCKETING=%s",
            before,
            after,
            before,
            extra={"bucketing": after, "bucketing_before": before},
        )


def _running(document: Document, give_way: GiveWay) -> dict[str, Experiment]:
    running = {}
    for key, experiment in document.experiments.items():
        give_way()
        if experiment.enabled:
            running[key] = experiment
    return running
