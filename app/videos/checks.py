"""Asking the provider for videos: for n8n, for a fresh link, and when n8n has not reported the end of a paid one.

Every running instance looks for videos that were not reported; the database leases each question to one of them.
"""

import asyncio
from typing import Final
from uuid import UUID, uuid4

import structlog
from prometheus_client import Counter

from app.background import RepeatedWarning, repeat
from app.errors import AppError, GenerationClosed, ProviderNotFound
from app.integrations.service import IntegrationService
from app.providers.base import Provider, Video
from app.security import Caller
from app.videos.repository import GenerationRepository
from app.videos.state import GenerationState, Report

log = structlog.get_logger(__name__)

_CALLER: Final = Caller("maintenance")
_BATCH: Final = 20
_POLL_SECONDS: Final = 5.0

_checks = Counter(
    "ai_avatar_video_checks_total", "Questions for videos whose end n8n did not report", ["outcome"]
)


class VideoChecks:
    """One per process: the question, and the task that asks it for videos past their deadline."""

    def __init__(self, generations: GenerationRepository, integrations: IntegrationService) -> None:
        self._generations = generations
        self._integrations = integrations
        self._interrupted = RepeatedWarning("video_checks_interrupted")

    async def run(self) -> None:
        """Check videos until cancelled."""
        await repeat(self._check_all_due, _POLL_SECONDS, self._interrupted, "video_checks_failed")

    async def _check_all_due(self) -> None:
        while await self.check_due() == _BATCH:
            pass

    async def check_due(self) -> int:
        """Ask for a batch of the videos that are due, all at once; return how many."""
        token = uuid4()
        due = await self._generations.lease_video_checks(_BATCH, token)
        await asyncio.gather(*(self._check_late(generation, token) for generation in due))
        return len(due)

    async def _check_late(self, generation: GenerationState, token: UUID) -> None:
        try:
            outcome: str = (await self.check(_CALLER, generation, "check_video", token)).status
        except ProviderNotFound:
            await self._generations.end_video_checks(generation.id, token)
            outcome = "not_found"
        except AppError as error:
            log.info("video_not_checked", generation_id=str(generation.id), code=error.code)
            outcome = "no_answer"
        _checks.labels(outcome).inc()
        if outcome == "completed":
            log.info("unreported_video_found", generation_id=str(generation.id))

    async def check(
        self, caller: Caller, generation: GenerationState, purpose: str, token: UUID | None = None
    ) -> GenerationState:
        """Ask the provider how the video is, and update the generation; a completed one gets a fresh link.

        `token`: of the lease under which the provider is asked. Return the generation as it is where the answer can
        change nothing. Raises ProviderError, or IntegrationNotFound without the key to ask with.
        """
        if generation.video_id is None or not _can_change(generation):
            return generation
        video_id = generation.video_id

        async def ask(client: Provider, api_key: str) -> Video:
            return await client.get_video(api_key, video_id)

        stored = await self._integrations.read_key(
            caller, generation.business_id, generation.provider, purpose
        )
        video = await self._integrations.use_key(stored, ask)
        if generation.status == "completed":
            if video.video_url is None:
                return generation
            return await self._generations.refresh_video_url(generation.id, video)
        try:
            after = await self._generations.report_generation(
                generation.provider, Report.of(video), generation_id=generation.id
            )
        except GenerationClosed:  # cancelled meanwhile
            return await self._generations.get_generation(generation.id)
        if token is not None and video.status == "failed" and not after.is_live:
            await self._generations.end_video_checks(generation.id, token)
        return after

    async def refresh(self, caller: Caller, generation: GenerationState) -> GenerationState:
        """As `check`, for a fresh link, unless the provider was asked less than a minute ago."""
        token = uuid4()
        for leased in await self._generations.lease_video_checks(1, token, generation.id):
            return await self.check(caller, leased, "refresh_video_url", token)
        return generation


def _can_change(generation: GenerationState) -> bool:
    """Return whether the provider's answer can change it: a failure that was reported or cancelled stays."""
    return generation.status != "failed" or generation.ended_by == "webhook"
