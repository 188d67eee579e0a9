"""`ai-avatar secrets rotate`: every stored key sealed again with the newest key, while the service runs."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from app.errors import LockTimeout
from app.integrations.secret_repository import SecretRepository, SecretRow
from app.sealing import KeyRing, SealError, is_sealed, sealing_key_id

_BATCH: Final = 100


@dataclass(slots=True)
class RotationResult:
    """The counts of one run; `left` gives the reason for each key that was left as it is."""

    rotated: int = 0
    current: int = 0
    changed_meanwhile: int = 0
    plain: int = 0
    left: list[str] = field(default_factory=list)


async def rotate(
    secrets: SecretRepository, ring: KeyRing, *, from_vault: bool, progress: Callable[[], None]
) -> RotationResult:
    """Seal every key that is not sealed with the newest key; with `from_vault`, also plain keys of a real vault.

    Can be interrupted and run again: what is sealed with the newest key is passed over. `progress` is called
    once for each key.
    """
    result = RotationResult()
    after = None
    while rows := await secrets.list_secrets(after, _BATCH):
        for row in rows:
            await _rotate_one(secrets, ring, row, result, from_vault=from_vault)
            progress()
        after = rows[-1].secret_id
    return result


async def _rotate_one(
    secrets: SecretRepository,
    ring: KeyRing,
    row: SecretRow,
    result: RotationResult,
    *,
    from_vault: bool,
) -> None:
    stored = row.stored
    if not is_sealed(stored.sealed_key):
        if not from_vault:
            result.plain += 1
            return
        api_key = stored.sealed_key
    else:
        try:
            api_key = ring.open(stored.sealed_key, stored.business_id, stored.provider)
        except SealError as error:
            result.left.append(f"business {stored.business_id}, {stored.provider}: {error}")
            return
        if sealing_key_id(stored.sealed_key) == ring.newest:
            result.current += 1
            return
    sealed_key = ring.seal(api_key, stored.business_id, stored.provider)
    try:
        is_replaced = await secrets.replace_secret(row.secret_id, stored.sealed_key, sealed_key)
    except LockTimeout:
        result.left.append(
            f"business {stored.business_id}, {stored.provider}: another transaction holds it; run this again"
        )
        return
    if is_replaced:
        result.rotated += 1
    else:
        result.changed_meanwhile += 1  # saved a moment ago, and so sealed with the service's newest key
