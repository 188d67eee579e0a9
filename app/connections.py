"""The database connections of one process, lent without asyncpg's bookkeeping.

asyncpg's pool takes a task, a future and two timers to lend a connection once: as much CPU time as the call itself. It
still makes the connections, closes them, and takes back those whose call has failed; the others are lent here.
"""

import asyncio
from collections import deque
from typing import Any, Final

import asyncpg
from prometheus_client import Gauge, Histogram

# A connection that was not needed for so many seconds goes back to asyncpg's pool, which closes it after a while.
_TRIM_SECONDS: Final = 60.0


_in_use = Gauge(
    "ai_avatar_database_connections_in_use", "Database connections in use", multiprocess_mode="livesum"
)
_callers_waiting = Gauge(
    "ai_avatar_database_calls_waiting",
    "Calls that wait for a database connection",
    multiprocess_mode="livesum",
)
_wait_seconds = Histogram(
    "ai_avatar_database_wait_seconds",
    "Time that calls waited while all connections were in use; calls that did not wait are not counted",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5),
)


class Connections:
    """Lends the connection that was used last, and serves waiting callers in the order in which they came."""

    def __init__(self, pool: asyncpg.Pool, max_size: int) -> None:
        self._pool = pool
        self._max_size = max_size
        self._taken = 0
        """How many connections asyncpg's pool has handed out, idle ones included."""
        self._connecting = 0
        self._idle: list[Any] = []
        self._fewest_idle = 0
        self._waiting: deque[asyncio.Future[Any]] = deque()
        self._trimming: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_closed = False

    @property
    def are_all_busy(self) -> bool:
        """Whether there may be no more connections, and some are in use: the database answers, others first."""
        return self._taken == self._max_size and not self._idle and self._connecting < self._taken

    def note_use(self) -> None:
        """Set the gauges. Not at each call, which that would slow down: every few seconds, and when they are read."""
        _in_use.set(self._taken - len(self._idle))
        _callers_waiting.set(len(self._waiting))

    async def acquire(self, patience: float) -> Any:
        """Return a connection. Raises TimeoutError if none is free within `patience` s, and what connecting raises."""
        while True:
            if self._idle:
                connection = self._idle.pop()
                self._fewest_idle = min(self._fewest_idle, len(self._idle))
            elif self._taken < self._max_size:
                return await self._connect()
            else:
                connection = await self._wait(patience)
            if connection is not None:
                if _is_open(connection):
                    return connection
                await self.discard(connection)

    def release(self, connection: Any) -> None:
        """Take back a connection whose call has succeeded."""
        if self._is_closed:
            self._discard_later(connection)
        elif not self._serve_waiting(connection):
            self._idle.append(connection)

    async def discard(self, connection: Any) -> None:
        """Leave a connection to asyncpg's pool, which ends what is still running on it, and closes it if need be."""
        try:
            await self._pool.release(connection)
        finally:
            self._taken -= 1
            self._serve_waiting(None)

    async def close(self) -> None:
        """Return idle connections to asyncpg's pool, and from now on every other one as well."""
        self._is_closed = True
        if self._trimming is not None:
            self._trimming.cancel()
        while self._idle:
            await self.discard(self._idle.pop())

    async def _connect(self) -> Any:
        self._taken += 1
        self._connecting += 1
        try:
            connection = await self._pool.acquire()
        except BaseException:
            self._taken -= 1
            self._serve_waiting(None)
            raise
        finally:
            self._connecting -= 1
        if self._trimming is None:
            self._trimming = asyncio.get_running_loop().call_later(_TRIM_SECONDS, self._trim)
        return connection

    async def _wait(self, patience: float) -> Any:
        """Return a released connection, or None when one may be opened."""
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[Any] = loop.create_future()
        self._waiting.append(turn)
        deadline = loop.call_later(patience, _end_wait, turn)
        started = loop.time()
        try:
            return await turn
        except asyncio.CancelledError:
            if not turn.cancelled() and turn.exception() is None:  # served in the same moment
                if turn.result() is None:
                    self._serve_waiting(None)
                else:
                    self.release(turn.result())
            raise
        finally:
            deadline.cancel()
            _wait_seconds.observe(loop.time() - started)

    def _serve_waiting(self, connection: Any) -> bool:
        """Give the first waiting caller a connection, or with None the right to open one."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(connection)
                return True
        return False

    def _trim(self) -> None:
        """Give up as many connections as have been idle all the time since the last look, the oldest first."""
        for _ in range(min(self._fewest_idle, len(self._idle))):
            self._discard_later(self._idle.pop(0))
        self._fewest_idle = len(self._idle)
        self._trimming = asyncio.get_running_loop().call_later(_TRIM_SECONDS, self._trim)

    def _discard_later(self, connection: Any) -> None:
        task = asyncio.create_task(self.discard(connection))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _is_open(connection: Any) -> bool:
    """Tell whether a connection can be used, as far as this side knows."""
    try:
        return not connection.is_closed()
    except asyncpg.InterfaceError:  # the server has ended it, and asyncpg's pool has taken it back
        return False


def _end_wait(turn: asyncio.Future[Any]) -> None:
    if not turn.done():
        turn.set_exception(TimeoutError())
