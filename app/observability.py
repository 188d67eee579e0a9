"""Logs, request ids, metrics and health: what an operator sees of a running service."""

import logging
import os
import re
import sys
import time
from typing import Any, Final
from uuid import uuid4

import structlog
from fastapi import APIRouter, Request, Response
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Histogram,
    generate_latest,
    multiprocess,
)
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.db import Database, SqlFunction
from app.errors import InternalError, NotReady, problem_response
from app.migrations import REQUIRED_REVISION
from app.openapi import problems

log = structlog.get_logger(__name__)

_REQUEST_ID: Final = re.compile(r"[\x21-\x7e]{1,128}")
_QUIET: Final = ("/health/", "/metrics")

_requests = Counter("http_requests_total", "Requests answered", ["method", "route", "status"])
_seconds = Histogram(
    "http_request_duration_seconds",
    "Time to the end of the answer",
    ["method", "route"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15),
)

SCHEMA_REVISION: Final = SqlFunction("ai_avatar.schema_revision", {})


# Until configure_logging, and where nobody calls it: structlog's own default prints the values of variables with a
# traceback, and a variable may be a key.
structlog.configure(
    processors=[
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso"),
        structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        ),
    ]
)


def configure_logging(level: str, form: str) -> None:
    """Everything that is logged, the libraries' included, as one line of JSON or for a console."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso"),
    ]
    renderer: list[Any] = (
        [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
        if form == "json"
        # Plain tracebacks: rich ones print the values of variables, and a variable may be a key.
        else [
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
            )
        ]
    )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderer],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    # Ours is written by RequestContext, without query strings; these would print whole addresses.
    for name in ("uvicorn.access", "httpx", "httpcore", "aiohttp.access"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in ("uvicorn", "uvicorn.error"):
        logging.getLogger(name).handlers = []
        logging.getLogger(name).propagate = True


class RequestContext:
    """The outermost layer: gives each request its id, and writes its log line and its metrics."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        request_id = scope["request_id"] = _request_id(scope)
        status = 500

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-ID"] = request_id
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self._app(scope, receive, send_with_id)
            finally:
                _record(scope, status, time.perf_counter() - started)


class UnexpectedErrors:
    """The innermost layer: an exception that nobody expected becomes a problem, inside CORS.

    Starlette would write it outside all layers, where a browser may not read it.
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
        except Exception:
            log.exception("unexpected_error")
            if started or scope["type"] != "http":
                raise
            await problem_response(Request(scope), InternalError())(scope, receive, send)


def _request_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            text: str = value.decode("latin-1")
            if _REQUEST_ID.fullmatch(text):
                return text
    return uuid4().hex


def _record(scope: Scope, status: int, seconds: float) -> None:
    # The route's pattern, not the path: paths are without number.
    route = getattr(scope.get("route"), "path_format", None) or "none"
    method = scope["method"] if scope["method"] in _METHODS else "other"
    _requests.labels(method, route, str(status)).inc()
    _seconds.labels(method, route).observe(seconds)
    quiet = route.startswith(_QUIET)
    write = log.debug if quiet else log.info
    write("request", method=method, path=scope["path"], status=status, ms=round(seconds * 1000, 1))


_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

router = APIRouter(tags=["operations"])


@router.get("/health/live")
async def live() -> dict[str, str]:
    """The process answers."""
    return {"status": "live"}


@router.get("/health/ready", responses=problems(503))
async def ready(request: Request) -> dict[str, str]:
    """The database is reached and has at least the revision that this build needs."""
    db: Database = request.app.state.db
    try:
        revision = await db.call_value(SCHEMA_REVISION)
    except NotReady:
        revision = None
    if revision is None or revision < REQUIRED_REVISION:
        raise NotReady(
            f"The database has revision {revision or 'none'}; this build needs {REQUIRED_REVISION}: "
            "run `ai-avatar migrate`, as the owner."
        )
    return {"status": "ready", "revision": revision}


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
async def metrics() -> Response:
    """Metrics in Prometheus's text format; of all workers, where there are several."""
    registry = REGISTRY
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)
