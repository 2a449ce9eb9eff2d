"""The command group `experiment`: what an operator does with an experiment in a flag file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from openfeature_triton.flagd_config import options
from openfeature_triton.flagd_config.new_commands import new
from openfeature_triton.flagd_config.options import CouldNotRun, make_against, plainly
from openfeature_triton.flagd_config.progress import progress

if TYPE_CHECKING:
    from openfeature_triton.flagd_config.audit import Entry
    from openfeature_triton.flagd_config.document import Document

F = TypeVar("F", bound=Callable[..., Any])


def _reading(function: F) -> F:
    """Add what each command takes that looks at experiments."""
    return options.flags(options.bucketing(options.as_json(function)))


def _editing(function: F) -> F:
    """Add what each command takes that edits the file."""
    reason = click.option("--reason", default="", help="Why; kept in the audit log.")
    return reason(_reading(function))


def _changing(function: F) -> F:
    """Add what each command takes that may send requests to a service, and so looks for it."""
    return _editing(options.registry(function))


@click.group(
    short_help="Write, start, ramp, pause and conclude experiments in a flag file.",
    epilog="Example: openfeature-triton experiment ramp nmt-indictrans3 treatment=25% "
    '--reason "no errors"',
)
def experiment() -> None:
    """Write, start, ramp, pause and conclude experiments in a flag file.

    Each change is held to `lint`, written as a whole or not at all, and kept in an audit log beside
    the file; `undo` puts back exactly what was there.

    Exits 0, or 2 where nothing was changed, and why is said in one line.
    """


experiment.add_command(new)


@experiment.command(
    "list",
    short_help="List experiments, and where each is in its life.",
    epilog="Example: openfeature-triton experiment list --flags flags.json",
)
@_reading
def list_(path: Path, bucketing: str, *, as_json: bool) -> None:
    """List the experiments of a flag file, and where each is in its life."""
    from openfeature_triton.flagd_config.experiment_view import HEADING, described, row
    from openfeature_triton.flagd_config.tables import table

    document = _read(path, bucketing)
    found = [described(each) for each in document.experiments.values()]
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    click.echo(table([HEADING, *map(row, found)]) if found else f"{path}: no experiments")
    for error in document.refused:
        click.echo(f"left out: {error}", err=True)


@experiment.command(
    short_help="Show one experiment.",
    epilog="Example: openfeature-triton experiment show nmt-indictrans3",
)
@options.key
@_reading
def show(key: str, path: Path, bucketing: str, *, as_json: bool) -> None:
    """Show one experiment: status, services, weights, dates, phase and metadata."""
    from openfeature_triton.flagd_config.experiment_view import described, shown
    from openfeature_triton.flagd_config.tables import table

    document = _read(path, bucketing)
    found = document.experiments.get(key)
    if found is None:
        raise CouldNotRun(_missing(path, document, key))
    about, metadata = described(found), dict(found.metadata)
    if as_json:
        click.echo(json.dumps({**about, "metadata": metadata}, indent=2))
        return
    all_known = {**about, **{name: metadata[name] for name in metadata if name not in about}}
    rows = [(name, shown(value)) for name, value in all_known.items() if value is not None]
    click.echo(table(rows))


def _dates(function: F) -> F:
    """Add from when until when requests are taken."""
    return options.start(options.end(function))


def _starting(function: F) -> F:
    """Add what `start` takes."""
    return _changing(_dates(function))


def _step(command: str, meaning: str, takes: Callable[[Any], Any] = _editing) -> None:
    """Make the command of one step of the life cycle; to end one, no registry need be there."""

    def run(
        *,
        key: str,
        path: Path,
        reason: str,
        bucketing: str,
        as_json: bool,
        registry: str | None = None,
        start: int | None = None,
        end: int | None = None,
    ) -> None:
        """Take the step, and say what came of it."""
        from openfeature_triton.flagd_config.dates import Dates
        from openfeature_triton.flagd_config.life_cycle import step

        with plainly(path), progress("checking"):
            against, dates = make_against(registry, bucketing), Dates(start, end)
            made = step(path, key, command, reason, against, dates=dates)
        _say(made, as_json=as_json)

    example = "--end 2026-12-24T09:00:00Z" if takes is _starting else "--reason why"
    made = experiment.command(
        command,
        help=meaning,
        epilog=f"Example: openfeature-triton experiment {command} nmt-indictrans3 {example}",
    )
    made(options.key(takes(run)))


_step("start", "Let a draft take requests, at once or between dates.", _starting)
_step("pause", "Send everybody to their own service for a while.")
_step("resume", "Let a paused experiment take requests again, split as before.", _changing)
_step("stop", "End an experiment without a winner.")
_step("cancel", "Give an experiment up.")


@experiment.command(
    short_help="Set when it begins and ends by itself.",
    epilog="Example: openfeature-triton experiment schedule nmt-indictrans3 --end 2026-12-24",
)
@options.key
@_dates
@_changing
def schedule(
    *,
    key: str,
    start: int | None,
    end: int | None,
    path: Path,
    reason: str,
    bucketing: str,
    registry: str | None,
    as_json: bool,
) -> None:
    """Set from when until when an experiment takes requests; the phase goes on.

    The dates are written into the targeting by flagd's `$flagd.timestamp`, so every evaluator in
    every language obeys them, and into the metadata for people.
    """
    from openfeature_triton.flagd_config.dates import Dates
    from openfeature_triton.flagd_config.life_cycle import schedule as change

    if start is None and end is None:
        raise click.UsageError("name --start, --end or both")
    with plainly(path), progress("checking"):
        made = change(path, key, Dates(start, end), reason, make_against(registry, bucketing))
    _say(made, as_json=as_json)


@experiment.command(
    short_help="Change the split.",
    epilog="Example: openfeature-triton experiment ramp nmt-indictrans3 treatment=25%",
)
@options.key
@click.argument("shares", metavar="VARIANT=SHARE%...", nargs=-1, required=True)
@_changing
def ramp(
    *,
    key: str,
    shares: tuple[str, ...],
    path: Path,
    reason: str,
    bucketing: str,
    registry: str | None,
    as_json: bool,
) -> None:
    """Change the split; variants that are not named share what is left."""
    from openfeature_triton.flagd_config.life_cycle import ramp as change
    from openfeature_triton.flagd_config.ramp import read_shares

    with plainly(path), progress("checking"):
        wanted = read_shares(shares)
        made = change(path, key, wanted, reason, make_against(registry, bucketing))
    _say(made, as_json=as_json)


@experiment.command(
    short_help="Send everybody to the winner.",
    epilog="Example: openfeature-triton experiment conclude nmt-indictrans3 --ship treatment",
)
@options.key
@click.option("--ship", "winner", required=True, help="The variant that everybody gets from now.")
@_changing
def conclude(
    *,
    key: str,
    winner: str,
    path: Path,
    reason: str,
    bucketing: str,
    registry: str | None,
    as_json: bool,
) -> None:
    """Turn an experiment into a plain flag that sends all it took to the winner.

    That goes for services that ask by task type (`experiments.infer`) and by the flag's key.
    Nothing is recorded any more. Once the winner is their own service, the flag can be deleted.
    """
    from openfeature_triton.flagd_config.life_cycle import conclude as change

    with plainly(path), progress("checking"):
        made = change(path, key, winner, reason, make_against(registry, bucketing))
    _say(made, as_json=as_json)


@experiment.command(epilog="Example: openfeature-triton experiment undo --reason 'wrong variant'")
@click.option("--reason", default="", help="Why; kept in the audit log.")
@options.flags
@options.as_json
def undo(reason: str, path: Path, *, as_json: bool) -> None:
    """Put back exactly what was there before the last change."""
    from openfeature_triton.flagd_config.life_cycle import undo as change

    with plainly(path):
        made = change(path, reason)
    _say(made, as_json=as_json)


@experiment.command(epilog="Example: openfeature-triton experiment log nmt-indictrans3")
@options.key_or_all
@options.flags
@options.as_json
def log(key: str | None, path: Path, *, as_json: bool) -> None:
    """Show who changed what, when and why."""
    from openfeature_triton.flagd_config.audit import log_of, read

    with plainly(path):
        found = [each for each in read(path) if key in (None, each.experiment)]
    if as_json:
        click.echo(json.dumps([each.as_dict() for each in found], indent=2))
        return
    from openfeature_triton.flagd_config.errors import one_line

    if not found:
        click.echo(f"{log_of(path)}: nothing was changed yet")
    for each in found:
        why = f"  “{each.reason}”" if each.reason else ""
        click.echo(one_line(f"{each.time}  {each.who}  {each.command}  {each.experiment}{why}"))


def _read(path: Path, bucketing: str) -> Document:
    """Read the file without its bad flags, which must not hide the good ones."""
    from openfeature_triton.flagd_config.edit import read_leniently
    from openfeature_triton.flagd_config.syntax import read_bytes

    with plainly(path):
        return read_leniently(path, read_bytes(path), bucketing)


def _missing(path: Path, document: Document, key: str) -> str:
    for error in document.refused:
        if error.flag_key == key:
            return str(error)
    return f"{path}: flag '{key}': there is no such experiment — see experiment list"


def _say(made: Entry, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(made.as_dict(), indent=2))
        return
    click.echo(f"{made.command} {made.experiment}: done; `experiment undo` takes it back")
    click.echo(made.diff)
    for line in made.lint:
        click.echo(f"lint: {line}", err=True)
