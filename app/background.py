"""Work that must come to its end, whoever hangs up and whatever goes away meanwhile."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import stamina

from app.errors import DatabaseUnavailable, Overloaded

T = TypeVar("T")


class ShieldedTasks:
    """What is under way in this process beyond the requests that began it."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    async def run_shielded(self, work: Coroutine[Any, Any, T]) -> T:
        """Waits for `work`. A client that hangs up cancels its handler, which waits here; not the work."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._forget)
        return await asyncio.shield(task)

    async def drain(self, seconds: float) -> None:
        """Waits for all that is under way, `seconds` at most: the process is about to end."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # looked at, also where nobody waits for it any more


def retrying_outages(seconds: float) -> Any:
    """Attempts for so long: a database that restarts in mid-work is no reason to lose what was done outside it."""
    return stamina.retry_context(
        on=(DatabaseUnavailable, Overloaded), attempts=None, timeout=seconds, wait_initial=0.1, wait_max=2
    )
