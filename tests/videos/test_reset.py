"""POST …/videos/{content_id}/reset: an item without a live generation is as if no video had been asked for."""

import asyncio

import asyncpg
import pytest
from support.api import Api
from support.problems import assert_problem
from support.rows import ContentRow
from support.tenants import Tenant

pytestmark = pytest.mark.anyio

URL = "https://videos.test/1.mp4"


@pytest.mark.parametrize("status", ["processing", "failed", "completed", "draft", None])
@pytest.mark.parametrize("by", ["user", "back end"])
async def test_item_without_a_generation_is_cleared(
    api: Api, content: ContentRow, status: str | None, by: str
) -> None:
    await content.write(status, "v0", URL, "An error")
    response = await (api if by == "user" else api.as_service()).reset(expect=200)
    assert response.json() == {
        "content_id": str(api.tenant.content_id),
        "content_title": "A content",
        "video_script": "Hello",
        "heygen_status": None,
        "heygen_url": None,
        "created_at": response.json()["created_at"],
        "generation": None,
    }
    assert await content.read() == (None, None, None, None)


@pytest.mark.parametrize("end", ["completed", "failed", "cancelled"])
async def test_ended_generation_stays_and_the_answer_is_the_list_s_item(
    api: Api, content: ContentRow, end: str
) -> None:
    generation_id = await api.start()
    if end == "cancelled":
        await api.cancel(expect=200)
    else:
        await api.report(generation_id, end, video_id="v1", video_url=URL, expect=200)
    response = await api.reset(expect=200)
    assert response.json()["generation"]["id"] == generation_id
    assert [response.json()] == (await api.list_videos()).json()["items"]
    assert (await api.get_generation(expect=200)).json()["id"] == generation_id
    assert await content.read() == (None, None, None, None)


@pytest.mark.parametrize("moved_on", [False, True])
async def test_live_generation_is_409_and_nothing_changes(
    api: Api, content: ContentRow, moved_on: bool
) -> None:
    generation_id = await api.start()
    if moved_on:
        await content.write("draft", "v0", URL, "An error")
    before = await content.read()
    problem = assert_problem(await api.reset(), 409, "generation_in_progress")
    assert problem["generation_id"] == generation_id
    assert await content.read() == before
    await api.report(generation_id, "completed", video_url=URL, expect=200)
    await api.reset(expect=200)


async def test_another_business_s_item_is_404_and_untouched(
    api: Api, other_tenant: Tenant, admin_connection: asyncpg.Connection
) -> None:
    row = ContentRow(admin_connection, other_tenant.content_id)
    await row.write("failed", "v0", URL, "An error")
    assert_problem(await api.reset(other_tenant.content_id), 404, "content_not_found")
    assert (await row.read())[0] == "failed"


async def test_reset_and_generate_at_once_leave_no_item_behind(api: Api, content: ContentRow) -> None:
    """Either the reset comes first, or it is refused: a live generation's item stays `processing`."""
    await content.write("failed", "v0", URL, "An error")
    resets, generated = await asyncio.gather(
        asyncio.gather(*(api.reset() for _ in range(8))), api.generate(expect=202)
    )
    assert {response.status_code for response in resets} <= {200, 409}
    assert await content.status() == "processing"
    assert (await api.get_generation()).json()["id"] == generated.json()["id"]


async def test_item_that_the_database_does_not_let_change_is_409(
    api: Api, content: ContentRow, admin_connection: asyncpg.Connection
) -> None:
    await content.write("failed")
    name = f"keep_{api.tenant.content_id.hex}"
    await admin_connection.execute(
        f"alter table public.content add constraint {name} "
        f"check (id <> '{api.tenant.content_id}' or heygen_status is not null)"
    )
    try:
        assert_problem(await api.reset(), 409, "content_not_writable")
    finally:
        await admin_connection.execute(f"alter table public.content drop constraint {name}")
    assert await content.status() == "failed"
