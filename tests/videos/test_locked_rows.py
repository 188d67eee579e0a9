"""Another transaction holds a business's rows: its calls fail soon and as a whole, and the others' go on."""

import asyncio
import time
from collections.abc import AsyncIterator

import asyncpg
import pytest
from support.api import Api
from support.problems import assert_problem
from support.rows import ContentRow
from support.tenants import Tenant, make_content

pytestmark = pytest.mark.anyio


@pytest.fixture
async def holder(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """Another application's connection, in a transaction."""
    connection = await asyncpg.connect(database_url)
    transaction = connection.transaction()
    await transaction.start()
    yield connection
    await connection.close()


async def snapshot(connection: asyncpg.Connection, tenant: Tenant) -> list[str]:
    rows = await connection.fetch(
        """
        select to_jsonb(c)::text from public.content as c where c.business_id = $1
        union all select to_jsonb(g)::text from ai_avatar.generations as g where g.business_id = $1
        union all select to_jsonb(i)::text from public.ai_avatar_integrations as i where i.business_id = $1
        """,
        tenant.business_id,
    )
    return sorted(row[0] for row in rows)


async def test_every_kind_of_call_fails_within_the_wait_and_changes_nothing(
    api: Api, holder: asyncpg.Connection, admin_connection: asyncpg.Connection
) -> None:
    """They held their connections for ten seconds each."""
    idle = await make_content(admin_connection, api.tenant.business_id)
    generation_id = await api.start()
    before = await snapshot(admin_connection, api.tenant)
    for table in ("public.content", "ai_avatar.generations", "public.ai_avatar_integrations"):
        await holder.execute(f"select from {table} where business_id = $1 for update", api.tenant.business_id)
    started = time.monotonic()
    responses = await asyncio.gather(
        api.generate(idle),
        api.cancel(),
        api.reset(idle),
        api.claim(generation_id),
        api.report(generation_id, "completed", video_url="https://v.example/1"),
        api.update(voice_id="another"),
        api.delete(),
        api.connect("sandbox-another"),
        api.validate(),
    )
    assert time.monotonic() - started < 4
    for response in responses:
        problem = assert_problem(response, 503, "database_unavailable")
        assert "Another transaction is changing the same data" in problem["detail"]
        assert response.headers["retry-after"] == "2"
    assert await snapshot(admin_connection, api.tenant) == before


async def test_call_that_gets_its_lock_in_time_succeeds(
    api: Api, holder: asyncpg.Connection, content: ContentRow
) -> None:
    await holder.execute("select from public.content where id = $1 for update", api.tenant.content_id)
    start = asyncio.create_task(api.start())
    await asyncio.sleep(0.3)
    assert not start.done()
    await holder.execute("rollback")
    await start
    assert await content.status() == "processing"


async def test_expiry_passes_over_a_locked_item(
    api: Api, holder: asyncpg.Connection, admin_connection: asyncpg.Connection
) -> None:
    generation_id = await api.start()
    await admin_connection.execute(
        "update ai_avatar.generations set deadline = now() - interval '1 hour' where id = $1", generation_id
    )
    await holder.execute("select from public.content where id = $1 for update", api.tenant.content_id)
    started = time.monotonic()
    expired = await admin_connection.fetch("select * from ai_avatar.expire_generations(50)")
    assert time.monotonic() - started < 1
    assert generation_id not in {str(row["id"]) for row in expired}
