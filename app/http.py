"""Outgoing HTTP: the clients, whether a request was sent, and `Retry-After`."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

_MAX_RETRY_AFTER_SECONDS: Final = 24 * 3600.0


@asynccontextmanager
async def create_client(*, keep_alive: bool) -> AsyncIterator[httpx.AsyncClient]:
    """Yield an HTTP client without cookies, to be shared by the whole process.

    `keep_alive`: reuse connections. Why httpx runs on aiohttp's transport:
    docs/decisions/0007-database-driver-http-transport-and-gc.md.
    """

    def session() -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            limit=100, ssl=ssl.create_default_context(), force_close=not keep_alive
        )
        return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())

    async with httpx.AsyncClient(transport=AiohttpTransport(client=session)) as client:
        yield client


def request_was_not_sent(error: Exception) -> bool:
    """Return whether the request certainly did not leave this machine.

    The httpx-aiohttp transport (0.2) raises `httpx.ConnectTimeout` for every aiohttp connection error, a
    server that closed the connection after reading the request included; only the cause tells them apart.
    """
    if isinstance(error.__cause__, aiohttp.ClientError):
        return isinstance(error.__cause__, (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError))
    return isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout))


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
