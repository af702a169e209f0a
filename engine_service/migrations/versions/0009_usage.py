"""What runs use, what they may use, and how far a long action has come.

**usage** counts runs, executions of nodes, calls of models, tokens and dollars, by tenant and day
(UTC). A process adds to a row of its own `shard`, in the transaction that writes what it counts:
nothing is counted twice or lost, and no two processes wait for each other. **run_usage** holds the
same of single runs, of those that called a model. **budgets** say what a tenant may use in a day or
a month; a call that could pass one is refused.

**progress** holds the steps of an action that has several, such as an agent's replies and tool
calls. They are written under the claim, like the journal; the next attempt goes on behind them.
"""

from alembic import op

revision = "0009_usage"
down_revision = "0008_admission"
branch_labels = None
depends_on = None

_TABLES = """
CREATE TABLE engine.usage (
  tenant_id      text      NOT NULL,
  day            date      NOT NULL,
  shard          smallint  NOT NULL,
  runs           bigint    NOT NULL,  -- that ended
  nodes          bigint    NOT NULL,  -- executions that finished
  model_calls    bigint    NOT NULL,
  input_tokens   bigint    NOT NULL,
  output_tokens  bigint    NOT NULL,
  cost_usd       numeric   NOT NULL,
  unpriced       bigint    NOT NULL,  -- calls of models whose price is unknown
  PRIMARY KEY (tenant_id, day, shard)
) WITH (fillfactor = 50);

CREATE TABLE engine.run_usage (
  run_id         text      PRIMARY KEY,
  tenant_id      text      NOT NULL,
  model_calls    bigint    NOT NULL,
  input_tokens   bigint    NOT NULL,
  output_tokens  bigint    NOT NULL,
  cost_usd       numeric   NOT NULL,
  unpriced       bigint    NOT NULL
);

CREATE TABLE engine.budgets (
  tenant_id     text         NOT NULL CHECK (tenant_id <> ''),
  period        text         NOT NULL CHECK (period IN ('day', 'month')),
  max_tokens    bigint       CHECK (max_tokens >= 0),
  max_cost_usd  numeric      CHECK (max_cost_usd >= 0),
  updated_by    text         NOT NULL,
  updated_at    timestamptz  NOT NULL,
  PRIMARY KEY (tenant_id, period)
);

CREATE TABLE engine.progress (
  run_id     text     NOT NULL,
  node_id    text     NOT NULL,
  iteration  text     NOT NULL,
  number     integer  NOT NULL,
  tenant_id  text     NOT NULL,
  step       json     NOT NULL,
  PRIMARY KEY (run_id, node_id, iteration, number)
);
"""

_RIGHTS = """
GRANT SELECT ON engine.usage, engine.run_usage, engine.budgets, engine.progress
  TO flowloom_app, flowloom_worker;
GRANT INSERT, UPDATE, DELETE ON engine.budgets TO flowloom_app;
GRANT INSERT, UPDATE, DELETE ON engine.usage, engine.run_usage TO flowloom_worker;
GRANT INSERT, DELETE ON engine.progress TO flowloom_worker;
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
    for table in ("usage", "run_usage", "budgets", "progress"):
        op.execute(_SECURITY.format(table=table))


def downgrade() -> None:
    """Drop the tables and everything in them."""
    op.execute("DROP TABLE engine.progress, engine.budgets, engine.run_usage, engine.usage")
