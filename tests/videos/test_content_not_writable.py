"""Content items that the database refuses to change: the application's triggers and constraints.

A generation ends, and keeps what was reported, whatever becomes of its item; and no item stops other generations.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest
import structlog
from fastapi import FastAPI
from prometheus_client import REGISTRY
from support.api import Api
from support.problems import assert_problem
from support.rows import ContentRow
from support.tenants import make_content
from support.webhook_receiver import WebhookReceiver

from app.dependencies import services_of
from app.videos.maintenance import Maintenance

pytestmark = pytest.mark.anyio

URL = "https://videos.test/canary.mp4"

Block = Callable[[asyncpg.Connection, UUID], AbstractAsyncContextManager[None]]


def trigger(body: str, timing: str = "before update on", options: str = "") -> Block:
    """A trigger on one content item."""

    @asynccontextmanager
    async def block(connection: asyncpg.Connection, content_id: UUID) -> AsyncIterator[None]:
        kind = "constraint trigger" if options else "trigger"
        name = f"block_{content_id.hex}"
        await connection.execute(
            f"create function public.{name}() returns trigger language plpgsql as $$ begin {body} end $$;"
            f"create {kind} {name} {timing} public.content {options} for each row "
            f"when (old.id = '{content_id}') execute function public.{name}()"
        )
        yield
        await connection.execute(f"drop trigger {name} on public.content; drop function public.{name}()")

    return block


@asynccontextmanager
async def check(connection: asyncpg.Connection, content_id: UUID) -> AsyncIterator[None]:
    """A CHECK that allows what the item has now and nothing else."""
    now = await ContentRow(connection, content_id).status()
    name = f"check_{content_id.hex}"
    allowed = "heygen_status is null" if now is None else f"heygen_status is not distinct from '{now}'"
    await connection.execute(
        f"alter table public.content add constraint {name} check (id <> '{content_id}' or {allowed})"
    )
    yield
    await connection.execute(f"alter table public.content drop constraint {name}")


BLOCKS: dict[str, Block] = {
    "trigger that raises": trigger(
        "raise exception 'no: % %', new.heygen_url, old.content_title "
        "using detail = 'secret-detail', hint = 'secret-hint';"
    ),
    "trigger that skips": trigger("return null;"),
    "deferred trigger": trigger(
        "raise exception 'too late';", "after update on", "deferrable initially deferred"
    ),
    "trigger that fails": trigger("perform 'x-y-z'::integer; return new;"),
    "check": check,
}


@pytest.fixture(params=BLOCKS)
def block(request: pytest.FixtureRequest) -> Block:
    return BLOCKS[request.param]


@pytest.fixture
def maintenance(service: tuple[FastAPI, httpx.AsyncClient]) -> Maintenance:
    """The service's own; its task goes on, and may do the same work at the same time."""
    return services_of(service[0])[Maintenance]


def refused_updates() -> float:
    return REGISTRY.get_sample_value("ai_avatar_content_not_writable_total") or 0.0


async def end_of(connection: asyncpg.Connection, generation_id: str) -> tuple[Any, ...]:
    row = await connection.fetchrow(
        "select status, ended_by, video_id, video_url, content_error from ai_avatar.generations where id = $1",
        UUID(generation_id),
    )
    assert row
    return tuple(row)


async def test_generate_video_is_409_and_nothing_is_half_written(
    api: Api,
    content: ContentRow,
    webhook: WebhookReceiver,
    admin_connection: asyncpg.Connection,
    block: Block,
) -> None:
    await content.write("draft", url=URL)
    async with block(admin_connection, api.tenant.content_id):
        response = await api.generate(key="k")
        problem = assert_problem(response, 409, "content_not_writable")
    assert problem["detail"].startswith("The database refused to change the content item: ")
    for value in (URL, "A content", "secret-", "x-y-z"):
        assert value not in response.text
    assert webhook.deliveries == []
    assert (await content.read())[:3] == ("draft", None, URL)
    rows = await admin_connection.fetchval(
        "select count(*) from ai_avatar.generations where content_id = $1", api.tenant.content_id
    )
    assert rows == 0
    # The same key works once the item does.
    assert (await api.generate(key="k")).status_code == 202


async def test_generate_video_names_the_constraint(api: Api, admin_connection: asyncpg.Connection) -> None:
    async with check(admin_connection, api.tenant.content_id):
        problem = assert_problem(await api.generate(), 409, "content_not_writable")
    assert f"check_{api.tenant.content_id.hex}" in problem["detail"]
    assert "23514" in problem["detail"]


async def test_completed_report_is_kept_and_logged_once(
    api: Api, content: ContentRow, admin_connection: asyncpg.Connection, block: Block
) -> None:
    generation_id = await api.start()
    refused = refused_updates()
    with structlog.testing.capture_logs() as logs:
        async with block(admin_connection, api.tenant.content_id):
            for _ in range(2):
                await api.report(generation_id, "processing", video_id="v1", expect=200)
            for _ in range(2):
                done = await api.report(generation_id, "completed", video_url=URL, expect=200)
            assert (done.json()["status"], done.json()["video_url"]) == ("completed", URL)
            assert (await content.read())[::2] == ("processing", None)
    *kept, reason = await end_of(admin_connection, generation_id)
    assert kept == ["completed", "report", "v1", URL]
    [entry] = [entry for entry in logs if entry["event"] == "content_not_writable"]
    assert entry["generation_id"] == generation_id
    assert entry["reason"] == reason
    assert not any(value in str(logs) for value in (URL, "secret-", "x-y-z"))
    assert refused_updates() - refused == 1


async def test_failed_report_is_kept(api: Api, admin_connection: asyncpg.Connection, block: Block) -> None:
    generation_id = await api.start()
    async with block(admin_connection, api.tenant.content_id):
        await api.report(generation_id, "failed", video_id="v1", error="No", expect=200)
    assert (await end_of(admin_connection, generation_id))[:3] == ("failed", "report", "v1")


async def test_cancel_ends_the_generation(
    api: Api, admin_connection: asyncpg.Connection, block: Block
) -> None:
    generation_id = await api.start()
    async with block(admin_connection, api.tenant.content_id):
        response = await api.cancel(expect=200)
    assert (response.json()["id"], response.json()["error"]) == (generation_id, "cancelled")
    # The item is left as it is, and asking for another video works once it can be changed.
    await api.start()


async def test_refused_webhook_is_rolled_back_and_answers_as_usual(
    api: Api, webhook: WebhookReceiver, admin_connection: asyncpg.Connection, block: Block
) -> None:
    webhook.delay, webhook.answers = 0.5, [500]
    pending = asyncio.create_task(api.generate())
    await asyncio.to_thread(webhook.arrived.wait, 5)
    async with block(admin_connection, api.tenant.content_id):
        assert_problem(await pending, 502, "webhook_failed")
    generation_id = webhook.deliveries[0].json["generation_id"]
    assert (await end_of(admin_connection, generation_id))[:2] == ("failed", "webhook")


async def test_expiry_ends_every_generation_and_restores_the_other_items(
    api: Api, admin_connection: asyncpg.Connection, maintenance: Maintenance, block: Block
) -> None:
    others = [
        await make_content(admin_connection, api.tenant.business_id, heygen_status="draft") for _ in range(3)
    ]
    generations = [UUID(await api.start(content_id)) for content_id in (*others, api.tenant.content_id)]
    blocked = str(generations[-1])
    with structlog.testing.capture_logs() as logs:
        async with block(admin_connection, api.tenant.content_id):
            # The blocked one is the oldest: it comes first in its batch.
            await admin_connection.execute(
                "update ai_avatar.generations set deadline = now() - "
                "case when id = $2 then interval '1 hour' else interval '1 s' end where id = any($1)",
                generations,
                generations[-1],
            )
            await maintenance.expire()
            statuses = await wait_until_ended(admin_connection, generations)
    assert statuses == {"expired"}
    assert [await ContentRow(admin_connection, content_id).status() for content_id in others] == ["draft"] * 3
    entries = [entry for entry in logs if entry["event"] == "content_not_writable"]
    assert [entry["generation_id"] for entry in entries] == [blocked]


@pytest.mark.slow
async def test_slow_trigger_delays_no_other_generation_and_ends_its_own(
    api: Api, admin_connection: asyncpg.Connection, maintenance: Maintenance
) -> None:
    """`statement_timeout` inside a function does not interrupt it, so the caller's timeout has to."""
    others = [
        await make_content(admin_connection, api.tenant.business_id, heygen_status="draft") for _ in range(3)
    ]
    generations = [UUID(await api.start(content_id)) for content_id in (api.tenant.content_id, *others)]
    async with trigger("perform pg_sleep(60); return new;")(admin_connection, api.tenant.content_id):
        await admin_connection.execute(
            "update ai_avatar.generations set deadline = now() - "
            "case when id = $2 then interval '1 hour' else interval '1 s' end where id = any($1)",
            generations,
            generations[0],
        )
        await maintenance.expire()
        assert await wait_until_ended(admin_connection, generations) == {"expired"}
        assert [await ContentRow(admin_connection, content_id).status() for content_id in others] == [
            "draft"
        ] * 3
    assert "did not end in time" in (await end_of(admin_connection, str(generations[0])))[-1]


@pytest.mark.slow
async def test_slow_trigger_loses_no_completed_report(
    api: Api, content: ContentRow, admin_connection: asyncpg.Connection
) -> None:
    generation_id = await api.start()
    async with trigger("perform pg_sleep(60); return new;")(admin_connection, api.tenant.content_id):
        done = await api.report(generation_id, "completed", video_id="v1", video_url=URL, expect=200)
    assert done.json()["video_url"] == URL
    assert (await end_of(admin_connection, generation_id))[:4] == ("completed", "report", "v1", URL)
    assert await content.status() == "processing"


async def test_locked_item_is_not_taken_for_a_slow_one(
    api: Api, content: ContentRow, database_url: str
) -> None:
    """While another transaction holds the item, a report fails as a whole, and a retry finds everything."""
    generation_id = await api.start()
    other = await asyncpg.connect(database_url)
    try:
        async with other.transaction():
            await other.execute("select from public.content where id = $1 for update", api.tenant.content_id)
            locked = await api.report(generation_id, "completed", video_url=URL)
            assert_problem(locked, 503, "database_unavailable")
    finally:
        await other.close()
    assert await content.status() == "processing"
    await api.report(generation_id, "completed", video_url=URL, expect=200)
    assert (await content.read())[::2] == ("completed", URL)


async def wait_until_ended(connection: asyncpg.Connection, generations: list[UUID]) -> set[str]:
    """Return the statuses once none is live: the service's own maintenance may hold some of them."""
    async with asyncio.timeout(30):
        while True:
            rows = await connection.fetch(
                "select status from ai_avatar.generations where id = any($1)", generations
            )
            statuses = {row["status"] for row in rows}
            if not statuses & {"dispatching", "processing"}:
                return statuses
            await asyncio.sleep(0.1)
