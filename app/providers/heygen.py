"""HeyGen's v3 API (base URL `https://api.heygen.com`, header `X-Api-Key`).

A create is sent once, unless the connection could not even be opened. `Idempotency-Key` goes with it,
but is not relied on: that `POST /v3/videos` honours it is hearsay, the reference says of another v3
POST that the header is *not* honoured, and HeyGen's own client never repeats a POST after a fault.
A 409 `request_in_progress` means that the first request with that key is still being answered.
"""

import json
from collections.abc import Mapping
from typing import TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel, JsonValue

from app.errors import ApiKeyRejected, ProviderNotFound, ProviderRejected, ProviderUnexpectedAnswer

from .base import Account, Avatar, Page, ProviderSpec, Video, Voice
from .heygen_models import (
    NAME,
    TOKEN_LIMIT,
    AvatarLook,
    Envelope,
    Listing,
    User,
    VideoState,
    VoiceEntry,
    next_token_of,
    parse,
    to_error,
    to_video,
)
from .text import is_header_safe, sanitize
from .transport import ProviderTransport, Response, Timeouts

M = TypeVar("M", bound=BaseModel)

TITLE = "HeyGen"

LOOKS_PER_PAGE = 50
VOICES_PER_PAGE = 100

# What the arguments of create_video say, what would speak instead of the script, and where HeyGen
# would report to instead of to us.
RESERVED_OPTIONS = frozenset(
    {"type", "avatar_id", "script", "voice_id", "title", "image", "audio_url", "audio_asset_id"}
    | {"callback_url", "callback_id"}
)

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
        self._transport = ProviderTransport(client, NAME, TITLE)
        self._base_url = api_url.rstrip("/") + "/v3"
        self._reading = reading
        self._creating = creating

    async def verify_key(self, api_key: str) -> Account:
        user = (await self._get(api_key, "/users/me", Envelope[User])).data
        return Account(label=sanitize(user.email or user.username, secret=api_key))

    async def list_avatars(self, api_key: str, *, limit: int, page_token: str | None) -> Page[Avatar]:
        query = _page_query(min(limit, LOOKS_PER_PAGE), page_token)
        page = await self._get(api_key, "/avatars/looks", Listing[AvatarLook], query)
        avatars = (Avatar(a.id, a.name or a.id, a.preview_image_url, a.gender) for a in page.data)
        return Page(tuple(avatars), next_token_of(page, page_token))

    async def list_voices(self, api_key: str, *, limit: int, page_token: str | None) -> Page[Voice]:
        query = _page_query(min(limit, VOICES_PER_PAGE), page_token)
        page = await self._get(api_key, "/voices", Listing[VoiceEntry], query)
        voices = (
            Voice(v.voice_id, v.name or v.voice_id, v.preview_audio_url, v.gender, v.language)
            for v in page.data
        )
        return Page(tuple(voices), next_token_of(page, page_token))

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
        fields: dict[str, JsonValue] = {k: v for k, v in options.items() if k not in RESERVED_OPTIONS}
        fields |= {"type": "avatar", "avatar_id": avatar_id, "script": script}
        fields |= {k: v for k, v in (("voice_id", voice_id), ("title", title)) if v is not None}
        request = self._request(
            "POST",
            "/videos",
            api_key,
            self._creating,
            headers={"Content-Type": "application/json", "Idempotency-Key": idempotency_key},
            content=_encode(fields),
        )
        answer = await self._call(request, Envelope[VideoState], api_key, self._creating, repeatable=False)
        return to_video(answer.data, api_key)

    async def get_video(self, api_key: str, video_id: str) -> Video:
        if not video_id.strip("."):  # "", "." and ".." are other paths, however they are quoted
            raise ProviderNotFound(NAME, "HeyGen has no such video.", provider_code="video_not_found")
        answer = await self._get(api_key, f"/videos/{quote(video_id, safe='')}", Envelope[VideoState])
        return to_video(answer.data, api_key)

    async def _get(
        self, api_key: str, path: str, shape: type[M], query: Mapping[str, str] | None = None
    ) -> M:
        request = self._request("GET", path, api_key, self._reading, params=query)
        return await self._call(request, shape, api_key, self._reading, repeatable=True)

    def _request(
        self,
        method: str,
        path: str,
        api_key: str,
        timing: Timeouts,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        content: bytes | None = None,
    ) -> httpx.Request:
        if not is_header_safe(api_key):
            raise ApiKeyRejected(NAME, "This cannot be a HeyGen API key.")
        own = {"X-Api-Key": api_key, "Accept": "application/json", "Accept-Encoding": "identity"}
        return httpx.Request(
            method,
            self._base_url + path,
            params=params,
            headers=own | dict(headers or {}),
            content=content,
            extensions=timing.extensions(),
        )

    async def _call(
        self, request: httpx.Request, shape: type[M], api_key: str, timing: Timeouts, *, repeatable: bool
    ) -> M:
        def read_answer(answer: Response) -> M:
            if (error := to_error(answer, api_key)) is not None:
                raise error
            if (parsed := parse(shape, answer.body)) is None:
                raise ProviderUnexpectedAnswer(NAME, "HeyGen's answer has an unexpected shape.")
            return parsed

        return await self._transport.call(request, read_answer, budget=timing.budget, repeatable=repeatable)


def _page_query(limit: int, page_token: str | None) -> dict[str, str]:
    if page_token is None:
        return {"limit": str(limit)}
    if len(page_token) > TOKEN_LIMIT or not page_token.isprintable():  # no URL could carry it
        raise ProviderRejected(NAME, "HeyGen has no such page.", provider_code="invalid_token")
    return {"limit": str(limit), "token": page_token}


def _encode(fields: Mapping[str, JsonValue]) -> bytes:
    try:
        return json.dumps(fields, allow_nan=False).encode()
    except ValueError:
        message = "The options have a number that JSON cannot carry."
    raise ProviderRejected(NAME, message, provider_code="invalid_parameter")


HEYGEN = ProviderSpec(name=NAME, title=TITLE, default_api_url="https://api.heygen.com", create=HeyGen)
