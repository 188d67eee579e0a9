"""What the service reads of a generation, and what it writes: a workflow's report, or the provider's answer."""

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Final, Literal, Self
from uuid import UUID

from app.providers.base import Video
from app.videos.schemas import GenerationStatus

EndedBy = Literal["webhook", "report", "cancel", "deadline", "superseded"]


@dataclass(frozen=True, slots=True)
class GenerationState:
    """A generation: the response about it, and what the service itself reads of it."""

    json: str
    """The generation as responses have it (`app.videos.schemas.Generation`), written by the database."""
    id: UUID
    business_id: UUID
    content_id: UUID
    content_business_id: UUID | None
    """The item's business now. It sees no generation of an earlier one, nor does the earlier one."""
    provider: str
    status: GenerationStatus
    video_id: str | None
    video_url_at: datetime | None
    error: str | None
    ended_by: EndedBy | None
    webhook_timed_out: bool
    new_content_error: str | None
    """Why the database refused to change the content item, in the call that met it first."""

    @property
    def is_live(self) -> bool:
        """Whether the generation is still in progress."""
        return self.status in ("dispatching", "processing")

    def is_visible_to(self, business_id: UUID | None, content_id: UUID) -> bool:
        """Return whether it is one of that item, seen by that business or, with None, by a back end."""
        return (
            self.content_id == content_id
            and self.business_id == self.content_business_id
            and business_id in (None, self.business_id)
        )


STATE_COLUMNS: Final = tuple(field.name for field in fields(GenerationState) if field.name != "json")


@dataclass(frozen=True, slots=True)
class StartedGeneration:
    """A generation that n8n is to be called for, or with `is_replay` an earlier one of the same Idempotency-Key."""

    id: UUID
    script: str
    is_replay: bool


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
    def of(cls, video: Video) -> Self:
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
