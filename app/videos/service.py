"""A generation from the request to n8n's answer, and what the provider says of its video."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

import structlog
from prometheus_client import Counter

from app.admission import waiting_outside
from app.background import ShieldedTasks, retrying_outages
from app.errors import (
    AppError,
    GenerationNotFound,
    IntegrationNotActive,
    IntegrationNotConfigured,
    WebhookFailed,
    WebhookNotConfigured,
    WebhookTimeout,
)
from app.integrations.service import IntegrationService
from app.providers import PROVIDERS
from app.security import Caller
from app.videos.checks import VideoChecks
from app.videos.repository import GenerationRepository
from app.videos.schemas import GenerateVideo
from app.videos.state import GenerationState, StartedGeneration
from app.videos.webhook import Job, WebhookClient, WebhookError, WebhookTimeoutError

log = structlog.get_logger(__name__)

# Providers' links expire after 7 days.
_URL_FRESH: Final = timedelta(days=6)
# How long a reader waits for a provider that does not respond.
_REFRESH_SECONDS: Final = 5.0
# As long as a generation may be dispatching beyond the webhook's budget: later, its deadline has passed.
_RETRY_SECONDS: Final = 30.0

# How often a replay asks whether n8n has answered: a dozen times in the default 15 seconds.
_FIRST_REPLAY_PAUSE: Final = 0.1
_LONGEST_REPLAY_PAUSE: Final = 2.0
_dispatches = Counter(
    "ai_avatar_dispatches_total", "Generations started, by what became of the webhook", ["outcome"]
)


class VideoService:
    """The generations, the webhook and the providers brought together."""

    def __init__(
        self,
        repository: GenerationRepository,
        integrations: IntegrationService,
        checks: VideoChecks,
        webhook: WebhookClient,
        webhook_urls: Mapping[str, str],
        tasks: ShieldedTasks,
        *,
        webhook_timeout: float,
    ) -> None:
        """`webhook_urls`: by provider, those that are configured. `webhook_timeout`: seconds, for all attempts."""
        self.repository = repository
        self._integrations = integrations
        self._checks = checks
        self._webhook = webhook
        self._webhook_urls = webhook_urls
        self._tasks = tasks
        self._webhook_timeout = webhook_timeout

    async def generate(
        self, caller: Caller, business_id: UUID, body: GenerateVideo, idempotency_key: str | None
    ) -> tuple[GenerationState, bool]:
        """Starts a generation and hands it to n8n; returns whether it is a replay of an earlier one.

        Raises WebhookNotConfigured, WebhookFailed, WebhookTimeout and what `start_generation` raises; the content
        is then what it was.
        """
        webhook_url = self._webhook_urls.get(body.provider)
        if webhook_url is None:
            raise WebhookNotConfigured
        generation, replayed = await self._tasks.run_shielded(
            self._generate(caller, business_id, body, idempotency_key, webhook_url)
        )
        return (await self._await_dispatch(generation) if replayed else generation), replayed

    async def _generate(
        self,
        caller: Caller,
        business_id: UUID,
        body: GenerateVideo,
        idempotency_key: str | None,
        webhook_url: str,
    ) -> tuple[GenerationState, bool]:
        title = PROVIDERS[body.provider].title
        try:
            try:
                started = await self._start(business_id, body, idempotency_key)
            except IntegrationNotActive:
                await self._integrations.reactivate(caller, business_id, body.provider, title)
                started = await self._start(business_id, body, idempotency_key)
        except IntegrationNotConfigured as error:
            raise IntegrationNotConfigured(
                f"{title} AI avatar integration not configured. Please set up your {title} integration first."
            ) from error
        if started.is_replay:
            return await self.repository.get_generation(started.id), True
        job = Job(started.id, business_id, body.content_id, started.script)
        return await self._dispatch(job, webhook_url), False

    async def _start(
        self, business_id: UUID, body: GenerateVideo, idempotency_key: str | None
    ) -> StartedGeneration:
        return await self.repository.start_generation(
            business_id,
            body.content_id,
            body.provider,
            body.script,
            idempotency_key,
            body.fingerprint(business_id),
        )

    async def _await_dispatch(self, generation: GenerationState) -> GenerationState:
        """Return a replayed generation once n8n has answered the request that started it, or the wait is over.

        That request may run in another process, so the database is asked, less and less often. Raises what that
        request raised if the generation was rolled back.
        """
        now = asyncio.get_running_loop().time
        deadline, pause = now() + self._webhook_timeout, _FIRST_REPLAY_PAUSE
        while generation.status == "dispatching" and (left := deadline - now()) > 0:
            with waiting_outside():
                await asyncio.sleep(min(pause, left))
            pause = min(pause * 1.5, _LONGEST_REPLAY_PAUSE)
            generation = await self.repository.get_generation(generation.id)
        if generation.ended_by == "webhook":
            raise _webhook_failure(
                generation.id, generation.error or "", timed_out=generation.webhook_timed_out
            )
        return generation

    async def _dispatch(self, job: Job, webhook_url: str) -> GenerationState:
        try:
            await self._webhook.send(webhook_url, job)
        except WebhookError as error:
            return await self._roll_back(job.generation_id, error)
        except Exception as error:  # whatever it was: the content item must not stay `processing`
            log.exception("dispatch_failed", generation_id=str(job.generation_id))
            return await self._roll_back(
                job.generation_id, WebhookError(f"unexpected {type(error).__name__}")
            )
        _dispatches.labels("taken").inc()
        return await retrying_outages(_RETRY_SECONDS)(self.repository.confirm_dispatch, job.generation_id)

    async def _roll_back(self, generation_id: UUID, error: WebhookError) -> GenerationState:
        timed_out = isinstance(error, WebhookTimeoutError)
        now = await retrying_outages(_RETRY_SECONDS)(
            self.repository.roll_back_dispatch, generation_id, str(error), timed_out=timed_out
        )
        if not now.is_live and now.ended_by != "report":
            _dispatches.labels("rolled_back").inc()
            raise _webhook_failure(generation_id, str(error), timed_out=timed_out) from error
        # n8n has claimed or reported meanwhile: whatever became of its answer, the job runs.
        _dispatches.labels("taken").inc()
        return now

    async def get(
        self, caller: Caller, business_id: UUID | None, content_id: UUID, generation_id: UUID | None
    ) -> GenerationState:
        """Return this generation of a content item, or the latest, with a link that still works.

        Raises GenerationNotFound.
        """
        if generation_id is None:
            generation = await self.repository.get_latest_generation(business_id, content_id)
        else:
            generation = await self.repository.get_generation(generation_id)
            if not generation.is_visible_to(business_id, content_id):
                raise GenerationNotFound
        if (
            generation.video_id is None
            or generation.video_url_at is None
            or datetime.now(UTC) - generation.video_url_at < _URL_FRESH
        ):
            return generation
        try:
            async with asyncio.timeout(_REFRESH_SECONDS):
                return await self._checks.refresh(caller, generation)
        except (AppError, TimeoutError) as error:
            # The old link may be dead; the rest of the answer is not.
            log.warning(
                "video_url_not_refreshed", generation_id=str(generation.id), error=type(error).__name__
            )
            return generation


def _webhook_failure(generation_id: UUID, reason: str, *, timed_out: bool) -> AppError:
    failure: type[AppError] = WebhookTimeout if timed_out else WebhookFailed
    # The one line that the log has of it.
    return failure(f"Failed to trigger video generation: {reason}", reason=f"generation {generation_id}")
