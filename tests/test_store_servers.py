"""The servers of the tests are real, and hold what they are given."""

from __future__ import annotations

import urllib.error
from pathlib import Path

import psycopg
import pytest

from tests.store_servers import PostgresServer, running_influx

pytestmark = pytest.mark.integration


def test_influx_keeps_what_it_has_over_a_kill(influxd: Path) -> None:
    """After SIGKILL and a start the organisation is there already."""
    with running_influx(influxd) as server:
        server.stop(kill=True)
        server.start()
        with pytest.raises(urllib.error.HTTPError, match="422"):
            server.setup()


def test_postgres_gives_each_test_a_database_of_its_own(postgres: PostgresServer) -> None:
    """A table made in one is not in the other."""
    one, other = (
        url.replace("+psycopg", "") for url in (postgres.new_database(), postgres.new_database())
    )
    with psycopg.connect(one) as connection:
        connection.execute("CREATE TABLE mine (moon TEXT)")
    with (
        psycopg.connect(other) as connection,
        pytest.raises(psycopg.errors.UndefinedTable),
    ):
        connection.execute("SELECT * FROM mine")
