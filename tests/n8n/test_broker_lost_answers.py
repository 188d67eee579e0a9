"""Broker mode when an answer is lost between PostgreSQL and the service: the statement has run all the same."""

import asyncio
import random
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field

import asyncpg
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from support.api import Api
from support.database_relay import DatabaseRelay, database_relay
from support.problems import assert_problem
from support.servers import serve_app
from support.service import running, settings
from support.tenants import make_tenant
from support.webhook_receiver import WebhookReceiver

from app.n8n import broker as broker_module

pytestmark = pytest.mark.anyio


@dataclass
class ChargingHeyGen:
    """Charges for each create, whatever its key says; refuses the first one if the test wants it to."""

    url: str = ""
    refuses_first: bool = False
    creates: int = 0
    charged: int = 0
    asked: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)

    async def me(self, _: Request) -> Response:
        return JSONResponse({"data": {"username": "u"}})

    async def post(self, _: Request) -> Response:
        self.creates += 1
        if self.refuses_first and self.creates == 1:
            return JSONResponse({"error": {"code": "rate_limit_exceeded", "message": "No."}}, 429)
        self.charged += 1
        self.asked.set()
        await asyncio.to_thread(self.go_on.wait, 20)
        return JSONResponse({"data": {"video_id": f"v-{self.charged}"}})


@pytest.fixture
def heygen() -> Iterator[ChargingHeyGen]:
    found = ChargingHeyGen()
    routes = [Route("/v3/users/me", found.me), Route("/v3/videos", found.post, methods=["POST"])]
    with serve_app(Starlette(routes=routes)) as found.url:
        yield found
        found.go_on.set()


@pytest.fixture
def relay(database_url: str) -> Iterator[DatabaseRelay]:
    with database_relay(database_url, random.Random(0)) as relay:
        yield relay
        relay.is_open.set()


@pytest.fixture
async def started(
    database_url: str, heygen: ChargingHeyGen, webhook: WebhookReceiver, admin_connection: asyncpg.Connection
) -> AsyncIterator[tuple[Api, str]]:
    """A generation, and its business at an instance whose database answers."""
    providers = {"heygen": {"api_url": heygen.url, "webhook_url": webhook.url}}
    async with running(settings(database_url, providers=providers)) as (_, client):
        api = Api(client, await make_tenant(admin_connection))
        await api.connect("canary", avatar_id="a", expect=201)
        yield api, await api.start()


@pytest.fixture
async def cut_off(
    started: tuple[Api, str], heygen: ChargingHeyGen, relay: DatabaseRelay, webhook: WebhookReceiver
) -> AsyncIterator[Api]:
    """The same business at an instance with one connection, through the relay."""
    providers = {"heygen": {"api_url": heygen.url, "webhook_url": webhook.url}}
    async with running(settings(relay.url, database_pool_size=1, providers=providers)) as (_, client):
        yield started[0].through(client)


async def test_reservation_whose_answer_is_lost_is_granted_again(
    started: tuple[Api, str], cut_off: Api, heygen: ChargingHeyGen, relay: DatabaseRelay
) -> None:
    _, generation_id = started
    heygen.go_on.set()
    relay.lose_answer_of = b"reserve_create"
    pending = asyncio.create_task(cut_off.create_video(generation_id))
    while relay.lost == 0:
        await asyncio.sleep(0.01)
    relay.is_open.set()
    answer = await pending
    assert (answer.status_code, answer.json()["video_id"]) == (200, "v-1"), answer.text
    assert (relay.lost, heygen.charged) == (1, 1)


async def test_release_that_is_repeated_does_not_free_the_next_call_s_reservation(
    started: tuple[Api, str],
    cut_off: Api,
    heygen: ChargingHeyGen,
    relay: DatabaseRelay,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its first answer was lost, and another call is being charged for its video meanwhile."""
    api, generation_id = started
    heygen.refuses_first = True
    relay.lose_answer_of = b"release_create"
    refused = asyncio.create_task(cut_off.create_video(generation_id))
    while relay.lost == 0:
        await asyncio.sleep(0.01)
    creating = asyncio.create_task(api.create_video(generation_id))
    await asyncio.to_thread(heygen.asked.wait, 10)
    relay.is_open.set()
    assert_problem(await refused, 429, "provider_rate_limited")
    # The repeated release is over, and the second call's reservation stands.
    monkeypatch.setattr(broker_module, "_WAIT_SECONDS", 0.0)
    assert_problem(await cut_off.create_video(generation_id), 503, "provider_unavailable")
    heygen.go_on.set()
    assert (await creating).json()["video_id"] == "v-1"
    assert (relay.lost, heygen.charged) == (1, 1)
