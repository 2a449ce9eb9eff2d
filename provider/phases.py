"""Phases: each one told once, with its definition, when it first goes live in this process."""

from __future__ import annotations

from collections.abc import Callable

from openfeature.evaluation_context import EvaluationContext
from openfeature.track import TrackingEventDetails

from openfeature_triton.flagd_config import Document
from openfeature_triton.flagd_config.give_way import GiveWay

Track = Callable[[str, EvaluationContext, TrackingEventDetails], None]


class Phases:
    """Tells of phases by tracking events; an edit that is undone opens none."""

    def __init__(self, track: Track) -> None:
        self._track = track
        self._told: set[tuple[str, str]] = set()

    def tell(self, document: Document) -> None:
        """Tell each phase of a document that was not told before."""
        give_way = GiveWay()
        for experiment in document.experiments.values():
            give_way()
            phase = experiment.key, experiment.phase
            if phase not in self._told:
                self._told.add(phase)
                details = TrackingEventDetails(attributes=dict(experiment.phase_record()))
                self._track("experiment_phase", EvaluationContext(), details)
