"""Outgoing HTTP: the clients, whether a request was sent, `Retry-After`, and one retry loop within a budget."""

import asyncio
import random
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final, TypeVar

import aiohttp
import httpx
import structlog
from httpx_aiohttp import AiohttpTransport

from app.admission import waiting_outside

log = structlog.get_logger(__name__)

T = TypeVar("T")

_MAX_RETRY_AFTER_SECONDS: Final = 24 * 3600.0


@asynccontextmanager
async def create_transport(*, keep_alive: bool) -> AsyncIterator[httpx.AsyncBaseTransport]:
    """Yield a transport, to be shared by the whole process. `keep_alive`: reuse connections.

    Why httpx runs on aiohttp's: docs/decisions/0007-database-driver-http-transport-and-gc.md.
    """

    def session() -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            limit=100, ssl=ssl.create_default_context(), force_close=not keep_alive
        )
        return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())

    async with AiohttpTransport(client=session) as transport:
        yield transport


@asynccontextmanager
async def create_client(*, keep_alive: bool) -> AsyncIterator[httpx.AsyncClient]:
    """Yield an HTTP client without cookies, to be shared by the whole process."""
    async with (
        create_transport(keep_alive=keep_alive) as transport,
        httpx.AsyncClient(transport=transport) as client,
    ):
        yield client


def request_was_not_sent(error: Exception) -> bool:
    """Return whether the request certainly did not leave this machine.

    The httpx-aiohttp transport (0.2) raises `httpx.ConnectTimeout` for every aiohttp connection error, a
    server that closed the connection after reading the request included; only the cause tells them apart.
    """
    if isinstance(error.__cause__, aiohttp.ClientError):
        return isinstance(error.__cause__, (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError))
    return isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout))


def response_timed_out(error: Exception) -> bool:
    """Return whether the response did not arrive in time, rather than that the connection broke.

    The transport's `httpx.ConnectTimeout` says neither: see `request_was_not_sent`.
    """
    if isinstance(error.__cause__, aiohttp.ClientError):
        return isinstance(error.__cause__, TimeoutError)
    return isinstance(error, (httpx.TimeoutException, TimeoutError))


def retry_after_seconds(value: str | None) -> float | None:
    """Return the seconds that a `Retry-After` header asks for (RFC 9110 10.2.3); None if absent or malformed."""
    if value is None:
        return None
    value = value.strip()
    if value.isascii() and value.isdigit():
        return min(float(value), _MAX_RETRY_AFTER_SECONDS)
    try:
        when = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    if when.tzinfo is None:
        return None
    return min(max(0.0, (when - datetime.now(UTC)).total_seconds()), _MAX_RETRY_AFTER_SECONDS)


@dataclass(frozen=True, slots=True)
class Retry:
    """What an attempt returns to be repeated. `error` is raised if there is no time or attempt left.

    `after`: the seconds that the other side asked to wait. Returned rather than raised, so that no exception
    of an HTTP library, which may hold a key, is chained to `error`.
    """

    error: Exception
    after: float | None = None


@dataclass(frozen=True, slots=True)
class Backoff:
    """The pauses between attempts, in seconds: `first`, doubled each time up to `longest`, with jitter."""

    first: float = 0.25
    longest: float = 4.0

    def pause(self, failures: int, after: float | None) -> float:
        """Return the pause after so many failures: never less than `after`."""
        pause = min(self.first * 2.0 ** (failures - 1), self.longest)
        return max(after or 0.0, pause * random.uniform(0.5, 1.5))  # noqa: S311 - jitter, not a secret


async def retry_within(
    budget: float,
    attempt: Callable[[], Awaitable[T | Retry]],
    *,
    max_attempts: int | None = None,
    backoff: Backoff = Backoff(),
) -> T:
    """Call `attempt` until it returns anything but a Retry, and return that. Meanwhile others use the request's slot.

    `budget`: seconds for all attempts and pauses together. Raises the last Retry's error when another attempt
    would be one too many or start after the budget's end; TimeoutError when an attempt is still running then.
    """
    with waiting_outside():
        return await _retry_within(budget, attempt, max_attempts, backoff)


async def _retry_within(
    budget: float, attempt: Callable[[], Awaitable[T | Retry]], max_attempts: int | None, backoff: Backoff
) -> T:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + budget
    failures = 0
    failed: Retry | None = None
    try:
        async with asyncio.timeout_at(deadline):
            while True:
                failed = None  # from here on, a timeout is this attempt's
                result = await attempt()
                if not isinstance(result, Retry):
                    return result
                failed = result
                failures += 1
                pause = backoff.pause(failures, failed.after)
                if failures == max_attempts or loop.time() + pause >= deadline:
                    raise failed.error
                log.info("call_retried", error=str(failed.error), after=round(pause, 3))
                await asyncio.sleep(pause)
    except TimeoutError:
        if failed is None:
            raise
    raise failed.error
