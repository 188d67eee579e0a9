"""More requests than a process, or a business, may have at once: over real HTTP, with requests that the test holds."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from urllib.parse import urlsplit

import asyncpg
import httpx
import pytest
import structlog
from support.api import ROOT, Api
from support.problems import assert_problem
from support.servers import serve_app
from support.service import settings
from support.tenants import N8N_HEADERS, SERVICE_HEADERS, make_content, make_tenant
from support.webhook_receiver import WebhookReceiver

from app.main import create_app
from app.server import server_options

pytestmark = pytest.mark.anyio

SLOTS = 8
PER_BUSINESS = 4
N8N_SLOTS = SLOTS // 4
ORIGIN = "https://app.example.com"


@pytest.fixture(scope="module")
def url(database_url: str, heygen_url: str, webhook_server: WebhookReceiver) -> Iterator[str]:
    providers = {"heygen": {"api_url": heygen_url, "webhook_url": webhook_server.url}}
    app = create_app(
        settings(
            database_url,
            providers=providers,
            cors_origins=ORIGIN,
            concurrent_requests=SLOTS,
            concurrent_requests_per_business=PER_BUSINESS,
        )
    )
    with serve_app(app, **server_options()) as found:
        yield found


@pytest.fixture
async def http(url: str) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(
        base_url=url, timeout=20, limits=httpx.Limits(max_connections=None)
    ) as found:
        yield found


@pytest.fixture
async def apis(http: httpx.AsyncClient, admin_connection: asyncpg.Connection) -> list[Api]:
    """Three businesses; the third has connected HeyGen."""
    apis = [Api(http, await make_tenant(admin_connection)) for _ in range(3)]
    await apis[2].connect(f"sandbox-{apis[2].tenant.business_id}", avatar_id="sandbox-ada", expect=201)
    return apis


@asynccontextmanager
async def locked(
    database_url: str, statement: str, *arguments: object
) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """Hold a lock for the block, or until the yielded function is called."""
    connection = await asyncpg.connect(database_url)
    transaction = connection.transaction()
    await transaction.start()
    await connection.execute(statement, *arguments)
    try:
        yield connection.close
    finally:
        await connection.close()


# Lists of videos wait for it; integrations and their keys do not.
LOCK_CONTENT = "lock table public.content in access exclusive mode"


@asynccontextmanager
async def full(database_url: str, apis: list[Api]) -> AsyncIterator[list[asyncio.Task[httpx.Response]]]:
    """Every slot is taken, by two businesses, until the block ends; then all of them are answered."""
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(locked(database_url, LOCK_CONTENT))
        tasks = [asyncio.create_task(api.list_videos()) for api in apis[:2] for _ in range(PER_BUSINESS)]
        await asyncio.sleep(0.2)
        assert not any(task.done() for task in tasks)
        yield tasks
    assert [response.status_code for response in await asyncio.gather(*tasks)] == [200] * SLOTS


async def timed(request: Awaitable[httpx.Response]) -> tuple[httpx.Response, float]:
    started = time.monotonic()
    return await request, time.monotonic() - started


async def test_beyond_the_slots_requests_are_overloaded_soon_and_operators_are_served(
    database_url: str, apis: list[Api], http: httpx.AsyncClient
) -> None:
    with structlog.testing.capture_logs() as logs:
        async with full(database_url, apis):
            refused = [asyncio.create_task(timed(apis[2].get_integration())) for _ in range(20)]
            for path in (
                "/health/live",
                "/health/ready",
                "/metrics",
                "/openapi.json",
                "/settings/integrations",
            ):
                response, seconds = await timed(http.get(path))
                assert (response.status_code, seconds < 1) == (200, True), path
            for response, seconds in await asyncio.gather(*refused):
                problem = assert_problem(response, 503, "overloaded")
                assert problem["instance"] == apis[2].path
                assert int(response.headers["retry-after"]) >= 1
                assert seconds < 1.5, "0.3 s, on a busy machine"
            shed = await http.get(apis[2].path, headers=apis[2].tenant.headers | {"Origin": ORIGIN})
            assert assert_problem(shed, 503, "overloaded")
            assert shed.headers["access-control-allow-origin"] == ORIGIN
    assert (await apis[2].get_integration()).status_code == 200
    warnings = [line for line in logs if line["log_level"] == "warning"]
    assert [line["event"] for line in warnings] in (["requests_shed"], []), "not one for each"
    assert 'ai_avatar_requests_shed_total{slots="general"}' in (await http.get("/metrics")).text


async def test_request_that_waits_for_a_slot_gets_the_next_one(database_url: str, apis: list[Api]) -> None:
    async with full(database_url, apis):
        waiting = asyncio.create_task(apis[2].get_integration())
        await asyncio.sleep(0.05)
        assert not waiting.done()
    assert (await waiting).status_code == 200


async def test_n8n_has_slots_of_its_own_that_only_its_key_opens(
    database_url: str, apis: list[Api], http: httpx.AsyncClient
) -> None:
    body = {"business_id": str(apis[2].tenant.business_id)}
    async with full(database_url, apis):
        with_key = await http.post("/n8n/heygen-credentials", headers=N8N_HEADERS, json=body)
        assert with_key.status_code == 200
        bearer = {"Authorization": f"Bearer {N8N_HEADERS['X-API-Key']}"}
        assert (await http.post("/api/n8n/heygen-credentials", headers=bearer, json=body)).status_code == 200
        flood = [
            http.post("/n8n/heygen-credentials", headers=headers, json=body)
            for headers in ({"X-API-Key": "a-key-that-is-not-known"}, {}, SERVICE_HEADERS)
            for _ in range(5)
        ]
        n8n = asyncio.create_task(http.post("/n8n/heygen-credentials", headers=N8N_HEADERS, json=body))
        assert {response.status_code for response in await asyncio.gather(*flood)} == {503}
        assert (await n8n).status_code == 200


async def test_flood_of_reports_takes_no_slot_from_the_others(
    database_url: str, apis: list[Api], http: httpx.AsyncClient, admin_connection: asyncpg.Connection
) -> None:
    generations = [await apis[2].start()]
    generations += [
        await apis[2].start(await make_content(admin_connection, apis[2].tenant.business_id))
        for _ in range(2)
    ]
    async with locked(
        database_url, "select from ai_avatar.generations where id = any($1) for update", generations
    ):
        reports = [
            asyncio.create_task(apis[2].report(generation_id, "processing"))
            for generation_id in generations
            for _ in range(10)
        ]
        await asyncio.sleep(0.1)
        for api in apis:
            response, seconds = await timed(api.list_videos())
            assert (response.status_code, seconds < 1) == (200, True)
        responses = await asyncio.gather(*reports)
    assert {response.status_code for response in responses} <= {429, 503}
    assert "overloaded" in {response.json()["code"] for response in responses}


async def test_business_beyond_its_limit_waits_a_second_and_no_other_is_kept_waiting(
    database_url: str, apis: list[Api]
) -> None:
    async with locked(database_url, LOCK_CONTENT) as release:
        held = [asyncio.create_task(apis[0].list_videos()) for _ in range(PER_BUSINESS)]
        await asyncio.sleep(0.1)
        beyond = [asyncio.create_task(timed(apis[0].list_videos())) for _ in range(20)]
        await asyncio.sleep(0.1)
        response, seconds = await timed(apis[2].get_integration())
        assert (response.status_code, seconds < 0.5) == (200, True), "those that wait hold no slot"
        for response, seconds in await asyncio.gather(*beyond):
            assert_problem(response, 429, "rate_limited")
            assert "4 requests of this business" in response.json()["detail"]
            assert response.headers["retry-after"] == "1"
            assert 0.9 < seconds < 2.5
        late = asyncio.create_task(apis[0].list_videos())
        await asyncio.sleep(0.1)
        await release()
        assert (await late).status_code == 200, "it got a turn within its second"
        assert {(await task).status_code for task in held} == {200}


async def test_32_requests_of_one_business_at_once_are_normal(
    database_url: str, heygen_url: str, webhook: WebhookReceiver, admin_connection: asyncpg.Connection
) -> None:
    """With the limits that are the default, each of them a kind of its own."""
    providers = {"heygen": {"api_url": heygen_url, "webhook_url": webhook.url}}
    defaults = settings(database_url, providers=providers, database_pool_size=10)
    with serve_app(create_app(defaults), **server_options()) as url:
        async with httpx.AsyncClient(base_url=url, timeout=20) as http:
            api = Api(http, await make_tenant(admin_connection))
            await api.connect("sandbox-key", avatar_id="sandbox-ada", expect=201)
            contents = [await make_content(admin_connection, api.tenant.business_id) for _ in range(8)]
            responses = await asyncio.gather(
                *(api.generate(content_id) for content_id in contents),
                *(api.get_integration() for _ in range(8)),
                *(api.list_videos() for _ in range(8)),
                *(api.validate() for _ in range(4)),
                *(api.list_avatars(limit=number) for number in range(1, 5)),
            )
    assert {response.status_code for response in responses} == {200, 202}


@pytest.mark.slow
async def test_locked_row_and_its_waiters_affect_their_own_business_only(
    database_url: str, heygen_url: str, apis: list[Api], http: httpx.AsyncClient
) -> None:
    """Twelve requests for one locked content item took all ten connections for ten seconds."""
    small = settings(database_url, providers={"heygen": {"api_url": heygen_url}}, database_pool_size=4)
    with serve_app(create_app(small), **server_options()) as url:
        async with httpx.AsyncClient(base_url=url, timeout=20) as client:
            noisy, quiet = (api.through(client) for api in apis[:2])
            row = "select from public.content where id = $1 for update"
            async with locked(database_url, row, noisy.tenant.content_id):
                waiting = [asyncio.create_task(noisy.reset()) for _ in range(12)]
                await asyncio.sleep(0.2)
                for _ in range(5):
                    response, seconds = await timed(quiet.list_videos())
                    assert (response.status_code, seconds < 0.5) == (200, True)
                answers = {(r.status_code, r.json()["code"]) for r in await asyncio.gather(*waiting)}
            assert answers == {(503, "database_unavailable"), (429, "rate_limited")}
            assert (await noisy.reset()).status_code == 200


async def test_what_waits_for_n8n_or_the_rest_of_its_body_holds_no_slot(
    apis: list[Api], url: str, webhook: WebhookReceiver, admin_connection: asyncpg.Connection
) -> None:
    webhook.delay = 1.5
    api = apis[2].as_service()
    jobs = []
    for _ in range(SLOTS):
        tenant = await make_tenant(admin_connection)
        other = Api(api.client, tenant)
        await other.connect(f"sandbox-{tenant.business_id}", avatar_id="sandbox-ada", expect=201)
        jobs.append(asyncio.create_task(other.generate()))
    connections = [_unfinished(url) for _ in range(SLOTS)]
    await asyncio.sleep(0.3)
    response, seconds = await timed(apis[0].list_videos())
    assert (response.status_code, seconds < 0.5) == (200, True)
    assert not any(job.done() for job in jobs)
    assert {(await job).status_code for job in jobs} == {202}
    for connection in connections:
        connection.close()


def _unfinished(url: str) -> socket.socket:
    """Send the head of an authenticated request and a part of its body."""
    parts = urlsplit(url)
    connection = socket.create_connection((parts.hostname or "", parts.port or 0), 5)
    connection.sendall(
        f"POST {ROOT} HTTP/1.1\r\nhost: x\r\nx-api-key: {SERVICE_HEADERS['X-API-Key']}\r\n"
        "content-type: application/json\r\ncontent-length: 1000\r\n\r\n{".encode()
    )
    return connection


async def test_event_streams_hold_no_slot(
    apis: list[Api], http: httpx.AsyncClient, admin_connection: asyncpg.Connection, webhook: WebhookReceiver
) -> None:
    api = apis[2]
    await api.start()
    path = f"{ROOT}/videos/{api.tenant.content_id}/events"
    async with AsyncExitStack() as stack:
        for _ in range(SLOTS + 2):
            stream = await stack.enter_async_context(http.stream("GET", path, headers=api.tenant.headers))
            assert stream.status_code == 200
        for found in (api, apis[0]):
            response, seconds = await timed(found.list_videos())
            assert (response.status_code, seconds < 0.5) == (200, True)
