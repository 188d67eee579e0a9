"""Watches a server's connections: their deadlines, their number, and the file descriptors that they need."""

import asyncio
import os
import resource
from typing import Any, Final

import structlog

log = structlog.get_logger(__name__)

MAX_CONNECTIONS: Final = 12_000
# File descriptors for the database, providers, the webhook, logs and the event loop itself.
_RESERVED_DESCRIPTORS: Final = 400
_SWEEP_SECONDS: Final = 1.0
_REPEAT_LOG_SECONDS: Final = 10.0


def raise_descriptor_limit() -> int:
    """Raise the soft limit of file descriptors to what the connections need; return how many may be open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_CONNECTIONS + _RESERVED_DESCRIPTORS
    if soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return connection_limit(soft)


def connection_limit(descriptors: int) -> int:
    """Return how many connections there may be with so many file descriptors: half of them where they are few."""
    return min(MAX_CONNECTIONS, max(descriptors - _RESERVED_DESCRIPTORS, descriptors // 2))


class ConnectionWatch:
    """Looks at every connection of a server once a second: no timer per request, which would cost every request."""

    def __init__(self, state: Any, loop: asyncio.AbstractEventLoop) -> None:
        self.max_connections = raise_descriptor_limit()
        self._state = state
        self._loop = loop
        self._quiet_until = self._next_listing = 0.0
        loop.call_later(_SWEEP_SECONDS, self._sweep)

    @classmethod
    def of(cls, state: Any, loop: asyncio.AbstractEventLoop) -> "ConnectionWatch":
        """Return the server's watch; `state` is what its connections share."""
        if not hasattr(state, "watch"):
            state.watch = cls(state, loop)
        watch: ConnectionWatch = state.watch
        return watch

    def note_exhaustion(self, connections: int) -> None:
        """Log that there are too many connections, once in a while."""
        if self._loop.time() >= self._quiet_until:
            self._quiet_until = self._loop.time() + _REPEAT_LOG_SECONDS
            log.warning("connections_exhausted", connections=connections, limit=self.max_connections)

    def _sweep(self) -> None:
        now = self._loop.time()
        for connection in list(self._state.connections):
            deadline = connection.deadline
            if deadline is not None and deadline < now:
                connection.expire()
            elif connection.is_left(now):
                connection.transport.close()
        self._limit_idle(now)
        if now >= self._quiet_until:
            self._check_descriptors(now)
        self._loop.call_later(_SWEEP_SECONDS, self._sweep)

    def _limit_idle(self, now: float) -> None:
        """Close the connections that have been idle longest: at most half may be, so that there is room for others."""
        limit = self.max_connections // 2
        if len(self._state.connections) <= limit:
            return
        idle = [connection for connection in self._state.connections if connection.is_idle]
        surplus = len(idle) - limit
        if surplus <= 0:
            return
        for connection in sorted(idle, key=lambda connection: connection.idle_since)[:surplus]:
            connection.transport.close()
        if now >= self._quiet_until:
            self._quiet_until = now + _REPEAT_LOG_SECONDS
            log.warning("idle_connections_closed", connections=surplus, limit=limit)

    def _check_descriptors(self, now: float) -> None:
        """Log when file descriptors run out: uvloop then closes new connections without a word."""
        limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        # Connections are the most of them: do not list thousands of files every second while there are few.
        if len(self._state.connections) < limit // 4 and now < self._next_listing:
            return
        self._next_listing = now + _REPEAT_LOG_SECONDS
        try:
            used = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - the names are enough
        except OSError:  # not Linux, or none is left for this
            used = limit
        if used > limit * 0.9:
            self._quiet_until = now + _REPEAT_LOG_SECONDS
            log.warning("file_descriptors_exhausted", used=used, limit=limit)
