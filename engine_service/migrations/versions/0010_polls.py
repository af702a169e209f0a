"""Triggers that look for something new themselves.

`next_poll_at` says when a source is looked at next. Whoever takes the row puts it off by a lease
first and looks without holding anything; what it found counts only if that very lease is still in
the row when the runs begin and the cursor moves, in one transaction. `cursor` is what the trigger's
kind needs to know what is new; nothing in it is secret.
"""

from alembic import op

revision = "0010_polls"
down_revision = "0009_usage"
branch_labels = None
depends_on = None

_COLUMNS = """
ALTER TABLE engine.triggers
  ADD COLUMN credentials    json        NOT NULL DEFAULT '{}',  -- references, by type
  ADD COLUMN next_poll_at   timestamptz,
  ADD COLUMN cursor         json,
  ADD COLUMN polled_at      timestamptz,                        -- the last time that it worked
  ADD COLUMN poll_failures  integer     NOT NULL DEFAULT 0,     -- in a row
  ADD COLUMN poll_error     text        NOT NULL DEFAULT '';
CREATE INDEX triggers_polled ON engine.triggers (next_poll_at) WHERE next_poll_at IS NOT NULL;
CREATE INDEX triggers_with_parameters ON engine.triggers (tenant_id) WHERE path LIKE '%/:%';
GRANT UPDATE (next_poll_at, cursor, polled_at, poll_failures, poll_error)
  ON engine.triggers TO flowloom_worker;
"""


def upgrade() -> None:
    """Give triggers what polling needs."""
    op.execute(_COLUMNS)


def downgrade() -> None:
    """Take it away again."""
    op.execute("DROP INDEX engine.triggers_with_parameters")
    op.execute(
        "ALTER TABLE engine.triggers DROP COLUMN credentials, DROP COLUMN next_poll_at,"
        " DROP COLUMN cursor, DROP COLUMN polled_at, DROP COLUMN poll_failures,"
        " DROP COLUMN poll_error"
    )
