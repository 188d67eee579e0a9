"""Broker mode when something fails during a create: a video that was paid for is never lost."""

import asyncio
import json
import re
import signal
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from support import postgres
from support.api import Api, api_at
from support.problems import assert_problem
from support.processes import environment, service_processes
from support.rows import expire_generation
from support.servers import serve_app, serve_raw
from support.service import running, settings
from support.tenants import make_tenant
from support.webhook_receiver import WebhookReceiver

from app.dependencies import services_of
from app.integrations.service import KeyCipher
from app.sealing import KeyRing

pytestmark = pytest.mark.anyio


@dataclass
class SlowHeyGen:
    """Makes a video once the test sets `go_on`."""

    url: str = ""
    creates: int = 0
    asked: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)

    async def me(self, _: Request) -> Response:
        return JSONResponse({"data": {"username": "u"}})

    async def post(self, _: Request) -> Response:
        self.creates += 1
        self.asked.set()
        await asyncio.to_thread(self.go_on.wait, 20)
        return JSONResponse({"data": {"video_id": "paid-for", "status": "waiting"}})


@pytest.fixture
def heygen() -> Iterator[SlowHeyGen]:
    found = SlowHeyGen()
    routes = [Route("/v3/users/me", found.me), Route("/v3/videos", found.post, methods=["POST"])]
    with serve_app(Starlette(routes=routes)) as found.url:
        yield found
        found.go_on.set()


async def begin(api: Api) -> str:
    """Connect and generate."""
    await api.connect("canary-outage", avatar_id="a", expect=201)
    return await api.start()


async def video_id(admin_connection: asyncpg.Connection, generation_id: str) -> str | None:
    found: str | None = await admin_connection.fetchval(
        "select video_id from ai_avatar.generations where id = $1", UUID(generation_id)
    )
    return found


async def test_database_that_goes_away_after_the_create_gets_the_video_when_it_is_back(
    heygen: SlowHeyGen,
    database_url: str,
    webhook: WebhookReceiver,
    admin_connection: asyncpg.Connection,
    server: postgres.Server,
) -> None:
    tenant = await make_tenant(admin_connection)
    database = urlsplit(database_url).path.removeprefix("/")
    providers = {"heygen": {"api_url": heygen.url, "webhook_url": webhook.url}}
    async with running(settings(database_url, providers=providers)) as (_, client):
        generation_id = await begin(api := Api(client, tenant))
        pending = asyncio.create_task(api.create_video(generation_id))
        await asyncio.to_thread(heygen.asked.wait, 10)
        own = await admin_connection.fetchval("select pg_backend_pid()")
        await asyncio.to_thread(server.run, f"alter database {database} allow_connections false")
        try:
            await admin_connection.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1 and pid <> $2",
                database,
                own,
            )
            heygen.go_on.set()
            await asyncio.sleep(1)
            assert not pending.done()
        finally:
            await asyncio.to_thread(server.run, f"alter database {database} allow_connections true")
        answer = await pending
    assert (answer.status_code, answer.json()["video_id"]) == (200, "paid-for"), answer.text
    assert heygen.creates == 1


@pytest.mark.slow
async def test_sigterm_in_mid_create_still_records_the_video(
    heygen: SlowHeyGen, database_url: str, webhook: WebhookReceiver, admin_connection: asyncpg.Connection
) -> None:
    tenant = await make_tenant(admin_connection)
    changes = {"HEYGEN_API_URL": heygen.url, "WEBHOOK_TIMEOUT_SECONDS": "1"}
    with service_processes(environment(database_url, webhook.url, **changes), 1) as [process]:
        async with api_at(process.url, tenant) as api:
            generation_id = await begin(api)
            pending = asyncio.create_task(api.create_video(generation_id))
            await asyncio.to_thread(heygen.asked.wait, 10)
            process.send(signal.SIGTERM)
            await asyncio.sleep(8)  # longer than uvicorn waits for its handlers
            heygen.go_on.set()
            await asyncio.gather(pending, return_exceptions=True)
            await asyncio.to_thread(process.wait)
    assert await video_id(admin_connection, generation_id) == "paid-for"
    assert heygen.creates == 1


async def test_cancel_in_mid_create_is_410_and_keeps_what_the_video_is_found_by(
    heygen: SlowHeyGen, database_url: str, webhook: WebhookReceiver, admin_connection: asyncpg.Connection
) -> None:
    tenant = await make_tenant(admin_connection)
    providers = {"heygen": {"api_url": heygen.url, "webhook_url": webhook.url}}
    async with running(settings(database_url, providers=providers)) as (_, client):
        generation_id = await begin(api := Api(client, tenant))
        pending = asyncio.create_task(api.create_video(generation_id))
        await asyncio.to_thread(heygen.asked.wait, 10)
        await api.cancel(expect=200)
        heygen.go_on.set()
        assert_problem(await pending, 410, "generation_closed")
    assert await video_id(admin_connection, generation_id) == "paid-for"


async def test_failed_report_in_mid_create_keeps_what_the_video_is_found_by(
    heygen: SlowHeyGen, database_url: str, webhook: WebhookReceiver, admin_connection: asyncpg.Connection
) -> None:
    tenant = await make_tenant(admin_connection)
    providers = {"heygen": {"api_url": heygen.url, "webhook_url": webhook.url}}
    async with running(settings(database_url, providers=providers)) as (_, client):
        generation_id = await begin(api := Api(client, tenant))
        pending = asyncio.create_task(api.create_video(generation_id))
        await asyncio.to_thread(heygen.asked.wait, 10)
        await api.report(generation_id, "failed", execution_id="1", error="Gave up", expect=200)
        heygen.go_on.set()
        answer = await pending
    assert (answer.status_code, answer.json()["status"]) == (200, "failed"), answer.text
    assert answer.json()["video_id"] == "paid-for"
    assert await video_id(admin_connection, generation_id) == "paid-for"


async def test_answer_that_comes_twice_is_not_taken_for_the_answer_to_another_business(
    database_url: str, webhook: WebhookReceiver, admin_connection: asyncpg.Connection
) -> None:
    created: dict[str, str] = {}

    async def answer_twice(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = re.search(rb"content-length: (\d+)", head.lower())
                await reader.readexactly(int(length[1]) if length else 0)
                key = re.search(rb"idempotency-key: (\S+)", head.lower())
                video_id = created.setdefault(key[1].decode(), f"v-{len(created)}") if key else "none"
                data = {"username": "u", "video_id": video_id}
                body = json.dumps({"data": data}).encode()
                answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
                writer.write(answer)
                await asyncio.sleep(0.02)
                writer.write(answer)
        writer.close()

    with serve_raw(answer_twice) as url:
        providers = {"heygen": {"api_url": url, "webhook_url": webhook.url}}
        async with running(settings(database_url, providers=providers)) as (_, client):
            apis = [Api(client, await make_tenant(admin_connection)) for _ in range(2)]
            generation_ids = [await begin(api) for api in apis]
            found = {}
            for api, generation_id in zip(apis, generation_ids, strict=True):
                response = await api.create_video(generation_id, expect=200)
                found[generation_id] = response.json()["video_id"]
                await asyncio.sleep(0.1)
    assert found == created


async def test_key_that_does_not_open_is_no_reason_not_to_ask_later(
    heygen: SlowHeyGen, database_url: str, webhook: WebhookReceiver, admin_connection: asyncpg.Connection
) -> None:
    tenant = await make_tenant(admin_connection)
    providers = {"heygen": {"api_url": heygen.url, "webhook_url": webhook.url}}
    heygen.go_on.set()
    async with running(settings(database_url, providers=providers)) as (_, client):
        generation_id = await begin(api := Api(client, tenant))
    other_key = "other:" + "B" * 43 + "="
    async with running(settings(database_url, providers=providers)) as (app, client):
        services_of(app)[KeyCipher]._ring = KeyRing.parse(other_key)
        assert_problem(await api.through(client).create_video(generation_id), 503, "key_not_available")
    assert heygen.creates == 0
    async with running(settings(database_url, providers=providers)) as (_, client):
        answer = await api.through(client).create_video(generation_id)
        assert (answer.status_code, answer.json()["video_id"]) == (200, "paid-for"), answer.text


async def test_dispatch_that_expired_frees_its_idempotency_key(
    api: Api, admin_connection: asyncpg.Connection
) -> None:
    """A process was killed between start and the webhook: the retry that the key exists for must work."""
    first = await api.start(key="k1")
    await admin_connection.execute(
        "update ai_avatar.generations set status = 'dispatching' where id = $1", UUID(first)
    )
    await expire_generation(admin_connection, first)
    again = await api.generate(key="k1", expect=202)
    assert "idempotency-replayed" not in again.headers
    assert again.json()["id"] != first
