"""The generations in the database: each method is the SQL function of the same name."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final
from uuid import UUID, uuid4

import asyncpg
import structlog

from app.batched_reads import BatchedReads
from app.db import Argument, Database, SqlFunction
from app.errors import DatabaseTimeout, GenerationClosed, GenerationNotFound
from app.providers.base import Video
from app.videos.content_repository import content_not_writable, counting_refusals
from app.videos.functions import (
    CANCEL_GENERATION,
    CONFIRM_DISPATCH,
    COUNT_LIVE_GENERATIONS,
    END_VIDEO_CHECKS,
    EXPIRE_GENERATIONS,
    GET_GENERATION,
    GET_LATEST_GENERATION,
    GET_LATEST_GENERATIONS,
    LEASE_VIDEO_CHECKS,
    LIST_OVERDUE_GENERATIONS,
    REFRESH_VIDEO_URL,
    REPORT_GENERATION,
    ROLL_BACK_DISPATCH,
    START_GENERATION,
)
from app.videos.schemas import Generation
from app.videos.state import GenerationState, Report, StartedGeneration

log = structlog.get_logger(__name__)

# For a call that changes the content item. The waits for locks, of 1 s each, are part of it: alembic/sql/functions.
_CONTENT_SECONDS: Final = 6.0
_COUNT_SECONDS: Final = 2.0


def _state(row: asyncpg.Record | None) -> GenerationState:
    if row is None:
        raise GenerationNotFound
    return GenerationState(*row)


def _changed(row: asyncpg.Record | None) -> GenerationState:
    state = _state(row)
    if state.new_content_error is not None:
        log.warning("content_not_writable", generation_id=str(state.id), reason=state.new_content_error)
        content_not_writable.inc()
    return state


class GenerationRepository:
    """Every method is one database call, and raises what `Database.call` raises."""

    def __init__(self, db: Database, *, dispatch_timeout: timedelta, generation_timeout: timedelta) -> None:
        """`dispatch_timeout`: how long the webhook may take; `generation_timeout`: how long n8n may be silent."""
        self._db = db
        self._batched_latest = BatchedReads(db, GET_LATEST_GENERATION)
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
    ) -> StartedGeneration:
        """Start one, or find the one that the key is bound to.

        Raises IntegrationNotConfigured, IntegrationNotActive, AvatarNotConfigured, ContentNotFound, ScriptMissing,
        InvalidRequest, GenerationInProgress, ContentNotWritable or IdempotencyKeyReused: nothing is written then.
        """
        new_id = uuid4()
        with counting_refusals():
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
        assert row
        return StartedGeneration(row["id"], row["script"], is_replay=row["id"] != new_id)

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

    async def refresh_video_url(self, generation_id: UUID, video: Video) -> GenerationState:
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
        rows = await self._batched_latest.call(p_business_id=business_id, p_content_id=content_id)
        if not rows:
            raise GenerationNotFound
        *state, _ = rows[0]
        return GenerationState(*state)

    async def get_latest_generations(self, content_ids: Sequence[UUID]) -> list[Generation]:
        """Of each content that has one."""
        rows = await self._db.call(GET_LATEST_GENERATIONS, p_content_ids=content_ids)
        return [Generation.model_validate(dict(row)) for row in rows]
