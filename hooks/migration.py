"""Migration: brings a store's tables to the revision that this program knows, by Alembic.

Runs where a store is opened to be written to, a recorder's start or a `store` command; no request
waits for it. All of it is one transaction, under a lock that other processes wait for. The table
`store_revision` says where a store is; one without it is empty, or older than revisions are, which
the first revision takes in.
"""

from __future__ import annotations

import threading
from pathlib import Path

from sqlalchemy import Column, Connection, MetaData, String, Table, insert, inspect, select, text

from openfeature_triton.hooks import tables
from openfeature_triton.hooks.errors import ForeignStoreError, MissingStoreError

REVISIONS = ("0001", "0002")
"""All revisions, the oldest first; a new one gets a module in `migrations/versions`."""

VERSION_TABLE = "store_revision"
_FOLDER = Path(__file__).with_name("migrations")
_LOCK = 0x6F667473  # any number that our processes agree on
_alembic_is_taken = threading.Lock()  # its context is one for the whole process
_version = Table(
    VERSION_TABLE, MetaData(), Column("version_num", String(32), primary_key=True, nullable=False)
)


def revision_of(connection: Connection) -> str | None:
    """Give the revision that a store is at; None for one that says nothing."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    return connection.execute(select(_version.c.version_num)).scalar_one_or_none()


def check_revision(connection: Connection, store: str) -> str | None:
    """Give the revision that a store is at; ForeignStoreError if it is newer than this program."""
    found = revision_of(connection)
    if found is not None and found not in REVISIONS:
        raise ForeignStoreError(
            store,
            f"a newer openfeature-triton made it (revision {found}; {REVISIONS[-1]} is known here)",
            "use that version, or a newer one",
        )
    return found


def require_current(connection: Connection, store: str) -> None:
    """Raise what keeps a reader from a store: it is newer than this program, or not migrated yet.

    One without a revision is left to whoever looks at its tables.
    """
    found = check_revision(connection, store)
    if found not in (None, REVISIONS[-1]):
        raise MissingStoreError(
            store,
            f"it is at revision {found}, and {REVISIONS[-1]} is wanted",
            "bring it up to date: store init",
        )


def migrate(connection: Connection, store: str) -> None:
    """Bring the tables up to date within the connection's transaction, all or nothing.

    ForeignStoreError if the store is newer than this program.
    """
    if connection.dialect.name == "postgresql":  # SQLite's transactions to write hold a lock
        connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _LOCK})
    if check_revision(connection, store) == REVISIONS[-1]:
        return
    present = set(inspect(connection).get_table_names())
    if present.isdisjoint({VERSION_TABLE, *tables.metadata.tables}):
        _make(connection)
    else:
        _upgrade(connection)


def _make(connection: Connection) -> None:
    """Make all tables as the newest revision has them."""
    tables.metadata.create_all(connection)
    _version.create(connection)
    connection.execute(insert(_version), {"version_num": REVISIONS[-1]})


def _upgrade(connection: Connection) -> None:
    # Imported here: a store that is up to date, as nearly all are, needs no Alembic.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    config.attributes["connection"] = connection
    with _alembic_is_taken:
        command.upgrade(config, "head")
