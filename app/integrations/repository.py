"""The integrations in the database: each method calls the SQL function of the same name."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final, Literal
from uuid import UUID, uuid4

import asyncpg
from prometheus_client import Counter

from app.batched_reads import BatchedReads
from app.db import (
    BOOLEAN,
    INTEGER,
    INTERVAL,
    JSON,
    TEXT,
    TIMESTAMPTZ,
    UUID_,
    Argument,
    Database,
    SqlFunction,
)
from app.errors import IntegrationNotFound
from app.integrations.names import Details
from app.integrations.schemas import Integration
from app.pagination import Cursor
from app.security import Caller

# What each purpose is: the callers of `get_ai_avatar_secret` and `claim_credentials`. n8n gets the key itself for
# `issue_credentials` only.
key_reads = Counter(
    "ai_avatar_key_reads_total", "Stored keys that were read, by purpose", ["provider", "purpose"]
)

_INTEGRATION: Final = tuple(Integration.model_fields)
_DETAILS: Final = {"p_avatar": JSON, "p_voice": JSON}

SET_AI_AVATAR_INTEGRATION: Final = SqlFunction(
    "public.set_ai_avatar_integration",
    {
        "p_business_id": UUID_,
        "p_provider": TEXT,
        "p_api_key": TEXT,
        "p_avatar_id": TEXT,
        "p_voice_id": TEXT,
        "p_config": JSON,
        "p_id": UUID_,
        **_DETAILS,
        "p_api_key_last4": TEXT,
    },
)
GET_AI_AVATAR_INTEGRATION: Final = SqlFunction(
    "public.get_ai_avatar_integration",
    {"p_business_id": UUID_, "p_provider": TEXT, "p_status": TEXT},
    _INTEGRATION,
)
GET_AI_AVATAR_INTEGRATION_JSON: Final = SqlFunction(
    "public.get_ai_avatar_integration",
    {"p_business_id": UUID_, "p_provider": TEXT, "p_status": TEXT},
    (),
    json=Integration,
)
GET_AI_AVATAR_SECRET: Final = SqlFunction(
    "public.get_ai_avatar_secret",
    {
        "p_business_id": UUID_,
        "p_provider": TEXT,
        "p_status": TEXT,
        "p_caller": TEXT,
        "p_purpose": TEXT,
        "p_request_id": TEXT,
        "p_address": TEXT,
    },
)
DELETE_AI_AVATAR_INTEGRATION: Final = SqlFunction(
    "public.delete_ai_avatar_integration",
    {"p_business_id": UUID_, "p_provider": TEXT, "p_must_exist": BOOLEAN},
)
LIST_INTEGRATIONS: Final = SqlFunction(
    "ai_avatar.list_integrations",
    {
        "p_business_id": UUID_,
        "p_provider": TEXT,
        "p_status": TEXT,
        "p_before_created_at": TIMESTAMPTZ,
        "p_before_id": UUID_,
        "p_limit": INTEGER,
    },
    ("created_at", "id"),
    json=Integration,
)
UPDATE_INTEGRATION: Final = SqlFunction(
    "ai_avatar.update_integration",
    {
        "p_business_id": UUID_,
        "p_provider": TEXT,
        "p_changes": JSON,
        "p_sealed_key": TEXT,
        "p_validated": BOOLEAN,
        **_DETAILS,
        "p_api_key_last4": TEXT,
    },
    _INTEGRATION,
)
RECORD_KEY_CHECK: Final = SqlFunction(
    "ai_avatar.record_key_check",
    {"p_business_id": UUID_, "p_provider": TEXT, "p_sealed_key": TEXT, "p_accepted": BOOLEAN},
    _INTEGRATION,
)
LEASE_KEY_CHECKS: Final = SqlFunction(
    "ai_avatar.lease_key_checks",
    {"p_period": INTERVAL, "p_lease": INTERVAL, "p_limit": INTEGER},
    ("business_id", "provider"),
)
RECORD_SCHEDULED_KEY_CHECK: Final = SqlFunction(
    "ai_avatar.record_scheduled_key_check",
    {
        "p_business_id": UUID_,
        "p_provider": TEXT,
        "p_sealed_key": TEXT,
        "p_accepted": BOOLEAN,
        "p_period": INTERVAL,
        "p_confirm_after": INTERVAL,
    },
)
RECORD_SYNC: Final = SqlFunction(
    "ai_avatar.record_sync", {"p_business_id": UUID_, "p_provider": TEXT, **_DETAILS}
)

ScheduledVerdict = Literal["accepted", "rejected", "unconfirmed", "replaced"]


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A provider key as it is stored, with the business and the provider that it belongs to."""

    business_id: UUID
    provider: str
    sealed_key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class NewKey:
    """A provider key to be stored; `last4`, its last characters, is None for keys too short to show any."""

    sealed_key: str = field(repr=False)
    last4: str | None


class IntegrationRepository:
    """Each method is one database call and raises the errors of `Database.call`."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._batched_integrations = BatchedReads(db, GET_AI_AVATAR_INTEGRATION_JSON)
        self._batched_lists = BatchedReads(db, LIST_INTEGRATIONS)

    async def set_ai_avatar_integration(
        self,
        business_id: UUID,
        provider: str,
        new_key: NewKey,
        *,
        avatar_id: str | None,
        voice_id: str | None,
        provider_config: Mapping[str, Any] | None,
        details: Details,
    ) -> bool:
        """Store a key that the provider has just accepted; None keeps what is there. Return whether the row is new."""
        new_id = uuid4()
        integration_id = await self._db.call_value(
            SET_AI_AVATAR_INTEGRATION,
            p_business_id=business_id,
            p_provider=provider,
            p_api_key=new_key.sealed_key,
            p_avatar_id=avatar_id,
            p_voice_id=voice_id,
            p_config=provider_config,
            p_id=new_id,
            p_avatar=details.avatar,
            p_voice=details.voice,
            p_api_key_last4=new_key.last4,
        )
        return bool(integration_id == new_id)

    async def get_ai_avatar_integration(self, business_id: UUID, provider: str) -> Integration:
        """Return an integration, whatever its status. Raises IntegrationNotFound."""
        row = await self._db.call_one(
            GET_AI_AVATAR_INTEGRATION, p_business_id=business_id, p_provider=provider, p_status=None
        )
        if row is None:
            raise IntegrationNotFound
        return Integration.model_validate(dict(row))

    async def get_ai_avatar_integration_json(self, business_id: UUID, provider: str) -> str:
        """Return the same as JSON text, to be passed on. Raises IntegrationNotFound."""
        rows = await self._batched_integrations.call(
            p_business_id=business_id, p_provider=provider, p_status=None
        )
        if not rows:
            raise IntegrationNotFound
        text: str = rows[0]["json"]
        return text

    async def get_ai_avatar_secret(
        self, business_id: UUID, provider: str, caller: Caller, purpose: str
    ) -> StoredKey | None:
        """Return the stored key, whatever the status, and record the read; None without integration or key."""
        sealed_key = await self._db.call_value(
            GET_AI_AVATAR_SECRET,
            p_business_id=business_id,
            p_provider=provider,
            p_status=None,
            p_caller=caller.name,
            p_purpose=purpose,
            p_request_id=caller.request_id,
            p_address=caller.address,
        )
        if sealed_key is None:
            return None
        key_reads.labels(provider, purpose).inc()
        return StoredKey(business_id, provider, sealed_key)

    async def delete_ai_avatar_integration(self, business_id: UUID, provider: str | None) -> None:
        """Delete one integration, or all of the business, with their keys. Raises IntegrationNotFound."""
        await self._db.call(
            DELETE_AI_AVATAR_INTEGRATION, p_business_id=business_id, p_provider=provider, p_must_exist=True
        )

    async def list_integrations(
        self,
        business_id: UUID | None,
        provider: str | None,
        status: str | None,
        before: Cursor | None,
        limit: int,
    ) -> list[asyncpg.Record]:
        """Return a page of integrations, newest first; of all businesses when `business_id` is None.

        A row has `json`, the integration as text, and `created_at` and `id`, by which rows are sorted.
        """
        arguments: dict[str, Argument] = {
            "p_business_id": business_id,
            "p_provider": provider,
            "p_status": status,
            "p_before_created_at": before.created_at if before else None,
            "p_before_id": before.id if before else None,
            "p_limit": limit,
        }
        if business_id is None:  # of all businesses, which takes longer
            return await self._db.call(LIST_INTEGRATIONS, **arguments)
        return await self._batched_lists.call(**arguments)

    async def update_integration(
        self,
        business_id: UUID,
        provider: str,
        changes: Mapping[str, Any],
        new_key: NewKey | None,
        *,
        validated: bool,
        details: Details,
    ) -> Integration:
        """Change the given fields. `validated`: the provider has just accepted the key. Raises IntegrationNotFound."""
        row = await self._db.call_one(
            UPDATE_INTEGRATION,
            p_business_id=business_id,
            p_provider=provider,
            p_changes=changes,
            p_sealed_key=new_key.sealed_key if new_key else None,
            p_validated=validated,
            p_avatar=details.avatar,
            p_voice=details.voice,
            p_api_key_last4=new_key.last4 if new_key else None,
        )
        assert row
        return Integration.model_validate(dict(row))

    async def record_key_check(self, stored: StoredKey, *, accepted: bool) -> Integration:
        """Record the provider's verdict on a key, unless it has been replaced since. Raises IntegrationNotFound."""
        row = await self._db.call_one(
            RECORD_KEY_CHECK,
            p_business_id=stored.business_id,
            p_provider=stored.provider,
            p_sealed_key=stored.sealed_key,
            p_accepted=accepted,
        )
        if row is None:
            raise IntegrationNotFound
        return Integration.model_validate(dict(row))

    async def lease_key_checks(
        self, period: timedelta, lease: timedelta, limit: int
    ) -> list[tuple[UUID, str]]:
        """Return businesses and providers whose keys are due for the scheduled check; no other caller gets them."""
        rows = await self._db.call(LEASE_KEY_CHECKS, p_period=period, p_lease=lease, p_limit=limit)
        return [(row["business_id"], row["provider"]) for row in rows]

    async def record_scheduled_key_check(
        self, stored: StoredKey, *, accepted: bool, period: timedelta, confirm_after: timedelta
    ) -> ScheduledVerdict:
        """Record the provider's verdict on a key and schedule the next check."""
        verdict: ScheduledVerdict = await self._db.call_value(
            RECORD_SCHEDULED_KEY_CHECK,
            p_business_id=stored.business_id,
            p_provider=stored.provider,
            p_sealed_key=stored.sealed_key,
            p_accepted=accepted,
            p_period=period,
            p_confirm_after=confirm_after,
        )
        return verdict

    async def record_sync(self, business_id: UUID, provider: str, details: Details) -> None:
        """Record that the provider's catalogue has just been read, and what it says of the chosen avatar and voice."""
        await self._db.call(
            RECORD_SYNC,
            p_business_id=business_id,
            p_provider=provider,
            p_avatar=details.avatar,
            p_voice=details.voice,
        )
