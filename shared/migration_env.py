"""What every Alembic env.py does: migrate on the connection that `upgrade` hands over."""

from alembic import context


def run() -> None:
    """Run the migrations inside the caller's transaction, with the version table in the schema."""
    attributes = context.config.attributes
    context.configure(
        connection=attributes["connection"], version_table_schema=attributes["schema"]
    )
    context.run_migrations()
