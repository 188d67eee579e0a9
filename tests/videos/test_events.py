"""GET …/videos/{content_id}/events over real sockets, and the one poll behind all of them."""

import asyncio
import gc
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

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
from app.errors import DatabaseUnavailable
from app.main import create_app
from app.memberships import Memberships
from app.security import Caller
from app.tokens import mint_token
from app.videos.events import EventHub, EventTiming
from app.videos.repository import GenerationRepository
from app.videos.schemas import Generation
from app.videos.state import GenerationState

pytestmark = pytest.mark.anyio

URL = "https://videos.test/1.mp4"

QUICK = EventTiming(poll_seconds=0.02, comment_seconds=0.2, read_timeout_seconds=0.5)


class Polls:
    """In front of the repository and the memberships: counts the calls, and the ids in each."""

    def __init__(self, repository: GenerationRepository, memberships: Memberships) -> None:
        self._repository = repository
        self._memberships = memberships
        self.asked: list[int] = []
        self.asked_users: list[int] = []

    async def get_latest_generations(self, content_ids: Sequence[UUID]) -> list[Generation]:
        self.asked.append(len(content_ids))
        return await self._repository.get_latest_generations(content_ids)

    async def get_memberships(self, user_ids: Sequence[UUID]) -> dict[UUID, UUID]:
        self.asked_users.append(len(user_ids))
        return await self._memberships.get_memberships(user_ids)


def make_hub(polls: Polls, timing: EventTiming) -> EventHub:
    return EventHub(polls, polls, timing)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def app_and_url(
    database_url: str, webhook_server: WebhookReceiver, heygen_url: str
) -> Iterator[tuple[FastAPI, str]]:
    """The service behind a real server, with quick streams. Memberships are cached for longer than a test runs."""
    providers = {"heygen": {"api_url": heygen_url, "webhook_url": webhook_server.url}}
    app = create_app(settings(database_url, providers=providers, membership_cache_seconds=3600))
    with serve_app(app) as url:
        services = services_of(app)
        app.state.polls = Polls(services[GenerationRepository], services[Memberships])
        services[EventHub] = make_hub(app.state.polls, QUICK)
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
    timing = EventTiming()
    assert (timing.poll_seconds, timing.comment_seconds) == (1, 15)
    limits = timing.max_streams, timing.max_streams_per_business, timing.max_streams_per_user
    assert limits == (10_000, 500, 50)


@pytest.mark.slow
async def test_stream_ends_with_its_token(api: Api, hub: EventHub) -> None:
    await api.start()
    token = mint_token(JWT_SECRET, user_id=api.tenant.user_id, ttl=timedelta(seconds=3))
    async with follow(replace(api, credentials={"Authorization": f"Bearer {token}"})) as events:
        told = [event async for event in events if event[0]]
    assert told[-1] == ("expired_token", {})
    assert {name for name, _ in told[:-1]} == {"generation"}


LOSSES = {
    "the user leaves the business": "update public.profiles set business_id = null where id = $1",
    "the user moves to another business": """
        with other as (insert into public.businesses (business_name) values ('Another') returning id)
        update public.profiles set business_id = other.id from other where profiles.id = $1""",
    "the user is deleted": "delete from public.profiles where id = $1",
}


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES.keys())
async def test_stream_ends_when_its_user_loses_the_business(
    api: Api, admin_connection: asyncpg.Connection, loss: str
) -> None:
    generation_id = await api.start()
    back_end = api.as_service()
    async with follow(api) as events, follow(back_end) as others, asyncio.timeout(30):
        await next_state(events)
        await next_state(others)
        await admin_connection.execute(loss, api.tenant.user_id)
        await api.report(generation_id, "processing", video_id="v1")
        assert [event async for event in events if event[0]] == [("access_ended", {})]
        assert (await next_state(others))["video_id"] == "v1", "the back end's stream goes on"
    # The process has noticed: no cached membership opens the stream again.
    again = await api.request("GET", events_path(api.tenant))
    assert again.status_code in (403, 404)


async def test_another_user_s_stream_of_the_same_item_goes_on(
    api: Api, admin_connection: asyncpg.Connection
) -> None:
    generation_id = await api.start()
    colleague = await add_user(admin_connection, api.tenant)
    async with follow(api) as events, follow(api.of(colleague)) as theirs, asyncio.timeout(30):
        await next_state(events)
        await next_state(theirs)
        await admin_connection.execute("delete from public.profiles where id = $1", api.tenant.user_id)
        assert [event async for event in events if event[0]] == [("access_ended", {})]
        await api.report(generation_id, "processing", video_id="v1")
        assert (await next_state(theirs))["video_id"] == "v1"


async def add_user(admin_connection: asyncpg.Connection, tenant: Tenant) -> Tenant:
    """Return the same business with another user of it."""
    colleague = replace(tenant, user_id=uuid4())
    await admin_connection.execute(
        "insert into public.profiles (id, business_id) values ($1, $2)",
        colleague.user_id,
        colleague.business_id,
    )
    return colleague


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


LIMITS = {
    "max_streams": (503, "overloaded"),
    "max_streams_per_user": (429, "rate_limited"),
    "max_streams_per_business": (429, "rate_limited"),
}


@pytest.mark.parametrize("limit", LIMITS)
async def test_streams_beyond_the_limit_are_told_to_come_back(
    api: Api, hub: EventHub, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    await api.start()
    await until(lambda: hub.open_streams == 0)
    monkeypatch.setattr(hub, "timing", replace(QUICK, **{limit: 1}))
    async with follow(api) as events:
        await next_state(events)
        refused = await api.request("GET", events_path(api.tenant))
    assert_problem(refused, *LIMITS[limit])
    assert int(refused.headers["retry-after"]) > 0
    await until(lambda: hub.open_streams == 0)
    async with follow(api) as events:
        await next_state(events)


async def test_one_user_s_streams_leave_room_for_others(
    api: Api,
    other_tenant: Tenant,
    admin_connection: asyncpg.Connection,
    hub: EventHub,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A user's limit does not count for colleagues, nor a business's for another business."""
    await api.start()
    colleague = api.of(await add_user(admin_connection, api.tenant))
    stranger = api.of(other_tenant)
    await stranger.connect("sandbox-key", avatar_id="sandbox-ada", expect=201)
    await stranger.start()
    monkeypatch.setattr(hub, "timing", replace(QUICK, max_streams_per_user=1, max_streams_per_business=2))
    async with follow(api) as first, follow(colleague) as second:
        await next_state(first)
        await next_state(second)
        refused = await api.as_service().request("GET", events_path(api.tenant))
        assert_problem(refused, 429, "rate_limited")
        async with follow(stranger) as third:
            await next_state(third)


async def test_limit_holds_for_streams_that_open_at_once(
    api: Api, hub: EventHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    await api.start()
    await until(lambda: hub.open_streams == 0)
    monkeypatch.setattr(hub, "timing", replace(QUICK, max_streams_per_user=3))
    requests = [
        api.client.build_request("GET", events_path(api.tenant), headers=api.tenant.headers)
        for _ in range(20)
    ]
    responses = await asyncio.gather(*(api.client.send(request, stream=True) for request in requests))
    try:
        assert sorted(response.status_code for response in responses) == [200] * 3 + [429] * 17
        assert hub.open_streams == 3
    finally:
        for response in responses:
            await response.aclose()


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

    def __init__(self, polls: Polls, caller: Caller) -> None:
        self.polls = polls
        self.caller = caller
        self.states: list[GenerationState] = []


@pytest.fixture
async def ground(database_url: str, admin_connection: asyncpg.Connection) -> AsyncIterator[Ground]:
    db = Database(SecretStr(database_url), pool_size=2)
    await db.open()
    repository = GenerationRepository(
        db, dispatch_timeout=timedelta(hours=1), generation_timeout=timedelta(hours=1)
    )
    tenant = await make_tenant(admin_connection)
    ground = Ground(
        Polls(repository, Memberships(db, cache_seconds=0)),
        Caller("user", tenant.user_id, tenant.business_id),
    )
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
    hub = make_hub(ground.polls, replace(QUICK, comment_seconds=60, max_streams_per_business=1000))
    states = [ground.states[number % len(ground.states)] for number in range(streams)]
    users = [uuid4() for _ in range(min(streams, 100))]
    await admin_connection.execute(
        "insert into public.profiles (id, business_id) select id, $1 from unnest($2::uuid[]) id",
        ground.caller.own_business_id,
        users,
    )
    callers = [replace(ground.caller, user_id=users[number % len(users)]) for number in range(streams)]
    open_streams = [await hub.follow(state, caller) for state, caller in zip(states, callers, strict=True)]
    for stream in open_streams:
        await anext(stream)
    assert hub.open_streams == streams
    await admin_connection.execute(
        "update ai_avatar.generations set video_id = 'v1' where content_id = any($1)",
        [state.content_id for state in states],
    )
    ground.polls.asked.clear()
    ground.polls.asked_users.clear()

    told = await asyncio.gather(*(anext(stream) for stream in open_streams))

    assert all('"video_id":"v1"' in event for event in told)
    # One poll was under way already; the next one brings the news to all.
    assert len(ground.polls.asked) <= 2
    assert set(ground.polls.asked) <= {len({state.content_id for state in states})}
    assert len(ground.polls.asked_users) <= 2
    assert set(ground.polls.asked_users) <= {len(users)}
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
    hub = make_hub(ground.polls, QUICK)
    stream = await hub.follow(ground.states[0], ground.caller)
    await anext(stream)
    await asyncio.wait_for(failed.wait(), 30)
    await admin_connection.execute(
        "update ai_avatar.generations set status = 'failed', ended_by = 'report' where id = $1",
        ground.states[0].id,
    )
    async with asyncio.timeout(30):
        assert [event async for event in stream if not event.startswith(":")] != []


async def test_nothing_is_told_while_access_cannot_be_checked(
    ground: Ground, admin_connection: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(_: Sequence[UUID]) -> dict[UUID, UUID]:
        failures.append(1)
        raise DatabaseUnavailable

    failures: list[int] = []
    hub = make_hub(ground.polls, replace(QUICK, comment_seconds=60))
    stream = await hub.follow(ground.states[1], ground.caller)
    await anext(stream)
    with monkeypatch.context() as patch:
        patch.setattr(ground.polls, "get_memberships", fail)
        await until(lambda: len(failures) > 0)
        await admin_connection.execute(
            "update ai_avatar.generations set video_id = 'v1' where id = $1", ground.states[1].id
        )
        told = asyncio.ensure_future(anext(stream))
        await until(lambda: len(failures) > 3)
        assert not told.done()
    assert '"video_id":"v1"' in await asyncio.wait_for(told, 30)
    await stream.aclose()


async def test_stream_that_is_dropped_before_it_is_read_frees_its_place(ground: Ground) -> None:
    hub = make_hub(ground.polls, QUICK)
    stream = await hub.follow(ground.states[2], ground.caller)
    assert hub.open_streams == 1
    del stream
    gc.collect()
    await until(lambda: hub.open_streams == 0)
