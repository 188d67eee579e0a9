"""A video that was paid for is kept, however late its report comes: the life of a generation, points 6 and 7."""

import asyncio
from typing import Any

import asyncpg
import httpx
import pytest
from support.tenants import Tenant
from support.webhook_receiver import WebhookReceiver

from .test_reports import URL, claim, code, content, expire, report, set_content, start

pytestmark = pytest.mark.anyio

BEFORE = ("draft", "v0", "https://videos.test/0.mp4", None)


async def test_expired_generation_gives_content_back_and_says_why(
    service: Any,
    client: httpx.AsyncClient,
    connected: Tenant,
    webhook: WebhookReceiver,
    admin_connection: asyncpg.Connection,
) -> None:
    await set_content(admin_connection, connected, *BEFORE)
    generation_id = await start(client, connected)
    await report(client, generation_id, "processing", execution_id="1", video_id="v1")
    await expire(service, admin_connection, generation_id)

    message = "The video generation did not report back in time."
    assert await content(admin_connection, connected) == (*BEFORE[:3], message)
    response = await client.get(
        f"/integrations/ai-avatar/videos/{connected.content_id}", headers=connected.headers
    )
    assert (response.json()["status"], response.json()["error"]) == ("expired", message)
    assert response.json()["heygen_status"] == "draft"
    assert code(await claim(client, connected, generation_id, "1")) == (410, "generation_closed")


async def test_expired_generation_may_still_be_completed(
    service: Any,
    client: httpx.AsyncClient,
    connected: Tenant,
    webhook: WebhookReceiver,
    admin_connection: asyncpg.Connection,
) -> None:
    generation_id = await start(client, connected)
    await report(client, generation_id, "processing", execution_id="1", video_id="v1")
    await expire(service, admin_connection, generation_id)

    done = await report(client, generation_id, "completed", execution_id="1", video_url=URL)

    assert (done.status_code, done.json()["status"], done.json()["error"]) == (200, "completed", None)
    assert await content(admin_connection, connected) == ("completed", "v1", URL, None)


async def test_only_the_claimant_may_complete_late(
    service: Any,
    client: httpx.AsyncClient,
    connected: Tenant,
    webhook: WebhookReceiver,
    admin_connection: asyncpg.Connection,
) -> None:
    generation_id = await start(client, connected)
    await claim(client, connected, generation_id, "1")
    await expire(service, admin_connection, generation_id)
    late = await report(client, generation_id, "completed", execution_id="2", video_url=URL)
    assert code(late) == (409, "generation_already_claimed")


@pytest.mark.parametrize("status", ["processing", "failed"])
async def test_only_a_completion_revives_an_expired_generation(
    service: Any,
    client: httpx.AsyncClient,
    connected: Tenant,
    webhook: WebhookReceiver,
    admin_connection: asyncpg.Connection,
    status: str,
) -> None:
    generation_id = await start(client, connected)
    await expire(service, admin_connection, generation_id)
    before = await content(admin_connection, connected)
    late = await report(client, generation_id, status, video_id="v1")
    # The video's id is kept: it is what a paid video is found again by.
    assert (late.status_code, late.json()["status"], late.json()["video_id"]) == (200, "expired", "v1")
    assert await content(admin_connection, connected) == before


async def test_generation_that_the_webhook_failed_may_still_be_completed(
    client: httpx.AsyncClient,
    connected: Tenant,
    webhook: WebhookReceiver,
    admin_connection: asyncpg.Connection,
) -> None:
    """n8n answered 500 and ran the workflow all the same, without asking for the key here."""
    await set_content(admin_connection, connected, *BEFORE)
    webhook.answers = [500]
    response = await client.post(
        "/integrations/ai-avatar/generate-video",
        json={"content_id": str(connected.content_id)},
        headers=connected.headers,
    )
    assert code(response) == (502, "webhook_failed")
    assert await content(admin_connection, connected) == BEFORE
    generation_id = webhook.deliveries[0].json["generation_id"]

    done = await report(client, generation_id, "completed", video_id="v1", video_url=URL)

    assert (done.status_code, done.json()["status"]) == (200, "completed")
    assert await content(admin_connection, connected) == ("completed", "v1", URL, None)


@pytest.mark.parametrize("newer_is", ["live", "failed", "cancelled", "rolled back"])
async def test_content_does_not_follow_where_a_newer_generation_exists(
    service: Any,
    client: httpx.AsyncClient,
    connected: Tenant,
    webhook: WebhookReceiver,
    admin_connection: asyncpg.Connection,
    newer_is: str,
) -> None:
    older = await start(client, connected)
    await expire(service, admin_connection, older)
    webhook.answers = [500 if newer_is == "rolled back" else 200]
    await client.post(
        "/integrations/ai-avatar/generate-video",
        json={"content_id": str(connected.content_id)},
        headers=connected.headers,
    )
    if newer_is == "failed":
        await report(client, webhook.deliveries[-1].json["generation_id"], "failed")
    if newer_is == "cancelled":
        await client.post(
            f"/integrations/ai-avatar/videos/{connected.content_id}/cancel", headers=connected.headers
        )
    before = await content(admin_connection, connected)

    done = await report(client, older, "completed", video_url=URL)

    assert (done.json()["status"], done.json()["video_url"]) == ("completed", URL)
    assert await content(admin_connection, connected) == before


async def test_superseded_generation_keeps_its_late_video(
    client: httpx.AsyncClient,
    connected: Tenant,
    webhook: WebhookReceiver,
    admin_connection: asyncpg.Connection,
) -> None:
    """Another application moved the content on, and a newer generation was started."""
    older = await start(client, connected)
    await set_content(admin_connection, connected, "draft", None, None, None)
    newer = await start(client, connected)
    done = await report(client, older, "completed", video_url=URL)
    assert (done.json()["status"], done.json()["video_url"]) == ("completed", URL)
    assert await content(admin_connection, connected) == ("processing", None, None, None)
    await report(client, newer, "completed", video_url="https://videos.test/2.mp4")
    assert await content(admin_connection, connected) == (
        "completed",
        None,
        "https://videos.test/2.mp4",
        None,
    )


async def test_two_completions_at_once_keep_one(
    service: Any,
    client: httpx.AsyncClient,
    connected: Tenant,
    webhook: WebhookReceiver,
    admin_connection: asyncpg.Connection,
) -> None:
    generation_id = await start(client, connected)
    await expire(service, admin_connection, generation_id)
    answers = await asyncio.gather(
        *(report(client, generation_id, "completed", video_url=f"{URL}?{n}") for n in range(16))
    )
    assert {answer.status_code for answer in answers} == {200}
    [url] = {answer.json()["video_url"] for answer in answers}
    assert (await content(admin_connection, connected))[2] == url


async def test_cancelled_while_the_webhook_is_called_and_refused_is_a_failure(
    client: httpx.AsyncClient,
    connected: Tenant,
    webhook: WebhookReceiver,
    admin_connection: asyncpg.Connection,
) -> None:
    webhook.delay, webhook.answers = 0.5, [500]
    headers = {**connected.headers, "Idempotency-Key": "cancelled"}
    body = {"content_id": str(connected.content_id)}

    async def generate() -> httpx.Response:
        return await client.post("/integrations/ai-avatar/generate-video", json=body, headers=headers)

    pending = asyncio.create_task(generate())
    await asyncio.to_thread(webhook.arrived.wait, 5)
    cancelled = await client.post(
        f"/integrations/ai-avatar/videos/{connected.content_id}/cancel", headers=connected.headers
    )
    assert cancelled.status_code == 200
    assert code(await pending) == (502, "webhook_failed")
    assert await content(admin_connection, connected) == (None, None, None, None)
    # Nothing was accepted, so the key is free for the retry.
    webhook.delay, webhook.answers = 0, [200]
    assert "idempotency-replayed" not in (retry := await generate()).headers
    assert retry.status_code == 202


async def test_generation_that_was_started_last_is_the_latest_whenever_its_transaction_began(
    client: httpx.AsyncClient,
    connected: Tenant,
    webhook: WebhookReceiver,
    admin_connection: asyncpg.Connection,
    database_url: str,
) -> None:
    """One that waited for the content's lock must not look older than the one that it waited for."""
    waiting = await asyncpg.connect(database_url)
    try:
        async with waiting.transaction():
            await waiting.execute("select now()")
            first = await start(client, connected)
            await report(client, first, "failed")
            last = await waiting.fetchval(
                "select id from ai_avatar.start_generation(gen_random_uuid(), $1, $2, 'heygen', null, "
                "interval '1 minute', null, null)",
                connected.business_id,
                connected.content_id,
            )
    finally:
        await waiting.close()
    path = f"/integrations/ai-avatar/videos/{connected.content_id}"
    latest = await client.get(path, headers=connected.headers)
    assert latest.json()["id"] == str(last) != first
    await report(client, str(last), "completed", video_url=URL)
    assert (await content(admin_connection, connected))[2] == URL
