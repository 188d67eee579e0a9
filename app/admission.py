"""Limits on what one process works on at a time, in all and for one business. Nothing here knows a web framework.

A request holds a slot while it uses this process: until its response begins, and not while it waits for something else
(a provider, n8n, the rest of its body, its business's other requests). So what is slow elsewhere does not fill the
slots, and a response that is slow to be read, such as an event stream, does not either.
"""

from collections.abc import AsyncIterator, Hashable, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar

from prometheus_client import Counter

from app.errors import RateLimited
from app.slots import Slots

requests_shed = Counter(
    "ai_avatar_requests_shed_total",
    "Requests refused with 503 overloaded: no slot, or no database connection, was free in time",
    ["slots"],
)
requests_limited = Counter(
    "ai_avatar_requests_limited_total",
    "Requests refused with 429 rate_limited, by the limit that was reached",
    ["limit"],
)

for _label in (
    "general",
    "n8n",
    "database",
    "streams",
):  # zeros: a counter that appears with its first event alerts late
    requests_shed.labels(_label)
for _label in ("requests", "n8n_requests", "connections", "provider_calls", "key_checks", "streams"):
    requests_limited.labels(_label)

_current: ContextVar["Admission | None"] = ContextVar("admission", default=None)


class BusinessLimit:
    """The same limit for every business, or other owner of requests; one beyond it waits for its turn."""

    def __init__(self, limit: int, name: str, what: str, *, patience: float = 1.0) -> None:
        """`name`: the metric's label. `what` is limited, for the caller. `patience`: seconds to wait for a turn."""
        self._limit = limit
        self._patience = patience
        self._name = name
        self._what = what
        self._slots: dict[Hashable, Slots] = {}
        self.waiting = 0

    @property
    def error(self) -> RateLimited:
        """What a caller beyond the limit is told."""
        return RateLimited(
            f"{self._limit} {self._what} of this business are in progress, which is the limit. Try again.",
            retry_after=1,
        )

    def is_hopeless(self, owner: Hashable, coming: int = 0) -> bool:
        """Return whether this owner's next caller had better not wait; `coming`: how many are about to ask."""
        slots = self._slots.get(owner)
        return slots is not None and slots.is_hopeless(own_coming=coming, coming=coming)

    async def take(self, owner: Hashable) -> None:
        """Take one of the owner's slots. Raises RateLimited after a wait."""
        slots = self._slots.get(owner)
        if slots is None:
            slots = self._slots[owner] = Slots(self._limit, self._patience)
        if slots.take_at_once():
            return
        self.waiting += 1
        try:
            with waiting_outside():
                if await slots.take():
                    return
        finally:
            self.waiting -= 1
        requests_limited.labels(self._name).inc()
        raise self.error

    def release(self, owner: Hashable) -> None:
        """Free a slot, and forget an owner that has none."""
        slots = self._slots[owner]
        slots.release()
        if not slots.held and not slots.waiting:
            del self._slots[owner]

    @asynccontextmanager
    async def holding(self, owner: Hashable) -> AsyncIterator[None]:
        """Hold one of the owner's slots. Raises RateLimited after a wait."""
        await self.take(owner)
        try:
            yield
        finally:
            self.release(owner)


class Admission:
    """What one request holds: a slot of the process, and one of its business once that is known."""

    __slots__ = ("_limit", "_outside", "_owner", "_slots", "group")

    def __init__(self, slots: Slots, limit: BusinessLimit, group: str | None) -> None:
        """`slots`: those of which the request holds one. `group`: what shares connections, if not the business."""
        self._slots: Slots | None = slots
        self._limit: BusinessLimit | None = limit
        self._owner: Hashable = None
        self._outside = 0
        self.group = group

    @property
    def connection_owner(self) -> Hashable:
        """Whose share of the database connections the request uses; None before that is known."""
        return self.group or self._owner

    async def enter(self, owner: Hashable) -> None:
        """Count the request as one of its owner's, once. Raises RateLimited after a wait."""
        if self._owner is None and self._limit is not None:
            await self._limit.take(owner)
            self._owner = owner

    def step_out(self) -> None:
        """Give the slot back for as long as the request waits for something else."""
        self._outside += 1
        if self._outside == 1 and self._slots is not None:
            self._slots.release()

    def step_in(self) -> None:
        """End `step_out`. What has been admitted goes on at once, even beyond the limit."""
        self._outside -= 1
        if self._outside == 0 and self._slots is not None:
            self._slots.take_again()

    def finish(self) -> None:
        """Give everything back: the response begins, or the request has ended. May be called twice."""
        slots, self._slots = self._slots, None
        if slots is not None and not self._outside:
            slots.release()
        limit, self._limit = self._limit, None
        if limit is not None and self._owner is not None:
            limit.release(self._owner)


async def enter_business(owner: Hashable) -> None:
    """Count the current request as one of this business. Raises RateLimited after a wait."""
    if (admission := _current.get()) is not None:
        await admission.enter(owner)


@contextmanager
def waiting_outside() -> Iterator[None]:
    """While the current request waits for another server, or another request, let others use its slot."""
    admission = _current.get()
    if admission is None:
        yield
        return
    admission.step_out()
    try:
        yield
    finally:
        admission.step_in()


def current_admission() -> Admission | None:
    """Return that of the request which the current task works for; None in background tasks."""
    return _current.get()


@contextmanager
def admitted(admission: Admission) -> Iterator[None]:
    """Work for this request, and give back at the end what it still holds."""
    token = _current.set(admission)
    try:
        yield
    finally:
        admission.finish()
        _current.reset(token)
