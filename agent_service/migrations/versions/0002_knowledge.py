"""What is known of nodes, practices and examples, with vectors for finding it by meaning.

**knowledge** holds one passage a row. Rows of the tenant '' are everybody's: the catalogue's
documentation and what ships with the agent. **knowledge_embeddings** holds a passage's vector for
each model that has seen it, so that a new model can be brought in while the old one still serves.

`match_node_knowledge` finds passages by meaning and by words in one statement and merges the two
rankings by reciprocal rank fusion. It acts with its caller's rights, so row-level security holds in
it; the index scan is iterative, since a plain one would stop at another tenant's rows. Words are
compared as the English dictionary stems them; Chinese is stored as pairs of neighbouring signs,
which the agent makes.
"""

from alembic import op

revision = "0002_knowledge"
down_revision = "0001_sessions"
branch_labels = None
depends_on = None

# An index needs a fixed number of dimensions; models with others are compared without one.
_INDEXED_DIMENSIONS = (256, 384, 1536)

_TABLES = """
CREATE TABLE agent.knowledge (
  id          text        PRIMARY KEY,
  tenant_id   text        NOT NULL,
  kind        text        NOT NULL CHECK (kind IN ('node', 'practice', 'example')),
  name        text        NOT NULL,
  title       text        NOT NULL,
  text        text        NOT NULL,
  digest      text        NOT NULL,  -- of all that is searched; unchanged means up to date
  words       tsvector    NOT NULL,
  updated_at  timestamptz NOT NULL,
  UNIQUE (tenant_id, kind, name),
  UNIQUE (id, tenant_id)
);
CREATE INDEX knowledge_words ON agent.knowledge USING gin (words);

CREATE TABLE agent.knowledge_embeddings (
  knowledge_id  text     NOT NULL,
  tenant_id     text     NOT NULL,
  model         text     NOT NULL,
  dimensions    integer  NOT NULL,
  embedding     vector   NOT NULL CHECK (vector_dims(embedding) = dimensions),
  digest        text     NOT NULL,  -- of the passage that was embedded
  PRIMARY KEY (knowledge_id, model),
  FOREIGN KEY (knowledge_id, tenant_id)
    REFERENCES agent.knowledge (id, tenant_id) ON DELETE CASCADE
);
"""

_INDEX = """
CREATE INDEX knowledge_embeddings_{size} ON agent.knowledge_embeddings
  USING hnsw ((embedding::vector({size})) vector_cosine_ops) WHERE dimensions = {size}
"""

_RIGHTS = """
GRANT SELECT, INSERT, UPDATE, DELETE
  ON agent.knowledge, agent.knowledge_embeddings TO flowloom_app, flowloom_worker;
"""

_SECURITY = """
ALTER TABLE agent.{table} ENABLE ROW LEVEL SECURITY;
ALTER TABLE agent.{table} FORCE ROW LEVEL SECURITY;
CREATE POLICY everybodys ON agent.{table} FOR SELECT TO flowloom_app USING (tenant_id = '');
CREATE POLICY tenant ON agent.{table} TO flowloom_app
  USING (tenant_id <> '' AND tenant_id = current_setting('flowloom.tenant_id', true));
CREATE POLICY worker ON agent.{table} TO flowloom_worker USING (true);
"""

# The library must be in the session before a function may be given its settings.
_LOAD = "SELECT '[1]'::vector"

_FUNCTION = """
CREATE FUNCTION agent.match_node_knowledge(
  query_embedding vector,
  query_words text,
  embedding_model text,
  match_threshold double precision DEFAULT 0.3,
  match_count integer DEFAULT 8,
  match_kind text DEFAULT ''
)
RETURNS TABLE (
  kind text, name text, title text, text text, similarity double precision, score double precision
)
LANGUAGE plpgsql STABLE
SET hnsw.iterative_scan = 'strict_order'
AS $function$
DECLARE
  size integer := coalesce(vector_dims(query_embedding), 1);
BEGIN
  RETURN QUERY EXECUTE format($query$
    WITH near AS (
      SELECT e.knowledge_id AS id, 1 - (e.embedding::vector(%1$s) <=> $1::vector(%1$s)) AS nearness
      FROM agent.knowledge_embeddings e JOIN agent.knowledge k ON k.id = e.knowledge_id
      WHERE $1 IS NOT NULL AND e.dimensions = %1$s AND e.model = $3 AND ($6 = '' OR k.kind = $6)
      ORDER BY e.embedding::vector(%1$s) <=> $1::vector(%1$s)
      LIMIT greatest(4 * $5, 40)
    ), by_meaning AS (
      SELECT id, nearness, row_number() OVER (ORDER BY nearness DESC, id) AS place
      FROM near WHERE nearness >= $4
    ), by_words AS (
      SELECT k.id, row_number() OVER (
        ORDER BY ts_rank_cd(k.words, query, 1) DESC, k.id
      ) AS place
      FROM agent.knowledge k, to_tsquery('english', $2) AS query
      WHERE k.words @@ query AND ($6 = '' OR k.kind = $6)
      ORDER BY place
      LIMIT greatest(4 * $5, 40)
    )
    SELECT k.kind, k.name, k.title, k.text,
      coalesce(n.nearness, 0)::double precision,
      (coalesce(1.0 / (60 + m.place), 0) + coalesce(1.0 / (60 + w.place), 0))::double precision
        AS fused
    FROM by_meaning m
    FULL JOIN by_words w ON w.id = m.id
    JOIN agent.knowledge k ON k.id = coalesce(m.id, w.id)
    LEFT JOIN near n ON n.id = k.id
    ORDER BY fused DESC, k.id
    LIMIT $5
  $query$, size)
  USING query_embedding, query_words, embedding_model, match_threshold, match_count, match_kind;
END
$function$
"""


def upgrade() -> None:
    """Create the tables, their indexes and the search."""
    op.execute("CREATE EXTENSION IF NOT EXISTS vector")
    op.execute(_TABLES)
    for size in _INDEXED_DIMENSIONS:
        op.execute(_INDEX.format(size=size))
    op.execute(_RIGHTS)
    for table in ("knowledge", "knowledge_embeddings"):
        op.execute(_SECURITY.format(table=table))
    op.execute(_LOAD)
    op.execute(_FUNCTION)


def downgrade() -> None:
    """Drop the search and everything that is known; the extension stays."""
    op.execute("DROP FUNCTION agent.match_node_knowledge")
    op.execute("DROP TABLE agent.knowledge_embeddings, agent.knowledge")
