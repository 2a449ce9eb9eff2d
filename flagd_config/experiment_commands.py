"""The command group `experiment`: what an operator does with an experiment in a flag file."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from openfeature_triton.flagd_config.audit import Entry

F = TypeVar("F", bound=Callable[..., Any])


class Refused(click.ClickException):
    """The file or the life of the experiment does not allow what was asked."""

    exit_code = 2


def _options(function: F) -> F:
    """Add what each of the group's commands takes."""
    function = click.option("--json", "as_json", is_flag=True, help="Print JSON.")(function)
    return click.option(
        "--flags",
        "path",
        envvar="OFT_FLAGS",
        default="flags.json",
        show_default=True,
        show_envvar=True,
        type=click.Path(path_type=Path),
        help="The flag file.",
    )(function)


_reason = click.option("--reason", default="", help="Why; kept in the audit log.")


@click.group(short_help="Start, ramp, pause and conclude experiments in a flag file.")
def experiment() -> None:
    """Start, ramp, pause and conclude experiments in a flag file.

    Each change is checked, written as a whole or not at all, and kept in an audit log beside the
    file; `undo` puts back exactly what was there.

    Example: openfeature-triton experiment ramp nmt-indictrans3 treatment=25% --reason "no errors"
    """


@experiment.command("list", epilog="Example: openfeature-triton experiment list --flags flags.json")
@_options
def list_(path: Path, *, as_json: bool) -> None:
    """List the experiments of a flag file, and where each is in its life."""
    from openfeature_triton.flagd_config.document import read_document

    with _plainly():
        found = [_described(each) for each in read_document(path).experiments.values()]
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    for each in found:
        weights = ", ".join(f"{name} {weight}" for name, weight in each["weights"].items())
        click.echo(f"{each['experiment']}  {each['status']}  {each['task_type']}  {weights}")


@experiment.command(epilog="Example: openfeature-triton experiment show nmt-indictrans3")
@click.argument("key")
@_options
def show(key: str, path: Path, *, as_json: bool) -> None:
    """Show one experiment: status, services, weights, phase and metadata."""
    from openfeature_triton.flagd_config.document import read_document

    with _plainly():
        found = read_document(path).experiments.get(key)
    if found is None:
        raise Refused(f"{path}: flag '{key}': there is no such experiment — see experiment list")
    described = {**_described(found), "metadata": dict(found.metadata)}
    if as_json:
        click.echo(json.dumps(described, indent=2))
        return
    for name, value in described.items():
        click.echo(f"{name:12}{json.dumps(value) if isinstance(value, dict) else value}")


def _step(command: str, meaning: str) -> None:
    """Make the command of one step of the life cycle."""

    @experiment.command(
        command,
        help=f"{meaning}",
        epilog=f"Example: openfeature-triton experiment {command} nmt-indictrans3 --reason why",
    )
    @click.argument("key")
    @_reason
    @_options
    def run(key: str, reason: str, path: Path, *, as_json: bool) -> None:
        from openfeature_triton.flagd_config.life_cycle import step

        with _plainly():
            made = step(path, key, command, reason)
        _say(made, as_json=as_json)


_step("start", "Let a draft take requests.")
_step("pause", "Send everybody to their own service for a while.")
_step("resume", "Let a paused experiment take requests again, split as before.")
_step("stop", "End an experiment without a winner.")
_step("cancel", "Give an experiment up.")


@experiment.command(
    epilog="Example: openfeature-triton experiment ramp nmt-indictrans3 treatment=25%"
)
@click.argument("key")
@click.argument("shares", metavar="VARIANT=SHARE%...", nargs=-1, required=True)
@_reason
@_options
def ramp(key: str, shares: tuple[str, ...], reason: str, path: Path, *, as_json: bool) -> None:
    """Change the split; variants that are not named share what is left."""
    from openfeature_triton.flagd_config.life_cycle import ramp as change

    with _plainly():
        made = change(path, key, dict(map(_share, shares)), reason)
    _say(made, as_json=as_json)


@experiment.command(
    epilog="Example: openfeature-triton experiment conclude nmt-indictrans3 --ship treatment"
)
@click.argument("key")
@click.option("--ship", "winner", required=True, help="The variant that everybody gets from now.")
@_reason
@_options
def conclude(key: str, winner: str, reason: str, path: Path, *, as_json: bool) -> None:
    """Turn an experiment into a plain flag that sends all it took to the winner.

    Services that ask for the flag by its key get the winner from now on. Those that ask by task
    type (`experiments.infer`) are back on their own service: set their `service_id` to the winner.
    """
    from openfeature_triton.flagd_config.life_cycle import conclude as change

    with _plainly():
        made = change(path, key, winner, reason)
    _say(made, as_json=as_json)


@experiment.command(epilog="Example: openfeature-triton experiment undo --reason 'wrong variant'")
@_reason
@_options
def undo(reason: str, path: Path, *, as_json: bool) -> None:
    """Put back exactly what was there before the last change."""
    from openfeature_triton.flagd_config.life_cycle import undo as change

    with _plainly():
        made = change(path, reason)
    _say(made, as_json=as_json)


@experiment.command(epilog="Example: openfeature-triton experiment log nmt-indictrans3")
@click.argument("key", required=False)
@_options
def log(key: str | None, path: Path, *, as_json: bool) -> None:
    """Show who changed what, when and why."""
    from openfeature_triton.flagd_config.audit import read

    with _plainly():
        found = [each for each in read(path) if key in (None, each.experiment)]
    if as_json:
        click.echo(json.dumps([each.as_dict() for each in found], indent=2))
        return
    for each in found:
        why = f"  “{each.reason}”" if each.reason else ""
        click.echo(f"{each.time}  {each.who}  {each.command}  {each.experiment}{why}")


@contextmanager
def _plainly() -> Iterator[None]:
    """End expected failures in one line."""
    from openfeature_triton.flagd_config.errors import FlagFileError

    try:
        yield
    except FlagFileError as error:
        raise Refused(str(error)) from None
    except OSError as error:
        raise Refused(f"{error.filename}: {error.strerror} — nothing was changed") from None


def _share(text: str) -> tuple[str, float]:
    variant, equals, share = text.rpartition("=")
    try:
        percent = float(share.strip().removesuffix("%"))
    except ValueError:
        equals = ""
    if not equals or not variant or not 0 <= percent <= 100:
        raise Refused(f"{text!r} is no share — write e.g. treatment=25%")
    return variant, percent


def _say(made: Entry, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(made.as_dict(), indent=2))
        return
    click.echo(f"{made.command} {made.experiment}")
    click.echo(made.diff)


def _described(found: Any) -> dict[str, Any]:
    from openfeature_triton.flagd_config.life_cycle import status

    return {
        "experiment": found.key,
        "status": status(found),
        "task_type": found.task_type,
        "languages": list(found.languages),
        "control": found.control,
        "services": dict(found.services),
        "weights": dict(found.weights),
        "phase": found.phase,
    }
