"""Who asked for a turn, and in which trace: so that whoever takes it over says so too.

A release that does not know the columns leaves them empty, and its turns have no trace.
"""

from alembic import op

revision = "0003_trails"
down_revision = "0002_knowledge"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; without a default, which would write every row anew."""
    op.execute(
        "ALTER TABLE agent.turns ADD request_id text, ADD traceparent text, ADD tracestate text"
    )


def downgrade() -> None:
    """Forget them."""
    op.execute("ALTER TABLE agent.turns DROP request_id, DROP traceparent, DROP tracestate")
