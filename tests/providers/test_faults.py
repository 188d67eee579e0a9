"""Each provider's client against a loopback server that misbehaves, over both HTTP transports."""

import asyncio
import json
import logging
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from app.errors import (
    ApiKeyRejected,
    ProviderError,
    ProviderRateLimited,
    ProviderRejected,
    ProviderUnavailable,
    ProviderUnexpectedAnswer,
)
from app.providers.base import Filters, Provider, ProviderSpec
from app.providers.heygen import HEYGEN, HeyGen
from app.providers.tavus import TAVUS, Tavus
from app.providers.transport import Timeouts

pytestmark = pytest.mark.anyio

CANARY = "hg-CANARY-7f3a91-key"

QUICK = Timeouts(connect=0.5, read=0.4, budget=2.0)


def http_answer(status: str, body: bytes, *headers: str, content_type: str = "application/json") -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {content_type}", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "Connection: close", *headers, "", ""]).encode() + body


def json_answer(status: str, content: Any, *headers: str) -> bytes:
    return http_answer(status, json.dumps(content).encode(), *headers)


BUSY = json_answer("500 Internal Server Error", {"error": {"code": "internal_error", "message": "oops"}})


def verify(provider: Provider) -> Awaitable[object]:
    return provider.verify_key(CANARY)


def avatars(provider: Provider) -> Awaitable[object]:
    return provider.list_avatars(CANARY, filters=Filters(), limit=20, page_token=None)


def voices(provider: Provider) -> Awaitable[object]:
    return provider.list_voices(CANARY, filters=Filters(), limit=20, page_token=None)


def avatar(provider: Provider) -> Awaitable[object]:
    return provider.get_avatar(CANARY, "a")


def voice(provider: Provider) -> Awaitable[object]:
    return provider.get_voice(CANARY, "v")


def create(provider: Provider) -> Awaitable[object]:
    return provider.create_video(
        CANARY, idempotency_key="g-1", script="Hi", avatar_id="a", voice_id=None, title=None, options={}
    )


def state(provider: Provider) -> Awaitable[object]:
    return provider.get_video(CANARY, "v-1")


Call = Callable[[Provider], Awaitable[object]]


@dataclass(frozen=True)
class Vendor:
    """A provider's client, the calls that it makes, and two good answers."""

    spec: ProviderSpec
    client: type[HeyGen] | type[Tavus]
    reads: list[Call]
    me: bytes
    created: bytes

    def at(self, http: httpx.AsyncClient, url: str, reading: Timeouts = QUICK) -> Provider:
        return self.client(http, url, reading=reading, creating=QUICK)


HEYGEN_VENDOR = Vendor(
    HEYGEN,
    HeyGen,
    [verify, avatars, voices, avatar, voice, state],
    me=json_answer("200 OK", {"data": {"username": "u-1", "email": "ada@example.com"}}),
    created=json_answer("200 OK", {"data": {"video_id": "v-1", "status": "waiting", "output_format": "mp4"}}),
)
TAVUS_VENDOR = Vendor(
    TAVUS,
    Tavus,
    [verify, avatars, avatar, state],
    me=json_answer("200 OK", {"data": [], "total_count": 0}),
    created=json_answer("200 OK", {"video_id": "v-1", "status": "queued"}),
)


@pytest.fixture(params=[HEYGEN_VENDOR, TAVUS_VENDOR], ids=["heygen", "tavus"])
def vendor(request: pytest.FixtureRequest) -> Vendor:
    found: Vendor = request.param
    return found


@pytest.fixture
async def provider(client: httpx.AsyncClient, raw_server: Any, vendor: Vendor) -> Provider:
    return vendor.at(client, raw_server.url)


def everything_in(error: BaseException | None) -> str:
    """What a log, a traceback or a report could print of an error and all that is chained to it."""
    text = ""
    while error is not None:
        text += f"{error!r} {error} {error.args!r} {vars(error)!r} "
        request = getattr(error, "_request", None)
        text += repr(getattr(request, "headers", ""))
        error = error.__cause__ or error.__context__
    return text


@pytest.fixture(autouse=True)
async def no_key_in_any_log(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> AsyncIterator[None]:
    caplog.set_level(logging.DEBUG)
    yield
    assert CANARY not in "".join(capsys.readouterr())
    assert CANARY not in caplog.text
    assert CANARY not in repr([vars(record) for record in caplog.records])


async def failure(provider: Provider, call: Call) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        await call(provider)
    assert CANARY not in everything_in(caught.value)
    assert caught.value.provider in {HEYGEN.name, TAVUS.name}
    assert caught.value.detail.endswith(".") or isinstance(caught.value, ProviderRejected)
    return caught.value


@pytest.mark.slow
async def test_reads_are_tried_again_after_a_500(vendor: Vendor, provider: Provider, raw_server: Any) -> None:
    raw_server.answers(BUSY)
    for call in vendor.reads:
        raw_server.requests.clear()

        error = await failure(provider, call)

        assert isinstance(error, ProviderUnavailable)
        assert len(raw_server.requests) == 3


async def test_a_read_succeeds_after_a_500(vendor: Vendor, provider: Provider, raw_server: Any) -> None:
    raw_server.answers(BUSY, vendor.me)

    assert (await provider.verify_key(CANARY)).label


@pytest.mark.parametrize(
    "answer", [BUSY, json_answer("429 Too Many", {"error": {"code": "rate_limit_exceeded"}})]
)
async def test_a_create_is_sent_once_whatever_comes_back(
    provider: Provider, raw_server: Any, answer: bytes
) -> None:
    raw_server.answers(answer)

    await failure(provider, create)

    assert len(raw_server.requests) == 1


async def test_a_create_whose_connection_breaks_after_it_was_read_is_sent_once(
    vendor: Vendor, provider: Provider, raw_server: Any
) -> None:
    raw_server.reply = None  # reads the request, hangs up: the video may be on its way, and billed

    error = await failure(provider, create)

    assert isinstance(error, ProviderUnavailable)
    assert error.may_have_happened
    assert error.detail == f"The connection to {vendor.spec.title} broke."
    assert len(raw_server.requests) == 1


async def test_a_create_that_hangs_is_sent_once_and_ends_in_time(provider: Provider, raw_server: Any) -> None:
    raw_server.reply = lambda writer: asyncio.sleep(60)

    started = time.monotonic()
    error = await failure(provider, create)

    assert time.monotonic() - started < QUICK.budget
    assert isinstance(error, ProviderUnavailable)
    assert error.may_have_happened
    assert len(raw_server.requests) == 1


async def test_a_create_is_retried_after_a_refused_connection(
    vendor: Vendor, client: httpx.AsyncClient, raw_server: Any
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening: refuses
        port = taken.getsockname()[1]

    async def start_listening() -> asyncio.Server:
        await asyncio.sleep(0.1)
        return await asyncio.start_server(raw_server.serve, "127.0.0.1", port)

    raw_server.answers(vendor.created)
    door = asyncio.ensure_future(start_listening())
    video = await create(vendor.at(client, f"http://127.0.0.1:{port}"))
    (await door).close()

    assert video.video_id == "v-1"  # type: ignore[attr-defined]
    assert len(raw_server.requests) == 1


async def test_refused_connection_is_unavailable_and_not_sent(
    vendor: Vendor, client: httpx.AsyncClient
) -> None:
    async def ask(call: Call) -> None:
        error = await failure(vendor.at(client, "http://127.0.0.1:1"), call)
        assert isinstance(error, ProviderUnavailable)
        assert not error.may_have_happened

    await asyncio.gather(*map(ask, [*vendor.reads, create]))


async def test_a_read_that_hangs_ends_within_the_budget(
    vendor: Vendor, client: httpx.AsyncClient, raw_server: Any
) -> None:
    raw_server.reply = lambda writer: asyncio.sleep(60)
    timing = Timeouts(connect=0.5, read=5.0, budget=0.5)

    started = time.monotonic()
    error = await failure(vendor.at(client, raw_server.url, timing), verify)

    assert time.monotonic() - started < 1.0
    assert isinstance(error, ProviderUnavailable)


async def test_a_body_that_drips_ends_within_the_budget(
    vendor: Vendor, client: httpx.AsyncClient, raw_server: Any
) -> None:
    async def drip(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(100):
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.1)

    raw_server.reply = drip
    timing = Timeouts(connect=0.5, read=5.0, budget=0.6)

    started = time.monotonic()
    error = await failure(vendor.at(client, raw_server.url, timing), verify)

    assert time.monotonic() - started < 1.2
    assert isinstance(error, ProviderUnavailable)


async def test_an_answer_cut_off_half_way_is_unavailable(
    vendor: Vendor, provider: Provider, raw_server: Any
) -> None:
    raw_server.answers(vendor.me[:-10])

    async def ask(call: Call) -> None:
        assert isinstance(await failure(provider, call), ProviderUnavailable)

    await asyncio.gather(*map(ask, [*vendor.reads, create]))


async def test_an_answer_that_is_no_http_is_unavailable(provider: Provider, raw_server: Any) -> None:
    raw_server.answers(b"SMTP ready " + CANARY.encode() + b"\r\n\r\n")

    error = await failure(provider, create)

    assert isinstance(error, ProviderUnavailable)
    assert error.may_have_happened


UNEXPECTED = {
    "html": http_answer("200 OK", b"<!doctype html><title>Login</title>", content_type="text/html"),
    "html 403": http_answer("403 Forbidden", b"<h1>Blocked</h1>", content_type="text/html"),
    "empty": http_answer("200 OK", b""),
    "list": json_answer("200 OK", []),
    "null": json_answer("200 OK", {"data": None}),
    "other fields": json_answer("200 OK", {"data": {"hello": "world"}}),
    "number for text": json_answer("200 OK", {"data": {"username": 5, "id": 5, "status": 5}}),
    "NaN": http_answer("200 OK", b'{"data": NaN}'),
    "deep nesting": http_answer("200 OK", b'{"data":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
    "deep error": http_answer("200 OK", b'{"error":' + b'{"a":' * 50_000 + b"1" + b"}" * 50_000 + b"}"),
    "not UTF-8": http_answer("200 OK", b'{"data": {"username": "\xff\xfe"}}'),
    "lone surrogate": http_answer("200 OK", b'{"data": {"username": "\\ud800"}}'),
    "too many items": json_answer(
        "200 OK", {"data": [{"id": "a", "voice_id": "a", "replica_id": "a"}] * 501}
    ),
    "10 MB": http_answer("200 OK", b'{"data": "' + b"x" * 10_000_000 + b'"}'),
    "zipped": http_answer("200 OK", b"\x1f\x8b\x08\x00", "Content-Encoding: gzip"),
    "redirect": http_answer("302 Found", b"", "Location: http://127.0.0.1:1/elsewhere"),
}


@pytest.mark.parametrize("answer", UNEXPECTED.values(), ids=UNEXPECTED)
async def test_an_unexpected_answer_is_called_that_and_not_asked_for_again(
    vendor: Vendor, provider: Provider, raw_server: Any, answer: bytes
) -> None:
    raw_server.answers(answer)
    for call in [*vendor.reads, create]:
        raw_server.requests.clear()

        error = await failure(provider, call)

        assert isinstance(error, ProviderUnexpectedAnswer), call
        assert len(raw_server.requests) == 1, call


async def test_the_client_is_well_after_a_body_that_was_too_long(
    vendor: Vendor, provider: Provider, raw_server: Any
) -> None:
    raw_server.answers(UNEXPECTED["10 MB"], vendor.me)

    await failure(provider, verify)

    assert await provider.verify_key(CANARY)


async def test_an_endless_body_is_left_after_the_limit(provider: Provider, raw_server: Any) -> None:
    async def endless(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"10000\r\n" + b" " * 0x10000 + b"\r\n")
            await writer.drain()

    raw_server.reply = endless

    assert isinstance(await failure(provider, verify), ProviderUnexpectedAnswer)


async def test_a_page_token_of_heygen_that_leads_to_the_same_page_is_an_error(
    client: httpx.AsyncClient, raw_server: Any
) -> None:
    provider = HEYGEN_VENDOR.at(client, raw_server.url)
    raw_server.answers(json_answer("200 OK", {"data": [], "has_more": True, "next_token": "again"}))

    first = await provider.list_avatars(CANARY, filters=Filters(), limit=20, page_token=None)
    assert first.next_token == "private:again"
    with pytest.raises(ProviderUnexpectedAnswer):
        await provider.list_avatars(CANARY, filters=Filters(), limit=20, page_token="private:again")


@pytest.mark.parametrize("token", ["public:" + "x" * 1025, "public:line\nbreak", "public:\ud800"])
async def test_a_page_token_that_no_url_carries_is_refused_here(
    provider: Provider, raw_server: Any, token: str
) -> None:
    with pytest.raises(ProviderRejected):
        await provider.list_avatars(CANARY, filters=Filters(), limit=20, page_token=token)
    assert raw_server.requests == []


async def test_retry_after_is_honoured_inside_the_budget(
    vendor: Vendor, provider: Provider, raw_server: Any
) -> None:
    raw_server.answers(json_answer("429 Too Many Requests", {}, "Retry-After: 1"), vendor.me)

    started = time.monotonic()
    await provider.verify_key(CANARY)

    assert 1.0 <= time.monotonic() - started < QUICK.budget


async def test_a_retry_after_beyond_the_budget_is_passed_on_at_once(
    provider: Provider, raw_server: Any
) -> None:
    raw_server.answers(json_answer("429 Too Many Requests", {}, "Retry-After: 30"))

    started = time.monotonic()
    error = await failure(provider, verify)

    assert time.monotonic() - started < 0.5
    assert isinstance(error, ProviderRateLimited)
    assert error.retry_after == 30
    assert len(raw_server.requests) == 1


async def test_cookies_of_the_provider_are_never_sent_back(
    vendor: Vendor, provider: Provider, raw_server: Any
) -> None:
    cookie = b"\r\nSet-Cookie: session=one-tenants; Path=/\r\n\r\n"
    raw_server.answers(vendor.me.replace(b"\r\n\r\n", cookie, 1))

    await provider.verify_key("first-tenant")
    await provider.verify_key("second-tenant")

    assert b"one-tenants" not in raw_server.requests[1]
    assert b"first-tenant" not in raw_server.requests[1]


@pytest.mark.parametrize("key", ["", " ", "a\nb", "a\r\nX: y", "schlüssel", " lead", "trail ", "\ud800"])
async def test_a_key_that_no_header_carries_is_rejected_unasked(
    provider: Provider, raw_server: Any, key: str
) -> None:
    with pytest.raises(ApiKeyRejected):
        await provider.verify_key(key)
    assert raw_server.requests == []
