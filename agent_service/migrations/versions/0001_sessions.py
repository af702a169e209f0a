"""Sessions, turns, events, messages, and LangGraph's checkpoints.

A **session** is a conversation that leads to a workflow. What a person says begins a **turn**: a
row that some agent process holds under a lease until the turn has ended. Whatever happens in it is
appended to **session_events**, one sequence per session without gaps, which is the only thing that
streams are made of. **messages** holds what was said, for reading it again.

How a turn survives its process: the graph's state is a checkpoint after each step, and every event
of a step has a `key` that follows from the step's number. Whoever takes a turn over continues from
the checkpoint and publishes the same keys, so that nothing is missing and nothing is there twice.
The lease is also the fence: events and checkpoints are written in transactions that first lock the
turn's row and find their own lease on it.

The checkpoint tables are those of langgraph-checkpoint-postgres, from its own list of migrations,
with a tenant added that fills itself in; so its statements need not know of row-level security.

- `flowloom_app` acts for one caller and sees one tenant's rows.
- `flowloom_worker` finds turns whose lease has run out, across tenants, and takes them over.
"""

from alembic import op
from langgraph.checkpoint.postgres.base import MIGRATIONS

revision = "0001_sessions"
down_revision = None
branch_labels = None
depends_on = None

_TABLES = """
GRANT USAGE ON SCHEMA agent TO flowloom_app, flowloom_worker;

CREATE TABLE agent.sessions (
  id             text        PRIMARY KEY,
  tenant_id      text        NOT NULL CHECK (tenant_id <> ''),
  title          text        NOT NULL DEFAULT '',
  mode           text        NOT NULL CHECK (mode IN ('create', 'edit', 'copy')),
  status         text        NOT NULL CHECK (status IN ('idle', 'working', 'asking')),
  workflow_id    text,       -- the workflow it works on, once there is one
  source_id      text,       -- the workflow it was copied from
  last_sequence  bigint      NOT NULL DEFAULT 0,
  created_by     text        NOT NULL,
  created_at     timestamptz NOT NULL,
  updated_at     timestamptz NOT NULL,
  UNIQUE (id, tenant_id)
);
CREATE INDEX sessions_newest ON agent.sessions (tenant_id, id DESC);

CREATE TABLE agent.turns (
  id               text        PRIMARY KEY,
  tenant_id        text        NOT NULL,
  session_id       text        NOT NULL,
  status           text        NOT NULL CHECK (status IN ('running', 'ended')),
  outcome          text,
  request          jsonb       NOT NULL,  -- what was said, and how
  principal        jsonb       NOT NULL,  -- on whose behalf, also after a restart
  idempotency_key  text,
  first_sequence   bigint      NOT NULL,
  lease_owner      text        NOT NULL,
  lease_until      timestamptz NOT NULL,
  attempt          integer     NOT NULL DEFAULT 1,
  created_at       timestamptz NOT NULL,
  ended_at         timestamptz,
  FOREIGN KEY (session_id, tenant_id)
    REFERENCES agent.sessions (id, tenant_id) ON DELETE CASCADE,
  UNIQUE (session_id, idempotency_key)
);
CREATE UNIQUE INDEX turns_one_at_a_time ON agent.turns (session_id) WHERE status = 'running';
CREATE INDEX turns_leased ON agent.turns (lease_until) WHERE status = 'running';

CREATE TABLE agent.session_events (
  session_id  text        NOT NULL,
  sequence    bigint      NOT NULL,
  tenant_id   text        NOT NULL,
  turn_id     text        NOT NULL REFERENCES agent.turns (id) ON DELETE CASCADE,
  key         text        NOT NULL,  -- unique within the turn: a repeated step repeats its keys
  type        text        NOT NULL,
  data        json        NOT NULL,  -- not jsonb: definitions keep their order of keys
  created_at  timestamptz NOT NULL,
  PRIMARY KEY (session_id, sequence),
  UNIQUE (turn_id, key),
  FOREIGN KEY (session_id, tenant_id)
    REFERENCES agent.sessions (id, tenant_id) ON DELETE CASCADE
);

CREATE TABLE agent.messages (
  id          text        PRIMARY KEY,
  tenant_id   text        NOT NULL,
  session_id  text        NOT NULL,
  author      text        NOT NULL CHECK (author IN ('user', 'consultant')),
  text        text        NOT NULL,
  created_at  timestamptz NOT NULL,
  FOREIGN KEY (session_id, tenant_id)
    REFERENCES agent.sessions (id, tenant_id) ON DELETE CASCADE
);
CREATE INDEX messages_of_session ON agent.messages (session_id, id);
"""

_CHECKPOINT_TABLES = ("checkpoints", "checkpoint_blobs", "checkpoint_writes")
_CHECKPOINT_TENANT = """
ALTER TABLE agent.{table} ADD COLUMN tenant_id text NOT NULL
  DEFAULT current_setting('flowloom.tenant_id', true) CHECK (tenant_id <> '')
"""

_RIGHTS = """
GRANT SELECT, INSERT, UPDATE, DELETE ON agent.sessions TO flowloom_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON agent.turns TO flowloom_app;
GRANT SELECT, INSERT, DELETE ON agent.session_events, agent.messages TO flowloom_app;
GRANT SELECT, INSERT, UPDATE, DELETE
  ON agent.checkpoints, agent.checkpoint_blobs, agent.checkpoint_writes TO flowloom_app;

GRANT SELECT, UPDATE ON agent.turns TO flowloom_worker;
"""

_SECURITY = """
ALTER TABLE agent.{table} ENABLE ROW LEVEL SECURITY;
ALTER TABLE agent.{table} FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON agent.{table} TO flowloom_app
  USING (tenant_id = current_setting('flowloom.tenant_id', true));
"""


def upgrade() -> None:
    """Create the tables and say who may do what."""
    op.execute(_TABLES)
    op.execute("SET LOCAL search_path TO agent")
    for version, statement in enumerate(MIGRATIONS):
        # A concurrent index build cannot be part of a transaction, and the table is empty.
        op.execute(statement.replace("CONCURRENTLY ", ""))
        op.execute(f"INSERT INTO checkpoint_migrations (v) VALUES ({version})")
    op.execute("SET LOCAL search_path TO DEFAULT")
    for table in _CHECKPOINT_TABLES:
        op.execute(_CHECKPOINT_TENANT.format(table=table))
    op.execute(_RIGHTS)
    for table in ("sessions", "turns", "session_events", "messages", *_CHECKPOINT_TABLES):
        op.execute(_SECURITY.format(table=table))
    op.execute("CREATE POLICY worker ON agent.turns TO flowloom_worker USING (true)")


def downgrade() -> None:
    """Drop the tables and everything in them."""
    op.execute("DROP TABLE agent.messages, agent.session_events, agent.turns, agent.sessions")
    op.execute(
        "DROP TABLE agent.checkpoints, agent.checkpoint_blobs, agent.checkpoint_writes, "
        "agent.checkpoint_migrations"
    )
