"""What no request does: ending generations that went silent, and trimming the audit trail.

Every running instance does it; the database sees to it that none is in another's way.
"""

import asyncio
import random
import time
from datetime import timedelta
from typing import Final

import structlog
from prometheus_client import Counter

from app.errors import AppError
from app.integrations.repository import IntegrationRepository
from app.videos.repository import GenerationRepository

log = structlog.get_logger(__name__)

_BATCH: Final = 50
_PURGE_PERIOD_SECONDS: Final = 3600.0
_PURGE_BATCH: Final = 1000

_expired = Counter("ai_avatar_generations_expired_total", "Generations that went past their deadline")


class Maintenance:
    """One task per process."""

    period_seconds = 5.0

    def __init__(
        self, generations: GenerationRepository, integrations: IntegrationRepository, retention: timedelta
    ) -> None:
        """`retention`: how long ai_avatar.secret_reads is kept."""
        self._generations = generations
        self._integrations = integrations
        self._retention = retention
        self._purged_at = -float("inf")

    async def run(self) -> None:
        """Goes on until it is cancelled; a fault is logged and tried again."""
        while True:
            try:
                await self.expire()
                if time.monotonic() - self._purged_at > _PURGE_PERIOD_SECONDS:
                    await self.purge()
                    self._purged_at = time.monotonic()
            except AppError as error:
                log.warning("recovery_interrupted", code=error.code)
            except Exception:
                log.exception("recovery_failed")
            # Jitter: instances that were started together should not ask together.
            await asyncio.sleep(self.period_seconds * random.uniform(0.5, 1.5))  # noqa: S311

    async def expire(self) -> int:
        """Ends all that is past its deadline, batch by batch; returns how many."""
        total = 0
        while True:
            expired = await self._generations.expire_generations(_BATCH)
            for generation in expired:
                log.warning(
                    "generation_expired",
                    generation_id=str(generation.id),
                    content_id=str(generation.content_id),
                )
            _expired.inc(len(expired))
            total += len(expired)
            if len(expired) < _BATCH:
                return total

    async def purge(self) -> int:
        """Deletes what is older than the retention, batch by batch; returns how many."""
        total = 0
        while True:
            deleted = await self._integrations.purge_secret_reads(self._retention, _PURGE_BATCH)
            total += deleted
            if deleted < _PURGE_BATCH:
                return total
