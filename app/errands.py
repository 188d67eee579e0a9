"""Work that goes on to its end though the caller who asked for it hangs up, or the process is told to end."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Errands:
    """One per process."""

    def __init__(self) -> None:
        self._under_way: set[asyncio.Task[Any]] = set()

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Its result, to a caller who stays; one who is cancelled leaves it running."""
        task = asyncio.create_task(work)
        self._under_way.add(task)
        task.add_done_callback(self._forget)
        return await asyncio.shield(task)

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._under_way.discard(task)
        if not task.cancelled():
            task.exception()  # looked at, also where nobody waits for it any more

    async def finish(self, seconds: float) -> None:
        """Waits for what is under way, `seconds` at most: the process is about to end."""
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=seconds)
