"""Request and response bodies of generations."""

import hashlib
import json
from datetime import datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from app.schemas import Body, ProviderName

_GENERATION_EXAMPLE: Final[dict[str, Any]] = {
    "id": "d0000000-0000-4000-8000-000000000001",
    "business_id": "b0000000-0000-4000-8000-000000000001",
    "content_id": "c0000000-0000-4000-8000-000000000001",
    "provider": "heygen",
    "status": "completed",
    "heygen_status": "completed",
    "video_id": "3f2b8a9c1d",
    "video_url": "https://files.heygen.ai/video/3f2b8a9c1d.mp4?Expires=1764000000",
    "thumbnail_url": "https://files.heygen.ai/video/3f2b8a9c1d.jpg?Expires=1764000000",
    "duration_seconds": 42.5,
    "captioned_video_url": None,
    "subtitle_url": None,
    "error": None,
    "error_code": None,
    "script": "Hi, and welcome to Coral Coast Coffee.",
    "requested_at": "2026-11-22T10:05:00Z",
    "dispatched_at": "2026-11-22T10:05:01Z",
    "completed_at": "2026-11-22T10:12:30Z",
    "ended_at": "2026-11-22T10:12:30Z",
}
_VIDEO_EXAMPLE: Final[dict[str, Any]] = {
    "content_id": "c0000000-0000-4000-8000-000000000001",
    "content_title": "Welcome to Coral Coast Coffee",
    "video_script": "Hi, and welcome to Coral Coast Coffee.",
    "heygen_status": "completed",
    "heygen_url": "https://files.heygen.ai/video/3f2b8a9c1d.mp4?Expires=1764000000",
    "created_at": "2026-11-20T09:00:00Z",
    "generation": _GENERATION_EXAMPLE,
}

GenerationStatus = Literal["dispatching", "processing", "completed", "failed", "expired"]
Script = Annotated[
    str,
    StringConstraints(min_length=1, max_length=5000, pattern=r"^[^\x00]*$"),
    Field(description="The text to speak"),
]


class GenerateVideo(Body):
    """Requests a video of a content item."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "content_id": "c0000000-0000-4000-8000-000000000001",
                    "script": "Hi, and welcome to Coral Coast Coffee.",
                }
            ]
        }
    )

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


class Generation(BaseModel):
    """One attempt to make a video of a content item."""

    model_config = ConfigDict(json_schema_extra={"examples": [_GENERATION_EXAMPLE]})

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
    error: str | None = Field(description="What happened and what to do, for users")
    error_code: str | None = Field(
        description="The provider's own code, or `cancelled`, `expired`, `webhook_failed`"
    )
    script: str
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

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"items": [_GENERATION_EXAMPLE], "next_cursor": None}]}
    )

    items: list[Generation]
    next_cursor: str | None


class Video(BaseModel):
    """A content item with its latest generation."""

    model_config = ConfigDict(json_schema_extra={"examples": [_VIDEO_EXAMPLE]})

    content_id: UUID
    content_title: str | None
    video_script: str | None
    heygen_status: str | None
    heygen_url: str | None
    created_at: datetime
    generation: Generation | None


class VideoPage(BaseModel):
    """A page of content items, newest first."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"items": [_VIDEO_EXAMPLE], "next_cursor": None}]}
    )

    items: list[Video]
    next_cursor: str | None
