"""Running the migrations: from a checkout and from an installed wheel, online and as SQL text."""

import asyncio
import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

import asyncpg
import stamina
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from pydantic import SecretStr
from sqlalchemy import Connection, func, pool, select
from sqlalchemy.ext.asyncio import create_async_engine

from alembic import command, context, op
from app.db import SqlFunction, connect
from app.errors import NotReady
from app.readiness import REQUIRED_REVISION

MIGRATION_WARNINGS: Final = SqlFunction("ai_avatar.migration_warnings", {})

VERSION_SCHEMA: Final = "ai_avatar"

# A table was busy, or another transaction and the migration waited for each other.
_LOCK_CONFLICTS: Final = ("55P03", "40P01")
_LOCK_CONFLICT_SECONDS: Final = 120.0

T = TypeVar("T")


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


def is_known(revision: str, directory: Path | None = None) -> bool:
    """Whether this build, or that copy of the migrations, has that revision."""
    scripts = ScriptDirectory.from_config(config(directory=directory)).walk_revisions()
    return any(script.revision == revision for script in scripts)


def require_known(revision: str | None, directory: Path | None = None) -> None:
    """Raise NotReady, with the way out, if another build migrated the database to a revision of its own."""
    if revision and not is_known(revision, directory):
        raise NotReady(
            f"The database has revision {revision}, which this build does not know: another build migrated it. With "
            f"that build, run `ai-avatar migrate --to {REQUIRED_REVISION}`, then `ai-avatar migrate` with this one."
        )


def pending(revision: str | None) -> list[tuple[str, str]]:
    """Return the revisions that come after `revision`, oldest first, each with its title. Raises NotReady."""
    require_known(revision)
    scripts = ScriptDirectory.from_config(config()).walk_revisions()
    return sorted((script.revision, script.doc) for script in scripts if script.revision > (revision or ""))


def migrate(url: SecretStr, to: str = "head", directory: Path | None = None) -> None:
    """Migrate up or down to a revision, each revision in a transaction of its own.

    Safe when several processes start at once, and beside writers: a revision that does not get its locks within
    seconds lets the writers pass and is tried again. Raises the database's error after two minutes of that, and
    NotReady if this build does not know the database's revision.
    """
    current = current_revision(url)
    require_known(current, directory)
    down = to == "base" or (current is not None and to < current and to != "head")
    run = command.downgrade if down else command.upgrade
    for attempt in stamina.retry_context(
        on=_is_lock_conflict, attempts=None, timeout=_LOCK_CONFLICT_SECONDS, wait_initial=0.5, wait_max=5
    ):
        with attempt:
            run(config(url, directory), to)


def _is_lock_conflict(error: Exception) -> bool:
    return getattr(getattr(error, "orig", error), "sqlstate", None) in _LOCK_CONFLICTS


def current_revision(url: SecretStr) -> str | None:
    """The revision that a database has; None before the first."""

    def look(connection: Connection) -> str | None:
        options = {"version_table_schema": VERSION_SCHEMA}
        return MigrationContext.configure(connection, opts=options).get_current_revision()

    return asyncio.run(run_on(url, look))


async def run_on(url: SecretStr, work: Callable[[Connection], T]) -> T:
    """Run `work` on a connection of SQLAlchemy's to the database, which is closed afterwards."""
    engine = create_async_engine(
        "postgresql+asyncpg://", async_creator=lambda: _connect(url), poolclass=pool.NullPool
    )
    async with engine.connect() as connection:
        return await connection.run_sync(work)


async def _connect(url: SecretStr) -> asyncpg.Connection:
    connection = await connect(url)
    # Before SQLAlchemy asks the catalogue: another role's operators in `public` would run as the owner. A statement,
    # because poolers refuse settings at the start of a connection.
    await connection.execute("set search_path = pg_catalog, pg_temp; set statement_timeout = 0")
    return connection


def warnings(url: SecretStr) -> list[str]:
    """What about a migrated database endangers the tenants, in sentences; nothing before the first revision."""
    return asyncio.run(_warnings(url))


async def _warnings(url: SecretStr) -> list[str]:
    connection = await _connect(url)
    try:
        return [row[0] for row in await connection.fetch(MIGRATION_WARNINGS.sql)]
    except (asyncpg.UndefinedFunctionError, asyncpg.InvalidSchemaNameError):
        return []
    finally:
        await connection.close()


def migration_sql(to: str = "head") -> str:
    """Return the SQL to a revision, as one transaction, for `psql -v ON_ERROR_STOP=1` and `supabase db push`.

    `to` may be a range, `from:to`, up or down; without one the SQL starts from an empty database.
    """
    start, end = _parse_range(to)
    configuration = config()
    configuration.output_buffer = output = io.StringIO()
    configuration.attributes["ends_at_base"] = end == "base"
    run = command.downgrade if _goes_down(start, end) else command.upgrade
    run(configuration, f"{start}:{end}", sql=True)
    return output.getvalue()


def write_migration_files(directory: Path, to: str = "head") -> list[Path]:
    """Write the SQL to a revision into `directory`, one file per revision, each a transaction of its own.

    `to` as in `migration_sql`. Returns the files in the order in which to run them, which is that of their names.
    """
    start, end = _parse_range(to)
    down = _goes_down(start, end)
    upper, lower = (start, end) if down else (end, start)
    steps = list(ScriptDirectory.from_config(config()).iterate_revisions(upper, lower))
    directory.mkdir(parents=True, exist_ok=True)
    files = []
    for number, script in enumerate(steps if down else reversed(steps), start=1):
        before = script.down_revision or "base"
        name = Path(script.path).stem
        path = directory / (f"{number:02}_{name}.down.sql" if down else f"{name}.sql")
        path.write_text(
            migration_sql(f"{script.revision}:{before}" if down else f"{before}:{script.revision}")
        )
        files.append(path)
    return files


def _parse_range(to: str) -> tuple[str, str]:
    start, colon, end = to.partition(":")
    if to == "base":
        raise CommandError(f"the way down needs its start: --to {head()}:base, for example")
    return (start or "base", end) if colon else ("base", to)


def _goes_down(start: str, end: str) -> bool:
    return end == "base" or (start != "base" and end != "head" and (start == "head" or end < start))


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


_EXECUTE_EACH: Final = """\
do $$
declare
    v_statement text;
begin
    for v_statement in select pg_temp.FUNCTION(false) loop
        execute v_statement;
    end loop;
end;
$$;
"""


def run_each(function: str) -> None:
    """Run the statements that a function in pg_temp returns; for the revisions.

    Online, each one is a transaction of its own, and CREATE INDEX CONCURRENTLY is possible: the function gets true.
    In SQL files, all are part of the revision's transaction: the function gets false.
    """
    if context.is_offline_mode():
        context.get_context().impl.static_output(_EXECUTE_EACH.replace("FUNCTION", function))
        return
    with op.get_context().autocommit_block():
        connection = op.get_bind()
        statements = select(getattr(func.pg_temp, function)(True))
        for statement in connection.scalars(statements).all():
            connection.exec_driver_sql(statement)
