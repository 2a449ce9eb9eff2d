"""Migration: the registry's table, and how Alembic brings it to the revision that is known here.

Runs where an operator's command opens the registry, never where requests are served: services only
read. All of it is one transaction, under a lock that other processes wait for. The table
`registry_revision` says where a registry is; one without it is empty, or older than revisions are,
which the first revision takes in.
"""

from __future__ import annotations

import threading
from pathlib import Path

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    DateTime,
    MetaData,
    String,
    Table,
    insert,
    inspect,
    select,
    text,
)

from openfeature_triton.provider.errors import NewerRegistryError, NotARegistryError

REVISIONS = ("0001",)
"""All revisions, the oldest first; a new one gets a module in `migrations/versions`."""

VERSION_TABLE = "registry_revision"
_FOLDER = Path(__file__).with_name("migrations")
_LOCK = 0x6F667472  # any number that our processes agree on
_alembic_is_taken = threading.Lock()  # its context is one for the whole process

metadata = MetaData()
services = Table(
    "services",
    metadata,
    Column("service_id", String(200), primary_key=True),
    Column("task_type", String(64), nullable=False),
    Column("protocol", String(8), nullable=False),
    Column("url", String(400), nullable=False),
    Column("model_name", String(200), nullable=False),
    Column("model_version", String(64), nullable=False),
    Column("credential_header", String(100), nullable=False),
    Column("credential", String, nullable=True),
    Column("published", Boolean, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
)
_version = Table(
    VERSION_TABLE, MetaData(), Column("version_num", String(32), primary_key=True, nullable=False)
)


def revision_of(connection: Connection) -> str | None:
    """Give the revision that a registry is at; None for one that says nothing."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    return connection.execute(select(_version.c.version_num)).scalar_one_or_none()


def is_current(connection: Connection, name: str) -> bool:
    """Whether a registry is at the newest revision; NewerRegistryError if it is beyond it."""
    found = revision_of(connection)
    if found is not None and found not in REVISIONS:
        raise NewerRegistryError(
            f"a newer openfeature-triton made the registry {name} (revision {found}; "
            f"{REVISIONS[-1]} is known here) — use that version, or a newer one"
        )
    return found == REVISIONS[-1]


def migrate(connection: Connection, name: str) -> None:
    """Bring a registry up to date within the connection's transaction to write, all or nothing.

    Raises NewerRegistryError, and NotARegistryError where `services` is somebody else's.
    """
    if connection.dialect.name == "postgresql":  # SQLite's transactions to write hold a lock
        connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _LOCK})
    if is_current(connection, name):
        return
    present = set(inspect(connection).get_table_names())
    if present.isdisjoint({VERSION_TABLE, services.name}):
        _make(connection)
    else:
        _upgrade(connection)
    columns = {column["name"] for column in inspect(connection).get_columns(services.name)}
    if not columns >= set(services.columns.keys()):
        raise NotARegistryError(
            f"{name} holds no registry (its table 'services' is somebody else's) — "
            "give the registry a database of its own"
        )


def _make(connection: Connection) -> None:
    """Make the table as the newest revision has it."""
    metadata.create_all(connection)
    _version.create(connection)
    connection.execute(insert(_version), {"version_num": REVISIONS[-1]})


def _upgrade(connection: Connection) -> None:
    # Imported here: a registry that is up to date, as nearly all are, needs no Alembic.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    config.attributes["connection"] = connection
    with _alembic_is_taken:
        command.upgrade(config, "head")
