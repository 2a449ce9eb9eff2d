"""The commands of `hooks`: `store init`, `check`, `merge` and `show`."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeVar

import click

from openfeature_triton.hooks.dead_letter_commands import dead_letters

if TYPE_CHECKING:
    from pydantic import SecretStr

    from openfeature_triton.hooks.influx_api import InfluxApi
    from openfeature_triton.hooks.probe import Step
    from openfeature_triton.hooks.settings import InfluxSettings
    from openfeature_triton.hooks.store_summary import StoreSummary

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
    done = _try(lambda: _init(url, tokens, raw_days))
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
    name, steps = _try(lambda: _check(url, read_token_file))
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
    merged = _try(lambda: _merge(url, days))
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
    summary = _try(lambda: _summary(url))
    spool_files, spool_bytes = _try(_spool)
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


def _influx(url: str | None) -> InfluxSettings | None:
    """Give InfluxDB's settings if that is the store; None if it is a database."""
    from openfeature_triton.hooks.settings import InfluxSettings

    settings = InfluxSettings()
    if url is not None and url.startswith(("http://", "https://")):
        return settings.model_copy(update={"url": url})
    return settings if url is None and settings.url else None


@contextmanager
def _asking(settings: InfluxSettings) -> Iterator[InfluxApi]:
    from openfeature_triton.hooks.influx_api import InfluxApi

    api = InfluxApi(settings.model_copy(update={"deadline_s": max(60.0, settings.deadline_s)}))
    try:
        yield api
    finally:
        api.close()


def _init(url: str | None, tokens: Path, raw_days: int) -> dict[str, Any]:
    influx = _influx(url)
    if influx is None:
        _make(_url(url))
        name = _sql_summary(_url(url)).store
        return {"store": name, "ready": True, "done": [], "settings": {}}
    from openfeature_triton.hooks.influx_setup import set_up, settings_to_use

    with _asking(influx) as api:
        done = [dataclasses.asdict(each) for each in set_up(api, raw_days, tokens)]
        use = settings_to_use(influx, tokens)
        return {"store": api.name, "ready": True, "done": done, "settings": use}


def _check(url: str | None, read_token_file: Path | None) -> tuple[str, Sequence[Step]]:
    from openfeature_triton.hooks.probe import probe_influx, probe_sql
    from openfeature_triton.hooks.sql_engine import shown, store_url

    influx = _influx(url)
    if influx is None:
        return shown(store_url(_url(url))), probe_sql(_url(url))
    reader = influx
    if read_token_file is not None:
        reader = influx.model_copy(update={"token_file": read_token_file})
    with _asking(influx) as write, _asking(reader) as read:
        return write.name, probe_influx(write, read)


def _merge(url: str | None, days: int) -> list[str]:
    """Give the days that were merged, as dates."""
    from datetime import date, timedelta

    influx = _influx(url)
    if influx is None:
        from openfeature_triton.hooks import sql_days

        merged = sql_days.merge(_url(url))
    else:
        from openfeature_triton.hooks import influx_days

        with _asking(influx) as api:
            merged = influx_days.merge(api, days)
    return [str(date(1970, 1, 1) + timedelta(days=day)) for day in merged]


def _summary(url: str | None) -> StoreSummary:
    influx = _influx(url)
    if influx is None:
        return _sql_summary(_url(url))
    from openfeature_triton.hooks.influx_summary import summarize_influx

    with _asking(influx) as api:
        return summarize_influx(api)


def _spool() -> tuple[int, int]:
    """Give how many files there are in the spool's folder, and how many bytes they take."""
    from openfeature_triton.hooks.settings import RecorderSettings

    folder = RecorderSettings().spool
    sizes = [file.stat().st_size for file in folder.glob("*") if file.is_file()]
    return len(sizes), sum(sizes)


store.add_command(dead_letters)


def _url(given: str | None) -> SecretStr:
    from pydantic import SecretStr

    from openfeature_triton.hooks.settings import RecorderSettings

    return SecretStr(given) if given is not None else RecorderSettings().store


def _make(url: SecretStr) -> None:
    from openfeature_triton.hooks.sql_sink import SqlSink

    SqlSink(url).close()


def _sql_summary(url: SecretStr) -> StoreSummary:
    from openfeature_triton.hooks.store_summary import summarize

    return summarize(url)


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
