"""Migrations of the registry: from each earlier release to now, on SQLite and PostgreSQL."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from pydantic import SecretStr
from sqlalchemy import Engine, create_engine, inspect, text
from sqlalchemy.pool import NullPool

from openfeature_triton.provider import (
    Keyring,
    NewerRegistryError,
    NotARegistryError,
    Registry,
    RegistryUnavailableError,
    migration,
)
from openfeature_triton.provider.commands import service as service_commands
from tests import releases
from tests.releases import KEY

NEWEST = migration.REVISIONS[-1]
NEXT = (
    "UPDATE services SET task_type = 'speech'",
    "ALTER TABLE services ADD COLUMN note TEXT",
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


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OFT_KEYS", KEY)


def type_command(url: str, *arguments: str) -> Result:
    """Type a command of `service`."""
    return CliRunner().invoke(service_commands, [*arguments, "--registry", url])


def test_the_revisions_are_those_in_the_folder() -> None:
    """The tuple that is looked at without Alembic says what Alembic finds."""
    assert releases.revisions_in_folder(migration) == migration.REVISIONS


def test_a_command_brings_the_previous_release_up_to_date(url: str, engine: Engine) -> None:
    """Its table becomes that of now; every row is kept, and its credential still opens."""
    releases.restore(url, "registry")
    before = releases.held(engine)
    listed = type_command(url, "list")
    assert listed.exit_code == 0, listed.output
    after = releases.held(engine)
    assert after.pop(migration.VERSION_TABLE) == [(NEWEST,)]
    assert after == before
    assert releases.differences(engine, migration.metadata) == []
    with closing(Registry(url, Keyring((SecretStr(KEY),)))) as registry:
        credential = registry.get("asr-wide").credential
    assert credential is not None
    assert credential.get_secret_value() == "sentinel-credential"


def test_a_service_reads_the_previous_release_as_it_is(url: str, engine: Engine) -> None:
    """Requests never wait for a migration: reading changes nothing."""
    releases.restore(url, "registry")
    with closing(Registry(url, Keyring((SecretStr(KEY),)))) as registry:
        assert [each.service_id for each in registry.load().services] == ["asr-fast", "asr-wide"]
    assert releases.revision(engine, migration) is None


def test_a_new_registry_is_what_the_revisions_make(url: str, engine: Engine) -> None:
    """Whether made at once or step by step, the table is the same."""
    added = type_command(url, "add", "a", "--task", "asr", "--url", "h:1")
    assert added.exit_code == 0, added.output
    assert releases.revision(engine, migration) == NEWEST
    assert releases.differences(engine, migration.metadata) == []


def test_a_registry_goes_through_the_revisions_it_lacks(
    url: str, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From a release before revisions, and from one with them."""
    releases.restore(url, "registry")
    assert type_command(url, "list").exit_code == 0
    releases.add_revision(monkeypatch, migration, tmp_path / "migrations", *NEXT)
    listed = type_command(url, "list")
    assert "speech" in listed.output
    assert releases.revision(engine, migration) == "9999"


def test_a_migration_that_breaks_off_leaves_all_as_it_was(
    url: str, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it did before it failed is taken back, revisions before it too."""
    releases.restore(url, "registry")
    before = releases.held(engine)
    releases.add_revision(monkeypatch, migration, tmp_path / "migrations", *NEXT, "no SQL at all")
    with (
        closing(Registry(url, Keyring())) as registry,
        pytest.raises(RegistryUnavailableError, match="syntax"),
    ):
        registry.create_schema()
    assert releases.held(engine) == before
    with engine.connect() as connection:
        columns = {column["name"] for column in inspect(connection).get_columns("services")}
    assert "note" not in columns


def test_a_newer_registry_is_refused_and_left_alone(url: str, engine: Engine) -> None:
    """Commands say that this program is too old; services go on with the columns they know."""
    assert type_command(url, "add", "a", "--task", "asr", "--url", "h:1").exit_code == 0
    releases.make_newer(engine, migration)
    before = releases.held(engine)
    for command in (["list"], ["publish", "a"], ["add", "b", "--task", "asr", "--url", "h:2"]):
        result = type_command(url, *command)
        assert result.exit_code == 2, command
        assert "newer openfeature-triton" in result.output
    assert releases.held(engine) == before
    with closing(Registry(url, Keyring())) as registry:
        assert [each.service_id for each in registry.list()] == ["a"]
        with pytest.raises(NewerRegistryError, match="9999"):
            registry.create_schema()


def test_a_table_of_somebody_else_is_left_alone(url: str, engine: Engine) -> None:
    """A table `services` of another program: nothing is added beside it."""
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE services (moon TEXT)"))
    with (
        closing(Registry(url, Keyring())) as registry,
        pytest.raises(NotARegistryError, match="somebody else"),
    ):
        registry.create_schema()
    assert list(releases.held(engine)) == ["services"]


def test_commands_at_once_migrate_once(url: str, engine: Engine) -> None:
    """One does it, the others wait for it and go on."""
    releases.restore(url, "registry")
    command = (
        "from openfeature_triton.flagd_config.command_line import main; raise SystemExit(main())"
    )
    arguments = [sys.executable, "-c", command, "service", "list", "--registry", url]
    started = [subprocess.Popen(arguments, stdout=subprocess.DEVNULL) for _ in range(4)]
    assert [each.wait(60) for each in started] == [0] * 4
    assert releases.revision(engine, migration) == NEWEST
