"""Reads that share a round trip: docs/decisions/0010-reads-that-come-together-share-a-statement.md."""

import asyncio
from collections.abc import Sequence
from contextvars import Context

import asyncpg

from app.db import Argument, Database, SqlFunction


class BatchedReads:
    """Calls of one SQL function: those that are made in the same turn of the event loop are one statement.

    For functions that only read, and raise nothing for some arguments: a statement fails for all its calls.
    """

    def __init__(self, db: Database, function: SqlFunction) -> None:
        self._db = db
        self._arguments = function.arguments
        self._batch = function.batch()
        self._waiting: list[tuple[Sequence[Argument], asyncio.Future[list[asyncpg.Record]]]] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def call(self, **arguments: Argument) -> list[asyncpg.Record]:
        """Return the function's rows, with `call` as a last column. Raises what `Database.call_batch` raises."""
        values = [arguments[name] for name in self._arguments]
        answer: asyncio.Future[list[asyncpg.Record]] = asyncio.get_running_loop().create_future()
        self._waiting.append((values, answer))
        if len(self._waiting) == 1:
            # It runs after what is ready to run now. What it logs is not about this request more than about others.
            task = asyncio.create_task(self._read(), context=Context())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await answer

    async def _read(self) -> None:
        waiting, self._waiting = self._waiting, []
        found: list[list[asyncpg.Record]] = [[] for _ in waiting]
        try:
            for row in await self._db.call_batch(self._batch, [values for values, _ in waiting]):
                found[row["call"]].append(row)
        except BaseException as error:
            for _, answer in waiting:
                if isinstance(error, asyncio.CancelledError):
                    answer.cancel()
                elif not answer.done():
                    answer.set_exception(error)
            if not isinstance(error, Exception):
                raise
        else:
            for rows, (_, answer) in zip(found, waiting, strict=True):
                if not answer.done():  # else its request was cancelled
                    answer.set_result(rows)
