"""Memberships: the business that a user works for."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from cachetools import TTLCache

from app.db import UUID_, UUIDS, Database, SqlFunction

_CACHED_USERS: Final = 10_000

GET_MEMBERSHIP: Final = SqlFunction("ai_avatar.get_membership", {"p_user_id": UUID_})
GET_MEMBERSHIPS: Final = SqlFunction(
    "ai_avatar.get_memberships", {"p_user_ids": UUIDS}, ("user_id", "business_id")
)


class Memberships:
    """Every method is at most one database call, and raises what `Database.call` raises."""

    def __init__(self, db: Database, *, cache_seconds: float) -> None:
        """`cache_seconds`: how long `get_membership` may answer from memory; 0 means never."""
        self._db = db
        self._cache: TTLCache[UUID, UUID] | None = None
        if cache_seconds:
            self._cache = TTLCache(_CACHED_USERS, cache_seconds)

    async def get_membership(self, user_id: UUID) -> UUID | None:
        """Return the business of a user, or None. None is not cached: a new member has access at once."""
        business_id = self._cache.get(user_id) if self._cache is not None else None
        if business_id is None:
            business_id = await self._db.call_value(GET_MEMBERSHIP, p_user_id=user_id)
            self._remember(user_id, business_id)
        return business_id

    async def get_memberships(self, user_ids: Sequence[UUID]) -> dict[UUID, UUID]:
        """Return the businesses of these users as they are now. Users without one are left out."""
        rows = await self._db.call(GET_MEMBERSHIPS, p_user_ids=user_ids)
        businesses = {row["user_id"]: row["business_id"] for row in rows}
        for user_id in user_ids:
            self._remember(user_id, businesses.get(user_id))
        return businesses

    def _remember(self, user_id: UUID, business_id: UUID | None) -> None:
        if self._cache is None:
            return
        if business_id is None:
            self._cache.pop(user_id, None)
        else:
            self._cache[user_id] = business_id
