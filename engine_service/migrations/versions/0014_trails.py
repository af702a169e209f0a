"""Who asked for a run, and in which trace: so that whichever engine works on it says so too.

A release that does not know the columns leaves them empty, and its runs have no trace.
"""

from alembic import op

revision = "0014_trails"
down_revision = "0013_memory"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; without a default, which would write every row anew."""
    op.execute(
        "ALTER TABLE engine.runs ADD request_id text, ADD traceparent text, ADD tracestate text"
    )


def downgrade() -> None:
    """Forget them."""
    op.execute("ALTER TABLE engine.runs DROP request_id, DROP traceparent, DROP tracestate")
