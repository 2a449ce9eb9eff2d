"""The commands of `dashboard`."""

from __future__ import annotations

import json
import sys
from typing import IO, TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from openfeature_triton.dashboard.serve import Server
    from openfeature_triton.dashboard.settings import DashboardSettings


class DashboardFailure(click.ClickException):
    """The command could not run."""

    exit_code = 2

    def show(self, file: IO[Any] | None = None) -> None:
        """Say why, in one line."""
        click.echo(f"error: {self.format_message()}", file=file or sys.stderr)


@click.command(
    epilog="Example: openfeature-triton dashboard --store sqlite:///store.db --flags flags.json",
    short_help="Show experiments in a browser.",
)
@click.option("--store", metavar="URL", help="The store's SQLAlchemy URL (default: OFT_STORE).")
@click.option("--flags", metavar="FILE", help="The flag file (default: OFT_FLAGS).")
@click.option("--host", help="The loopback address to listen on (default: OFT_HOST, 127.0.0.1).")
@click.option("--port", type=int, help="The port; 0 takes a free one (default: OFT_PORT, 8080).")
@click.option("--json", "as_json", is_flag=True, help="Print where it listens as JSON.")
def dashboard(as_json: bool, **given: str | int | None) -> None:
    """Serve the dashboard on this machine until Ctrl-C; it only reads.

    Shows each experiment of the flag FILE, and what the store holds of it.
    """
    server = _make({name: value for name, value in given.items() if value is not None})
    if as_json:
        click.echo(json.dumps({"url": server.url}))
    else:
        click.echo(f"The dashboard is at {server.url} (Ctrl-C ends it)")
    try:
        server.run()
    finally:
        server.close()


def _make(given: dict[str, str | int]) -> Server:
    """Make a server that listens; whatever the user can put right is an error of one line."""
    from pydantic import ValidationError

    from openfeature_triton.dashboard.errors import DashboardError
    from openfeature_triton.dashboard.settings import DashboardSettings
    from openfeature_triton.flagd_config.errors import FlagFileError
    from openfeature_triton.hooks.errors import StoreError

    try:
        return _listen(DashboardSettings(**given), has_flags="flags" in given)  # type: ignore[arg-type]
    except (DashboardError, StoreError, FlagFileError) as error:
        raise DashboardFailure(str(error)) from error
    except ValidationError as error:
        first = error.errors(include_input=False)[0]  # an input may be a secret
        name = ".".join(map(str, first["loc"]))
        raise DashboardFailure(
            f"--{name} (OFT_{name.upper()}): {first['msg']}; set it right or leave it out"
        ) from error


def _listen(settings: DashboardSettings, *, has_flags: bool) -> Server:
    from openfeature_triton.dashboard.app import create_app
    from openfeature_triton.dashboard.serve import Server
    from openfeature_triton.dashboard.sql_store import SqlStore
    from openfeature_triton.flagd_config import read_document

    store = SqlStore(settings.store)
    store.check()
    if has_flags:  # the default one need not be there
        read_document(settings.flags, bucketing=settings.bucketing)
    return Server(create_app(settings, store=store), settings.host, settings.port)
