"""Store summary of InfluxDB: what the store holds, in a few numbers."""

from __future__ import annotations

from datetime import datetime

from openfeature_triton.hooks import schema
from openfeature_triton.hooks.influx_api import InfluxApi, each_row, text
from openfeature_triton.hooks.store_summary import StoreSummary

# Without an end it would be now; but a point lies somewhere in its window, which may be later.
_ALWAYS = "start: 0, stop: 2262-01-01T00:00:00Z"
_COUNTERS = (schema.EXPOSURES, schema.REQUESTS, schema.ERRORS)


def summarize_influx(api: InfluxApi) -> StoreSummary:
    """Look at a store without changing it; StoreError if there is none, or it can't be read."""
    bucket = text(api.settings.bucket)
    counts = _values(
        api,
        f"from(bucket: {bucket}) |> range({_ALWAYS}) |> filter(fn: (r) => r._measurement =="
        f' {text(schema.LIGHT)}) |> group(columns: ["_field"]) |> sum()',
        "_field",
    )
    points = _values(
        api,
        f"from(bucket: {bucket}) |> range({_ALWAYS}) |> filter(fn: (r) => r._measurement !="
        f' {text(schema.PHASE)}) |> count() |> group(columns: ["_measurement"]) |> sum()',
        "_measurement",
    )
    phases = _values(
        api,
        f"from(bucket: {bucket}) |> range({_ALWAYS}) |> filter(fn: (r) => r._measurement =="
        f" {text(schema.PHASE)} and r._field == {text(schema.WEIGHTS)})"
        " |> first() |> group() |> count()",
        "result",
    )
    series = _values(
        api,
        'import "influxdata/influxdb"\n'
        f"influxdb.cardinality(bucket: {bucket}, start: 1970-01-01T00:00:00Z)",
        "result",
    )
    exposures, requests, errors = (int(counts.get(name, 0)) for name in _COUNTERS)
    return StoreSummary(
        store=f"{api.name} bucket {api.settings.bucket}",
        series=int(sum(series.values())),
        windows=int(sum(points.values())),
        phases=int(sum(phases.values())),
        newest=_newest(api),
        exposures=exposures,
        requests=requests,
        errors=errors,
    )


def _values(api: InfluxApi, flux: str, name: str) -> dict[str, float]:
    return {row[name]: float(row["_value"]) for row in each_row(api.query(flux))}


def _newest(api: InfluxApi) -> datetime | None:
    flux = (
        f"from(bucket: {text(api.settings.bucket)}) |> range({_ALWAYS})"
        f" |> filter(fn: (r) => r._measurement == {text(schema.LIGHT)})"
        ' |> last() |> keep(columns: ["_time"]) |> group() |> max(column: "_time")'
    )
    times = [row["_time"] for row in each_row(api.query(flux))]
    return datetime.fromisoformat(f"{max(times)[:19]}+00:00") if times else None
