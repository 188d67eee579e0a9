"""Copy legacy columns."""

from app.migrations import run_sql

revision = "20261122201300"
down_revision = "20261122201200"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(f"{revision}_copy_legacy_columns.up.sql")


def downgrade() -> None:
    run_sql(f"{revision}_copy_legacy_columns.down.sql")
