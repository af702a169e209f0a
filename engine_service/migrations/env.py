"""Alembic's entry into the engine's migrations; shared/migration_env.py does the work."""

from shared import migration_env

migration_env.run()
