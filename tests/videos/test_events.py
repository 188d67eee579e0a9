"""GET …/videos/{content_id}/events over real sockets, and the one poll behind all of them."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg
import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from support.api import Api
from support.problems import assert_problem
from support.rows import ContentRow
from support.servers import serve_app
from support.service import settings
from support.tenants import JWT_SECRET, Tenant, make_content, make_tenant
from support.webhook_receiver import WebhookReceiver

from app.db import Database
from app.dependencies import services_of
from app.main import create_app
from app.tokens import mint_token
from app.videos.events import EventHub, EventTiming
from app.videos.repository import GenerationRepository, GenerationState
from app.videos.schemas import Generation

pytestmark = pytest.mark.anyio

URL = "https://videos.test/1.mp4"

QUICK = EventTiming(poll_seconds=0.02, comment_seconds=0.2, read_timeout_seconds=0.5)


class Polls:
    """Stands before the repository and counts how often the database is asked, and for how many contents."""

    def __init__(self, repository: GenerationRepository) -> None:
        self._repository = repository
        self.asked: list[int] = []

    async def get_latest_generations(self, content_ids: Sequence[UUID]) -> list[Generation]:
        self.asked.append(len(content_ids))
        return await self._repository.get_latest_generations(content_ids)


@pytest.fixture(scope="module")
def app_and_url(
    database_url: str, webhook_server: WebhookReceiver, heygen_url: str
) -> Iterator[tuple[FastAPI, str]]:
    """The service behind a real server, with quick streams."""
    providers = {"heygen": {"api_url": heygen_url, "webhook_url": webhook_server.url}}
    app = create_app(settings(database_url, providers=providers))
    with serve_app(app) as url:
        services = services_of(app)
        app.state.polls = Polls(services[GenerationRepository])
        services[EventHub] = EventHub(app.state.polls, QUICK)
        yield app, url


@pytest.fixture
async def client(app_and_url: tuple[FastAPI, str]) -> AsyncIterator[httpx.AsyncClient]:
    """A client of that server."""
    async with httpx.AsyncClient(base_url=app_and_url[1], trust_env=False, timeout=30) as client:
        yield client


@pytest.fixture
def hub(app_and_url: tuple[FastAPI, str]) -> EventHub:
    return services_of(app_and_url[0])[EventHub]


def events_path(tenant: Tenant) -> str:
    return f"/integrations/ai-avatar/videos/{tenant.content_id}/events"


@asynccontextmanager
async def follow(
    api: Api,
) -> AsyncIterator[AsyncIterator[tuple[str, Any]]]:
    """The events of a stream as (event, data); comments as ("", None)."""
    headers = api.credentials or api.tenant.headers
    async with api.client.stream("GET", events_path(api.tenant), headers=headers) as response:
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        assert response.headers["cache-control"] == "no-store"
        yield read_events(response)


async def read_events(response: httpx.Response) -> AsyncIterator[tuple[str, Any]]:
    block: list[str] = []
    async for line in response.aiter_lines():
        if line:
            block.append(line)
        elif block == [":"]:
            block = []
            yield "", None
        else:
            name, data = block
            block = []
            yield name.removeprefix("event: "), httpx.Response(200, text=data.removeprefix("data: ")).json()


async def next_state(events: AsyncIterator[tuple[str, Any]]) -> Any:
    async for name, data in events:
        if name:
            assert name == "generation"
            return data
    raise AssertionError("the stream has ended")


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.02)


async def test_state_now_then_each_change_then_the_end(api: Api) -> None:
    generation_id = await api.start()
    async with follow(api) as events:
        now = await next_state(events)
        assert (now["id"], now["status"], now["video_id"]) == (generation_id, "processing", None)
        assert set(now) == set(Generation.model_fields)
        await api.report(generation_id, "processing", video_id="v1")
        assert (await next_state(events))["video_id"] == "v1"
        await api.report(generation_id, "completed", video_url=URL)
        done = await next_state(events)
        assert (done["status"], done["heygen_status"], done["video_url"]) == ("completed", "completed", URL)
        assert [event async for event in events if event[0]] == []


async def test_final_state_is_told_once(api: Api) -> None:
    await api.report(await api.start(), "failed", error="Out of credit")
    async with follow(api) as events:
        [(name, data)] = [event async for event in events]
    assert (name, data["status"], data["error"]) == ("generation", "failed", "Out of credit")


async def test_comments_keep_an_unchanged_stream_open(api: Api) -> None:
    """Polls come more often than comments, as in production: a poll without news must not delay a comment."""
    await api.start()
    async with follow(api) as events:
        assert (await anext(events))[0] == "generation"
        async with asyncio.timeout(30):
            assert [await anext(events) for _ in range(3)] == [("", None)] * 3


def test_timing_is_the_contract_s() -> None:
    assert (EventTiming().poll_seconds, EventTiming().comment_seconds) == (1, 15)


async def test_stream_ends_with_its_token(api: Api, hub: EventHub) -> None:
    await api.start()
    token = mint_token(JWT_SECRET, user_id=api.tenant.user_id, ttl=timedelta(seconds=3))
    async with follow(replace(api, credentials={"Authorization": f"Bearer {token}"})) as events:
        told = [event async for event in events if event[0]]
    assert told[-1] == ("expired_token", {})
    assert {name for name, _ in told[:-1]} == {"generation"}


async def test_back_end_with_a_key_may_follow(api: Api) -> None:
    generation_id = await api.start()
    async with follow(api.as_service()) as events:
        assert (await next_state(events))["id"] == generation_id


async def test_another_business_s_stream_is_404(api: Api, other_tenant: Tenant) -> None:
    await api.start()
    theirs = await api.of(other_tenant).request("GET", events_path(api.tenant))
    missing = await api.of(other_tenant).request("GET", events_path(other_tenant))
    for response in (theirs, missing):
        assert_problem(response, 404, "generation_not_found")


@pytest.mark.parametrize("parameter", ["access_token", "token", "apikey"])
async def test_token_in_the_url_is_no_proof(api: Api, client: httpx.AsyncClient, parameter: str) -> None:
    await api.start()
    token = api.tenant.headers["Authorization"].removeprefix("Bearer ")
    response = await client.get(events_path(api.tenant), params={parameter: token})
    assert_problem(response, 401, "unauthenticated")


async def test_client_that_disconnects_frees_its_place_and_the_poll_stops(
    api: Api, app_and_url: tuple[FastAPI, str], hub: EventHub
) -> None:
    await until(lambda: hub.open_streams == 0)
    await api.start()
    async with follow(api) as first, follow(api) as second:
        await next_state(first)
        await next_state(second)
        assert hub.open_streams == 2
    await until(lambda: hub.open_streams == 0)
    await asyncio.sleep(0.2)
    polls = app_and_url[0].state.polls.asked
    before = len(polls)
    await asyncio.sleep(0.5)
    assert len(polls) == before


async def test_stream_of_a_deleted_content_ends(api: Api, admin_connection: asyncpg.Connection) -> None:
    await api.start()
    async with follow(api) as events, asyncio.timeout(30):
        await next_state(events)
        await admin_connection.execute("delete from public.content where id = $1", api.tenant.content_id)
        assert [event async for event in events if event[0]] == []


async def test_next_generation_of_the_content_is_followed_too(api: Api, content: ContentRow) -> None:
    await api.start()
    async with follow(api) as events:
        await next_state(events)
        await content.write("draft")
        assert (await next_state(events))["heygen_status"] == "draft"
        newer = await api.start()
        while (await next_state(events))["id"] != newer:
            pass


async def test_streams_beyond_the_limit_are_told_to_come_back(
    api: Api, hub: EventHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    await api.start()
    await until(lambda: hub.open_streams == 0)
    monkeypatch.setattr(hub, "timing", replace(QUICK, max_streams=1))
    async with follow(api) as events:
        await next_state(events)
        refused = await api.request("GET", events_path(api.tenant))
    assert_problem(refused, 503, "overloaded")
    assert int(refused.headers["retry-after"]) > 0


async def test_client_that_does_not_read_is_disconnected(
    api: Api, app_and_url: tuple[FastAPI, str], content: ContentRow, hub: EventHub
) -> None:
    """A client that does not read is disconnected once the buffers are full."""
    await until(lambda: hub.open_streams == 0)
    await api.start()
    parts = urlsplit(app_and_url[1])
    with socket.socket() as reader:
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        await asyncio.to_thread(reader.connect, (parts.hostname, parts.port))
        reader.sendall(
            f"GET {events_path(api.tenant)} HTTP/1.1\r\nHost: service.test\r\n"
            f"Authorization: {api.tenant.headers['Authorization']}\r\n\r\n".encode()
        )
        await until(lambda: hub.open_streams == 1)
        # Another application writes long states, until neither kernel nor server takes any more.
        async with asyncio.timeout(60):
            for number in range(100_000):
                if hub.open_streams == 0:
                    break
                await content.write(f"{number} " + "x" * 200_000)
                await asyncio.sleep(0.02)
        assert hub.open_streams == 0


class Ground:
    """Contents with a live generation each, and the states that streams begin with."""

    def __init__(self, repository: GenerationRepository) -> None:
        self.polls = Polls(repository)
        self.states: list[GenerationState] = []


@pytest.fixture
async def ground(database_url: str, admin_connection: asyncpg.Connection) -> AsyncIterator[Ground]:
    db = Database(SecretStr(database_url), pool_size=2)
    await db.open()
    repository = GenerationRepository(
        db, dispatch_timeout=timedelta(hours=1), generation_timeout=timedelta(hours=1)
    )
    ground = Ground(repository)
    tenant = await make_tenant(admin_connection)
    contents = [await make_content(admin_connection, tenant.business_id) for _ in range(200)]
    await admin_connection.execute(
        "insert into ai_avatar.generations (id, business_id, content_id, provider, script, deadline) "
        "select gen_random_uuid(), $1, id, 'heygen', 'Hello', now() + interval '1 hour' from unnest($2::uuid[]) id",
        tenant.business_id,
        contents,
    )
    for content_id in contents:
        ground.states.append(await repository.get_latest_generation(None, content_id))
    yield ground
    await db.close()


@pytest.mark.parametrize("streams", [1, 1000])
async def test_1000_open_streams_cost_as_many_database_calls_as_one(
    ground: Ground, admin_connection: asyncpg.Connection, streams: int
) -> None:
    hub = EventHub(ground.polls, replace(QUICK, comment_seconds=60))  # type: ignore[arg-type]
    states = [ground.states[number % len(ground.states)] for number in range(streams)]
    open_streams = [hub.follow(state, None) for state in states]
    for stream in open_streams:
        await anext(stream)
    assert hub.open_streams == streams
    await admin_connection.execute(
        "update ai_avatar.generations set video_id = 'v1' where content_id = any($1)",
        [state.content_id for state in states],
    )
    ground.polls.asked.clear()

    told = await asyncio.gather(*(anext(stream) for stream in open_streams))

    assert all('"video_id":"v1"' in event for event in told)
    # One poll was under way already; the next one brings the news to all.
    assert len(ground.polls.asked) <= 2
    assert set(ground.polls.asked) <= {len({state.content_id for state in states})}
    for stream in open_streams:
        await stream.aclose()
    assert hub.open_streams == 0


async def test_poll_goes_on_after_the_database_was_away(
    ground: Ground, admin_connection: asyncpg.Connection
) -> None:
    async def fail(_: Sequence[UUID]) -> list[Generation]:
        failed.set()
        ground.polls.get_latest_generations = real  # type: ignore[method-assign]
        raise OSError

    failed, real = asyncio.Event(), ground.polls.get_latest_generations
    ground.polls.get_latest_generations = fail  # type: ignore[method-assign, assignment]
    hub = EventHub(ground.polls, QUICK)  # type: ignore[arg-type]
    stream = hub.follow(ground.states[0], None)
    await anext(stream)
    await asyncio.wait_for(failed.wait(), 30)
    await admin_connection.execute(
        "update ai_avatar.generations set status = 'failed', ended_by = 'report' where id = $1",
        ground.states[0].id,
    )
    async with asyncio.timeout(30):
        assert [event async for event in stream if not event.startswith(":")] != []
