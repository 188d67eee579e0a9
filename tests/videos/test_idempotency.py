"""`Idempotency-Key`: a retry is safe, and one after a rollback works."""

import asyncio
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest
from support.tenants import Tenant, make_content
from support.webhook_receiver import WebhookReceiver

from .test_reports import URL, code, expire, report

pytestmark = pytest.mark.anyio


async def generate(
    client: httpx.AsyncClient, tenant: Tenant, key: str = "key", content_id: UUID | None = None, **body: Any
) -> httpx.Response:
    return await client.post(
        "/integrations/ai-avatar/generate-video",
        json={"content_id": str(content_id or tenant.content_id), **body},
        headers={**tenant.headers, "Idempotency-Key": key},
    )


def is_replay(response: httpx.Response) -> bool:
    return bool(response.headers.get("idempotency-replayed") == "true")


async def test_replay_answers_with_the_generation_as_it_is_now(
    client: httpx.AsyncClient, connected: Tenant, webhook: WebhookReceiver
) -> None:
    first = await generate(client, connected)
    await report(client, first.json()["id"], "completed", video_url=URL)
    again = await generate(client, connected)
    assert again.status_code == 202
    assert is_replay(again)
    assert not is_replay(first)
    assert (again.json()["id"], again.json()["status"]) == (first.json()["id"], "completed")
    assert again.headers["location"] == first.headers["location"]
    assert len(webhook.deliveries) == 1


async def test_replay_works_when_the_integration_is_gone(
    client: httpx.AsyncClient, connected: Tenant, webhook: WebhookReceiver
) -> None:
    first = await generate(client, connected)
    path = f"/integrations/ai-avatar/{connected.business_id}"
    assert (await client.delete(path, headers=connected.headers)).status_code == 204
    again = await generate(client, connected)
    assert (again.status_code, again.json()["id"]) == (202, first.json()["id"])


async def test_explicit_null_is_the_same_body(
    client: httpx.AsyncClient, connected: Tenant, webhook: WebhookReceiver
) -> None:
    await generate(client, connected)
    same = await generate(
        client, connected, script=None, provider="heygen", business_id=str(connected.business_id)
    )
    assert is_replay(same)


async def test_another_body_is_422_and_starts_nothing(
    client: httpx.AsyncClient,
    connected: Tenant,
    webhook: WebhookReceiver,
    admin_connection: asyncpg.Connection,
) -> None:
    other_content = await make_content(admin_connection, connected.business_id)
    await generate(client, connected)
    for changed in ({"script": "Other words"}, {"content_id": other_content}):
        response = await generate(client, connected, **changed)
        assert code(response) == (422, "idempotency_key_reused")
    status = await admin_connection.fetchval(
        "select heygen_status from public.content where id = $1", other_content
    )
    assert status is None
    assert len(webhook.deliveries) == 1


async def test_another_business_may_use_the_same_key(
    client: httpx.AsyncClient, connected: Tenant, other_tenant: Tenant, webhook: WebhookReceiver
) -> None:
    body = {"api_key": "sandbox-other", "avatar_id": "sandbox-ada"}
    await client.post("/integrations/ai-avatar", json=body, headers=other_tenant.headers)
    first, second = await generate(client, connected), await generate(client, other_tenant)
    assert first.status_code == second.status_code == 202
    assert not is_replay(second)


@pytest.mark.parametrize("same_content", [True, False])
async def test_many_at_once_with_one_key_start_one(
    client: httpx.AsyncClient,
    connected: Tenant,
    webhook: WebhookReceiver,
    admin_connection: asyncpg.Connection,
    same_content: bool,
) -> None:
    contents = [connected.content_id] * 16
    if not same_content:
        contents = [await make_content(admin_connection, connected.business_id) for _ in range(16)]
    responses = await asyncio.gather(*(generate(client, connected, content_id=id_) for id_ in contents))
    statuses = sorted(response.status_code for response in responses)
    assert statuses == ([202] * 16 if same_content else [202] + [422] * 15)
    assert len({response.json()["id"] for response in responses if response.status_code == 202}) == 1
    assert len(webhook.deliveries) == 1


async def test_key_is_free_after_a_rollback_and_bound_to_what_was_accepted(
    service: Any,
    client: httpx.AsyncClient,
    connected: Tenant,
    webhook: WebhookReceiver,
    admin_connection: asyncpg.Connection,
) -> None:
    webhook.answers = [500, 200]
    assert code(await generate(client, connected)) == (502, "webhook_failed")
    first = await generate(client, connected)
    assert first.status_code == 202
    assert not is_replay(first)
    await expire(service, admin_connection, first.json()["id"])
    again = await generate(client, connected)
    assert is_replay(again)
    assert again.json()["status"] == "expired"


async def test_key_is_free_after_24_hours(
    client: httpx.AsyncClient,
    connected: Tenant,
    webhook: WebhookReceiver,
    admin_connection: asyncpg.Connection,
) -> None:
    first = await generate(client, connected)
    await report(client, first.json()["id"], "completed", video_url=URL)
    age = "update ai_avatar.generations set requested_at = now() - $2::interval where id = $1"
    await admin_connection.execute(age.replace("$2", "'23 hours 59 minutes'"), UUID(first.json()["id"]))
    assert is_replay(await generate(client, connected))
    await admin_connection.execute(age.replace("$2", "'24 hours 1 minute'"), UUID(first.json()["id"]))
    renewed = await generate(client, connected, script="Other words")
    assert renewed.status_code == 202
    assert not is_replay(renewed)


async def test_key_is_free_when_the_process_died_before_n8n_had_accepted(
    service: Any,
    client: httpx.AsyncClient,
    connected: Tenant,
    webhook: WebhookReceiver,
    admin_connection: asyncpg.Connection,
) -> None:
    first = await generate(client, connected)
    await admin_connection.execute(
        "update ai_avatar.generations set status = 'dispatching', dispatched_at = null where id = $1",
        UUID(first.json()["id"]),
    )
    await expire(service, admin_connection, first.json()["id"])
    again = await generate(client, connected)
    assert again.status_code == 202
    assert not is_replay(again)


@pytest.mark.parametrize("key", ["", " ", "k" * 256, "k\tk", "k\x7f"])
async def test_malformed_key_is_422(
    client: httpx.AsyncClient, connected: Tenant, webhook: WebhookReceiver, key: str
) -> None:
    assert code(await generate(client, connected, key)) == (422, "invalid_request")
    assert webhook.deliveries == []


async def test_longest_key_is_taken(
    client: httpx.AsyncClient, connected: Tenant, webhook: WebhookReceiver
) -> None:
    assert (await generate(client, connected, "k" * 255)).status_code == 202
    assert is_replay(await generate(client, connected, "k" * 255))
