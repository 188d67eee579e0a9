"""One HTTP call to a provider: bounded in time and size, and leaving no trace of the key it carries.

Exceptions of HTTP libraries hold the request with its headers, some print them (aiohttp's
`ClientResponseError`), and Python chains them to whatever is raised while they are handled. Hence
errors are made inside an `except` here and raised outside of it, so that nothing is chained.
"""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import aiohttp
import httpx
import stamina

from app.errors import ProviderError, ProviderRateLimited, ProviderUnavailable, ProviderUnexpectedAnswer
from app.http import request_was_not_sent

T = TypeVar("T")

MAX_BODY_BYTES = 2 * 1024 * 1024
ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds. `budget` is for the whole call, all tries and pauses together; the others are per try."""

    connect: float = 3.0
    read: float = 10.0
    budget: float = 15.0

    def extensions(self) -> dict[str, object]:
        timeout = httpx.Timeout(self.read, connect=self.connect, pool=self.connect)
        return {"timeout": timeout.as_dict()}


@dataclass(frozen=True, slots=True)
class Response:
    status: int
    headers: httpx.Headers
    body: bytes


@dataclass(frozen=True, slots=True)
class ProviderTransport:
    """Calls one provider through the shared client; `name` and `title` are for its error messages."""

    client: httpx.AsyncClient
    name: str
    title: str

    async def call(
        self, request: httpx.Request, read_answer: Callable[[Response], T], *, budget: float, repeatable: bool
    ) -> T:
        """Send `request` until `read_answer` returns rather than raises, `ATTEMPTS` times at the most.

        `repeatable`: sending twice does no harm, so rate limits, faults and timeouts are tried again.
        Otherwise only a request that certainly never left this machine is.
        """
        deadline = asyncio.get_running_loop().time() + budget
        failure: ProviderError | None = None

        def pause(error: Exception) -> bool | float:
            if isinstance(error, ProviderUnavailable):
                if not repeatable and error.may_have_happened:
                    return False
            elif not isinstance(error, ProviderRateLimited) or not repeatable:
                return False
            if error.retry_after is None:
                return True
            wait = error.retry_after + random.uniform(0, 0.25)  # noqa: S311 - jitter, not a secret
            return wait if asyncio.get_running_loop().time() + wait < deadline else False

        retries = stamina.retry_context(
            on=pause, attempts=ATTEMPTS, timeout=None, wait_initial=0.2, wait_max=2.0, wait_jitter=0.3
        )
        try:
            async with asyncio.timeout_at(deadline):
                async for attempt in retries:
                    with attempt:
                        failure = None  # a timeout from here on is a timeout of this try
                        try:
                            return read_answer(await self._send(request))
                        except ProviderError as error:
                            failure = error
                            raise
        except TimeoutError:
            if failure is None:
                failure = ProviderUnavailable(self.name, f"{self.title} did not answer in time.")
        except ProviderError as error:
            failure = error
        raise failure or AssertionError("unreachable")

    async def _send(self, request: httpx.Request) -> Response:
        try:
            # A Request that the client did not build carries none of the client's cookies: one tenant's
            # call must not travel with what the provider set on another's.
            response = await self.client.send(request, stream=True, auth=None, follow_redirects=False)
            try:
                body = await _read_bounded(response)
            finally:
                await response.aclose()
        except (httpx.HTTPError, aiohttp.ClientError, OSError) as error:
            failure = self._unavailable(error)
        else:
            if body is not None:
                return Response(response.status_code, response.headers, body)
            failure = ProviderUnexpectedAnswer(self.name, f"{self.title}'s answer was too long to be read.")
        raise failure

    def _unavailable(self, error: Exception) -> ProviderError:
        if request_was_not_sent(error):
            message = f"{self.title} could not be reached."
            return ProviderUnavailable(self.name, message, may_have_happened=False)
        if isinstance(error, (httpx.TimeoutException, TimeoutError)):
            return ProviderUnavailable(self.name, f"{self.title} did not answer in time.")
        return ProviderUnavailable(self.name, f"The connection to {self.title} broke.")


async def _read_bounded(response: httpx.Response) -> bytes | None:
    """Return the body, None if it is over the limit or encoded.

    Read raw: a small compressed chunk could unpack to any size, and `identity` was asked for.
    """
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        return None
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            return None
    return bytes(body)
