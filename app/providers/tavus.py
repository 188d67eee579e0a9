"""Tavus's v2 API (base URL `https://tavusapi.com`, header `x-api-key`): https://docs.tavus.io/openapi.yaml

What Tavus calls a replica, since mid-2026 also a face, is an avatar here. The paths and fields are those of
replicas, which the page on creating a video still documents and which Tavus keeps as aliases:
https://docs.tavus.io/api-reference/faces/list-faces. A replica has its own voice.

Tavus documents nothing that protects a repeated create, no account and no balance. Only a video's name can say whose
it is, so that a person can find a video whose create was not answered.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel, JsonValue

from app.errors import ProviderNotFound, ProviderRejected

from .answers import parse
from .base import Account, Avatar, Filters, Ownership, Page, ProviderSpec, Video, Voice
from .tavus_errors import NAME, not_found, to_create_error, to_error
from .tavus_models import CreatedVideo, Listing, Replica, VideoState
from .tavus_options import RESERVED, TavusOptions
from .transport import ProviderTransport, Response, Timeouts

M = TypeVar("M", bound=BaseModel)

TITLE: Final = "Tavus"

# Pages are numbered, so that each must be of the same size.
REPLICAS_PER_PAGE: Final = 50

READING = Timeouts()
CREATING = Timeouts(read=25.0, budget=30.0)

_REPLICA_TYPES: Final[Mapping[Ownership, str]] = {"private": "user", "public": "system"}


class Tavus:
    """The `Provider` that is Tavus. `api_url` may have a path; `client` is shared and stays the caller's."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        api_url: str,
        *,
        reading: Timeouts = READING,
        creating: Timeouts = CREATING,
    ) -> None:
        base_url = api_url.rstrip("/") + "/v2"
        self._transport = ProviderTransport(client, NAME, TITLE, base_url, _authorize, to_error)
        self._reading = reading
        self._creating = creating

    async def verify_key(self, api_key: str) -> Account:
        """Read one replica, which costs nothing: Tavus has no call for the account."""
        await self._get(api_key, "/replicas", Listing[Replica], {"limit": "1"})
        return Account("Tavus account")

    async def list_avatars(
        self, api_key: str, *, filters: Filters, limit: int, page_token: str | None
    ) -> Page[Avatar]:
        """https://docs.tavus.io/api-reference/phoenix-replica-model/get-replicas

        No filter but the type; a page has up to `REPLICAS_PER_PAGE` replicas, whatever `limit` is.
        """
        position = _Position.of(page_token, filters)
        page = await self._get_page(api_key, position)
        if position.first_id is not None and page.data and page.data[0].id == position.first_id:
            # Whether the first page is 0 or 1, Tavus's pages contradict each other: this was the first one again.
            position = position.skip_repeated_page()
            page = await self._get_page(api_key, position)
        avatars = (replica.avatar(position.ownership) for replica in page.data)
        return Page(tuple(filter(filters.match, avatars)), position.next(page, filters))

    async def list_voices(
        self, api_key: str, *, filters: Filters, limit: int, page_token: str | None
    ) -> Page[Voice]:
        """Return no voices: each replica has its own."""
        return Page((), None)

    async def get_avatar(self, api_key: str, avatar_id: str) -> Avatar:
        """https://docs.tavus.io/api-reference/phoenix-replica-model/get-replica: `verbose` adds the type."""
        path = _item_path("/replicas", avatar_id, "Invalid replica_id")
        replica = await self._get(api_key, path, Replica, {"verbose": "true"})
        return replica.avatar("private" if replica.type == "user" else "public")

    async def get_voice(self, api_key: str, voice_id: str) -> Voice:
        """Raise ProviderNotFound: each replica has its own voice."""
        raise ProviderNotFound(NAME, "Tavus has no voices to choose.", provider_code="404")

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
        """https://docs.tavus.io/api-reference/video-request/create-video

        The video's name ends with `idempotency_key`, by which a person finds it; `voice_id` has no meaning.
        """
        fields: dict[str, JsonValue] = {k: v for k, v in options.items() if k not in RESERVED}
        name = f"{title} {idempotency_key}" if title else idempotency_key
        fields |= {"replica_id": avatar_id, "script": script, "video_name": name}

        def read_answer(answer: Response) -> Video:
            # An answer that names a video is that video, whatever else it says: it is paid for.
            if created := parse(CreatedVideo, answer.body):
                return Video(created.video_id, "pending")
            raise to_create_error(answer, api_key)

        return await self._transport.post_once(
            api_key, "/videos", fields, read_answer, timeouts=self._creating
        )

    async def get_video(self, api_key: str, video_id: str) -> Video:
        """https://docs.tavus.io/api-reference/video-request/get-video: how long links last is not documented."""
        path = _item_path("/videos", video_id, "Invalid video_id")
        return (await self._get(api_key, path, VideoState, {"verbose": "true"})).video(api_key)

    async def _get_page(self, api_key: str, position: "_Position") -> Listing[Replica]:
        query = {"limit": str(REPLICAS_PER_PAGE), "replica_type": _REPLICA_TYPES[position.ownership]}
        return await self._get(api_key, "/replicas", Listing[Replica], query | position.query())

    async def _get(
        self, api_key: str, path: str, shape: type[M], query: Mapping[str, str] | None = None
    ) -> M:
        return await self._transport.get(api_key, path, shape, query, timeouts=self._reading)


@dataclass(frozen=True, slots=True)
class _Position:
    """A page in the account's own list or in the stock one.

    As a page token: `private`, or `public:2:100:r79e1c033f`, the number of the page, how many replicas came before
    it, and the first of them.
    """

    ownership: Ownership
    number: int | None = None
    seen: int = 0
    first_id: str | None = None
    """Set for the page after the first, which may be the first again."""

    @classmethod
    def of(cls, page_token: str | None, filters: Filters) -> "_Position":
        if page_token is None:
            return cls(filters.ownership or "private")
        match page_token.split(":", 3):
            case ["private" | "public" as ownership]:
                return cls(ownership)
            case ["private" | "public" as ownership, number, seen, first_id]:
                if number.isdecimal() and seen.isdecimal():
                    return cls(ownership, int(number[:9]), int(seen[:9]), first_id or None)
        raise ProviderRejected(NAME, "Tavus has no such page.", provider_code="400")

    def query(self) -> dict[str, str]:
        return {} if self.number is None else {"page": str(self.number)}

    def skip_repeated_page(self) -> "_Position":
        return _Position(self.ownership, 2, self.seen)

    def next(self, page: Listing[Replica], filters: Filters) -> str | None:
        """Return the token of the page after this one: the stock replicas follow the account's own."""
        seen = self.seen + len(page.data)
        is_full = len(page.data) >= REPLICAS_PER_PAGE
        if page.data and (is_full if page.total_count is None else seen < page.total_count):
            first_id = page.data[0].id if self.number is None else ""
            number = 1 if self.number is None else self.number + 1
            return f"{self.ownership}:{number}:{seen}:{first_id}"
        return "public" if self.ownership == "private" and filters.ownership is None else None


def _authorize(api_key: str) -> dict[str, str]:
    return {"x-api-key": api_key}


def _item_path(path: str, id_: str, refusal: str) -> str:
    """Return the path of one item. Raises ProviderNotFound, in Tavus's words, for an id that no item has."""
    if not id_.strip("."):  # "", "." and ".." are other paths, however they are quoted
        raise not_found(refusal)
    return f"{path}/{quote(id_, safe='')}"


TAVUS = ProviderSpec(
    name=NAME,
    title=TITLE,
    default_api_url="https://tavusapi.com",
    options=TavusOptions,
    create=Tavus,
    key_url="https://maker.tavus.io/dev",  # https://docs.tavus.io/api-reference/authentication
    logo="M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18ZM7.5 9h9M12 9v7.5",  # our own drawing, a T in a face
    has_voices=False,
    has_genders=False,
    has_account=False,
    names_videos=True,
)
