"""`Idempotency-Key`: a retry is safe, and one after a rollback works."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import asyncpg
import httpx
import pytest
from support.api import Api
from support.problems import assert_problem
from support.rows import ContentRow, expire_generation
from support.service import running, settings
from support.tenants import Tenant, make_content
from support.webhook_receiver import WebhookReceiver

pytestmark = pytest.mark.anyio

URL = "https://videos.test/1.mp4"


def is_replay(response: httpx.Response) -> bool:
    return bool(response.headers.get("idempotency-replayed") == "true")


async def test_replay_answers_with_the_generation_as_it_is_now(api: Api, webhook: WebhookReceiver) -> None:
    first = await api.generate(key="key")
    await api.report(first.json()["id"], "completed", video_url=URL)
    again = await api.generate(key="key")
    assert again.status_code == 202
    assert is_replay(again)
    assert not is_replay(first)
    assert (again.json()["id"], again.json()["status"]) == (first.json()["id"], "completed")
    assert again.headers["location"] == first.headers["location"]
    assert len(webhook.deliveries) == 1


async def test_replay_works_when_the_integration_is_gone(api: Api) -> None:
    first = await api.generate(key="key")
    await api.delete(expect=204)
    again = await api.generate(key="key")
    assert (again.status_code, again.json()["id"]) == (202, first.json()["id"])


async def test_explicit_null_is_the_same_body(api: Api) -> None:
    await api.generate(key="key")
    same = await api.generate(
        key="key", script=None, provider="heygen", business_id=str(api.tenant.business_id)
    )
    assert is_replay(same)


async def test_another_body_is_422_and_starts_nothing(
    api: Api, webhook: WebhookReceiver, admin_connection: asyncpg.Connection
) -> None:
    other_content = await make_content(admin_connection, api.tenant.business_id)
    await api.generate(key="key")
    for changed in ({"script": "Other words"}, {"content_id": other_content}):
        response = await api.generate(key="key", **changed)
        assert_problem(response, 422, "idempotency_key_reused")
    assert await ContentRow(admin_connection, other_content).status() is None
    assert len(webhook.deliveries) == 1


async def test_another_business_may_use_the_same_key(api: Api, other_tenant: Tenant) -> None:
    other = api.of(other_tenant)
    await other.connect("sandbox-other", avatar_id="sandbox-ada", expect=201)
    first, second = await api.generate(key="key"), await other.generate(key="key")
    assert first.status_code == second.status_code == 202
    assert not is_replay(second)


@pytest.mark.parametrize("same_content", [True, False])
async def test_many_at_once_with_one_key_start_one(
    api: Api, webhook: WebhookReceiver, admin_connection: asyncpg.Connection, same_content: bool
) -> None:
    contents = [api.tenant.content_id] * 16
    if not same_content:
        contents = [await make_content(admin_connection, api.tenant.business_id) for _ in range(16)]
    responses = await asyncio.gather(*(api.generate(id_, key="key") for id_ in contents))
    statuses = sorted(response.status_code for response in responses)
    assert statuses == ([202] * 16 if same_content else [202] + [422] * 15)
    assert len({response.json()["id"] for response in responses if response.status_code == 202}) == 1
    assert len(webhook.deliveries) == 1


async def test_key_is_free_after_a_rollback_and_bound_to_what_was_accepted(
    api: Api, webhook: WebhookReceiver, admin_connection: asyncpg.Connection
) -> None:
    webhook.answers = [500, 200]
    assert_problem(await api.generate(key="key"), 502, "webhook_failed")
    first = await api.generate(key="key")
    assert first.status_code == 202
    assert not is_replay(first)
    await expire_generation(admin_connection, first.json()["id"])
    again = await api.generate(key="key")
    assert is_replay(again)
    assert again.json()["status"] == "expired"


async def test_key_is_free_after_24_hours(api: Api, admin_connection: asyncpg.Connection) -> None:
    first = await api.generate(key="key")
    await api.report(first.json()["id"], "completed", video_url=URL)
    age = "update ai_avatar.generations set requested_at = now() - $2::interval where id = $1"
    await admin_connection.execute(age.replace("$2", "'23 hours 59 minutes'"), UUID(first.json()["id"]))
    assert is_replay(await api.generate(key="key"))
    await admin_connection.execute(age.replace("$2", "'24 hours 1 minute'"), UUID(first.json()["id"]))
    renewed = await api.generate(key="key", script="Other words")
    assert renewed.status_code == 202
    assert not is_replay(renewed)


async def test_key_is_free_when_the_process_died_before_n8n_had_accepted(
    api: Api, admin_connection: asyncpg.Connection
) -> None:
    first = await api.generate(key="key")
    await admin_connection.execute(
        "update ai_avatar.generations set status = 'dispatching', dispatched_at = null where id = $1",
        UUID(first.json()["id"]),
    )
    await expire_generation(admin_connection, first.json()["id"])
    again = await api.generate(key="key")
    assert again.status_code == 202
    assert not is_replay(again)


# A replay while n8n has not answered the first request yet ----------------------------------------------------------


@pytest.fixture(params=["same process", "another process"])
async def replaying_api(
    request: pytest.FixtureRequest, api: Api, database_url: str, heygen_url: str, webhook: WebhookReceiver
) -> AsyncIterator[Api]:
    """Where the replay arrives: at the instance that started the generation, or at another one."""
    if request.param == "same process":
        yield api
        return
    providers = {"heygen": {"api_url": heygen_url, "webhook_url": webhook.url}}
    async with running(settings(database_url, providers=providers)) as (_, client):
        yield api.through(client)


async def both_answers(
    api: Api, replaying_api: Api, webhook: WebhookReceiver
) -> tuple[httpx.Response, httpx.Response]:
    """Return the answers to a replay while the webhook is being called, and to the first request."""
    first = asyncio.create_task(api.generate(key="key"))
    await asyncio.to_thread(webhook.arrived.wait, 5)
    return await replaying_api.generate(key="key"), await first


async def test_replay_of_a_dispatch_that_n8n_refuses_is_the_same_refusal(
    api: Api, replaying_api: Api, content: ContentRow, webhook: WebhookReceiver
) -> None:
    webhook.delay, webhook.answers = 0.7, [500, 200]
    replay, first = await both_answers(api, replaying_api, webhook)
    problems = [assert_problem(answer, 502, "webhook_failed") for answer in (first, replay)]
    assert problems[0]["detail"] == problems[1]["detail"]
    assert len(webhook.deliveries) == 1
    assert await content.status() is None
    # The key is free for a retry.
    retry = await replaying_api.generate(key="key", expect=202)
    assert not is_replay(retry)


@pytest.mark.slow
async def test_replay_of_a_dispatch_that_times_out_is_the_same_timeout(
    api: Api, replaying_api: Api, webhook: WebhookReceiver
) -> None:
    webhook.delay = 3
    replay, first = await both_answers(api, replaying_api, webhook)
    problems = [assert_problem(answer, 504, "webhook_timeout") for answer in (first, replay)]
    assert problems[0]["detail"] == problems[1]["detail"]


async def test_replay_of_a_dispatch_waits_until_n8n_accepts(
    api: Api, replaying_api: Api, webhook: WebhookReceiver
) -> None:
    webhook.delay = 0.7
    replay, first = await both_answers(api, replaying_api, webhook)
    assert (first.status_code, replay.status_code) == (202, 202)
    assert is_replay(replay)
    assert (replay.json()["id"], replay.json()["status"]) == (first.json()["id"], "processing")


@pytest.mark.slow
async def test_replay_of_a_dispatch_whose_process_died_waits_for_the_webhook_s_budget_only(
    api: Api, admin_connection: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses, sleep, request = [], asyncio.sleep, asyncio.current_task()

    async def recorded_sleep(seconds: float) -> None:
        if asyncio.current_task() is request:
            pauses.append(seconds)
        await sleep(seconds)

    generation_id = await api.start(key="key")
    await admin_connection.execute(
        "update ai_avatar.generations set status = 'dispatching' where id = $1", UUID(generation_id)
    )
    monkeypatch.setattr(asyncio, "sleep", recorded_sleep)
    replay = await api.generate(key="key", expect=202)
    assert 1 < sum(pauses) <= 2, "WEBHOOK_TIMEOUT_SECONDS is 2"
    assert is_replay(replay)
    assert replay.json()["status"] == "dispatching"


@pytest.mark.parametrize("key", ["", " ", "k" * 256, "k\tk", "k\x7f"])
async def test_malformed_key_is_422(api: Api, webhook: WebhookReceiver, key: str) -> None:
    assert_problem(await api.generate(key=key), 422, "invalid_request")
    assert webhook.deliveries == []


async def test_longest_key_is_taken(api: Api) -> None:
    await api.generate(key="k" * 255, expect=202)
    assert is_replay(await api.generate(key="k" * 255))


async def test_id_that_is_taken_is_refused(api: Api, admin_connection: asyncpg.Connection) -> None:
    """Not looked for again and again: no live generation and no key is in its way."""
    generation_id = await api.start()
    other = await make_content(admin_connection, api.tenant.business_id)
    for key in (None, "key"):
        with pytest.raises(asyncpg.UniqueViolationError):
            await admin_connection.fetch(
                "select id from ai_avatar.start_generation($1, $2, $3, 'heygen', null, interval '1 minute', $4, null)",
                UUID(generation_id),
                api.tenant.business_id,
                other,
                key,
                timeout=10,
            )
