"""The Protocol that each provider of AI-avatar videos implements, and its results; `app.errors` has the errors.

A provider is a module that maps this Protocol to its own API. Providers know no web framework, database or
tenant: an API key is passed with each call and stored nowhere.
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
    """Every method ends within the provider's own time budget and raises only `ProviderError`."""

    async def verify_key(self, api_key: str) -> Account:
        """Return the account of this key; raise `ApiKeyRejected` if the key is not valid."""

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
        """Start a video, which costs money: sent again only if the first request certainly did not arrive.

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
