"""A made-up provider, written as docs/adding-a-provider.md says: one module."""

from collections.abc import Mapping
from typing import Any, Literal

import httpx
from pydantic import BaseModel, JsonValue, ValidationError

from app.errors import ApiKeyRejected, ProviderNotFound, ProviderUnavailable, ProviderUnexpectedAnswer
from app.providers.answers import encode
from app.providers.base import Account, Avatar, Filters, Page, ProviderSpec, Video, Voice
from app.providers.options import ProviderOptions
from app.providers.transport import ProviderTransport, Response, Timeouts

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
        self._transport = ProviderTransport(client, NAME, TITLE)
        self._api_url = api_url

    async def verify_key(self, api_key: str) -> Account:
        return Account(label=(await self._call("GET", "/whoami", api_key, _Whoami)).name)

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
        body = {"text": script, "presenter": avatar_id, "reference": idempotency_key}
        clip = await self._call("POST", "/clips", api_key, _Clip, body, repeatable=False)
        return Video(clip.clip, "pending")

    async def get_video(self, api_key: str, video_id: str) -> Video:
        clip = await self._call("GET", f"/clips/{video_id}", api_key, _Clip)
        return Video(clip.clip, "completed" if clip.url else "processing", clip.url)

    async def _call(
        self,
        method: str,
        path: str,
        api_key: str,
        shape: type[Any],
        body: dict[str, str] | None = None,
        *,
        repeatable: bool = True,
    ) -> Any:
        request = TIMING.request(
            method,
            self._api_url + path,
            {"Authorization": f"Token {api_key}", "Content-Type": "application/json"},
            content=None if body is None else encode(NAME, body),
        )

        def read(answer: Response) -> Any:
            if answer.status == 401:
                raise ApiKeyRejected(NAME, "Chatty rejected the API key.")
            if answer.status >= 500:
                raise ProviderUnavailable(NAME, "Chatty has a fault of its own.")
            try:
                return shape.model_validate_json(answer.body)
            except ValidationError:
                pass
            raise ProviderUnexpectedAnswer(NAME, "Chatty's answer has an unexpected shape.")

        return await self._transport.call(request, read, budget=TIMING.budget, repeatable=repeatable)


CHATTY = ProviderSpec(
    name=NAME,
    title=TITLE,
    default_api_url="https://api.chatty.example",
    options=ChattyOptions,
    create=Chatty,
    key_url="https://chatty.example/keys",
)
