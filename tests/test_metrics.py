"""What the metrics say of generations, providers, keys, content items and the database, after it has happened."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import httpx
import pytest
from fastapi import FastAPI
from support.api import Api
from support.webhook_receiver import WebhookReceiver

from app.dependencies import services_of
from app.videos.gauges import Gauges

pytestmark = pytest.mark.anyio


async def read(client: httpx.AsyncClient) -> dict[str, float]:
    """Return every series by name and labels."""
    text = (await client.get("/metrics")).text
    return {name: float(value) for name, value in re.findall(r"^([a-z]\S*?(?:\{.*\})?) (\S+)$", text, re.M)}


@asynccontextmanager
async def counting(api: Api, **expected: float) -> AsyncIterator[None]:
    """Fail unless the series grow by so much in the block; their names come as `{name: growth}`."""
    before = await read(api.client)
    yield
    after = await read(api.client)
    grown = {name: after.get(name, 0) - before.get(name, 0) for name in expected}
    assert grown == expected


async def test_live_generations_and_the_age_of_the_oldest(
    api: Api, service: tuple[FastAPI, httpx.AsyncClient], admin_connection: asyncpg.Connection
) -> None:
    gauges = services_of(service[0])[Gauges]
    generation_id = await api.start()
    await admin_connection.execute(
        "update ai_avatar.generations set requested_at = now() - interval '1 hour' where id = $1",
        generation_id,
    )
    await gauges.read()
    found = await read(api.client)
    assert found['ai_avatar_generations_live{status="processing"}'] == 1
    assert 3600 <= found['ai_avatar_generations_oldest_live_seconds{status="processing"}'] < 3700
    await api.cancel(expect=200)
    await gauges.read()
    found = await read(api.client)
    assert found['ai_avatar_generations_live{status="processing"}'] == 0
    assert found['ai_avatar_generations_oldest_live_seconds{status="processing"}'] == 0


async def test_key_handed_to_n8n_counts_and_a_refused_one_does_not(api: Api) -> None:
    name = 'ai_avatar_key_reads_total{provider="heygen",purpose="issue_credentials"}'
    generation_id = await api.start()
    async with counting(api, **{name: 1}):
        await api.claim(generation_id, "1", expect=200)
        await api.claim(generation_id, "2", expect=409)


async def test_provider_calls_count_by_outcome_and_time(api: Api) -> None:
    calls = 'ai_avatar_provider_calls_total{kind="read",outcome="%s",provider="heygen"}'
    seconds = 'ai_avatar_provider_call_duration_seconds_count{kind="read",provider="heygen"}'
    async with counting(api, **{calls % "ok": 1, calls % "api_key_rejected": 1, seconds: 2}):
        await api.validate(expect=200)
        await api.connect("no-key-of-the-sandbox", expect=422)


async def test_outcome_of_the_webhook_counts(api: Api, webhook: WebhookReceiver) -> None:
    calls = 'ai_avatar_webhook_calls_total{outcome="%s"}'
    dispatches = 'ai_avatar_dispatches_total{outcome="%s"}'
    expected = {calls % "5xx": 1, calls % "2xx": 1, dispatches % "rolled_back": 1, dispatches % "taken": 1}
    webhook.answers = [500, 200]
    async with counting(api, **expected):
        await api.generate(expect=502)
        await api.generate(expect=202)


async def test_item_that_cannot_be_written_counts_whatever_was_to_be_written(
    api: Api, admin_connection: asyncpg.Connection
) -> None:
    generation_id = await api.start()
    await admin_connection.execute(
        "create function public.refuse() returns trigger language plpgsql as $$ begin raise 'no'; end $$; "
        "create trigger refuse before update on public.content for each row execute function public.refuse()"
    )
    try:
        async with counting(api, ai_avatar_content_not_writable_total=3):
            await api.report(generation_id, "failed", error="x", expect=200)
            await api.generate(expect=409)
            await api.reset(expect=409)
    finally:
        await admin_connection.execute("drop trigger refuse on public.content; drop function public.refuse")


async def test_database_connections_in_use_are_those_of_this_moment(api: Api, database_url: str) -> None:
    holder = await asyncpg.connect(database_url)
    transaction = holder.transaction()
    await transaction.start()
    await holder.execute("lock table public.content in access exclusive mode")
    lists = [asyncio.create_task(api.list_videos()) for _ in range(4)]
    await asyncio.sleep(0.2)
    assert (await read(api.client))["ai_avatar_database_connections_in_use"] >= 4
    await holder.close()
    assert {response.status_code for response in await asyncio.gather(*lists)} == {200}
    assert (await read(api.client))["ai_avatar_database_connections_in_use"] < 4


async def test_limits_that_were_never_reached_are_there_as_zeros(client: httpx.AsyncClient) -> None:
    found = await read(client)
    assert 'ai_avatar_requests_shed_total{slots="general"}' in found
    assert 'ai_avatar_requests_limited_total{limit="provider_calls"}' in found
