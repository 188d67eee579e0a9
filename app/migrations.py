"""Running the migrations: from a checkout and from an installed wheel, online and as SQL text."""

import asyncio
import io
import re
from pathlib import Path
from typing import Any, Final

import asyncpg
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from pydantic import SecretStr

from alembic import command, context, op
from app.db import SqlFunction, connect

MIGRATION_WARNINGS: Final = SqlFunction("ai_avatar.migration_warnings", {})

# The revision that this build needs. The clean-up of the legacy columns comes after it and may wait.
REQUIRED_REVISION: Final = "20261122201300"


def _directory() -> Path:
    """In a wheel the migrations lie inside the package: `alembic` beside it would shadow the library."""
    packaged = Path(__file__).parent / "_alembic"
    return packaged if packaged.is_dir() else Path(__file__).parent.parent / "alembic"


def config(url: SecretStr | None = None, directory: Path | None = None) -> Config:
    """Return Alembic's configuration; `url` is only needed online. `directory`: another copy of the migrations."""
    result = Config()
    result.set_main_option("script_location", str(directory or _directory()).replace("%", "%%"))
    result.attributes["database_url"] = url
    return result


def head() -> str:
    """The newest revision."""
    revision = ScriptDirectory.from_config(config()).get_current_head()
    assert revision
    return revision


def is_known(revision: str) -> bool:
    """Whether this build has that revision."""
    scripts = ScriptDirectory.from_config(config()).walk_revisions()
    return any(script.revision == revision for script in scripts)


def migrate(url: SecretStr, to: str = "head", directory: Path | None = None) -> None:
    """Migrate up or down to a revision, in one transaction; safe when several processes start at once."""
    current = current_revision(url)
    if to == "base" or (current is not None and to < current and to != "head"):
        command.downgrade(config(url, directory), to)
    else:
        command.upgrade(config(url, directory), to)


def current_revision(url: SecretStr) -> str | None:
    """The revision that a database has; None before the first."""
    found: list[str] = []

    def look(revision: Any, _context: Any) -> list[Any]:
        found.extend(revision)
        return []

    configuration = config(url)
    script = ScriptDirectory.from_config(configuration)
    with EnvironmentContext(configuration, script, fn=look):
        script.run_env()
    return max(found, default=None)


def warnings(url: SecretStr) -> list[str]:
    """What about a migrated database endangers the tenants, in sentences; nothing before the first revision."""
    return asyncio.run(_warnings(url))


async def _warnings(url: SecretStr) -> list[str]:
    connection = await connect(url)
    try:
        return [row[0] for row in await connection.fetch(MIGRATION_WARNINGS.sql)]
    except (asyncpg.UndefinedFunctionError, asyncpg.InvalidSchemaNameError):
        return []
    finally:
        await connection.close()


def migration_sql(to: str = "head") -> str:
    """The SQL from an empty database to a revision, for `psql -v ON_ERROR_STOP=1` and `supabase db push`.

    `to` may be a range, `from:to`, up or down; the way down needs one, for no database is asked where it is.
    """
    configuration = config()
    configuration.output_buffer = output = io.StringIO()
    start, colon, end = to.partition(":")
    if to == "base":
        raise CommandError(f"the way down needs its start: --to {head()}:base, for example")
    if colon and (end == "base" or (start not in ("", "base") and end != "head" and end < start)):
        command.downgrade(configuration, to, sql=True)
    else:
        command.upgrade(configuration, to, sql=True)
    return output.getvalue()


_INCLUDE: Final = re.compile(r"^[ ]*--! include (\S+)\n", re.MULTILINE)


def read_sql(folder: Path, file: str) -> str:
    """Return a file of alembic/sql, with the files in place that its lines `--! include <path>` name."""
    return _INCLUDE.sub(lambda include: (folder / include[1]).read_text(), (folder / file).read_text())


def run_sql(file: str) -> None:
    """Run one file of alembic/sql as a whole, in the migration's transaction; for the revisions.

    asyncpg prepares what SQLAlchemy executes, and a prepared statement is one statement; op.execute would also
    read `:name` as a parameter. So the file goes to the driver's own connection.
    """
    folder = context.config.get_main_option("script_location")
    assert folder
    sql = read_sql(Path(folder) / "sql", file)
    if context.is_offline_mode():
        context.get_context().impl.static_output(sql)
        return
    bind = op.get_bind()
    # SQLAlchemy begins lazily: without this the file would not be in its transaction.
    bind.exec_driver_sql("select 1")
    driver_connection = bind.connection.dbapi_connection
    assert driver_connection
    driver_connection.run_async(lambda connection: connection.execute(sql))
