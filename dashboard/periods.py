"""Periods: the numbers of each variant by day, by hour, or in all, for machines to read."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from openfeature_triton.dashboard import summary
from openfeature_triton.dashboard.phases import moment
from openfeature_triton.dashboard.store import (
    SEEN,
    STEP_NS,
    Query,
    Seen,
    Step,
    Store,
    Totals,
    counts_and_latencies,
)
from openfeature_triton.dashboard.summary import Numbers
from openfeature_triton.hooks import schema

By = Literal["day", "hour", "total"]

_HOUR_NS = STEP_NS["hour"]
_LAST_S = 9_223_200_000  # April of 2262, a whole hour: times are stored in ns as 64-bit integers
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_COLUMNS = (
    *("experiment", "variant", "start", "end"),
    *("exposures", "requests", "errors", "error_rate"),
    *(schema.error_field(name) for name in schema.ERROR_CLASSES),
    *("mean_ms", "p50_ms", "p95_ms", "p99_ms"),
)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def _date_or_time(value: object) -> object:
    """Tell a date from a time at midnight, and take no bare number for a time."""
    if not isinstance(value, str):
        return value
    if _DATE.fullmatch(value):
        return date.fromisoformat(value)
    if not _DATE.match(value):
        raise ValueError("write a date as 2026-11-24, a time as 2026-11-24T10:00:00Z")
    return datetime.fromisoformat(value.replace("Z", "+00:00"))


Time = Annotated[datetime | date, BeforeValidator(_date_or_time)]


class PeriodQuery(BaseModel):
    """What to read of an experiment; times without an offset are of UTC.

    A date as `end` means the end of that day. Times are widened to whole hours, the narrowest
    that latencies are kept by.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    variant: str | None = Field(default=None, description="only this variant")
    phase: str | None = Field(default=None, description="only this phase")
    start: Time | None = Field(
        default=None, description="from here on: a date, or a date with a time (ISO 8601)"
    )
    end: Time | None = Field(default=None, description="until before here; a date means to its end")
    by: By = Field(default="day", description="one line per day, per hour, or one in all")

    @model_validator(mode="after")
    def _is_no_empty_time(self) -> PeriodQuery:
        start_ns, end_ns = self.range_ns()
        if start_ns is not None and end_ns is not None and start_ns >= end_ns:
            raise ValueError("start must lie before end")
        return self

    def range_ns(self) -> tuple[int | None, int | None]:
        """Give start and end in ns since 1970, widened to whole hours."""
        start_ns = None if self.start is None else _nanoseconds(self.start)
        end = self.end
        if end is not None and not isinstance(end, datetime):
            end = end + timedelta(days=1) if end < date.max else end
        end_ns = None if end is None else _nanoseconds(end)
        return (
            None if start_ns is None else start_ns // _HOUR_NS * _HOUR_NS,
            None if end_ns is None else -(-end_ns // _HOUR_NS) * _HOUR_NS,
        )

    def takes(self, found: Totals | Seen) -> bool:
        """Say whether something that was read is of the variant and phase that are asked for."""
        return self.variant in (None, found.variant) and self.phase in (None, found.phase)


@dataclass(frozen=True, slots=True)
class Period:
    """The numbers of one variant from `start` until before `end`."""

    variant: str
    start: datetime
    end: datetime
    numbers: Numbers


def read_periods(store: Store, experiment: str, query: PeriodQuery) -> tuple[Period, ...]:
    """Read an experiment's numbers, the oldest first, then by variant; () where nothing came."""
    if query.by == "total":
        return _in_all(store, experiment, query)
    step_ns = STEP_NS[query.by]
    groups = summary.group(
        _read(store, experiment, query, query.by), lambda each: (each.start_ns, each.variant)
    )
    return tuple(
        Period(variant, moment(start_ns), moment(start_ns + step_ns), summary.numbers(members))
        for (start_ns, variant), members in sorted(groups.items())
    )


def _in_all(store: Store, experiment: str, query: PeriodQuery) -> tuple[Period, ...]:
    """Days are summed, for they may be merged; first and last hour come from when it was seen."""
    start_ns, end_ns = query.range_ns()
    (seen,) = store.read(Query(SEEN, experiment, start_ns=start_ns, end_ns=end_ns))
    groups = summary.group(_read(store, experiment, query, "day"), lambda each: each.variant)
    periods = []
    for variant, members in groups.items():
        own = [each for each in seen if each.variant == variant and query.takes(each)]
        first = min((each.first_ns for each in own), default=members[0].start_ns)
        last = max((each.last_ns for each in own), default=members[-1].start_ns)
        hours = first // _HOUR_NS, last // _HOUR_NS + 1
        start, end = (moment(each * _HOUR_NS) for each in hours)
        periods.append(Period(variant, start, end, summary.numbers(members)))
    return tuple(sorted(periods, key=lambda each: (each.start, each.variant)))


def _read(store: Store, experiment: str, query: PeriodQuery, step: Step) -> list[Totals]:
    start_ns, end_ns = query.range_ns()
    found = counts_and_latencies(store, experiment, step=step, start_ns=start_ns, end_ns=end_ns)
    return [each for each in found if query.takes(each)]


def as_csv(experiment: str, periods: Sequence[Period]) -> str:
    """Give periods as a table with a heading, lines ended as RFC 4180 says.

    A text that a spreadsheet would take for a formula begins with an apostrophe.
    """
    metrics = sorted({name for each in periods for name in each.numbers.metrics})
    extra = [f"{name}_{part}" for name in metrics for part in ("count", "mean")]
    out = io.StringIO()
    writer = csv.DictWriter(out, [*_COLUMNS, *extra])
    writer.writeheader()
    writer.writerows(_row(experiment, each) for each in periods)
    return out.getvalue()


def _row(experiment: str, period: Period) -> Mapping[str, object]:
    numbers = period.numbers
    row: dict[str, object] = {
        "experiment": _text(experiment),
        "variant": _text(period.variant),
        "start": period.start.isoformat(timespec="seconds"),
        "end": period.end.isoformat(timespec="seconds"),
    }
    for name in schema.ERROR_CLASSES:
        row[schema.error_field(name)] = numbers.errors_by_class.get(name, 0)
    for name in ("exposures", "requests", "errors", "error_rate", *_COLUMNS[-4:]):
        row[name] = getattr(numbers, name)
    for name, metric in numbers.metrics.items():
        row |= {f"{name}_count": metric.count, f"{name}_mean": metric.mean}
    return row


def _text(value: str) -> str:
    return f"'{value}" if value.startswith(_FORMULA) else value


def _nanoseconds(time: datetime | date) -> int:
    if not isinstance(time, datetime):
        time = datetime(time.year, time.month, time.day)
    if time.tzinfo is None:
        time = time.replace(tzinfo=timezone.utc)
    seconds = (time - datetime(1970, 1, 1, tzinfo=timezone.utc)).total_seconds()
    return min(max(int(seconds), 0), _LAST_S) * 10**9
