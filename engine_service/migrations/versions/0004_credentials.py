"""Credentials and variables.

A **credential** row holds what may be shown of a credential (`data`, `hosts`) beside what is not:
`sealed` is encrypted with a data key of its own, `wrapped_key` is that key under the master key
`key_id`. The database cannot open either, and a row that is moved to another tenant or another id
cannot be opened by anybody. A **variable** is a value that expressions see as `$vars.<name>`.

`flowloom_worker` may put data keys under another master key, and nothing else: credentials are
opened for one tenant at a time, as `flowloom_app`.
"""

from alembic import op

revision = "0004_credentials"
down_revision = "0003_answers_of_own_runs"
branch_labels = None
depends_on = None

_TABLES = """
CREATE TABLE engine.credentials (
  id           text        PRIMARY KEY,
  tenant_id    text        NOT NULL CHECK (tenant_id <> ''),
  name         text        NOT NULL,
  type         text        NOT NULL,
  hosts        text[]      NOT NULL,
  data         json        NOT NULL,  -- the fields that are no secrets
  secrets      text[]      NOT NULL,  -- names of the fields that are
  status       text        NOT NULL CHECK (status IN ('ready', 'unconnected', 'expired')),
  key_id       text        NOT NULL,
  wrapped_key  bytea       NOT NULL,
  sealed       bytea       NOT NULL,
  expires_at   timestamptz,           -- of the access token that is sealed, if there is one
  etag         text        NOT NULL,
  created_by   text        NOT NULL,
  created_at   timestamptz NOT NULL,
  updated_at   timestamptz NOT NULL,
  UNIQUE (tenant_id, name)
);
CREATE INDEX credentials_newest ON engine.credentials (tenant_id, id DESC);

CREATE TABLE engine.variables (
  id           text        PRIMARY KEY,
  tenant_id    text        NOT NULL CHECK (tenant_id <> ''),
  name         text        NOT NULL,
  value        json        NOT NULL,
  description  text        NOT NULL DEFAULT '',
  etag         text        NOT NULL,
  created_at   timestamptz NOT NULL,
  updated_at   timestamptz NOT NULL,
  UNIQUE (tenant_id, name)
);
"""

_RIGHTS = """
GRANT SELECT, INSERT, UPDATE, DELETE ON engine.credentials, engine.variables TO flowloom_app;
GRANT SELECT ON engine.credentials, engine.variables TO flowloom_worker;
GRANT UPDATE (key_id, wrapped_key) ON engine.credentials TO flowloom_worker;
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
    for table in ("credentials", "variables"):
        op.execute(_SECURITY.format(table=table))


def downgrade() -> None:
    """Drop the tables and everything in them."""
    op.execute("DROP TABLE engine.variables, engine.credentials")
