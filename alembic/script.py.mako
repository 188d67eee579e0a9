"""${message}."""
<%!
    import re
%>\
<%
    # By Brisbane time, as in the file's name: so revisions sort, and "at least" can be asked.
    brisbane_time = create_date.strftime("%Y%m%d%H%M%S")
    slug = "_".join(re.findall(r"\w+", message)).lower()
%>
from app.migrations import run_sql

revision = "${brisbane_time}"
down_revision = ${'"%s"' % down_revision if down_revision else None}
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(f"{revision}_${slug}.up.sql")


def downgrade() -> None:
    run_sql(f"{revision}_${slug}.down.sql")
