"""What this service asks of a provider of AI-avatar videos, whoever it is.

A provider is a module that turns this Protocol into its own API. Nothing here, or below here, knows
FastAPI, the database or a tenant: an API key comes in with each call and is kept nowhere.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, Literal, Protocol, TypeVar

import httpx
from pydantic import JsonValue

T = TypeVar("T")

VideoStatus = Literal["pending", "processing", "completed", "failed"]


@dataclass(frozen=True, slots=True)
class Account:
    """Whose key it is. `label` is an e-mail address or a name, to show to the person who connected it."""

    label: str


@dataclass(frozen=True, slots=True)
class Avatar:
    id: str
    name: str
    preview_image_url: str | None = None
    gender: str | None = None


@dataclass(frozen=True, slots=True)
class Voice:
    id: str
    name: str
    preview_audio_url: str | None = None
    gender: str | None = None
    language: str | None = None


@dataclass(frozen=True, slots=True)
class Video:
    """`video_url` is set when, and only when, the video is completed; `error` only when it failed."""

    video_id: str
    status: VideoStatus
    video_url: str | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page; `next_token` asks for the one after it, None on the last."""

    items: tuple[T, ...]
    next_token: str | None


class Provider(Protocol):
    """Every method ends within the provider's own time budget and raises nothing but `ProviderError`."""

    async def verify_key(self, api_key: str) -> Account:
        """Ask the provider whose key this is; `ApiKeyRejected` when it is nobody's."""

    async def list_avatars(self, api_key: str, *, limit: int, page_token: str | None) -> Page[Avatar]:
        """Return one page of the avatars this key may use; a provider may cap `limit` lower."""

    async def list_voices(self, api_key: str, *, limit: int, page_token: str | None) -> Page[Voice]:
        """Return one page of the voices this key may use; a provider may cap `limit` lower."""

    async def create_video(
        self,
        api_key: str,
        *,
        idempotency_key: str,
        script: str,
        avatar_id: str,
        voice_id: str | None,
        title: str | None,
        options: Mapping[str, JsonValue],
    ) -> Video:
        """Start a video, which costs money: never sent twice unless the first certainly did not arrive.

        `options` are the provider's own; those that would change what the other arguments say are dropped.
        """

    async def get_video(self, api_key: str, video_id: str) -> Video:
        """Return a video as it is now, with a fresh `video_url`; `ProviderNotFound` if there is none."""


@dataclass(frozen=True, slots=True)
class ProviderSpec:
    """One entry of the registry: everything the rest of the service needs to know about a provider."""

    name: str
    title: str
    default_api_url: str
    create: Callable[[httpx.AsyncClient, str], Provider]
    """Takes the process's shared HTTP client and the API's base URL; does no I/O."""


class ProviderError(Exception):
    """A provider's call did not succeed. `message` is fit for a user and never contains the API key."""

    def __init__(self, provider: str, message: str) -> None:
        super().__init__(provider, message)
        self.provider = provider
        self.message = message

    def __str__(self) -> str:
        return self.message


class ApiKeyRejected(ProviderError):
    """The provider does not know this API key (any more)."""


class ProviderRejected(ProviderError):
    """The provider said no to this call; `code` and `message` are its own words. Asking again is no use."""

    def __init__(self, provider: str, message: str, *, code: str) -> None:
        super().__init__(provider, message)
        self.code = code


class QuotaExceeded(ProviderRejected):
    """The account has run out of credit or quota."""


class ProviderNotFound(ProviderRejected):
    """The provider does not have what this call names: a video, an avatar, a voice."""


class ProviderRateLimited(ProviderError):
    """Too many calls with this key; `retry_after` is in seconds, None where the provider gave none."""

    def __init__(self, provider: str, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(provider, message)
        self.retry_after = retry_after


class ProviderUnavailable(ProviderError):
    """No connection, no answer in time, or the provider's own fault (5xx): try again later.

    `may_have_happened` is False only when the request certainly did not reach the provider. For a create
    it says whether a repeat could make, and bill, a second video.
    """

    def __init__(
        self,
        provider: str,
        message: str,
        *,
        retry_after: float | None = None,
        may_have_happened: bool = True,
    ) -> None:
        super().__init__(provider, message)
        self.retry_after = retry_after
        self.may_have_happened = may_have_happened


class ProviderUnexpectedAnswer(ProviderError):
    """The answer is none that the provider documents: HTML, another shape, too long, a redirect.

    What was asked for may have happened all the same.
    """
