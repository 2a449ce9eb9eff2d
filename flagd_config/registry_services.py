"""The registry as `lint` and `explain` need it: where services are, never their credentials."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


class RegistryUnreadableError(Exception):
    """The registry cannot be read; says why, without its URL, which may hold a password."""


@dataclass(frozen=True, slots=True)
class KnownService:
    """A service of the registry without its credential."""

    service_id: str
    task_type: str
    published: bool
    protocol: str
    url: str
    model_name: str
    model_version: str


_COLUMNS = ("service_id", "task_type", "published", "protocol", "url", "model_name")


def read_services(url: str) -> Mapping[str, KnownService]:
    """Read the services of a registry, an SQLAlchemy URL. Raises RegistryUnreadableError."""
    # Imported here: without a registry nobody waits for it.
    from sqlalchemy import column, create_engine, select, table  # noqa: PLC0415
    from sqlalchemy.engine import make_url  # noqa: PLC0415
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415
    from sqlalchemy.pool import NullPool  # noqa: PLC0415

    wanted: list[Any] = [column(name) for name in (*_COLUMNS, "model_version")]
    try:
        parsed = make_url(url)
        _demand_file(parsed.get_backend_name(), parsed.database)
        engine = create_engine(parsed, hide_parameters=True, poolclass=NullPool)
        with engine.connect() as connection:
            rows = connection.execute(select(*wanted).select_from(table("services"))).mappings()
            found = [KnownService(**{**row, "published": bool(row["published"])}) for row in rows]
    except (SQLAlchemyError, ImportError, ValueError) as error:
        cause = " ".join(str(getattr(error, "orig", None) or type(error).__name__).split())
        raise RegistryUnreadableError(
            f"the registry cannot be read ({cause}) — check OFT_REGISTRY or --registry"
        ) from None
    return {each.service_id: each for each in found}


def _demand_file(backend: str, database: str | None) -> None:
    """SQLite would make an empty file of a mistyped name."""
    from pathlib import Path  # noqa: PLC0415

    is_file = backend == "sqlite" and database not in (None, "", ":memory:")
    if is_file and not Path(str(database)).is_file():
        raise RegistryUnreadableError(
            f"there is no registry {str(database)!r} — check OFT_REGISTRY or --registry"
        )
