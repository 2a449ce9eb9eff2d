"""Migrations of the store: from each earlier release to now, on SQLite and PostgreSQL."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import Engine, create_engine, insert, inspect, text
from sqlalchemy.pool import NullPool

from openfeature_triton.dashboard.sql_store import SqlStore
from openfeature_triton.dashboard.store import COUNTS, read_traffic
from openfeature_triton.hooks import (
    ForeignStoreError,
    MissingStoreError,
    SqlSink,
    StoreUnavailableError,
    migration,
    tables,
)
from openfeature_triton.hooks.commands import store as store_commands
from openfeature_triton.hooks.late import NS_PER_DAY
from openfeature_triton.hooks.sql_days import merge
from openfeature_triton.hooks.store_summary import summarize
from tests import releases
from tests.dashboard.stores import one

NEWEST = migration.REVISIONS[-1]
NEXT = (
    "UPDATE windows SET value = value + 1",
    "ALTER TABLE phases ADD COLUMN note TEXT",
)


@pytest.fixture
def url(database_url: str) -> str:
    """An empty database of each kind."""
    return database_url


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    """A way to look into the database itself."""
    engine = create_engine(url, poolclass=NullPool)
    yield engine
    engine.dispose()


def open_store(url: str) -> None:
    """Open a store as a recorder does at its start."""
    SqlSink(url).close()


def test_the_revisions_are_those_in_the_folder() -> None:
    """The tuple that is looked at without Alembic says what Alembic finds."""
    assert releases.revisions_in_folder(migration) == migration.REVISIONS


def test_a_store_of_the_previous_release_is_brought_up_to_date(url: str, engine: Engine) -> None:
    """Its tables become those of now, and every row is kept."""
    releases.restore(url, "store")
    before = releases.held(engine)
    open_store(url)
    after = releases.held(engine)
    assert after.pop(migration.VERSION_TABLE) == [(NEWEST,)]
    assert after.pop("hour_values") == []
    assert after == before
    assert releases.differences(engine, tables.metadata) == []
    assert (summarize(url).requests, summarize(url).errors) == (100, 3)
    with closing(SqlStore(url)) as reader:
        assert sum(each.requests for each in read_traffic(reader, "e")) == 100


def test_a_dashboard_that_is_upgraded_first_says_what_to_do(url: str, engine: Engine) -> None:
    """It changes nothing."""
    releases.restore(url, "store")
    before = releases.held(engine)
    with closing(SqlStore(url)) as reader, pytest.raises(MissingStoreError, match="store init"):
        read_traffic(reader, "e")
    assert releases.held(engine) == before


def test_days_that_were_merged_without_their_hours_are_merged_again(
    url: str, engine: Engine
) -> None:
    """Until then their windows are read; the hours are the same before and after."""
    releases.restore(url, "store")
    day = 1764000000000000001 // NS_PER_DAY
    with engine.begin() as connection:
        connection.execute(insert(tables.merged_days), {"day": day})
    open_store(url)
    with closing(SqlStore(url)) as reader:
        hours = one(reader, COUNTS, "e", step="hour")
        assert sum(each.fields["requests"] for each in hours) == 100
        assert day in merge(url)
        assert one(reader, COUNTS, "e", step="hour") == hours


def test_a_store_that_lacks_tables_gets_them(url: str, engine: Engine) -> None:
    """One of before days were merged, too."""
    releases.restore(url, "store")
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE day_values"))
        connection.execute(text("DROP TABLE merged_days"))
    open_store(url)
    assert releases.differences(engine, tables.metadata) == []


def test_a_new_store_is_what_the_revisions_make(url: str, engine: Engine) -> None:
    """Whether made at once or step by step, the tables are the same."""
    open_store(url)
    assert releases.revision(engine, migration) == NEWEST
    assert releases.differences(engine, tables.metadata) == []


def test_opening_again_changes_nothing(url: str, engine: Engine) -> None:
    """A store that is up to date stays as it is."""
    open_store(url)
    before = releases.held(engine)
    open_store(url)
    assert releases.held(engine) == before


def test_a_store_goes_through_the_revisions_it_lacks(
    url: str, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From a release before revisions, and from one with them; readers say what to do first."""
    releases.restore(url, "store")
    open_store(url)
    releases.add_revision(monkeypatch, migration, tmp_path / "migrations", *NEXT)
    with pytest.raises(MissingStoreError, match=f"revision {NEWEST}.*store init"):
        summarize(url)
    result = CliRunner().invoke(store_commands, ["init", "--store", url])
    assert result.exit_code == 0, result.output
    assert releases.revision(engine, migration) == "9999"
    assert summarize(url).requests == 102
    with engine.connect() as connection:
        assert connection.execute(text("SELECT note FROM phases")).all() == [(None,)]


def test_a_migration_that_breaks_off_leaves_all_as_it_was(
    url: str, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it did before it failed is taken back, revisions before it too."""
    releases.restore(url, "store")
    before = releases.held(engine)
    releases.add_revision(monkeypatch, migration, tmp_path / "migrations", *NEXT, "no SQL at all")
    with pytest.raises(StoreUnavailableError, match="syntax"):
        open_store(url)
    assert releases.held(engine) == before
    with engine.connect() as connection:
        columns = {column["name"] for column in inspect(connection).get_columns("phases")}
    assert "note" not in columns


def test_a_newer_store_is_refused_and_left_alone(url: str, engine: Engine) -> None:
    """Writers, readers and commands say that this program is too old."""
    open_store(url)
    releases.make_newer(engine, migration)
    before = releases.held(engine)
    with pytest.raises(ForeignStoreError, match=r"newer openfeature-triton .*9999"):
        open_store(url)
    with pytest.raises(ForeignStoreError, match="newer"), closing(SqlStore(url)) as reader:
        read_traffic(reader)
    result = CliRunner().invoke(store_commands, ["init", "--store", url])
    assert result.exit_code == 2
    assert "newer" in result.output
    assert releases.held(engine) == before


def test_tables_of_somebody_else_are_left_alone(url: str, engine: Engine) -> None:
    """A table of one of our names: nothing is added beside it."""
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE phases (moon TEXT)"))
    with pytest.raises(ForeignStoreError, match="'phases'"):
        open_store(url)
    assert list(releases.held(engine)) == ["phases"]


def test_processes_that_start_at_once_migrate_once(url: str, engine: Engine) -> None:
    """One does it, the others wait for it and go on."""
    releases.restore(url, "store")
    opens = "import sys; from openfeature_triton.hooks import SqlSink; SqlSink(sys.argv[1]).close()"
    started = [subprocess.Popen([sys.executable, "-c", opens, url]) for _ in range(4)]
    assert [each.wait(60) for each in started] == [0] * 4
    assert releases.revision(engine, migration) == NEWEST
    assert summarize(url).requests == 100
