"""Event streams of generations: however many are open, the process asks the database once a second."""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from uuid import UUID

import structlog
from fastapi.responses import StreamingResponse
from prometheus_client import Gauge
from starlette.types import Message, Send

from app.errors import AppError, Overloaded
from app.videos.repository import GenerationRepository
from app.videos.schemas import Generation

log = structlog.get_logger(__name__)

_open_streams = Gauge("ai_avatar_event_streams", "Event streams that are open", multiprocess_mode="livesum")


@dataclass(frozen=True, slots=True)
class EventTiming:
    """How streams keep time, and how many there may be."""

    poll_seconds: float = 1.0
    comment_seconds: float = 15.0
    read_timeout_seconds: float = 20.0
    max_streams: int = 10_000


class _Stream:
    """What one reader is to be told next: only the newest state, so that a slow reader costs no memory."""

    def __init__(self, generation: Generation) -> None:
        self.latest = generation
        self.is_gone = False
        self.changed = asyncio.Event()

    def tell(self, generation: Generation | None) -> None:
        """Wakes the reader's task for news only; None: the content has been deleted."""
        if generation is None:
            self.is_gone = True
        elif generation != self.latest:
            self.latest = generation
        else:
            return
        self.changed.set()


class EventHub:
    """One per process: the shared poll and the streams that it feeds."""

    def __init__(self, repository: GenerationRepository, timing: EventTiming | None = None) -> None:
        self._repository = repository
        self.timing = timing or EventTiming()
        self._streams: defaultdict[UUID, set[_Stream]] = defaultdict(set)
        self._count = 0
        self._poll: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()

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

    def follow(self, generation: Generation, token_expires_at: float | None) -> AsyncGenerator[str, None]:
        """The events of a content's latest generation, `generation` first.

        `token_expires_at`: Unix seconds; the stream does not outlive the token. Raises Overloaded.
        """
        if self._count >= self.timing.max_streams:
            raise Overloaded
        # As callers see it: the service's own state has more fields.
        return self._follow(
            Generation(**generation.model_dump(include=set(Generation.model_fields))), token_expires_at
        )

    async def _follow(
        self, generation: Generation, token_expires_at: float | None
    ) -> AsyncGenerator[str, None]:
        stream = self._open(generation)
        try:
            yield _event(generation)
            while generation.is_live and not stream.is_gone and not self._closing.is_set():
                remaining = float("inf") if token_expires_at is None else token_expires_at - time.time()
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
                if stream.latest != generation:
                    generation = stream.latest
                    yield _event(generation)
        finally:
            self._close(generation.content_id, stream)

    def _open(self, generation: Generation) -> _Stream:
        stream = _Stream(generation)
        self._streams[generation.content_id].add(stream)
        self._count += 1
        _open_streams.inc()
        if self._poll is None or self._poll.done():
            self._poll = asyncio.create_task(self._run())
        return stream

    def _close(self, content_id: UUID, stream: _Stream) -> None:
        self._streams[content_id].discard(stream)
        if not self._streams[content_id]:
            del self._streams[content_id]
        self._count -= 1
        _open_streams.dec()

    async def _run(self) -> None:
        """Polls while anybody listens, and ends when nobody does."""
        while self._streams and not self._closing.is_set():
            try:
                # Those that are open now: one that opens meanwhile may know more than this answer.
                asked = {content_id: tuple(streams) for content_id, streams in self._streams.items()}
                latest = {g.content_id: g for g in await self._repository.get_latest_generations([*asked])}
                for content_id, streams in asked.items():
                    for stream in streams:
                        stream.tell(latest.get(content_id))
            except AppError as error:
                log.warning("event_poll_failed", code=error.code)
            except Exception:
                log.exception("event_poll_failed")
            await asyncio.sleep(self.timing.poll_seconds)


def _event(generation: Generation) -> str:
    return f"event: generation\ndata: {generation.model_dump_json()}\n\n"


class EventStreamResponse(StreamingResponse):
    """A stream whose reader is dropped when he does not read: what is sent to him is not piled up."""

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
