"""Claims in the database: each method is the SQL function of the same name."""

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Literal
from uuid import UUID

from app.db import BOOLEAN, BYTEA, INTERVAL, TEXT, UUID_, Database, SqlFunction
from app.errors import IntegrationNotActive, IntegrationNotActiveInWorkflow
from app.integrations.repository import StoredKey, key_reads
from app.security import Caller

CreateReservation = Literal["granted", "pending", "unknown", "settled"]

CLAIM_CREDENTIALS: Final = SqlFunction(
    "ai_avatar.claim_credentials",
    {
        "p_business_id": UUID_,
        "p_provider": TEXT,
        "p_generation_id": UUID_,
        "p_execution_id": TEXT,
        "p_timeout": INTERVAL,
        "p_caller": TEXT,
        "p_purpose": TEXT,
        "p_request_id": TEXT,
        "p_address": TEXT,
    },
    (
        "business_id",
        "provider",
        "sealed_key",
        "avatar_id",
        "voice_id",
        "provider_config",
        "script",
        "video_id",
    ),
)
RESERVE_CREATE: Final = SqlFunction(
    "ai_avatar.reserve_create",
    {
        "p_generation_id": UUID_,
        "p_token": UUID_,
        "p_key_hash": BYTEA,
        "p_lease": INTERVAL,
        "p_repeat_within": INTERVAL,
    },
)
RELEASE_CREATE: Final = SqlFunction(
    "ai_avatar.release_create",
    {"p_generation_id": UUID_, "p_token": UUID_, "p_is_refused": BOOLEAN, "p_error_code": TEXT},
)


@dataclass(frozen=True, slots=True)
class ClaimedCredentials:
    """An active integration with its stored key; `script` and `video_id` are the claimed generation's."""

    stored: StoredKey
    avatar_id: str | None
    voice_id: str | None
    provider_config: dict[str, Any]
    script: str | None
    video_id: str | None


class ClaimRepository:
    """What n8n claims: generations, their credentials and the right to create their videos.

    Every method is one database call, and raises what `Database.call` raises.
    """

    def __init__(self, db: Database, *, generation_timeout: timedelta) -> None:
        """`generation_timeout`: how far a claim extends the generation's deadline."""
        self._db = db
        self._generation_timeout = generation_timeout

    async def claim_credentials(
        self,
        caller: Caller,
        purpose: str,
        provider: str,
        *,
        business_id: UUID | None = None,
        generation_id: UUID | None = None,
        execution_id: str | None = None,
    ) -> ClaimedCredentials:
        """Return the active integration with its key, recorded; with `generation_id`, claim that generation.

        Raises IntegrationNotFound, IntegrationNotActiveInWorkflow, GenerationNotFound, GenerationAlreadyClaimed or
        GenerationClosed.
        """
        try:
            row = await self._db.call_one(
                CLAIM_CREDENTIALS,
                p_business_id=business_id,
                p_provider=provider,
                p_generation_id=generation_id,
                p_execution_id=execution_id,
                p_timeout=self._generation_timeout,
                p_caller=caller.name,
                p_purpose=purpose,
                p_request_id=caller.request_id,
                p_address=caller.address,
            )
        except IntegrationNotActive:
            raise IntegrationNotActiveInWorkflow from None
        assert row
        key_reads.labels(provider, purpose).inc()
        values = dict(row)
        stored = StoredKey(values.pop("business_id"), values.pop("provider"), values.pop("sealed_key"))
        return ClaimedCredentials(stored, **values)

    async def reserve_create(
        self,
        generation_id: UUID,
        token: UUID,
        stored: StoredKey,
        *,
        lease: timedelta,
        repeat_within: timedelta | None,
    ) -> CreateReservation:
        """Reserve the right to request the video from the provider, for `lease`: "granted" if this call may.

        `token` identifies this call, which may reserve again if it gets no answer; `stored` is the key that it
        will use. `repeat_within`: how long the provider recognises a repeated request, None if it does not.
        """
        reservation: CreateReservation = await self._db.call_value(
            RESERVE_CREATE,
            p_generation_id=generation_id,
            p_token=token,
            p_key_hash=hashlib.sha256(stored.sealed_key.encode()).digest(),
            p_lease=lease,
            p_repeat_within=repeat_within,
        )
        return reservation

    async def release_create(
        self, generation_id: UUID, token: UUID, *, is_refused: bool, error_code: str | None = None
    ) -> None:
        """End this call's reservation; harmless if it has ended. `is_refused`: certainly no video was created.

        `error_code`: the provider's. The generation shows it if the workflow then reports the failure.
        """
        await self._db.call(
            RELEASE_CREATE,
            p_generation_id=generation_id,
            p_token=token,
            p_is_refused=is_refused,
            p_error_code=error_code,
        )
