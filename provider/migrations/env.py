"""Where Alembic enters: it runs the revisions over the connection `provider.migration` gives."""

from alembic import context

from openfeature_triton.provider.migration import VERSION_TABLE, metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    transactional_ddl=True,
)
context.run_migrations()
