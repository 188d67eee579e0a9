"""Slots: a bounded number of holders, and a queue in which newcomers wait a moment, first come, first served."""

import asyncio
from collections import deque
from contextlib import suppress


class Slots:
    """So many holders at once. Belongs to one event loop."""

    __slots__ = ("_patience", "_waiting", "held", "limit")

    def __init__(self, limit: int, patience: float) -> None:
        """`patience`: how many seconds a newcomer waits at most."""
        self.limit = limit
        self.held = 0
        self._patience = patience
        self._waiting: deque[asyncio.Future[bool]] = deque()

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def take_at_once(self) -> bool:
        """Take a slot if one is free and no one waits for it; return whether."""
        if self.held >= self.limit or self._waiting:
            return False
        self.held += 1
        return True

    async def take(self, patience: float | None = None) -> bool:
        """Take a slot; return whether one was free in time. `patience`, in seconds, is this caller's own."""
        if self.take_at_once():
            return True
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[bool] = loop.create_future()
        self._waiting.append(turn)
        timer = loop.call_later(self._patience if patience is None else patience, self._give_up, turn)
        try:
            return await turn
        except asyncio.CancelledError:
            self._forget(turn)
            if turn.done() and not turn.cancelled() and turn.result():
                self.release()  # handed over, but not received
            raise
        finally:
            timer.cancel()

    def take_again(self) -> None:
        """Take a slot that was released for a while, even beyond the limit: work that has begun goes on."""
        self.held += 1

    def release(self) -> None:
        """Free a slot, for the one that has waited longest."""
        self.held -= 1
        while self._waiting and self.held < self.limit:
            turn = self._waiting.popleft()
            if not turn.done():
                self.held += 1
                turn.set_result(True)

    def _give_up(self, turn: asyncio.Future[bool]) -> None:
        if not turn.done():
            self._forget(turn)
            turn.set_result(False)

    def _forget(self, turn: asyncio.Future[bool]) -> None:
        with suppress(ValueError):
            self._waiting.remove(turn)
