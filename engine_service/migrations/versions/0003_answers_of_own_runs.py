"""A tenant answers the runs of its own only.

An answer names a run without a foreign key, so the policy has to ask whose run that is. What it can
see of `engine.runs` is what the tenant can see.
"""

from alembic import op

revision = "0003_answers_of_own_runs"
down_revision = "0002_runs"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Refuse answers to runs that the tenant cannot see."""
    op.execute("""
ALTER POLICY tenant ON engine.signals
  WITH CHECK (
    tenant_id = current_setting('flowloom.tenant_id', true)
    AND EXISTS (SELECT FROM engine.runs r WHERE r.id = run_id)
  )
""")


def downgrade() -> None:
    """Compare the tenant alone, as before."""
    op.execute("""
ALTER POLICY tenant ON engine.signals
  WITH CHECK (tenant_id = current_setting('flowloom.tenant_id', true))
""")
