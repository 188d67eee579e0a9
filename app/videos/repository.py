"""The generations in the database: each method is the SQL function of the same name."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal, Self
from uuid import UUID, uuid4

import asyncpg
import structlog
from prometheus_client import Counter

from app.db import (
    BOOLEAN,
    BYTEA,
    DOUBLE,
    INTEGER,
    INTERVAL,
    TEXT,
    TIMESTAMPTZ,
    UUID_,
    UUIDS,
    Argument,
    Database,
    SqlFunction,
)
from app.errors import ContentNotWritable, DatabaseTimeout, GenerationClosed, GenerationNotFound
from app.pagination import Cursor
from app.providers.base import Video as ProviderVideo
from app.videos.schemas import Generation, Video

log = structlog.get_logger(__name__)

# For a call that changes the content item. The waits for locks, of 1 s each, are part of it: alembic/sql/functions.
_CONTENT_SECONDS: Final = 6.0
_COUNT_SECONDS: Final = 2.0

_content_not_writable = Counter(
    "ai_avatar_content_not_writable_total",
    "Changes of content items that the database refused",
)

EndedBy = Literal["webhook", "report", "cancel", "deadline", "superseded"]


class GenerationState(Generation):
    """A generation with what only the service reads of it."""

    ended_by: EndedBy | None
    webhook_timed_out: bool
    video_url_at: datetime | None
    new_content_error: str | None
    """Why the database refused to change the content item, in the call that met it first."""


_STATE: Final = tuple(GenerationState.model_fields)

START_GENERATION: Final = SqlFunction(
    "ai_avatar.start_generation",
    {
        "p_id": UUID_,
        "p_business_id": UUID_,
        "p_content_id": UUID_,
        "p_provider": TEXT,
        "p_script": TEXT,
        "p_dispatch_timeout": INTERVAL,
        "p_idempotency_key": TEXT,
        "p_request_hash": BYTEA,
    },
    _STATE,
)
CONFIRM_DISPATCH: Final = SqlFunction(
    "ai_avatar.confirm_dispatch", {"p_generation_id": UUID_, "p_timeout": INTERVAL}, _STATE
)
ROLL_BACK_DISPATCH: Final = SqlFunction(
    "ai_avatar.roll_back_dispatch",
    {"p_generation_id": UUID_, "p_error": TEXT, "p_timed_out": BOOLEAN, "p_touch_content": BOOLEAN},
    _STATE,
)
REPORT_GENERATION: Final = SqlFunction(
    "ai_avatar.report_generation",
    {
        "p_generation_id": UUID_,
        "p_content_id": UUID_,
        "p_provider": TEXT,
        "p_execution_id": TEXT,
        "p_status": TEXT,
        "p_video_id": TEXT,
        "p_video_url": TEXT,
        "p_thumbnail_url": TEXT,
        "p_duration_seconds": DOUBLE,
        "p_captioned_video_url": TEXT,
        "p_subtitle_url": TEXT,
        "p_error": TEXT,
        "p_error_code": TEXT,
        "p_timeout": INTERVAL,
        "p_from_provider": BOOLEAN,
        "p_touch_content": BOOLEAN,
    },
    _STATE,
)
CANCEL_GENERATION: Final = SqlFunction(
    "ai_avatar.cancel_generation",
    {"p_business_id": UUID_, "p_content_id": UUID_, "p_touch_content": BOOLEAN},
    _STATE,
)
LIST_OVERDUE_GENERATIONS: Final = SqlFunction("ai_avatar.list_overdue_generations", {"p_limit": INTEGER})
EXPIRE_GENERATIONS: Final = SqlFunction(
    "ai_avatar.expire_generations",
    {"p_limit": INTEGER, "p_generation_id": UUID_, "p_touch_content": BOOLEAN},
    _STATE,
)
LEASE_VIDEO_CHECKS: Final = SqlFunction(
    "ai_avatar.lease_video_checks",
    {"p_limit": INTEGER, "p_generation_id": UUID_, "p_token": UUID_},
    _STATE,
)
END_VIDEO_CHECKS: Final = SqlFunction(
    "ai_avatar.end_video_checks", {"p_generation_id": UUID_, "p_token": UUID_}
)
REFRESH_VIDEO_URL: Final = SqlFunction(
    "ai_avatar.refresh_video_url",
    {
        "p_generation_id": UUID_,
        "p_video_id": TEXT,
        "p_video_url": TEXT,
        "p_thumbnail_url": TEXT,
        "p_captioned_video_url": TEXT,
        "p_subtitle_url": TEXT,
    },
    _STATE,
)
GET_GENERATION: Final = SqlFunction("ai_avatar.get_generation", {"p_generation_id": UUID_}, _STATE)
GET_LATEST_GENERATION: Final = SqlFunction(
    "ai_avatar.get_latest_generation", {"p_business_id": UUID_, "p_content_id": UUID_}, _STATE
)
GET_LATEST_GENERATIONS: Final = SqlFunction(
    "ai_avatar.get_latest_generations", {"p_content_ids": UUIDS}, tuple(Generation.model_fields)
)
LIST_GENERATIONS: Final = SqlFunction(
    "ai_avatar.list_generations",
    {
        "p_business_id": UUID_,
        "p_content_id": UUID_,
        "p_before_requested_at": TIMESTAMPTZ,
        "p_before_id": UUID_,
        "p_limit": INTEGER,
    },
    tuple(Generation.model_fields),
)
LIST_VIDEOS: Final = SqlFunction(
    "ai_avatar.list_videos",
    {
        "p_business_id": UUID_,
        "p_heygen_status": TEXT,
        "p_title_part": TEXT,
        "p_content_ids": UUIDS,
        "p_before_created_at": TIMESTAMPTZ,
        "p_before_id": UUID_,
        "p_limit": INTEGER,
        "p_count_up_to": INTEGER,
    },
    (*Video.model_fields, "total_count"),
)

COUNT_LIVE_GENERATIONS: Final = SqlFunction(
    "ai_avatar.count_live_generations", {}, ("status", "generations", "oldest_seconds")
)

RESET_CONTENT: Final = SqlFunction(
    "ai_avatar.reset_content", {"p_business_id": UUID_, "p_content_id": UUID_}, tuple(Video.model_fields)
)


@dataclass(frozen=True, slots=True)
class Report:
    """What a workflow says of a generation, or what the service itself has read at the provider."""

    status: Literal["processing", "completed", "failed"]
    video_id: str | None = None
    video_url: str | None = None
    error: str | None = None
    execution_id: str | None = None
    from_provider: bool = False
    """The service's own report, which needs no claim."""
    error_code: str | None = None
    thumbnail_url: str | None = None
    duration_seconds: float | None = None
    captioned_video_url: str | None = None
    subtitle_url: str | None = None

    @classmethod
    def of(cls, video: ProviderVideo) -> Self:
        """Return what the service itself has read at the provider."""
        error = (
            (video.error or "The provider failed and gave no reason.") if video.status == "failed" else None
        )
        return cls(
            "processing" if video.status == "pending" else video.status,
            video.video_id,
            video.video_url,
            error,
            from_provider=True,
            error_code=video.error_code,
            thumbnail_url=video.thumbnail_url,
            duration_seconds=video.duration_seconds,
            captioned_video_url=video.captioned_video_url,
            subtitle_url=video.subtitle_url,
        )


def _state(row: asyncpg.Record | None) -> GenerationState:
    if row is None:
        raise GenerationNotFound
    return GenerationState.model_validate(dict(row))


def _changed(row: asyncpg.Record | None) -> GenerationState:
    state = _state(row)
    if state.new_content_error is not None:
        log.warning("content_not_writable", generation_id=str(state.id), reason=state.new_content_error)
        _content_not_writable.inc()
    return state


@contextmanager
def _counting_refusals() -> Iterator[None]:
    try:
        yield
    except ContentNotWritable:
        _content_not_writable.inc()
        raise


class GenerationRepository:
    """Every method is one database call, and raises what `Database.call` raises."""

    def __init__(self, db: Database, *, dispatch_timeout: timedelta, generation_timeout: timedelta) -> None:
        """`dispatch_timeout`: how long the webhook may take; `generation_timeout`: how long n8n may be silent."""
        self._db = db
        self._dispatch_timeout = dispatch_timeout
        self._generation_timeout = generation_timeout

    async def _change(self, function: SqlFunction, **arguments: Argument) -> GenerationState:
        """Call a function that also changes the content item; if that takes too long, again without touching the item.

        The item's triggers are the application's: a report must not be lost to one that is slow.
        """
        try:
            row = await self._db.call_one(function, _CONTENT_SECONDS, p_touch_content=True, **arguments)
        except DatabaseTimeout:
            row = await self._db.call_one(function, p_touch_content=False, **arguments)
        return _changed(row)

    async def start_generation(
        self,
        business_id: UUID,
        content_id: UUID,
        provider: str,
        script: str | None,
        idempotency_key: str | None,
        fingerprint: bytes,
    ) -> tuple[GenerationState, bool]:
        """Starts one, or finds the one that the key is bound to; returns whether that is a replay.

        Raises IntegrationNotConfigured, IntegrationNotActive, AvatarNotConfigured, ContentNotFound, ScriptMissing,
        InvalidRequest, GenerationInProgress, ContentNotWritable or IdempotencyKeyReused: nothing is written then.
        """
        new_id = uuid4()
        with _counting_refusals():
            row = await self._db.call_one(
                START_GENERATION,
                p_id=new_id,
                p_business_id=business_id,
                p_content_id=content_id,
                p_provider=provider,
                p_script=script,
                p_dispatch_timeout=self._dispatch_timeout,
                p_idempotency_key=idempotency_key,
                p_request_hash=fingerprint,
            )
        state = _state(row)
        return state, state.id != new_id

    async def confirm_dispatch(self, generation_id: UUID) -> GenerationState:
        """n8n said yes; what has happened meanwhile stands."""
        return _state(
            await self._db.call_one(
                CONFIRM_DISPATCH, p_generation_id=generation_id, p_timeout=self._generation_timeout
            )
        )

    async def roll_back_dispatch(
        self, generation_id: UUID, error: str, *, timed_out: bool
    ) -> GenerationState:
        """n8n did not take it. `ended_by` is `webhook` if this rolled it back; else the job runs, or is over."""
        return await self._change(
            ROLL_BACK_DISPATCH, p_generation_id=generation_id, p_error=error, p_timed_out=timed_out
        )

    async def report_generation(
        self, provider: str, report: Report, *, generation_id: UUID | None, content_id: UUID | None = None
    ) -> GenerationState:
        """Moves a generation and its content on.

        Raises GenerationNotFound, GenerationAlreadyClaimed or GenerationClosed.
        """
        state = await self._change(
            REPORT_GENERATION,
            p_generation_id=generation_id,
            p_content_id=content_id,
            p_provider=provider,
            p_execution_id=report.execution_id,
            p_status=report.status,
            p_video_id=report.video_id,
            p_video_url=report.video_url,
            p_thumbnail_url=report.thumbnail_url,
            p_duration_seconds=report.duration_seconds,
            p_captioned_video_url=report.captioned_video_url,
            p_subtitle_url=report.subtitle_url,
            p_error=report.error,
            p_error_code=report.error_code,
            p_timeout=self._generation_timeout,
            p_from_provider=report.from_provider,
        )
        # Not raised in SQL: the video's id is kept all the same.
        is_final_failure = state.status == "failed" and state.ended_by == "report"
        if state.ended_by == "cancel" or (is_final_failure and report.status == "completed"):
            raise GenerationClosed
        return state

    async def cancel_generation(self, business_id: UUID | None, content_id: UUID) -> GenerationState:
        """Ends the one that lives. Raises GenerationNotFound, or GenerationNotLive if it has ended."""
        return await self._change(CANCEL_GENERATION, p_business_id=business_id, p_content_id=content_id)

    async def expire_generations(self, limit: int) -> list[GenerationState]:
        """Ends what lives past its deadline; any number of instances may do so at once."""
        rows = await self._db.call(
            EXPIRE_GENERATIONS, p_limit=limit, p_generation_id=None, p_touch_content=True
        )
        return [_changed(row) for row in rows]

    async def count_live_generations(self) -> dict[str, tuple[int, float]]:
        """Return, by status, how many live generations there are, and the age of the oldest in seconds."""
        rows = await self._db.call(COUNT_LIVE_GENERATIONS, _COUNT_SECONDS)
        return {row["status"]: (row["generations"], row["oldest_seconds"]) for row in rows}

    async def list_overdue_generations(self, limit: int) -> list[UUID]:
        """Return the ids of live generations past their deadline, oldest first."""
        return [row[0] for row in await self._db.call(LIST_OVERDUE_GENERATIONS, p_limit=limit)]

    async def expire_generation(
        self, generation_id: UUID, *, touch_content: bool, seconds: float
    ) -> GenerationState | None:
        """End one that is past its deadline, within `seconds`; None if it is not, or is locked."""
        row = await self._db.call_one(
            EXPIRE_GENERATIONS,
            seconds,
            p_limit=1,
            p_generation_id=generation_id,
            p_touch_content=touch_content,
        )
        return _changed(row) if row else None

    async def lease_video_checks(
        self, limit: int, token: UUID, generation_id: UUID | None = None
    ) -> list[GenerationState]:
        """Return the generations whose video this caller is to ask the provider for now, or the named one.

        A generation is leased at most once a minute, so a call must not take longer. `token` names the leases.
        """
        rows = await self._db.call(
            LEASE_VIDEO_CHECKS, p_limit=limit, p_generation_id=generation_id, p_token=token
        )
        return [_state(row) for row in rows]

    async def end_video_checks(self, generation_id: UUID, token: UUID) -> None:
        """Record that asking the provider again is of no use, unless the lease of `token` has ended."""
        await self._db.call(END_VIDEO_CHECKS, p_generation_id=generation_id, p_token=token)

    async def refresh_video_url(self, generation_id: UUID, video: ProviderVideo) -> GenerationState:
        """Store fresh links to the same video."""
        return _changed(
            await self._db.call_one(
                REFRESH_VIDEO_URL,
                p_generation_id=generation_id,
                p_video_id=video.video_id,
                p_video_url=video.video_url,
                p_thumbnail_url=video.thumbnail_url,
                p_captioned_video_url=video.captioned_video_url,
                p_subtitle_url=video.subtitle_url,
            )
        )

    async def get_generation(self, generation_id: UUID) -> GenerationState:
        """Raises GenerationNotFound."""
        return _state(await self._db.call_one(GET_GENERATION, p_generation_id=generation_id))

    async def get_latest_generation(self, business_id: UUID | None, content_id: UUID) -> GenerationState:
        """Return that of a content item, of that business or of any. Raises GenerationNotFound."""
        return _state(
            await self._db.call_one(GET_LATEST_GENERATION, p_business_id=business_id, p_content_id=content_id)
        )

    async def get_latest_generations(self, content_ids: Sequence[UUID]) -> list[Generation]:
        """Of each content that has one."""
        rows = await self._db.call(GET_LATEST_GENERATIONS, p_content_ids=content_ids)
        return [Generation.model_validate(dict(row)) for row in rows]

    async def list_generations(
        self, business_id: UUID | None, content_id: UUID, before: Cursor | None, limit: int
    ) -> list[Generation]:
        """Return a page of the generations of a content item, newest first. Raises ContentNotFound."""
        rows = await self._db.call(
            LIST_GENERATIONS,
            p_business_id=business_id,
            p_content_id=content_id,
            p_before_requested_at=before.created_at if before else None,
            p_before_id=before.id if before else None,
            p_limit=limit,
        )
        return [Generation.model_validate(dict(row)) for row in rows]

    async def list_videos(
        self,
        business_id: UUID,
        heygen_status: str | None,
        title_part: str | None,
        content_ids: Sequence[UUID] | None,
        before: Cursor | None,
        limit: int,
        count_up_to: int | None = None,
    ) -> tuple[list[Video], int | None]:
        """Return a page of a business's content items, newest first, each with its latest generation.

        None selects all; `title_part` ignores case. With `count_up_to`, also how many match, at most that many;
        None on an empty page.
        """
        rows = await self._db.call(
            LIST_VIDEOS,
            p_business_id=business_id,
            p_heygen_status=heygen_status,
            p_title_part=title_part,
            p_content_ids=content_ids,
            p_before_created_at=before.created_at if before else None,
            p_before_id=before.id if before else None,
            p_limit=limit,
            p_count_up_to=count_up_to,
        )
        return [Video.model_validate(dict(row)) for row in rows], rows[0]["total_count"] if rows else None

    async def reset_content(self, business_id: UUID | None, content_id: UUID) -> Video:
        """Clear the status, video and error of a content item that has no live generation.

        Raises ContentNotFound, GenerationInProgress or ContentNotWritable.
        """
        with _counting_refusals():
            row = await self._db.call_one(RESET_CONTENT, p_business_id=business_id, p_content_id=content_id)
        assert row
        return Video.model_validate(dict(row))
