"""Broker mode: the service calls the provider for n8n, so that the key never enters n8n."""

import asyncio
import itertools
from datetime import timedelta
from typing import Final
from uuid import UUID, uuid4

import structlog

from app.admission import waiting_outside
from app.background import ShieldedTasks, retrying_outages
from app.errors import (
    AvatarNotConfigured,
    GenerationNotFound,
    ProviderError,
    ProviderRejected,
    ProviderUnavailable,
    ProviderUnexpectedAnswer,
)
from app.http import Backoff, Retry
from app.integrations.service import IntegrationService
from app.n8n.repository import ClaimedCredentials, ClaimRepository
from app.n8n.schemas import BrokerRequest
from app.providers import PROVIDERS
from app.providers.base import Provider, ProviderSpec, Video
from app.providers.options import check_options, flatten_options
from app.security import Caller
from app.videos.checks import VideoChecks
from app.videos.repository import GenerationRepository
from app.videos.state import GenerationState, Report

log = structlog.get_logger(__name__)

# Longer than a create may take (app.providers.heygen), and a database call before it.
_CREATE_LEASE: Final = timedelta(seconds=45)
# For so long, a call waits for another one, or repeats a request whose outcome is unknown.
_WAIT_SECONDS: Final = 10.0
_BACKOFF: Final = Backoff(first=0.5, longest=2.0)
# How long a database call is retried: before the request to the provider, and after it.
_RESERVE_SECONDS: Final = 15.0
_RETRY_SECONDS: Final = 60.0


def _unknown_outcome(spec: ProviderSpec, generation_id: UUID) -> str:
    """Return what people can do where only the provider's own list tells whether there is a video."""
    which = f'one whose name ends with "{generation_id}"' if spec.names_videos else "one of this time"
    return (
        f"It is not known whether {spec.title} makes this video. It is not asked again, because that could be billed "
        f"twice: look for {which} in the list of videos at {spec.title}."
    )


class Broker:
    """Creates and follows videos at the provider, and moves their generations on."""

    def __init__(
        self,
        claims: ClaimRepository,
        generations: GenerationRepository,
        integrations: IntegrationService,
        checks: VideoChecks,
        tasks: ShieldedTasks,
    ) -> None:
        self._claims = claims
        self._generations = generations
        self._integrations = integrations
        self._checks = checks
        self._tasks = tasks

    async def create_video(self, caller: Caller, provider: str, body: BrokerRequest) -> GenerationState:
        """Claims the generation and asks the provider for its video; a second call gets the same video.

        Raises what `claim_credentials` raises, AvatarNotConfigured, or ProviderError: ProviderUnavailable while
        another call is asking, and while the same execution can still find out whether its request was successful.
        docs/decisions/0003-a-create-is-repeated-only-with-a-guarantee.md
        """
        check_options(PROVIDERS[provider].options, body.provider_options, "body.provider_options")
        claimed = await self._claims.claim_credentials(
            caller, "create_video", provider, generation_id=body.generation_id, execution_id=body.execution_id
        )
        if claimed.avatar_id is None and claimed.video_id is None:
            raise AvatarNotConfigured
        # use_key opens the key before a reservation is written: a create whose key does not open can be retried.
        return await self._tasks.run_shielded(
            self._integrations.use_key(
                claimed.stored,
                lambda client, api_key: self._create_once(client, api_key, provider, body, claimed),
            )
        )

    async def _create_once(
        self, client: Provider, api_key: str, provider: str, body: BrokerRequest, claimed: ClaimedCredentials
    ) -> GenerationState:
        now = asyncio.get_running_loop().time
        deadline = now() + _WAIT_SECONDS
        for failures in itertools.count(1):
            outcome = await self._attempt(client, api_key, provider, body, claimed)
            if not isinstance(outcome, Retry):
                return outcome
            pause = _BACKOFF.pause(failures, outcome.after)
            # Only what starts is limited: a request that the provider may have received is never given up.
            if now() + pause > deadline:
                raise outcome.error
            with waiting_outside():
                await asyncio.sleep(pause)
        raise AssertionError

    async def _attempt(
        self, client: Provider, api_key: str, provider: str, body: BrokerRequest, claimed: ClaimedCredentials
    ) -> GenerationState | Retry:
        """Request the video if no other call does. Return a Retry while its outcome can still become known."""
        token = uuid4()
        guarantee = PROVIDERS[provider].idempotent_create
        reservation = await retrying_outages(_RESERVE_SECONDS)(
            self._claims.reserve_create,
            body.generation_id,
            token,
            claimed.stored,
            lease=_CREATE_LEASE,
            repeat_within=guarantee,
        )
        if reservation == "settled":
            return await self._generations.get_generation(body.generation_id)
        if reservation == "pending":
            text = "Another call for this generation has requested the video and has no response yet."
            return Retry(ProviderUnavailable(provider, text, retry_after=15))
        if reservation == "unknown":
            raise ProviderUnexpectedAnswer(
                provider, _unknown_outcome(PROVIDERS[provider], body.generation_id)
            )
        try:
            video = await self._request_video(client, api_key, body, claimed)
        except ProviderError as error:
            await retrying_outages(_RETRY_SECONDS)(
                self._claims.release_create,
                body.generation_id,
                token,
                is_refused=not error.may_have_happened,
                error_code=error.provider_code if isinstance(error, ProviderRejected) else None,
            )
            if not error.may_have_happened:
                raise
            if guarantee is None:
                text = f"{error.detail} {_unknown_outcome(PROVIDERS[provider], body.generation_id)}"
                raise ProviderUnexpectedAnswer(provider, text) from None
            text = (
                f"{error.detail} It is not known whether a video is being made; repeat the call to find out."
            )
            return Retry(
                ProviderUnavailable(provider, text, retry_after=error.retry_after), error.retry_after
            )
        log.info("video_requested", generation_id=str(body.generation_id), video_id=video.video_id)
        # Paid for from here on: only this report knows the video's id.
        report = Report("processing", video_id=video.video_id, from_provider=True)
        return await retrying_outages(_RETRY_SECONDS)(
            self._generations.report_generation, provider, report, generation_id=body.generation_id
        )

    async def _request_video(
        self, client: Provider, api_key: str, body: BrokerRequest, claimed: ClaimedCredentials
    ) -> Video:
        assert claimed.script is not None
        assert claimed.avatar_id is not None
        return await client.create_video(
            api_key,
            idempotency_key=str(body.generation_id),
            script=claimed.script,
            avatar_id=claimed.avatar_id,
            voice_id=claimed.voice_id,
            title=body.title,
            options=flatten_options(claimed.provider_config) | flatten_options(body.provider_options),
        )

    async def get_video(self, caller: Caller, provider: str, generation_id: UUID) -> GenerationState:
        """Ask the provider how the video is, and update the generation. Raises GenerationNotFound or ProviderError."""
        generation = await self._generations.get_generation(generation_id)
        if generation.provider != provider:
            raise GenerationNotFound
        return await self._checks.check(caller, generation, "get_video")
