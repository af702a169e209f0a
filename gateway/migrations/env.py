"""Alembic's way in; the connection comes from `shared.migrations.upgrade`."""

from shared.migration_env import run

run()
