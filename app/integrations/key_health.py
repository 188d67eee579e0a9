"""The scheduled check of every stored key: does the provider still accept it?

Every running instance does it; the database leases each check to one of them.
"""

from datetime import timedelta
from typing import Final
from uuid import UUID

import structlog
from prometheus_client import Counter

from app.background import RepeatedWarning, repeat
from app.errors import AppError
from app.integrations.service import IntegrationService
from app.security import Caller

log = structlog.get_logger(__name__)

_CALLER: Final = Caller("maintenance")
# At most one check a second and process, whatever the number of integrations: HeyGen limits calls.
_BATCH: Final = 10
_POLL_SECONDS: Final = 10.0
# A check that ends without a verdict, or with its process, is repeated when its lease ends.
_LEASE: Final = timedelta(minutes=30)
_CONFIRM_AFTER: Final = timedelta(minutes=5)

_checks = Counter("ai_avatar_key_checks_total", "Scheduled checks of stored keys", ["outcome"])


class KeyHealth:
    """One task per process."""

    def __init__(self, integrations: IntegrationService, period: timedelta) -> None:
        """`period`: how often each key is checked, about; zero for never."""
        self._integrations = integrations
        self._period = period
        self._interrupted = RepeatedWarning("key_checks_interrupted")

    async def run(self) -> None:
        """Check keys until cancelled."""
        if self._period:
            await repeat(self.check_due, _POLL_SECONDS, self._interrupted, "key_checks_failed")

    async def check_due(self) -> int:
        """Check a batch of the keys that are due; return how many."""
        due = await self._integrations.repository.lease_key_checks(self._period, _LEASE, _BATCH)
        for business_id, provider in due:
            try:
                outcome = await self._check(business_id, provider)
            except AppError as error:
                log.info("key_not_checked", business_id=str(business_id), provider=provider, code=error.code)
                outcome = "no_verdict"
            _checks.labels(outcome).inc()
            if outcome in ("rejected", "unconfirmed"):
                log.warning(
                    "provider_rejects_key",
                    business_id=str(business_id),
                    provider=provider,
                    confirmed=outcome == "rejected",
                )
        return len(due)

    async def _check(self, business_id: UUID, provider: str) -> str:
        stored = await self._integrations.read_key(_CALLER, business_id, provider, "scheduled_check")
        accepted = await self._integrations.is_accepted(stored)
        return await self._integrations.repository.record_scheduled_key_check(
            stored, accepted=accepted, period=self._period, confirm_after=_CONFIRM_AFTER
        )
