"""Store work: what the `store` commands do, for a database and for InfluxDB alike."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from openfeature_triton.hooks import influx_days, sql_days
from openfeature_triton.hooks.influx_api import InfluxApi
from openfeature_triton.hooks.influx_setup import set_up, settings_to_use
from openfeature_triton.hooks.influx_summary import summarize_influx
from openfeature_triton.hooks.probe import Step, probe_influx, probe_sql
from openfeature_triton.hooks.settings import InfluxSettings, RecorderSettings
from openfeature_triton.hooks.sql_engine import shown, store_url
from openfeature_triton.hooks.sql_sink import SqlSink
from openfeature_triton.hooks.store_summary import StoreSummary, summarize


def _influx(url: str | None) -> InfluxSettings | None:
    """Give InfluxDB's settings if that is the store; None if it is a database."""
    settings = InfluxSettings()
    if url is not None and url.startswith(("http://", "https://")):
        return settings.model_copy(update={"url": url})
    return settings if url is None and settings.url else None


@contextmanager
def _asking(settings: InfluxSettings) -> Iterator[InfluxApi]:
    api = InfluxApi(settings.model_copy(update={"deadline_s": max(60.0, settings.deadline_s)}))
    try:
        yield api
    finally:
        api.close()


def make(url: str | None, tokens: Path, raw_days: int) -> dict[str, Any]:
    """Make what the store lacks; gives its name, what was done, and the settings to use."""
    influx = _influx(url)
    if influx is None:
        SqlSink(_url(url)).close()
        name = summarize(_url(url)).store
        return {"store": name, "ready": True, "done": [], "settings": {}}
    with _asking(influx) as api:
        done = [dataclasses.asdict(each) for each in set_up(api, raw_days, tokens)]
        use = settings_to_use(influx, tokens)
        return {"store": api.name, "ready": True, "done": done, "settings": use}


def probe(url: str | None, read_token_file: Path | None) -> tuple[str, Sequence[Step]]:
    """Write, read back and delete a probe; gives the store's name and what became of each step."""
    influx = _influx(url)
    if influx is None:
        return shown(store_url(_url(url))), probe_sql(_url(url))
    reader = influx
    if read_token_file is not None:
        reader = influx.model_copy(update={"token_file": read_token_file})
    with _asking(influx) as write, _asking(reader) as read:
        return write.name, probe_influx(write, read)


def merge_days(url: str | None, days: int) -> list[str]:
    """Give the days that were merged, as dates."""
    influx = _influx(url)
    if influx is None:
        merged = sql_days.merge(_url(url))
    else:
        with _asking(influx) as api:
            merged = influx_days.merge(api, days)
    return [str(date(1970, 1, 1) + timedelta(days=day)) for day in merged]


def summary(url: str | None) -> StoreSummary:
    """Look at a store without changing it."""
    influx = _influx(url)
    if influx is None:
        return summarize(_url(url))
    with _asking(influx) as api:
        return summarize_influx(api)


def spool_size() -> tuple[int, int]:
    """Give how many files there are in the spool's folder, and how many bytes they take."""
    folder = RecorderSettings().spool
    sizes = [file.stat().st_size for file in folder.glob("*") if file.is_file()]
    return len(sizes), sum(sizes)


def _url(given: str | None) -> SecretStr:
    return SecretStr(given) if given is not None else RecorderSettings().store
