"""Authentication and access: a request's credentials -> Caller, and the businesses that the caller may access."""

import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Final, Literal, cast
from uuid import UUID

import httpx
from fastapi import Depends, Path, Request
from fastapi.params import Depends as Dependency
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer
from fastapi.security.utils import get_authorization_scheme_param
from pydantic import TypeAdapter
from starlette.types import Scope

from app.admission import enter_business
from app.config import Settings
from app.dependencies import reads_body, services_of
from app.errors import AppError, Forbidden, IntegrationNotFound, InvalidRequest, NoBusiness, Unauthenticated
from app.jwks import JwksKeys
from app.memberships import Memberships
from app.tokens import TokenVerifier


@dataclass(frozen=True, slots=True)
class Caller:
    """The authenticated caller of one request."""

    kind: Literal["user", "service", "n8n", "maintenance"]
    user_id: UUID | None = None
    own_business_id: UUID | None = None
    token_expires_at: float | None = None
    request_id: str = ""
    address: str | None = None

    @property
    def name(self) -> str:
        """Return the caller as the audit log names it."""
        return f"user:{self.user_id}" if self.kind == "user" else self.kind

    def select_business(self, requested: UUID | None, not_found: type[AppError]) -> UUID | None:
        """Return the business to look in: a user's own; for a back end, `requested`, where None is any.

        Another business than the user's raises `not_found`, exactly as one that does not exist.
        """
        if self.kind != "user":
            return requested
        if requested is not None and requested != self.own_business_id:
            raise not_found
        return self.own_business_id


ApiKeyOwner = Literal["service", "n8n"]


class ApiKeys:
    """The API keys that this service accepts, and whose they are."""

    def __init__(self, *, service: Iterable[str], n8n: Iterable[str]) -> None:
        """Several keys each, so that one can be rotated."""
        self._keys: list[tuple[bytes, ApiKeyOwner]] = [
            *((key.encode(), "n8n") for key in n8n),
            *((key.encode(), "service") for key in service),
        ]

    def owner_of(self, given: str) -> ApiKeyOwner | None:
        """Return whose key this is, or None."""
        owner = None
        for key, its_owner in self._keys:  # compare against every key, so that timing leaks nothing
            if hmac.compare_digest(key, given.encode()):
                owner = its_owner
        return owner


class Authenticator:
    """Turns a request's headers into a Caller."""

    def __init__(self, settings: Settings, memberships: Memberships, client: httpx.AsyncClient) -> None:
        secret = settings.supabase_jwt_secret
        self._tokens = TokenVerifier(
            secret.get_secret_value() if secret else None,
            JwksKeys(client, settings.jwks_url) if settings.jwks_url else None,
        )
        self._api_keys = ApiKeys(service=settings.service_api_keys, n8n=settings.n8n_api_keys)
        self._memberships = memberships

    async def authenticate(self, scope: Scope) -> Caller:
        """Return the caller that a request's bearer token or, without one, its API key identifies.

        X-API-Key counts, without it the header `apikey`. Supabase's clients send their publishable key there beside
        every user's token, so a token decides alone: an invalid one is an error, whatever key is beside it.
        Raises Unauthenticated, NoBusiness, NotReady (no public keys) or the database's errors.
        """
        headers = _credential_headers(scope)
        request_id = scope.get("request_id", "")
        address = scope["client"][0] if scope.get("client") else None
        scheme, token = get_authorization_scheme_param(headers.get(b"authorization"))
        if token and scheme.lower() == "bearer":
            return await self._identify_bearer(token.strip(), request_id, address)
        if api_key := headers.get(b"x-api-key"):
            return Caller(self._owner_of(api_key, "service", "n8n"), request_id=request_id, address=address)
        if api_key := headers.get(b"apikey"):
            return Caller(self._owner_of(api_key, "service"), request_id=request_id, address=address)
        raise Unauthenticated("no_credentials")

    async def _identify_bearer(self, token: str, request_id: str, address: str | None) -> Caller:
        try:
            claims = await self._tokens.verify(token)
        except Unauthenticated:
            if self._api_keys.owner_of(token) == "n8n":
                return Caller("n8n", request_id=request_id, address=address)
            raise
        business_id = None
        if claims.user_id is not None:
            business_id = await self._business_of(claims.user_id)
        return Caller(claims.role, claims.user_id, business_id, claims.expires_at, request_id, address)

    def _owner_of(self, api_key: str, *owners: ApiKeyOwner) -> ApiKeyOwner:
        owner = self._api_keys.owner_of(api_key)
        if owner is not None and owner in owners:
            return owner
        if api_key.startswith("sb_publishable_"):
            raise Unauthenticated(
                "publishable_key",
                "A publishable key identifies no caller. Send a user's access token with it.",
            )
        raise Unauthenticated("unknown_api_key", "The API key is not known.")

    async def _business_of(self, user_id: UUID) -> UUID:
        business_id = await self._memberships.get_membership(user_id)
        if business_id is None:
            raise NoBusiness
        return business_id


_CREDENTIAL_HEADERS: Final = frozenset({b"authorization", b"x-api-key", b"apikey"})


def _credential_headers(scope: Scope) -> dict[bytes, str]:
    """Return the first of each of these headers."""
    found: dict[bytes, str] = {}
    for name, value in scope["headers"]:
        if name in _CREDENTIAL_HEADERS and name not in found:
            found[name] = value.decode("latin-1")
    return found


# The schemes are here for the OpenAPI document: the Authenticator reads the headers, and app/routing.py calls none.
_access_token = HTTPBearer(
    scheme_name="accessToken",
    bearerFormat="JWT",
    description="A Supabase access token of a user, or a JWT with role=service_role",
    auto_error=False,
)
_n8n_token = HTTPBearer(
    scheme_name="n8nToken", description="N8N_API_KEY, or a JWT with role=service_role", auto_error=False
)
_service_key = APIKeyHeader(
    name="X-API-Key", scheme_name="serviceKey", description="SERVICE_API_KEY", auto_error=False
)
_n8n_key = APIKeyHeader(name="X-API-Key", scheme_name="n8nKey", description="N8N_API_KEY", auto_error=False)

SUPABASE_KEY_SCHEME: Final = {
    "type": "apiKey",
    "in": "header",
    "name": "apikey",
    "description": "SERVICE_API_KEY, in the header in which Supabase's clients send their keys. "
    "Ignored beside an access token",
}

_AccessToken = Annotated[HTTPAuthorizationCredentials | None, Depends(_access_token)]
_N8nToken = Annotated[HTTPAuthorizationCredentials | None, Depends(_n8n_token)]
_ServiceKey = Annotated[str | None, Depends(_service_key)]
_N8nKey = Annotated[str | None, Depends(_n8n_key)]


async def _authenticate(request: Request) -> Caller:
    # Once per request: credentials are checked before the body is read, and the operation's dependencies ask again.
    if (known := request.scope.get("caller")) is not None:
        return cast(Caller, known)
    authenticator = services_of(request.app)[
        Authenticator
    ]  # not a dependency: each costs time, here in every request
    caller = await authenticator.authenticate(request.scope)
    request.scope["caller"] = caller
    if caller.own_business_id is not None:
        await enter_business(caller.own_business_id)
    return caller


async def _current_caller(request: Request, _token: _AccessToken, _api_key: _ServiceKey) -> Caller:
    caller = await _authenticate(request)
    if caller.kind == "n8n":
        raise Forbidden("n8n's key gives access to /n8n/* only.")
    return caller


async def _n8n_caller(
    request: Request, _api_key: _N8nKey, _token: _N8nToken, _service_key: _ServiceKey
) -> Caller:
    caller = await _authenticate(request)
    if caller.kind == "user":
        raise Forbidden("This path is for n8n; users' access tokens give no access to it.")
    return caller


CurrentCaller = Annotated[Caller, Depends(_current_caller)]
N8nCaller = Annotated[Caller, Depends(_n8n_caller)]

# Which business: each of these answers 404 for another business than the user's, before anything else is validated.


async def _own_business(caller: CurrentCaller, business_id: Annotated[UUID, Path()]) -> UUID:
    caller.select_business(business_id, IntegrationNotFound)
    await enter_business(business_id)
    return business_id


async def _visible_business(caller: CurrentCaller) -> UUID | None:
    return caller.own_business_id


OwnBusiness = Annotated[UUID, Depends(_own_business)]
"""The business in the path."""

VisibleBusiness = Annotated[UUID | None, Depends(_visible_business)]
"""Where no business is named: the user's own, or None (any) for a back end."""


def business_filter(not_found: type[AppError]) -> Dependency:
    """Return the dependency for the query's `business_id`: the user's own; for a back end, None is any."""

    async def select(caller: CurrentCaller, business_id: UUID | None = None) -> UUID | None:
        return await _enter(caller.select_business(business_id, not_found))

    return cast(Dependency, Depends(select))


def business_in_query(not_found: type[AppError]) -> Dependency:
    """Return the dependency for the query's `business_id`, which a user may omit and a back end must name."""

    async def select(caller: CurrentCaller, business_id: UUID | None = None) -> UUID:
        return _require(await _enter(caller.select_business(business_id, not_found)), "query.business_id")

    return cast(Dependency, Depends(select))


def business_in_body(not_found: type[AppError]) -> Dependency:
    """Return the dependency for the body's `business_id`, which a user may omit and a back end must name."""

    @reads_body
    async def select(request: Request, caller: CurrentCaller) -> UUID:
        try:
            body = await request.json()
            requested = _optional_uuid.validate_python(body.get("business_id"))
        except (ValueError, AttributeError):  # pydantic's ValidationError is a ValueError
            return _INVALID_BODY
        return _require(await _enter(caller.select_business(requested, not_found)), "body.business_id")

    return cast(Dependency, Depends(select))


_optional_uuid: Final = TypeAdapter(UUID | None)
# No route sees it: the body's schema rejects what cannot be read here, and names everything that is wrong with it.
_INVALID_BODY: Final = UUID(int=0)


async def _enter(business_id: UUID | None) -> UUID | None:
    """Count the request as one of the business's: a back end's too. Raises RateLimited."""
    if business_id is not None:
        await enter_business(business_id)
    return business_id


def _require(business_id: UUID | None, field: str) -> UUID:
    if business_id is None:
        raise InvalidRequest.of(
            field, "is required when a back end calls, because it can act for every business"
        )
    return business_id
