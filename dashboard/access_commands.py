"""The commands `dashboard user …` and `dashboard token …`."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import IO, Any

import click

from openfeature_triton.dashboard.access import (
    MAY,
    Access,
    Token,
    change_access,
    is_name,
    read_access,
)
from openfeature_triton.dashboard.errors import AccessError
from openfeature_triton.dashboard.passwords import (
    MAX_LENGTH,
    MIN_LENGTH,
    hash_password,
    hash_token,
    new_token,
)


class AccessFailure(click.ClickException):
    """The command could not run."""

    exit_code = 2

    def show(self, file: IO[Any] | None = None) -> None:
        """Say why, in one line."""
        click.echo(f"error: {self.format_message()}", file=file or sys.stderr)


_file = click.option("--access", "path", metavar="FILE", help="The file (default: OFT_ACCESS).")
_as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group()
def user() -> None:
    """Say who may look at the dashboard."""


@click.group()
def token() -> None:
    """Say which programs may read the dashboard, or report outcomes to it."""


@user.command("add")
@click.argument("name")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@_file
@_as_json
def add_user(name: str, *, password_stdin: bool, path: str | None, as_json: bool) -> None:
    """Let NAME sign in, or give NAME a new password.

    Example: openfeature-triton dashboard user add ana
    """
    _check_name(name)
    password = _password(from_stdin=password_stdin)
    hashed = hash_password(password)
    _change(path, lambda found: replace(found, users={**found.users, name: hashed}))
    _say(as_json, {"user": name}, f"{name} may sign in")


@user.command("remove")
@click.argument("name")
@_file
@_as_json
def remove_user(name: str, *, path: str | None, as_json: bool) -> None:
    """Let NAME sign in no more; a session of NAME ends at once.

    Example: openfeature-triton dashboard user remove ana
    """

    def without(found: Access) -> Access:
        if name not in found.users:
            raise AccessFailure(f"there is no user {name!r}; dashboard user list names them")
        return replace(found, users={n: h for n, h in found.users.items() if n != name})

    _change(path, without)
    left = "" if _read(path).users else "; nobody is left, so a running dashboard shows nothing"
    _say(as_json, {"user": name}, f"{name} may sign in no more{left}")


@user.command("list")
@_file
@_as_json
def list_users(path: str | None, *, as_json: bool) -> None:
    """Name the users.

    Example: openfeature-triton dashboard user list --json
    """
    names = sorted(_read(path).users)
    _say(as_json, {"users": names}, "\n".join(names) or "no user yet")


@token.command("add")
@click.argument("name")
@click.option(
    "--may",
    type=click.Choice(["read", "track"]),
    default="track",
    show_default=True,
    help="Read pages and their JSON, or report outcomes.",
)
@_file
@_as_json
def add_token(name: str, *, may: str, path: str | None, as_json: bool) -> None:
    """Make a token for the program NAME and print it: it can't be shown again.

    Example: openfeature-triton dashboard token add nmt-service --may track
    """
    _check_name(name)
    made = new_token()
    kept = Token(hash_token(made), next(each for each in MAY if each == may))
    _change(path, lambda found: replace(found, tokens={**found.tokens, name: kept}))
    _say(as_json, {"name": name, "may": may, "token": made}, made)


@token.command("remove")
@click.argument("name")
@_file
@_as_json
def remove_token(name: str, *, path: str | None, as_json: bool) -> None:
    """Make the token of NAME worthless, at once.

    Example: openfeature-triton dashboard token remove nmt-service
    """

    def without(found: Access) -> Access:
        if name not in found.tokens:
            raise AccessFailure(f"there is no token {name!r}; dashboard token list names them")
        return replace(found, tokens={n: t for n, t in found.tokens.items() if n != name})

    _change(path, without)
    _say(as_json, {"name": name}, f"the token of {name} is worthless now")


@token.command("list")
@_file
@_as_json
def list_tokens(path: str | None, *, as_json: bool) -> None:
    """Name the tokens and what each may do.

    Example: openfeature-triton dashboard token list --json
    """
    may = {name: kept.may for name, kept in sorted(_read(path).tokens.items())}
    lines = (f"{name:<24} {what}" for name, what in may.items())
    _say(as_json, {"tokens": may}, "\n".join(lines) or "no token yet")


def _password(*, from_stdin: bool) -> str:
    if from_stdin:
        password = sys.stdin.readline().removesuffix("\n")
    else:
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    if not MIN_LENGTH <= len(password) <= MAX_LENGTH:
        raise AccessFailure(
            f"a password needs {MIN_LENGTH} characters or more; choose a longer one"
        )
    return str(password)


def _check_name(name: str) -> None:
    if not is_name(name):
        raise AccessFailure(f"{name!r} is no name: use at most 64 letters, digits and . _ @ + -")


def _path(given: str | None) -> str:
    from pydantic import ValidationError

    from openfeature_triton.dashboard.settings import DashboardSettings, what_is_wrong

    try:
        return given or DashboardSettings().access
    except ValidationError as error:
        raise AccessFailure(what_is_wrong(error)) from error


def _read(path: str | None) -> Access:
    try:
        return read_access(_path(path))
    except AccessError as error:
        raise AccessFailure(str(error)) from error


def _change(path: str | None, change: Callable[[Access], Access]) -> None:
    try:
        change_access(_path(path), change)
    except AccessError as error:
        raise AccessFailure(str(error)) from error


def _say(as_json: bool, values: dict[str, object], text: str) -> None:
    click.echo(json.dumps(values) if as_json else text)
