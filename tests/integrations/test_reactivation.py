"""A request for a video when the integration is not active: an integration in `error` is checked once."""

import asyncpg
import pytest
from support.api import Api
from support.controlled_heygen import ControlledHeyGen
from support.problems import assert_problem
from support.rows import ContentRow, list_secret_reads
from support.webhook_receiver import WebhookReceiver

pytestmark = pytest.mark.anyio


@pytest.fixture
async def rejected_api(controlled_api: Api, heygen: ControlledHeyGen, api_key: str) -> Api:
    """A business whose key HeyGen has rejected."""
    heygen.revoked.add(api_key)
    response = await controlled_api.validate(expect=200)
    assert response.json()["status"] == "error"
    heygen.calls.clear()
    return controlled_api


async def test_key_that_is_still_rejected_is_409_after_one_check(
    rejected_api: Api,
    heygen: ControlledHeyGen,
    api_key: str,
    content: ContentRow,
    webhook: WebhookReceiver,
) -> None:
    problem = assert_problem(await rejected_api.generate(), 409, "integration_not_active")
    assert problem["detail"] == "HeyGen rejects the stored API key. Save a new key, then try again."
    assert heygen.calls_of(api_key) == ["users/me"]
    assert webhook.deliveries == []
    assert await content.read() == (None, None, None, None)


async def test_provider_that_cannot_be_asked_is_409_and_changes_nothing(
    rejected_api: Api, heygen: ControlledHeyGen, webhook: WebhookReceiver
) -> None:
    heygen.unavailable = True
    problem = assert_problem(await rejected_api.generate(), 409, "integration_not_active")
    assert "cannot be asked now" in problem["detail"]
    heygen.unavailable = False
    assert (await rejected_api.get_integration()).json()["status"] == "error"
    assert webhook.deliveries == []


async def test_inactive_integration_is_409_without_a_check(
    controlled_api: Api, heygen: ControlledHeyGen, webhook: WebhookReceiver
) -> None:
    await controlled_api.update(status="inactive", expect=200)
    heygen.calls.clear()
    problem = assert_problem(await controlled_api.generate(), 409, "integration_not_active")
    assert problem["detail"] == "The HeyGen integration is inactive. Activate it, then try again."
    assert heygen.calls == []
    assert webhook.deliveries == []


async def test_key_that_works_again_makes_the_integration_active_and_the_video_starts(
    rejected_api: Api,
    heygen: ControlledHeyGen,
    api_key: str,
    admin_connection: asyncpg.Connection,
    webhook: WebhookReceiver,
) -> None:
    heygen.revoked.remove(api_key)
    await rejected_api.generate(expect=202)
    assert (await rejected_api.get_integration()).json()["status"] == "active"
    assert heygen.calls_of(api_key) == ["users/me"]
    assert len(webhook.deliveries) == 1
    last = (await list_secret_reads(admin_connection, rejected_api.tenant.business_id))[-1]
    assert (last["purpose"], last["caller"]) == ("reactivate", f"user:{rejected_api.tenant.user_id}")


async def test_deleted_integration_is_not_configured(rejected_api: Api) -> None:
    await rejected_api.delete(expect=204)
    assert_problem(await rejected_api.generate(), 409, "integration_not_configured")
