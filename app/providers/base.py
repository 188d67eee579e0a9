"""The Protocol that each provider of AI-avatar videos implements, and its results; `app.errors` has the errors.

A provider is a module that maps this Protocol to its own API. Providers know no web framework, database or
tenant: an API key is passed with each call and stored nowhere.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Generic, Literal, Protocol, TypeVar

import httpx
from pydantic import JsonValue

from .options import ProviderOptions

T = TypeVar("T")

VideoStatus = Literal["pending", "processing", "completed", "failed"]
Ownership = Literal["private", "public"]
"""`private`: the account's own."""


@dataclass(frozen=True, slots=True)
class Remaining:
    """What is left of an account's money or credits; `unit` is `usd` or `credits`."""

    amount: float
    unit: str


@dataclass(frozen=True, slots=True)
class Account:
    """Whose key it is. `label` is an e-mail address or a name, to show to the person who connected it.

    `billing_type` is the provider's own word; `remaining` is None where the provider does not say.
    """

    label: str
    billing_type: str | None = None
    remaining: Remaining | None = None


@dataclass(frozen=True, slots=True)
class Avatar:
    """`unusable_reason`, a sentence for people, is set when, and only when, no video can be made with it yet."""

    id: str
    name: str
    preview_image_url: str | None = None
    gender: str | None = None
    ownership: Ownership = "public"
    unusable_reason: str | None = None
    preview_video_url: str | None = None

    @property
    def usable(self) -> bool:
        return self.unusable_reason is None


@dataclass(frozen=True, slots=True)
class Voice:
    """As `Avatar`."""

    id: str
    name: str
    preview_audio_url: str | None = None
    gender: str | None = None
    language: str | None = None
    ownership: Ownership = "public"
    unusable_reason: str | None = None

    @property
    def usable(self) -> bool:
        return self.unusable_reason is None


@dataclass(frozen=True, slots=True)
class Filters:
    """Which avatars or voices to list; None selects all. `q` is a part of the name. Case is ignored."""

    q: str | None = None
    gender: str | None = None
    language: str | None = None
    ownership: Ownership | None = None

    @property
    def may_drop_items(self) -> bool:
        """Whether a provider's page may have fewer matching items than it has items."""
        return (self.q, self.gender, self.language) != (None, None, None)

    def match(self, item: Avatar | Voice) -> bool:
        """Return whether an item passes. An item whose gender or language is unknown does not match one."""
        return (
            (self.q is None or self.q.casefold() in item.name.casefold())
            and _equal(self.gender, item.gender)
            and (isinstance(item, Avatar) or _equal(self.language, item.language))
            and self.ownership in (None, item.ownership)
        )


def _equal(wanted: str | None, actual: str | None) -> bool:
    return wanted is None or (actual is not None and wanted.casefold() == actual.casefold())


@dataclass(frozen=True, slots=True)
class Video:
    """`video_url` is set when, and only when, the video is completed; `error` only when it failed.

    `error` is a text for users, `error_code` the provider's own code. The other links come with `video_url`,
    where the provider makes such a file.
    """

    video_id: str
    status: VideoStatus
    video_url: str | None = None
    error: str | None = None
    error_code: str | None = None
    thumbnail_url: str | None = None
    duration_seconds: float | None = None
    captioned_video_url: str | None = None
    subtitle_url: str | None = None


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page; `next_token` asks for the one after it, None on the last."""

    items: tuple[T, ...]
    next_token: str | None


class Provider(Protocol):
    """Every method ends within the provider's own time budget and raises only `ProviderError`."""

    async def verify_key(self, api_key: str) -> Account:
        """Return the account of this key; raise `ApiKeyRejected` if the key is not valid."""

    async def list_avatars(
        self, api_key: str, *, filters: Filters, limit: int, page_token: str | None
    ) -> Page[Avatar]:
        """Return one page of the avatars this key may use, the account's own first.

        Every item matches `filters`. A page may have fewer items than `limit`, even none, before the last one.
        """

    async def list_voices(
        self, api_key: str, *, filters: Filters, limit: int, page_token: str | None
    ) -> Page[Voice]:
        """Return one page of the voices this key may use, as `list_avatars` does."""

    async def get_avatar(self, api_key: str, avatar_id: str) -> Avatar:
        """Return one avatar; `ProviderNotFound` if this key may use none with this id."""

    async def get_voice(self, api_key: str, voice_id: str) -> Voice:
        """Return one voice; `ProviderNotFound` if this key may use none with this id."""

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

        `options` are the provider's own, flat and as they were stored; those that would change what the other
        arguments say are dropped.
        """

    async def get_video(self, api_key: str, video_id: str) -> Video:
        """Return a video as it is now, with a fresh `video_url`; `ProviderNotFound` if there is none."""


@dataclass(frozen=True, slots=True)
class ProviderSpec:
    """One entry of the registry: everything the rest of the service needs to know about a provider."""

    name: str
    title: str
    default_api_url: str
    options: type[ProviderOptions]
    """What `provider_config` and `provider_options` may contain."""
    create: Callable[[httpx.AsyncClient, str], Provider]
    """Takes the process's shared HTTP client and the API's base URL; does no I/O."""
    key_url: str
    """The provider's page where an account makes its API keys."""
    logo: str | None = None
    """Path data of an SVG of 24 by 24 units, drawn as a line of one colour; None shows the title's first letter."""
    has_voices: bool = True
    """Whether voices are chosen apart from avatars."""
    has_genders: bool = True
    """Whether it says the avatars' genders, by which they can be filtered then."""
    has_account: bool = True
    """Whether `verify_key` tells whose account it is."""
    names_videos: bool = False
    """Whether a video's name at the provider ends with the idempotency key, so that people can find it there."""
    idempotent_create: timedelta | None = None
    """For how long the provider documents that a create with the same idempotency key makes no second video."""
