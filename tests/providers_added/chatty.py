"""A made-up provider, written as docs/adding-a-provider.md says: one module."""

from collections.abc import Mapping
from typing import Literal, TypeVar

import httpx
from pydantic import BaseModel, JsonValue

from app.errors import (
    ApiKeyRejected,
    ProviderError,
    ProviderNotFound,
    ProviderUnavailable,
    ProviderUnexpectedAnswer,
)
from app.providers.answers import parse
from app.providers.base import Account, Avatar, Filters, Page, ProviderSpec, Video, Voice
from app.providers.options import ProviderOptions
from app.providers.transport import ProviderTransport, Response, Timeouts

M = TypeVar("M", bound=BaseModel)

NAME, TITLE = "chatty", "Chatty"
TIMING = Timeouts()


class _Clip(BaseModel):
    clip: str
    url: str | None = None


class _Whoami(BaseModel):
    name: str


class ChattyOptions(ProviderOptions):
    """Options of a Chatty clip."""

    mood: Literal["calm", "cheerful"] | None = None


class Chatty:
    """`Authorization: Token <key>`; clips instead of videos; presenters instead of avatars; no voices."""

    def __init__(self, client: httpx.AsyncClient, api_url: str) -> None:
        self._transport = ProviderTransport(client, NAME, TITLE, api_url, _authorize, _to_error)

    async def verify_key(self, api_key: str) -> Account:
        return Account(label=(await self._get(api_key, "/whoami", _Whoami)).name)

    async def list_avatars(
        self, api_key: str, *, filters: Filters, limit: int, page_token: str | None
    ) -> Page[Avatar]:
        await self.verify_key(api_key)
        return Page(tuple(filter(filters.match, [Avatar("presenter-1", "The presenter")])), None)

    async def list_voices(
        self, api_key: str, *, filters: Filters, limit: int, page_token: str | None
    ) -> Page[Voice]:
        return Page((), None)

    async def get_avatar(self, api_key: str, avatar_id: str) -> Avatar:
        page = await self.list_avatars(api_key, filters=Filters(), limit=1, page_token=None)
        for avatar in page.items:
            if avatar.id == avatar_id:
                return avatar
        raise ProviderNotFound(NAME, "Chatty has no such presenter.", provider_code="404")

    async def get_voice(self, api_key: str, voice_id: str) -> Voice:
        raise ProviderNotFound(NAME, "Chatty has no voices.", provider_code="404")

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
        body: dict[str, JsonValue] = {"text": script, "presenter": avatar_id, "reference": idempotency_key}

        def read(answer: Response) -> Video:
            if (clip := parse(_Clip, answer.body)) is not None:
                return Video(clip.clip, "pending")
            raise _to_error(answer, api_key) or ProviderUnexpectedAnswer(NAME, "Chatty named no clip.")

        return await self._transport.post_once(api_key, "/clips", body, read, timeouts=TIMING)

    async def get_video(self, api_key: str, video_id: str) -> Video:
        clip = await self._get(api_key, f"/clips/{video_id}", _Clip)
        return Video(clip.clip, "completed" if clip.url else "processing", clip.url)

    async def _get(self, api_key: str, path: str, shape: type[M]) -> M:
        return await self._transport.get(api_key, path, shape, timeouts=TIMING)


def _authorize(api_key: str) -> dict[str, str]:
    return {"Authorization": f"Token {api_key}"}


def _to_error(answer: Response, api_key: str) -> ProviderError | None:
    if answer.status == 401:
        return ApiKeyRejected(NAME, "Chatty rejected the API key.")
    if answer.status >= 500:
        return ProviderUnavailable(NAME, "Chatty has a fault of its own.")
    return None


CHATTY = ProviderSpec(
    name=NAME,
    title=TITLE,
    default_api_url="https://api.chatty.example",
    options=ChattyOptions,
    create=Chatty,
    key_url="https://chatty.example/keys",
    logo="M6 12h12M12 6v12",
)
