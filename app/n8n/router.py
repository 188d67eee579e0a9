"""`/n8n/*`: what workflows ask for, and what they report."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Response

from app.dependencies import provided
from app.errors import NotFound
from app.integrations.service import KeyCipher
from app.n8n.broker import Broker
from app.n8n.repository import ClaimRepository
from app.n8n.schemas import BrokerRequest, Credentials, CredentialsRequest, StatusReport
from app.openapi import responses
from app.providers import PROVIDERS
from app.providers.options import flatten_options
from app.routing import JsonRoute
from app.security import N8nCaller
from app.videos.repository import GenerationRepository
from app.videos.schemas import Generation

router = APIRouter(prefix="/n8n", tags=["n8n"], route_class=JsonRoute)


async def _provider(
    provider: Annotated[str, Path(json_schema_extra={"enum": list(PROVIDERS)}, examples=["heygen"])],
) -> str:
    if provider not in PROVIDERS:
        raise NotFound
    return provider


ProviderInPath = Annotated[str, Depends(_provider)]

BrokerDep = Annotated[Broker, provided(Broker)]
ClaimRepositoryDep = Annotated[ClaimRepository, provided(ClaimRepository)]
GenerationRepositoryDep = Annotated[GenerationRepository, provided(GenerationRepository)]
KeyCipherDep = Annotated[KeyCipher, provided(KeyCipher)]


@router.post("/{provider}-credentials", responses=responses(404, 409, 410))
async def issue_credentials(
    caller: N8nCaller,
    provider: ProviderInPath,
    body: CredentialsRequest,
    claims: ClaimRepositoryDep,
    keys: KeyCipherDep,
    response: Response,
) -> Credentials:
    """Hand out the active integration with its key, and claim the generation for this execution.

    The same execution may ask again; another one, or one without an id, gets 409 and should end silently: n8n can
    run one webhook twice, and only one of the two may go on. 410 says that the generation is over.
    """
    claimed = await claims.claim_credentials(
        caller,
        "issue_credentials",
        provider,
        business_id=body.business_id,
        generation_id=body.generation_id,
        execution_id=body.execution_id,
    )
    response.headers["Cache-Control"] = "no-store"
    return Credentials(
        business_id=claimed.stored.business_id,
        provider=claimed.stored.provider,
        api_key=keys.open(claimed.stored),
        avatar_id=claimed.avatar_id,
        voice_id=claimed.voice_id,
        provider_config=flatten_options(claimed.provider_config),
    )


@router.post("/{provider}-status", response_model=Generation, responses=responses(404, 409, 410))
async def report_status(
    _caller: N8nCaller, provider: ProviderInPath, body: StatusReport, generations: GenerationRepositoryDep
) -> Generation:
    """Report how a generation goes: `processing` with `video_id`, then `completed` with `video_url` or `failed`.

    The same report twice, and one that would go backwards, change nothing. 409 and 410: end silently.
    """
    return await generations.report_generation(
        provider, body.report(), generation_id=body.generation_id, content_id=body.content_id
    )


@router.post("/{provider}/videos", response_model=Generation, responses=responses(404, 409, 410, 429, 502))
async def create_provider_video(
    caller: N8nCaller, provider: ProviderInPath, body: BrokerRequest, broker: BrokerDep
) -> Generation:
    """Broker mode: have the service call the provider, so that the key never enters n8n.

    Claims as the credentials do; a second call of the same execution returns the same video.
    """
    return await broker.create_video(caller, provider, body)


@router.get(
    "/{provider}/videos/{generation_id}", response_model=Generation, responses=responses(404, 429, 502)
)
async def get_provider_video(
    caller: N8nCaller, provider: ProviderInPath, generation_id: UUID, broker: BrokerDep
) -> Generation:
    """Broker mode: ask the provider how the video is, and move the generation on."""
    return await broker.get_video(caller, provider, generation_id)
