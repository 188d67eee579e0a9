"""alembic/sql/schema.sql is what the migrations add up to."""

from support import postgres
from support.schema import PATH, render
from support.sql import value


def test_schema_file_is_what_the_migrations_make(server: postgres.Server) -> None:
    version = int(value(server.admin_url, "show server_version_num")) // 10_000
    text = render(server)
    if version != 18:
        # Other versions word the same schema in their own way; what is in it must still be in the file.
        names = {line for line in text.splitlines() if line.startswith("-- ")}
        assert names <= set(PATH.read_text().splitlines())
        return
    assert PATH.read_text() == text, "run `make schema`, and read what has changed"
