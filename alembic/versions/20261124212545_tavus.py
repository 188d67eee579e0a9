"""Tavus as a provider."""

from app.migrations import run_sql

revision = "20261124212545"
down_revision = "20261122201300"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(f"{revision}_tavus.up.sql")


def downgrade() -> None:
    run_sql(f"{revision}_tavus.down.sql")
