"""Workflows, their versions and their live triggers.

The story of the engine's tables begins with a **workflow**: a name and a row of **versions**. A
version is a definition that never changes again; its digest names its content, so that saving what
is already there makes no new version. `latest_version` is the newest, `active_version` the one
whose triggers are live.

A **trigger** row exists exactly while a trigger is live: activating a workflow inserts the rows,
deactivating deletes them, and a run that a trigger begins is refused by the database once its row
is gone. A clock trigger's row says when it is due; a webhook's says on which path it listens.

Who may do what is settled here, not in code:
- `flowloom_app` acts for one caller. Row-level security shows it the rows of the tenant that the
  transaction names in `flowloom.tenant_id`, and no rows at all when it names none.
- `flowloom_worker` is the engine's own loop. It reads across tenants, moves `next_fire_at`, and may
  change nothing else here.
Security is forced, so that it would hold for the owner of the tables as well. Foreign keys carry
the tenant: no row can hang on another tenant's row, whatever the code says.
"""

from alembic import op

revision = "0001_workflows"
down_revision = None
branch_labels = None
depends_on = None

_TABLES = """
GRANT USAGE ON SCHEMA engine TO flowloom_app, flowloom_worker;

CREATE TABLE engine.workflows (
  id              text        PRIMARY KEY,
  tenant_id       text        NOT NULL CHECK (tenant_id <> ''),
  name            text        NOT NULL,
  description     text        NOT NULL DEFAULT '',
  latest_version  integer     NOT NULL CHECK (latest_version >= 1),
  active_version  integer     CHECK (active_version BETWEEN 1 AND latest_version),
  etag            text        NOT NULL,
  created_at      timestamptz NOT NULL,
  updated_at      timestamptz NOT NULL,
  deleted_at      timestamptz,  -- runs stay readable, so the row stays too
  UNIQUE (id, tenant_id)
);
CREATE INDEX workflows_newest ON engine.workflows (tenant_id, id DESC) WHERE deleted_at IS NULL;

CREATE TABLE engine.versions (
  workflow_id  text        NOT NULL,
  number       integer     NOT NULL CHECK (number >= 1),
  tenant_id    text        NOT NULL,
  definition   json        NOT NULL,  -- not jsonb: keeps the order of keys, and any text
  digest       text        NOT NULL,
  created_by   text        NOT NULL,
  note         text        NOT NULL DEFAULT '',
  created_at   timestamptz NOT NULL,
  PRIMARY KEY (workflow_id, number),
  FOREIGN KEY (workflow_id, tenant_id) REFERENCES engine.workflows (id, tenant_id)
);

CREATE TABLE engine.triggers (
  id            text        PRIMARY KEY,
  tenant_id     text        NOT NULL,
  workflow_id   text        NOT NULL,
  version       integer     NOT NULL,
  node_id       text        NOT NULL,
  type          text        NOT NULL,
  parameters    json        NOT NULL,  -- without the secret
  timezone      text        NOT NULL DEFAULT 'UTC',
  path          text        UNIQUE,  -- below /v1/hooks; the first part is the tenant
  secret        text        NOT NULL DEFAULT '',
  next_fire_at  timestamptz,
  created_at    timestamptz NOT NULL,
  FOREIGN KEY (workflow_id, tenant_id) REFERENCES engine.workflows (id, tenant_id),
  FOREIGN KEY (workflow_id, version) REFERENCES engine.versions (workflow_id, number),
  UNIQUE (workflow_id, node_id)
);
CREATE INDEX triggers_newest ON engine.triggers (tenant_id, id DESC);
CREATE INDEX triggers_due ON engine.triggers (next_fire_at) WHERE next_fire_at IS NOT NULL;
"""

_RIGHTS = """
GRANT SELECT, INSERT, UPDATE ON engine.workflows TO flowloom_app;
GRANT SELECT, INSERT ON engine.versions TO flowloom_app;
GRANT SELECT, INSERT, DELETE ON engine.triggers TO flowloom_app;

GRANT SELECT ON engine.workflows, engine.versions, engine.triggers TO flowloom_worker;
GRANT UPDATE (next_fire_at) ON engine.triggers TO flowloom_worker;
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
    for table in ("workflows", "versions", "triggers"):
        op.execute(_SECURITY.format(table=table))


def downgrade() -> None:
    """Drop the tables and everything in them."""
    op.execute("DROP TABLE engine.triggers, engine.versions, engine.workflows")
