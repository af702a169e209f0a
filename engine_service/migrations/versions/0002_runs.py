"""Runs, their journal, their history, what they wait for, and the queue that dispatches them.

The story of a run. A **run** row is one execution of one version of a workflow; it is created
together with its first event and with an Absurd **task** that carries nothing but the run's id.
Some engine claims the task: a lease of a few seconds on a row of `absurd.r_flowloom`. From then on
everything the run does reaches PostgreSQL in transactions that check that lease and lock the run
row, so a process that was wrongly believed dead writes nothing.

What a run remembers is its **journal**: what each execution of each node came to, keyed by what it
is (run, node, iteration of the surrounding loops, attempt) and of which kind:

    started   an effect is about to happen; written before it does
    finished  the results, by port
    failed    a try that did not work; `detail` says why, and when it is tried again
    waiting   the node needs time, a person or a callback

From the journal alone any engine can take the run over: what is not there is computed again, and
what was started without ending is repeated or asked about, as the node's type says.

What a run tells is its **history**, `run_events`: one sequence per run, without gaps. A row packs
the events of one transaction and is named by the last of them, so `sequence > n` finds exactly the
rows that hold something newer than n.

When nothing can be done before an answer or a moment comes, the run **parks**: the Absurd task
sleeps on `wake_event` with the earliest timer as its time-out, and no process holds anything. A
node that somebody outside may answer has a row in **waits**. Who answers locks the run, takes the
row away, leaves the answer in **signals** and emits the wake event, all in one transaction; so the
first answer wins, a second finds no row, and none is accepted and then forgotten. An **approval**
is a wait with a question for a person.

Locks are taken in one order everywhere: run rows by id, then Absurd's rows.

Rights follow 0001: `flowloom_app` sees the tenant that the transaction names and can do no more
than read and answer; `flowloom_worker` starts, runs and ends. Absurd's tables are the worker's
alone; an answer reaches them through `engine.emit_wake`. Text that people or nodes wrote is `json`,
not `jsonb`, which would reorder keys and refuse NUL.
"""

from absurdctl import BUNDLED_SCHEMA_SQL
from alembic import op

revision = "0002_runs"
down_revision = "0001_workflows"
branch_labels = None
depends_on = None

_TABLES = """
CREATE TABLE engine.runs (
  id               text        PRIMARY KEY,
  tenant_id        text        NOT NULL CHECK (tenant_id <> ''),
  workflow_id      text        NOT NULL,  -- no foreign key: its lock would queue up all starts
  version          integer     NOT NULL,
  mode             text        NOT NULL CHECK (mode IN ('live', 'test')),
  trigger          text        NOT NULL,  -- a trigger type, or 'api'
  trigger_node_id  text        NOT NULL,  -- where the run begins
  trigger_id       text,                  -- the live trigger that began it, if one did
  input            json        NOT NULL,
  idempotency_key  text,
  retry_of         text,
  status           text        NOT NULL DEFAULT 'queued' CHECK (
    status IN ('queued', 'running', 'waiting', 'completed', 'failed', 'cancelled')),
  output           json,
  response         json,                  -- what a responding node answers: status, headers, body
  error            json,                  -- code, message, node_id
  last_sequence    bigint      NOT NULL DEFAULT 1,
  wake_event       text,                  -- what the parked run sleeps on
  created_at       timestamptz NOT NULL,
  started_at       timestamptz,
  ended_at         timestamptz
) WITH (fillfactor = 70);
CREATE UNIQUE INDEX runs_idempotency ON engine.runs (tenant_id, idempotency_key)
  WHERE idempotency_key IS NOT NULL;
CREATE INDEX runs_newest ON engine.runs (tenant_id, id);
CREATE INDEX runs_of_workflow ON engine.runs (tenant_id, workflow_id, id);
CREATE INDEX runs_unusual ON engine.runs (tenant_id, status, id) WHERE status <> 'completed';

CREATE TABLE engine.journal (
  run_id      text        NOT NULL,
  node_id     text        NOT NULL,
  iteration   text        NOT NULL,
  attempt     integer     NOT NULL,
  kind        text        NOT NULL CHECK (kind IN ('started', 'finished', 'failed', 'waiting')),
  tenant_id   text        NOT NULL,
  started_at  timestamptz NOT NULL,
  at          timestamptz NOT NULL,
  outputs     json,
  detail      json,
  PRIMARY KEY (run_id, node_id, iteration, attempt, kind)
);

CREATE TABLE engine.run_events (
  run_id     text     NOT NULL,
  sequence   bigint   NOT NULL,  -- of the last event in the row
  tenant_id  text     NOT NULL,
  events     json     NOT NULL,  -- [{"type", "at", "data"}, ...], never empty
  PRIMARY KEY (run_id, sequence)
);

CREATE TABLE engine.waits (
  run_id     text        NOT NULL,
  node_id    text        NOT NULL,
  iteration  text        NOT NULL,
  attempt    integer     NOT NULL,
  tenant_id  text        NOT NULL,
  PRIMARY KEY (run_id, node_id, iteration)
);

CREATE TABLE engine.signals (
  run_id      text        NOT NULL,
  node_id     text        NOT NULL,
  iteration   text        NOT NULL,
  attempt     integer     NOT NULL,
  tenant_id   text        NOT NULL,
  answer      json        NOT NULL,
  created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (run_id, node_id, iteration, attempt)
);

CREATE TABLE engine.approvals (
  id           text        PRIMARY KEY,
  tenant_id    text        NOT NULL,
  run_id       text        NOT NULL,
  workflow_id  text        NOT NULL,
  node_id      text        NOT NULL,
  iteration    text        NOT NULL,
  title        text        NOT NULL,
  message      text        NOT NULL,
  approvers    text[]      NOT NULL,  -- e-mail addresses or user ids; anyone when empty
  form_schema  json,
  status       text        NOT NULL DEFAULT 'pending' CHECK (
    status IN ('pending', 'approved', 'rejected', 'expired', 'cancelled')),
  answered_by  text        NOT NULL DEFAULT '',
  comment      text        NOT NULL DEFAULT '',
  form         json,
  created_at   timestamptz NOT NULL,
  answered_at  timestamptz,
  expires_at   timestamptz
);
CREATE INDEX approvals_newest ON engine.approvals (tenant_id, id);
CREATE INDEX approvals_of_run ON engine.approvals (run_id);
"""

_QUEUE = """
SELECT absurd.create_queue('flowloom');
GRANT USAGE ON SCHEMA absurd TO flowloom_worker;
GRANT SELECT ON absurd.queues TO flowloom_worker;
GRANT SELECT, INSERT, UPDATE, DELETE ON absurd.t_flowloom, absurd.r_flowloom, absurd.c_flowloom,
  absurd.e_flowloom, absurd.w_flowloom TO flowloom_worker;

-- The one thing a tenant's transaction may do to the queue: wake a parked run.
CREATE FUNCTION engine.emit_wake(p_event text) RETURNS void
  LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog
  AS $$ SELECT absurd.emit_event('flowloom', p_event, NULL) $$;
REVOKE ALL ON FUNCTION engine.emit_wake(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION engine.emit_wake(text) TO flowloom_app, flowloom_worker;
"""

_RIGHTS = """
GRANT SELECT ON engine.runs, engine.journal, engine.run_events, engine.waits, engine.signals,
  engine.approvals TO flowloom_app, flowloom_worker;

GRANT UPDATE (wake_event) ON engine.runs TO flowloom_app;  -- locking a row needs some such right
GRANT DELETE ON engine.waits TO flowloom_app;
GRANT INSERT ON engine.signals TO flowloom_app;
GRANT UPDATE (status, answered_by, comment, form, answered_at) ON engine.approvals TO flowloom_app;

GRANT INSERT, UPDATE ON engine.runs TO flowloom_worker;
GRANT INSERT ON engine.journal, engine.run_events TO flowloom_worker;
GRANT INSERT, DELETE ON engine.waits TO flowloom_worker;
GRANT INSERT ON engine.signals TO flowloom_worker;
GRANT INSERT, UPDATE (status, answered_at) ON engine.approvals TO flowloom_worker;
"""

_SECURITY = """
ALTER TABLE engine.{table} ENABLE ROW LEVEL SECURITY;
ALTER TABLE engine.{table} FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON engine.{table} TO flowloom_app
  USING (tenant_id = current_setting('flowloom.tenant_id', true));
CREATE POLICY engine ON engine.{table} TO flowloom_worker USING (true);
"""


def upgrade() -> None:
    """Install Absurd's schema, create the tables and say who may do what."""
    # Sent as it is: its text holds what SQLAlchemy would take for parameters.
    connection = op.get_bind().execution_options(no_parameters=True)
    connection.exec_driver_sql(BUNDLED_SCHEMA_SQL)
    op.execute(_TABLES)
    op.execute(_QUEUE)
    op.execute(_RIGHTS)
    for table in ("runs", "journal", "run_events", "waits", "signals", "approvals"):
        op.execute(_SECURITY.format(table=table))


def downgrade() -> None:
    """Drop the tables and Absurd with everything in them."""
    op.execute("DROP FUNCTION engine.emit_wake(text)")
    op.execute(
        "DROP TABLE engine.runs, engine.journal, engine.run_events, engine.waits, engine.signals,"
        " engine.approvals"
    )
    op.execute("DROP SCHEMA absurd CASCADE")
