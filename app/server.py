"""What a connection may cost before its caller is known: uvicorn's httptools protocol, with limits.

uvicorn limits how long a connection may be idle between requests (`timeout_keep_alive`, 5 s), but not headers, slow
requests or the number of connections. Every limit here is per process. Written for uvicorn 0.54 and httptools 0.9.
"""

import asyncio
from collections.abc import Callable
from functools import cache, partial
from typing import Any, Final, cast
from uuid import uuid4

import structlog
from prometheus_client import Counter
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.connection_watch import ConnectionWatch
from app.errors import AppError, HeadersTooLarge, MalformedRequest, Overloaded, RequestTimeout
from app.problems import PROBLEM_TYPE_URL, ReadyProblem

log = structlog.get_logger(__name__)

# All bytes of a message but its body's: request line, headers, trailers, chunk sizes. The parser joins what belongs to
# one of them piece by piece, which is quadratic.
MAX_OVERHEAD_BYTES: Final = 32 * 1024
MAX_HEADERS: Final = 100
HEAD_SECONDS: Final = 10.0
BODY_SECONDS: Final = 30.0
# After a response that did not wait for the body: a client that is still sending gets to read it.
LINGER_SECONDS: Final = 5.0
LINGER_BYTES: Final = 4 * 1024 * 1024
# At shutdown, for a request whose head is on its way.
STOPPING_SECONDS: Final = 2.0

_refused = Counter(
    "ai_avatar_connections_refused_total", "Requests refused before they were read", ["status"]
)

_REASONS: Final[dict[int, AppError]] = {
    400: MalformedRequest(),
    408: RequestTimeout(),
    431: HeadersTooLarge(
        f"A request may have at most {MAX_HEADERS} headers, of {MAX_OVERHEAD_BYTES // 1024} KiB together."
    ),
    503: Overloaded("The service has too many open connections. Try again.", retry_after=5),
}


@cache
def _refusal(status: int, problem_type_url: str) -> ReadyProblem:
    return ReadyProblem(_REASONS[status], problem_type_url)


def server_options(problem_type_url: str = PROBLEM_TYPE_URL) -> dict[str, Any]:
    """Return the options of uvicorn that every server of this service has."""
    return {
        "http": partial(LimitedProtocol, problem_type_url),
        "ws": "none",
        "log_config": None,
        "access_log": False,
        "server_header": False,
        # How long a worker may take to start, or to answer its parent: with 5 s, the default, a busy machine restarts
        # its workers again and again, because importing the application takes longer.
        "timeout_worker_healthcheck": 60,
    }


class LimitedProtocol(HttpToolsProtocol):
    """One connection: limits on headers, time and number, and responses that a sending client can read."""

    deadline: float | None = None
    """When the rest of what is being received must have arrived, by the loop's clock; the watch looks at it."""
    idle_since = 0.0
    """When the connection was opened, or the last response ended, by the loop's clock."""
    _overhead = 0
    _refusal = 400
    _is_receiving = False
    _is_stopping = False
    _is_refused = False
    _linger_bytes: int | None = None

    def __init__(self, problem_type_url: str, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._problem_type_url = problem_type_url
        self.app = cast(Any, _without_cancellation(cast(ASGIApp, self.app)))

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        watch = ConnectionWatch.of(self.server_state, self.loop)
        if len(self.connections) > watch.max_connections:
            watch.note_exhaustion(len(self.connections))
            self._refuse(503)
        else:
            self.idle_since = self.loop.time()
            self.deadline = self.idle_since + HEAD_SECONDS

    def is_left(self, now: float) -> bool:
        """Whether the client has not used the connection for so long that it is closed (uvicorn's limit)."""
        return self.idle_since + self.timeout_keep_alive < now and self.deadline is None and self.is_idle

    @property
    def is_idle(self) -> bool:
        """Whether the connection is in no request, and none is on its way."""
        in_request = self.cycle is not None and not self.cycle.response_complete
        return not (self._overhead or in_request or self._is_refused or self._linger_bytes is not None)

    def data_received(self, data: bytes) -> None:
        if self._linger_bytes is not None:
            self._linger_bytes -= len(data)
            if self._linger_bytes < 0:
                self.transport.close()
            if self._linger_bytes < 0 or self._is_refused:
                return
        if self._shed(data):
            return
        if self.deadline is None and not self._is_receiving:  # the first byte on an idle connection
            self.deadline = self.loop.time() + HEAD_SECONDS
        self._overhead += len(data)
        super().data_received(data)
        if self._overhead > MAX_OVERHEAD_BYTES and not self._is_refused and not self.transport.is_closing():
            self._refuse(431)

    # Callbacks of the parser

    def on_message_begin(self) -> None:
        self._is_receiving = True
        if self.deadline is None:  # a further request in the same read
            self.deadline = self.loop.time() + HEAD_SECONDS
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        super().on_header(name, value)
        if len(self.headers) > MAX_HEADERS:
            self._refusal = 431
            raise ValueError  # stops the parser, which calls send_400_response

    def on_headers_complete(self) -> None:
        # `data_received` counts reads, of which one may bring a large head whole, or a small one and a large body.
        if self._overhead > MAX_OVERHEAD_BYTES and self._head_bytes() > MAX_OVERHEAD_BYTES:
            self._refusal = 431
            raise ValueError
        self.deadline = self.loop.time() + BODY_SECONDS
        super().on_headers_complete()
        if self.cycle is None or self.cycle.scope is not self.scope:
            return
        if self._is_stopping:
            self.cycle.keep_alive = False
        has_body = any(name in (b"content-length", b"transfer-encoding") for name, _ in self.headers)
        close = self.close_politely if has_body else self.transport.close
        self.cycle.transport = cast(asyncio.Transport, _ResponseTransport(self.transport, close, self.loop))

    def _head_bytes(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + len(": \r\n") for name, value in self.headers)

    def on_body(self, body: bytes) -> None:
        self._overhead -= len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._overhead = 0
        self._is_receiving = False
        self.deadline = None
        super().on_message_complete()
        if self._linger_bytes is not None:
            self.transport.close()

    def on_response_complete(self) -> None:
        if self._linger_bytes is not None:  # the response said `Connection: close`
            self.server_state.total_requests += 1
            return
        super().on_response_complete()
        self.idle_since = self.loop.time()
        if self._is_answered_early():
            self._linger()
        elif self._is_receiving:  # the next request has its own deadline
            self._unset_keepalive_if_required()

    # Ends

    def close_politely(self) -> None:
        """Close; after a response to a request that is still arriving, only once that has arrived."""
        if self._is_answered_early():
            self._linger()
        else:
            self.transport.close()

    def shutdown(self) -> None:
        """As uvicorn's, which closes at once what is in no request: a head that is on its way may arrive."""
        if self._overhead and not self._is_refused and (self.cycle is None or self.cycle.response_complete):
            self._is_stopping = True
            self.deadline = self.loop.time() + STOPPING_SECONDS
        else:
            super().shutdown()

    def expire(self) -> None:
        """End a connection whose deadline has passed."""
        if self._is_receiving and self._linger_bytes is None:
            self._refuse(408)
        else:
            self.transport.close()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - of uvicorn
        self._refuse(self._refusal)

    def _unsupported_upgrade_warning(self) -> None:
        """Say nothing: a request to upgrade is answered as any other."""

    def _shed(self, data: bytes) -> bool:
        """Answer a whole request for which there is no capacity, at a fraction of what parsing and serving it costs."""
        control = self.app_state.get("admission_control")
        if control is None or self._is_stopping or not self.is_idle:
            return False
        if self.flow.write_paused or self.transport.is_closing():
            return False
        answer = control.refuse_early(data)
        if answer is None:
            return False
        self.transport.write(answer)
        self.server_state.total_requests += 1
        self.deadline = None
        self.idle_since = self.loop.time()
        self._unset_keepalive_if_required()  # a timer for each would cost as much as the rest: the watch looks at it
        return True

    def _is_answered_early(self) -> bool:
        # Of the newest message: with pipelining not always the one that was answered.
        cycle = self.cycle
        return bool(cycle and cycle.response_complete and cycle.more_body and not self.transport.is_closing())

    def _linger(self) -> None:
        """Discard what still arrives, within limits: closing with unread data would reset the connection."""
        self._linger_bytes = LINGER_BYTES
        self.deadline = self.loop.time() + LINGER_SECONDS
        self._unset_keepalive_if_required()
        self.flow.resume_reading()

    def _refuse(self, status: int) -> None:
        """Answer with a problem, and close once the client has read it."""
        _refused.labels(str(status)).inc()
        log.info("connection_refused", status=status, client=self.client[0] if self.client else None)
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete:
            if cycle.response_started or self.pipeline:
                self.transport.close()  # a response is being written
                return
            cycle.disconnected = True  # for the application, which waits for the rest of a body
            cycle.message_event.set()
        self._is_refused = True
        refusal = _refusal(status, self._problem_type_url)
        self.transport.write(refusal.render("", uuid4().hex, closes=True))
        self._linger()


def _without_cancellation(app: ASGIApp) -> ASGIApp:
    """Return the application without the CancelledError of a shutdown that has waited long enough.

    The application has responded to it (app/middleware.py); uvicorn would log it with a traceback.
    """

    async def run(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await app(scope, receive, send)
        except asyncio.CancelledError:
            log.warning("request_cancelled", path=scope.get("path"))

    return run


class _ResponseTransport:
    """The transport as uvicorn's response uses it: sends head and body in one packet; closing may wait."""

    __slots__ = ("_close", "_head", "_loop", "_transport")

    def __init__(
        self, transport: asyncio.Transport, close: Callable[[], None], loop: asyncio.AbstractEventLoop
    ) -> None:
        self._transport = transport
        self._close = close
        self._loop = loop
        self._head: bytes | None = None  # before the first write; empty once it has been sent

    def write(self, data: bytes) -> None:
        if self._head is None:
            # A system call each is dear, and the body usually follows at once.
            self._head = data
            self._loop.call_soon(self._send_head)
        else:
            self._transport.write(self._head + data)
            self._head = b""

    def close(self) -> None:
        self._send_head()
        self._close()

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def _send_head(self) -> None:
        if self._head:
            self._transport.write(self._head)
            self._head = b""
