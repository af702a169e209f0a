"""The line: where runs wait for their turn, and how many a tenant or a workflow may have at once.

A run that an engine takes up in the moment in which it begins never comes here. Any other run,
whether no engine had room, or its workflow's `concurrency` or its tenant's limit is reached or only
might be, gets a row in **line** instead of a task. An engine with room takes runs out of the line
and claims their tasks in one transaction: the tenant that has the fewest runs under way (divided by
its weight) comes first, of several the one whose turn it is (**turns**), and within a tenant the
highest priority, then the oldest run.

A run that came through the line (`runs.counted`) holds a row in **slots** exactly while it is
worked on: the transaction that takes it out of the line puts the row there, the one that ends,
cancels or parks it takes the row away. Who has how many is counted from these rows, never kept, so
an engine that dies cannot leak a slot: its runs keep theirs until another has ended them.

**tenants** says what differs for one tenant; the row without a name holds for all others. Engines
write that row from their settings when they start.

The version's own `concurrency` and `priority` stand beside its definition, as numbers.
"""

from alembic import op

revision = "0008_admission"
down_revision = "0007_questions"
branch_labels = None
depends_on = None

_TABLES = """
ALTER TABLE engine.versions
  ADD COLUMN concurrency integer CHECK (concurrency >= 1),
  ADD COLUMN priority smallint CHECK (priority BETWEEN 0 AND 9);
ALTER TABLE engine.runs ADD COLUMN counted boolean NOT NULL DEFAULT false;

CREATE TABLE engine.tenants (
  tenant_id  text    PRIMARY KEY,
  runs       integer CHECK (runs >= 1),                      -- worked on at once; null for no limit
  weight     real    NOT NULL DEFAULT 1 CHECK (weight > 0),  -- its share when there is no room
  keep_days  integer CHECK (keep_days >= 1),                 -- how long ended runs are kept
  keep_runs  integer CHECK (keep_runs >= 1)                  -- how many of them in each workflow
);
INSERT INTO engine.tenants (tenant_id) VALUES ('');

CREATE TABLE engine.line (
  run_id       text     PRIMARY KEY,
  tenant_id    text     NOT NULL,
  workflow_id  text     NOT NULL,
  concurrency  integer  NOT NULL,  -- of the version; the largest integer for no limit
  priority     smallint NOT NULL,
  since        timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX line_order ON engine.line
  (tenant_id, workflow_id, concurrency, priority DESC, run_id);

CREATE TABLE engine.turns (
  tenant_id  text PRIMARY KEY,
  turn       double precision NOT NULL
);
INSERT INTO engine.turns VALUES ('', 0);

CREATE TABLE engine.slots (
  run_id       text PRIMARY KEY,
  tenant_id    text NOT NULL,
  workflow_id  text NOT NULL
);
CREATE INDEX slots_used ON engine.slots (tenant_id, workflow_id);
"""

_RIGHTS = """
GRANT SELECT ON engine.tenants, engine.line, engine.slots, engine.turns TO flowloom_app;
GRANT SELECT, INSERT, UPDATE ON engine.tenants TO flowloom_worker;
GRANT SELECT, INSERT, DELETE, UPDATE ON engine.line, engine.slots, engine.turns TO flowloom_worker;
"""

_SECURITY = """
ALTER TABLE engine.{table} ENABLE ROW LEVEL SECURITY;
ALTER TABLE engine.{table} FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON engine.{table} TO flowloom_app
  USING (tenant_id = current_setting('flowloom.tenant_id', true));
CREATE POLICY engine ON engine.{table} TO flowloom_worker USING (true);
"""


def upgrade() -> None:
    """Create the tables and say who may do what."""
    op.execute(_TABLES)
    op.execute(_RIGHTS)
    for table in ("tenants", "line", "slots", "turns"):
        op.execute(_SECURITY.format(table=table))


def downgrade() -> None:
    """Drop the tables; runs that still wait in the line would begin never."""
    op.execute("DROP TABLE engine.turns, engine.slots, engine.line, engine.tenants")
    op.execute("ALTER TABLE engine.runs DROP COLUMN counted")
    op.execute("ALTER TABLE engine.versions DROP COLUMN concurrency, DROP COLUMN priority")
