"""Alembic's way in; the connection comes from `shared.database.migrate`."""

from shared.migration_env import run

run()
