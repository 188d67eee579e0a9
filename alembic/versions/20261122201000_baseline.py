"""Baseline."""

from app.migrations import run_sql

revision = "20261122201000"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(f"{revision}_baseline.up.sql")


def downgrade() -> None:
    run_sql(f"{revision}_baseline.down.sql")
