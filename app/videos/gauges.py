"""Gauges of what is in the database: read every few seconds, so that a scrape of the metrics costs no call."""

from typing import Final

import structlog
from prometheus_client import Gauge

from app.background import RepeatedWarning, repeat
from app.db import Database
from app.videos.repository import GenerationRepository

log = structlog.get_logger(__name__)

_PERIOD_SECONDS: Final = 5.0
_LIVE: Final = ("dispatching", "processing")

# Every process reads the same figures: the latest counts.
_generations = Gauge(
    "ai_avatar_generations_live", "Live generations", ["status"], multiprocess_mode="livemostrecent"
)
_oldest_seconds = Gauge(
    "ai_avatar_generations_oldest_live_seconds",
    "Age of the oldest live generation; 0 if there is none",
    ["status"],
    multiprocess_mode="livemostrecent",
)


class Gauges:
    """One task per process."""

    def __init__(self, generations: GenerationRepository, db: Database) -> None:
        self._generations = generations
        self._db = db
        self._failed = RepeatedWarning("gauges_not_read")

    async def run(self) -> None:
        """Set the gauges until cancelled; while the database cannot be asked, they keep their values."""
        await repeat(self.read, _PERIOD_SECONDS, self._failed, "gauges_not_read")

    async def read(self) -> None:
        """Set the gauges once."""
        self._db.note_use()
        live = await self._generations.count_live_generations()
        for status in _LIVE:
            count, oldest_seconds = live.get(status, (0, 0.0))
            _generations.labels(status).set(count)
            _oldest_seconds.labels(status).set(oldest_seconds)
