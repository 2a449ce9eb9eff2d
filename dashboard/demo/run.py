"""Run: the whole demo, from a folder to a page."""

from __future__ import annotations

import itertools
import secrets
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn, cast

import click
from pydantic import SecretStr

from openfeature_triton.dashboard.app import create_app
from openfeature_triton.dashboard.demo.folder import Folder, fill, made_folder
from openfeature_triton.dashboard.demo.model_server import running_models
from openfeature_triton.dashboard.demo.recognisers import require_models
from openfeature_triton.dashboard.demo.result import Result, read_result
from openfeature_triton.dashboard.demo.speech import Utterance, utterances
from openfeature_triton.dashboard.demo.traffic import ready_experiments, send
from openfeature_triton.dashboard.serve import Server
from openfeature_triton.dashboard.settings import DashboardSettings
from openfeature_triton.dashboard.sql_store import SqlStore

_MAX_RECORDINGS = 200
_TERMINATED = 128 + signal.SIGTERM


@dataclass(frozen=True, slots=True)
class Options:
    """What the user asked for. `port` is None where no dashboard is wanted."""

    folder: Path | None
    requests: int
    threads: int
    triton: bool
    port: int | None


def run(options: Options, show: Callable[[Result], None]) -> None:
    """Run the demo, show its result, and serve the dashboard until Ctrl-C if it is wanted.

    Raises DemoError, DashboardError. Whatever ends it, no server is left behind.
    """
    require_models()
    with _unwinding_on_sigterm(), made_folder(options.folder) as folder:
        if options.port is None:
            show(_compare(folder, options, None))
            return
        with _dashboard(folder, options.port) as url:
            show(_compare(folder, options, url))
            _wait_for_ctrl_c()


def _compare(folder: Folder, options: Options, url: str | None) -> Result:
    """Serve both models, send them the requests, and read what was recorded."""
    started_s = time.monotonic()
    credential = SecretStr(secrets.token_urlsafe(24))
    with running_models(credential.get_secret_value(), triton=options.triton, say=_say) as server:
        key = fill(folder, server.url, credential)
        if url:
            _say(f"The dashboard is at {url}")
        recordings = _recordings(options.requests)
        with ready_experiments(folder, key) as experiments:
            sent = send(experiments, recordings, options.requests, options.threads)
            with _progress("Asking", options.requests) as bar:
                for _ in sent:
                    bar.update(1)
    return read_result(folder, server, time.monotonic() - started_s, url)


def _recordings(requests: int) -> list[Utterance]:
    """Speak the commands beforehand, so that speaking slows no recogniser."""
    count = min(requests, _MAX_RECORDINGS)
    recordings = []
    with _progress("Speaking", count) as bar:
        for utterance in itertools.islice(utterances(count), count):
            recordings.append(utterance)
            bar.update(1)
    return recordings


@contextmanager
def _dashboard(folder: Folder, port: int) -> Iterator[str]:
    """Serve the dashboard from now on, so that one can watch; gives its address."""
    settings = DashboardSettings(
        store=SecretStr(folder.store), flags=str(folder.flags), bucketing="v3", port=port
    )
    app = create_app(settings, store=SqlStore(folder.store))
    server = Server(app, "127.0.0.1", port)
    thread = threading.Thread(target=server.run, name="oft-dashboard", daemon=True)
    thread.start()
    try:
        yield server.url
    finally:
        server.close()
        thread.join(5.0)


@contextmanager
def _unwinding_on_sigterm() -> Iterator[None]:
    """Let SIGTERM end the demo as Ctrl-C does: everything that was started is stopped."""

    def leave(_signal: int, _frame: FrameType | None) -> NoReturn:
        raise SystemExit(_TERMINATED)

    previous = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def _wait_for_ctrl_c() -> None:
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        _say("")


def _progress(label: str, length: int) -> AbstractContextManager[Any]:
    bar: Any = click.progressbar(length=length, label=label.ljust(8), file=sys.stderr)
    return cast("AbstractContextManager[Any]", bar)


def _say(text: str) -> None:
    click.echo(text, err=True)
