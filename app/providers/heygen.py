"""HeyGen's v3 API (base URL `https://api.heygen.com`, header `X-Api-Key`).

A create carries an `Idempotency-Key`, which https://developers.heygen.com/reference/create-video documents since
May 2026: for 24 hours, a request with the same key replays the first answer, even if the body differs, and gets
409 `request_in_progress` while the first is in flight. Whether error answers are replayed is not documented. The
replay is a snapshot: ask for the video's state. This module itself sends a create once, unless the connection
could not even be opened.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final, TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel, JsonValue

from app.errors import ProviderNotFound, ProviderRejected

from .answers import parse
from .base import Account, Avatar, Filters, Ownership, Page, ProviderSpec, Video, Voice
from .heygen_errors import NAME, explain, to_create_error, to_error
from .heygen_models import (
    TOKEN_LIMIT,
    AvatarLook,
    CreatedVideo,
    Envelope,
    Listing,
    User,
    VideoState,
    VoiceDetails,
    VoiceEntry,
    next_token_of,
)
from .heygen_options import RESERVED, HeyGenOptions
from .transport import ProviderTransport, Response, Timeouts

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)

TITLE = "HeyGen"

LOOKS_PER_PAGE = 50
VOICES_PER_PAGE = 100
OWNERSHIPS: Final[tuple[Ownership, ...]] = ("private", "public")
GENDERS = frozenset({"male", "female"})

READING = Timeouts()
CREATING = Timeouts(read=25.0, budget=30.0)


class HeyGen:
    """The `Provider` that is HeyGen. `api_url` may have a path; `client` is shared and stays the caller's."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        api_url: str,
        *,
        reading: Timeouts = READING,
        creating: Timeouts = CREATING,
    ) -> None:
        base_url = api_url.rstrip("/") + "/v3"
        self._transport = ProviderTransport(client, NAME, TITLE, base_url, _authorize, to_error)
        self._reading = reading
        self._creating = creating

    async def verify_key(self, api_key: str) -> Account:
        """https://developers.heygen.com/reference/get-current-user"""
        return (await self._get(api_key, "/users/me", Envelope[User])).data.account(api_key)

    async def list_avatars(
        self, api_key: str, *, filters: Filters, limit: int, page_token: str | None
    ) -> Page[Avatar]:
        """https://developers.heygen.com/reference/list-avatar-looks: `limit` 1-50, no filter but the ownership.

        A look's id is the `avatar_id` of a video; the id of a group (`/v3/avatars`) is not.
        """
        position = _Position.of(page_token, filters)
        query = {"ownership": position.ownership, "limit": str(min(limit, LOOKS_PER_PAGE))}
        page = await self._get(api_key, "/avatars/looks", Listing[AvatarLook], query | position.query())
        avatars = (look.avatar(position.ownership, api_key) for look in page.data)
        return Page(tuple(filter(filters.match, avatars)), position.next(page, filters))

    async def list_voices(
        self, api_key: str, *, filters: Filters, limit: int, page_token: str | None
    ) -> Page[Voice]:
        """https://developers.heygen.com/docs/voices/search-voices: `limit` 1-100, filters for gender and language.

        `type` defaults to `public`: an account's own cloned voices are listed only with `type=private`.
        """
        position = _Position.of(page_token, filters)
        query = {"type": position.ownership, "limit": str(min(limit, VOICES_PER_PAGE))}
        if filters.gender and filters.gender.casefold() in GENDERS:
            query["gender"] = filters.gender.casefold()
        if filters.language:
            query["language"] = _language_name(filters.language)
        page = await self._get(api_key, "/voices", Listing[VoiceEntry], query | position.query())
        # What HeyGen's language filter selects is its own matter: a multilingual voice may speak English.
        own_filters = replace(filters, language=None)
        voices = (entry.voice(position.ownership) for entry in page.data)
        return Page(tuple(filter(own_filters.match, voices)), position.next(page, filters))

    async def get_avatar(self, api_key: str, avatar_id: str) -> Avatar:
        """https://developers.heygen.com/reference/get-avatar-look"""
        path = _item_path("/avatars/looks", avatar_id, "avatar_not_found")
        look = (await self._get(api_key, path, Envelope[AvatarLook])).data
        # It does not say whose it is, but only private looks have a status.
        return look.avatar("public" if look.status is None else "private", api_key)

    async def get_voice(self, api_key: str, voice_id: str) -> Voice:
        """https://developers.heygen.com/reference/get-voice"""
        path = _item_path("/voices", voice_id, "voice_not_found")
        return (await self._get(api_key, path, Envelope[VoiceDetails])).data.voice_with_status(api_key)

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
        """https://developers.heygen.com/reference/create-video: a flat body with `type`; errors name a `param`."""
        fields: dict[str, JsonValue] = {k: v for k, v in options.items() if k not in RESERVED}
        fields |= {"type": "avatar", "avatar_id": avatar_id, "script": script}
        fields |= {k: v for k, v in (("voice_id", voice_id), ("title", title)) if v is not None}

        def read_answer(answer: Response) -> Video:
            # An answer that names a video is that video, whatever else it says: it is paid for.
            if created := parse(Envelope[CreatedVideo], answer.body):
                return Video(created.data.video_id, "pending")
            raise to_create_error(answer, api_key)

        return await self._transport.post_once(
            api_key,
            "/videos",
            fields,
            read_answer,
            timeouts=self._creating,
            headers={"Idempotency-Key": idempotency_key},
        )

    async def get_video(self, api_key: str, video_id: str) -> Video:
        """https://developers.heygen.com/reference/get-video: links are presigned; how long is not documented."""
        path = _item_path("/videos", video_id, "video_not_found")
        return (await self._get(api_key, path, Envelope[VideoState])).data.video(api_key)

    async def _get(
        self, api_key: str, path: str, shape: type[M], query: Mapping[str, str] | None = None
    ) -> M:
        return await self._transport.get(api_key, path, shape, query, timeouts=self._reading)


@dataclass(frozen=True, slots=True)
class _Position:
    """A page in the account's own list or in the public one. As a page token: `private`, `public:TOKEN`."""

    ownership: Ownership
    token: str | None = None

    @classmethod
    def of(cls, page_token: str | None, filters: Filters) -> "_Position":
        if page_token is None:
            return cls(filters.ownership or "private")
        name, _, token = page_token.partition(":")
        for ownership in OWNERSHIPS:
            # Refuse what no URL could carry.
            if name == ownership and len(token) <= TOKEN_LIMIT and (not token or token.isprintable()):
                return cls(ownership, token or None)
        raise ProviderRejected(NAME, "HeyGen has no such page.", provider_code="invalid_token")

    def query(self) -> dict[str, str]:
        return {"token": self.token} if self.token else {}

    def next(self, page: Listing[T], filters: Filters) -> str | None:
        """Return the token of the page after this one: the public list follows the account's own."""
        if token := next_token_of(page, self.token):
            return f"{self.ownership}:{token}"
        return "public" if self.ownership == "private" and filters.ownership is None else None


def _language_name(language: str) -> str:
    """Return a language as HeyGen names it, such as English: whether its filter ignores case is not documented."""
    return language if language != language.lower() else language.title()


def _authorize(api_key: str) -> dict[str, str]:
    return {"X-Api-Key": api_key}


def _item_path(path: str, id_: str, missing_code: str) -> str:
    """Return the path of one item. Raises ProviderNotFound, with `missing_code`, for an id that no item has."""
    if not id_.strip("."):  # "", "." and ".." are other paths, however they are quoted
        raise ProviderNotFound(NAME, explain(missing_code, ""), provider_code=missing_code)
    return f"{path}/{quote(id_, safe='')}"


HEYGEN = ProviderSpec(
    name=NAME,
    title=TITLE,
    default_api_url="https://api.heygen.com",
    options=HeyGenOptions,
    create=HeyGen,
    key_url="https://app.heygen.com/settings?nav=API",  # https://developers.heygen.com/docs/api-key
    logo="M6 5v14M18 5v14M10 8.5v7l4.5-3.5z",  # our own drawing, an H and a play sign
    idempotent_create=timedelta(hours=24),  # https://developers.heygen.com/reference/create-video
)
