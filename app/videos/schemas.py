"""What callers send and get about generations."""

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
    Field(description="What to speak"),
]


class GenerateVideo(Body):
    """Asks for a video of a content."""

    business_id: UUID | None = Field(default=None, description="A user may leave it out: it is theirs")
    content_id: UUID
    script: Script | None = Field(default=None, description="Defaults to the content's video_script")
    provider: ProviderName = "heygen"

    def fingerprint(self, business_id: UUID) -> bytes:
        """What an Idempotency-Key is bound to: equal for equal requests, however they were written."""
        parts = [str(business_id), str(self.content_id), self.script, self.provider]
        return hashlib.sha256(json.dumps(parts).encode()).digest()


class Generation(BaseModel):
    """One attempt to make a video of a content."""

    id: UUID
    business_id: UUID
    content_id: UUID
    provider: str
    status: GenerationStatus
    heygen_status: str | None = Field(description="What the content says, whoever wrote it")
    video_id: str | None
    video_url: str | None
    error: str | None
    requested_at: datetime
    dispatched_at: datetime | None
    completed_at: datetime | None

    @property
    def is_live(self) -> bool:
        """Whether it may still change by itself."""
        return self.status in ("dispatching", "processing")


class Video(BaseModel):
    """A content, with its latest generation."""

    content_id: UUID
    content_title: str | None
    video_script: str | None
    heygen_status: str | None
    heygen_url: str | None
    created_at: datetime
    generation: Generation | None


class VideoPage(BaseModel):
    """Newest content first."""

    items: list[Video]
    next_cursor: str | None
