"""Migrations: a service's schema, brought to its latest revision by Alembic.

`python -m shared.migrations FOLDER SCHEMA` does it for the PostgreSQL in DATABASE_URL; a service
runs that when its schema is behind. `upgrade` is the same within a process.
"""

import asyncio
import os
import sys
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import OperationalError

from shared.database import latest_revision, sqlalchemy_url
from shared.errors import Unavailable

_CREATE_ROLES = """
DO $$
DECLARE
  wanted text;
BEGIN
  FOREACH wanted IN ARRAY ARRAY['flowloom_app', 'flowloom_worker', 'flowloom_issuer'] LOOP
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
      BEGIN
        EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
      EXCEPTION WHEN duplicate_object OR unique_violation THEN
        NULL;  -- another service was quicker
      END;
    END IF;
    BEGIN
      -- Since PostgreSQL 16 whoever creates a role is a member that may not become it.
      EXECUTE format('SET LOCAL ROLE %I', wanted);
      RESET ROLE;
    EXCEPTION WHEN insufficient_privilege THEN
      EXECUTE format('GRANT %I TO CURRENT_USER', wanted);
    END;
  END LOOP;
END $$
"""
_LOCK_KEY = 7_310_593_858_020_254_069  # "flowloom" as a number: one migration at a time
_PATIENCE_SECONDS = 60


async def upgrade(url: str, folder: Path, schema: str) -> None:
    """Bring a service's schema to its latest revision; safe for many processes at once.

    A schema that a later release has migrated is left as it is: whoever puts the former release
    back deploys on it.

    Args:
        url: `postgresql://` URL of the login that owns the schema.
        folder: The service's Alembic folder, with env.py and versions/.
        schema: The service's schema; it is created, and holds the version table.

    Raises:
        Unavailable: PostgreSQL did not answer.
    """
    try:
        await asyncio.to_thread(_upgrade, url, folder, schema)
    except OperationalError as error:
        raise Unavailable("The database is away for the moment.") from error


def _upgrade(url: str, folder: Path, schema: str) -> None:
    engine = create_engine(sqlalchemy_url(url), connect_args={"connect_timeout": 5})
    try:
        with engine.begin() as connection:
            connection.execute(text(f"SET LOCAL lock_timeout = '{_PATIENCE_SECONDS}s'"))
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK_KEY})
            connection.execute(text(_CREATE_ROLES))
            connection.execute(text(f'CREATE SCHEMA IF NOT EXISTS "{schema}"'))
            if _revision(connection, schema) > latest_revision(folder):
                return
            config = Config()
            config.set_main_option("script_location", str(folder))
            config.attributes.update(connection=connection, schema=schema)
            command.upgrade(config, "head")
    finally:
        engine.dispose()


def _revision(connection: Connection, schema: str) -> str:
    """What the schema is at; empty when it is new."""
    options = {"version_table_schema": schema}
    context = MigrationContext.configure(connection, opts=options)
    return context.get_current_revision() or ""


if __name__ == "__main__":
    _upgrade(os.environ["DATABASE_URL"], Path(sys.argv[1]), sys.argv[2])
