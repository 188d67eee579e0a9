"""Request and response bodies of generations."""

import hashlib
import json
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, Field, StringConstraints

from app.schemas import Body, ProviderName

GenerationStatus = Literal["dispatching", "processing", "completed", "failed", "expired"]
Script = Annotated[
    str,
    StringConstraints(min_length=1, max_length=5000, pattern=r"^[^\x00]*$"),
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
    error: str | None
    requested_at: datetime
    dispatched_at: datetime | None
    completed_at: datetime | None

    @property
    def is_live(self) -> bool:
        """Whether the generation is still in progress."""
        return self.status in ("dispatching", "processing")


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
