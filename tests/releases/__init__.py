"""Databases as earlier releases made them: their statements, frozen, with some rows.

And what tests of both `migration` modules, the store's and the registry's, do alike.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from types import ModuleType

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, MetaData, create_engine, inspect, select, table, text, update
from sqlalchemy.pool import NullPool

KEY = "dGhlIGtleSBvZiByZWxlYXNlIDAuMS4wLCBhIHRlc3Q="
"""Opens the registry's one credential, `sentinel-credential`."""


def restore(url: str, name: str, release: str = "0.1.0") -> None:
    """Make `store` or `registry` in an empty database as a release left it."""
    engine = create_engine(url, poolclass=NullPool)
    script = Path(__file__).with_name(f"{name}_{release}.{engine.dialect.name}.sql")
    with engine.begin() as connection:
        for statement in script.read_text(encoding="utf-8").split(";\n"):
            if statement.strip():
                connection.exec_driver_sql(statement)
    engine.dispose()


def revisions_in_folder(migration: ModuleType) -> tuple[str, ...]:
    """The revisions that Alembic finds, the oldest first."""
    config = Config()
    config.set_main_option("script_location", str(migration._FOLDER))
    found = ScriptDirectory.from_config(config).walk_revisions()
    return tuple(reversed([each.revision for each in found]))


def add_revision(
    monkeypatch: pytest.MonkeyPatch, migration: ModuleType, folder: Path, *statements: str
) -> None:
    """Let this program know the revision 9999 too, which does these statements."""
    shutil.copytree(migration._FOLDER, folder)
    lines = [
        "from alembic import op",
        "revision = '9999'",
        f"down_revision = {migration.REVISIONS[-1]!r}",
        "def upgrade():",
        *(f"    op.execute({statement!r})" for statement in statements),
    ]
    (folder / "versions" / "revision_9999.py").write_text("\n".join(lines), encoding="utf-8")
    monkeypatch.setattr(migration, "_FOLDER", folder)
    monkeypatch.setattr(migration, "REVISIONS", (*migration.REVISIONS, "9999"))


def held(engine: Engine) -> dict[str, list[tuple[object, ...]]]:
    """All rows of all tables."""
    with engine.connect() as connection:
        selects = {
            name: select(text("*")).select_from(table(name))
            for name in inspect(connection).get_table_names()
        }
        return {
            name: sorted(map(tuple, connection.execute(each))) for name, each in selects.items()
        }


def revision(engine: Engine, migration: ModuleType) -> str | None:
    """Where a database says that it is."""
    with engine.connect() as connection:
        found: str | None = migration.revision_of(connection)
    return found


def make_newer(engine: Engine, migration: ModuleType) -> None:
    """Let a database say that a program of the future made it."""
    with engine.begin() as connection:
        connection.execute(update(migration._version).values(version_num="9999"))


def differences(engine: Engine, metadata: MetaData) -> list[object]:
    """What sets the tables of the database apart from these, but for the one of the revision."""
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        found: list[object] = compare_metadata(context, metadata)
    return [each for each in found if "_revision" not in repr(each)]
