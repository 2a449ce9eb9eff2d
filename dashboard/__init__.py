"""dashboard: from what was recorded to a sentence that says what to do.

Law: reads `hooks` (the schema of what was recorded) and `flagd_config`; only `dashboard.demo`,
which plays operator, service and stakeholder at once, also imports `provider`.

The way of a number through its modules:

    read       settings, open_store, store, sql_store, influx_store, day_spans, rows, adding,
               histograms, user_sums, remembering
    known      definitions, phases, phase_changes, rule_text, plans, statistics
    shown      chosen, known, summary, breakdowns, effects, bars, developments, forest, plots,
               validity, losses, verdicts, report, listing, processes, pipeline, formats
    served     app, pages, machines, periods, json_form, openapi, exposition, plotly_script, export,
               reports, tracking, intake, serve
    guarded    loopback, sign_in, access, passwords, limits, security
    watched    harm, watch, watch_events, on_event, ending, present_traffic
    by hand    errors, checks, commands, access_commands, export_commands, watch_commands,
               demo
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from openfeature_triton.dashboard.app import create_app
    from openfeature_triton.dashboard.errors import (
        DashboardError,
        ListenError,
        NotLoopbackError,
        PlotlyMissingError,
        PortTakenError,
    )
    from openfeature_triton.dashboard.serve import Server, serve
    from openfeature_triton.dashboard.settings import DashboardSettings
    from openfeature_triton.dashboard.sql_store import SqlStore
    from openfeature_triton.dashboard.store import Evaluations, Phase, Store, Totals, Traffic

__all__ = [
    "DashboardError",
    "DashboardSettings",
    "Evaluations",
    "ListenError",
    "NotLoopbackError",
    "Phase",
    "PlotlyMissingError",
    "PortTakenError",
    "Server",
    "SqlStore",
    "Store",
    "Totals",
    "Traffic",
    "create_app",
    "serve",
]

_HOME = {
    "create_app": "app",
    "DashboardError": "errors",
    "ListenError": "errors",
    "NotLoopbackError": "errors",
    "PlotlyMissingError": "errors",
    "PortTakenError": "errors",
    "Server": "serve",
    "serve": "serve",
    "DashboardSettings": "settings",
    "SqlStore": "sql_store",
    "Evaluations": "store",
    "Phase": "store",
    "Store": "store",
    "Totals": "store",
    "Traffic": "store",
}


def __getattr__(name: str) -> object:
    """Load a public name when it is first asked for, so that `--help` stays quick."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
