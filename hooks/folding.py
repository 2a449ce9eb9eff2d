"""Folding: from what callers left in the inboxes to the running totals of the present windows.

Done by one thread at a time, in slices, so that requests in other threads hardly notice.
"""

from __future__ import annotations

import math
import secrets
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar, cast

from openfeature_triton.hooks import outcomes, schema
from openfeature_triton.hooks.breath import breathe_if_due, with_breaths
from openfeature_triton.hooks.inbox import Inbox
from openfeature_triton.hooks.inboxes import Inboxes
from openfeature_triton.hooks.metrics import MAX_MAGNITUDE, Units, number
from openfeature_triton.hooks.outcomes import Folded, Increments, Outcome
from openfeature_triton.hooks.raw_points import RawPoints
from openfeature_triton.hooks.rollups import Rollups
from openfeature_triton.hooks.series import Evaluation, Series
from openfeature_triton.hooks.settings import RecorderSettings
from openfeature_triton.hooks.sink import Point, Tags

T = TypeVar("T", Outcome, float)

BAD_DURATION = "bad_duration"
INTERNAL_ERROR = "internal_error"

_MANY = 4096
"""How many things are drained at once where they are only counted."""

_OUTCOMES_AT_ONCE = 200
_SERIES_AT_ONCE = 32
"""How many outcomes of which more is told are folded at once, and of how many series at most:
what takes some tenths of a millisecond.
"""

_VERY_MANY = 32_768
_MOST_AT_ONCE = 2**20
_MOST_SERIES_AT_ONCE = 256
"""From how many bare successes on large slices are folded; how many at most, and of how many
series. Copying the most out of a queue takes some 2 ms.
"""


class Folding:
    """Adds up what waits. All that it counts is its own, so it takes no lock that a caller holds.

    Args:
        inboxes: what waits.
        settings: how wide the windows are, and how many raw points a second are made.
        units: the custom metrics that each task type may carry.
        clock_ns: the wall clock, in ns since 1970.
        makes_raw: whether raw points are wanted.
    """

    def __init__(
        self,
        inboxes: Inboxes,
        settings: RecorderSettings,
        units: Units,
        clock_ns: Callable[[], int],
        *,
        makes_raw: bool,
    ) -> None:
        self.rollups = Rollups(_widths_ns(settings), secrets.randbelow)
        self.phases: dict[Tags, Point] = {}
        self.raw_points: list[Point] = []
        self.dropped: Counter[str] = Counter()
        self.refused_metrics: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()
        self.last_error = ""
        self._inboxes = inboxes
        self._units = units
        self._clock_ns = clock_ns
        self._raw = RawPoints(settings.raw_per_s, time.monotonic) if makes_raw else None
        self._retire_ns = settings.window_s * 1e9
        self._retired_ns = clock_ns()

    @property
    def raw_left_out(self) -> int:
        """How many outcomes the cap on raw points left no room for."""
        return self._raw.left_out if self._raw is not None else 0

    def fold(self) -> None:
        """Add what waits to the present windows."""
        now_ns = self._clock_ns()
        self.rollups.turn_to(now_ns)
        self._fold_exposures()
        self._fold_evaluations()
        for successes in _slices(self._inboxes.successes, outcomes.AT_ONCE, _VERY_MANY):
            self._fold_slice(successes, outcomes.fold_successes)
        for others in _slices(self._inboxes.outcomes, _OUTCOMES_AT_ONCE, math.inf):
            self._fold_slice(others, lambda given: outcomes.fold(given, self._units))
        self._fold_credits()
        self._fold_phases()
        if abs(now_ns - self._retired_ns) >= self._retire_ns:
            self._retired_ns = now_ns
            self._inboxes.retire()

    def _fold_exposures(self) -> None:
        for series, waiting in with_breaths(self._inboxes.exposures.drain(_MANY)):
            self._add(schema.LIGHT, series, {schema.EXPOSURES: float(len(waiting))})
            self.counts["exposures"] += len(waiting)

    def _fold_evaluations(self) -> None:
        for evaluation, durations_us in with_breaths(self._inboxes.evaluations.drain(_MANY)):
            good = _durations(durations_us)
            increments = {schema.COUNT: float(len(durations_us)), schema.DURATION_SUM: sum(good)}
            if evaluation.error_code:
                increments[schema.EVALUATION_ERRORS] = float(len(durations_us))
            self._add(schema.EVALUATION, evaluation, increments)
            self.counts["evaluations"] += len(durations_us)
            if len(good) < len(durations_us):
                self.dropped[BAD_DURATION] += len(durations_us) - len(good)

    def _fold_slice(
        self,
        batches: Sequence[tuple[Series, Sequence[T]]],
        fold: Callable[[Sequence[tuple[Series, Sequence[T]]]], Folded],
    ) -> None:
        size = sum(len(waiting) for _, waiting in batches)
        try:
            folded = fold(batches)
        except Exception as error:  # noqa: BLE001 - a foreign object in an outcome may do anything
            self.note(error)
            self.dropped[INTERNAL_ERROR] += size
            return
        self._add_folded([series for series, _ in batches], folded)
        self._make_raw(batches)
        self.counts["recorded"] += size - folded.refused.total()
        self.dropped.update(folded.refused)
        self.refused_metrics.update(folded.refused_metrics)

    def _add_folded(self, all_series: Iterable[Series], folded: Folded) -> None:
        added = zip(all_series, folded.light, folded.latency, folded.clusters, strict=True)
        for series, light, latency, by_user in with_breaths(added):
            self._add(schema.LIGHT, series, light)
            self._add(schema.LATENCY, series, latency)
            if by_user:
                tags = tuple((tag, getattr(series, tag)) for tag in schema.CLUSTER_TAGS)
                self.rollups.add(schema.CLUSTERS, tags, by_user)

    def _make_raw(self, batches: Sequence[tuple[Series, Sequence[T]]]) -> None:
        if self._raw is not None:
            for series, waiting in batches:
                declared = self._units.get(series.task_type, {})
                self.raw_points += self._raw.make(series, waiting, declared, self._clock_ns())

    def _fold_credits(self) -> None:
        """Add the metrics of requests that were counted before to the series of those."""
        for _ in range(len(self._inboxes.credits)):
            given, metrics = self._inboxes.credits.popleft()
            series = self._inboxes.fit(given)
            increments, refused = outcomes.credited(series, metrics, self._units)
            self._add(schema.LIGHT, series, increments)
            self.refused_metrics.update(refused)

    def _fold_phases(self) -> None:
        while self._inboxes.phases:
            point = self._inboxes.phases.popleft()
            self.phases.setdefault(point.tags, point)

    def _add(self, measurement: str, key: Series | Evaluation, increments: Increments) -> None:
        tags = tuple(zip(key._fields, key, strict=True))
        self.rollups.add(measurement, tags, increments)

    def points(self) -> Collection[Point]:
        """Give all that has to be written."""
        return _Unwritten(self.phases, self.rollups, self.raw_points)

    def settle(self) -> int:
        """Take note that what `points` gave is written; gives how many outcomes that was."""
        self.phases.clear()
        self.raw_points.clear()
        return self.rollups.settle()

    @property
    def is_settled(self) -> bool:
        """Whether all that was folded is written."""
        return not (self.rollups.unsettled or self.phases)

    def note(self, error: Exception) -> None:
        """Keep the last error's words."""
        self.last_error = f"{type(error).__name__}: {error}"[:500]


class _Unwritten(Collection[Point]):
    """Points that are made each time that somebody goes through them, and none before it is due.

    Thousands that live at once would let the interpreter look for garbage, all else waiting.
    """

    def __init__(
        self, phases: Mapping[Tags, Point], rollups: Rollups, raw_points: Sequence[Point]
    ) -> None:
        self._phases = phases
        self._rollups = rollups
        self._raw_points = raw_points

    def __len__(self) -> int:
        return len(self._phases) + self._rollups.unsettled + len(self._raw_points)

    def __iter__(self) -> Iterator[Point]:
        yield from self._phases.values()
        yield from with_breaths(self._rollups.changed())
        yield from self._raw_points

    def __contains__(self, point: object) -> bool:
        return any(each == point for each in self)


def _durations(given: Sequence[object]) -> Sequence[float]:
    """Give those durations that are numbers of at least 0."""
    if set(map(type, given)) == {float}:
        floats = cast("Sequence[float]", given)
        if min(floats) >= 0 and sum(floats) <= MAX_MAGNITUDE:  # which it is not with a NaN in it
            return floats
    checked = map(number, given)
    return [value for value in checked if not isinstance(value, str) and value >= 0]


def _slices(
    inbox: Inbox[Series, T], few: int, many: float
) -> Iterator[list[tuple[Series, Sequence[T]]]]:
    """Take out what waits in slices over several series, which numpy takes in one go.

    Slices of `few` with breaths between them, and from `many` on large ones. Where so much waits
    that some may soon be dropped there is no breath: the interpreter is given away when others ask
    for it, which they do after 5 ms.
    """
    is_crowded, size_most, series_most = inbox.is_crowded, few, _SERIES_AT_ONCE
    if inbox.pending >= many:
        size_most, series_most = _MOST_AT_ONCE, _MOST_SERIES_AT_ONCE
    batches: list[tuple[Series, Sequence[T]]] = []
    size = 0
    for series, waiting in inbox.drain(size_most):
        if size + len(waiting) > size_most or len(batches) == series_most:
            yield batches
            batches, size = [], 0
            if not is_crowded:
                breathe_if_due()
        batches.append((series, waiting))
        size += len(waiting)
    if batches:
        yield batches


def _widths_ns(settings: RecorderSettings) -> dict[str, int]:
    light_ns, latency_ns = int(settings.window_s * 1e9), int(settings.latency_window_s * 1e9)
    return {
        schema.LIGHT: light_ns,
        schema.LATENCY: latency_ns,
        schema.CLUSTERS: latency_ns,
        schema.EVALUATION: light_ns,
    }
