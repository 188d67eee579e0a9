"""alembic/sql/schema.sql: what the migrations add up to, for readers. `make schema` writes it, a test compares it."""

from support import postgres
from support.sql import dump

PATH = postgres.ROOT / "alembic" / "sql" / "schema.sql"

_HEADER = """\
-- What the migrations add up to on an empty PostgreSQL 18: for readers, and for the review of a migration.
-- Nothing runs this file. `make schema` writes it from a migrated database, and a test compares the two.
"""


def render(server: postgres.Server) -> str:
    """The file's text, from pg_dump of a migrated database: without owners, which are the operator's."""
    with server.database(template=server.migrated_template()) as name:
        objects = dump(server.url(name), "--no-owner")
    return "\n".join([_HEADER, *(f"-- {name}\n{statements}\n" for name, statements in objects.items())])


if __name__ == "__main__":
    PATH.write_text(render(postgres.start()))
