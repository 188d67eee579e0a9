"""HTTP calls to a provider: limited in time and size, with no exception that holds the key.

Exceptions of HTTP libraries hold the request with its headers, some print them (aiohttp's
`ClientResponseError`), and Python chains them to every exception raised while they are handled. Hence
errors are created inside an `except` here and raised outside of it, so that nothing is chained.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import aiohttp
import httpx
from prometheus_client import Counter, Histogram
from pydantic import BaseModel, JsonValue

from app.errors import (
    ApiKeyRejected,
    ProviderError,
    ProviderRateLimited,
    ProviderUnavailable,
    ProviderUnexpectedAnswer,
)
from app.http import Backoff, Retry, request_was_not_sent, response_timed_out, retry_within

from .answers import encode, parse
from .text import is_header_safe

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)

MAX_BODY_BYTES = 2 * 1024 * 1024
MAX_ATTEMPTS = 3

_seconds = Histogram(
    "ai_avatar_provider_call_duration_seconds",
    "Time of a provider's call, all attempts and pauses together",
    ["provider", "kind"],
    buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 30),
)
_calls = Counter(
    "ai_avatar_provider_calls_total",
    "Calls of providers, by outcome: ok, or the error's code",
    ["provider", "kind", "outcome"],
)
_BACKOFF = Backoff(first=0.2, longest=2.0)


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds. `budget` is for the whole call, all attempts and pauses together; the others are per attempt."""

    connect: float = 3.0
    read: float = 10.0
    budget: float = 15.0

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        *,
        params: Mapping[str, str] | None = None,
        content: bytes | None = None,
    ) -> httpx.Request:
        """Return a request for JSON with these timeouts; `headers` name the key."""
        timeout = httpx.Timeout(self.read, connect=self.connect, pool=self.connect)
        own = {"Accept": "application/json", "Accept-Encoding": "identity"}
        return httpx.Request(
            method,
            url,
            params=params,
            headers=own | dict(headers),
            content=content,
            extensions={"timeout": timeout.as_dict()},
        )


@dataclass(frozen=True, slots=True)
class Response:
    status: int
    headers: httpx.Headers
    body: bytes


@dataclass(frozen=True, slots=True)
class ProviderTransport:
    """Calls one provider's API at `base_url` through the shared client.

    `name` and `title` are for its error messages. `authorize` returns the headers that carry a key, and `to_error`
    what an answer to this key says went wrong, or None.
    """

    client: httpx.AsyncClient
    name: str
    title: str
    base_url: str
    authorize: Callable[[str], Mapping[str, str]]
    to_error: Callable[[Response, str], ProviderError | None]

    async def get(
        self,
        api_key: str,
        path: str,
        shape: type[M],
        query: Mapping[str, str] | None = None,
        *,
        timeouts: Timeouts,
    ) -> M:
        """Read what is at `path`, and again after failures that may pass. Raises ProviderError."""
        request = self._request("GET", path, api_key, timeouts, params=query)

        def read_answer(answer: Response) -> M:
            if (error := self.to_error(answer, api_key)) is not None:
                raise error
            if (parsed := parse(shape, answer.body)) is None:
                raise ProviderUnexpectedAnswer(self.name, f"{self.title}'s answer has an unexpected shape.")
            return parsed

        return await self.call(request, read_answer, budget=timeouts.budget, repeatable=True)

    async def post_once(
        self,
        api_key: str,
        path: str,
        fields: Mapping[str, JsonValue],
        read_answer: Callable[[Response], T],
        *,
        timeouts: Timeouts,
        headers: Mapping[str, str] | None = None,
    ) -> T:
        """Send `fields` as JSON, again only if the first request certainly was not sent. Raises ProviderError."""
        own = {"Content-Type": "application/json", **(headers or {})}
        content = encode(self.name, fields)
        request = self._request("POST", path, api_key, timeouts, headers=own, content=content)
        return await self.call(request, read_answer, budget=timeouts.budget, repeatable=False)

    def _request(
        self,
        method: str,
        path: str,
        api_key: str,
        timeouts: Timeouts,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        content: bytes | None = None,
    ) -> httpx.Request:
        if not is_header_safe(api_key):
            raise ApiKeyRejected(self.name, f"This cannot be a {self.title} API key.")
        own = {**self.authorize(api_key), **(headers or {})}
        return timeouts.request(method, self.base_url + path, own, params=params, content=content)

    async def call(
        self, request: httpx.Request, read_answer: Callable[[Response], T], *, budget: float, repeatable: bool
    ) -> T:
        """Send `request` until `read_answer` returns rather than raises, at most `MAX_ATTEMPTS` times.

        `budget` is in seconds. `repeatable`: sending twice does no harm, so rate limits, faults and timeouts are
        retried; otherwise only a request that was certainly not sent is. Raises ProviderError.
        """
        kind, outcome, started = "read" if repeatable else "create", "ok", time.perf_counter()
        try:
            return await self._call(request, read_answer, budget=budget, repeatable=repeatable)
        except BaseException as error:
            outcome = error.code if isinstance(error, ProviderError) else "interrupted"
            raise
        finally:
            _seconds.labels(self.name, kind).observe(time.perf_counter() - started)
            _calls.labels(self.name, kind, outcome).inc()

    async def _call(
        self, request: httpx.Request, read_answer: Callable[[Response], T], *, budget: float, repeatable: bool
    ) -> T:
        async def attempt() -> T | Retry:
            try:
                return read_answer(await self._send(request))
            except ProviderUnavailable as error:
                failure: ProviderError = error
                may_retry = repeatable or not error.may_have_happened
            except ProviderRateLimited as error:
                failure, may_retry = error, repeatable
            if may_retry:
                return Retry(failure, failure.retry_after)
            raise failure

        try:
            return await retry_within(budget, attempt, max_attempts=MAX_ATTEMPTS, backoff=_BACKOFF)
        except TimeoutError:
            failure = ProviderUnavailable(self.name, f"{self.title} did not answer in time.")
        raise failure

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
        if response_timed_out(error):
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
