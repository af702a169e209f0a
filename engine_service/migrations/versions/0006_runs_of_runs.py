"""Runs that other runs begin: sub-workflows, error workflows, and runs from a node on.

A run with a **parent** was begun by one of its nodes. When that node waits for it, the child names
the attempt that does (`parent_attempt`; 0 when nobody waits), and the transaction that ends the
last of a node's children takes the node's wait away, leaves their results as its answer and wakes
the parent, just as a person's answer would. Nobody outside may answer such a wait: its row says
`children`.

`error_of` names the failed run that a run is about; its own children inherit it, and what it names
begins no error workflow again. `rerun_from` names the node from which a run repeats `retry_of`.
`definition` is that of a run whose workflow is stored nowhere, because its caller wrote it out.
"""

from alembic import op

revision = "0006_runs_of_runs"
down_revision = "0005_blobs"
branch_labels = None
depends_on = None

_COLUMNS = (
    "parent_run_id text",
    "parent_node_id text",
    "parent_iteration text",
    "parent_attempt integer",
    "parent_index integer",
    "depth integer NOT NULL DEFAULT 0",
    "error_of text",
    "rerun_from text",
    "definition json",
)


def upgrade() -> None:
    """Say where runs come from."""
    for column in _COLUMNS:
        op.execute(f"ALTER TABLE engine.runs ADD COLUMN {column}")
    op.execute("ALTER TABLE engine.waits ADD COLUMN children boolean NOT NULL DEFAULT false")
    op.execute("""
CREATE INDEX runs_of_parent ON engine.runs (parent_run_id, parent_node_id, parent_iteration)
  WHERE parent_run_id IS NOT NULL
""")
    op.execute("""
CREATE INDEX runs_open_of_parent ON engine.runs (parent_run_id, parent_node_id, parent_iteration)
  WHERE parent_run_id IS NOT NULL AND ended_at IS NULL
""")


def downgrade() -> None:
    """Forget where they come from."""
    op.execute("DROP INDEX engine.runs_of_parent, engine.runs_open_of_parent")
    op.execute("ALTER TABLE engine.waits DROP COLUMN children")
    for column in _COLUMNS:
        op.execute(f"ALTER TABLE engine.runs DROP COLUMN {column.split()[0]}")
