"""Options that several commands take, and how a command says that it could not run."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from openfeature_triton.flagd_config.lint import Against
    from openfeature_triton.flagd_config.registry_services import KnownService

F = TypeVar("F", bound=Callable[..., Any])

_FLAGS = "flags.json"


class CouldNotRun(click.ClickException):
    """What the command needs is not there, or does not allow what was asked."""

    exit_code = 2


def date(name: str, help: str) -> Callable[[F], F]:
    """Give an option that takes a date of ISO 8601, and gives it in seconds since 1970."""
    return click.option(name, metavar="DATE", callback=_read_date, help=help)


def _read_date(context: click.Context, option: click.Parameter, value: str | None) -> int | None:
    from openfeature_triton.flagd_config.dates import read_seconds

    seconds = None if value is None else read_seconds(value)
    if value is not None and seconds is None:
        message = f"{value!r} is no date — write e.g. 2026-12-24T09:00:00Z"
        raise click.BadParameter(message, context, option)
    return seconds


def _complete_key(context: click.Context, _: click.Parameter, start: str) -> list[str]:
    """Give the experiments of the flag file that begin so, for a shell that completes."""
    from openfeature_triton.flagd_config.edit import read_leniently
    from openfeature_triton.flagd_config.errors import FlagFileError
    from openfeature_triton.flagd_config.syntax import read_bytes

    path = Path(context.params.get("path") or os.environ.get("OFT_FLAGS") or _FLAGS)
    try:
        found = read_leniently(path, read_bytes(path), "v3").experiments
    except FlagFileError:
        return []
    return [key for key in found if key.startswith(start)]


key = click.argument("key", shell_complete=_complete_key)
key_or_all = click.argument("key", required=False, shell_complete=_complete_key)
as_json = click.option("--json", "as_json", is_flag=True, help="Print the same as JSON.")
bucketing = click.option(
    "--bucketing",
    type=click.Choice(["v2", "v3"]),
    default="v3",
    envvar="OFT_BUCKETING",
    show_default=True,
    show_envvar=True,
    help="The generation of flagd's hash, which is part of an experiment's phase.",
)
registry = click.option(
    "--registry",
    metavar="URL",
    envvar="OFT_REGISTRY",
    show_envvar=True,
    help="The registry that knows the services, an SQLAlchemy URL.",
)
task_types = click.option(
    "--task-types",
    metavar="NAME,...",
    default="",
    help="Task types that you have beyond asr, nmt, tts, ocr, ner and the registry's.",
)
flags = click.option(
    "--flags",
    "path",
    envvar="OFT_FLAGS",
    default=_FLAGS,
    show_default=True,
    show_envvar=True,
    type=click.Path(path_type=Path),
    help="The flag file.",
)
at = date("--at", "The moment to look at, for flags with dates.")
start = date("--start", "When it begins by itself.")
end = date("--end", "When it ends by itself.")


def make_against(url: str | None, bucketing: str, task_types: str = "") -> Against:
    """Give what a file is linted against; CouldNotRun where the registry can't be read."""
    from openfeature_triton.flagd_config.lint import Against
    from openfeature_triton.flagd_config.targeting_rules import TASK_TYPES

    more = (name.strip() for name in task_types.split(","))
    return Against(
        bucketing=bucketing,
        services=read_registry(url),
        task_types=(*TASK_TYPES, *filter(None, more)),
    )


def read_registry(url: str | None) -> Mapping[str, KnownService] | None:
    """Read the services of a registry, None without one; raises CouldNotRun."""
    from openfeature_triton.flagd_config.registry_services import (
        RegistryUnreadableError,
        read_services,
    )

    if url is None:
        return None
    try:
        return read_services(url)
    except RegistryUnreadableError as error:
        raise CouldNotRun(str(error)) from error


@contextmanager
def plainly(path: Path) -> Iterator[None]:
    """End what is expected to fail in one line, or one for each finding that stands against it."""
    from openfeature_triton.flagd_config.errors import FlagFileError

    try:
        yield
    except FlagFileError as error:
        for each in getattr(error, "findings", ()):
            click.echo(f"{each.flag_key}: {each.problem} [{each.rule_id}]", err=True)
        raise CouldNotRun(str(error)) from None
    except OSError as error:
        what = error.strerror or type(error).__name__
        raise CouldNotRun(f"{error.filename or path}: {what} — nothing was changed") from None
