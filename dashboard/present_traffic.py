"""Present traffic: how many requests experiments have had, and have in a day, for `plan`."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import TypedDict

from pydantic import ValidationError
from sqlalchemy.engine import make_url

from openfeature_triton.dashboard.open_store import open_store
from openfeature_triton.dashboard.plans import recent_start_ns, requests_per_day
from openfeature_triton.dashboard.settings import DashboardSettings
from openfeature_triton.dashboard.store import COUNTS, Query, Store
from openfeature_triton.hooks import schema
from openfeature_triton.hooks.errors import HooksError
from openfeature_triton.hooks.settings import InfluxSettings


class Traffic(TypedDict):
    """What one experiment has had in all, and has had in a day of late."""

    requests: int
    per_day: float


class Answer(TypedDict):
    """The traffic of experiments that have any, and why it can't be told where it can't."""

    experiments: dict[str, Traffic]
    problem: str


def read_traffic(experiments: Iterable[str], now: datetime) -> Answer | None:
    """Read it from the store that the environment names; None where none is configured."""
    try:
        settings, influx = DashboardSettings(), InfluxSettings()
    except ValidationError as error:
        names = ", ".join("_".join(map(str, each["loc"])) for each in error.errors())
        return {"experiments": {}, "problem": f"a setting can't be read ({names}): see the README"}
    if not influx.url and not _is_configured(settings):
        return None
    found: dict[str, Traffic] = {}
    try:
        with closing(open_store(settings, influx)) as store:
            for key in experiments:
                traffic = _traffic(store, key, now)
                if traffic["requests"]:
                    found[key] = traffic
    except HooksError as error:
        return {"experiments": {}, "problem": str(error)}
    return {"experiments": found, "problem": ""}


def _traffic(store: Store, key: str, now: datetime) -> Traffic:
    recent, whole = store.read(
        Query(COUNTS, key, "hour", recent_start_ns(now)), Query(COUNTS, key, "all")
    )
    requests = sum(each.fields.get(schema.REQUESTS, 0.0) for each in whole)
    return {"requests": int(requests), "per_day": requests_per_day(recent, now)}


def _is_configured(settings: DashboardSettings) -> bool:
    """Whether somebody named the store, or has the one that is there by default."""
    if "store" in settings.model_fields_set:
        return True
    return Path(make_url(settings.store.get_secret_value()).database or "").is_file()
