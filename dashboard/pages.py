"""Pages: reads the store and the flag file, and answers with HTML or JSON of the same values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

from flask import Response, abort, jsonify, render_template, request
from werkzeug.routing import PathConverter

from openfeature_triton.dashboard.breakdowns import SHARES
from openfeature_triton.dashboard.chosen import ALL, ChoiceError, Chosen, read_chosen
from openfeature_triton.dashboard.definitions import FlagFile, Flags
from openfeature_triton.dashboard.effects import Comparison, comparisons
from openfeature_triton.dashboard.forest import forest
from openfeature_triton.dashboard.json_form import as_json
from openfeature_triton.dashboard.listing import list_experiments
from openfeature_triton.dashboard.pipeline import Pipeline, look
from openfeature_triton.dashboard.plots import plots
from openfeature_triton.dashboard.processes import processes
from openfeature_triton.dashboard.report import Report, report
from openfeature_triton.dashboard.settings import DashboardSettings
from openfeature_triton.dashboard.store import Store
from openfeature_triton.dashboard.verdicts import Verdicts
from openfeature_triton.hooks.metrics import DEFAULT_UNITS


class KeyConverter(PathConverter):
    """A flag's key as the rest of a path: any text, with slashes wherever it has them."""

    regex = "(?s:.+)"
    part_isolating = False


class Pages:
    """What the dashboard answers with; all of it only reads.

    Args:
        store: what was recorded.
        settings: where the flag file is.
        clock: the present time, in UTC.
        own: what this process counted of what was reported to it.
    """

    def __init__(
        self,
        store: Store,
        settings: DashboardSettings,
        clock: Callable[[], datetime],
        own: Callable[[], Mapping[str, int]] = dict,
    ) -> None:
        self._own = own
        self._store = store
        self._verdicts = Verdicts(store)
        self._settings = settings
        self._flags = FlagFile(settings.flags, settings.bucketing).read
        self._clock = clock

    def experiments(self) -> str:
        """Give the page of all experiments, narrowed by `?task=` and `?state=`."""
        flags, now = self._flags(), self._clock()
        every = list_experiments(self._store, flags, now, self._verdicts)
        task, state = request.args.get("task", ""), request.args.get("state", "")
        lines = [
            line
            for line in every
            if task in ("", line.definition.task_type) and state in ("", line.definition.status)
        ]
        return render_template(
            "experiments.html",
            lines=lines,
            every=every,
            task=task,
            state=state,
            flags=flags,
            now=now,
        )

    def experiment(self, key: str) -> str:
        """Give the page of one experiment, or of a part of it; 404 for an unknown one."""
        chosen = asked_part()
        values = self.experiment_values(key, chosen)
        if values is None:
            _abort_unknown(key, chosen)
        return render_template("experiment.html", **values)

    def experiment_values(self, key: str, chosen: Chosen = ALL) -> dict[str, Any] | None:
        """Give what the page of one experiment is made from; None for an unknown one."""
        flags, now = self._flags(), self._clock()
        found = self.report(key, chosen, flags, now)
        if found is None:
            return None
        units = DEFAULT_UNITS.get(found.line.definition.task_type, {})
        return {
            "report": found,
            "flags": flags,
            "now": now,
            "units": units,
            "plots": plots(found),
            "shares": SHARES,
            "comparisons": _compare(found, units),
            "forest": forest(found.by_language, is_broken=found.is_broken),
        }

    def report(
        self,
        key: str,
        chosen: Chosen = ALL,
        flags: Flags | None = None,
        now: datetime | None = None,
    ) -> Report | None:
        """Give one experiment's report, as of now; None for an unknown one."""
        now = now or self._clock()
        told = processes(Path(self._settings.spool), now)
        return report(self._store, flags or self._flags(), key, now, chosen=chosen, processes=told)

    def pipeline(self) -> str:
        """Give the page of what became of outcomes on their way."""
        return render_template("pipeline.html", pipeline=self._look(), now=self._clock())

    def pipeline_json(self) -> Response:
        """Give the same as JSON."""
        return jsonify(as_json(self._look()))

    def _look(self) -> Pipeline:
        settings = self._settings
        return look(
            self._store,
            self._flags(),
            Path(settings.spool),
            bucketing=settings.bucketing,
            own=self._own(),
            now=self._clock(),
        )

    def experiments_json(self) -> Response:
        """Give all experiments as JSON."""
        lines = list_experiments(self._store, self._flags(), self._clock(), self._verdicts)
        return jsonify({"experiments": as_json(lines)})

    def experiment_json(self, key: str) -> Response:
        """Give one experiment, or a part of it, as JSON; 404 for an unknown one."""
        chosen = asked_part()
        found = self.report(key, chosen)
        if found is None:
            _abort_unknown(key, chosen)
        return jsonify(as_json(found))


def asked_part() -> Chosen:
    """Read from `?phase=&start=&end=` which part is asked for; 400 says what is wrong with it."""
    try:
        return read_chosen(request.args.to_dict(flat=False))
    except ChoiceError as error:
        abort(400, str(error))


def _abort_unknown(key: str, chosen: Chosen) -> NoReturn:
    phase = f" with a phase {chosen.phase!r}" if chosen.phase else ""
    abort(404, f"no experiment {key!r}{phase}")


def _compare(found: Report, units: Mapping[str, str]) -> tuple[Comparison, ...]:
    if found.shown is None:
        return ()
    return comparisons(
        found.shown.variants,
        units,
        is_broken=found.is_broken,
        of_users=found.shown.user_share is not None,
    )
