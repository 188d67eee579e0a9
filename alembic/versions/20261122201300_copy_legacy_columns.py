"""Copy legacy columns."""

from app.migrations import run_each, run_sql

revision = "20261122201300"
down_revision = "20261122201250"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(f"{revision}_copy_legacy_columns.up.sql")
    run_each("copy_statements")


def downgrade() -> None:
    run_sql(f"{revision}_copy_legacy_columns.down.sql")
