"""Lists of a million runs in milliseconds, and runs that are deleted when their time is over.

A list names a mode and a status, or takes each of them in turn: twelve short walks along an index,
merged. So two indexes serve every filter, in place of three that served some. They sort ids as
bytes, which no other index does: so the planner cannot take one that it believes to be as good, and
walk through a million rows to find the few.

The worker may delete what has ended; store/retention.py says when.
"""

from alembic import op

revision = "0012_lists_and_retention"
down_revision = "0011_tables"
branch_labels = None
depends_on = None

_UPGRADE = """
CREATE INDEX runs_listed ON engine.runs (tenant_id, mode, status, id COLLATE "C");
CREATE INDEX runs_listed_of_workflow
  ON engine.runs (tenant_id, workflow_id, mode, status, id COLLATE "C");
DROP INDEX engine.runs_newest, engine.runs_of_workflow, engine.runs_unusual;
CREATE INDEX approvals_by_status ON engine.approvals (tenant_id, status, id);
GRANT DELETE ON engine.runs, engine.journal, engine.run_events, engine.signals, engine.approvals
  TO flowloom_worker;
"""
_DOWNGRADE = """
REVOKE DELETE ON engine.runs, engine.journal, engine.run_events, engine.signals, engine.approvals
  FROM flowloom_worker;
DROP INDEX engine.approvals_by_status, engine.runs_listed, engine.runs_listed_of_workflow;
CREATE INDEX runs_newest ON engine.runs (tenant_id, id);
CREATE INDEX runs_of_workflow ON engine.runs (tenant_id, workflow_id, id);
CREATE INDEX runs_unusual ON engine.runs (tenant_id, status, id) WHERE status <> 'completed';
"""


def upgrade() -> None:
    """Replace the indexes, and let the worker delete."""
    op.execute(_UPGRADE)


def downgrade() -> None:
    """Put the old indexes back."""
    op.execute(_DOWNGRADE)
