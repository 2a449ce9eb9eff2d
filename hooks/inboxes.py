"""Inboxes: all that the callers of one process leave to be counted."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from openfeature_triton.hooks.inbox import Inbox, Things, new_floats
from openfeature_triton.hooks.metrics import Units
from openfeature_triton.hooks.outcomes import Outcome
from openfeature_triton.hooks.series import OTHER, Evaluation, Series, fit_evaluation, fit_series
from openfeature_triton.hooks.settings import RecorderSettings
from openfeature_triton.hooks.sink import Point

_MAX_PHASES = 1000
_MAX_CREDITS = 16_384
_BARE_FOR_ONE = 4
"""How many bare latencies, of 8 bytes each, may wait in the place of one outcome of 88 or more."""


class Inboxes:
    """What is kept apart here is what is added up in different ways.

    A success of which nothing but the latency is told waits as a float; any other outcome as the
    tuple that it came as.

    Args:
        settings: how many series are kept apart, and how much may wait.
        units: the custom metrics of each task type that is known.
    """

    def __init__(self, settings: RecorderSettings, units: Units) -> None:
        task_types = frozenset(units)

        def fit(series: Series) -> Series:
            return fit_series(series, task_types)

        bounds = settings.max_series, settings.max_pending
        bare = settings.max_series, _BARE_FOR_ONE * settings.max_pending
        self.fit = fit
        self.successes: Inbox[Series, float] = Inbox(new_floats, fit, _COARSER_SERIES, *bare)
        self.outcomes: Inbox[Series, Outcome] = Inbox(Things, fit, _COARSER_SERIES, *bounds)
        self.exposures: Inbox[Series, None] = Inbox(Things, fit, _COARSER_SERIES, *bounds)
        self.evaluations: Inbox[Evaluation, object] = Inbox(
            Things, fit_evaluation, _COARSER_EVALUATIONS, *bounds
        )
        self.phases: deque[Point] = deque(maxlen=_MAX_PHASES)
        self.credits: deque[tuple[Series, Mapping[str, object]]] = deque()

    @property
    def credits_full(self) -> bool:
        """Whether no more credits can be taken before some are folded."""
        return len(self.credits) >= _MAX_CREDITS

    @property
    def outcomes_pending(self) -> int:
        """How many outcomes wait."""
        return self.successes.pending + self.outcomes.pending

    @property
    def pending(self) -> int:
        """How much waits."""
        waiting = sum(inbox.pending for inbox in self._by_key)
        return waiting + len(self.phases) + len(self.credits)

    @property
    def is_crowded(self) -> bool:
        """Whether so much waits that some may soon be dropped."""
        return any(inbox.is_crowded for inbox in self._by_key)

    @property
    def collapsed(self) -> int:
        """How often a caller's key was beyond the bound and counted under a coarser one."""
        return sum(inbox.collapsed for inbox in self._by_key)

    def retire(self) -> None:
        """Forget the keys that were idle since the last call."""
        for inbox in self._by_key:
            inbox.retire()

    @property
    def _by_key(self) -> tuple[Inbox[Any, Any], ...]:
        return self.successes, self.outcomes, self.exposures, self.evaluations


_COARSER_SERIES: tuple[Callable[[Series], Series], ...] = (
    lambda series: series._replace(language=OTHER),
    lambda series: Series(*([OTHER] * len(series))),
)
_COARSER_EVALUATIONS: tuple[Callable[[Evaluation], Evaluation], ...] = (
    lambda evaluation: evaluation._replace(variant=OTHER),
    lambda evaluation: Evaluation(*([OTHER] * len(evaluation))),
)
