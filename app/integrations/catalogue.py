"""A provider's avatars and voices, through a business's stored key: cached for minutes, asked for once at a time."""

import asyncio
import base64
import binascii
import json
from collections.abc import Hashable
from typing import Any, Final, Literal
from uuid import UUID

from cachetools import TTLCache
from pydantic import TypeAdapter

from app.errors import InvalidRequest
from app.integrations.service import IntegrationService
from app.providers.base import Page, Provider
from app.security import Caller

_FRESH_SECONDS: Final = 300
_PAGES: Final = 2_000

Kind = Literal["avatars", "voices"]

_cursor: Final = TypeAdapter(tuple[str, str])


class Catalogue:
    """One per process."""

    def __init__(self, integrations: IntegrationService) -> None:
        self._integrations = integrations
        self._pages: TTLCache[Hashable, Page[Any]] = TTLCache(_PAGES, _FRESH_SECONDS)
        self._under_way: dict[Hashable, asyncio.Task[Page[Any]]] = {}

    async def get_page(
        self, caller: Caller, business_id: UUID, provider: str, kind: Kind, limit: int, cursor: str | None
    ) -> Page[Any]:
        """A page; its `next_token` is our cursor. Raises IntegrationNotFound, InvalidRequest or ProviderError."""
        token = _decode(cursor, kind) if cursor else None
        # The row is read each time: whoever has lost the integration sees nothing of it, and a new key has a new
        # validated_at, and so pages of its own.
        integration = await self._integrations.repository.get_integration(business_id, provider)
        key = (integration.id, integration.validated_at, kind, limit, token)
        if (page := self._pages.get(key)) is None:
            page = await self._fetch_once(key, caller, business_id, provider, kind, limit, token)
        return Page(page.items, _encode(page.next_token, kind) if page.next_token else None)

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
        task = self._under_way.get(key)
        if task is None:
            task = asyncio.create_task(self._fetch(caller, business_id, provider, kind, limit, token))
            self._under_way[key] = task
            task.add_done_callback(lambda _: self._under_way.pop(key, None))
        # Shielded: one caller who hangs up must not take the answer from the others.
        page = await asyncio.shield(task)
        self._pages[key] = page
        return page

    async def _fetch(
        self, caller: Caller, business_id: UUID, provider: str, kind: Kind, limit: int, token: str | None
    ) -> Page[Any]:
        async def ask(client: Provider, api_key: str) -> Page[Any]:
            call = client.list_avatars if kind == "avatars" else client.list_voices
            return await call(api_key, limit=limit, page_token=token)

        page = await self._integrations.with_stored_key(caller, business_id, provider, kind, ask)
        await self._integrations.repository.record_sync(business_id, provider)
        return page


def _encode(token: str, kind: Kind) -> str:
    return base64.urlsafe_b64encode(json.dumps([kind, token]).encode()).rstrip(b"=").decode()


def _decode(cursor: str, kind: Kind) -> str:
    try:
        of, token = _cursor.validate_json(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError):  # pydantic's own error is a ValueError, too
        of, token = "", ""
    if of != kind:
        raise InvalidRequest.of("query.cursor", "should be a next_cursor that this list gave")
    return token
