"""What tenants have nodes remember: documents that are found by meaning, and conversations.

A **collection** of a tenant holds **documents**, each in pieces with a vector; all vectors of a
collection are one model's. A search compares a question with every piece of one collection (ADR 30
says why there is no index of vectors), so the primary key is the way in.

**conversations** are sessions with what is left of their older turns; **exchanges** are a question
and its answer, under the key of the execution that said it, so that none is remembered twice.
Whatever has an end is deleted when it has come.
"""

from alembic import op

revision = "0013_memory"
down_revision = "0012_lists_and_retention"
branch_labels = None
depends_on = None

_TABLES = """
CREATE TABLE engine.collections (
  tenant_id   text        NOT NULL CHECK (tenant_id <> ''),
  name        text        NOT NULL CHECK (name <> ''),
  model       text        NOT NULL,
  dimensions  integer     NOT NULL,
  created_at  timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, name)
);

CREATE TABLE engine.documents (
  tenant_id    text        NOT NULL,
  collection   text        NOT NULL,
  document_id  text        NOT NULL,
  piece        integer     NOT NULL,
  text         text        NOT NULL,
  metadata     jsonb       NOT NULL CHECK (jsonb_typeof(metadata) = 'object'),
  digest       bytea       NOT NULL,  -- of the document's text; unchanged means embedded already
  words        tsvector    NOT NULL,
  embedding    vector      NOT NULL,
  updated_at   timestamptz NOT NULL,
  expires_at   timestamptz,
  PRIMARY KEY (tenant_id, collection, document_id, piece),
  FOREIGN KEY (tenant_id, collection)
    REFERENCES engine.collections (tenant_id, name) ON DELETE CASCADE
);
CREATE INDEX documents_expiring ON engine.documents (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE engine.conversations (
  tenant_id      text        NOT NULL CHECK (tenant_id <> ''),
  scope          text        NOT NULL,
  session        text        NOT NULL,
  summary        text        NOT NULL DEFAULT '',
  summed_up_to   bigint      NOT NULL DEFAULT 0,  -- the last turn that is in the summary
  expires_at     timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, scope, session)
);
CREATE INDEX conversations_expiring ON engine.conversations (expires_at);

CREATE TABLE engine.exchanges (
  tenant_id   text        NOT NULL,
  scope       text        NOT NULL,
  session     text        NOT NULL,
  place       bigint      GENERATED ALWAYS AS IDENTITY,
  key         text        NOT NULL,
  question    text        NOT NULL,
  answer      text        NOT NULL,
  said_at     timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, scope, session, key),
  FOREIGN KEY (tenant_id, scope, session)
    REFERENCES engine.conversations (tenant_id, scope, session) ON DELETE CASCADE
);
CREATE INDEX exchanges_newest ON engine.exchanges (tenant_id, scope, session, place);
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

_NAMES = ("collections", "documents", "conversations", "exchanges")


def upgrade() -> None:
    """Create the tables and say who may do what."""
    op.execute("CREATE EXTENSION IF NOT EXISTS vector")
    op.execute(_TABLES)
    for table in _NAMES:
        op.execute(_SECURITY.format(table=table))


def downgrade() -> None:
    """Drop the tables and everything in them; the extension stays."""
    for table in reversed(_NAMES):
        op.execute(f"DROP TABLE engine.{table}")
