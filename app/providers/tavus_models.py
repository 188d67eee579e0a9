"""What Tavus's v2 API answers: the shapes that this service reads. Its errors are in tavus_errors.

In mid-2026 Tavus renamed replicas to faces; both names are read. Unknown fields are ignored, unknown states are not
final.
"""

from collections.abc import Mapping
from typing import Annotated, Final, Generic, TypeVar

from pydantic import AliasChoices, BaseModel, FailFast, Field

from .answers import Lenient
from .base import Avatar, Ownership, Video, VideoStatus
from .tavus_errors import explain_failure
from .text import Identifier, Label, WebUrl, sanitize

T = TypeVar("T")

ITEMS_LIMIT: Final = 500

_STATUSES: Final[Mapping[str, VideoStatus]] = {
    "queued": "pending",
    "generating": "processing",
    "ready": "completed",
    "error": "failed",
    "deleted": "failed",
}


class Listing(BaseModel, Generic[T]):
    """`total_count` counts the whole list, not this page."""

    data: Annotated[list[T], Field(max_length=ITEMS_LIMIT), FailFast()]
    total_count: Annotated[int | None, Lenient] = None


class Replica(BaseModel):
    """https://docs.tavus.io/api-reference/phoenix-replica-model/get-replicas

    A status is `started`, `completed` or `error`; the training's callback says `ready`.
    """

    id: Identifier = Field(validation_alias=AliasChoices("replica_id", "face_id"))
    name: Annotated[Label | None, Lenient] = Field(
        default=None, validation_alias=AliasChoices("replica_name", "face_name")
    )
    status: Annotated[str | None, Lenient] = None
    type: Annotated[str | None, Lenient] = Field(
        default=None, validation_alias=AliasChoices("replica_type", "face_type")
    )
    training_progress: Annotated[Label | None, Lenient] = None
    thumbnail_video_url: Annotated[WebUrl | None, Lenient] = None

    def avatar(self, ownership: Ownership) -> Avatar:
        """Return the avatar. Tavus has a short video of it, but no picture, and does not say a gender."""
        return Avatar(
            self.id,
            self.name or self.id,
            ownership=ownership,
            unusable_reason=self._unusable_reason(),
            preview_video_url=self.thumbnail_video_url,
        )

    def _unusable_reason(self) -> str | None:
        if self.status in ("completed", "ready"):
            return None
        if self.status == "error":
            return "Tavus could not make this avatar. Train it again at Tavus."
        if self.status == "started":
            progress = f" ({self.training_progress})" if self.training_progress else ""
            return f"Tavus is still making this avatar{progress}."
        return "Tavus does not say that this avatar is ready."


class CreatedVideo(BaseModel):
    """https://docs.tavus.io/api-reference/video-request/create-video"""

    video_id: Identifier


class VideoState(BaseModel):
    """https://docs.tavus.io/api-reference/video-request/get-video, with `verbose=true` for the thumbnail."""

    video_id: Identifier
    status: str = "queued"
    download_url: Annotated[WebUrl | None, Lenient] = None  # "" until there is one
    still_image_thumbnail_url: Annotated[WebUrl | None, Lenient] = None
    status_details: Annotated[str | None, Lenient] = None
    error_details: Annotated[str | None, Lenient] = None

    def video(self, api_key: str) -> Video:
        """Return the video. A ready one without a link is not there yet: `completed` promises one."""
        status = _STATUSES.get(self.status, "processing")
        if self.status == "deleted":
            return Video(self.video_id, status, error="The video was deleted at Tavus.")
        if status == "failed":
            sentence = sanitize(self.status_details or self.error_details or "", secret=api_key)
            text, code = explain_failure(sentence)
            return Video(self.video_id, status, error=text, error_code=code)
        if status != "completed":
            return Video(self.video_id, status)
        if self.download_url is None:
            return Video(self.video_id, "processing")
        return Video(self.video_id, status, self.download_url, thumbnail_url=self.still_image_thumbnail_url)
