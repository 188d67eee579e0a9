"""How Alembic runs here: the version table in the schema ai_avatar, one migrator at a time.

Online, each revision is a transaction of its own, so that no lock outlives it; as SQL, all of them are one.
"""

import asyncio
import contextlib
import time

import asyncpg
from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from alembic import context
from app.migrations import VERSION_SCHEMA, run_on
from app.tables import metadata

# Two instances that start at once migrate one after the other. The number is arbitrary, and only ours.
_MIGRATION_LOCK = 7_215_310_448
_LOCK_POLL_SECONDS = 0.2

_SESSION = "set local search_path = pg_catalog, pg_temp;"
_SCHEMA = "create schema if not exists ai_avatar"

# Back at the base, or stopped before the first revision: nothing of ours stays behind.
_DROP_EMPTY_SCHEMA = """
do $$
begin
    if to_regclass('ai_avatar.alembic_version') is not null then
        if exists (select from ai_avatar.alembic_version) then
            return;
        end if;
        drop table ai_avatar.alembic_version;
    end if;
    begin
        drop schema ai_avatar;
    exception when dependent_objects_still_exist then
        null;  -- it holds objects that are not ours
    end;
end;
$$
"""


def _run(connection: Connection | None) -> None:
    context.configure(
        connection=connection,
        dialect_name=None if connection else "postgresql",
        target_metadata=metadata,
        version_table_schema=VERSION_SCHEMA,
        include_schemas=True,
        transaction_per_migration=connection is not None,
    )
    with context.begin_transaction():
        if connection is None:
            context.get_context().impl.static_output(f"{_SESSION}\n\n{_SCHEMA};")
        context.run_migrations()
        if connection is None and context.config.attributes["ends_at_base"]:
            context.get_context().impl.static_output(f"{_DROP_EMPTY_SCHEMA.strip()};\n")


def _run_online(connection: Connection) -> None:
    # The session's lock, because the revisions are several transactions. Never waited for: a transaction that waits
    # would keep the other process's CREATE INDEX CONCURRENTLY waiting, which is a deadlock.
    while not connection.scalar(text("select pg_try_advisory_lock(:lock)"), {"lock": _MIGRATION_LOCK}):
        connection.rollback()
        time.sleep(_LOCK_POLL_SECONDS)
    connection.execute(text(_SCHEMA))
    connection.commit()
    try:
        _run(connection)
    except BaseException:
        # The first error is the one to report, also when the connection is gone.
        with contextlib.suppress(SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
            _leave(connection)
        raise
    _leave(connection)


def _leave(connection: Connection) -> None:
    connection.rollback()
    connection.execute(text(_DROP_EMPTY_SCHEMA))
    # A pooler in session mode may keep the session for its next client.
    connection.execute(text("select pg_advisory_unlock(:lock)"), {"lock": _MIGRATION_LOCK})
    connection.commit()


if context.is_offline_mode():
    _run(None)
else:
    asyncio.run(run_on(context.config.attributes["database_url"], _run_online))
