"""Generations."""

from app.migrations import run_sql

revision = "20261122201200"
down_revision = "20261122201100"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(f"{revision}_generations.up.sql")


def downgrade() -> None:
    run_sql(f"{revision}_generations.down.sql")
