"""What no request does: ending generations that went silent, and trimming the audit trail.

Every running instance does it; the database sees to it that none is in another's way.
"""

import time
from datetime import timedelta
from typing import Final

import structlog
from prometheus_client import Counter

from app.background import RepeatedWarning, repeat
from app.errors import AppError
from app.integrations.secret_repository import SecretRepository
from app.videos.repository import GenerationRepository
from app.videos.state import GenerationState

log = structlog.get_logger(__name__)

_BATCH: Final = 50
# For one generation, whose content item may have slow triggers.
_ONE_SECONDS: Final = 2.0
_PURGE_PERIOD_SECONDS: Final = 3600.0
_PURGE_BATCH: Final = 1000

_expired = Counter("ai_avatar_generations_expired_total", "Generations that went past their deadline")


class Maintenance:
    """One task per process."""

    period_seconds = 5.0

    def __init__(
        self, generations: GenerationRepository, secrets: SecretRepository, retention: timedelta
    ) -> None:
        """`retention`: how long ai_avatar.secret_reads is kept."""
        self._generations = generations
        self._secrets = secrets
        self._retention = retention
        self._purged_at = -float("inf")
        self._interrupted = RepeatedWarning("recovery_interrupted")
        self._not_expired = RepeatedWarning("batch_not_expired")

    async def run(self) -> None:
        """Expire and purge until cancelled."""
        await repeat(self._recover, self.period_seconds, self._interrupted, "recovery_failed")

    async def _recover(self) -> None:
        await self.expire()
        if time.monotonic() - self._purged_at > _PURGE_PERIOD_SECONDS:
            await self.purge()
            self._purged_at = time.monotonic()

    async def expire(self) -> int:
        """Ends all that is past its deadline, batch by batch; returns how many."""
        total = 0
        while True:
            try:
                expired = await self._generations.expire_generations(_BATCH)
            except Exception as error:
                self._not_expired.note(error.code if isinstance(error, AppError) else type(error).__name__)
                return total + await self._expire_each()
            self._not_expired.end()
            for generation in expired:
                _note_expired(generation)
            total += len(expired)
            if len(expired) < _BATCH:
                return total

    async def _expire_each(self) -> int:
        """One call for each generation, so that one that fails or takes too long does not stop the others.

        The usual cause is a trigger of the application on the content item, so that is not touched the second time.
        """
        total = 0
        for generation_id in await self._generations.list_overdue_generations(_BATCH):
            for touch_content in (True, False):
                try:
                    generation = await self._generations.expire_generation(
                        generation_id, touch_content=touch_content, seconds=_ONE_SECONDS
                    )
                except Exception as error:
                    log.warning(
                        "generation_not_expired",
                        generation_id=str(generation_id),
                        touch_content=touch_content,
                        error=type(error).__name__,
                    )
                    continue
                if generation is not None:
                    _note_expired(generation)
                    total += 1
                break
        return total

    async def purge(self) -> int:
        """Deletes what is older than the retention, batch by batch; returns how many."""
        total = 0
        while True:
            deleted = await self._secrets.purge_secret_reads(self._retention, _PURGE_BATCH)
            total += deleted
            if deleted < _PURGE_BATCH:
                return total


def _note_expired(generation: GenerationState) -> None:
    _expired.inc()
    log.warning("generation_expired", generation_id=str(generation.id), content_id=str(generation.content_id))
