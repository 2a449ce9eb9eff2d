"""The commands of `hooks`: `store init`, `check`, `merge` and `show`."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, TypeVar

import click

from openfeature_triton.hooks.dead_letter_commands import dead_letters

T = TypeVar("T")


class StoreFailure(click.ClickException):
    """The command could not run."""

    exit_code = 2

    def show(self, file: IO[Any] | None = None) -> None:
        """Say why, in one line."""
        click.echo(f"error: {self.format_message()}", file=file or sys.stderr)


_store = click.option(
    "--store",
    "url",
    metavar="URL",
    help="The store's SQLAlchemy URL or InfluxDB's address (default: OFT_INFLUX_URL, OFT_STORE).",
)
_as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group()
def store() -> None:
    """Look after the store that counts are written to: SQLite, PostgreSQL or InfluxDB 2.

    InfluxDB is named by OFT_INFLUX_URL, OFT_INFLUX_ORG and OFT_INFLUX_TOKEN_FILE.
    """


@store.command(epilog="Example: openfeature-triton store init --store sqlite:///store.db")
@_store
@click.option(
    "--tokens",
    metavar="DIR",
    default=".",
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="InfluxDB: where the files of the write-only and the read-only token are put.",
)
@click.option(
    "--raw-days",
    type=click.IntRange(1, 3650),
    default=30,
    show_default=True,
    help="InfluxDB: how long raw points are kept.",
)
@_as_json
def init(url: str | None, tokens: Path, raw_days: int, *, as_json: bool) -> None:
    """Make what the store lacks, and say what was done; what is there stays.

    A database gets its tables. InfluxDB gets three buckets (windows, raw points, merged days), a
    token that can only write and one that can only read, and a task that merges closed days; the
    settings must name a token that may make them, such as an operator's.
    """
    from openfeature_triton.hooks import store_work

    done = _try(lambda: store_work.make(url, tokens, raw_days))
    if as_json:
        click.echo(json.dumps(done))
        return
    for each in done["done"]:
        click.echo(f"{each['thing']:<7} {each['name']}: {each['action']} ({each['note']})")
    click.echo(f"{done['store']} is ready")
    for name, value in done["settings"].items():
        click.echo(f"  {name}={value}")


@store.command(epilog="Example: openfeature-triton store check --read-token-file read.token")
@_store
@click.option(
    "--read-token-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="InfluxDB: the token to read back with, where the one that writes can't read.",
)
@_as_json
def check(url: str | None, read_token_file: Path | None, *, as_json: bool) -> None:
    """Write a probe, read it back and delete it; exit code 1 if any of it fails."""
    from openfeature_triton.hooks import store_work

    name, steps = _try(lambda: store_work.probe(url, read_token_file))
    failed = [step for step in steps if step.problem]
    if as_json:
        shown = [dataclasses.asdict(step) for step in steps]
        click.echo(json.dumps({"store": name, "ok": not failed, "steps": shown}))
    else:
        click.echo(name)
        for step in steps:
            result = f"FAILED: {step.problem}" if step.problem else f"{step.took_ms:.0f} ms"
            click.echo(f"  {step.name:<12} {result}")
    if failed:
        raise SystemExit(1)


@store.command(epilog="Example: openfeature-triton store merge --days 400")
@_store
@click.option(
    "--days",
    type=click.IntRange(1, 36_500),
    default=60,
    show_default=True,
    help="How far to look for days, where none was ever merged.",
)
@_as_json
def merge(url: str | None, days: int, *, as_json: bool) -> None:
    """Merge closed days over all writers and windows, so that a fleet reads as fast as one process.

    Merges days that are new, and again those to which windows came late. InfluxDB does the same by
    itself, each hour, by the task that `store init` makes; recorders do it for a database, unless
    OFT_MERGE_DAYS=off.
    """
    from openfeature_triton.hooks import store_work

    merged = _try(lambda: store_work.merge_days(url, days))
    if as_json:
        click.echo(json.dumps({"merged": merged}))
    else:
        span = f" ({merged[0]} to {merged[-1]})" if merged else ""
        click.echo(f"merged {len(merged)} days{span}")


@store.command(epilog="Example: openfeature-triton store show --json")
@_store
@_as_json
def show(url: str | None, *, as_json: bool) -> None:
    """Show how much the store holds, and what waits in the spool; changes nothing."""
    from openfeature_triton.hooks import store_work

    summary = _try(lambda: store_work.summary(url))
    spool_files, spool_bytes = _try(store_work.spool_size)
    newest = summary.newest.isoformat(timespec="seconds") if summary.newest else None
    rows = {
        "store": summary.store,
        "series": summary.series,
        "windows": summary.windows,
        "phases": summary.phases,
        "newest": newest,
        "exposures": summary.exposures,
        "requests": summary.requests,
        "errors": summary.errors,
        "spool_files": spool_files,
        "spool_bytes": spool_bytes,
    }
    if as_json:
        click.echo(json.dumps(rows))
        return
    for name, value in rows.items():
        text = f"{value:,}" if isinstance(value, int) else value or "none yet"
        click.echo(f"{name:<11} {text}")


store.add_command(dead_letters)


def _try(run: Callable[[], T]) -> T:
    """Run what may fail for a reason that the user can act on."""
    from pydantic import ValidationError

    from openfeature_triton.hooks.errors import StoreError

    try:
        return run()
    except StoreError as error:
        raise StoreFailure(str(error)) from error
    except ValidationError as error:
        first = error.errors(include_input=False)[0]  # an input may be a secret
        prefix = "OFT_INFLUX_" if error.title == "InfluxSettings" else "OFT_"
        name = prefix + ".".join(map(str, first["loc"])).upper()
        problem = first["msg"].removeprefix("Value error, ")
        raise StoreFailure(f"{name}: {problem}; set it right or unset it") from error
