"""Opens the store that the settings name: InfluxDB where they give its address, else a database."""

from __future__ import annotations

from openfeature_triton.dashboard.influx_store import InfluxStore
from openfeature_triton.dashboard.settings import DashboardSettings
from openfeature_triton.dashboard.sql_store import SqlStore
from openfeature_triton.hooks.settings import InfluxSettings


def open_store(
    settings: DashboardSettings, influx: InfluxSettings | None = None
) -> SqlStore | InfluxStore:
    """Open the store; StoreUrlError if its address can't be one. Nothing is read yet.

    Args:
        settings: names the database.
        influx: names InfluxDB, which goes first if it does; read from the environment
            (`OFT_INFLUX_…`) if not given.
    """
    influx = influx or InfluxSettings()
    return InfluxStore(influx) if influx.url else SqlStore(settings.store)


def influx_url(settings: DashboardSettings) -> str:
    """Give InfluxDB's address if the store's URL is one, else nothing."""
    url = settings.store.get_secret_value()
    return url if url.startswith(("http://", "https://")) else ""
