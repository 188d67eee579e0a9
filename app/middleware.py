"""Middleware: request ids, the request log, request metrics, and responses to unexpected errors."""

import asyncio
import random
import re
import time
from collections.abc import Iterable
from functools import cache
from typing import Final

import structlog
from fastapi import Request
from prometheus_client import Counter, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import InternalError, NotReady
from app.logs import log_request
from app.problems import PROBLEM_TYPE_URL, problem_response

log = structlog.get_logger(__name__)

_REQUEST_ID: Final = re.compile(r"[\x21-\x7e]{1,128}")
_STOPPING: Final = (
    "The service is shutting down. It may have done what was asked for: look before you repeat it."
)
_QUIET_ROUTES: Final = ("/health/", "/metrics")
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

_requests = Counter("http_requests_total", "Requests answered", ["method", "route", "status"])
_seconds = Histogram(
    "http_request_duration_seconds",
    "Time to the end of the answer",
    ["method", "route"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15),
)


class RequestContext:
    """The outermost layer: sets what problems say of each request, and writes its log line and its metrics."""

    def __init__(self, app: ASGIApp, problem_type_url: str = PROBLEM_TYPE_URL) -> None:
        self._app = app
        self._problem_type_url = problem_type_url

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        request_id = scope["request_id"] = choose_request_id(scope["headers"])
        scope["problem_type_url"] = self._problem_type_url
        status = 500

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = message["headers"] = list(message.get("headers", ()))
                # Tenants' data belongs in no cache; static files say what they allow.
                if not any(name == b"cache-control" for name, _ in headers):
                    headers.append((b"cache-control", b"no-store"))
                headers.append((b"x-request-id", request_id.encode()))
            await send(message)

        bound = structlog.contextvars.bind_contextvars(request_id=request_id)
        try:
            await self._app(scope, receive, send_with_id)
        finally:
            _record(scope, request_id, status, time.perf_counter() - started)
            structlog.contextvars.reset_contextvars(**bound)


class HeadAsGet:
    """Serves HEAD where GET is served: the same headers, without the body."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return

        async def send_head(message: Message) -> None:
            if message["type"] == "http.response.start":
                await send(message)
                # This ends the response, also of an event stream, which is told that its reader is gone.
                await send({"type": "http.response.body", "body": b""})

        inner = {**scope, "method": "GET"}
        try:
            await self._app(inner, receive, send_head)
        finally:
            scope["route"] = inner.get("route")  # for the metrics


class UnexpectedErrors:
    """The innermost layer: turns an unexpected exception into a problem, inside CORS.

    Starlette would respond outside all layers, where browsers cannot read the response.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def note_start(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, note_start)
        except asyncio.CancelledError:
            # Shutdown has waited long enough. uvicorn would respond in plain text.
            if not started and scope["type"] == "http":
                await problem_response(Request(scope), NotReady(_STOPPING))(scope, receive, send)
            raise
        except Exception:
            log.exception("unexpected_error")
            if started or scope["type"] != "http":
                raise
            await problem_response(Request(scope), InternalError())(scope, receive, send)


def choose_request_id(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """Return the caller's request id if it may be one, else a new one."""
    for name, value in headers:
        if name == b"x-request-id":
            text: str = value.decode("latin-1")
            if _REQUEST_ID.fullmatch(text):
                return text
    # Unique, not secret: the system's random bytes cost a system call.
    return f"{random.getrandbits(128):032x}"


def _record(scope: Scope, request_id: str, status: int, seconds: float) -> None:
    # Label by route template: path cardinality is unbounded.
    route = getattr(scope.get("route"), "path_format", None) or "none"
    method = scope["method"] if scope["method"] in _METHODS else "other"
    counter_of(method, route, status).inc()
    _histogram_of(method, route).observe(seconds)
    quiet = route.startswith(_QUIET_ROUTES) or scope.get("is_shed", False)
    log_request(request_id, method, scope["path"], status, round(seconds * 1000, 1), quiet=quiet)


# Looking a child up by its labels costs as much as counting.
@cache
def counter_of(method: str, route: str, status: int) -> Counter:
    """Return the counter of such requests."""
    return _requests.labels(method, route, str(status))


@cache
def _histogram_of(method: str, route: str) -> Histogram:
    return _seconds.labels(method, route)
