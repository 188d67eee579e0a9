"""Tasks that must finish whatever happens to client, database and process, and work that is repeated for good."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, ParamSpec, TypeVar

import stamina
import structlog

from app.errors import AppError, DatabaseUnavailable, Overloaded, RateLimited

log = structlog.get_logger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

# RateLimited: the business uses its share of the connections.
_OUTAGES: Final = (DatabaseUnavailable, Overloaded, RateLimited)
_FIRST_PAUSE: Final = 0.1
_SETTLED_SECONDS: Final = 10.0
# stamina would log a warning with the call's arguments for each retry. app.outages logs the cause, once.
stamina.instrumentation.set_on_retry_hooks([])


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


class RepeatedWarning:
    """The warning of work that is tried again every few seconds: logged when its code changes, not each time."""

    def __init__(self, event: str, clock: Callable[[], float] = time.monotonic) -> None:
        """`event`: the log line's. `clock` in seconds."""
        self._event = event
        self._clock = clock
        self._code: str | None = None
        self._noted_at = 0.0

    def note(self, code: str) -> None:
        """Log that the work has failed, unless it failed for the same reason the last time."""
        if code != self._code:
            log.warning(self._event, code=code)
        self._code, self._noted_at = code, self._clock()

    def end(self) -> None:
        """The work has succeeded. In an outage single attempts do, so a while must pass before it is news again."""
        if self._clock() - self._noted_at > _SETTLED_SECONDS:
            self._code = None


async def repeat(
    work: Callable[[], Awaitable[object]], period_seconds: float, interrupted: RepeatedWarning, failed: str
) -> None:
    """Do `work` about every `period_seconds` until cancelled. It is tried again after an error.

    `interrupted` notes errors of ours, such as an outage; `failed` is the log event of a fault, with its traceback.
    """
    while True:
        try:
            await work()
            interrupted.end()
        except AppError as error:
            interrupted.note(error.code)
        except Exception:
            log.exception(failed)
        # Jitter: instances that were started together should not ask together.
        await asyncio.sleep(period_seconds * random.uniform(0.5, 1.5))  # noqa: S311
