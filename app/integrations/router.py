"""`/integrations/ai-avatar`: a business's connections to its providers."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from pydantic import StringConstraints
from starlette.convertors import Convertor, register_url_convertor

from app.dependencies import provided
from app.errors import PROVIDER_FAILURES, ApiKeyRejected, IntegrationNotFound, KeyNotAvailable
from app.field_errors import NO_CONTROL_CHARACTERS
from app.integrations.accounts import Accounts
from app.integrations.catalogue import Catalogue
from app.integrations.repository import IntegrationRepository
from app.integrations.schemas import (
    Avatar,
    AvatarPage,
    Integration,
    IntegrationCreate,
    IntegrationPage,
    IntegrationStatus,
    IntegrationUpdate,
    ProviderAccount,
    Voice,
    VoicePage,
)
from app.integrations.service import IntegrationService
from app.openapi import sends
from app.openapi_problems import problems
from app.pagination import Cursor, CursorText, Limit, cut_page
from app.providers.base import Filters, Ownership
from app.routing import JsonRoute, JsonText
from app.schemas import ProviderName
from app.security import CurrentCaller, OwnBusiness, business_filter, business_in_body


class _BusinessConvertor(Convertor[str]):
    """Any text but the names that the videos' paths have here: those answer 405, not 422 for a bad UUID."""

    regex = r"(?!(?:videos|generate-video)(?:/|$))[^/]+"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("business", _BusinessConvertor())

router = APIRouter(prefix="/integrations/ai-avatar", tags=["integrations"], route_class=JsonRoute)


AccountsDep = Annotated[Accounts, provided(Accounts)]
CatalogueDep = Annotated[Catalogue, provided(Catalogue)]
IntegrationRepositoryDep = Annotated[IntegrationRepository, provided(IntegrationRepository)]
IntegrationServiceDep = Annotated[IntegrationService, provided(IntegrationService)]

OwnBusinessFilter = Annotated[UUID | None, business_filter(IntegrationNotFound)]
OwnBusinessInBody = Annotated[UUID, business_in_body(IntegrationNotFound)]
NameFilter = Annotated[str, StringConstraints(max_length=100, pattern=NO_CONTROL_CHARACTERS)]
ProviderQuery = Annotated[ProviderName, Query(description="Which provider's integration")]


@router.post(
    "",
    status_code=201,
    response_description="Connected",
    responses=problems(IntegrationNotFound, ApiKeyRejected, *PROVIDER_FAILURES)
    | sends(201, "Location")
    | {200: {"model": Integration, "description": "Replaced"}},
)
async def connect_provider(
    business_id: OwnBusinessInBody,
    body: IntegrationCreate,
    integrations: IntegrationServiceDep,
    response: Response,
) -> Integration:
    """Check an API key with the provider and store it, write-only, with a default avatar and voice.

    201 when the integration is new, 200 when it replaced one; nothing is stored when the provider refuses the key
    or cannot be asked.
    """
    integration, is_new = await integrations.connect(business_id, body)
    if is_new:
        response.headers["Location"] = (
            f"/integrations/ai-avatar/{integration.business_id}?provider={integration.provider}"
        )
    else:
        response.status_code = 200
    return integration


@router.get("", response_model=IntegrationPage, responses=problems(IntegrationNotFound))
async def list_integrations(
    business_id: OwnBusinessFilter,
    integrations: IntegrationRepositoryDep,
    provider: Annotated[ProviderName | None, Query()] = None,
    status: Annotated[IntegrationStatus | None, Query()] = None,
    limit: Limit = 20,
    cursor: CursorText = None,
) -> JsonText:
    """List a user's own integrations or, for a back end, those of any business; newest first."""
    rows = await integrations.list_integrations(
        business_id,
        provider,
        status,
        Cursor.decode(cursor),
        limit + 1,
    )
    items, next_cursor = cut_page(rows, limit, lambda row: (row["created_at"], row["id"]))
    return JsonText.page([row["json"] for row in items], next_cursor)


@router.get("/{business_id:business}", response_model=Integration, responses=problems(IntegrationNotFound))
async def get_integration(
    business_id: OwnBusiness,
    integrations: IntegrationRepositoryDep,
    provider: ProviderQuery = "heygen",
) -> JsonText:
    """Return one integration, whatever its status, without its key."""
    return JsonText(await integrations.get_ai_avatar_integration_json(business_id, provider))


@router.patch(
    "/{business_id:business}",
    responses=problems(IntegrationNotFound, ApiKeyRejected, KeyNotAvailable, *PROVIDER_FAILURES),
)
async def update_integration(
    business_id: OwnBusiness,
    body: IntegrationUpdate,
    caller: CurrentCaller,
    integrations: IntegrationServiceDep,
    provider: ProviderQuery = "heygen",
) -> Integration:
    """Change the fields that are sent.

    Null clears a field. A new key, and `status: active`, are checked with the provider first, and a refusal changes
    nothing.
    """
    return await integrations.update(caller, business_id, provider, body)


@router.delete(
    "/{business_id:business}",
    status_code=204,
    response_class=Response,  # without a body's media type
    responses=problems(IntegrationNotFound),
)
async def delete_integration(
    business_id: OwnBusiness,
    integrations: IntegrationRepositoryDep,
    provider: Annotated[ProviderName | None, Query()] = None,
) -> None:
    """Delete an integration and its key.

    Without `provider`, all of the business's integrations are deleted.
    """
    await integrations.delete_ai_avatar_integration(business_id, provider)


@router.post(
    "/{business_id:business}/validate",
    responses=problems(IntegrationNotFound, KeyNotAvailable, *PROVIDER_FAILURES),
)
async def validate_integration(
    business_id: OwnBusiness,
    caller: CurrentCaller,
    integrations: IntegrationServiceDep,
    provider: ProviderQuery = "heygen",
) -> Integration:
    """Ask the provider whether the stored key still works.

    The status becomes `active` or `error`; `inactive` stays as it is.
    """
    return await integrations.validate(caller, business_id, provider)


@router.get(
    "/{business_id:business}/account",
    responses=problems(IntegrationNotFound, ApiKeyRejected, KeyNotAvailable, *PROVIDER_FAILURES),
)
async def get_account(
    business_id: OwnBusiness,
    caller: CurrentCaller,
    accounts: AccountsDep,
    provider: ProviderQuery = "heygen",
) -> ProviderAccount:
    """Return whose account the stored key belongs to and what is left in it.

    The answer is cached for a minute.
    """
    return await accounts.get_account(caller, business_id, provider)


async def _catalogue_filters(
    q: Annotated[NameFilter | None, Query(description="A part of the name")] = None,
    gender: Annotated[NameFilter | None, Query(examples=["female"])] = None,
    language: Annotated[NameFilter | None, Query(description="Of voices only", examples=["English"])] = None,
    ownership: Annotated[Ownership | None, Query(description="`private`: the account's own")] = None,
) -> Filters:
    return Filters(q or None, gender or None, language or None, ownership)


CatalogueFilters = Annotated[Filters, Depends(_catalogue_filters)]


@router.get(
    "/{business_id:business}/avatars",
    responses=problems(IntegrationNotFound, ApiKeyRejected, KeyNotAvailable, *PROVIDER_FAILURES),
)
async def list_avatars(
    business_id: OwnBusiness,
    caller: CurrentCaller,
    catalogue: CatalogueDep,
    filters: CatalogueFilters,
    provider: ProviderQuery = "heygen",
    limit: Limit = 20,
    cursor: CursorText = None,
) -> AvatarPage:
    """List the avatars that the stored key may use, the account's own first.

    Filters ignore case. With filters, a page may be short or empty although `next_cursor` leads to more.
    """
    page = await catalogue.get_page(caller, business_id, provider, "avatars", filters, limit, cursor)
    return AvatarPage(items=[Avatar.model_validate(item) for item in page.items], next_cursor=page.next_token)


@router.get(
    "/{business_id:business}/voices",
    responses=problems(IntegrationNotFound, ApiKeyRejected, KeyNotAvailable, *PROVIDER_FAILURES),
)
async def list_voices(
    business_id: OwnBusiness,
    caller: CurrentCaller,
    catalogue: CatalogueDep,
    filters: CatalogueFilters,
    provider: ProviderQuery = "heygen",
    limit: Limit = 20,
    cursor: CursorText = None,
) -> VoicePage:
    """List the voices that the stored key may use, the account's own first.

    Filters and pages work as those of the avatars.
    """
    page = await catalogue.get_page(caller, business_id, provider, "voices", filters, limit, cursor)
    return VoicePage(items=[Voice.model_validate(item) for item in page.items], next_cursor=page.next_token)
