"""Influx store: reads what `hooks` sent to InfluxDB 2. The server does the summing.

Flux in its fast forms only: what is pushed down to the storage engine (range, filter, sum,
aggregateWindow before any group), one query per measurement and span, side by side, and the
answer's CSV split by hand.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from itertools import chain
from operator import itemgetter
from time import time_ns

from openfeature_triton.dashboard.day_spans import FIRST_NS, LAST_NS, Span, day_spans
from openfeature_triton.dashboard.rows import Group, Rows, rows, with_fields, with_latencies
from openfeature_triton.dashboard.store import (
    EVALUATION_FIELDS,
    STEP_NS,
    TRAFFIC_FIELDS,
    Evaluations,
    Phase,
    Seen,
    Step,
    Totals,
    Traffic,
    evaluations_of,
    place,
    traffic_of,
)
from openfeature_triton.hooks import schema
from openfeature_triton.hooks.errors import MissingStoreError
from openfeature_triton.hooks.influx_api import InfluxApi, Table, text
from openfeature_triton.hooks.influx_days import day_of
from openfeature_triton.hooks.late import NS_PER_DAY
from openfeature_triton.hooks.settings import InfluxSettings

_AT_ONCE = 6
_GROUP = ("phase", "variant", "served", "task_type", "language")
_SEEN = ("experiment", "phase", "variant", "task_type")
_EDGE_FIELDS = (schema.EXPOSURES, schema.REQUESTS)
_EVERY = {"day": "1d", "hour": "1h"}
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)

_Group = tuple[str, ...]


class InfluxStore:
    """Reads a store in InfluxDB 2: merged days where there are any, windows for the rest.

    Args:
        settings: where it is; its token need only be able to read. StoreUrlError if the address
            can't be one.
    """

    def __init__(self, settings: InfluxSettings) -> None:
        self._api = InfluxApi(settings)
        self._settings = settings
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="oft-influx-store")

    def __repr__(self) -> str:
        """Name the store."""
        return f"InfluxStore({self._api.name!r}, {self._settings.bucket!r})"

    def check(self) -> None:
        """Look whether the store can be read: StoreError if not."""
        self._api.query(f"from(bucket: {text(self._settings.bucket)}) |> range(start: -1s)")

    def seen(
        self,
        experiment: str | None = None,
        *,
        start_ns: int | None = None,
        end_ns: int | None = None,
    ) -> tuple[Seen, ...]:
        """Say when all experiments, or one, had traffic, by phase and variant: quickly."""
        return self._seen(self._ask(self._edges(experiment, start_ns, end_ns)))

    def traffic(
        self,
        experiment: str | None = None,
        *,
        start_ns: int | None = None,
        end_ns: int | None = None,
    ) -> tuple[Traffic, ...]:
        """Give the traffic of all experiments, or of one, by phase and variant."""
        counted = f"{_is(schema.LIGHT)} and {_in(TRAFFIC_FIELDS)} and {_of(experiment)}"
        columns = ", ".join(map(text, (*_SEEN, "_field")))
        summed = f"{_filter(counted)} |> group(columns: [{columns}]) |> sum()"
        scripts = [self._from(span) + summed for span in self._spans(start_ns, end_ns)]
        edges = self._edges(experiment, start_ns, end_ns)
        answers = self._ask([*scripts, *edges])
        totals = _sums(answers[: len(scripts)], _SEEN)
        seen = self._seen(answers[len(scripts) :])
        return tuple(traffic_of(each, totals.get(place(each), {})) for each in seen)

    def counts(
        self,
        experiment: str,
        *,
        step: Step = "day",
        start_ns: int | None = None,
        end_ns: int | None = None,
    ) -> tuple[Totals, ...]:
        """Give the fields of `inference_light` by day or by hour; () for an unknown experiment."""
        return with_fields(self._rows(experiment, schema.LIGHT, step, start_ns, end_ns))

    def clusters(
        self,
        experiment: str,
        *,
        step: Step = "day",
        start_ns: int | None = None,
        end_ns: int | None = None,
    ) -> tuple[Totals, ...]:
        """Give an experiment's sums by bucket of users; () where the unit is not the user."""
        return with_fields(self._rows(experiment, schema.CLUSTERS, step, start_ns, end_ns))

    def latencies(
        self,
        experiment: str,
        *,
        step: Step = "day",
        start_ns: int | None = None,
        end_ns: int | None = None,
    ) -> tuple[Totals, ...]:
        """Give an experiment's histograms of latency by day or by hour, without fields."""
        return with_latencies(self._rows(experiment, schema.LATENCY, step, start_ns, end_ns))

    def _rows(
        self,
        experiment: str,
        measurement: str,
        step: Step,
        start_ns: int | None,
        end_ns: int | None,
    ) -> Rows:
        """Give a measurement's sums by tags, day or hour, and field."""
        columns = ", ".join(map(text, (*_GROUP, "_field", "_time", "_value")))
        every = f"aggregateWindow(every: {_EVERY[step]}, fn: sum, createEmpty: false"
        wanted = _filter(f"{_is(measurement)} and {_of(experiment)}")
        scripts = []
        for span in self._spans(start_ns, end_ns, step):
            # A table per field is written in half the time of one per series and field.
            merged = ' |> group(columns: ["_field"])'
            summed = merged if span.is_merged else f' |> {every}, timeSrc: "_start")'
            scripts.append(f"{self._from(span)}{wanted}{summed} |> keep(columns: [{columns}])")
        keys: list[tuple[tuple[str, ...], ...]] = []
        fields: list[str] = []
        values: list[float] = []
        for table in chain.from_iterable(self._ask(scripts)):
            at = {name: nth for nth, name in enumerate(table.columns)}
            names = tuple(name for name in (*_GROUP, "_time") if name in at)
            pick = itemgetter(*(at[name] for name in names))
            keys += [(names, pick(row)) for row in table.rows]
            fields += [row[at["_field"]] for row in table.rows]
            values += [float(row[at["_value"]]) for row in table.rows]
        return rows(keys, lambda key: _group(dict(zip(*key, strict=True)), step), fields, values)

    def evaluations(
        self, *, start_ns: int | None = None, end_ns: int | None = None
    ) -> tuple[Evaluations, ...]:
        """Give how often each flag was evaluated, with which result."""
        columns = ", ".join(map(text, (*schema.EVALUATION_TAGS, "_field")))
        wanted = _filter(f"{_is(schema.EVALUATION)} and {_in(EVALUATION_FIELDS)}")
        summed = f"{wanted} |> group(columns: [{columns}]) |> sum()"
        answers = self._ask([self._from(span) + summed for span in self._spans(start_ns, end_ns)])
        totals = _sums(answers, schema.EVALUATION_TAGS)
        return tuple(evaluations_of(group, totals[group]) for group in sorted(totals))

    def phases(self, experiment: str | None = None) -> tuple[Phase, ...]:
        """Give the phases of all experiments, or of one, the oldest first."""
        which = _is(schema.PHASE) + ("" if experiment is None else f" and {_of(experiment)}")
        script = self._from(Span(False, FIRST_NS, LAST_NS)) + _filter(which) + " |> first()"
        seen: dict[_Group, dict[str, str]] = defaultdict(dict)
        since: dict[_Group, int] = {}
        for table in self._api.query(script):
            for row in table.rows:
                given = dict(zip(table.columns, row, strict=True))
                key = given.get("experiment", ""), given.get("phase", "")
                at_ns = _ns(given["_time"])
                since[key] = min(since.get(key, at_ns), at_ns)
                seen[key][given["_field"]] = given["_value"]
        found = (
            Phase(
                experiment=key[0],
                phase=key[1],
                first_seen_ns=since[key],
                **{name: fields.get(name, "") for name in schema.PHASE_FIELDS},
            )
            for key, fields in seen.items()
        )
        return tuple(
            sorted(found, key=lambda each: (each.first_seen_ns, each.experiment, each.phase))
        )

    def close(self) -> None:
        """Let go of connections and threads."""
        self._threads.shutdown(cancel_futures=True)
        self._api.close()

    def _edges(self, experiment: str | None, start_ns: int | None, end_ns: int | None) -> list[str]:
        """Give the scripts that find the first and the last window of each variant."""
        which = f"{_is(schema.LIGHT)} and {_in(_EDGE_FIELDS)} and {_of(experiment)}"
        group = f"group(columns: [{', '.join(map(text, (*_SEEN, '_field')))}])"
        return [
            f"{self._from(span)}{_filter(which)} |> {group} |> {edge}()"
            for edge in ("first", "last")
            for span in day_spans((), start_ns, end_ns)
        ]

    def _seen(self, answers: Sequence[list[Table]]) -> tuple[Seen, ...]:
        """Read what the scripts of `_edges` gave."""
        if not answers:
            return ()
        first_ns, last_ns = _edge(answers[0], min), _edge(answers[1], max)
        return tuple(
            # One may have come between the two, which are asked for side by side.
            Seen(experiment, phase, variant, task_type, since_ns, last_ns.get(group, since_ns))
            for group, since_ns in sorted(first_ns.items())
            for experiment, phase, variant, task_type in (group,)
        )

    def _spans(
        self, start_ns: int | None = None, end_ns: int | None = None, step: Step = "day"
    ) -> list[Span]:
        today = time_ns() // NS_PER_DAY
        may_be_merged = step == "day" and -(-(start_ns or 0) // NS_PER_DAY) < today
        return day_spans(self._merged_days() if may_be_merged else (), start_ns, end_ns)

    def _merged_days(self) -> set[int]:
        """Give the days that are merged, and to which no window came since."""
        said = f"{_is(schema.MERGED)} and {_in([schema.MARKS_SEEN])}"
        marks = f"{_is(schema.LATE)} and {_in([schema.MARK])}"
        whole = Span(True, FIRST_NS, LAST_NS)
        try:
            merged, marked = self._ask(
                [
                    self._from(whole) + _filter(said) + ' |> keep(columns: ["_time", "_value"])',
                    self._from(whole._replace(is_merged=False))
                    + _filter(marks)
                    + ' |> keep(columns: ["_time", "_value"])',
                ]
            )
        except MissingStoreError:
            self.check()  # without windows there is no store; without merged days there is
            return set()
        late: dict[int, int] = defaultdict(int)
        for _, time, _, _ in _values(marked, (), "_time"):
            late[day_of(time)] += 1
        return {
            day_of(t) for _, t, _, seen in _values(merged, (), "_time") if seen == late[day_of(t)]
        }

    def _from(self, span: Span) -> str:
        bucket = self._settings.days_bucket if span.is_merged else self._settings.bucket
        around = f"start: time(v: {span.start_ns}), stop: time(v: {span.end_ns})"
        return f"from(bucket: {text(bucket)}) |> range({around})"

    def _ask(self, scripts: Sequence[str]) -> list[list[Table]]:
        """Run scripts side by side; gives their tables in the same order."""
        return list(self._threads.map(self._api.query, scripts))


def _is(measurement: str) -> str:
    return f"r._measurement == {text(measurement)}"


def _in(fields: Iterable[str]) -> str:
    return "(" + " or ".join(f"r._field == {text(field)}" for field in fields) + ")"


def _of(experiment: str | None) -> str:
    """Narrow to one experiment; else to all, but not to what was part of none."""
    if experiment:
        return f"r.experiment == {text(experiment)}"
    return "exists r.experiment" if experiment is None else "not exists r.experiment"


def _filter(condition: str) -> str:
    return f" |> filter(fn: (r) => {condition})"


def _values(
    tables: Iterable[Table], tags: Sequence[str], other: str
) -> Iterator[tuple[_Group, str, str, float]]:
    """Give tags, another column, field and value of each row; a tag without a value is empty."""
    for columns, found in tables:
        place = {name: nth for nth, name in enumerate(columns)}
        picked = [place.get(tag) for tag in tags]
        at_other, at_field, at_value = place.get(other), place.get("_field"), place["_value"]
        for row in found:
            yield (
                tuple("" if nth is None else row[nth] for nth in picked),
                "" if at_other is None else row[at_other],
                "" if at_field is None else row[at_field],
                float(row[at_value]),
            )


def _group(row: Mapping[str, str], step: Step) -> Group:
    """Read tags, of which one that is empty is not there, and when the slice of time began."""
    start_ns = _ns(row["_time"]) // STEP_NS[step] * STEP_NS[step]
    return tuple(row.get(tag, "") for tag in _GROUP), start_ns


def _sums(answers: Iterable[list[Table]], tags: Sequence[str]) -> dict[_Group, dict[str, float]]:
    """Add up what the spans have of each group."""
    totals: dict[_Group, dict[str, float]] = {}
    for tables in answers:
        for group, _, field, value in _values(tables, tags, "_field"):
            fields = totals.setdefault(group, {})
            fields[field] = fields.get(field, 0.0) + value
    return totals


def _edge(tables: list[Table], choose: Callable[[int, int], int]) -> dict[_Group, int]:
    """Give each group's first or last time."""
    times: dict[_Group, int] = {}
    for group, time, _, _ in _values(tables, _SEEN, "_time"):
        at_ns = _ns(time)
        times[group] = choose(times.get(group, at_ns), at_ns)
    return times


def _ns(time: str) -> int:
    """Read a time of RFC 3339 in UTC, as InfluxDB gives it, in ns since 1970."""
    whole, _, rest = time.rstrip("Z").partition(".")
    moment = datetime.fromisoformat(whole).replace(tzinfo=timezone.utc)
    return int((moment - _EPOCH).total_seconds()) * 10**9 + int(rest.ljust(9, "0") or 0)
