"""Hang-ups, signals and a database that goes away, with real processes and sockets."""

import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
from pydantic import SecretStr
from support.api import ROOT, Api, api_at
from support.postgres import DATA, Server, lock
from support.problems import assert_problem
from support.processes import ServiceProcess, environment, service_processes
from support.servers import serve_raw
from support.service import running, settings
from support.tenants import Tenant, make_tenant
from support.webhook_receiver import WebhookReceiver

from app.db import connect
from app.providers import PROVIDERS
from app.sandbox.embedded import database_url as embedded_url
from app.sandbox.embedded import start_postgres

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.slow,
    # Not by test: processes that several tests share log these some seconds after the test that caused them.
    pytest.mark.logs(
        *("database_unreachable", "request_failed:database_unavailable", "request_failed:webhook_failed"),
        *("batch_not_expired", "recovery_interrupted", "video_checks_interrupted", "gauges_not_read"),
        "generation_expired",
    ),
]


@pytest.fixture(scope="module")
def env(
    database_url: str, webhook_server: WebhookReceiver, heygen_url: str, tavus_url: str
) -> dict[str, str]:
    # A generous budget: a test that waits for it to run out takes too long.
    return environment(
        database_url,
        webhook_server.url,
        HEYGEN_API_URL=heygen_url,
        TAVUS_API_URL=tavus_url,
        N8N_TAVUS_WEBHOOK_URL=webhook_server.url,
        WEBHOOK_TIMEOUT_SECONDS="40",
        LOG_LEVEL="warning",
    )


@pytest.fixture(scope="module")
def pair(env: dict[str, str]) -> Iterator[list[ServiceProcess]]:
    """Two processes on one database, shared by the tests: each leaves both running."""
    with service_processes(env, 2) as services:
        yield services


@pytest.fixture(params=list(PROVIDERS))
async def api(
    pair: list[ServiceProcess], tenant: Tenant, request: pytest.FixtureRequest
) -> AsyncIterator[Api]:
    """The first process, called by a business that has connected a provider, and uses that one."""
    async with api_at(pair[0].url, tenant) as client:
        api = client.at(request.param)
        await api.connect(avatar_id="sandbox-ada", expect=201)
        yield api


def hang_up_on_generate(url: str, api: Api, webhook: WebhookReceiver) -> None:
    """Ask for a video and close the connection before n8n has answered."""
    parts = urlsplit(url)
    assert parts.hostname
    assert parts.port
    tenant = api.tenant
    body = json.dumps({"content_id": str(tenant.content_id), "provider": api.provider}).encode()
    head = (
        f"POST {ROOT}/generate-video HTTP/1.1\r\nHost: service.test\r\nContent-Type: application/json\r\n"
        f"Authorization: {tenant.headers['Authorization']}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection((parts.hostname, parts.port)) as connection:
        connection.sendall(head.encode() + body)
        assert webhook.arrived.wait(30)


async def until(admin_connection: asyncpg.Connection, content_id: UUID, wanted: tuple[Any, ...]) -> None:
    """Until (heygen_status of the content, status and dispatched of its latest generation) is as wanted."""
    found = None
    for _ in range(600):
        row = await admin_connection.fetchrow(
            "select c.heygen_status, g.status, g.dispatched_at is not null from public.content c join "
            "ai_avatar.generations g on g.content_id = c.id where c.id = $1 order by g.requested_at desc limit 1",
            content_id,
        )
        found = tuple(row) if row else None
        if found == wanted:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"found {found}, wanted {wanted}")


@pytest.mark.parametrize(
    ("answer", "wanted"), [(500, (None, "failed", False)), (200, ("processing", "processing", True))]
)
async def test_what_n8n_answers_counts_although_the_client_has_hung_up(
    pair: list[ServiceProcess],
    api: Api,
    webhook: WebhookReceiver,
    admin_connection: asyncpg.Connection,
    answer: int,
    wanted: tuple[Any, ...],
) -> None:
    webhook.answers, webhook.delay = [answer], 1
    await asyncio.to_thread(hang_up_on_generate, pair[0].url, api, webhook)
    await until(admin_connection, api.tenant.content_id, wanted)


async def test_sigterm_lets_webhook_calls_finish(
    pair: list[ServiceProcess],
    api: Api,
    webhook: WebhookReceiver,
    admin_connection: asyncpg.Connection,
) -> None:
    """Of one client that waits and of one that has hung up."""
    hung_up = api.of(await make_tenant(admin_connection))
    await hung_up.connect(avatar_id="sandbox-ada", expect=201)
    webhook.delay = 2
    await asyncio.to_thread(hang_up_on_generate, pair[0].url, hung_up, webhook)
    waiting = asyncio.create_task(api.generate())
    while len(webhook.deliveries) < 2:
        await asyncio.sleep(0.02)

    pair[0].send(signal.SIGTERM)

    assert (await waiting).status_code == 202
    await asyncio.to_thread(pair[0].wait)
    for called in (api, hung_up):
        await until(admin_connection, called.tenant.content_id, ("processing", "processing", True))
    await start_again(pair[0])


async def start_again(service: ServiceProcess) -> None:
    service.start()
    await asyncio.to_thread(service.wait_until_ready)


async def test_sigterm_ends_event_streams_at_once(
    pair: list[ServiceProcess], api: Api, webhook: WebhookReceiver
) -> None:
    await api.generate(expect=202)
    path = f"{ROOT}/videos/{api.tenant.content_id}/events"
    async with api.client.stream("GET", path, headers=api.tenant.headers) as stream:
        lines = stream.aiter_lines()
        assert await anext(lines) == "event: generation"
        started = time.monotonic()
        pair[0].send(signal.SIGTERM)
        rest = [line async for line in lines]
        await asyncio.to_thread(pair[0].wait)
    assert [line for line in rest if line.startswith("retry: ")], "a hint to reconnect"
    # uvicorn would have waited for the stream.
    assert time.monotonic() - started < 20
    await start_again(pair[0])


@pytest.mark.parametrize("repaired_by", ["another instance", "the next start"])
async def test_what_a_killed_process_left_is_repaired(
    pair: list[ServiceProcess],
    api: Api,
    webhook: WebhookReceiver,
    admin_connection: asyncpg.Connection,
    repaired_by: str,
) -> None:
    await admin_connection.execute(
        "update public.content set heygen_status = 'completed' where id = $1", api.tenant.content_id
    )
    webhook.delay = 30
    await asyncio.to_thread(hang_up_on_generate, pair[0].url, api, webhook)
    pair[0].kill()
    if repaired_by == "the next start":
        pair[1].kill()
    await until(admin_connection, api.tenant.content_id, ("processing", "dispatching", False))
    # As after 70 s.
    await admin_connection.execute(
        "update ai_avatar.generations set deadline = now() - interval '6 minutes' where content_id = $1",
        api.tenant.content_id,
    )
    if repaired_by == "the next start":
        await start_again(pair[1])
    await until(admin_connection, api.tenant.content_id, ("completed", "expired", False))
    await start_again(pair[0])
    webhook.delay = 0
    await api.generate(expect=202)


async def test_connections_that_break_in_mid_call_are_503_and_no_restart_is_needed(
    pair: list[ServiceProcess],
    api: Api,
    webhook: WebhookReceiver,
    admin_connection: asyncpg.Connection,
    database_url: str,
) -> None:
    holder = await connect(SecretStr(database_url))
    try:
        async with holder.transaction():
            await holder.execute("select from public.content where id = $1 for update", api.tenant.content_id)
            pending = asyncio.create_task(api.generate())
            kill = (
                "select count(pg_terminate_backend(pid)) from pg_stat_activity "
                "where datname = current_database() and wait_event_type = 'Lock'"
            )
            while not await admin_connection.fetchval(kill):
                await asyncio.sleep(0.02)
            broken = await pending
    finally:
        await holder.close()
    assert_problem(broken, 503, "database_unavailable")
    killed = await admin_connection.fetch(
        "select pid, pg_terminate_backend(pid) from pg_stat_activity "
        "where datname = current_database() and pid <> pg_backend_pid() and state = 'idle'"
    )
    # Terminating is a signal: a request that comes before its effect may still meet a connection that is closing.
    await wait_until_gone(admin_connection, [row["pid"] for row in killed])
    assert webhook.deliveries == []
    await api.generate(expect=202)


async def wait_until_gone(connection: asyncpg.Connection, pids: list[int]) -> None:
    """Return once these server processes have ended, and their clients have had time to notice."""
    while await connection.fetchval("select count(*) from pg_stat_activity where pid = any($1)", pids):
        await asyncio.sleep(0.02)
    await asyncio.sleep(1)


@asynccontextmanager
async def service_with_its_own_server(
    webhook_url: str, heygen_url: str
) -> AsyncIterator[tuple[Api, asyncpg.Connection, Any]]:
    """A database server that may be stopped without harm to other tests."""
    folder = DATA / f"outage-{uuid4().hex[:8]}" / "pg"
    with lock("outage"):
        server = await asyncio.to_thread(start_postgres, folder)
    url = embedded_url(server, "postgres")
    try:
        database = await asyncio.to_thread(Server(url).migrated_template)
        url = embedded_url(server, database)
        providers = {"heygen": {"api_url": heygen_url, "webhook_url": webhook_url}}
        async with running(settings(url, providers=providers, webhook_timeout_seconds=30)) as (_, client):
            admin_connection = await connect(SecretStr(url))
            api = Api(client, await make_tenant(admin_connection))
            await api.connect(avatar_id="sandbox-ada", expect=201)
            yield api, admin_connection, server
    finally:
        server.cleanup()
        shutil.rmtree(folder.parent)


@pytest.mark.parametrize("answer", [200, 500])
async def test_what_n8n_answers_counts_although_the_database_is_away(
    webhook: WebhookReceiver, heygen_url: str, answer: int
) -> None:
    """The database stops during the webhook call and comes back: the answer is still recorded."""
    webhook.delay, webhook.answers = 1, [answer]
    async with service_with_its_own_server(webhook.url, heygen_url) as (api, admin_connection, server):
        pending = asyncio.create_task(api.generate())
        assert await asyncio.to_thread(webhook.arrived.wait, 30)
        await admin_connection.close()
        await asyncio.to_thread(server.stop)
        try:
            assert_problem(await api.list_integrations(), 503, "database_unavailable")
            assert (await api.client.get("/health/ready")).status_code == 503
            assert (await api.client.get("/health/live")).status_code == 200
            await asyncio.sleep(1.5)  # n8n has answered by now
        finally:
            await asyncio.to_thread(server.ensure_postgres_running)

        response = await pending

        assert response.status_code == (202 if answer == 200 else 502), response.text
        state = (await api.get_generation()).json()
        assert (state["status"], state["heygen_status"], state["dispatched_at"] is not None) == (
            ("processing", "processing", True) if answer == 200 else ("failed", None, False)
        )


async def test_sigterm_lets_calls_finish_that_take_longer_than_a_webhook(
    database_url: str, webhook: WebhookReceiver, tenant: Tenant
) -> None:
    """A provider that takes 9 s; the budget of a webhook is 1 s. The answer was a plain-text 500."""
    asked = threading.Event()

    async def answer_late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        asked.set()
        await asyncio.sleep(9)
        writer.write(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
        writer.close()

    with serve_raw(answer_late) as heygen:
        env = environment(database_url, webhook.url, HEYGEN_API_URL=heygen, WEBHOOK_TIMEOUT_SECONDS="1")
        with service_processes(env) as [service]:
            async with api_at(service.url, tenant) as api:
                waiting = asyncio.create_task(api.connect())
                await asyncio.to_thread(asked.wait, 10)
                service.send(signal.SIGTERM)
                response = await waiting
            await asyncio.to_thread(service.wait)
    assert_problem(response, 422, "api_key_rejected")
    assert "Traceback" not in service.log


def children_of(pid: int) -> list[int]:
    """The workers of a `serve` process."""
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [
        int(child) for child in text.split() if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()
    ]


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def test_workers_end_with_their_parent(env: dict[str, str]) -> None:
    with service_processes(env, 1, "--workers", "2") as [service]:
        assert service.process
        workers = children_of(service.process.pid)
        assert len(workers) == 2
        service.kill()
        for _ in range(200):
            if not any(map(is_running, workers)):
                break
            await asyncio.sleep(0.1)
        else:
            for worker in workers:
                os.kill(worker, signal.SIGKILL)
            pytest.fail("the workers go on without their parent")


async def test_gauges_of_a_killed_worker_go(
    env: dict[str, str], webhook: WebhookReceiver, tenant: Tenant
) -> None:
    def open_streams(text: str) -> float:
        [value] = re.findall(r"^ai_avatar_event_streams (\S+)$", text, re.MULTILINE)
        return float(value)

    with service_processes(env, 1, "--workers", "2") as [service]:
        assert service.process
        async with api_at(service.url, tenant) as api:
            await api.connect(avatar_id="sandbox-ada", expect=201)
            await api.generate(expect=202)
            path = f"{ROOT}/videos/{tenant.content_id}/events"
            with contextlib.suppress(httpx.HTTPError):
                async with api.client.stream("GET", path, headers=tenant.headers) as stream:
                    # Kept: an iterator that is dropped closes the stream, and the gauge falls by itself.
                    lines = stream.aiter_lines()
                    assert await anext(lines) == "event: generation"
                    text = (await api.client.get("/metrics")).text
                    assert open_streams(text) == 1
                    assert text.count('ai_avatar_generations_live{status="processing"} ') == 1, (
                        "not by process"
                    )
                    for worker in children_of(service.process.pid):
                        os.kill(worker, signal.SIGKILL)
        await asyncio.to_thread(service.wait_until_ready)
        async with httpx.AsyncClient(base_url=service.url) as client:
            assert open_streams((await client.get("/metrics")).text) == 0
        service.send(signal.SIGTERM)
        await asyncio.to_thread(service.wait)
