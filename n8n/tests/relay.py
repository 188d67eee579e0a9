"""An HTTP relay that records requests and injects faults."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal

import httpx

_HOP_HEADERS = {"host", "connection", "content-length", "transfer-encoding", "keep-alive"}


@dataclass(frozen=True)
class Passed:
    """One request that was forwarded, with the status of its response."""

    method: str
    path: str
    status: int


@dataclass(frozen=True)
class Fault:
    """What happens at the next request with this method and a path that starts with `path`.

    `lose` forwards the request but closes the connection without a response. `answer` responds without forwarding it.
    """

    method: str
    path: str
    kind: Literal["lose", "answer"]
    status: int = 0
    body: Callable[[str], object] = lambda path: None
    """Returns the JSON for a request's path."""


@dataclass
class Relay:
    """Listens on its own port and forwards requests to `target`."""

    target: str
    passed: list[Passed] = field(default_factory=list)
    _faults: list[Fault] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._client = httpx.Client(timeout=60)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_for(self._exchange))
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def lose_answer(self, method: str, path: str, times: int = 1) -> None:
        with self._lock:
            self._faults += [Fault(method, path, "lose")] * times

    def answer(self, method: str, path: str, status: int, body: object, times: int = 1) -> None:
        self.answer_each(method, path, status, lambda _: body, times)

    def answer_each(
        self, method: str, path: str, status: int, body: Callable[[str], object], times: int
    ) -> None:
        with self._lock:
            self._faults += [Fault(method, path, "answer", status, body)] * times

    def statuses(self, method: str, path: str) -> list[int]:
        """Return the statuses of forwarded requests with this method and path prefix, in order."""
        return [p.status for p in list(self.passed) if p.method == method and p.path.startswith(path)]

    def forget(self) -> None:
        with self._lock:
            self.passed.clear()
            self._faults.clear()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._client.close()

    def _exchange(self, handler: BaseHTTPRequestHandler, body: bytes) -> None:
        fault = self._take_fault(handler.command, handler.path)
        if fault is not None and fault.kind == "answer":
            body = json.dumps(fault.body(handler.path)).encode()
            _send(handler, fault.status, "application/json", body)
            return
        headers = {k: v for k, v in handler.headers.items() if k.lower() not in _HOP_HEADERS}
        response = self._client.request(
            handler.command, self.target + handler.path, headers=headers, content=body
        )
        with self._lock:
            self.passed.append(Passed(handler.command, handler.path, response.status_code))
        if fault is None:
            kind = response.headers.get("content-type", "application/octet-stream")
            _send(handler, response.status_code, kind, response.content)

    def _take_fault(self, method: str, path: str) -> Fault | None:
        with self._lock:
            for fault in self._faults:
                if fault.method == method and path.startswith(fault.path):
                    self._faults.remove(fault)
                    return fault
        return None


def _handler_for(exchange: Callable[[BaseHTTPRequestHandler, bytes], None]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _relay(self) -> None:
            exchange(self, self.rfile.read(int(self.headers.get("content-length") or 0)))
            self.close_connection = True

        do_GET = _relay  # noqa: N815 - named by http.server
        do_POST = _relay  # noqa: N815 - named by http.server

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - named by http.server
            """Log nothing, to keep pytest's output readable."""

    return Handler


def _send(handler: BaseHTTPRequestHandler, status: int, content_type: str, body: bytes) -> None:
    handler.send_response(status)
    handler.send_header("Content-Type", content_type)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)
