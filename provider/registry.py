"""Registry: the services, in a table of SQLite or PostgreSQL, credentials encrypted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from sqlalchemy import (
    Boolean,
    Column,
    DateTime,
    MetaData,
    Row,
    String,
    Table,
    create_engine,
    delete,
    event,
    insert,
    inspect,
    select,
    update,
)
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, SQLAlchemyError

from openfeature_triton.provider.errors import (
    NotARegistryError,
    RegistryUnavailableError,
    ServiceExistsError,
    UnknownServiceError,
)
from openfeature_triton.provider.keyring import Keyring
from openfeature_triton.provider.service import Service, check_service

_metadata = MetaData()
services = Table(
    "services",
    _metadata,
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

_FIRST = "check OFT_REGISTRY, or add a first service: openfeature-triton service add"


class Registry:
    """The table of services behind an SQLAlchemy URL.

    Methods raise the `RegistryError` tree and, where a credential is concerned, `KeyringError`;
    neither shows a credential, a key or a statement's parameters.
    """

    def __init__(self, url: str | SecretStr, keyring: Keyring) -> None:
        text = url.get_secret_value() if isinstance(url, SecretStr) else url
        try:
            self._url = make_url(text)
        except ArgumentError:
            raise RegistryUnavailableError(
                "OFT_REGISTRY is not an SQLAlchemy URL — write e.g. sqlite:///registry.db"
            ) from None
        self.name = self._url.render_as_string(hide_password=True)
        self._keyring = keyring
        with _said_plainly(self.name):
            self._engine = create_engine(self._url, hide_parameters=True, pool_pre_ping=True)
        if self._url.get_backend_name() == "sqlite":
            event.listen(self._engine, "connect", _set_up_sqlite)

    def create_schema(self) -> None:
        """Make the table if it is not there."""
        with _said_plainly(self.name):
            _metadata.create_all(self._engine)

    def require(self) -> None:
        """Raise NotARegistryError unless the table is there; creates nothing, not even a file."""
        database = self._url.database
        is_file = self._url.get_backend_name() == "sqlite" and database not in (
            None,
            "",
            ":memory:",
        )
        if is_file and not Path(str(database)).exists():
            raise NotARegistryError(f"there is no registry {self.name} yet — {_FIRST}")
        with _said_plainly(self.name):
            found = inspect(self._engine).has_table(services.name)
        if not found:
            raise NotARegistryError(f"{self.name} holds no registry — {_FIRST}")

    def get(self, service_id: str) -> Service:
        """One service. Raises UnknownServiceError."""
        query = select(services).where(services.c.service_id == service_id)
        with _said_plainly(self.name), self._engine.connect() as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            raise UnknownServiceError(service_id)
        return self._service(row)

    def list(self) -> tuple[Service, ...]:
        """All services, ordered by task type and id."""
        query = select(services).order_by(services.c.task_type, services.c.service_id)
        with _said_plainly(self.name), self._engine.connect() as connection:
            rows = connection.execute(query).all()
        return tuple(self._service(row) for row in rows)

    def add(self, service: Service) -> None:
        """Add a service. Raises ServiceExistsError, InvalidServiceError."""
        now = datetime.now(timezone.utc)
        values = {**self._row(service), "created_at": now, "updated_at": now}
        try:
            with _said_plainly(self.name), self._engine.begin() as connection:
                connection.execute(insert(services).values(**values))
        except IntegrityError:
            raise ServiceExistsError(
                f"service {service.service_id!r} is in the registry already — "
                f"change it: openfeature-triton service set {service.service_id}"
            ) from None

    def update(self, service: Service) -> None:
        """Replace a service. Raises UnknownServiceError, InvalidServiceError."""
        values = {**self._row(service), "updated_at": datetime.now(timezone.utc)}
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

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    def forget_connections(self) -> None:
        """Leave the connections to the parent process, after a fork."""
        self._engine.dispose(close=False)

    def _change(self, service_id: str, statement: Any) -> None:
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
        return Service(
            service_id=row.service_id,
            task_type=row.task_type,
            protocol=row.protocol,
            url=row.url,
            model_name=row.model_name,
            model_version=row.model_version,
            credential_header=row.credential_header,
            credential=None if locked is None else self._keyring.open(row.service_id, locked),
            published=row.published,
        )


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
