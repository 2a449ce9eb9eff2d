"""The commands `store dead-letters list`, `retry` and `discard`."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from openfeature_triton.hooks.dead_letters import DeadLetter
    from openfeature_triton.hooks.retry import Retried

_folder = click.option(
    "--spool",
    "folder",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="The spool folder (default: OFT_SPOOL).",
)
_as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_ids = click.argument("ids", metavar="[ID]...", nargs=-1, type=int)


@click.group("dead-letters")
def dead_letters() -> None:
    """Look after the points that InfluxDB refused for good."""


@dead_letters.command("list", epilog="Example: openfeature-triton store dead-letters list --json")
@_folder
@_as_json
def list_letters(folder: Path | None, *, as_json: bool) -> None:
    """List them with the reasons that InfluxDB gave; exit code 1 if there are any."""
    letters = _chosen(folder, ())
    if as_json:
        click.echo(json.dumps([_shown(letter) for letter in letters]))
    for letter in [] if as_json else letters:
        at = _time(letter.at_s)
        click.echo(f"{letter.id:>5}  {at}  {letter.status}  {letter.outcomes:>6,} outcomes")
        click.echo(f"       {letter.series} {_time(letter.time_ns / 1e9)}")
        click.echo(f"       {letter.reason}")
    if not as_json:
        click.echo(f"{len(letters)} dead letters")
    if letters:
        raise SystemExit(1)


@dead_letters.command(epilog="Example: openfeature-triton store dead-letters retry 3 4")
@_ids
@_folder
@_as_json
def retry(ids: tuple[int, ...], folder: Path | None, *, as_json: bool) -> None:
    """Send them again: those that are named, or all. Exit code 1 if some are not taken.

    What can't be sent now is left in the spool, for a running process to deliver.
    """
    from openfeature_triton.hooks.commands import StoreFailure
    from openfeature_triton.hooks.settings import InfluxSettings

    if not InfluxSettings().url:
        raise StoreFailure("no InfluxDB is set; name one: OFT_INFLUX_URL=http://localhost:8086")
    done = _retry(folder, ids)
    if as_json:
        click.echo(json.dumps(done._asdict()))
    else:
        click.echo(
            f"{done.tried} tried: {done.delivered} delivered, {done.refused} refused again, "
            f"{done.waiting} wait in the spool"
        )
        if done.error:
            click.echo(f"last answer: {done.error}")
    if done.refused or done.waiting:
        raise SystemExit(1)


@dead_letters.command(epilog="Example: openfeature-triton store dead-letters discard --yes")
@_ids
@click.option("--yes", is_flag=True, help="Don't ask.")
@_folder
@_as_json
def discard(ids: tuple[int, ...], folder: Path | None, *, yes: bool, as_json: bool) -> None:
    """Forget them for ever: those that are named, or all."""
    from openfeature_triton.hooks.dead_letters import DeadLetters

    letters = _chosen(folder, ids)
    outcomes = sum(letter.outcomes for letter in letters)
    if letters and not yes:
        click.confirm(
            f"Forget {len(letters)} points that stand for {outcomes} outcomes?", abort=True
        )
    DeadLetters(_path(folder)).discard(letters)
    if as_json:
        click.echo(json.dumps({"discarded": len(letters), "outcomes": outcomes}))
    else:
        click.echo(f"{len(letters)} discarded")


def _path(folder: Path | None) -> Path:
    from openfeature_triton.hooks.settings import RecorderSettings

    return folder if folder is not None else RecorderSettings().spool


def _chosen(folder: Path | None, ids: tuple[int, ...]) -> list[DeadLetter]:
    """Give the letters of these ids, or all; a clear error for an id that there is not."""
    import sqlite3

    from openfeature_triton.hooks.commands import StoreFailure
    from openfeature_triton.hooks.dead_letters import DeadLetters

    letters = DeadLetters(_path(folder))
    try:
        found = letters.all()
    except sqlite3.Error as error:
        raise StoreFailure(f"{letters.path}: {error}; move it away if it is not ours") from error
    missing = set(ids) - {letter.id for letter in found}
    if missing:
        raise StoreFailure(f"there is no dead letter {min(missing)}; see: store dead-letters list")
    return [letter for letter in found if not ids or letter.id in ids]


def _retry(folder: Path | None, ids: tuple[int, ...]) -> Retried:
    from openfeature_triton.hooks.retry import retry_letters
    from openfeature_triton.hooks.settings import InfluxSettings, RecorderSettings

    settings = RecorderSettings()
    if folder is not None:
        settings = settings.model_copy(update={"spool": folder})
    return retry_letters(_chosen(folder, ids), settings, InfluxSettings())


def _shown(letter: DeadLetter) -> dict[str, Any]:
    return {
        "id": letter.id,
        "at": _time(letter.at_s),
        "status": letter.status,
        "reason": letter.reason,
        "series": letter.series,
        "time": _time(letter.time_ns / 1e9),
        "outcomes": letter.outcomes,
        "fields": json.loads(letter.fields),
    }


def _time(since_1970_s: float) -> str:
    return datetime.fromtimestamp(since_1970_s, timezone.utc).isoformat(timespec="seconds")
