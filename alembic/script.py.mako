"""${message}."""

from app.migrations import run_sql

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(f"{revision}_${message.replace(' ', '_')}.up.sql")


def downgrade() -> None:
    run_sql(f"{revision}_${message.replace(' ', '_')}.down.sql")
