"""The command `watch`."""

from __future__ import annotations

import json
import logging
import shlex
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from openfeature_triton.dashboard.commands import DashboardFailure

if TYPE_CHECKING:
    from openfeature_triton.dashboard.ending import Ending
    from openfeature_triton.dashboard.settings import DashboardSettings
    from openfeature_triton.dashboard.watch import Rules, Watch
    from openfeature_triton.dashboard.watch_events import Event

_log = logging.getLogger("openfeature_triton.watch")


@click.command(
    epilog="Example: openfeature-triton watch --on-event 'mail -s watch ops@example.org'",
    short_help="Pause experiments that harm a guardrail.",
)
@click.option("--flags", metavar="FILE", help="The flag file (default: OFT_FLAGS).")
@click.option(
    "--store",
    metavar="URL",
    help="The store's SQLAlchemy URL or InfluxDB's address (default: OFT_INFLUX_URL, OFT_STORE).",
)
@click.option(
    "--interval",
    "interval_s",
    type=click.FloatRange(0.1, 86_400),
    default=10.0,
    show_default=True,
    help="Seconds between two looks.",
)
@click.option(
    "--min-requests",
    type=click.IntRange(1),
    default=100,
    show_default=True,
    help="Requests that control and the harmed variant must each have had.",
)
@click.option(
    "--stale-after",
    "stale_after_s",
    type=click.FloatRange(1, 30 * 86_400),
    default=900.0,
    show_default=True,
    help="Seconds after which data are told of as stale, and not acted on.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
@click.option("--once", is_flag=True, help="Look once, for cron.")
@click.option("--on-event", metavar="CMD", help="Run this with each event as JSON on its input.")
@click.option(
    "--on-event-timeout",
    "on_event_s",
    type=click.FloatRange(0.1, 600),
    default=10.0,
    show_default=True,
    help="Seconds that CMD may take.",
)
@click.option("--json", "as_json", is_flag=True, help="Print each event as a line of JSON.")
@click.pass_context
def watch(
    context: click.Context,
    *,
    flags: str | None,
    store: str | None,
    interval_s: float,
    min_requests: int,
    stale_after_s: float,
    on_event: str | None,
    on_event_s: float,
    dry_run: bool,
    once: bool,
    as_json: bool,
) -> None:
    """Look at the guardrails of all running experiments until Ctrl-C, and pause what harms one.

    An experiment is paused in the flag FILE (`experiment log` says why) when a guardrail is harmed
    beyond its margin. Also tells of broken splits, of experiments without new data, and when the
    store or the file can't be read: on standard error, and to --on-event. Each is told once as long
    as it lasts. Whoever resumes an experiment is not overruled by what was known before.

    Exits 0 when it is stopped. With --once: 0 nothing found, 1 something, 2 could not look.
    """
    from datetime import timedelta

    from openfeature_triton.dashboard.ending import Ended, Ending
    from openfeature_triton.dashboard.watch import Rules
    from openfeature_triton.dashboard.watch_events import Told, exit_code

    command = _split(on_event)
    rules = Rules(min_requests, timedelta(seconds=stale_after_s), dry_run)
    ending, told = Ending(), Told()
    with _logged(), _opened(flags, store, rules, ending) as watcher:
        try:
            with ending.heard():
                while True:
                    events = watcher.look()
                    for event in told.fresh(events):
                        _tell(event, command, on_event_s, as_json=as_json)
                    if once:
                        context.exit(exit_code(events))
                    ending.wait(interval_s)
        except Ended:
            _log.info("stopped")


def _split(command: str | None) -> list[str]:
    """Read a command as a shell would, but run none."""
    try:
        parts = shlex.split(command or "")
    except ValueError as error:
        raise DashboardFailure(f"--on-event: {error} in {command!r}; mend the quotes") from error
    if command is not None and not parts:
        raise DashboardFailure("--on-event: no command is given; name one or leave it out")
    return parts


@contextmanager
def _opened(flags: str | None, store: str | None, rules: Rules, ending: Ending) -> Iterator[Watch]:
    """Open the store and the flag file; what the user can put right is an error of one line."""
    from datetime import datetime, timezone

    from openfeature_triton.dashboard.open_store import influx_url, open_store
    from openfeature_triton.dashboard.watch import Watch
    from openfeature_triton.hooks.settings import InfluxSettings

    with _plainly():
        settings = _settings(flags, store)
        influx = InfluxSettings(url=influx_url(settings)) if store is not None else None
        opened = open_store(settings, influx)
    with closing(opened):
        watcher = Watch(
            opened,
            Path(settings.flags),
            rules,
            lambda: datetime.now(timezone.utc),
            bucketing=settings.bucketing,
            uncut=ending.uncut,
        )
        with _plainly():
            names = ", ".join(each.key for each in watcher.running())
        _log.info("watching %s: %s", settings.flags, names or "no experiment runs yet")
        yield watcher


def _settings(flags: str | None, store: str | None) -> DashboardSettings:
    from openfeature_triton.dashboard.settings import DashboardSettings

    given = {name: each for name, each in (("flags", flags), ("store", store)) if each is not None}
    return DashboardSettings(**given)  # type: ignore[arg-type]


@contextmanager
def _plainly() -> Iterator[None]:
    from pydantic import ValidationError

    from openfeature_triton.dashboard.settings import what_is_wrong
    from openfeature_triton.flagd_config.errors import FlagFileError
    from openfeature_triton.hooks.errors import StoreError

    try:
        yield
    except (StoreError, FlagFileError) as error:
        raise DashboardFailure(str(error)) from error
    except ValidationError as error:
        raise DashboardFailure(what_is_wrong(error)) from error


@contextmanager
def _logged() -> Iterator[None]:
    """Write what this project logs to standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    ours = logging.getLogger("openfeature_triton")
    before = ours.level
    ours.addHandler(handler)
    ours.setLevel(logging.INFO)
    try:
        yield
    finally:
        ours.removeHandler(handler)
        ours.setLevel(before)


def _tell(event: Event, command: list[str], timeout_s: float, *, as_json: bool) -> None:
    from openfeature_triton.dashboard.on_event import hand_over

    _log.warning("%s %s: %s", event.kind, event.experiment or "all experiments", event.text)
    if as_json:
        click.echo(json.dumps(event.as_dict()))
    if command:
        hand_over(event, command, timeout_s)
