"""Questions to several people: what each said, what was handed over, and how they are told.

An **approval** is decided by its **answers**, one a person at most. Whoever answers locks the run
first, so that of two answers at once the second counts with the first in sight, and the one that
decides is the one that wakes. A **delegation** says who was to answer before.

A **notice** tells one person of one question, and reminds them: it is due at a moment, goes out,
and is due again as long as there are reminders left and there is something to answer. Any engine
may take what is due, as with clock triggers; PostgreSQL hints at new ones.

Rights follow 0002. The tenant answers and hands over; what goes out and when is the worker's.
"""

from alembic import op

revision = "0007_questions"
down_revision = "0006_runs_of_runs"
branch_labels = None
depends_on = None

_STATUSES = "'pending', 'approved', 'rejected', 'expired', 'cancelled'"

_COLUMNS = f"""
ALTER TABLE engine.approvals
  ADD COLUMN kind text NOT NULL DEFAULT 'approval' CHECK (kind IN ('approval', 'form')),
  ADD COLUMN quorum integer NOT NULL DEFAULT 1 CHECK (quorum >= 1),
  ADD COLUMN first_rejection_decides boolean NOT NULL DEFAULT true,
  DROP CONSTRAINT approvals_status_check,
  ADD CONSTRAINT approvals_status_check CHECK (status IN ({_STATUSES}, 'submitted'));
"""

_TABLES = """
CREATE TABLE engine.approval_answers (
  approval_id  text        NOT NULL REFERENCES engine.approvals (id) ON DELETE CASCADE,
  approver     text        NOT NULL,  -- in lower case: nobody answers twice
  tenant_id    text        NOT NULL,
  answered_by  text        NOT NULL,
  decision     text        NOT NULL CHECK (decision IN ('approve', 'reject', 'submit')),
  comment      text        NOT NULL,
  form         json,
  channel      text        NOT NULL CHECK (channel IN ('api', 'link')),
  answered_at  timestamptz NOT NULL,
  PRIMARY KEY (approval_id, approver)
);

CREATE TABLE engine.approval_delegations (
  approval_id   text        NOT NULL REFERENCES engine.approvals (id) ON DELETE CASCADE,
  approver      text        NOT NULL,
  delegate      text        NOT NULL,
  tenant_id     text        NOT NULL,
  delegated_by  text        NOT NULL,
  comment       text        NOT NULL,
  delegated_at  timestamptz NOT NULL,
  PRIMARY KEY (approval_id, approver, delegated_at)
);

CREATE TABLE engine.notices (
  id             text        PRIMARY KEY,
  tenant_id      text        NOT NULL,
  approval_id    text        NOT NULL REFERENCES engine.approvals (id) ON DELETE CASCADE,
  approver       text        NOT NULL,
  channel        text        NOT NULL CHECK (channel IN ('email', 'slack')),
  recipient      text        NOT NULL,
  credentials    json        NOT NULL,  -- references only, as the node has them
  due_at         timestamptz,           -- null when nothing is to go out any more
  every_seconds  double precision,      -- between reminders
  reminders      integer     NOT NULL,  -- that are left
  sent           integer     NOT NULL DEFAULT 0,
  failures       integer     NOT NULL DEFAULT 0,  -- since it last went out
  error          text        NOT NULL DEFAULT '',
  sent_at        timestamptz
);
CREATE INDEX notices_of_approval ON engine.notices (approval_id);
CREATE INDEX notices_due ON engine.notices (due_at) WHERE due_at IS NOT NULL;

CREATE FUNCTION engine.hint_at_notices() RETURNS trigger LANGUAGE plpgsql
  AS $$ BEGIN PERFORM pg_notify('flowloom_notices', ''); RETURN NULL; END $$;
CREATE TRIGGER hint AFTER INSERT ON engine.notices
  FOR EACH ROW EXECUTE FUNCTION engine.hint_at_notices();
"""

_RIGHTS = """
GRANT SELECT ON engine.approval_answers, engine.approval_delegations, engine.notices
  TO flowloom_app, flowloom_worker;
GRANT INSERT ON engine.approval_answers, engine.approval_delegations, engine.notices
  TO flowloom_app;
GRANT UPDATE (approvers) ON engine.approvals TO flowloom_app;
GRANT UPDATE (due_at) ON engine.notices TO flowloom_app;
GRANT INSERT, UPDATE ON engine.notices TO flowloom_worker;
"""

_SECURITY = """
ALTER TABLE engine.{table} ENABLE ROW LEVEL SECURITY;
ALTER TABLE engine.{table} FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON engine.{table} TO flowloom_app
  USING (tenant_id = current_setting('flowloom.tenant_id', true))
  WITH CHECK (
    tenant_id = current_setting('flowloom.tenant_id', true)
    AND EXISTS (SELECT FROM engine.approvals a WHERE a.id = approval_id)
  );
CREATE POLICY engine ON engine.{table} TO flowloom_worker USING (true);
"""


def upgrade() -> None:
    """Add what an approval is decided by, and how people are told."""
    op.execute(_COLUMNS)
    op.execute(_TABLES)
    op.execute(_RIGHTS)
    for table in ("approval_answers", "approval_delegations", "notices"):
        op.execute(_SECURITY.format(table=table))


def downgrade() -> None:
    """Drop the tables; forms that were submitted count as approved."""
    op.execute("DROP TABLE engine.notices, engine.approval_delegations, engine.approval_answers")
    op.execute("DROP FUNCTION engine.hint_at_notices()")
    op.execute("REVOKE UPDATE (approvers) ON engine.approvals FROM flowloom_app")
    op.execute("UPDATE engine.approvals SET status = 'approved' WHERE status = 'submitted'")
    op.execute(f"""
ALTER TABLE engine.approvals
  DROP COLUMN kind, DROP COLUMN quorum, DROP COLUMN first_rejection_decides,
  DROP CONSTRAINT approvals_status_check,
  ADD CONSTRAINT approvals_status_check CHECK (status IN ({_STATUSES}))
""")
