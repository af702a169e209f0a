"""What tenants keep between runs: rows of small tables, and what was seen before.

A **table** of a tenant is a name; its rows are JSON objects. **table_writes** holds what each write
of an execution gave, under its idempotency key, so that a write that is made again after a crash
happens once. **sightings** are keys that a node or a workflow has seen (a scope), each with the
execution that saw it first; **marks** are values that may only grow, with the one before.
"""

from alembic import op

revision = "0011_tables"
down_revision = "0010_polls"
branch_labels = None
depends_on = None

_TABLES = """
CREATE TABLE engine.table_rows (
  id          bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  tenant_id   text        NOT NULL CHECK (tenant_id <> ''),
  name        text        NOT NULL CHECK (name <> ''),
  fields      jsonb       NOT NULL CHECK (jsonb_typeof(fields) = 'object'),
  created_at  timestamptz NOT NULL,
  updated_at  timestamptz NOT NULL
);
CREATE INDEX table_rows_of_table ON engine.table_rows (tenant_id, name, id);

CREATE TABLE engine.table_writes (
  tenant_id   text        NOT NULL CHECK (tenant_id <> ''),
  key         text        NOT NULL,
  result      jsonb       NOT NULL,
  created_at  timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, key)
);
CREATE INDEX table_writes_oldest ON engine.table_writes (tenant_id, created_at);

CREATE TABLE engine.sightings (
  tenant_id   text        NOT NULL CHECK (tenant_id <> ''),
  scope       text        NOT NULL,
  digest      bytea       NOT NULL,
  first_by    text        NOT NULL,
  place       bigint      GENERATED ALWAYS AS IDENTITY,
  PRIMARY KEY (tenant_id, scope, digest)
);
CREATE INDEX sightings_oldest ON engine.sightings (tenant_id, scope, place);

CREATE TABLE engine.marks (
  tenant_id   text        NOT NULL CHECK (tenant_id <> ''),
  scope       text        NOT NULL,
  value       text        NOT NULL,
  before      text,
  set_by      text        NOT NULL,
  PRIMARY KEY (tenant_id, scope)
);
"""

_SECURITY = """
GRANT SELECT, INSERT, UPDATE, DELETE ON engine.{table} TO flowloom_app;
GRANT SELECT, DELETE ON engine.{table} TO flowloom_worker;
ALTER TABLE engine.{table} ENABLE ROW LEVEL SECURITY;
ALTER TABLE engine.{table} FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON engine.{table} TO flowloom_app
  USING (tenant_id = current_setting('flowloom.tenant_id', true));
CREATE POLICY engine ON engine.{table} TO flowloom_worker USING (true);
"""

_NAMES = ("table_rows", "table_writes", "sightings", "marks")


def upgrade() -> None:
    """Create the tables and say who may do what."""
    op.execute(_TABLES)
    for table in _NAMES:
        op.execute(_SECURITY.format(table=table))


def downgrade() -> None:
    """Drop the tables and everything in them."""
    for table in _NAMES:
        op.execute(f"DROP TABLE engine.{table}")
