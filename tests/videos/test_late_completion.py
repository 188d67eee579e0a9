"""A video that was paid for is kept, however late its report comes: the life of a generation, points 6 and 7."""

import asyncio

import asyncpg
import pytest
from support.api import Api
from support.problems import assert_problem
from support.rows import ContentRow, expire_generation
from support.webhook_receiver import WebhookReceiver

pytestmark = pytest.mark.anyio

URL = "https://videos.test/1.mp4"
BEFORE = ("draft", "v0", "https://videos.test/0.mp4", None)


async def test_expired_generation_gives_content_back_and_says_why(
    api: Api, content: ContentRow, admin_connection: asyncpg.Connection
) -> None:
    await content.write(*BEFORE)
    generation_id = await api.start()
    await api.report(generation_id, "processing", execution_id="1", video_id="v1")
    await expire_generation(admin_connection, generation_id)

    message = "The video generation did not report back in time."
    assert await content.read() == (*BEFORE[:3], message)
    response = await api.get_generation()
    assert (response.json()["status"], response.json()["error"]) == ("expired", message)
    assert response.json()["heygen_status"] == "draft"
    assert_problem(await api.claim(generation_id, "1"), 410, "generation_closed")


async def test_expired_generation_may_still_be_completed(
    api: Api, content: ContentRow, admin_connection: asyncpg.Connection
) -> None:
    generation_id = await api.start()
    await api.report(generation_id, "processing", execution_id="1", video_id="v1")
    await expire_generation(admin_connection, generation_id)

    done = await api.report(generation_id, "completed", execution_id="1", video_url=URL)

    assert (done.status_code, done.json()["status"], done.json()["error"]) == (200, "completed", None)
    assert await content.read() == ("completed", "v1", URL, None)


async def test_only_the_claimant_may_complete_late(api: Api, admin_connection: asyncpg.Connection) -> None:
    generation_id = await api.start()
    await api.claim(generation_id, "1")
    await expire_generation(admin_connection, generation_id)
    late = await api.report(generation_id, "completed", execution_id="2", video_url=URL)
    assert_problem(late, 409, "generation_already_claimed")


@pytest.mark.parametrize("status", ["processing", "failed"])
async def test_only_a_completion_revives_an_expired_generation(
    api: Api, content: ContentRow, admin_connection: asyncpg.Connection, status: str
) -> None:
    generation_id = await api.start()
    await expire_generation(admin_connection, generation_id)
    before = await content.read()
    late = await api.report(generation_id, status, video_id="v1")
    # The video's id is kept: it is what a paid video is found again by.
    assert (late.status_code, late.json()["status"], late.json()["video_id"]) == (200, "expired", "v1")
    assert await content.read() == before


async def test_generation_that_the_webhook_failed_may_still_be_completed(
    api: Api, content: ContentRow, webhook: WebhookReceiver
) -> None:
    """n8n answered 500 and ran the workflow all the same, without asking for the key here."""
    await content.write(*BEFORE)
    webhook.answers = [500]
    assert_problem(await api.generate(), 502, "webhook_failed")
    assert await content.read() == BEFORE
    generation_id = webhook.deliveries[0].json["generation_id"]

    done = await api.report(generation_id, "completed", video_id="v1", video_url=URL)

    assert (done.status_code, done.json()["status"]) == (200, "completed")
    assert await content.read() == ("completed", "v1", URL, None)


@pytest.mark.parametrize("newer_is", ["live", "failed", "cancelled", "rolled back"])
async def test_content_does_not_follow_where_a_newer_generation_exists(
    api: Api,
    content: ContentRow,
    webhook: WebhookReceiver,
    admin_connection: asyncpg.Connection,
    newer_is: str,
) -> None:
    older = await api.start()
    await expire_generation(admin_connection, older)
    webhook.answers = [500 if newer_is == "rolled back" else 200]
    await api.generate()
    if newer_is == "failed":
        await api.report(webhook.deliveries[-1].json["generation_id"], "failed")
    if newer_is == "cancelled":
        await api.cancel()
    before = await content.read()

    done = await api.report(older, "completed", video_url=URL)

    assert (done.json()["status"], done.json()["video_url"]) == ("completed", URL)
    assert await content.read() == before


async def test_superseded_generation_keeps_its_late_video(api: Api, content: ContentRow) -> None:
    """Another application moved the content on, and a newer generation was started."""
    older = await api.start()
    await content.write("draft")
    newer = await api.start()
    done = await api.report(older, "completed", video_url=URL)
    assert (done.json()["status"], done.json()["video_url"]) == ("completed", URL)
    assert await content.read() == ("processing", None, None, None)
    await api.report(newer, "completed", video_url="https://videos.test/2.mp4")
    assert await content.read() == (
        "completed",
        None,
        "https://videos.test/2.mp4",
        None,
    )


async def test_two_completions_at_once_keep_one(
    api: Api, content: ContentRow, admin_connection: asyncpg.Connection
) -> None:
    generation_id = await api.start()
    await expire_generation(admin_connection, generation_id)
    answers = await asyncio.gather(
        *(api.report(generation_id, "completed", video_url=f"{URL}?{n}") for n in range(16))
    )
    assert {answer.status_code for answer in answers} == {200}
    [url] = {answer.json()["video_url"] for answer in answers}
    assert (await content.read())[2] == url


async def test_cancelled_while_the_webhook_is_called_and_refused_is_a_failure(
    api: Api, content: ContentRow, webhook: WebhookReceiver
) -> None:
    webhook.delay, webhook.answers = 0.5, [500]
    pending = asyncio.create_task(api.generate(key="cancelled"))
    await asyncio.to_thread(webhook.arrived.wait, 5)
    await api.cancel(expect=200)
    assert_problem(await pending, 502, "webhook_failed")
    assert await content.read() == (None, None, None, None)
    # Nothing was accepted, so the key is free for the retry.
    webhook.delay, webhook.answers = 0, [200]
    assert "idempotency-replayed" not in (retry := await api.generate(key="cancelled")).headers
    assert retry.status_code == 202


async def test_generation_that_was_started_last_is_the_latest_whenever_its_transaction_began(
    api: Api, content: ContentRow, database_url: str
) -> None:
    """One that waited for the content's lock must not look older than the one that it waited for."""
    waiting = await asyncpg.connect(database_url)
    try:
        async with waiting.transaction():
            await waiting.execute("select now()")
            first = await api.start()
            await api.report(first, "failed")
            last = await waiting.fetchval(
                "select id from ai_avatar.start_generation(gen_random_uuid(), $1, $2, 'heygen', null, "
                "interval '1 minute', null, null)",
                api.tenant.business_id,
                api.tenant.content_id,
            )
    finally:
        await waiting.close()
    latest = await api.get_generation()
    assert latest.json()["id"] == str(last) != first
    await api.report(str(last), "completed", video_url=URL)
    assert (await content.read())[2] == URL
