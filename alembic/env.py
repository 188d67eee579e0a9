"""How Alembic runs here: the version table in the schema ai_avatar, one transaction, one migrator at a time."""

import asyncio

from sqlalchemy import Connection, pool, text
from sqlalchemy.ext.asyncio import create_async_engine

from alembic import context
from app.db import connect
from app.tables import metadata

# Two instances that start at once migrate one after the other. The number is arbitrary, and only ours.
_MIGRATION_LOCK = 7_215_310_448

_SCHEMA = "create schema if not exists ai_avatar"

# At the base, also when only the current revision was asked for, nothing of the service stays behind.
_DROP_EMPTY_SCHEMA = """
do $$
begin
    if not exists (select from ai_avatar.alembic_version) then
        drop table ai_avatar.alembic_version;
        drop schema ai_avatar;
    end if;
exception when dependent_objects_still_exist then
    null;  -- the schema contains objects of other owners
end;
$$
"""


def _run(connection: Connection | None) -> None:
    context.configure(
        connection=connection,
        dialect_name=None if connection else "postgresql",
        target_metadata=metadata,
        version_table_schema="ai_avatar",
        include_schemas=True,
    )
    with context.begin_transaction():
        if connection is None:
            context.get_context().impl.static_output(f"{_SCHEMA};")
        context.run_migrations()


def _run_online(connection: Connection) -> None:
    with connection.begin():
        connection.execute(text("select pg_advisory_xact_lock(:lock)"), {"lock": _MIGRATION_LOCK})
        connection.execute(text(_SCHEMA))
        _run(connection)
        connection.execute(text(_DROP_EMPTY_SCHEMA))


async def _connect_and_run() -> None:
    url = context.config.attributes["database_url"]
    engine = create_async_engine(
        "postgresql+asyncpg://", async_creator=lambda: connect(url), poolclass=pool.NullPool
    )
    async with engine.connect() as connection:
        await connection.run_sync(_run_online)
    await engine.dispose()


if context.is_offline_mode():
    _run(None)
else:
    asyncio.run(_connect_and_run())
