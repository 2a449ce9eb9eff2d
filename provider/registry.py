"""Registry: the services, in a table of SQLite or PostgreSQL, credentials encrypted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from sqlalchemy import (
    Connection,
    Row,
    create_engine,
    delete,
    event,
    insert,
    inspect,
    select,
    update,
)
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from openfeature_triton.provider.errors import (
    KeyringError,
    NotARegistryError,
    RegistryUnavailableError,
    ServiceExistsError,
    UnknownServiceError,
)
from openfeature_triton.provider.keyring import Keyring
from openfeature_triton.provider.migration import is_current, migrate, services
from openfeature_triton.provider.service import Service, check_service

_LIBPQ = ("postgresql+psycopg", "postgresql+psycopg2", "postgresql")
_POSTGRESQL_BOUNDS = {"connect_timeout": 5, "options": "-c lock_timeout=5000"}
"""How long its driver waits, unless the URL says so; SQLite is given as long."""

_FIRST = "check OFT_REGISTRY, or add a first service: openfeature-triton service add"


@dataclass(frozen=True, slots=True)
class Record:
    """A row as those see it who need no key: the service without its credential."""

    service: Service
    has_credential: bool


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a registry holds: the services, and what is wrong with the rows that are left out."""

    services: tuple[Service, ...]
    refused: tuple[KeyringError, ...]


def _parsed(url: str | SecretStr) -> URL | None:
    """Read a URL; None if it is none, so that no traceback's locals show what was given."""
    try:
        return make_url(url.get_secret_value() if isinstance(url, SecretStr) else url)
    except ArgumentError:
        return None


class Registry:
    """The table of services behind an SQLAlchemy URL.

    Methods raise the `RegistryError` tree and, where a credential is concerned, `KeyringError`;
    neither shows a credential, a key or a statement's parameters.
    """

    def __init__(self, url: str | SecretStr, keyring: Keyring) -> None:
        parsed = _parsed(url)
        if parsed is None:
            raise RegistryUnavailableError(
                "OFT_REGISTRY is not an SQLAlchemy URL — write e.g. sqlite:///registry.db"
            )
        self._url = parsed
        self.name = self._url.render_as_string(hide_password=True)
        self._keyring = keyring
        with _said_plainly(self.name):
            self._engine = create_engine(self._url, hide_parameters=True, **self._pooling())
        if self._url.get_backend_name() == "sqlite":
            event.listen(self._engine, "connect", _set_up_sqlite)

    def create_schema(self) -> None:
        """Make the table, or bring it up to date; nothing is written where it is.

        Raises NewerRegistryError where a newer version of this program made it.
        """
        if self.is_current():
            return
        with _said_plainly(self.name), self._writing() as connection:
            migrate(connection, self.name)

    def is_current(self) -> bool:
        """Whether the table is at the newest revision; NewerRegistryError if it is beyond it."""
        with _said_plainly(self.name), self._engine.connect() as connection:
            return is_current(connection, self.name)

    def require(self) -> None:
        """Raise NotARegistryError unless the table is there; creates nothing, not even a file."""
        self._require_file()
        with _said_plainly(self.name):
            found = inspect(self._engine).has_table(services.name)
        if not found:
            raise NotARegistryError(f"{self.name} holds no registry — {_FIRST}")

    def get(self, service_id: str) -> Service:
        """One service. Raises UnknownServiceError, KeyringError."""
        return self._service(self._row_of(service_id))

    def list(self) -> tuple[Service, ...]:
        """All services, ordered by task type and id. Raises KeyringError for the first it can't."""
        return tuple(self._service(row) for row in self._rows())

    def load(self) -> Loaded:
        """All services whose credentials open; one row's wrong key costs only that row.

        Raises KeyringError where no credential opens at all: then it is the key that is wrong.
        """
        services, refused = [], []
        for row in self._rows():
            try:
                services.append(self._service(row))
            except KeyringError as error:
                refused.append(error)
        if refused and not any(each.credential is not None for each in services):
            raise refused[0]
        return Loaded(tuple(services), tuple(refused))

    def record(self, service_id: str) -> Record:
        """One service without its credential; needs no key. Raises UnknownServiceError."""
        return _record(self._row_of(service_id))

    def records(self) -> tuple[Record, ...]:
        """All services without their credentials, ordered by task type and id; needs no key."""
        return tuple(_record(row) for row in self._rows())

    def verify(self, service_id: str | None = None) -> None:
        """Raise WrongKeyError where keys were given and a credential does not open with them."""
        if self._keyring.is_empty:
            return
        for row in self._rows() if service_id is None else [self._row_of(service_id)]:
            self._service(row)

    def add(self, service: Service, *, create_schema: bool = False) -> None:
        """Add a service. Raises ServiceExistsError, InvalidServiceError, KeyringError.

        With `create_schema`, the table is made first, but not for a service that is refused.
        """
        now = datetime.now(timezone.utc)
        values = {**self._row(service), "created_at": now, "updated_at": now}
        if create_schema:
            self.create_schema()
        self._require_file()
        try:
            with _said_plainly(self.name), self._engine.begin() as connection:
                connection.execute(insert(services).values(**values))
        except IntegrityError:
            raise ServiceExistsError(
                f"service {service.service_id!r} is in the registry already — "
                f"change it: openfeature-triton service set {service.service_id}"
            ) from None

    def update(self, service: Service, *, keep_credential: bool = False) -> None:
        """Replace a service. Raises UnknownServiceError, InvalidServiceError.

        With `keep_credential`, the stored one stays whatever `service` holds; no key is needed.
        """
        values = {**self._row(service), "updated_at": datetime.now(timezone.utc)}
        if keep_credential:
            del values["credential"]
        self._change(
            service.service_id,
            update(services).where(services.c.service_id == service.service_id).values(**values),
        )

    def remove(self, service_id: str) -> None:
        """Remove a service. Raises UnknownServiceError."""
        self._change(service_id, delete(services).where(services.c.service_id == service_id))

    def publish(self, service_id: str, *, published: bool = True) -> None:
        """Let experiments use a service, or no longer. Raises UnknownServiceError."""
        now = datetime.now(timezone.utc)
        statement = update(services).where(services.c.service_id == service_id)
        self._change(service_id, statement.values(published=published, updated_at=now))

    def rotate_keys(self) -> int:
        """Encrypt every credential anew, with the first key; gives how many there are.

        All in one transaction: readers see the old ones until it ends, and whatever cuts it off
        leaves them. Raises KeyringError for the first that no key opens.
        """
        self._require_file()
        has_one = select(services.c.service_id, services.c.credential).where(
            services.c.credential.is_not(None)
        )
        with _said_plainly(self.name), self._writing() as connection:
            rows = connection.execute(has_one.order_by("service_id").with_for_update()).all()
            for service_id, locked in rows:
                fresh = self._keyring.rotate(service_id, locked)
                changed = update(services).where(services.c.service_id == service_id)
                connection.execute(changed.values(credential=fresh))
        return len(rows)

    def put(self, wanted: Sequence[Service]) -> dict[str, str]:
        """Add services that are not there and change those that are, all or none.

        Credentials stay as they are; a new service has none. Gives `added`, `changed` or `same`
        by service id. Raises InvalidServiceError.
        """
        rows = {each.service_id: self._row(replace(each, credential=None)) for each in wanted}
        now = datetime.now(timezone.utc)
        done = {}
        with _said_plainly(self.name), self._writing() as connection:
            known = {row.service_id: row for row in connection.execute(select(services))}
            for service_id, row in rows.items():
                del row["credential"]
                before = known.get(service_id)
                if before is None:
                    new = {**row, "created_at": now, "updated_at": now}
                    connection.execute(insert(services).values(**new))
                elif any(getattr(before, name) != value for name, value in row.items()):
                    changed = update(services).where(services.c.service_id == service_id)
                    connection.execute(changed.values(**row, updated_at=now))
                else:
                    done[service_id] = "same"
                    continue
                done[service_id] = "added" if before is None else "changed"
        return done

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    def forget_connections(self) -> None:
        """Leave the connections to the parent process, after a fork."""
        self._engine.dispose(close=False)

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        """A transaction that reads before it writes, and that no other one writes into."""
        with self._engine.begin() as connection:
            if connection.dialect.name == "sqlite":
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield connection

    def _pooling(self) -> dict[str, Any]:
        """A file is opened for each use: a file that was put in its place is then seen."""
        if self._is_file():
            return {"poolclass": NullPool}
        bounds = _POSTGRESQL_BOUNDS if self._url.drivername in _LIBPQ else {}
        unsaid = {name: each for name, each in bounds.items() if name not in self._url.query}
        return {"pool_pre_ping": True, "connect_args": unsaid}

    def _is_file(self) -> bool:
        is_sqlite = self._url.get_backend_name() == "sqlite"
        return is_sqlite and self._url.database not in (None, "", ":memory:")

    def _require_file(self) -> None:
        """Raise NotARegistryError where there is no file; SQLite would make an empty one."""
        if self._is_file() and not Path(str(self._url.database)).exists():
            raise NotARegistryError(f"there is no registry {self.name} yet — {_FIRST}")

    def _rows(self) -> Sequence[Row[Any]]:
        self._require_file()
        query = select(services).order_by(services.c.task_type, services.c.service_id)
        with _said_plainly(self.name), self._engine.connect() as connection:
            return connection.execute(query).all()

    def _row_of(self, service_id: str) -> Row[Any]:
        self._require_file()
        query = select(services).where(services.c.service_id == service_id)
        with _said_plainly(self.name), self._engine.connect() as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            raise UnknownServiceError(service_id)
        return row

    def _change(self, service_id: str, statement: Any) -> None:
        self._require_file()
        with _said_plainly(self.name), self._engine.begin() as connection:
            changed = connection.execute(statement).rowcount
        if not changed:
            raise UnknownServiceError(service_id)

    def _row(self, service: Service) -> dict[str, Any]:
        check_service(service)
        credential = service.credential
        locked = None if credential is None else self._keyring.lock(service.service_id, credential)
        return {
            "service_id": service.service_id,
            "task_type": service.task_type,
            "protocol": service.protocol,
            "url": service.url,
            "model_name": service.model_name,
            "model_version": service.model_version,
            "credential_header": service.credential_header,
            "credential": locked,
            "published": service.published,
        }

    def _service(self, row: Row[Any]) -> Service:
        locked = row.credential
        return replace(
            _record(row).service,
            credential=None if locked is None else self._keyring.open(row.service_id, locked),
        )


def _record(row: Row[Any]) -> Record:
    service = Service(
        service_id=row.service_id,
        task_type=row.task_type,
        protocol=row.protocol,
        url=row.url,
        model_name=row.model_name,
        model_version=row.model_version,
        credential_header=row.credential_header,
        published=row.published,
    )
    return Record(service, has_credential=row.credential is not None)


@contextmanager
def _said_plainly(name: str) -> Iterator[None]:
    """Turn a database's exception into one that says what to do, without its parameters."""
    try:
        yield
    except IntegrityError:
        raise
    except DBAPIError as error:
        raise _plain(name, str(error.orig).strip().splitlines()[0:1]) from None
    except ImportError as error:
        raise RegistryUnavailableError(
            f"the registry {name} needs the driver {error.name!r} — "
            "install it, for PostgreSQL: pip install 'openfeature-triton[postgresql]'"
        ) from None
    except SQLAlchemyError as error:
        raise RegistryUnavailableError(
            f"the registry {name} can't be opened: {type(error).__name__} — check OFT_REGISTRY"
        ) from None


def _plain(name: str, said: list[str]) -> NotARegistryError | RegistryUnavailableError:
    problem = said[0] if said else "no reason given"
    if "not a database" in problem or "malformed" in problem:
        return NotARegistryError(
            f"{name} is not a database ({problem}) — check OFT_REGISTRY, or move the file away"
        )
    if "no such table" in problem or "does not exist" in problem or "no such column" in problem:
        return NotARegistryError(f"{name} holds no registry ({problem}) — {_FIRST}")
    return RegistryUnavailableError(
        f"the registry {name} can't be reached: {problem} — check OFT_REGISTRY and its server"
    )


def _set_up_sqlite(connection: Any, _: object) -> None:
    """Let readers and a writer work at once, and wait rather than fail when they meet."""
    try:
        connection.execute("PRAGMA busy_timeout = 5000").close()
        connection.execute("PRAGMA journal_mode = WAL").close()
    except Exception:
        connection.close()  # the pool has not heard of it yet
        raise
