"""POST /integrations/ai-avatar/generate-video: the life of a generation, points 1 to 3."""

import asyncio
import json
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from standardwebhooks import Webhook
from support.api import Api
from support.rows import ContentRow
from support.tenants import WEBHOOK_SECRET, WEBHOOK_TOKEN, Tenant, make_content
from support.webhook_receiver import WebhookReceiver

pytestmark = pytest.mark.anyio


async def test_job_reaches_n8n_signed_and_with_four_fields_only(
    api: Api, content: ContentRow, webhook: WebhookReceiver
) -> None:
    response = await api.generate()

    assert response.status_code == 202, response.text
    generation = response.json()
    assert generation["status"] == generation["heygen_status"] == "processing"
    assert generation["script"] == "Hello"
    [delivery] = webhook.deliveries
    assert delivery.json == {
        "business_id": str(api.tenant.business_id),
        "content_id": str(api.tenant.content_id),
        "script": "Hello",
        "generation_id": generation["id"],
    }
    assert Webhook(WEBHOOK_SECRET).verify(delivery.body, delivery.headers) == delivery.json
    assert delivery.headers["webhook-id"] == generation["id"]
    assert delivery.headers["authorization"] == f"Bearer {WEBHOOK_TOKEN}"
    assert await content.status() == "processing"


@pytest.mark.parametrize("before", [None, "completed", "failed", "something of the old application"])
@pytest.mark.parametrize("answer", [500, 404, 403, (302, {"location": "http://127.0.0.1:1/"}), 400])
async def test_refused_webhook_gives_content_its_status_back(
    api: Api, webhook: WebhookReceiver, admin_connection: asyncpg.Connection, before: str | None, answer: Any
) -> None:
    content_id = await make_content(admin_connection, api.tenant.business_id, heygen_status=before)
    webhook.answers = [answer]

    response = await api.generate(content_id)

    assert response.status_code == 502
    assert response.json()["code"] == "webhook_failed"
    assert response.json()["detail"].startswith("Failed to trigger video generation: ")
    assert await ContentRow(admin_connection, content_id).status() == before
    assert len(webhook.deliveries) == 1


@pytest.mark.parametrize("answer", [429, 503, (503, {"retry-after": "1"})])
async def test_webhook_is_retried_when_it_has_started_nothing(
    api: Api, webhook: WebhookReceiver, answer: Any
) -> None:
    webhook.answers = [answer, 200]

    response = await api.generate()

    assert response.status_code == 202, response.text
    assert len(webhook.deliveries) == 2
    assert webhook.deliveries[0].headers["webhook-id"] == webhook.deliveries[1].headers["webhook-id"]
    assert webhook.deliveries[0].body == webhook.deliveries[1].body


async def test_hanging_webhook_is_504_and_rolled_back(
    api: Api, content: ContentRow, webhook: WebhookReceiver
) -> None:
    webhook.delay = 5
    response = await api.generate()
    assert response.status_code == 504
    assert response.json()["code"] == "webhook_timeout"
    assert len(webhook.deliveries) == 1
    assert await content.status() is None


async def test_32_at_once_start_one_generation(api: Api, webhook: WebhookReceiver) -> None:
    responses = await asyncio.gather(*(api.generate() for _ in range(32)))

    assert sorted(response.status_code for response in responses) == [202] + [409] * 31
    [accepted] = [response.json() for response in responses if response.status_code == 202]
    refused = [response.json() for response in responses if response.status_code == 409]
    assert {problem["code"] for problem in refused} == {"generation_in_progress"}
    assert {problem["generation_id"] for problem in refused} == {accepted["id"]}
    assert len(webhook.deliveries) == 1


async def test_idempotency_key_replays_and_refuses_another_body(api: Api, webhook: WebhookReceiver) -> None:
    key = "attempt-1"
    first, second = await asyncio.gather(*(api.generate(key=key) for _ in range(2)))
    other = await api.generate(key=key, script="Other words")

    assert first.status_code == second.status_code == 202, first.text + second.text
    assert first.json()["id"] == second.json()["id"]
    replayed = [response.headers.get("idempotency-replayed") for response in (first, second)]
    assert sorted(map(str, replayed)) == ["None", "true"]
    assert other.status_code == 422
    assert other.json()["code"] == "idempotency_key_reused"
    assert len(webhook.deliveries) == 1


async def test_rolled_back_generation_frees_its_idempotency_key(api: Api, webhook: WebhookReceiver) -> None:
    webhook.answers = [500, 200]
    key = "attempt-1"
    await api.generate(key=key, expect=502)
    retry = await api.generate(key=key)
    assert retry.status_code == 202
    assert "idempotency-replayed" not in retry.headers


@pytest.mark.parametrize("owned_by", ["no business", "another business"])
async def test_content_that_is_not_the_business_s_is_404(
    api: Api, other_tenant: Tenant, webhook: WebhookReceiver, owned_by: str
) -> None:
    content_id = uuid4() if owned_by == "no business" else other_tenant.content_id
    response = await api.generate(content_id)
    assert (response.status_code, response.json()["code"]) == (404, "content_not_found")
    assert webhook.deliveries == []


async def test_without_integration_is_409_with_the_original_message(unconnected_api: Api) -> None:
    response = await unconnected_api.generate()
    assert (response.status_code, response.json()["code"]) == (409, "integration_not_configured")
    assert response.json()["detail"] == (
        "HeyGen AI avatar integration not configured. Please set up your HeyGen integration first."
    )


async def test_claim_wins_over_a_webhook_that_fails(
    api: Api, content: ContentRow, webhook: WebhookReceiver
) -> None:
    """n8n starts the workflow, but its response is an error: the job runs, so the service answers 202."""
    webhook.delay, webhook.answers = 0.5, [500]
    pending = asyncio.create_task(api.generate())
    await asyncio.to_thread(webhook.arrived.wait, 5)
    job = json.loads(webhook.deliveries[0].body)
    await api.claim(job["generation_id"], "7", expect=200)
    response = await pending
    assert response.status_code == 202
    assert response.json()["status"] == "processing"
    assert await content.status() == "processing"
