"""Applications that go on writing while a database is migrated."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import UUID

import asyncpg
from pydantic import SecretStr

from app.db import connect


@dataclass(frozen=True)
class Writer:
    """Runs its statements over and over, each round in one transaction; `$1` is a business, another one each round."""

    name: str
    statements: Sequence[str]


@dataclass
class Waits:
    """How long statements took, and what failed."""

    longest: dict[str, float] = field(default_factory=dict)
    rounds: dict[str, int] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)


_TOUCH = "update public.businesses set business_name = 'A name' where id = $1"

# The first two take the vault and businesses in opposite order.
OLD_APPLICATION = (
    Writer("replace a key", ["select public.set_heygen_key($1, 'another key')", _TOUCH]),
    Writer("remove a key", [_TOUCH, "select public.delete_heygen_key($1)"]),
    Writer("save a key", ["select public.set_heygen_key($1, 'a new key')"]),
)
PRODUCT = (
    Writer(
        "write content",
        ["insert into public.content (business_id, content_title) values ($1, 'A title')", _TOUCH],
    ),
    Writer(
        "touch the business first",
        [_TOUCH, "update public.content set content_title = 'Another' where business_id = $1"],
    ),
)


@asynccontextmanager
async def writing(
    url: str, businesses: Sequence[UUID], writers: Sequence[Writer], pause: float = 0.01
) -> AsyncIterator[Waits]:
    """Let the writers write, each on a connection of its own, until the block ends."""
    waits = Waits()
    stopping = asyncio.Event()

    async def write(writer: Writer, offset: int) -> None:
        connection = await connect(SecretStr(url))
        try:
            position = offset
            while not stopping.is_set():
                position = (position + len(writers)) % len(businesses)
                await _round(connection, writer, businesses[position], waits)
                await asyncio.sleep(pause)
        finally:
            await connection.close()

    async with asyncio.TaskGroup() as group:
        for offset, writer in enumerate(writers):
            group.create_task(write(writer, offset))
        try:
            yield waits
        finally:
            stopping.set()


async def _round(connection: asyncpg.Connection, writer: Writer, business_id: UUID, waits: Waits) -> None:
    try:
        async with connection.transaction():
            for statement in writer.statements:
                started = time.perf_counter()
                await connection.execute(statement, business_id)
                took = time.perf_counter() - started
                waits.longest[writer.name] = max(took, waits.longest.get(writer.name, 0.0))
                await asyncio.sleep(
                    0.005
                )  # between the two, another transaction may take what this one needs
        waits.rounds[writer.name] = waits.rounds.get(writer.name, 0) + 1
    except asyncpg.PostgresError as error:
        waits.errors.append(f"{writer.name}: {error.sqlstate} {error}")
