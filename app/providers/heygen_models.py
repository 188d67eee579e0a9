"""What HeyGen's v3 API answers: the shapes that this service reads. Its errors are in heygen_errors.

Source: HeyGen's API reference (a link at each shape), and the schemas in its own command line client
(https://github.com/heygen-com/heygen-cli, July 2026). Unknown fields are ignored, unknown states are not final.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Final, Generic, TypeVar

from pydantic import AliasChoices, BaseModel, FailFast, Field, FiniteFloat

from app.errors import ProviderUnexpectedAnswer

from .answers import Lenient
from .base import Account, Avatar, Ownership, Remaining, Video, VideoStatus, Voice
from .heygen_errors import NAME, clean_code, explain
from .text import Identifier, Label, WebUrl, sanitize

T = TypeVar("T")

# 1,024 characters fit into our own cursor, encoded.
TOKEN_LIMIT: Final = 1024
ITEMS_LIMIT: Final = 500  # 100 is the most that can be asked for; validating 2 MB of tiny ones takes 0.4 s

_STATUSES: Final[Mapping[str, VideoStatus]] = {
    "waiting": "pending",
    "pending": "pending",
    "completed": "completed",
    "failed": "failed",
}
_UNUSABLE_AVATARS: Final[Mapping[str, str]] = {
    "processing": "HeyGen is still making this avatar.",
    "pending_consent": "The person shown has not given consent yet. Complete the consent at HeyGen.",
    "failed": "HeyGen could not make this avatar.",
}
_UNUSABLE_VOICES: Final[Mapping[str, str]] = {
    "processing": "HeyGen is still making this voice.",
    "failed": "HeyGen could not make this voice.",
}


class Envelope(BaseModel, Generic[T]):
    data: T


class Listing(BaseModel, Generic[T]):
    data: Annotated[list[T], Field(max_length=ITEMS_LIMIT), FailFast()]
    has_more: bool = False
    next_token: str | None = Field(default=None, max_length=TOKEN_LIMIT)


class _Wallet(BaseModel):
    currency: Label  # usd or credits
    remaining_balance: FiniteFloat | None = None


class _Credits(BaseModel):
    remaining: FiniteFloat | None = None


class _SubscriptionCredits(BaseModel):
    premium_credits: _Credits | None = None
    add_on_credits: _Credits | None = None


class _Subscription(BaseModel):
    credits: _SubscriptionCredits | None = None

    def remaining_credits(self) -> float | None:
        """Return the plan's and the added credits together; None if neither is known."""
        if self.credits is None:
            return None
        parts = (self.credits.premium_credits, self.credits.add_on_credits)
        amounts = [part.remaining for part in parts if part and part.remaining is not None]
        return sum(amounts) if amounts else None


class _UsageBased(BaseModel):
    spending_current_usd: FiniteFloat | None = None
    spending_cap_usd: FiniteFloat | None = None
    remaining_credits: FiniteFloat | None = None


class User(BaseModel):
    """https://developers.heygen.com/reference/get-current-user: one of the three blocks is set."""

    username: Label
    email: Label | None = None
    billing_type: Annotated[Label | None, Lenient] = None
    wallet: Annotated[_Wallet | None, Lenient] = None
    subscription: Annotated[_Subscription | None, Lenient] = None
    usage_based: Annotated[_UsageBased | None, Lenient] = None

    def account(self, api_key: str) -> Account:
        """Return the account, without the key wherever HeyGen might repeat it."""
        label = sanitize(self.email or self.username, secret=api_key)
        return Account(label, self.billing_type or None, self._remaining())

    def _remaining(self) -> Remaining | None:
        if self.wallet is not None:
            return _left(self.wallet.remaining_balance, self.wallet.currency)
        if self.subscription is not None:
            return _left(self.subscription.remaining_credits(), "credits")
        if (usage := self.usage_based) is not None:
            if usage.remaining_credits is not None:
                return _left(usage.remaining_credits, "credits")
            if usage.spending_cap_usd is not None:
                return _left(max(0.0, usage.spending_cap_usd - (usage.spending_current_usd or 0)), "usd")
        return None


def _left(amount: float | None, unit: str) -> Remaining | None:
    return None if amount is None else Remaining(amount, unit)


class _LookError(BaseModel):
    code: str | None = None
    message: str | None = None


class AvatarLook(BaseModel):
    """https://developers.heygen.com/reference/list-avatar-looks: `status` only on private looks."""

    id: Identifier
    name: Label | None = None
    preview_image_url: WebUrl | None = None
    preview_video_url: WebUrl | None = None
    gender: Label | None = None
    status: str | None = None
    error: Annotated[_LookError | None, Lenient] = None

    def avatar(self, ownership: Ownership, api_key: str) -> Avatar:
        """Return the avatar; one whose status is neither null nor `completed` is not usable yet."""
        return Avatar(
            self.id,
            self.name or self.id,
            self.preview_image_url,
            self.gender,
            ownership,
            self._unusable_reason(api_key),
            self.preview_video_url,
        )

    def _unusable_reason(self, api_key: str) -> str | None:
        if self.status is None or self.status == "completed":
            return None
        reason = _UNUSABLE_AVATARS.get(self.status, "HeyGen does not say that this avatar is ready.")
        return _with_message(reason, self.error.message if self.error else None, api_key)


class VoiceEntry(BaseModel):
    """https://developers.heygen.com/docs/voices/search-voices: the list has no status."""

    voice_id: Identifier
    name: Label | None = None
    preview_audio_url: WebUrl | None = None
    gender: Label | None = None
    language: Label | None = None

    def voice(self, ownership: Ownership) -> Voice:
        return Voice(
            self.voice_id,
            self.name or self.voice_id,
            self.preview_audio_url,
            self.gender,
            self.language,
            ownership,
        )


class VoiceDetails(VoiceEntry):
    """https://developers.heygen.com/reference/get-voice: `status` only of cloned voices, and no `type`."""

    status: str | None = None
    failure_message: Annotated[str | None, Lenient] = None

    def voice_with_status(self, api_key: str) -> Voice:
        """Return the voice; one whose status is neither null nor `complete` is not usable yet."""
        if self.status is None:
            return self.voice("public")
        return replace(self.voice("private"), unusable_reason=self._unusable_reason(api_key))

    def _unusable_reason(self, api_key: str) -> str | None:
        if self.status == "complete":
            return None
        reason = _UNUSABLE_VOICES.get(self.status or "", "HeyGen does not say that this voice is ready.")
        return _with_message(reason, self.failure_message, api_key)


def _with_message(reason: str, message: str | None, api_key: str) -> str:
    cleaned = sanitize(message or "", secret=api_key)
    return f"{reason} HeyGen says: {cleaned}" if cleaned else reason


class CreatedVideo(BaseModel):
    """https://developers.heygen.com/reference/create-video: the rest of it, good or bad, is asked for later."""

    video_id: Identifier = Field(validation_alias=AliasChoices("video_id", "id"))


class VideoState(BaseModel):
    """https://developers.heygen.com/reference/get-video"""

    id: Identifier
    status: str = "pending"
    video_url: WebUrl | None = None
    thumbnail_url: Annotated[WebUrl | None, Lenient] = None
    duration: Annotated[FiniteFloat | None, Field(ge=0), Lenient] = None
    captioned_video_url: Annotated[WebUrl | None, Lenient] = None
    subtitle_url: Annotated[WebUrl | None, Lenient] = None
    failure_code: str | int | None = None
    failure_message: str | None = None

    def video(self, api_key: str) -> Video:
        """Return the video. A completed one without a link is not there yet: `completed` promises one."""
        status = _STATUSES.get(self.status, "processing")
        if status == "failed":
            code = clean_code(self.failure_code, api_key)
            message = sanitize(self.failure_message or "", secret=api_key)
            return Video(
                self.id,
                status,
                error=explain(code, message) or "HeyGen could not make the video and gave no reason.",
                error_code=code or None,
            )
        if status != "completed":
            return Video(self.id, status)
        if self.video_url is None:
            return Video(self.id, "processing")
        return Video(
            self.id,
            status,
            self.video_url,
            thumbnail_url=self.thumbnail_url,
            duration_seconds=self.duration,
            captioned_video_url=self.captioned_video_url,
            subtitle_url=self.subtitle_url,
        )


def next_token_of(page: Listing[T], page_token: str | None) -> str | None:
    token = page.next_token if page.has_more else None
    if token and token == page_token:
        raise ProviderUnexpectedAnswer(NAME, "HeyGen's next page is the same page again.")
    return token or None
