"""Machines: what programs read of experiments, by date, as JSON, CSV, or Prometheus's text."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from flask import Response, abort, jsonify, request
from pydantic import ValidationError

from openfeature_triton.dashboard.definitions import FlagFile
from openfeature_triton.dashboard.exposition import exposition
from openfeature_triton.dashboard.formats import file_name
from openfeature_triton.dashboard.intake import Intake
from openfeature_triton.dashboard.json_form import as_json
from openfeature_triton.dashboard.periods import Period, PeriodQuery, as_csv, read_periods
from openfeature_triton.dashboard.processes import processes
from openfeature_triton.dashboard.settings import DashboardSettings
from openfeature_triton.dashboard.store import PHASES, SEEN, Query, Store, read_traffic


class Machines:
    """Answers that only read; `store`, `settings` and `clock` as `Pages` has them."""

    def __init__(
        self,
        store: Store,
        settings: DashboardSettings,
        clock: Callable[[], datetime],
        intake: Intake,
    ) -> None:
        self._clock = clock
        self._intake = intake
        self._store = store
        self._spool = Path(settings.spool)
        self._flags = FlagFile(settings.flags, settings.bucketing)

    def metrics(self, key: str) -> Response:
        """Give an experiment's numbers by variant and date as JSON; 404 for an unknown one."""
        query, periods = self._read(key)
        return jsonify(
            {"experiment": key, "by": query.by, "metrics": [_flat(each) for each in periods]}
        )

    def metrics_csv(self, key: str) -> Response:
        """Give the same as a table to download."""
        _, periods = self._read(key)
        answer = Response(as_csv(key, periods), mimetype="text/csv")
        answer.headers.set("Content-Disposition", "attachment", filename=file_name(key, "csv"))
        return answer

    def prometheus(self) -> Response:
        """Give all experiments' counters, and those of recording, in Prometheus's text format."""
        told = processes(self._spool, self._clock())
        return Response(
            exposition(read_traffic(self._store), self._own(), told),
            content_type="text/plain; version=0.0.4; charset=utf-8",
        )

    def _own(self) -> dict[str, float]:
        return {f"{name}_total": count for name, count in self._intake.stats().items()}

    def _read(self, key: str) -> tuple[PeriodQuery, tuple[Period, ...]]:
        query = _query()
        if not self._knows(key):
            abort(404, f"no experiment {key!r}")
        return query, read_periods(self._store, key, query)

    def _knows(self, key: str) -> bool:
        return key in self._flags.read().keys or any(
            self._store.read(Query(SEEN, key), Query(PHASES, key))
        )


def _query() -> PeriodQuery:
    """Read the request's query; 400 says which part of it is wrong, and how."""
    given = request.args.to_dict(flat=False)
    twice = next((name for name, values in given.items() if len(values) > 1), None)
    if twice is not None:
        abort(400, f"{twice}: give it once")
    try:
        return PeriodQuery.model_validate({name: values[0] for name, values in given.items()})
    except ValidationError as error:
        first = error.errors(include_input=False, include_context=False)[0]
        name = str(next(iter(first["loc"]), "query"))
        abort(400, f"{name}: {first['msg']}")


def _flat(period: Period) -> dict[str, object]:
    return {
        "variant": period.variant,
        "start": as_json(period.start),
        "end": as_json(period.end),
        **as_json(period.numbers),
    }
