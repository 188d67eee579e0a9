"""Reads that many callers share: cached for a while, and in flight at most once for each key."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from cachetools import TTLCache

from app.admission import waiting_outside

T = TypeVar("T")


class SharedReads(Generic[T]):
    """Results by key, in this process. Failures are not cached."""

    def __init__(self, max_entries: int, seconds: float) -> None:
        """`seconds`: how long a result is fresh."""
        self._results: TTLCache[Hashable, T] = TTLCache(max_entries, seconds)
        self._in_flight: dict[Hashable, asyncio.Task[T]] = {}

    async def get(self, key: Hashable, read: Callable[[], Awaitable[T]]) -> T:
        """Return the cached result, or that of the read in flight, or call `read`. Raises what `read` raises."""
        try:
            return self._results[key]
        except KeyError:
            pass
        task = self._in_flight.get(key)
        if task is None:
            task = asyncio.create_task(self._read(key, read))
            self._in_flight[key] = task
            task.add_done_callback(lambda _: self._in_flight.pop(key, None))
        # Shielded: a caller that disconnects must not cancel the read of the others.
        with waiting_outside():
            return await asyncio.shield(task)

    async def _read(self, key: Hashable, read: Callable[[], Awaitable[T]]) -> T:
        result = await read()
        self._results[key] = result
        return result
