"""Tasks that must finish even if the client disconnects, the database restarts or the process shuts down."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final, ParamSpec, TypeVar

import stamina

from app.errors import DatabaseUnavailable, Overloaded, RateLimited

P = ParamSpec("P")
T = TypeVar("T")

# RateLimited: the business uses its share of the connections.
_OUTAGES: Final = (DatabaseUnavailable, Overloaded, RateLimited)
_FIRST_PAUSE: Final = 0.1


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


class _OutageRetries:
    """Calls at once, and sets up retries only when they are needed: they cost more than the usual call."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    async def __call__(
        self, call: Callable[P, Coroutine[Any, Any, T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        try:
            return await call(*args, **kwargs)
        except _OUTAGES:
            await asyncio.sleep(_FIRST_PAUSE)
        retries = stamina.AsyncRetryingCaller(
            attempts=None, timeout=self._seconds, wait_initial=_FIRST_PAUSE, wait_max=2
        )
        return await retries.on(_OUTAGES)(call, *args, **kwargs)


def retrying_outages(seconds: float) -> _OutageRetries:
    """Return a caller that repeats a database call for so long while the database is unavailable or overloaded.

    For what follows work outside the database, which must not be lost: `await retrying_outages(30)(call, argument)`.
    """
    return _OutageRetries(seconds)
