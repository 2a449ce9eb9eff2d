"""Influx store: reads what `hooks` sent to InfluxDB 2. The server does the summing.

Flux in its fast forms only: what is pushed down to the storage engine (range, filter, group, sum,
first, last), all of a page in one request, whose parts InfluxDB works on side by side.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime, timezone
from functools import partial
from itertools import chain
from time import time_ns
from typing import Any

from openfeature_triton.dashboard.day_spans import FIRST_NS, LAST_NS, Span, day_spans
from openfeature_triton.dashboard.rows import Group, group, totals
from openfeature_triton.dashboard.store import (
    EVALUATIONS,
    PHASES,
    SEEN,
    SEEN_TAGS,
    STEP_NS,
    Phase,
    Query,
    Seen,
    Totals,
)
from openfeature_triton.hooks import schema
from openfeature_triton.hooks.errors import MissingStoreError
from openfeature_triton.hooks.influx_api import InfluxApi, Table, each_row, text
from openfeature_triton.hooks.influx_days import day_of
from openfeature_triton.hooks.late import NS_PER_DAY
from openfeature_triton.hooks.settings import InfluxSettings

_EDGE_FIELDS = (schema.EXPOSURES, schema.REQUESTS)
_EVERY = {"day": "1d", "hour": "1h"}
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_ALWAYS = Span(False, FIRST_NS, LAST_NS)


class InfluxStore:
    """Reads a store in InfluxDB 2: merged days where there are any, windows for the rest.

    Args:
        settings: where it is; its token need only be able to read. StoreUrlError if the address
            can't be one.
    """

    def __init__(self, settings: InfluxSettings) -> None:
        self._api = InfluxApi(settings)
        self._settings = settings

    def __repr__(self) -> str:
        """Name the store."""
        return f"InfluxStore({self._api.name!r}, {self._settings.bucket!r})"

    def check(self) -> None:
        """Look whether the store can be read: StoreError if not."""
        self._api.query(f"from(bucket: {text(self._settings.bucket)}) |> range(start: -1s)")

    def read(self, *queries: Query) -> tuple[tuple[Any, ...], ...]:
        """Give what each query asks for, in its order, all in one request."""
        merged = self._merged_days() if any(map(_may_be_merged, queries)) else ()
        scripts = [self._scripts(query, merged) for query in queries]
        answers = iter(self._api.query_all([*chain.from_iterable(scripts)]))
        return tuple(
            _READERS.get(query.what, _totals)(query, [next(answers) for _ in own])
            for query, own in zip(queries, scripts, strict=True)
        )

    def close(self) -> None:
        """Let go of connections."""
        self._api.close()

    def _scripts(self, query: Query, merged: Collection[int]) -> list[str]:
        """Give the scripts that answer a query together."""
        days = merged if _may_be_merged(query) else ()
        return [
            self._from(span) + _filter(query) + found
            for found in _found(query)
            for span in day_spans(days, query.start_ns, query.end_ns)
        ]

    def _merged_days(self) -> set[int]:
        """Give the days that are merged, and to which no window came since."""
        said, marks = (
            f"{self._from(span)} |> filter(fn: (r) => {_is(what, fields)})"
            for span, what, fields in (
                (_ALWAYS._replace(is_merged=True), schema.MERGED, [schema.MARKS_SEEN]),
                (_ALWAYS, schema.LATE, [schema.MARK]),
            )
        )
        try:
            merged, marked = map(each_row, self._api.query_all([said, marks]))
        except MissingStoreError:
            self.check()  # without windows there is no store; without merged days there is
            return set()
        late = Counter(day_of(row["_time"]) for row in marked)
        seen = ((day_of(row["_time"]), float(row["_value"])) for row in merged)
        return {day for day, count in seen if count == late[day]}

    def _from(self, span: Span) -> str:
        bucket = self._settings.days_bucket if span.is_merged else self._settings.bucket
        around = f"start: time(v: {span.start_ns}), stop: time(v: {span.end_ns})"
        return f"from(bucket: {text(bucket)}) |> range({around})"


def _may_be_merged(query: Query) -> bool:
    """Whether there may be merged days of what is asked for; nobody merges today."""
    if query.what in (SEEN, PHASES) or query.step == "hour":
        return False
    return -(-(query.start_ns or 0) // NS_PER_DAY) < time_ns() // NS_PER_DAY


def _filter(query: Query) -> str:
    """Narrow to what a query asks for; traffic that was part of no experiment is left out."""
    what, fields = query.what, query.fields
    if what == SEEN:
        what, fields = schema.LIGHT, _EDGE_FIELDS
    wanted = _is(what, fields)
    if query.experiment:
        wanted += f" and r.experiment == {text(query.experiment)}"
    elif query.experiment is not None:
        wanted += " and not exists r.experiment"
    elif what != EVALUATIONS:
        wanted += " and exists r.experiment"
    return f" |> filter(fn: (r) => {wanted})"


def _is(measurement: str, fields: Sequence[str]) -> str:
    named = " or ".join(f"r._field == {text(field)}" for field in fields)
    return f"r._measurement == {text(measurement)}" + (f" and ({named})" if named else "")


def _found(query: Query) -> list[str]:
    """Say what is found in what is left by the filter."""
    if query.what == SEEN:
        group, kept = (*SEEN_TAGS, "_field"), (*SEEN_TAGS, "_time")
        return [f"{_grouped(group)} |> {edge}(){_kept(kept)}" for edge in ("first", "last")]
    return [" |> first()" if query.what == PHASES else _summed(query)]


def _grouped(columns: Iterable[str]) -> str:
    return f" |> group(columns: [{', '.join(map(text, columns))}])"


def _kept(columns: Iterable[str]) -> str:
    return f" |> keep(columns: [{', '.join(map(text, columns))}])"


def _summed(query: Query) -> str:
    """Sum by tags and field, in slices of time; in a table a field, which is written the fastest.

    Fields may be of different types: they can't be in one table.
    """
    columns, summed = (*query.by, "_field"), " |> sum()"
    if query.step != "all":
        every = f"every: {_EVERY[query.step]}, createEmpty: false, timeSrc: {text('_start')}"
        summed = f" |> aggregateWindow(fn: sum, {every})"
    kept = _kept((*columns, "_time", "_value"))
    return f"{_grouped(columns)}{summed}{_grouped(['_field'])}{kept}"


def _totals(query: Query, answers: Iterable[list[Table]]) -> tuple[Totals, ...]:
    keys: list[tuple[str, ...]] = []
    fields: list[str] = []
    values: list[float] = []
    for table in chain.from_iterable(answers):
        keys += table.zipped((*query.by, "_time"))
        fields += table.columns["_field"]
        values += map(float, table.columns["_value"])
    return totals(query, keys, partial(_group, query), fields, values)


def _group(query: Query, key: tuple[str, ...]) -> Group:
    *tags, time = key
    step_ns = STEP_NS.get(query.step)
    return group(query, tags, _ns(time) // step_ns * step_ns if step_ns else 0)


def _seen(_: Query, answers: Sequence[list[Table]]) -> tuple[Seen, ...]:
    """Read the first and the last window of each variant."""
    if not answers:
        return ()
    first_ns, last_ns = _edge(answers[0], min), _edge(answers[1], max)
    return tuple(
        # One may have come between the two, which InfluxDB finds side by side.
        Seen(experiment, phase, variant, task_type, since_ns, last_ns.get(tags, since_ns))
        for tags, since_ns in sorted(first_ns.items())
        for experiment, phase, variant, task_type in (tags,)
    )


def _edge(tables: Iterable[Table], choose: Callable[[int, int], int]) -> dict[tuple[str, ...], int]:
    """Give each group's first or last time."""
    times: dict[tuple[str, ...], int] = {}
    for table in tables:
        for *tags, time in table.zipped((*SEEN_TAGS, "_time")):
            at_ns = _ns(time)
            times[tuple(tags)] = choose(times.get(tuple(tags), at_ns), at_ns)
    return times


def _phases(_: Query, answers: Iterable[list[Table]]) -> tuple[Phase, ...]:
    """Read the first point of each phase."""
    fields: dict[tuple[str, str], dict[str, str]] = {}
    since_ns: dict[tuple[str, str], int] = {}
    for row in each_row([*chain.from_iterable(answers)]):
        key, at_ns = (row.get("experiment", ""), row.get("phase", "")), _ns(row["_time"])
        since_ns[key] = min(since_ns.get(key, at_ns), at_ns)
        fields.setdefault(key, {})[row["_field"]] = row["_value"]
    found = (
        Phase(*key, since_ns[key], *(held.get(name, "") for name in schema.PHASE_FIELDS))
        for key, held in fields.items()
    )
    return tuple(sorted(found, key=lambda each: (each.first_seen_ns, each.experiment, each.phase)))


def _ns(time: str) -> int:
    """Read a time of RFC 3339 in UTC, as InfluxDB gives it, in ns since 1970; 0 for none."""
    whole, _, rest = time.rstrip("Z").partition(".")
    moment = datetime.fromisoformat(whole).replace(tzinfo=timezone.utc)
    return int((moment - _EPOCH).total_seconds()) * 10**9 + int(rest.ljust(9, "0") or 0)


_READERS: dict[str, Callable[[Query, Sequence[list[Table]]], tuple[Any, ...]]]
_READERS = {SEEN: _seen, PHASES: _phases}
