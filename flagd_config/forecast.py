"""Forecast: when experiments will have had their planned requests, at present traffic."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from openfeature_triton.flagd_config.dates import iso
from openfeature_triton.flagd_config.document import Document
from openfeature_triton.flagd_config.offers import offered

_MOST_DAYS = 36_500


@dataclass(frozen=True, slots=True)
class Forecast:
    """One experiment's way to its planned requests.

    `reached` is the day on which they are in, as ISO 8601, "" if they are already; None where
    there is no traffic to go by. `ends` is when the experiment ends by itself, None for never.
    """

    key: str
    planned: int
    requests: int
    per_day: float
    reached: str | None
    ends: int | None

    def as_dict(self) -> dict[str, Any]:
        """Give the same as values that JSON can hold."""
        return {**asdict(self), "ends": None if self.ends is None else iso(self.ends)}

    def __str__(self) -> str:
        done = f"{self.key}: {self.requests:,} of {self.planned:,} planned requests are in"
        if self.reached is None:
            return f"{done}, and there is no traffic to tell when all are"
        if not self.reached:
            return f"{done}: it can be concluded"
        ends = "" if self.ends is None else f" (it ends {iso(self.ends)})"
        return f"{done}; at {self.per_day:,.0f} a day all are on {self.reached}{ends}"


def read_forecasts(document: Document, now: datetime) -> tuple[list[Forecast], str]:
    """Give the forecasts of enabled experiments, and why there are none.

    Nothing and no reason where no store is configured; raises NotOfferedError.
    """
    planned = dict(_planned(document))
    answer = offered("read_traffic")(list(planned), now) if planned else None
    if answer is None:
        return [], ""
    known: Mapping[str, Any] = answer["experiments"]
    found = [
        _forecast(document, key, size, known.get(key, {}), now) for key, size in planned.items()
    ]
    return ([] if answer["problem"] else found), answer["problem"]


def _planned(document: Document) -> Iterator[tuple[str, int]]:
    for key, experiment in document.experiments.items():
        size = experiment.metadata.get("planned_requests")
        if experiment.enabled and isinstance(size, int) and not isinstance(size, bool) and size > 0:
            yield key, size


def _forecast(
    document: Document, key: str, planned: int, traffic: Mapping[str, Any], now: datetime
) -> Forecast:
    requests, per_day = int(traffic.get("requests", 0)), float(traffic.get("per_day", 0.0))
    reached: str | None = None
    if requests >= planned:
        reached = ""
    elif per_day > 0 and (planned - requests) / per_day < _MOST_DAYS:
        days = math.ceil((planned - requests) / per_day)
        reached = (now.astimezone(timezone.utc) + timedelta(days=days)).date().isoformat()
    ends = document.experiments[key].dates.end
    return Forecast(key, planned, requests, per_day, reached, ends)
