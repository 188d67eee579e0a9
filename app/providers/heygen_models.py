"""What HeyGen's v3 API answers: the shapes that this service reads, and what its errors mean.

Source: HeyGen's API reference and the schemas in its own command line client
(github.com/heygen-com/heygen-cli, July 2026). Unknown fields are ignored, unknown states are not final.
"""

from collections.abc import Mapping
from typing import Annotated, Generic, TypeVar

from pydantic import AliasChoices, BaseModel, FailFast, Field, ValidationError

from app.errors import (
    ApiKeyRejected,
    ProviderError,
    ProviderNotFound,
    ProviderRateLimited,
    ProviderRejected,
    ProviderUnavailable,
    ProviderUnexpectedAnswer,
    QuotaExceeded,
)
from app.http import retry_after_seconds

from .base import Video, VideoStatus
from .text import Identifier, Label, WebUrl, sanitize
from .transport import Response

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)

NAME = "heygen"
TOKEN_LIMIT = 2048
ITEMS_LIMIT = 500  # 100 is the most that can be asked for; validating 2 MB of tiny ones takes 0.4 s

_OUT_OF_CREDIT = {"insufficient_credit", "quota_exceeded"}
_STATUSES: Mapping[str, VideoStatus] = {
    "waiting": "pending",
    "pending": "pending",
    "completed": "completed",
    "failed": "failed",
}


class _Error(BaseModel):
    code: str | int | None = None
    message: str | None = None


class _Failure(BaseModel):
    error: _Error | str | None = None


class Envelope(BaseModel, Generic[T]):
    data: T


class Listing(BaseModel, Generic[T]):
    data: Annotated[list[T], Field(max_length=ITEMS_LIMIT), FailFast()]
    has_more: bool = False
    next_token: str | None = Field(default=None, max_length=TOKEN_LIMIT)


class User(BaseModel):
    username: Label
    email: Label | None = None


class AvatarLook(BaseModel):
    id: Identifier
    name: Label | None = None
    preview_image_url: WebUrl | None = None
    gender: Label | None = None


class VoiceEntry(BaseModel):
    voice_id: Identifier
    name: Label | None = None
    preview_audio_url: WebUrl | None = None
    gender: Label | None = None
    language: Label | None = None


class VideoState(BaseModel):
    id: Identifier = Field(validation_alias=AliasChoices("id", "video_id"))  # the second in a create's answer
    status: str
    video_url: WebUrl | None = None
    failure_code: str | None = None
    failure_message: str | None = None


def parse(shape: type[M], body: bytes) -> M | None:
    try:
        return shape.model_validate_json(body)
    except ValidationError:  # dropped, because it quotes the body
        return None


def to_error(answer: Response, api_key: str) -> ProviderError | None:
    """Return what an answer says went wrong, None if nothing did. An error may come in a 200 as well."""
    stated = _stated_error(answer.body)
    code = sanitize(str(stated.code or ""), limit=64, secret=api_key) if stated else ""
    message = sanitize(stated.message or "", secret=api_key) if stated else ""
    status = answer.status
    if status == 401 or code == "unauthorized":
        return ApiKeyRejected(NAME, "HeyGen rejected the API key.")
    if status == 402 or code in _OUT_OF_CREDIT:
        message = message or "The HeyGen account is out of credit."
        return QuotaExceeded(NAME, message, provider_code=code or str(status))
    if passing := _passing_fault(answer, code):
        return passing
    if stated is not None and (status < 300 or status >= 400):
        kind = ProviderNotFound if status == 404 or code.endswith("not_found") else ProviderRejected
        return kind(NAME, message or "HeyGen refused the call.", provider_code=code or str(status))
    if 200 <= status < 300:
        return None
    return ProviderUnexpectedAnswer(NAME, f"HeyGen answered {status} without saying why.")


def _passing_fault(answer: Response, code: str) -> ProviderError | None:
    retry_after = retry_after_seconds(answer.headers.get("retry-after"))
    if answer.status == 429 or code == "rate_limit_exceeded":
        return ProviderRateLimited(NAME, "HeyGen takes no more calls just now.", retry_after=retry_after)
    if code == "request_in_progress":
        # The first request with this Idempotency-Key makes the video; asked again, HeyGen replays it.
        message = "HeyGen is still working on the same request."
        return ProviderUnavailable(NAME, message, retry_after=5.0 if retry_after is None else retry_after)
    if answer.status >= 500 or code == "internal_error":
        return ProviderUnavailable(NAME, "HeyGen has a fault of its own.", retry_after=retry_after)
    return None


def _stated_error(body: bytes) -> _Error | None:
    failure = parse(_Failure, body)
    if failure is None or not failure.error:
        return None
    return failure.error if isinstance(failure.error, _Error) else _Error(message=failure.error)


def next_token_of(page: Listing[T], page_token: str | None) -> str | None:
    token = page.next_token if page.has_more else None
    if token and token == page_token:
        raise ProviderUnexpectedAnswer(NAME, "HeyGen's next page is the same page again.")
    return token or None


def to_video(video: VideoState, api_key: str) -> Video:
    """A completed video without a link is not there yet: `completed` promises one."""
    status = _STATUSES.get(video.status, "processing")
    if status == "completed" and video.video_url is None:
        status = "processing"
    error = None
    if status == "failed":
        error = ": ".join(part for part in (video.failure_code, video.failure_message) if part)
        error = sanitize(error, secret=api_key) or "HeyGen gave no reason."
    return Video(video.id, status, video.video_url if status == "completed" else None, error)
