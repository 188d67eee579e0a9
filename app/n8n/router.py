"""`/n8n/*`: what workflows ask for, and what they report."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path

from app.admission import enter_business
from app.dependencies import provided
from app.errors import (
    PROVIDER_FAILURES,
    ApiKeyRejected,
    AvatarNotConfigured,
    GenerationAlreadyClaimed,
    GenerationClosed,
    GenerationNotFound,
    IntegrationNotActiveInWorkflow,
    IntegrationNotFound,
    KeyNotAvailable,
    NotFound,
)
from app.integrations.service import KeyCipher
from app.n8n.broker import Broker
from app.n8n.repository import ClaimRepository
from app.n8n.schemas import BrokerRequest, Credentials, CredentialsRequest, StatusReport
from app.openapi_problems import problems
from app.providers import PROVIDERS
from app.providers.options import flatten_options
from app.routing import JsonRoute, JsonText
from app.security import N8nCaller
from app.videos.repository import GenerationRepository
from app.videos.schemas import Generation

router = APIRouter(prefix="/n8n", tags=["n8n"], route_class=JsonRoute)


async def _provider(
    provider: Annotated[str, Path(json_schema_extra={"enum": list(PROVIDERS)})],
) -> str:
    if provider not in PROVIDERS:
        raise NotFound
    return provider


_CLAIM_FAILURES = (
    NotFound,
    IntegrationNotFound,
    IntegrationNotActiveInWorkflow,
    GenerationNotFound,
    GenerationAlreadyClaimed,
    GenerationClosed,
)

ProviderInPath = Annotated[str, Depends(_provider)]

BrokerDep = Annotated[Broker, provided(Broker)]
ClaimRepositoryDep = Annotated[ClaimRepository, provided(ClaimRepository)]
GenerationRepositoryDep = Annotated[GenerationRepository, provided(GenerationRepository)]
KeyCipherDep = Annotated[KeyCipher, provided(KeyCipher)]


@router.post("/{provider}-credentials", responses=problems(*_CLAIM_FAILURES, KeyNotAvailable))
async def issue_credentials(
    caller: N8nCaller,
    provider: ProviderInPath,
    body: CredentialsRequest,
    claims: ClaimRepositoryDep,
    keys: KeyCipherDep,
) -> Credentials:
    """Return the active integration with its key, and claim the generation for this execution.

    The same execution may ask again; another one, or one without an id, gets 409 and should end silently: n8n can
    run one webhook twice, and only one of the two may go on. 410 says that the generation is over.
    """
    await enter_business(body.business_id)
    claimed = await claims.claim_credentials(
        caller,
        "issue_credentials",
        provider,
        business_id=body.business_id,
        generation_id=body.generation_id,
        execution_id=body.execution_id,
    )
    return Credentials(
        business_id=claimed.stored.business_id,
        provider=claimed.stored.provider,
        api_key=keys.open(claimed.stored),
        avatar_id=claimed.avatar_id,
        voice_id=claimed.voice_id,
        provider_config=flatten_options(claimed.provider_config),
    )


@router.post(
    "/{provider}-status",
    response_model=Generation,
    responses=problems(NotFound, GenerationNotFound, GenerationAlreadyClaimed, GenerationClosed),
)
async def report_status(
    _caller: N8nCaller, provider: ProviderInPath, body: StatusReport, generations: GenerationRepositoryDep
) -> JsonText:
    """Report the progress of a generation.

    `processing` comes with `video_id`, then `completed` with `video_url`, or `failed` with `error`. The same report
    twice, and one that would go backwards, change nothing. 409 and 410: end silently.
    """
    # Which business's it is only the database knows.
    await enter_business(body.generation_id or body.content_id)
    generation = await generations.report_generation(
        provider, body.report(), generation_id=body.generation_id, content_id=body.content_id
    )
    return JsonText(generation.json)


@router.post(
    "/{provider}/videos",
    response_model=Generation,
    responses=problems(
        *_CLAIM_FAILURES, AvatarNotConfigured, ApiKeyRejected, KeyNotAvailable, *PROVIDER_FAILURES
    ),
)
async def create_provider_video(
    caller: N8nCaller, provider: ProviderInPath, body: BrokerRequest, broker: BrokerDep
) -> JsonText:
    """Have the service request a generation's video from the provider.

    Broker mode: the key never enters n8n. Claims as the credentials do; a second call of the same execution returns
    the same video.
    """
    await enter_business(body.generation_id)
    return JsonText((await broker.create_video(caller, provider, body)).json)


@router.get(
    "/{provider}/videos/{generation_id}",
    response_model=Generation,
    responses=problems(
        NotFound, GenerationNotFound, IntegrationNotFound, ApiKeyRejected, KeyNotAvailable, *PROVIDER_FAILURES
    ),
)
async def get_provider_video(
    caller: N8nCaller, provider: ProviderInPath, generation_id: UUID, broker: BrokerDep
) -> JsonText:
    """Ask the provider how a generation's video is, and move the generation on.

    Broker mode: poll this until the generation has ended.
    """
    await enter_business(generation_id)
    return JsonText((await broker.get_video(caller, provider, generation_id)).json)
