"""Lists stay cheap on tables of any size, and complete whatever times their rows have."""

import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
from support.tenants import SERVICE_HEADERS, Tenant, make_tenant

pytestmark = pytest.mark.anyio

ITEMS = 20_000
# A page of 20 with its generations takes about 150 buffers; one lookup per item would take 60,000.
CHEAP = 600

LIST_VIDEOS = (
    "ai_avatar.list_videos('{business}', {status}, null, null, {before}, {before_id}, 20, {count_up_to})"
)
LIST_INTEGRATIONS = "ai_avatar.list_integrations({business}, null, {status}, null, null, 20)"


async def buffers(connection: asyncpg.Connection, call: str) -> int:
    """Return how many buffers a call reads, with those of the statements in the function."""
    [[plan]] = await connection.fetch(f"explain (analyze, buffers, format json) select * from {call}")
    [top] = json.loads(plan)
    return int(top["Plan"]["Shared Hit Blocks"] + top["Plan"]["Shared Read Blocks"])


@pytest.fixture
async def large(admin_connection: asyncpg.Connection) -> AsyncIterator[UUID]:
    """A business with many content items, each with a generation, among other businesses."""
    business_id = uuid4()
    await admin_connection.execute(
        f"""
        set session_replication_role = replica;
        insert into public.businesses (id, business_name) values ('{business_id}', 'large');
        insert into public.content (business_id, content_title, created_at)
        select case when n % 2 = 0 then '{business_id}' else gen_random_uuid() end, 'A title',
            now() - n * interval '1 minute'
        from generate_series(1, {2 * ITEMS}) as n;
        insert into ai_avatar.generations (id, business_id, content_id, provider, script, status, deadline)
        select gen_random_uuid(), c.business_id, c.id, 'heygen', 'Hello', 'completed', now()
        from public.content as c;
        set session_replication_role = origin;
        analyze
        """
    )
    yield business_id
    await admin_connection.execute(
        "set session_replication_role = replica; delete from ai_avatar.generations; delete from public.content; "
        f"delete from public.businesses where id = '{business_id}'; set session_replication_role = origin"
    )


async def middle(connection: asyncpg.Connection, business_id: UUID) -> dict[str, str]:
    row = await connection.fetchrow(
        "select id, created_at from public.content where business_id = $1 order by created_at desc "
        f"offset {ITEMS // 2} limit 1",
        business_id,
    )
    assert row
    return {"before": f"'{row['created_at']}'", "before_id": f"'{row['id']}'"}


@pytest.mark.slow
async def test_page_of_videos_reads_no_more_than_the_page(
    admin_connection: asyncpg.Connection, large: UUID
) -> None:
    pages = [{"before": "null", "before_id": "null"}, await middle(admin_connection, large)]
    for _ in range(10):  # from the sixth call on, PostgreSQL would take a generic plan
        for page in pages:
            call = LIST_VIDEOS.format(business=large, status="null", count_up_to="null", **page)
            assert await buffers(admin_connection, call) < CHEAP
            counted = LIST_VIDEOS.format(business=large, status="null", count_up_to=1000, **page)
            assert await admin_connection.fetchval(f"select min(total_count) from {counted}") == 1000
            assert await buffers(admin_connection, counted) < CHEAP + 1100, "one item more is one buffer more"


@pytest.mark.slow
async def test_page_of_videos_without_a_fitting_index_looks_up_only_its_own_generations(
    admin_connection: asyncpg.Connection, large: UUID
) -> None:
    table = await admin_connection.fetchval("select pg_relation_size('public.content') / 8192")
    index = await admin_connection.fetchrow(
        "select i.indexrelid::regclass::text as name, pg_get_indexdef(i.indexrelid) as definition "
        "from pg_index as i where i.indrelid = 'public.content'::regclass "
        "and pg_get_indexdef(i.indexrelid) like '%COALESCE(created_at%'"
    )
    assert index
    await admin_connection.execute(f"drop index public.{index['name']}")
    try:
        for page in ({"before": "null", "before_id": "null"}, await middle(admin_connection, large)):
            for _ in range(10):
                call = LIST_VIDEOS.format(business=large, status="null", count_up_to="null", **page)
                assert await buffers(admin_connection, call) < table + CHEAP
    finally:
        await admin_connection.execute(index["definition"])


async def test_integrations_of_a_rare_status_are_found_by_an_index(
    admin_connection: asyncpg.Connection,
) -> None:
    await admin_connection.execute(
        f"""
        set session_replication_role = replica;
        insert into public.ai_avatar_integrations (business_id, provider, status, created_at)
        select gen_random_uuid(), 'heygen', case when n in (7, 8) then 'error' when n = 9 then null else 'active' end,
            now() - n * interval '1 minute'
        from generate_series(1, {ITEMS}) as n;
        set session_replication_role = origin;
        analyze
        """
    )
    try:
        for status, expected in (("error", 2), ("inactive", 1), ("active", 20)):
            call = LIST_INTEGRATIONS.format(business="null", status=f"'{status}'")
            assert await admin_connection.fetchval(f"select count(*) from {call}") == expected
            for _ in range(10):
                assert await buffers(admin_connection, call) < CHEAP
    finally:
        await admin_connection.execute(
            "set session_replication_role = replica; delete from public.ai_avatar_integrations; "
            "set session_replication_role = origin"
        )


ABSURD_TIMES = (
    *("infinity", "-infinity", "20000-01-01", "30000-01-01", "20000-01-01", "0044-03-15 BC", None, None),
    *("2026-01-01", "9999-12-31 23:59:59", "9999-12-31 23:59:59.5", "0001-01-01", "1970-01-01"),
)


async def pages(client: httpx.AsyncClient, path: str, headers: dict[str, str]) -> list[Any]:
    """Return all items of a list, read one by one."""
    items: list[Any] = []
    cursor: dict[str, str] = {}
    while True:
        response = await client.get(path, params={"limit": "1", **cursor}, headers=headers)
        assert response.status_code == 200, response.text
        items += response.json()["items"]
        if response.json()["next_cursor"] is None:
            return items
        assert len(items) < 100, "the list has no end"
        cursor = {"cursor": response.json()["next_cursor"]}


async def test_videos_with_any_time_are_listed_once_each(
    client: httpx.AsyncClient, admin_connection: asyncpg.Connection, tenant: Tenant
) -> None:
    for time in ABSURD_TIMES:
        await admin_connection.execute(
            "insert into public.content (business_id, created_at) values ($1, $2::text::timestamptz)",
            tenant.business_id,
            time,
        )
    listed = await pages(client, "/integrations/ai-avatar/videos", tenant.headers)
    assert len({item["content_id"] for item in listed}) == len(listed) == len(ABSURD_TIMES) + 1


async def test_integrations_with_any_time_are_listed_once_each_and_read(
    client: httpx.AsyncClient, admin_connection: asyncpg.Connection, tenant: Tenant, other_tenant: Tenant
) -> None:
    tenants = [await make_tenant(admin_connection) for _ in ABSURD_TIMES]
    # As a table that was taken over may have them: without the triggers.
    async with admin_connection.transaction():
        await admin_connection.execute("set local session_replication_role = replica")
        for made, time in zip(tenants, ABSURD_TIMES, strict=True):
            await admin_connection.execute(
                "insert into public.ai_avatar_integrations "
                "(business_id, provider, created_at, updated_at, validated_at, last_synced_at) "
                "values ($1, 'heygen', coalesce($2::text::timestamptz, now()), $2::text::timestamptz, "
                "$2::text::timestamptz, $2::text::timestamptz)",
                made.business_id,
                time,
            )
    listed = await pages(client, "/integrations/ai-avatar", SERVICE_HEADERS)
    assert len({item["id"] for item in listed}) == len(listed) >= len(ABSURD_TIMES)
    for made in tenants:
        response = await client.get(f"/integrations/ai-avatar/{made.business_id}", headers=made.headers)
        assert response.status_code == 200, response.text
