"""Indexes."""

from app.migrations import run_each, run_sql

revision = "20261122201250"
down_revision = "20261122201200"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(f"{revision}_indexes.up.sql")
    run_each("index_statements")


def downgrade() -> None:
    run_sql(f"{revision}_indexes.down.sql")
