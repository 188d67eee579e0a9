"""Content items that change business while a video is made: neither business sees or stops the other's generation."""

import asyncio
from contextlib import aclosing
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest
from fastapi import FastAPI
from support.api import Api
from support.problems import assert_problem
from support.rows import ContentRow, expire_generation
from support.tenants import Tenant
from support.webhook_receiver import WebhookReceiver

from app.dependencies import services_of
from app.memberships import Memberships
from app.providers.base import Video
from app.security import Caller
from app.videos.events import EventHub, EventTiming
from app.videos.repository import GenerationRepository

pytestmark = pytest.mark.anyio

URL = "https://videos.test/paid-by-the-old-business.mp4"
BEFORE = ("draft", "v0", None, None)


@pytest.fixture
async def new(api: Api, other_tenant: Tenant) -> Api:
    """The business that gets the item of `api`'s business: connected, as users of it see the item."""
    await api.of(other_tenant).connect("sandbox-other", avatar_id="sandbox-ada", expect=201)
    moved = Tenant(other_tenant.business_id, other_tenant.user_id, api.tenant.content_id)
    return api.of(moved)


@pytest.fixture
async def old_generation(
    api: Api, new: Api, content: ContentRow, admin_connection: asyncpg.Connection
) -> str:
    """The old business's live generation; its item belongs to the new business by now."""
    await content.write(*BEFORE)
    generation_id = await api.start()
    await api.report(generation_id, "processing", video_id="v1", expect=200)
    await move(admin_connection, new.tenant)
    return generation_id


async def move(connection: asyncpg.Connection, tenant: Tenant) -> None:
    await connection.execute(
        "update public.content set business_id = $2 where id = $1", tenant.content_id, tenant.business_id
    )


async def state_of(connection: asyncpg.Connection, generation_id: str) -> tuple[Any, ...]:
    row = await connection.fetchrow(
        "select status, ended_by, video_id, video_url from ai_avatar.generations where id = $1",
        UUID(generation_id),
    )
    assert row
    return tuple(row)


@pytest.mark.parametrize("by", ["user", "back end", "back end without a business"])
async def test_new_business_sees_the_item_without_the_old_generation(
    new: Api, old_generation: str, by: str
) -> None:
    api = new if by == "user" else new.as_service()
    if by != "back end without a business":
        page = await api.list_videos(expect=200)
        [item] = [item for item in page.json()["items"] if item["content_id"] == str(new.tenant.content_id)]
        assert item["generation"] is None
        assert old_generation not in page.text
    assert_problem(await api.get_generation(), 404, "generation_not_found")
    assert_problem(await api.cancel(), 404, "generation_not_found")
    events = await api.request("GET", f"/integrations/ai-avatar/videos/{new.tenant.content_id}/events")
    assert_problem(events, 404, "generation_not_found")


async def test_old_business_no_longer_sees_the_item(api: Api, new: Api, old_generation: str) -> None:
    assert (await api.list_videos()).json()["items"] == []
    assert_problem(await api.get_generation(), 404, "generation_not_found")
    assert_problem(await api.cancel(), 404, "generation_not_found")
    assert_problem(await api.reset(), 404, "content_not_found")
    assert_problem(await api.generate(), 404, "content_not_found")


async def test_new_business_generates_and_closes_the_old_generation(
    api: Api, new: Api, old_generation: str, content: ContentRow, admin_connection: asyncpg.Connection
) -> None:
    response = await new.generate(expect=202)
    assert old_generation not in response.text
    assert (await state_of(admin_connection, old_generation))[:2] == ("expired", "superseded")
    assert_problem(await api.claim(old_generation), 410, "generation_closed")
    # A second request names the new business's own generation.
    conflict = assert_problem(await new.generate(), 409, "generation_in_progress")
    assert conflict["generation_id"] == response.json()["id"]
    # What the old business has paid for is kept, where the new one does not see it.
    await api.report(old_generation, "completed", video_url=URL, expect=200)
    assert await state_of(admin_connection, old_generation) == ("completed", "report", "v1", URL)
    assert (await content.read())[::2] == ("processing", None)
    await new.report(response.json()["id"], "completed", video_url="https://videos.test/2.mp4", expect=200)
    assert (await content.read())[2] == "https://videos.test/2.mp4"


async def test_concurrent_requests_of_the_new_business_start_one_generation(
    new: Api, old_generation: str, webhook: WebhookReceiver
) -> None:
    responses = await asyncio.gather(*(new.generate() for _ in range(8)))
    assert sorted(response.status_code for response in responses) == [202] + [409] * 7
    assert not any(old_generation in response.text for response in responses)


async def test_new_business_resets_the_item_and_closes_the_old_generation(
    new: Api, old_generation: str, content: ContentRow, admin_connection: asyncpg.Connection
) -> None:
    reset = await new.reset(expect=200)
    assert (reset.json()["heygen_status"], reset.json()["generation"]) == (None, None)
    assert await content.read() == (None, None, None, None)
    assert (await state_of(admin_connection, old_generation))[:2] == ("expired", "superseded")


@pytest.mark.parametrize("status", ["processing", "completed", "failed"])
async def test_report_of_the_old_generation_tells_the_new_business_nothing(
    api: Api,
    old_generation: str,
    content: ContentRow,
    admin_connection: asyncpg.Connection,
    status: str,
) -> None:
    fields = {"completed": {"video_url": URL}, "failed": {"error": "Words for the old business"}}
    report = await api.report(old_generation, status, video_id="v2", **fields.get(status, {}), expect=200)
    assert report.json()["heygen_status"] is None
    row = await content.read()
    assert row[2:] == (None, None)
    assert row[1] != "v2"
    # The item is not left behind: what the old generation wrote is taken back when it ends.
    assert row[0] == ("processing" if status == "processing" else "draft")
    assert (await state_of(admin_connection, old_generation))[::2] == (status, "v2")


async def test_expiry_of_the_old_generation_gives_the_item_its_status_back(
    old_generation: str, content: ContentRow, admin_connection: asyncpg.Connection
) -> None:
    await expire_generation(admin_connection, old_generation)
    assert await content.read() == BEFORE


async def test_replay_of_the_old_business_s_key_does_not_show_the_item_s_status(
    api: Api, new: Api, admin_connection: asyncpg.Connection
) -> None:
    await api.generate(key="k", expect=202)
    await move(admin_connection, new.tenant)
    replay = await api.generate(key="k", expect=202)
    assert replay.json()["heygen_status"] is None


async def test_generation_of_the_old_business_is_found_by_its_id_by_neither(
    api: Api, new: Api, old_generation: str
) -> None:
    for business in (api, new):
        response = await business.get_generation(new.tenant.content_id, generation_id=old_generation)
        assert_problem(response, 404, "generation_not_found")


async def test_link_refreshed_for_the_old_business_is_not_written_into_the_item(
    service: tuple[FastAPI, httpx.AsyncClient],
    api: Api,
    new: Api,
    content: ContentRow,
    admin_connection: asyncpg.Connection,
) -> None:
    generation_id = await api.start()
    await api.report(generation_id, "completed", video_id="v1", video_url=URL, expect=200)
    await move(admin_connection, new.tenant)
    repository = services_of(service[0])[GenerationRepository]
    await repository.refresh_video_url(UUID(generation_id), Video("v1", "completed", f"{URL}?fresh"))
    assert (await state_of(admin_connection, generation_id))[3] == f"{URL}?fresh"
    assert (await content.read())[2] == URL


@pytest.mark.parametrize("new_generates", [False, True])
async def test_open_stream_of_the_old_business_ends_and_tells_nothing_of_the_new_one(
    service: tuple[FastAPI, httpx.AsyncClient],
    api: Api,
    new: Api,
    admin_connection: asyncpg.Connection,
    new_generates: bool,
) -> None:
    generation_id = await api.start()
    services = services_of(service[0])
    repository = services[GenerationRepository]
    hub = EventHub(repository, services[Memberships], EventTiming(poll_seconds=0.02))
    generation = await repository.get_latest_generation(api.tenant.business_id, api.tenant.content_id)
    events = []
    async with asyncio.timeout(10), aclosing(await hub.follow(generation, Caller("service"))) as stream:
        events.append(await anext(stream))
        await move(admin_connection, new.tenant)
        if new_generates:
            await new.start()
        events += [event async for event in stream]
    shown = "".join(events)
    assert generation_id in shown
    assert str(new.tenant.business_id) not in shown


async def test_item_that_comes_back_is_the_old_business_s_again(
    api: Api, old_generation: str, admin_connection: asyncpg.Connection
) -> None:
    await move(admin_connection, api.tenant)
    assert (await api.get_generation(expect=200)).json()["id"] == old_generation
    conflict = assert_problem(await api.generate(), 409, "generation_in_progress")
    assert conflict["generation_id"] == old_generation
    await api.cancel(expect=200)
