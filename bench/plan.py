"""`make bench-plan`: the original plan's queries and the service's on the same rows, and what later pages cost."""

import asyncio
import json
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit, urlunsplit
from uuid import UUID

import asyncpg
from data import fill
from pydantic import SecretStr
from support import postgres

from app.db import SqlFunction, connect, driver_dsn
from app.integrations.repository import GET_AI_AVATAR_INTEGRATION
from app.videos.content_repository import LIST_VIDEOS

CALLS = 20
BUSINESSES = 100_000
ITEMS = 100_000
LATENCY = 0.010  # seconds each way, as between two data centres of one region and the browser
PAGES = (1, 10, 100, 1000)

# As supabase-js asks for them: the user's business, then the page, then, in the browser, the form.
PLAN = {
    "the user's business": "select business_id from public.profiles where id = $1",
    "page: business with inner-joined integrations": """
        select b.*, i.integrations from public.businesses as b
        join lateral (
            select json_agg(row_to_json(ai)) as integrations from (
                select id, provider, avatar_id, voice_id, status, validated_at
                from public.ai_avatar_integrations where business_id = b.id
            ) as ai having count(*) > 0
        ) as i on true
        where b.id = $1""",
    "form: the same integration once more": """
        select id, provider, avatar_id, voice_id from public.ai_avatar_integrations
        where business_id = $1 and provider = 'heygen' and status = 'active'""",
}


async def measure(connection: asyncpg.Connection, sql: str, *arguments: Any) -> tuple[int, float]:
    """Return the buffers of the last of some calls, and the median of their milliseconds, round trip included."""
    took = []
    for _ in range(CALLS):
        started = time.perf_counter()
        await connection.fetch(sql, *arguments)
        took.append((time.perf_counter() - started) * 1000)
    plan = await connection.fetchval(f"explain (analyze, buffers, format json) {sql}", *arguments)
    top = json.loads(plan)[0]["Plan"]
    return top["Shared Hit Blocks"] + top["Shared Read Blocks"], statistics.median(took)


def _values(function: SqlFunction, **arguments: Any) -> list[Any]:
    return [arguments.get(name) for name in function.arguments]


async def compare(connection: asyncpg.Connection, user: asyncpg.Record) -> None:
    print(f"{BUSINESSES} businesses\n\n| query | buffers | ms |\n| --- | --- | --- |")
    total_buffers, total_ms = 0, 0.0
    for title, sql in PLAN.items():
        key = user["user_id"] if "profiles" in sql else user["business_id"]
        buffers, ms = await measure(connection, sql, key)
        total_buffers, total_ms = total_buffers + buffers, total_ms + ms
        print(f"| plan, {title} | {buffers} | {ms:.2f} |")
    print(f"| plan, together: {len(PLAN)} round trips | {total_buffers} | {total_ms:.2f} |")
    arguments = _values(GET_AI_AVATAR_INTEGRATION, p_business_id=user["business_id"], p_provider="heygen")
    buffers, ms = await measure(connection, GET_AI_AVATAR_INTEGRATION.sql, *arguments)
    print(f"| service, get_ai_avatar_integration: 1 round trip | {buffers} | {ms:.2f} |")


async def delay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass on what is read, each part LATENCY seconds later."""
    loop = asyncio.get_running_loop()
    while part := await reader.read(65536):
        loop.call_later(LATENCY, writer.write, part)
    writer.close()


@asynccontextmanager
async def delayed_address(url: str) -> AsyncIterator[str]:
    """Yield the address of a proxy before PostgreSQL, where each round trip takes 2 x LATENCY."""
    parts = urlsplit(driver_dsn(SecretStr(url)))
    folder = parse_qs(parts.query)["host"][0]

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_unix_connection(f"{folder}/.s.PGSQL.5432")
        await asyncio.gather(delay(reader, server_writer), delay(server_reader, writer))

    async with await asyncio.start_server(forward, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        yield urlunsplit(parts._replace(netloc=f"{parts.username}@127.0.0.1:{port}", query="sslmode=disable"))


async def compare_first_content(url: str, user: asyncpg.Record) -> None:
    """Print how long until there is something to show, where each round trip takes 2 x LATENCY."""
    async with delayed_address(url) as address:
        connection = await connect(SecretStr(address))
        arguments = _values(GET_AI_AVATAR_INTEGRATION, p_business_id=user["business_id"], p_provider="heygen")
        series = {
            "plan, page (2 queries)": list(PLAN.items())[:2],
            "plan, form (3 queries)": list(PLAN.items()),
        }
        print(f"\nWith {LATENCY * 1000:.0f} ms each way\n\n| first content | ms |\n| --- | --- |")
        for title, queries in series.items():
            took = 0.0
            for _, sql in queries:
                key = user["user_id"] if "profiles" in sql else user["business_id"]
                took += (await measure(connection, sql, key))[1]
            print(f"| {title} | {took:.1f} |")
        _, took = await measure(connection, GET_AI_AVATAR_INTEGRATION.sql, *arguments)
        print(f"| service, page and form (1 query) | {took:.1f} |")
        await connection.close()


async def page_through(connection: asyncpg.Connection, business_id: UUID) -> None:
    await connection.execute(
        "insert into public.content (business_id, content_title, created_at) "
        f"select $1, 'A title', now() - n * interval '1 minute' from generate_series(1, {ITEMS}) as n",
        business_id,
    )
    await connection.execute("vacuum analyze public.content")
    print(
        f"\nlist_videos of a business with {ITEMS} items, 20 a page\n\n| page | buffers | ms |\n| --- | --- | --- |"
    )
    for page in PAGES:
        last = await connection.fetchrow(
            "select created_at, id from public.content where business_id = $1 "
            "order by created_at desc, id desc offset $2 limit 1",
            business_id,
            (page - 1) * 20,
        )
        arguments = _values(
            LIST_VIDEOS,
            p_business_id=business_id,
            p_before_created_at=last["created_at"] if page > 1 else None,
            p_before_id=last["id"] if page > 1 else None,
            p_limit=21,
        )
        buffers, ms = await measure(connection, LIST_VIDEOS.sql, *arguments)
        print(f"| {page} | {buffers} | {ms:.2f} |")


async def run(url: str) -> None:
    users = await fill(url, BUSINESSES)
    connection = await connect(SecretStr(url))
    await compare(connection, users[0])
    await compare_first_content(url, users[0])
    await page_through(connection, users[0]["business_id"])
    await connection.close()


def main() -> None:
    server = postgres.start()
    with server.database(template=server.migrated_template()) as name:
        asyncio.run(run(server.url(name)))


if __name__ == "__main__":
    main()
