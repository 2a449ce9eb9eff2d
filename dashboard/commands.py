"""The commands of `dashboard`."""

from __future__ import annotations

import json
import sys
from typing import IO, TYPE_CHECKING, Any

import click

from openfeature_triton.dashboard import access_commands

if TYPE_CHECKING:
    from openfeature_triton.dashboard.serve import Server
    from openfeature_triton.dashboard.settings import DashboardSettings


class DashboardFailure(click.ClickException):
    """The command could not run."""

    exit_code = 2

    def show(self, file: IO[Any] | None = None) -> None:
        """Say why, in one line."""
        click.echo(f"error: {self.format_message()}", file=file or sys.stderr)


@click.group(
    invoke_without_command=True,
    epilog="Example: openfeature-triton dashboard --store sqlite:///store.db --flags flags.json",
    short_help="Show experiments in a browser.",
)
@click.option(
    "--store",
    metavar="URL",
    help="The store's SQLAlchemy URL or InfluxDB's address (default: OFT_INFLUX_URL, OFT_STORE).",
)
@click.option("--flags", metavar="FILE", help="The flag file (default: OFT_FLAGS).")
@click.option("--host", help="The address to listen on (default: OFT_HOST, 127.0.0.1).")
@click.option("--port", type=int, help="The port; 0 takes a free one (default: OFT_PORT, 8080).")
@click.option("--json", "as_json", is_flag=True, help="Print where it listens as JSON.")
@click.pass_context
def dashboard(context: click.Context, /, as_json: bool, **given: str | int | None) -> None:
    """Serve the dashboard until Ctrl-C; no page changes anything.

    Shows each experiment of the flag FILE, and what the store holds of it. Listens beyond this
    machine only where people must sign in: `dashboard user add`, or a trusted proxy.
    """
    if context.invoked_subcommand is not None:
        return
    server = _make({name: value for name, value in given.items() if value is not None})
    if as_json:
        click.echo(json.dumps({"url": server.url}))
    else:
        click.echo(f"The dashboard is at {server.url} (Ctrl-C ends it)")
    _stop_on_sigterm()
    try:
        server.run()
    finally:
        server.close()


def _stop_on_sigterm() -> None:
    """End as on Ctrl-C, so that what services reported is written."""
    import signal

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))


def _make(given: dict[str, str | int]) -> Server:
    """Make a server that listens; whatever the user can put right is an error of one line."""
    from pydantic import ValidationError

    from openfeature_triton.dashboard.errors import DashboardError
    from openfeature_triton.dashboard.settings import DashboardSettings, what_is_wrong
    from openfeature_triton.hooks.errors import StoreError

    try:
        settings = DashboardSettings(**given)  # type: ignore[arg-type]
        return _listen(settings, has_flags="flags" in given, has_store="store" in given)
    except (DashboardError, StoreError) as error:
        raise DashboardFailure(str(error)) from error
    except ValidationError as error:
        raise DashboardFailure(what_is_wrong(error, given)) from error


def _listen(settings: DashboardSettings, *, has_flags: bool, has_store: bool) -> Server:
    from datetime import datetime, timezone

    from openfeature_triton.dashboard.app import create_app
    from openfeature_triton.dashboard.open_store import influx_url, open_store
    from openfeature_triton.dashboard.remembering import RememberingStore
    from openfeature_triton.dashboard.serve import Server
    from openfeature_triton.hooks.settings import InfluxSettings

    store = open_store(settings, InfluxSettings(url=influx_url(settings)) if has_store else None)
    store.check()
    remembering = RememberingStore(store, lambda: datetime.now(timezone.utc))
    if has_flags:  # the default one need not be there
        _check_flags(settings)
    return Server(create_app(settings, store=remembering), settings.host, settings.port)


def _check_flags(settings: DashboardSettings) -> None:
    """Refuse a file that can't be read, and tell of its bad flags, which cost only themselves."""
    from openfeature_triton.dashboard.definitions import read_flags

    flags = read_flags(settings.flags, settings.bucketing)
    if flags.problem:
        raise DashboardFailure(flags.problem)
    for problem in flags.refused.values():
        click.echo(f"warning: {problem}", err=True)


dashboard.add_command(access_commands.user)
dashboard.add_command(access_commands.token)


@click.command(
    epilog="Example: openfeature-triton demo --once",
    short_help="Watch two real speech recognisers being compared.",
)
@click.option(
    "--dir",
    "folder",
    metavar="DIR",
    type=click.Path(file_okay=False),
    help="Keep flag file, registry and store here (default: a temporary folder).",
)
@click.option(
    "--requests",
    type=click.IntRange(1, 1_000_000),
    default=300,
    show_default=True,
    help="How many spoken commands to send.",
)
@click.option(
    "--threads",
    type=click.IntRange(1, 64),
    default=2,
    show_default=True,
    help="How many are sent at a time.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=8080,
    show_default=True,
    help="The dashboard's port on this machine; 0 takes a free one.",
)
@click.option("--no-triton", is_flag=True, help="Serve the models without Triton.")
@click.option("--once", is_flag=True, help="End after the table, without the dashboard.")
@click.option("--json", "as_json", is_flag=True, help="Print the table as JSON.")
def demo(
    folder: str | None,
    *,
    requests: int,
    threads: int,
    port: int,
    no_triton: bool,
    once: bool,
    as_json: bool,
) -> None:
    """Compare two real speech recognisers on a real Triton, and serve the page until Ctrl-C.

    One searches widely and slowly, one narrowly and fast. Triton is the PATH's, or is fetched once
    by pip (144 MB); where it can't be had, the demo serves the same models by itself.
    """
    from pathlib import Path

    from openfeature_triton.dashboard.demo.errors import DemoError
    from openfeature_triton.dashboard.demo.result import Result
    from openfeature_triton.dashboard.demo.run import Options, run
    from openfeature_triton.dashboard.errors import DashboardError
    from openfeature_triton.hooks.errors import StoreError

    def show(result: Result) -> None:
        click.echo(json.dumps(result.as_dict(), indent=2) if as_json else result.as_table())
        if result.dashboard and not as_json:
            click.echo(f"\nThe dashboard is at {result.dashboard} (Ctrl-C ends it)")

    options = Options(
        folder=Path(folder) if folder else None,
        requests=requests,
        threads=threads,
        triton=not no_triton,
        port=None if once else port,
    )
    try:
        run(options, show)
    except (DemoError, DashboardError, StoreError) as error:
        raise DashboardFailure(str(error)) from error
