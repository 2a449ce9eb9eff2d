"""What `doctor` asks of this folder: the store, the clock against it, the spool.

Each check gives lines (state, text, advice), as `flagd_config.doctor` wants them.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from email.utils import parsedate_to_datetime
from pathlib import Path

import urllib3
from sqlalchemy import func, select

from openfeature_triton.hooks.dead_letters import FILE_NAME, DeadLetters
from openfeature_triton.hooks.errors import MissingStoreError, StoreError
from openfeature_triton.hooks.health import read_health
from openfeature_triton.hooks.influx_api import InfluxApi
from openfeature_triton.hooks.migration import REVISIONS, check_revision
from openfeature_triton.hooks.probe import Step, probe_influx, probe_sql
from openfeature_triton.hooks.settings import InfluxSettings, RecorderSettings
from openfeature_triton.hooks.spool_folder import SUFFIX
from openfeature_triton.hooks.sql_engine import open_to_read, shown, store_errors, store_url

Lines = list[tuple[str, str, str]]
FINE, WARNING, BROKEN = "fine", "warning", "broken"

_DEADLINE_S = 5.0
_MAX_SKEW_S = 5.0
_OLD_S = 300.0
_MIN_FREE_BYTES = 100 * 2**20


def store() -> Lines:
    """Whether the store takes a probe, gives it back, and lets go of it."""
    return _plainly(lambda: _probed(InfluxSettings(deadline_s=_DEADLINE_S)))


def clock() -> Lines:
    """Whether this machine's clock agrees with the store's."""
    return _plainly(lambda: _compared(InfluxSettings()))


def spool() -> Lines:
    """Whether outcomes wait in the spool, and whether it can be used."""
    settings = RecorderSettings()
    if not InfluxSettings().url:
        return [(FINE, "not used: outcomes go to a database", "")]
    folder = settings.spool
    if not folder.exists():
        return [(FINE, f"{folder}: not there yet, nothing waits", "")]
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        return [(BROKEN, f"{folder} can't be written to", "give this user the folder")]
    return [*_waiting(folder, settings.spool_max_bytes), *_dead(folder), *_room(folder)]


def _plainly(look: Callable[[], Lines]) -> Lines:
    try:
        return look()
    except MissingStoreError as error:
        return [(WARNING, f"{error.store}: {error.problem}", error.advice)]
    except StoreError as error:
        return [(BROKEN, f"{error.store}: {error.problem}", error.advice)]


def _probed(influx: InfluxSettings) -> Lines:
    if influx.url:
        with closing(InfluxApi(influx)) as api:
            return _said(api.name, probe_influx(api, api))
    url = store_url(RecorderSettings().store)
    engine = open_to_read(url)
    try:
        with store_errors(url), engine.connect() as connection:
            found = check_revision(connection, shown(url))
    finally:
        engine.dispose()
    if found != REVISIONS[-1]:
        text = f"{shown(url)}: its tables are of an earlier version, or not there"
        return [(WARNING, text, "bring it up to date: openfeature-triton store init")]
    return _said(shown(url), probe_sql(RecorderSettings().store))


def _said(name: str, steps: Sequence[Step]) -> Lines:
    failed = next((each for each in steps if each.problem), None)
    if failed is None:
        took = ", ".join(f"{each.name} {each.took_ms:.0f} ms" for each in steps)
        return [(FINE, f"{name}: {took}", "")]
    if failed.name == "write":
        return [(BROKEN, failed.problem, "openfeature-triton store init, or check its settings")]
    text = f"{name}: written, but not to {failed.name} with this token: {failed.problem}"
    return [(WARNING, text, "a service needs no more; the dashboard needs a token that reads")]


def _compared(influx: InfluxSettings) -> Lines:
    if influx.url:
        with closing(InfluxApi(influx)) as api:
            name = api.name  # without a password that the address may hold
        skew_s = _influx_skew_s(name)
    else:
        url = store_url(RecorderSettings().store)
        if url.get_backend_name() == "sqlite":
            return [(FINE, "the store is a file: it has no clock of its own", "")]
        engine = open_to_read(url)
        try:
            with store_errors(url), engine.connect() as connection:
                asked_s = time.time()
                now = connection.execute(select(func.clock_timestamp())).scalar_one()
                skew_s = (asked_s + time.time()) / 2 - now.timestamp()
        finally:
            engine.dispose()
        name = shown(url)
    text = f"{abs(skew_s):.1f} s {'ahead of' if skew_s > 0 else 'behind'} {name}"
    if abs(skew_s) > _MAX_SKEW_S:
        return [(BROKEN, text, "let NTP set the clocks: windows would lie at other times")]
    return [(FINE, text, "")]


def _influx_skew_s(address: str) -> float:
    """Give how far this clock is ahead, to the second: the header `Date` has no more."""
    asked_s = time.time()
    try:
        answer = urllib3.request("GET", f"{address}/ping", timeout=_DEADLINE_S, retries=False)
        now = parsedate_to_datetime(answer.headers["Date"]).timestamp()
    except (urllib3.exceptions.HTTPError, KeyError, ValueError) as error:
        problem = f"it does not say what time it is ({type(error).__name__})"
        raise StoreError(address, problem, "check OFT_INFLUX_URL") from None
    return (asked_s + time.time()) / 2 - (now + 0.5)


def _waiting(folder: Path, max_bytes: int) -> Lines:
    """Say how much waits, and for how long, by the files and by what living processes told last."""
    size = sum(each.stat().st_size for each in folder.glob(f"*{SUFFIX}*"))
    living = [each for each in read_health(folder) if not each.get("ended")]
    oldest_s = max((each.get("oldest_age_s") or 0.0 for each in living), default=0.0)
    files = len(list(folder.glob(f"*{SUFFIX}")))
    text = (
        f"{folder}: {files} files, {size / 2**20:.1f} MiB of {max_bytes / 2**20:.0f} each at most"
    )
    if size > max_bytes / 2:
        return [(WARNING, text, "the store takes too little: openfeature-triton store check")]
    if oldest_s > _OLD_S:
        return [(WARNING, f"{text}; the oldest waits for {oldest_s:.0f} s", "see store")]
    return [(FINE, text, "")]


def _dead(folder: Path) -> Lines:
    if not (folder / FILE_NAME).exists():
        return []
    count = len(list(DeadLetters(folder).all()))
    advice = "openfeature-triton store dead-letters list"
    return [(WARNING, f"{count} points were refused for good", advice)] if count else []


def _room(folder: Path) -> Lines:
    free = shutil.disk_usage(folder).free
    if free >= _MIN_FREE_BYTES:
        return []
    return [(WARNING, f"its disk has {free / 2**20:.0f} MiB left", "make room")]
