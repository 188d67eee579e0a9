"""Request and response bodies of generations."""

import hashlib
import json
from datetime import datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from pydantic import BaseModel, Field, RootModel, StringConstraints

from app.field_errors import NO_NUL
from app.schemas import Body, ProviderName

MAX_COUNT: Final = 10_000
GenerationStatus = Literal["dispatching", "processing", "completed", "failed", "expired"]
Script = Annotated[
    str,
    StringConstraints(min_length=1, max_length=5000, pattern=NO_NUL),
    Field(description="The text to speak"),
]


class GenerateVideo(Body):
    """Requests a video of a content item."""

    business_id: UUID | None = Field(
        default=None, description="A user may omit it: it defaults to the user's business"
    )
    content_id: UUID
    script: Script | None = Field(default=None, description="Defaults to the content item's video_script")
    provider: ProviderName = "heygen"

    def fingerprint(self, business_id: UUID) -> bytes:
        """Return the hash that an Idempotency-Key is bound to. It ignores the formatting of the JSON."""
        parts = [str(business_id), str(self.content_id), self.script, self.provider]
        return hashlib.sha256(json.dumps(parts).encode()).digest()


class UsedChoice(BaseModel):
    """The avatar or the voice of a video, as the integration knew it when the video was requested."""

    id: str
    name: str | None = Field(description="Null if the catalogue had not been read")


class Generation(BaseModel):
    """One attempt to make a video of a content item."""

    id: UUID
    business_id: UUID
    content_id: UUID
    provider: str
    status: GenerationStatus
    heygen_status: str | None = Field(
        description="The content item's current `heygen_status`, which other applications may set too"
    )
    video_id: str | None
    video_url: str | None
    thumbnail_url: str | None
    duration_seconds: float | None
    captioned_video_url: str | None = Field(description="The video with captions burned in, if asked for")
    subtitle_url: str | None = Field(description="The captions as a file, if asked for")
    error: str | None = Field(
        description="What happened and what to do, for users; `cancelled` after a cancellation"
    )
    error_code: str | None = Field(
        description="The provider's own code, or `cancelled`, `expired`, `webhook_failed`"
    )
    script: str
    avatar: UsedChoice | None = Field(description="The avatar that speaks; null if unknown")
    voice: UsedChoice | None = Field(description="Null for the avatar's own voice, and if unknown")
    requested_at: datetime
    dispatched_at: datetime | None
    completed_at: datetime | None
    ended_at: datetime | None = Field(description="Set for every generation that is no longer in progress")

    @property
    def is_live(self) -> bool:
        """Whether the generation is still in progress."""
        return self.status in ("dispatching", "processing")


class GenerationPage(BaseModel):
    """A page of the generations of a content item, newest first."""

    items: list[Generation]
    next_cursor: str | None


class Video(BaseModel):
    """A content item with its latest generation."""

    content_id: UUID
    content_title: str | None
    video_script: str | None
    heygen_status: str | None
    heygen_url: str | None
    created_at: datetime
    generation: Generation | None


class VideoPage(BaseModel):
    """A page of content items, newest first."""

    items: list[Video]
    next_cursor: str | None
    total_count: int | None = Field(
        description=f"How many items match, with `count=true`: {MAX_COUNT} means that or more. Else null"
    )


class GenerationEvent(BaseModel):
    """The generation as it is when the stream starts, and after each change."""

    event: Literal["generation"]
    data: Generation


class ExpiredTokenEvent(BaseModel):
    """The access token has expired. Connect again with a new one."""

    event: Literal["expired_token"]
    data: dict[str, Any] = Field(description="Empty")


class AccessEndedEvent(BaseModel):
    """The user no longer belongs to the business."""

    event: Literal["access_ended"]
    data: dict[str, Any] = Field(description="Empty")


class VideoEvent(
    RootModel[Annotated[GenerationEvent | ExpiredTokenEvent | AccessEndedEvent, Field(discriminator="event")]]
):
    """An event of `followVideo`. On the wire, `data` is one line of JSON."""


EVENT_STREAM_SCHEMA: Final[dict[str, Any]] = {
    "type": "string",
    "contentMediaType": "text/event-stream",
    "contentSchema": {"type": "array", "items": {"$ref": "#/components/schemas/VideoEvent"}},
}
