"""Where Alembic enters: it runs the revisions over the connection that `hooks.migration` gives."""

from alembic import context

from openfeature_triton.hooks.migration import VERSION_TABLE
from openfeature_triton.hooks.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    transactional_ddl=True,
)
context.run_migrations()
