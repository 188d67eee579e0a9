"""A provider's avatars and voices, read with a business's stored key; cached, with one request in flight per page."""

import hashlib
from typing import Any, Final, Literal, NamedTuple, Protocol
from uuid import UUID

from pydantic import Field

from app.integrations.names import Details
from app.integrations.schemas import Integration
from app.integrations.service import IntegrationService
from app.integrations.shared_reads import SharedReads
from app.pagination import OpaqueCursor, invalid_cursor
from app.providers.base import Filters, Page, Provider
from app.security import Caller

_FRESH_SECONDS: Final = 300
_MAX_PAGES: Final = 2_000
# How many of the provider's pages one request reads at most; the cursor continues where it stopped.
_MAX_PROVIDER_PAGES: Final = 4
# What is asked for where filters may leave little of a page; a provider may cap it lower.
_FILTERED_PAGE_SIZE: Final = 100

Kind = Literal["avatars", "voices"]


class _Position(NamedTuple):
    """The provider's page token, None for its first page, and how many items of that page to skip."""

    token: str | None
    skip: int


class _Slice(NamedTuple):
    """The items of one of our pages, and where the next one begins; None after the last."""

    items: tuple[Any, ...]
    next: _Position | None


class _Cursor(OpaqueCursor):
    """A position in one list with one set of filters: it is none in another."""

    kind: Kind
    filters: str
    token: str | None
    skip: int = Field(ge=0)


class _ListPage(Protocol):
    async def __call__(
        self, api_key: str, *, filters: Filters, limit: int, page_token: str | None
    ) -> Page[Any]: ...


class Catalogue:
    """The catalogue of every business and provider; one per process."""

    def __init__(self, integrations: IntegrationService) -> None:
        self._integrations = integrations
        self._pages: SharedReads[_Slice] = SharedReads(_MAX_PAGES, _FRESH_SECONDS)

    async def get_page(
        self,
        caller: Caller,
        business_id: UUID,
        provider: str,
        kind: Kind,
        filters: Filters,
        limit: int,
        cursor: str | None,
    ) -> Page[Any]:
        """Return a page whose `next_token` is a cursor. With filters, it may have fewer items than `limit`.

        Raises IntegrationNotFound, InvalidRequest or ProviderError.
        """
        digest = _digest(filters)
        position = _decode(cursor, kind, digest)
        # The row is read each time: a deleted integration has no pages, and a new key has a new validated_at and
        # so pages of its own.
        integration = await self._integrations.repository.get_ai_avatar_integration(business_id, provider)
        key = (integration.id, integration.validated_at, kind, filters, limit, position)

        async def fetch() -> _Slice:
            return await self._fetch(caller, integration, kind, filters, limit, position)

        items, following = await self._pages.get(key, fetch)
        if following is None:
            return Page(items, None)
        return Page(items, _Cursor(kind=kind, filters=digest, **following._asdict()).encode())

    async def _fetch(
        self,
        caller: Caller,
        integration: Integration,
        kind: Kind,
        filters: Filters,
        limit: int,
        position: _Position,
    ) -> _Slice:
        business_id, provider = integration.business_id, integration.provider

        async def ask(client: Provider, api_key: str) -> _Slice:
            list_page = client.list_avatars if kind == "avatars" else client.list_voices
            return await _collect(list_page, api_key, filters, limit, position)

        stored = await self._integrations.read_key(caller, business_id, provider, kind)
        found = await self._integrations.use_key(stored, ask)
        self._integrations.seen_items.add(business_id, provider, found.items)
        chosen_id = integration.avatar_id if kind == "avatars" else integration.voice_id
        details = Details.of(item for item in found.items if item.id == chosen_id)
        await self._integrations.repository.record_sync(business_id, provider, details)
        return found


async def _collect(
    list_page: _ListPage, api_key: str, filters: Filters, limit: int, position: _Position
) -> _Slice:
    """Read the provider's pages until there are `limit` items, or `_MAX_PROVIDER_PAGES` have been read."""
    items: tuple[Any, ...] = ()
    token, skip = position
    for _ in range(_MAX_PROVIDER_PAGES):
        wanted = limit - len(items)
        size = _FILTERED_PAGE_SIZE if filters.may_drop_items else min(skip + wanted, _FILTERED_PAGE_SIZE)
        page = await list_page(api_key, filters=filters, limit=size, page_token=token)
        found = page.items[skip:]
        items += found[:wanted]
        if len(found) > wanted:
            return _Slice(items, _Position(token, skip + wanted))
        if page.next_token is None:
            return _Slice(items, None)
        token, skip = page.next_token, 0
        if len(items) == limit:
            break
    return _Slice(items, _Position(token, skip))


def _digest(filters: Filters) -> str:
    return hashlib.sha256(repr(filters).encode()).hexdigest()[:12]


def _decode(cursor: str | None, kind: Kind, digest: str) -> _Position:
    found = _Cursor.decode(cursor)
    if found is None:
        return _Position(None, 0)
    if (found.kind, found.filters) != (kind, digest):
        raise invalid_cursor()
    return _Position(found.token, found.skip)
