"""The command `export`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from openfeature_triton.dashboard.access_commands import AccessFailure as ExportFailure

if TYPE_CHECKING:
    from openfeature_triton.dashboard.chosen import Chosen
    from openfeature_triton.dashboard.settings import DashboardSettings


@click.command(
    epilog="Example: openfeature-triton export nmt-indictrans3 -o report.html",
    short_help="Write an experiment's report as one file.",
)
@click.argument("key")
@click.option(
    "-o", "--output", metavar="FILE", help="The file to write (default: standard output)."
)
@click.option(
    "--format",
    "kind",
    type=click.Choice(["html", "json", "csv"]),
    help="What to write (default: what the file's suffix says, else html).",
)
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@click.option("--phase", default="", help="Only this phase (html and json).")
@click.option("--start", default="", metavar="DAY", help="Only from this day of UTC on.")
@click.option("--end", default="", metavar="DAY", help="Only to this day of UTC, and with it.")
@click.option("--store", metavar="URL", help="The store (default: OFT_INFLUX_URL, OFT_STORE).")
@click.option("--flags", metavar="FILE", help="The flag file (default: OFT_FLAGS).")
def export(
    key: str,
    *,
    output: str | None,
    kind: str | None,
    as_json: bool,
    phase: str,
    start: str,
    end: str,
    store: str | None,
    flags: str | None,
) -> None:
    """Write the report of the experiment KEY for people without access to the dashboard.

    One file with its plots inside, which asks for nothing from elsewhere and holds no secret.
    """
    from openfeature_triton.dashboard.chosen import read_chosen
    from openfeature_triton.dashboard.errors import DashboardError
    from openfeature_triton.dashboard.export import write_whole
    from openfeature_triton.hooks.errors import StoreError

    named = Path(output or "").suffix.removeprefix(".").lower()
    wanted = "json" if as_json else kind or (named if named in ("json", "csv") else "html")
    try:
        chosen = read_chosen({"phase": [phase], "start": [start], "end": [end]})
        text = _make(_settings(store, flags), key, wanted, chosen, has_store=store is not None)
        if output is not None:
            write_whole(Path(output), text)
    except (DashboardError, StoreError) as error:
        raise ExportFailure(str(error)) from error
    click.echo(f"{output} is written" if output is not None else text, nl=output is not None)


def _settings(store: str | None, flags: str | None) -> DashboardSettings:
    from pydantic import ValidationError

    from openfeature_triton.dashboard.settings import DashboardSettings, what_is_wrong

    given = {name: value for name, value in (("store", store), ("flags", flags)) if value}
    try:
        return DashboardSettings(**given)  # type: ignore[arg-type]
    except ValidationError as error:
        raise ExportFailure(what_is_wrong(error, given)) from error


def _make(
    settings: DashboardSettings, key: str, kind: str, chosen: Chosen, *, has_store: bool
) -> str:
    from datetime import datetime, timezone

    from openfeature_triton.dashboard.app import create_app
    from openfeature_triton.dashboard.export import ExportError, UnknownError, as_html
    from openfeature_triton.dashboard.json_form import as_json
    from openfeature_triton.dashboard.open_store import influx_url, open_store
    from openfeature_triton.dashboard.pages import Pages
    from openfeature_triton.dashboard.periods import PeriodQuery, as_csv, read_periods
    from openfeature_triton.hooks.settings import InfluxSettings

    store = open_store(settings, InfluxSettings(url=influx_url(settings)) if has_store else None)
    try:
        pages = Pages(store, settings, lambda: datetime.now(timezone.utc))
        if kind == "html":
            return as_html(create_app(settings, store=store), pages, key, chosen)
        report = pages.report(key, chosen)
        if report is None:
            raise UnknownError(key, chosen)
        if kind == "csv" and chosen.phase:
            raise ExportError(
                "a csv knows no phases; take --format json, or days by --start, --end"
            )
        if kind == "csv":
            return as_csv(
                key, read_periods(store, key, PeriodQuery(start=chosen.start, end=chosen.end))
            )
        return json.dumps(as_json(report), indent=2, ensure_ascii=False) + "\n"
    finally:
        store.close()
