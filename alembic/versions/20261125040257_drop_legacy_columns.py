"""Drop legacy columns."""

from app.migrations import run_sql

revision = "20261125040257"
down_revision = "20261124212545"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(f"{revision}_drop_legacy_columns.up.sql")


def downgrade() -> None:
    run_sql(f"{revision}_drop_legacy_columns.down.sql")
