"""POST /integrations/ai-avatar/generate-video: the life of a generation, points 1 to 3."""

import asyncio
import json
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
from standardwebhooks import Webhook
from support.tenants import WEBHOOK_SECRET, WEBHOOK_TOKEN, Tenant, make_content
from support.webhook_receiver import WebhookReceiver

pytestmark = pytest.mark.anyio


async def generate(client: httpx.AsyncClient, tenant: Tenant, **body: Any) -> httpx.Response:
    headers = tenant.headers | body.pop("headers", {})
    return await client.post(
        "/integrations/ai-avatar/generate-video",
        json={"content_id": str(tenant.content_id), **body},
        headers=headers,
    )


async def heygen_status(admin_connection: asyncpg.Connection, content_id: UUID) -> str | None:
    status: str | None = await admin_connection.fetchval(
        "select heygen_status from public.content where id = $1", content_id
    )
    return status


async def test_job_reaches_n8n_signed_and_with_four_fields_only(
    client: httpx.AsyncClient,
    connected: Tenant,
    webhook: WebhookReceiver,
    admin_connection: asyncpg.Connection,
) -> None:
    response = await generate(client, connected)

    assert response.status_code == 202, response.text
    generation = response.json()
    assert generation["status"] == generation["heygen_status"] == "processing"
    assert "script" not in generation
    [delivery] = webhook.deliveries
    assert delivery.json == {
        "business_id": str(connected.business_id),
        "content_id": str(connected.content_id),
        "script": "Hello",
        "generation_id": generation["id"],
    }
    assert Webhook(WEBHOOK_SECRET).verify(delivery.body, delivery.headers) == delivery.json
    assert delivery.headers["webhook-id"] == generation["id"]
    assert delivery.headers["authorization"] == f"Bearer {WEBHOOK_TOKEN}"
    assert await heygen_status(admin_connection, connected.content_id) == "processing"


@pytest.mark.parametrize("before", [None, "completed", "failed", "something of the old application"])
@pytest.mark.parametrize("answer", [500, 404, 403, (302, {"location": "http://127.0.0.1:1/"}), 400])
async def test_refused_webhook_gives_content_its_status_back(
    client: httpx.AsyncClient,
    connected: Tenant,
    webhook: WebhookReceiver,
    admin_connection: asyncpg.Connection,
    before: str | None,
    answer: Any,
) -> None:
    content_id = await make_content(admin_connection, connected.business_id, heygen_status=before)
    webhook.answers = [answer]

    response = await generate(client, connected, content_id=str(content_id))

    assert response.status_code == 502
    assert response.json()["code"] == "webhook_failed"
    assert response.json()["detail"].startswith("Failed to trigger video generation: ")
    assert await heygen_status(admin_connection, content_id) == before
    assert len(webhook.deliveries) == 1


@pytest.mark.parametrize("answer", [429, 503, (503, {"retry-after": "1"})])
async def test_webhook_is_tried_again_when_it_certainly_started_nothing(
    client: httpx.AsyncClient, connected: Tenant, webhook: WebhookReceiver, answer: Any
) -> None:
    webhook.answers = [answer, 200]

    response = await generate(client, connected)

    assert response.status_code == 202, response.text
    assert len(webhook.deliveries) == 2
    assert webhook.deliveries[0].headers["webhook-id"] == webhook.deliveries[1].headers["webhook-id"]
    assert webhook.deliveries[0].body == webhook.deliveries[1].body


async def test_hanging_webhook_is_504_and_rolled_back(
    client: httpx.AsyncClient,
    connected: Tenant,
    webhook: WebhookReceiver,
    admin_connection: asyncpg.Connection,
) -> None:
    webhook.delay = 5
    response = await generate(client, connected)
    assert response.status_code == 504
    assert response.json()["code"] == "webhook_timeout"
    assert len(webhook.deliveries) == 1
    assert await heygen_status(admin_connection, connected.content_id) is None


async def test_64_at_once_start_one_generation(
    client: httpx.AsyncClient,
    connected: Tenant,
    webhook: WebhookReceiver,
    admin_connection: asyncpg.Connection,
) -> None:
    responses = await asyncio.gather(*(generate(client, connected) for _ in range(64)))

    assert sorted(response.status_code for response in responses) == [202] + [409] * 63
    [accepted] = [response.json() for response in responses if response.status_code == 202]
    refused = [response.json() for response in responses if response.status_code == 409]
    assert {problem["code"] for problem in refused} == {"generation_in_progress"}
    assert {problem["generation_id"] for problem in refused} == {accepted["id"]}
    assert len(webhook.deliveries) == 1


async def test_idempotency_key_replays_and_refuses_another_body(
    client: httpx.AsyncClient, connected: Tenant, webhook: WebhookReceiver
) -> None:
    key = {"Idempotency-Key": "attempt-1"}
    first, second = await asyncio.gather(*(generate(client, connected, headers=key) for _ in range(2)))
    other = await generate(client, connected, headers=key, script="Other words")

    assert first.status_code == second.status_code == 202, first.text + second.text
    assert first.json()["id"] == second.json()["id"]
    replayed = [response.headers.get("idempotency-replayed") for response in (first, second)]
    assert sorted(map(str, replayed)) == ["None", "true"]
    assert other.status_code == 422
    assert other.json()["code"] == "idempotency_key_reused"
    assert len(webhook.deliveries) == 1


async def test_rolled_back_generation_frees_its_idempotency_key(
    client: httpx.AsyncClient, connected: Tenant, webhook: WebhookReceiver
) -> None:
    webhook.answers = [500, 200]
    key = {"Idempotency-Key": "attempt-1"}
    assert (await generate(client, connected, headers=key)).status_code == 502
    retry = await generate(client, connected, headers=key)
    assert retry.status_code == 202
    assert "idempotency-replayed" not in retry.headers


@pytest.mark.parametrize("owned_by", ["nobody", "another business"])
async def test_content_that_is_not_the_business_s_is_404(
    client: httpx.AsyncClient,
    connected: Tenant,
    other_tenant: Tenant,
    webhook: WebhookReceiver,
    owned_by: str,
) -> None:
    content_id = uuid4() if owned_by == "nobody" else other_tenant.content_id
    response = await generate(client, connected, content_id=str(content_id))
    assert (response.status_code, response.json()["code"]) == (404, "content_not_found")
    assert webhook.deliveries == []


async def test_without_integration_is_409_with_the_original_words(
    client: httpx.AsyncClient, tenant: Tenant, webhook: WebhookReceiver
) -> None:
    response = await generate(client, tenant)
    assert (response.status_code, response.json()["code"]) == (409, "integration_not_configured")
    assert response.json()["detail"] == (
        "HeyGen AI avatar integration not configured. Please set up your HeyGen integration first."
    )


async def test_claim_wins_over_a_webhook_that_says_no(
    client: httpx.AsyncClient,
    connected: Tenant,
    webhook: WebhookReceiver,
    admin_connection: asyncpg.Connection,
) -> None:
    """n8n started the workflow and its answer got lost: the job runs, and the answer is 202."""
    webhook.delay, webhook.answers = 0.5, [500]
    pending = asyncio.create_task(generate(client, connected))
    await asyncio.to_thread(webhook.arrived.wait, 5)
    job = json.loads(webhook.deliveries[0].body)
    claim = await client.post(
        "/n8n/heygen-credentials",
        json={"business_id": job["business_id"], "generation_id": job["generation_id"], "execution_id": "7"},
        headers={"X-API-Key": "n8n-key-of-the-tests"},
    )
    assert claim.status_code == 200, claim.text
    response = await pending
    assert response.status_code == 202
    assert response.json()["status"] == "processing"
    assert await heygen_status(admin_connection, connected.content_id) == "processing"
