"""Event streams of generations. One poll a second serves all open streams, with two database calls.

The first reads the generations, the second the businesses of the streams' users.
"""

import asyncio
import random
import time
from collections import Counter, defaultdict
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import structlog
from fastapi.responses import StreamingResponse
from prometheus_client import Gauge
from starlette.types import Message, Send

from app.admission import requests_limited, requests_shed
from app.background import RepeatedWarning
from app.errors import AppError, Overloaded, RateLimited
from app.memberships import Memberships
from app.security import Caller
from app.videos.repository import GenerationRepository
from app.videos.schemas import Generation
from app.videos.state import GenerationState

log = structlog.get_logger(__name__)

_open_streams = Gauge("ai_avatar_event_streams", "Event streams that are open", multiprocess_mode="livesum")
_RETRY_SECONDS: Final = 15.0


@dataclass(frozen=True, slots=True)
class EventTiming:
    """How streams keep time, and how many may be open in this process."""

    poll_seconds: float = 1.0
    comment_seconds: float = 15.0
    read_timeout_seconds: float = 20.0
    max_streams: int = 10_000
    max_streams_per_user: int = 50
    max_streams_per_business: int = 500


class _Stream:
    """What one reader is to be told next: only the newest state, so that a slow reader costs no memory."""

    def __init__(self, generation: Generation, caller: Caller) -> None:
        self.latest = generation
        self.caller = caller
        self.business_id = generation.business_id
        self.is_gone = False
        self.access_ended = False
        self.changed = asyncio.Event()

    @property
    def owners(self) -> list[UUID]:
        """Return whose limits this stream counts for: the business's and, unless a back end reads it, the user's."""
        return [self.business_id] if self.caller.user_id is None else [self.business_id, self.caller.user_id]

    def tell(self, generation: Generation | None) -> None:
        """Wakes the reader's task for news only; None: the content item was deleted or moved to another business."""
        if generation is None or generation.business_id != self.latest.business_id:
            self.is_gone = True
        elif generation != self.latest:
            self.latest = generation
        else:
            return
        self.changed.set()

    def end_access(self) -> None:
        """Tell the reader that its user has lost the business, and nothing else from now on."""
        self.access_ended = True
        self.changed.set()


class EventHub:
    """One per process: the shared poll and the streams that it feeds."""

    def __init__(
        self,
        repository: GenerationRepository,
        memberships: Memberships,
        timing: EventTiming | None = None,
    ) -> None:
        self._repository = repository
        self._memberships = memberships
        self.timing = timing or EventTiming()
        self._streams: defaultdict[UUID, set[_Stream]] = defaultdict(set)
        self._count = 0
        self._count_by_owner: Counter[UUID] = Counter()
        self._poll: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()
        self._poll_failed = RepeatedWarning("event_poll_failed")

    @property
    def open_streams(self) -> int:
        """How many there are."""
        return self._count

    def close(self) -> None:
        """Ends every stream: the process is about to end, and readers come back to another."""
        self._closing.set()
        for streams in self._streams.values():
            for stream in streams:
                stream.changed.set()

    async def follow(self, generation: GenerationState, caller: Caller) -> AsyncGenerator[str, None]:
        """Open a stream: the events of a content item's latest generation, `generation` first.

        It ends with the caller's token, or when its user loses the business. Raises Overloaded or RateLimited.
        """
        events = self._follow(Generation.model_validate_json(generation.json), caller)
        # Runs up to the first `yield`: the stream is counted before another request can be, and once it has begun,
        # a generator that is dropped unread is closed by the event loop.
        await anext(events)
        return events

    async def _follow(self, generation: Generation, caller: Caller) -> AsyncGenerator[str, None]:
        stream = self._open(generation, caller)
        try:
            yield ""
            yield _event(generation)
            while generation.is_live and not stream.is_gone and not self._closing.is_set():
                if stream.access_ended:
                    yield "event: access_ended\ndata: {}\n\n"
                    return
                expires_at = caller.token_expires_at
                remaining = float("inf") if expires_at is None else expires_at - time.time()
                if remaining <= 0:
                    yield "event: expired_token\ndata: {}\n\n"
                    return
                try:
                    async with asyncio.timeout(min(self.timing.comment_seconds, remaining)):
                        await stream.changed.wait()
                except TimeoutError:
                    yield ":\n\n"
                    continue
                stream.changed.clear()
                if stream.latest != generation and not stream.access_ended:
                    generation = stream.latest
                    yield _event(generation)
            if generation.is_live and self._closing.is_set():
                # Readers reconnect to another process, and not all at once.
                yield f"retry: {random.randint(500, 3000)}\n\n"  # noqa: S311 - jitter, not a secret
        finally:
            self._close(generation.content_id, stream)

    def _open(self, generation: Generation, caller: Caller) -> _Stream:
        stream = _Stream(generation, caller)
        self._check_limits(stream)
        self._streams[generation.content_id].add(stream)
        self._count += 1
        self._count_by_owner.update(stream.owners)
        _open_streams.inc()
        if self._poll is None or self._poll.done():
            self._poll = asyncio.create_task(self._run())
        return stream

    def _check_limits(self, stream: _Stream) -> None:
        timing = self.timing
        if self._count >= timing.max_streams:
            requests_shed.labels("streams").inc()
            raise Overloaded
        user_id = stream.caller.user_id
        if user_id is not None and self._count_by_owner[user_id] >= timing.max_streams_per_user:
            requests_limited.labels("streams").inc()
            raise RateLimited(
                f"You have {timing.max_streams_per_user} event streams open. Close one, or try again later.",
                retry_after=_RETRY_SECONDS,
            )
        if self._count_by_owner[stream.business_id] >= timing.max_streams_per_business:
            requests_limited.labels("streams").inc()
            raise RateLimited(
                f"Your business has {timing.max_streams_per_business} event streams open. Try again later.",
                retry_after=_RETRY_SECONDS,
            )

    def _close(self, content_id: UUID, stream: _Stream) -> None:
        self._streams[content_id].discard(stream)
        if not self._streams[content_id]:
            del self._streams[content_id]
        self._count -= 1
        for owner in stream.owners:
            self._count_by_owner[owner] -= 1
            if not self._count_by_owner[owner]:
                del self._count_by_owner[owner]
        _open_streams.dec()

    async def _run(self) -> None:
        """Poll while a stream is open."""
        while self._streams and not self._closing.is_set():
            try:
                await self._tell_changes()
                self._poll_failed.end()
            except AppError as error:
                self._poll_failed.note(error.code)
            except Exception:
                log.exception("event_poll_failed")
            await asyncio.sleep(self.timing.poll_seconds)

    async def _end_lost_access(self) -> None:
        asked = defaultdict(list)
        for streams in self._streams.values():
            for stream in streams:
                if stream.caller.user_id is not None:
                    asked[stream.caller.user_id].append(stream)
        if not asked:
            return
        businesses = await self._memberships.get_memberships([*asked])
        for user_id, streams_of_user in asked.items():
            for stream in streams_of_user:
                if businesses.get(user_id) != stream.caller.own_business_id:
                    stream.end_access()

    async def _tell_changes(self) -> None:
        # Those that are open now: one that opens meanwhile may know more than this answer.
        asked = {content_id: tuple(streams) for content_id, streams in self._streams.items()}
        latest = {g.content_id: g for g in await self._repository.get_latest_generations([*asked])}
        # After the generations were read: a change that came after the loss of access is never told.
        await self._end_lost_access()
        for content_id, streams in asked.items():
            for stream in streams:
                stream.tell(latest.get(content_id))


def _event(generation: Generation) -> str:
    return f"event: generation\ndata: {generation.model_dump_json()}\n\n"


class EventStreamResponse(StreamingResponse):
    """Disconnects a client that stops reading instead of buffering for it."""

    media_type = "text/event-stream"

    def __init__(self, events: AsyncGenerator[str, None], read_timeout_seconds: float) -> None:
        """`read_timeout_seconds`: how long one event may take to leave."""
        super().__init__(events, headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        self._events = events
        self._slowest_read_seconds = read_timeout_seconds

    async def stream_response(self, send: Send) -> None:
        """As Starlette's, but a reader has so long for each event; however it ends, its slot is free at once."""

        async def send_in_time(message: Message) -> None:
            async with asyncio.timeout(self._slowest_read_seconds):
                await send(message)

        async with aclosing(self._events):
            try:
                await super().stream_response(send_in_time)
            except TimeoutError:
                log.info("slow_reader_dropped")
