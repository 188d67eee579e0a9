"""Authentication and access: a request's credentials -> Caller, and the businesses that the caller may access."""

import hashlib
import hmac
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, Literal, cast
from uuid import UUID

import httpx
import jwt
from cachetools import TTLCache
from fastapi import Depends, Path, Request
from fastapi.params import Depends as Dependency
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer
from pydantic import TypeAdapter

from app.config import Settings
from app.db import UUID_, Database, SqlFunction
from app.dependencies import services_of
from app.errors import AppError, Forbidden, IntegrationNotFound, InvalidRequest, NoBusiness, Unauthenticated
from app.jwks import JWK_ALGORITHMS, JwksKeys

_LEEWAY_SECONDS: Final = 30
_VERIFIED_SECONDS: Final = 60

GET_MEMBERSHIP = SqlFunction("ai_avatar.get_membership", {"p_user_id": UUID_})


@dataclass(frozen=True, slots=True)
class Caller:
    """The authenticated caller of one request."""

    kind: Literal["user", "service", "n8n"]
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


@dataclass(frozen=True, slots=True)
class _Claims:
    role: Literal["user", "service"]
    user_id: UUID | None
    expires_at: float


class Authenticator:
    """Turns a request's headers into a Caller."""

    def __init__(self, settings: Settings, db: Database, client: httpx.AsyncClient) -> None:
        secret = settings.supabase_jwt_secret
        self._jwt_secret = secret.get_secret_value() if secret else None
        self._jwks = JwksKeys(client, settings.jwks_url) if settings.jwks_url else None
        self._api_keys: list[tuple[bytes, Literal["service", "n8n"]]] = [
            (settings.n8n_api_key.get_secret_value().encode(), "n8n")
        ]
        if settings.service_api_key:
            self._api_keys.append((settings.service_api_key.get_secret_value().encode(), "service"))
        self._db = db
        # By hash: a cache of tokens would be a cache of secrets.
        self._verified: TTLCache[bytes, _Claims] = TTLCache(10_000, _VERIFIED_SECONDS)
        self._businesses: TTLCache[UUID, UUID] | None = None
        if settings.membership_cache_seconds:
            self._businesses = TTLCache(10_000, settings.membership_cache_seconds)

    async def authenticate(self, request: Request, token: str | None, api_key: str | None) -> Caller:
        """Return the caller that a bearer token or, without one, an API key identifies.

        Raises Unauthenticated, NoBusiness, NotReady (no public keys) or the database's errors.
        """
        request_id = request.scope.get("request_id", "")
        address = request.client.host if request.client else None
        if token:
            claims = await self._verify(token.strip())
            business_id = None
            if claims.user_id is not None:
                business_id = await self._business_of(claims.user_id)
            return Caller(claims.role, claims.user_id, business_id, claims.expires_at, request_id, address)
        if api_key:
            return Caller(self._check_api_key(api_key), request_id=request_id, address=address)
        raise Unauthenticated

    def _check_api_key(self, given: str) -> Literal["service", "n8n"]:
        found = None
        for key, kind in self._api_keys:  # compare against every key, so that timing leaks nothing
            if hmac.compare_digest(key, given.encode()):
                found = kind
        if found is None:
            raise Unauthenticated("The API key is not known.")
        return found

    async def _business_of(self, user_id: UUID) -> UUID:
        business_id = self._businesses.get(user_id) if self._businesses is not None else None
        if business_id is None:
            business_id = await self._db.call_value(GET_MEMBERSHIP, p_user_id=user_id)
            if business_id is None:
                raise NoBusiness
            if self._businesses is not None:
                self._businesses[user_id] = business_id
        return business_id

    async def _verify(self, token: str) -> _Claims:
        digest = hashlib.sha256(token.encode()).digest()
        claims = self._verified.get(digest)
        if claims is None:
            claims = _read_claims(await self._decode(token))
            self._verified[digest] = claims
        if time.time() > claims.expires_at + _LEEWAY_SECONDS:
            raise Unauthenticated("The access token has expired.")
        return claims

    async def _decode(self, token: str) -> dict[str, Any]:
        try:
            key, algorithm = await self._key_for(jwt.get_unverified_header(token))
            return jwt.decode(
                token,
                key,
                algorithms=[algorithm],
                leeway=_LEEWAY_SECONDS,
                options={"require": ["exp"], "verify_aud": False, "verify_sub": False},
            )
        except jwt.ExpiredSignatureError:
            raise Unauthenticated("The access token has expired.") from None
        except (jwt.PyJWTError, ValueError, TypeError):
            raise Unauthenticated("The access token is not valid.") from None

    async def _key_for(self, header: dict[str, Any]) -> tuple[Any, str]:
        """The key that a token must be signed with and the one algorithm that goes with it."""
        algorithm, kid = header.get("alg"), header.get("kid")
        if algorithm == "HS256" and self._jwt_secret:
            return self._jwt_secret, "HS256"
        if algorithm in JWK_ALGORITHMS.values() and self._jwks and isinstance(kid, str):
            key = await self._jwks.get(kid)
            if key is not None and key.algorithm_name == algorithm:
                return key.key, key.algorithm_name
        raise jwt.InvalidTokenError


def _read_claims(payload: dict[str, Any]) -> _Claims:
    expires_at = float(payload["exp"])
    match payload.get("role"):
        case "service_role":
            return _Claims("service", None, expires_at)
        case "authenticated":
            audience = payload.get("aud")
            if audience == "authenticated" or (isinstance(audience, list) and "authenticated" in audience):
                try:
                    return _Claims("user", UUID(payload.get("sub")), expires_at)
                except (ValueError, TypeError, AttributeError):
                    pass
    raise Unauthenticated("The access token is not one that this service takes.")


_access_token = HTTPBearer(
    scheme_name="accessToken",
    bearerFormat="JWT",
    description="A Supabase access token of a user, or a JWT with role=service_role",
    auto_error=False,
)
_service_key = APIKeyHeader(
    name="X-API-Key", scheme_name="serviceKey", description="SERVICE_API_KEY", auto_error=False
)
_n8n_key = APIKeyHeader(name="X-API-Key", scheme_name="n8nKey", description="N8N_API_KEY", auto_error=False)

_AccessToken = Annotated[HTTPAuthorizationCredentials | None, Depends(_access_token)]
_ServiceKey = Annotated[str | None, Depends(_service_key)]
_N8nKey = Annotated[str | None, Depends(_n8n_key)]


async def _authenticate(
    request: Request, token: HTTPAuthorizationCredentials | None, api_key: str | None
) -> Caller:
    authenticator = services_of(request.app)[
        Authenticator
    ]  # not a dependency: each costs time, here in every request
    return await authenticator.authenticate(request, token.credentials if token else None, api_key)


async def _current_caller(request: Request, token: _AccessToken, api_key: _ServiceKey) -> Caller:
    caller = await _authenticate(request, token, api_key)
    if caller.kind == "n8n":
        raise Forbidden("n8n's key gives access to /n8n/* only.")
    return caller


async def _n8n_caller(
    request: Request,
    api_key: _N8nKey,
    token: _AccessToken,
    _service_key: _ServiceKey,  # the same header; here for the OpenAPI document
) -> Caller:
    caller = await _authenticate(request, token, api_key)
    if caller.kind == "user":
        raise Forbidden("This path is for n8n; users' access tokens give no access to it.")
    return caller


CurrentCaller = Annotated[Caller, Depends(_current_caller)]
N8nCaller = Annotated[Caller, Depends(_n8n_caller)]

# Which business: each of these answers 404 for another business than the user's, before anything else is validated.


async def _own_business(caller: CurrentCaller, business_id: Annotated[UUID, Path()]) -> UUID:
    caller.select_business(business_id, IntegrationNotFound)
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
        return caller.select_business(business_id, not_found)

    return cast(Dependency, Depends(select))


def business_in_query(not_found: type[AppError]) -> Dependency:
    """Return the dependency for the query's `business_id`, which a user may omit and a back end must name."""

    async def select(caller: CurrentCaller, business_id: UUID | None = None) -> UUID:
        return _require(caller.select_business(business_id, not_found), "query.business_id")

    return cast(Dependency, Depends(select))


def business_in_body(not_found: type[AppError]) -> Dependency:
    """Return the dependency for the body's `business_id`, which a user may omit and a back end must name."""

    async def select(request: Request, caller: CurrentCaller) -> UUID:
        try:
            body = await request.json()
            requested = _optional_uuid.validate_python(body.get("business_id"))
        except (ValueError, AttributeError):  # pydantic's ValidationError is a ValueError
            return _INVALID_BODY
        return _require(caller.select_business(requested, not_found), "body.business_id")

    return cast(Dependency, Depends(select))


_optional_uuid: Final = TypeAdapter(UUID | None)
# No route sees it: the body's schema rejects what cannot be read here, and names everything that is wrong with it.
_INVALID_BODY: Final = UUID(int=0)


def _require(business_id: UUID | None, field: str) -> UUID:
    if business_id is None:
        raise InvalidRequest.of(field, "is required of a back end: it works for every business")
    return business_id


def mint_token(jwt_secret: str, *, user_id: UUID | None, ttl: timedelta) -> str:
    """Return a token as Supabase issues it, for a user or, without `user_id`, for the back end. For development."""
    now = datetime.now(UTC)
    claims: dict[str, Any] = {"iss": "ai-avatar", "iat": now, "exp": now + ttl, "role": "service_role"}
    if user_id is not None:
        claims |= {"role": "authenticated", "aud": "authenticated", "sub": str(user_id)}
    return jwt.encode(claims, jwt_secret, algorithm="HS256")
