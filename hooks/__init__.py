"""hooks: records what happened, without the request noticing.

Law: knows no Triton and no Flask, and imports no other folder of this project.

The way of an outcome through its modules:

    taken      experiment_hook, tracking, series, metrics, inbox, inboxes, intake, recorder
    folded     worker, folding, breath, request, outcomes, histogram, clusters, raw_points, rollups
    kept       settings, schema, sink, memory_sink, tables, migration, sql_engine, sql_sink, late,
               sql_days
    sent       forwarding, outbox, spool, spool_file, spool_folder, sender, line_protocol,
               influx_writer, total_deadline, patience, dead_letters, retry
    ended      process, stats, health, errors
    by hand    influx_api, influx_setup, influx_days, store_work, store_summary, influx_summary,
               probe, checks, commands, dead_letter_commands
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from openfeature_triton.hooks.errors import (
        ForeignStoreError,
        HooksError,
        MissingStoreError,
        NotADatabaseError,
        StoreError,
        StoreUnavailableError,
        StoreUrlError,
    )
    from openfeature_triton.hooks.experiment_hook import ExperimentHook
    from openfeature_triton.hooks.memory_sink import MemorySink
    from openfeature_triton.hooks.recorder import Recorder
    from openfeature_triton.hooks.series import Series
    from openfeature_triton.hooks.settings import InfluxSettings, RecorderSettings
    from openfeature_triton.hooks.sink import Point, Sink
    from openfeature_triton.hooks.sql_sink import SqlSink
    from openfeature_triton.hooks.stats import RecorderStats

__all__ = [
    "ExperimentHook",
    "ForeignStoreError",
    "HooksError",
    "InfluxSettings",
    "MemorySink",
    "MissingStoreError",
    "NotADatabaseError",
    "Point",
    "Recorder",
    "RecorderSettings",
    "RecorderStats",
    "Series",
    "Sink",
    "SqlSink",
    "StoreError",
    "StoreUnavailableError",
    "StoreUrlError",
]

_HOME = {
    "ExperimentHook": "experiment_hook",
    "ForeignStoreError": "errors",
    "HooksError": "errors",
    "InfluxSettings": "settings",
    "MemorySink": "memory_sink",
    "MissingStoreError": "errors",
    "NotADatabaseError": "errors",
    "Point": "sink",
    "Recorder": "recorder",
    "RecorderSettings": "settings",
    "RecorderStats": "stats",
    "Series": "series",
    "Sink": "sink",
    "SqlSink": "sql_sink",
    "StoreError": "errors",
    "StoreUnavailableError": "errors",
    "StoreUrlError": "errors",
}


def __getattr__(name: str) -> object:
    """Load a public name when it is first asked for, so that `--help` stays quick."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
