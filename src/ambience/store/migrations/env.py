"""What alembic runs: the steps between two revisions, inside the transaction of `Database.migrate`."""

from alembic import context

from ambience.store import schema

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=schema.metadata,
    render_as_batch=True,  # SQLite cannot alter a column: alembic copies the table instead
)
context.run_migrations()
