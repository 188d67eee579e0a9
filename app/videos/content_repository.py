"""The content items in the database, with their generations: each method is the SQL function of the same name."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final
from uuid import UUID

from prometheus_client import Counter

from app.db import INTEGER, TEXT, TIMESTAMPTZ, UUID_, UUIDS, Database, SqlFunction
from app.errors import ContentNotWritable
from app.pagination import Cursor
from app.videos.schemas import Generation, Video

content_not_writable = Counter(
    "ai_avatar_content_not_writable_total",
    "Changes of content items that the database refused",
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
RESET_CONTENT: Final = SqlFunction(
    "ai_avatar.reset_content", {"p_business_id": UUID_, "p_content_id": UUID_}, tuple(Video.model_fields)
)


@contextmanager
def counting_refusals() -> Iterator[None]:
    """Count it if the database refuses to change a content item."""
    try:
        yield
    except ContentNotWritable:
        content_not_writable.inc()
        raise


class ContentRepository:
    """Every method is one database call, and raises what `Database.call` raises."""

    def __init__(self, db: Database) -> None:
        self._db = db

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
        with counting_refusals():
            row = await self._db.call_one(RESET_CONTENT, p_business_id=business_id, p_content_id=content_id)
        assert row
        return Video.model_validate(dict(row))
