"""Slots: a bounded number of holders, and a queue in which newcomers wait a moment.

The queue is fair: owners take turns, each with its own first come, first served. So one that asks rarely is served
soon, however much others ask.
"""

import asyncio
import time
from collections import deque
from collections.abc import Hashable
from contextlib import suppress
from typing import Final

# The pace is known after so many turns, and is that of the last 64 to 128.
_FIRST_TURNS: Final = 16
# How many may wait before it is known.
_MAX_WAITING: Final = 256
_MAX_TURNS: Final = 128
# How much of the patience a newcomer may be expected to wait: before it has cost anything, and after.
_EARLY_SHARE: Final = 0.5
_LATE_SHARE: Final = 0.75


class Slots:
    """So many holders at once. Belongs to one event loop."""

    __slots__ = ("_order", "_patience", "_queues", "_since", "_turns", "held", "limit", "waiting")

    def __init__(self, limit: int, patience: float) -> None:
        """`patience`: how many seconds a newcomer waits at most."""
        self.limit = limit
        self.held = 0
        self.waiting = 0
        self._patience = patience
        self._queues: dict[Hashable, deque[asyncio.Future[bool]]] = {}
        self._order: deque[Hashable] = deque()
        self._since = 0.0
        """When counting turns began, while callers wait."""
        self._turns = 0

    def take_at_once(self) -> bool:
        """Take a slot if one is free and no one waits for it; return whether."""
        if self.held >= self.limit or self.waiting:
            return False
        self.held += 1
        return True

    def is_hopeless(
        self, owner: Hashable = None, own_coming: int = 0, coming: int = 0, share: float = _EARLY_SHARE
    ) -> bool:
        """Return whether this owner's next caller had better not wait: at the present pace, its turn comes too late.

        `share` of the patience counts, because a caller that waits and then gives up costs most. `coming`: how many
        are about to ask, `own_coming` of them for this owner.
        """
        waiting = self.waiting + max(0, coming - max(0, self.limit - self.held))
        if not waiting:
            return False
        queue = self._queues.get(owner)
        own = (len(queue) if queue else 0) + own_coming
        if not self.waiting or self._turns < _FIRST_TURNS:
            return own > 0 and waiting >= _MAX_WAITING
        others = len(self._order) - bool(queue)
        ahead = min(waiting, own + others * (own + 1))
        pace = (time.monotonic() - self._since) / self._turns
        return (ahead + 1) * pace > self._patience * share

    async def take(self, owner: Hashable = None, patience: float | None = None) -> bool:
        """Take a slot; return whether one was free in time. `patience`, in seconds, is this caller's own."""
        if self.take_at_once():
            return True
        if self.is_hopeless(owner, share=_LATE_SHARE):
            return False
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[bool] = loop.create_future()
        self._join(owner, turn)
        timer = loop.call_later(self._patience if patience is None else patience, self._give_up, owner, turn)
        try:
            return await turn
        except asyncio.CancelledError:
            self._leave(owner, turn)
            if turn.done() and not turn.cancelled() and turn.result():
                self.release()  # handed over, but not received
            raise
        finally:
            timer.cancel()

    def take_again(self) -> None:
        """Take a slot that was released for a while, even beyond the limit: work that has begun goes on."""
        self.held += 1

    def release(self) -> None:
        """Free a slot, for the owner whose turn it is."""
        self.held -= 1
        while self.waiting and self.held < self.limit:
            owner = self._order.popleft()
            queue = self._queues[owner]
            turn = queue.popleft()
            self.waiting -= 1
            if queue:
                self._order.append(owner)
            else:
                del self._queues[owner]
            if not turn.done():
                self.held += 1
                self._note_turn()
                turn.set_result(True)

    def _note_turn(self) -> None:
        self._turns += 1
        if self._turns == _MAX_TURNS:
            self._since = (self._since + time.monotonic()) / 2
            self._turns //= 2

    def _join(self, owner: Hashable, turn: asyncio.Future[bool]) -> None:
        queue = self._queues.get(owner)
        if queue is None:
            queue = self._queues[owner] = deque()
            self._order.append(owner)
        if not self.waiting:
            self._since, self._turns = time.monotonic(), 0
        queue.append(turn)
        self.waiting += 1

    def _leave(self, owner: Hashable, turn: asyncio.Future[bool]) -> None:
        queue = self._queues.get(owner, deque())
        with suppress(ValueError):
            queue.remove(turn)
            self.waiting -= 1
            if not queue:
                del self._queues[owner]
                self._order.remove(owner)

    def _give_up(self, owner: Hashable, turn: asyncio.Future[bool]) -> None:
        if not turn.done():
            self._leave(owner, turn)
            turn.set_result(False)
