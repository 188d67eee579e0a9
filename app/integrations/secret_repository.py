"""The stored keys of all businesses: for the start, rotation and the audit log."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from app.db import INTEGER, INTERVAL, TEXT, UUID_, Database, SqlFunction
from app.integrations.repository import StoredKey

VAULT_ENCRYPTS: Final = SqlFunction("ai_avatar.vault_encrypts", {})
PURGE_SECRET_READS: Final = SqlFunction(
    "ai_avatar.purge_secret_reads", {"p_older_than": INTERVAL, "p_limit": INTEGER}
)
LIST_SECRETS: Final = SqlFunction(
    "ai_avatar.list_secrets",
    {"p_after": UUID_, "p_limit": INTEGER},
    ("secret_id", "business_id", "provider", "sealed_key"),
)
COUNT_SECRETS: Final = SqlFunction("ai_avatar.count_secrets", {})
REPLACE_SECRET: Final = SqlFunction(
    "ai_avatar.replace_secret", {"p_secret_id": UUID_, "p_old_sealed_key": TEXT, "p_new_sealed_key": TEXT}
)


@dataclass(frozen=True, slots=True)
class SecretRow:
    """A stored key and the id of its secret in the vault."""

    secret_id: UUID
    stored: StoredKey


class SecretRepository:
    """Each method is one database call and raises the errors of `Database.call`."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def vault_encrypts(self) -> bool:
        """Return whether the vault is Supabase's own: only there may keys be stored that are not sealed."""
        return bool(await self._db.call_value(VAULT_ENCRYPTS))

    async def purge_secret_reads(self, older_than: timedelta, limit: int) -> int:
        """Delete up to `limit` old rows of the audit log; return how many."""
        return int(await self._db.call_value(PURGE_SECRET_READS, p_older_than=older_than, p_limit=limit))

    async def list_secrets(self, after: UUID | None, limit: int) -> list[SecretRow]:
        """Return a page of all stored keys, ordered by secret id."""
        rows = await self._db.call(LIST_SECRETS, p_after=after, p_limit=limit)
        return [
            SecretRow(row["secret_id"], StoredKey(row["business_id"], row["provider"], row["sealed_key"]))
            for row in rows
        ]

    async def count_secrets(self) -> int:
        """Return the number of stored keys."""
        return int(await self._db.call_value(COUNT_SECRETS))

    async def replace_secret(self, secret_id: UUID, old_sealed_key: str, new_sealed_key: str) -> bool:
        """Compare and set; False when the stored key is no longer `old_sealed_key`."""
        return bool(
            await self._db.call_value(
                REPLACE_SECRET,
                p_secret_id=secret_id,
                p_old_sealed_key=old_sealed_key,
                p_new_sealed_key=new_sealed_key,
            )
        )
