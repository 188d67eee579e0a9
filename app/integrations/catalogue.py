"""A provider's avatars and voices, read with a business's stored key; cached, with one request in flight per page."""

import asyncio
from collections.abc import Hashable
from typing import Any, Final, Literal
from uuid import UUID

from cachetools import TTLCache

from app.integrations.service import IntegrationService
from app.pagination import OpaqueCursor, invalid_cursor
from app.providers.base import Page, Provider
from app.security import Caller

_FRESH_SECONDS: Final = 300
_MAX_PAGES: Final = 2_000

Kind = Literal["avatars", "voices"]


class _Cursor(OpaqueCursor):
    """The provider's page token. `kind`: a token of one list is none of the other's."""

    kind: Kind
    token: str


class Catalogue:
    """The catalogue of every business and provider; one per process."""

    def __init__(self, integrations: IntegrationService) -> None:
        self._integrations = integrations
        self._pages: TTLCache[Hashable, Page[Any]] = TTLCache(_MAX_PAGES, _FRESH_SECONDS)
        self._in_flight: dict[Hashable, asyncio.Task[Page[Any]]] = {}

    async def get_page(
        self, caller: Caller, business_id: UUID, provider: str, kind: Kind, limit: int, cursor: str | None
    ) -> Page[Any]:
        """Return a page whose `next_token` is a cursor. Raises IntegrationNotFound, InvalidRequest, ProviderError."""
        position = _Cursor.decode(cursor)
        if position and position.kind != kind:
            raise invalid_cursor()
        token = position.token if position else None
        # The row is read each time: a deleted integration has no pages, and a new key has a new validated_at and
        # so pages of its own.
        integration = await self._integrations.repository.get_ai_avatar_integration(business_id, provider)
        key = (integration.id, integration.validated_at, kind, limit, token)
        if (page := self._pages.get(key)) is None:
            page = await self._fetch_once(key, caller, business_id, provider, kind, limit, token)
        next_cursor = _Cursor(kind=kind, token=page.next_token).encode() if page.next_token else None
        return Page(page.items, next_cursor)

    async def _fetch_once(
        self,
        key: Hashable,
        caller: Caller,
        business_id: UUID,
        provider: str,
        kind: Kind,
        limit: int,
        token: str | None,
    ) -> Page[Any]:
        task = self._in_flight.get(key)
        if task is None:
            task = asyncio.create_task(self._fetch(caller, business_id, provider, kind, limit, token))
            self._in_flight[key] = task
            task.add_done_callback(lambda _: self._in_flight.pop(key, None))
        # Shielded: a caller that disconnects must not cancel the request of the others.
        page = await asyncio.shield(task)
        self._pages[key] = page
        return page

    async def _fetch(
        self, caller: Caller, business_id: UUID, provider: str, kind: Kind, limit: int, token: str | None
    ) -> Page[Any]:
        async def ask(client: Provider, api_key: str) -> Page[Any]:
            call = client.list_avatars if kind == "avatars" else client.list_voices
            return await call(api_key, limit=limit, page_token=token)

        stored = await self._integrations.read_key(caller, business_id, provider, kind)
        page = await self._integrations.use_key(stored, ask)
        await self._integrations.repository.record_sync(business_id, provider)
        return page
