"""AI avatar integrations."""

from app.migrations import run_sql

revision = "20261122201100"
down_revision = "20261122201000"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(f"{revision}_ai_avatar_integrations.up.sql")


def downgrade() -> None:
    run_sql(f"{revision}_ai_avatar_integrations.down.sql")
