"""Rows that tests read and change in the database, as another application or the passing of time would."""

import time
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg

_COLUMNS = "heygen_status, heygen_video_id, heygen_url, error_message"


@dataclass(frozen=True)
class ContentRow:
    """The columns of a content item that the service writes: status, video id, URL and error message."""

    connection: asyncpg.Connection
    content_id: UUID

    async def read(self) -> tuple[Any, ...]:
        row = await self.connection.fetchrow(
            f"select {_COLUMNS} from public.content where id = $1", self.content_id
        )
        assert row
        return tuple(row)

    async def write(
        self,
        status: str | None,
        video_id: str | None = None,
        url: str | None = None,
        message: str | None = None,
    ) -> None:
        await self.connection.execute(
            f"update public.content set ({_COLUMNS}) = ($2, $3, $4, $5) where id = $1",
            self.content_id,
            status,
            video_id,
            url,
            message,
        )

    async def status(self) -> str | None:
        """Return heygen_status alone."""
        status: str | None = (await self.read())[0]
        return status


async def expire_generation(connection: asyncpg.Connection, generation_id: str) -> None:
    """Let the deadline of a live generation pass, with a provider that does not answer; return once it has expired."""
    id_ = UUID(generation_id)
    await connection.execute(
        "update ai_avatar.generations "
        "set deadline = now() - interval '6 minutes', next_check_at = now() where id = $1",
        id_,
    )
    deadline = time.monotonic() + 20
    # The service looks for expired generations, too: one that it holds locked is skipped here.
    while (
        await connection.fetchval("select status from ai_avatar.generations where id = $1", id_) != "expired"
    ):
        await connection.execute("select ai_avatar.expire_generations(10)")
        assert time.monotonic() < deadline, "the generation does not expire"


async def list_secret_reads(connection: asyncpg.Connection, business_id: UUID) -> list[asyncpg.Record]:
    """Return the audit log of a business's key, oldest first."""
    return await connection.fetch(
        "select * from ai_avatar.secret_reads where business_id = $1 order by id", business_id
    )
