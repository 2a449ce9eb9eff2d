"""The commands of `hooks`: `store init` and `store show`."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import IO, TYPE_CHECKING, Any, TypeVar

import click

from openfeature_triton.hooks.dead_letter_commands import dead_letters

if TYPE_CHECKING:
    from pydantic import SecretStr

    from openfeature_triton.hooks.store_summary import StoreSummary

T = TypeVar("T")


class StoreFailure(click.ClickException):
    """The command could not run."""

    exit_code = 2

    def show(self, file: IO[Any] | None = None) -> None:
        """Say why, in one line."""
        click.echo(f"error: {self.format_message()}", file=file or sys.stderr)


_store = click.option(
    "--store", "url", metavar="URL", help="The store's SQLAlchemy URL (default: OFT_STORE)."
)
_as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group()
def store() -> None:
    """Look after the store that counts are written to."""


@store.command()
@_store
@_as_json
def init(url: str | None, as_json: bool) -> None:
    """Make the store's tables; nothing happens where they are there already.

    Example: openfeature-triton store init --store sqlite:///store.db
    """
    _try(lambda: _make(_url(url)))
    summary = _try(lambda: _summary(_url(url)))
    if as_json:
        click.echo(json.dumps({"store": summary.store, "ready": True}))
    else:
        click.echo(f"{summary.store} is ready")


@store.command()
@_store
@_as_json
def show(url: str | None, as_json: bool) -> None:
    """Show how much the store holds; changes nothing.

    Example: openfeature-triton store show --json
    """
    summary = _try(lambda: _summary(_url(url)))
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
    }
    if as_json:
        click.echo(json.dumps(rows))
        return
    for name, value in rows.items():
        text = f"{value:,}" if isinstance(value, int) else value or "none yet"
        click.echo(f"{name:<10} {text}")


store.add_command(dead_letters)


def _url(given: str | None) -> SecretStr:
    from pydantic import SecretStr

    from openfeature_triton.hooks.settings import RecorderSettings

    return SecretStr(given) if given is not None else RecorderSettings().store


def _make(url: SecretStr) -> None:
    from openfeature_triton.hooks.sql_sink import SqlSink

    SqlSink(url).close()


def _summary(url: SecretStr) -> StoreSummary:
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
        name = "OFT_" + ".".join(map(str, first["loc"])).upper()
        raise StoreFailure(f"{name}: {first['msg']}; set it right or unset it") from error
