"""Requests beyond the capacity, which the server's protocol refuses before they reach the application."""

import asyncio
from collections.abc import AsyncIterator, Hashable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import httpx
import pytest
from prometheus_client import REGISTRY
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from support.problems import assert_problem
from support.servers import serve_app
from support.tenants import N8N_API_KEY, N8N_HEADERS

from app.middleware import RequestContext
from app.server import server_options
from app.shedding import AdmissionControl, LoadShedding
from app.slots import Slots

pytestmark = pytest.mark.anyio

ORIGIN = "https://app.example.com"
PATH = "/integrations/ai-avatar/one"
ESCAPED_PATH = "/integrations/ai-avatar/%6fne"
"""The same, but as only the application understands it."""
EXPOSED = ("Retry-After", "X-Request-ID")
QUIET_ID = UUID("11111111-1111-4111-8111-111111111111")
NOISY = {"Authorization": "Bearer of-the-noisy-business"}
QUIET = {"Authorization": "Bearer of-the-quiet-business"}


class Clock:
    """The time, which turns move on."""

    now = 100.0

    def monotonic(self) -> float:
        return self.now


class Service:
    """A server whose slots are all taken; callers that are not the quiet business would wait for 3 s."""

    def __init__(self, clock: Clock, origins: list[str]) -> None:
        self.control = AdmissionControl(
            limit=4,
            limit_per_business=2,
            is_n8n=N8N_API_KEY.__eq__,
            origins=origins,
            exposed_headers=EXPOSED,
        )
        self.served: list[str] = []
        self.url = ""
        self.clock = clock
        self._loop: asyncio.AbstractEventLoop | None = None
        owners: list[tuple[dict[str, str], Hashable]] = [(NOISY, "noisy"), (QUIET, QUIET_ID)]
        for headers, business in owners:
            self.control.remember([(b"authorization", headers["Authorization"].encode())], business)
        self.app = Starlette(
            routes=[Route("/{path:path}", self._answer, methods=["GET", "POST"])],
            middleware=[
                Middleware(RequestContext),
                Middleware(CORSMiddleware, allow_origins=origins, expose_headers=EXPOSED),
                Middleware(LoadShedding, control=self.control),
            ],
            lifespan=self._live,
        )

    async def _answer(self, request: Request) -> Response:
        self.served.append(request.url.path)
        return PlainTextResponse("served")

    @asynccontextmanager
    async def _live(self, _: Starlette) -> AsyncIterator[dict[str, Any]]:
        self._loop = asyncio.get_running_loop()
        slots = self.control.general
        while slots.take_at_once():
            pass
        waiting = [asyncio.create_task(slots.take(owner, 600)) for owner in ("noisy", None) * 40]
        await asyncio.sleep(0)
        self._pass_on(20)
        yield {"admission_control": self.control}
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)

    def _pass_on(self, turns: int) -> None:
        for _ in range(turns):
            self.clock.now += 0.04
            self.control.general.release()

    def pass_on(self, turns: int) -> None:
        """Give so many waiting callers a slot, in the server's thread."""
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._pass_on, turns)


@contextmanager
def serving(monkeypatch: pytest.MonkeyPatch, origins: list[str], **options: int) -> Iterator[Service]:
    clock = Clock()
    monkeypatch.setattr("app.slots.time", clock)
    made = Service(clock, origins)
    with serve_app(made.app, **server_options(), **options) as url:
        made.url = url
        yield made


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    with serving(monkeypatch, [ORIGIN]) as made:
        yield made


def counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


@pytest.mark.parametrize("origins", [[ORIGIN, "https://b.example.com"], ["*"]], ids=["listed", "any"])
async def test_refusal_is_the_one_that_the_application_sends(
    monkeypatch: pytest.MonkeyPatch, origins: list[str]
) -> None:
    shed = {"name": "ai_avatar_requests_shed_total", "slots": "general"}
    total = {"name": "http_requests_total", "method": "GET", "route": "none", "status": "503"}
    before = counted(**shed), counted(**total)
    with serving(monkeypatch, origins) as service:
        async with httpx.AsyncClient(base_url=service.url) as client:
            for origin in ({}, {"Origin": ORIGIN}, {"Origin": "https://other.example.com"}):
                headers = NOISY | origin | {"X-Request-ID": "mine"}
                early = await client.get(PATH + "?limit=5", headers=headers)
                through = await client.get(ESCAPED_PATH, headers=headers)
                assert assert_problem(early, 503, "overloaded")["instance"] == PATH
                assert early.json() == through.json()
                assert through.headers.pop("date")
                assert early.headers == through.headers
                assert early.headers["x-request-id"] == "mine"
            without_id = await client.get(PATH, headers=NOISY)
    assert len(without_id.headers["x-request-id"]) == 32
    assert (counted(**shed) - before[0], counted(**total) - before[1]) == (7, 7)
    assert service.served == []


async def test_business_that_asks_rarely_is_served_while_another_one_is_refused(service: Service) -> None:
    async with httpx.AsyncClient(base_url=service.url) as client:
        quiet = asyncio.create_task(client.get(PATH, headers=QUIET))
        await asyncio.sleep(0.1)
        for headers in (NOISY, {}, {"Authorization": "Bearer of-no-one"}, {"X-API-Key": "unknown"}):
            assert_problem(await client.get(PATH, headers=headers), 503, "overloaded")
        assert not quiet.done()
        service.pass_on(3)
        assert (await quiet).text == "served"


@pytest.mark.parametrize("path", ["/health/live", "/metrics", "/n8n/heygen-status", "/settings/integrations"])
async def test_what_is_not_limited_or_has_slots_of_its_own_is_served(service: Service, path: str) -> None:
    async with httpx.AsyncClient(base_url=service.url) as client:
        assert (await client.get(path, headers=N8N_HEADERS)).text == "served"


async def test_connection_goes_on_after_a_refused_request(service: Service) -> None:
    parts = urlsplit(service.url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    writer.write(f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n01234".encode())
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
    assert head.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    [length] = [line for line in head.split(b"\r\n") if line.startswith(b"content-length: ")]
    await reader.readexactly(int(length[16:]))
    writer.write(b"GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert (await asyncio.wait_for(reader.read(), 10)).startswith(b"HTTP/1.1 200 OK\r\n")
    writer.close()
    assert service.served == ["/health/live"]


async def test_connection_is_closed_once_refused_requests_no_longer_come(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with serving(monkeypatch, [], timeout_keep_alive=1) as service:
        parts = urlsplit(service.url)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        for _ in range(4):  # longer than it may be idle, and a look of the watch
            writer.write(f"GET {PATH} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            assert (await reader.readuntil(b"}")).startswith(b"HTTP/1.1 503 ")
            await asyncio.sleep(0.6)
        assert await asyncio.wait_for(reader.read(), 4) == b""
        writer.close()


GET = f"GET {PATH} HTTP/1.1\r\nhost: x\r\n"
POST = f"POST {PATH} HTTP/1.1\r\nhost: x\r\n"


@pytest.mark.parametrize(
    ("request_", "is_refused"),
    [
        (f"{GET}\r\n", True),
        (f"{GET}Connection: keep-alive\r\n\r\n", True),
        (f"GET /api{PATH}?limit=5 HTTP/1.1\r\n\r\n", True),
        (f"{POST}content-length: 2\r\n\r\n{{}}", True),
        (f"{GET}Origin: https://a.example\r\n\r\n", True),
        (f"{GET}Connection: close\r\n\r\n", False),
        (f"{GET}Upgrade: websocket\r\n\r\n", False),
        (f"{GET}x: y", False),
        (f"{GET}\r\n{GET}\r\n", False),
        (f"{GET}x: {'y' * 20_000}\r\n\r\n", False),
        (f"{POST}content-length: 2\r\n\r\n{{", False),
        (f"{POST}transfer-encoding: chunked\r\n\r\n0\r\n\r\n", False),
        (f"{POST}expect: 100-continue\r\ncontent-length: 0\r\n\r\n", False),
        (f"HEAD {PATH} HTTP/1.1\r\n\r\n", False),
        (f"GET {PATH} HTTP/1.0\r\n\r\n", False),
        ("GET /integrations/%61 HTTP/1.1\r\n\r\n", False),
        ("GET /health/live HTTP/1.1\r\n\r\n", False),
        ("POST /n8n/heygen-status HTTP/1.1\r\ncontent-length: 2\r\n\r\n{}", False),
    ],
)
def test_only_whole_and_plain_requests_are_refused_early(
    service: Service, request_: str, is_refused: bool
) -> None:
    assert (service.control.refuse_early(request_.encode()) is not None) is is_refused


@pytest.mark.parametrize("held", [4, 1], ids=["no slot is free", "some are"])
async def test_connections_that_are_read_at_once_do_not_all_pass(service: Service, held: int) -> None:
    """The event loop reads hundreds of connections before the first of their requests takes a slot."""
    control = AdmissionControl(limit=4, limit_per_business=2, is_n8n=N8N_API_KEY.__eq__)
    for _ in range(held):
        control.general.take_at_once()
    request_ = f"{GET}\r\n".encode()
    refused = [control.refuse_early(request_) for _ in range(1000)]
    assert 200 < refused.count(None) < 300
    await asyncio.sleep(0)
    assert control.refuse_early(request_) is None, "a new round"


@asynccontextmanager
async def business_beyond_its_limit(service: Service, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """The quiet business has as many requests in progress as it may, and more that wait."""
    limit = service.control.per_business
    monkeypatch.setattr(limit, "waiting", 1)
    monkeypatch.setattr(limit, "_slots", {QUIET_ID: (full := Slots(1, 0.1))})
    full.take_at_once()
    waiting = [asyncio.create_task(full.take(patience=600)) for _ in range(50)]
    await asyncio.sleep(0)
    for _ in range(20):
        service.clock.now += 0.004
        full.release()
    yield
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


@pytest.mark.parametrize("path", [PATH, ESCAPED_PATH], ids=["by the protocol", "by the application"])
async def test_business_beyond_its_own_limit_is_rate_limited_before_authentication(
    service: Service, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    before = counted("ai_avatar_requests_limited_total", limit="requests")
    async with (
        business_beyond_its_limit(service, monkeypatch),
        httpx.AsyncClient(base_url=service.url) as client,
    ):
        request = asyncio.create_task(client.get(path, headers=QUIET))
        await asyncio.sleep(0.1)
        service.pass_on(3)
        response = await request
    problem = assert_problem(response, 429, "rate_limited")
    assert "2 requests of this business" in problem["detail"]
    assert response.headers["retry-after"] == "1"
    assert counted("ai_avatar_requests_limited_total", limit="requests") == before + 1
    assert service.served == []
