"""SQL engine: opens a store's database, and gives each of its errors one of our names."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from sqlalchemy import Connection, Engine, create_engine, event, inspect, make_url
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, DatabaseError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from openfeature_triton.hooks import tables
from openfeature_triton.hooks.errors import (
    ForeignStoreError,
    MissingStoreError,
    NotADatabaseError,
    StoreUnavailableError,
    StoreUrlError,
)
from openfeature_triton.hooks.migration import require_current

BUSY_TIMEOUT_S = 5.0
"""How long a statement waits while another process writes to the same SQLite file."""

_NOT_A_DATABASE = ("file is not a database", "malformed", "unsupported file format")
_EXAMPLE = "use sqlite:///store.db or postgresql+psycopg://user@host/name"


def store_url(url: str | SecretStr) -> URL:
    """Read a store's URL; a SQLite file's path is made absolute, as a process may change folders.

    StoreUrlError if it is none, or not of SQLite or PostgreSQL.
    """
    text = url.get_secret_value() if isinstance(url, SecretStr) else url
    try:
        parsed = make_url(text)
        backend = parsed.get_backend_name()
    except (ArgumentError, ValueError) as error:
        raise StoreUrlError("the store", "its URL can't be read", _EXAMPLE) from error
    if backend not in ("sqlite", "postgresql"):
        raise StoreUrlError(shown(parsed), f"{backend} can't be a store", _EXAMPLE)
    if backend == "postgresql":
        return parsed
    if not parsed.database or parsed.database.startswith((":memory:", "file:")):
        raise StoreUrlError(shown(parsed), "it names no file that others could open", _EXAMPLE)
    return parsed.set(database=str(Path(parsed.database).absolute()))


def shown(url: URL) -> str:
    """Give a URL as it may be shown: without its password."""
    return url.render_as_string(hide_password=True)


def open_to_write(url: URL) -> Engine:
    """Make an engine whose transactions write; on SQLite each takes the write lock at once."""
    engine = _engine(url)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_to_write)
        event.listen(engine, "begin", _begin_immediate)
    return engine


def open_to_read(url: URL) -> Engine:
    """Make an engine that changes nothing and creates no file.

    MissingStoreError if the file of a SQLite store is not there.
    """
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").is_file():
        raise MissingStoreError(
            shown(url), "there is no such file", "name the store, or make one: store init"
        )
    engine = _engine(url)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_to_read)
    return engine


def check_tables(connection: Connection, url: URL) -> None:
    """See whether the tables are all there, ours, and of the revision that this program knows.

    ForeignStoreError or MissingStoreError if not.
    """
    inspector = inspect(connection)
    present = set(inspector.get_table_names())
    require_current(connection, shown(url))
    ours = tables.metadata.sorted_tables
    for table in ours:
        if table.name in present:
            columns = {column["name"] for column in inspector.get_columns(table.name)}
            if not columns >= set(table.columns.keys()):
                raise ForeignStoreError(
                    shown(url),
                    f"its table {table.name!r} was not made by openfeature-triton",
                    "give the store a database of its own",
                )
    missing = [table.name for table in ours if table.name not in present]
    if missing:
        raise MissingStoreError(
            shown(url), f"it has no table {missing[0]!r}", "make the store: store init"
        )


@contextmanager
def store_errors(url: URL) -> Iterator[None]:
    """Raise what goes wrong with a database as a StoreError."""
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error) as error:
        message = str(getattr(error, "orig", error)).strip().split("\n", 1)[0]
        if isinstance(error, DatabaseError | sqlite3.Error) and any(
            sign in message for sign in _NOT_A_DATABASE
        ):
            raise NotADatabaseError(
                shown(url),
                "the file holds something else than a database, or a damaged one",
                "name another file; this one was left as it is",
            ) from error
        raise StoreUnavailableError(
            shown(url), message, "check that it can be reached and written to"
        ) from error


def _engine(url: URL) -> Engine:
    options: dict[str, Any] = {"pool_size": 1, "pool_pre_ping": True}
    if url.get_backend_name() == "sqlite":
        # A connection for each transaction: none is ever carried through a fork.
        options = {"poolclass": NullPool, "connect_args": {"timeout": BUSY_TIMEOUT_S}}
    try:
        return create_engine(url, hide_parameters=True, **options)
    except ModuleNotFoundError as error:
        raise StoreUrlError(
            shown(url), f"its driver {error.name!r} is missing", f"pip install {error.name}"
        ) from error
    except (NoSuchModuleError, ArgumentError) as error:
        raise StoreUrlError(shown(url), "no driver is known for it", _EXAMPLE) from error


def _prepare_to_write(connection: Any, _: object) -> None:
    connection.isolation_level = None  # so that `_begin_immediate` alone begins transactions
    if connection.execute("PRAGMA journal_mode").fetchone() != ("wal",):
        _switch_to_wal(connection)
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute("PRAGMA foreign_keys=ON")


def _switch_to_wal(connection: Any) -> None:
    try:
        connection.execute("PRAGMA journal_mode=WAL")
    except sqlite3.OperationalError as error:
        if "locked" not in str(error):  # another process is switching it, or will
            raise


def _begin_immediate(connection: Connection) -> None:
    # A transaction that begins by reading and then wants to write fails at once, without waiting,
    # if another one wrote in between (sqlite.org/lang_transaction.html, 2.2).
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _prepare_to_read(connection: Any, _: object) -> None:
    connection.execute("PRAGMA query_only=ON")
