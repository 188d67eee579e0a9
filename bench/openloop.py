"""An HTTP client that costs next to nothing: it shares two cores with what it measures.

No tasks, futures or timers for a request: a protocol sends one and counts its answer. Runs on uvloop.
"""

import asyncio
import json
import statistics
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, cast

TIMEOUT_SECONDS = 5.0
MAX_CONNECTIONS = 3_000
_TICK_SECONDS = 0.002


@dataclass
class Outcome:
    """What became of some requests: statuses, and the seconds from the moment each was due."""

    statuses: Counter[int] = field(default_factory=Counter)
    good: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    ends: list[float] = field(default_factory=list)
    """When good answers came, in seconds from the start."""
    late: list[float] = field(default_factory=list)
    """How much later than due requests were sent."""

    def good_per_second(self, seconds: float) -> float:
        """Return how many good answers a second came while the load went on, its first second aside."""
        return sum(1 for end in self.ends if 1 <= end < seconds) / (seconds - 1)


class Connection(asyncio.Protocol):
    """One request at a time, of whose answer only status and length are read."""

    __slots__ = ("_buffer", "_load", "due", "transport")

    def __init__(self, load: "Load") -> None:
        self._load = load
        self._buffer = b""
        self.due: float | None = None
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def connection_lost(self, _: Exception | None) -> None:
        self.transport = None
        self._load.lose(self)

    def data_received(self, data: bytes) -> None:
        if self._buffer:
            data = self._buffer + data
        end = data.find(b"\r\n\r\n")
        if end >= 0:
            head = data[:end].lower()
            start = head.find(b"content-length: ")
            length = int(head[start + 16 :].split(b"\r\n", 1)[0]) if start >= 0 else 0
            if len(data) - end - 4 >= length:
                self._buffer = b""
                self._load.finish(self, int(data[9:12]))
                return
        self._buffer = data


class Load:
    """Requests to one address, over as many keep-alive connections as are needed."""

    def __init__(self, port: int, requests: Iterator[bytes]) -> None:
        self._port = port
        self._requests = requests
        self._loop = asyncio.get_running_loop()
        self._idle: list[Connection] = []
        self._busy: set[Connection] = set()
        self._opening: set[asyncio.Task[None]] = set()
        self._repeats = False
        self._started = 0.0
        self.outcome = Outcome()

    async def arrive(self, per_second: float, seconds: float) -> Outcome:
        """Send requests at a rate, whatever becomes of the earlier ones."""
        await self._open(int(min(MAX_CONNECTIONS, per_second / 5)))
        started = self._started = self._loop.time()
        sent = 0
        while (now := self._loop.time()) < started + seconds:
            while sent < (now - started) * per_second:
                due = started + sent / per_second
                self.outcome.late.append(now - due)
                self._send(due)
                sent += 1
            await asyncio.sleep(_TICK_SECONDS)
        await self._end()
        return self.outcome

    async def saturate(self, connections: int, seconds: float) -> Outcome:
        """Let a fixed number of clients send the next request when they have an answer."""
        self._repeats = True
        await self._open(connections)
        self._started = self._loop.time()
        for _ in range(connections):
            self._send(self._started)
        await asyncio.sleep(seconds)
        self._repeats = False
        await self._end()
        return self.outcome

    def finish(self, connection: Connection, status: int) -> None:
        """Count an answer."""
        due = connection.due
        if due is None:
            return
        connection.due = None
        now = self._loop.time()
        self.outcome.statuses[status] += 1
        # 409: the content item of a write has a generation already, which the service had to look up all the same.
        if 200 <= status < 300 or status == 409:
            self.outcome.good.append(now - due)
            self.outcome.ends.append(now - self._started)
        else:
            self.outcome.refused.append(now - due)
        self._busy.discard(connection)
        if connection.transport is not None:
            self._idle.append(connection)
            if self._repeats:
                self._send(now)

    def lose(self, connection: Connection) -> None:
        """Count a broken connection as status 0, if it was in a request."""
        if connection.due is not None:
            self.finish(connection, 0)

    def _send(self, due: float) -> None:
        while self._idle:
            connection = self._idle.pop()
            if connection.transport is not None:
                self._start(connection, due)
                return
        if len(self._busy) + len(self._opening) >= MAX_CONNECTIONS:
            self.outcome.statuses[2] += 1  # not sent
            return
        task = self._loop.create_task(self._connect_and_send(due))
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    def _start(self, connection: Connection, due: float) -> None:
        assert connection.transport is not None
        connection.due = due
        self._busy.add(connection)
        connection.transport.write(next(self._requests))

    async def _connect_and_send(self, due: float) -> None:
        try:
            connection = await self._connect()
        except OSError:
            self.outcome.statuses[0] += 1
            return
        self._start(connection, due)

    async def _connect(self) -> Connection:
        _, connection = await self._loop.create_connection(lambda: Connection(self), "127.0.0.1", self._port)
        return connection

    async def _open(self, count: int) -> None:
        for _ in range(count):
            self._idle.append(await self._connect())

    async def _end(self) -> None:
        """Wait for the answers that are due; count the others as status 1."""
        deadline = self._loop.time() + TIMEOUT_SECONDS
        # An event would cost something for every answer.
        while (self._busy or self._opening) and self._loop.time() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        for connection in list(self._busy):
            self.finish(connection, 1)
        for connection in self._idle:
            if connection.transport is not None:
                connection.transport.abort()


def percentile(values: list[float], percent: int) -> float:
    """Return a percentile of seconds, in milliseconds; 0 for none."""
    if len(values) < 2:
        return 1e3 * sum(values)
    return 1e3 * statistics.quantiles(values, n=100)[percent - 1]


def encode(method: str, path: str, headers: dict[str, str], body: Any = None) -> bytes:
    """Return a request as it is sent."""
    content = b"" if body is None else json.dumps(body).encode()
    lines = [
        f"{method} {path} HTTP/1.1",
        "Host: bench",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(content)}"]
    return "\r\n".join([*lines, "", ""]).encode() + content
