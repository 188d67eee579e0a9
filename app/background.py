"""Tasks that must finish even if the client disconnects, the database restarts or the process shuts down."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import stamina

from app.errors import DatabaseUnavailable, Overloaded

T = TypeVar("T")


class ShieldedTasks:
    """The tasks of this process that outlive the requests that started them."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    async def run_shielded(self, work: Coroutine[Any, Any, T]) -> T:
        """Return what `work` returns. A client that disconnects cancels its handler, but not `work`."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._forget)
        return await asyncio.shield(task)

    async def drain(self, seconds: float) -> None:
        """Wait for every task, at most `seconds`: the process is shutting down."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # retrieved, so that asyncio does not warn where no handler waits any more


def retrying_outages(seconds: float) -> stamina.BoundAsyncRetryingCaller:
    """Return a caller that repeats a database call for so long while the database is unavailable or overloaded.

    For what follows work outside the database, which must not be lost: `await retrying_outages(30)(call, argument)`.
    """
    caller = stamina.AsyncRetryingCaller(attempts=None, timeout=seconds, wait_initial=0.1, wait_max=2)
    return caller.on((DatabaseUnavailable, Overloaded))
