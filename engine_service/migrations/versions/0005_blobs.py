"""Files: a row for each, and which runs use it.

The bytes are in the blob store, under the tenant's and the file's id. A row is there before the
first byte; its **size** is null until the last one is kept, so what a crash leaves behind can be
found and deleted. A file is kept as long as some run **uses** it; a use may be written just before
its run begins, so it names the run without a foreign key.
"""

from alembic import op

revision = "0005_blobs"
down_revision = "0004_credentials"
branch_labels = None
depends_on = None

_TABLES = """
CREATE TABLE engine.blobs (
  id          text        PRIMARY KEY,
  tenant_id   text        NOT NULL CHECK (tenant_id <> ''),
  file_name   text        NOT NULL,
  media_type  text        NOT NULL,
  size        bigint      CHECK (size >= 0),  -- null while it is being written
  sha256      text,
  created_at  timestamptz NOT NULL
);
CREATE INDEX blobs_of_tenant ON engine.blobs (tenant_id) INCLUDE (size);
CREATE INDEX blobs_oldest ON engine.blobs (created_at);

CREATE TABLE engine.blob_uses (
  run_id      text        NOT NULL,
  blob_id     text        NOT NULL REFERENCES engine.blobs (id) ON DELETE CASCADE,
  tenant_id   text        NOT NULL CHECK (tenant_id <> ''),
  created_at  timestamptz NOT NULL,
  PRIMARY KEY (run_id, blob_id)
);
CREATE INDEX blob_uses_of_blob ON engine.blob_uses (blob_id);

ALTER TABLE engine.runs ADD COLUMN output_blob text;      -- where a large output is kept
ALTER TABLE engine.journal ADD COLUMN outputs_blob text;  -- likewise of a node
"""

_RIGHTS = """
GRANT SELECT, INSERT, UPDATE (size, sha256) ON engine.blobs TO flowloom_app;
GRANT SELECT, INSERT ON engine.blob_uses TO flowloom_app;
GRANT SELECT, DELETE, UPDATE (size) ON engine.blobs TO flowloom_worker;
GRANT SELECT, INSERT, DELETE ON engine.blob_uses TO flowloom_worker;
"""

_SECURITY = """
ALTER TABLE engine.{table} ENABLE ROW LEVEL SECURITY;
ALTER TABLE engine.{table} FORCE ROW LEVEL SECURITY;
CREATE POLICY engine ON engine.{table} TO flowloom_worker USING (true);
"""

# A use keeps a file, and a foreign key looks past policies: so a tenant may use its own only.
_TENANTS = """
CREATE POLICY tenant ON engine.blobs TO flowloom_app
  USING (tenant_id = current_setting('flowloom.tenant_id', true));
CREATE POLICY tenant ON engine.blob_uses TO flowloom_app
  USING (tenant_id = current_setting('flowloom.tenant_id', true))
  WITH CHECK (
    tenant_id = current_setting('flowloom.tenant_id', true)
    AND EXISTS (SELECT FROM engine.blobs b WHERE b.id = blob_id)
  );
"""


def upgrade() -> None:
    """Create the tables and say who may do what."""
    op.execute(_TABLES)
    op.execute(_RIGHTS)
    for table in ("blobs", "blob_uses"):
        op.execute(_SECURITY.format(table=table))
    op.execute(_TENANTS)


def downgrade() -> None:
    """Drop the tables and everything in them."""
    op.execute("ALTER TABLE engine.journal DROP COLUMN outputs_blob")
    op.execute("ALTER TABLE engine.runs DROP COLUMN output_blob")
    op.execute("DROP TABLE engine.blob_uses, engine.blobs")
