"""`openfeature-triton`: one command line made of the commands that each folder brings.

Commands join through the entry points `openfeature_triton.commands`, also those of other
distributions. One that cannot be imported is listed with the reason and breaks no other.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points

import click

from openfeature_triton.flagd_config.errors import FlagFileError, one_line

PROGRAM = "openfeature-triton"
_COULD_NOT_RUN = 2
_INTERRUPTED = 130
_NO_READER = 1


class UnavailableCommandError(click.ClickException):
    """A command whose module cannot be imported."""

    exit_code = _COULD_NOT_RUN


class CommandLine(click.Group):
    """A group whose commands are imported when they are asked for."""

    @cached_property
    def _entry_points(self) -> dict[str, EntryPoint]:
        return {found.name: found for found in entry_points(group="openfeature_triton.commands")}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Give the names of all commands, sorted."""
        return sorted({*super().list_commands(ctx), *self._entry_points})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Give a command by its name; a stand-in says why one could not be imported."""
        entry_point = self._entry_points.get(cmd_name)
        if entry_point is None:
            return super().get_command(ctx, cmd_name)
        try:
            command = entry_point.load()
        except Exception as error:  # noqa: BLE001 whatever breaks one command must not break the others
            return _unavailable(cmd_name, f"{type(error).__name__}: {error}")
        if isinstance(command, click.Command):
            return command
        return _unavailable(cmd_name, f"{entry_point.value} is not a command")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and give its exit code: 0 fine, 1 findings, 2 could not run."""
    try:
        code = _run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader went away, as in `… | head`; the interpreter would complain once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _NO_READER
    return code


def _run(arguments: Sequence[str] | None) -> int:
    try:
        result = _command_line().main(arguments, prog_name=PROGRAM, standalone_mode=False)
    except (click.Abort, KeyboardInterrupt):
        return _INTERRUPTED
    except click.ClickException as error:
        return _report(error)
    except FlagFileError as error:
        click.echo(f"error: {error}", err=True)
        return _COULD_NOT_RUN
    except BrokenPipeError:
        raise
    except Exception as error:  # noqa: BLE001 the last resort of the whole program
        return _report_unexpected(error)
    return result if isinstance(result, int) else 0  # click gives the code of `ctx.exit(code)`


def _command_line() -> CommandLine:
    return CommandLine(
        name=PROGRAM,
        help="A/B test the models behind NVIDIA Triton with OpenFeature flags.",
        epilog=f"Example: {PROGRAM} lint flags.json",
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
        params=[_version_option()],
        invoke_without_command=True,
        callback=_help_without_command,
    )


def _version_option() -> click.Option:
    def show(context: click.Context, _: click.Parameter, wanted: bool) -> None:
        if wanted:
            from importlib.metadata import version  # noqa: PLC0415

            click.echo(f"{PROGRAM} {version(PROGRAM)}")
            context.exit()

    return click.Option(
        ["--version"],
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=show,
        help="Show the version and exit.",
    )


@click.pass_context
def _help_without_command(context: click.Context) -> None:
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def _unavailable(name: str, reason: str) -> click.Command:
    reason = one_line(reason)

    def refuse() -> None:
        raise UnavailableCommandError(
            f"the command {name!r} could not be loaded ({reason}); "
            f"reinstall with: pip install --force-reinstall {PROGRAM}"
        )

    return click.Command(
        name,
        callback=refuse,
        short_help=f"(unavailable: {reason})",
        add_help_option=False,
        context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
    )


def _report(error: click.ClickException) -> int:
    if isinstance(error, getattr(click.exceptions, "NoArgsIsHelpError", ())):
        error.show()  # a group without a command: the message is its help
        return error.exit_code
    click.echo(f"error: {error.format_message()}", err=True)
    if isinstance(error, click.UsageError) and error.ctx is not None:
        click.echo(f"try: {error.ctx.command_path} --help", err=True)
    return _COULD_NOT_RUN if isinstance(error, click.FileError) else error.exit_code


def _report_unexpected(error: Exception) -> int:
    """Say the type alone: the message of an unexpected error may hold anything, a secret too."""
    if os.environ.get("OFT_DEBUG") == "1":
        traceback.print_exc()
    else:
        click.echo(
            f"error: unexpected {type(error).__name__}: set OFT_DEBUG=1 for the traceback",
            err=True,
        )
    return _COULD_NOT_RUN
