"""Readiness: the database has what this build needs, and SECRETS_KEYS opens the keys stored in it.

Other bytes under a known key id would not be noticed otherwise: keys saved with them are lost with the right ones. One
stored key that does not open proves nothing, because users may store any text: a sealing key is wrong if it opens none
of the latest ones that a back end stored.
"""

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, Final
from uuid import UUID

import asyncpg

from app.db import INTEGER, Database, SqlFunction
from app.errors import DatabaseUnavailable, NotReady
from app.sealing import KeyRing, SealError

# The revision that this build needs. The clean-up of the legacy columns comes after it and may wait.
REQUIRED_REVISION: Final = "20261124212545"

_NO_GRANTS: Final = (
    "DATABASE_URL has the wrong role: it lacks the service's rights. Run `grant ai_avatar_service to <role>`, as the "
    "owner."
)
_SAMPLES: Final = 20
_CACHE_SECONDS: Final = 60.0

GET_READINESS: Final = SqlFunction("ai_avatar.get_readiness", {"p_samples": INTEGER}, ("revision", "samples"))


class Readiness:
    """Checks the database and the sealing keys, in one database call."""

    def __init__(self, db: Database, ring: KeyRing | None) -> None:
        """`ring` None: SECRETS_KEYS is not set."""
        self._db = db
        self._ring = ring
        self._wrong_keys: dict[str, str] = {}
        self._checked_until = 0.0

    async def check(self) -> str:
        """Return the database's revision. Raises NotReady, with the cause, or what `Database.call` raises.

        The verdict on the sealing keys is cached for a minute.
        """
        is_cached = time.monotonic() < self._checked_until
        try:
            revision = await self._ask(samples=0 if is_cached else _SAMPLES)
        except NotReady as error:
            if isinstance(error.__cause__, asyncpg.InsufficientPrivilegeError):
                raise NotReady(_NO_GRANTS) from None
            revision = None
        except DatabaseUnavailable as error:
            raise self._db.explain(error) from None
        if self._db.outages.read_only:
            raise DatabaseUnavailable(self._db.outages.read_only)
        if revision is None or revision < REQUIRED_REVISION:
            raise NotReady(
                f"The database has revision {revision or 'none'}; this build needs {REQUIRED_REVISION}: "
                "run `ai-avatar migrate`, as the owner."
            )
        if self._wrong_keys:
            raise NotReady(" ".join(self._wrong_keys.values()))
        return revision

    async def find_wrong_keys(self) -> Mapping[str, str]:
        """Return the ids of sealing keys that open none of the keys sealed under them, each with a sentence for people.

        Raises what `Database.call` raises.
        """
        await self._ask(samples=_SAMPLES)
        return self._wrong_keys

    async def _ask(self, *, samples: int) -> str | None:
        row = await self._db.call_one(GET_READINESS, p_samples=samples)
        assert row
        if samples:
            self._wrong_keys = _find_wrong_keys(self._ring, row["samples"])
            self._checked_until = time.monotonic() + _CACHE_SECONDS
        revision: str | None = row["revision"]
        return revision


def _find_wrong_keys(ring: KeyRing | None, samples: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    by_key_id = defaultdict(list)
    for sample in samples:
        by_key_id[sample["sealing_key_id"]].append(sample)
    wrong = {}
    for key_id, sealed in by_key_id.items():
        if ring is None or key_id not in ring:
            wrong[key_id] = f"SECRETS_KEYS has no key with the id {key_id!r}, but stored API keys need it."
        elif not any(_opens(ring, sample) for sample in sealed):
            wrong[key_id] = (
                f"The key {key_id!r} in SECRETS_KEYS is not the one that sealed the stored API keys: it opens none "
                f"of the latest {len(sealed)}."
            )
    return wrong


def _opens(ring: KeyRing, sample: Mapping[str, Any]) -> bool:
    try:
        ring.open(sample["sealed_key"], UUID(sample["business_id"]), sample["provider"])
    except SealError:
        return False
    return True
