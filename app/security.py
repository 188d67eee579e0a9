"""Who is calling: tokens and keys in, a `Caller` out, and one `Annotated` dependency for each kind of door."""

import asyncio
import hashlib
import hmac
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import aiohttp
import httpx
import jwt
import structlog
from cachetools import TTLCache
from fastapi import Depends, Request
from pydantic import BaseModel

from app.config import Settings
from app.db import UUID_, Database, SqlFunction
from app.errors import AppError, Forbidden, InvalidRequest, NoBusiness, NotReady, Unauthenticated

log = structlog.get_logger(__name__)

_LEEWAY_SECONDS: Final = 30
_JWKS_FRESH_SECONDS: Final = 600
_JWKS_REFETCH_SECONDS: Final = 30
_JWKS_FIRST_SECONDS: Final = 2
_VERIFIED_SECONDS: Final = 60

# The algorithm goes with the key's type: a token cannot choose how it is checked.
_JWK_ALGORITHMS: Final = {"EC": "ES256", "RSA": "RS256"}

GET_MEMBERSHIP = SqlFunction("ai_avatar.get_membership", {"p_user_id": UUID_})


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who has proved who he is, in one request."""

    kind: Literal["user", "service", "n8n"]
    user_id: UUID | None = None
    own_business_id: UUID | None = None
    token_expires_at: float | None = None
    request_id: str = ""
    address: str | None = None

    @property
    def name(self) -> str:
        """As the audit trail names him."""
        return f"user:{self.user_id}" if self.kind == "user" else self.kind

    def scope(self, requested: UUID | None, not_found: type[AppError]) -> UUID | None:
        """The business to look in: a user's own, the back end's as requested, None for any.

        Another business than the user's raises `not_found`, exactly as one that does not exist.
        """
        if self.kind != "user":
            return requested
        if requested is not None and requested != self.own_business_id:
            raise not_found
        return self.own_business_id

    def business(self, requested: UUID | None, not_found: type[AppError], field: str) -> UUID:
        """As `scope`, where one business is needed; raises InvalidRequest on `field` when none is named."""
        business_id = self.scope(requested, not_found)
        if business_id is None:
            raise InvalidRequest.of(field, "is required of a back end: it works for every business")
        return business_id


@dataclass(frozen=True, slots=True)
class _Claims:
    role: Literal["user", "service"]
    user_id: UUID | None
    expires_at: float


class JwksKeys:
    """The project's public keys, by `kid`; fetched when first needed, kept 10 minutes."""

    def __init__(
        self, client: httpx.AsyncClient, url: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`clock` in seconds."""
        self._client = client
        self._url = url
        self._clock = clock
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched_at = self._tried_at = -float("inf")
        self._lock = asyncio.Lock()

    async def get(self, kid: str) -> jwt.PyJWK | None:
        """The key, or None. Raises NotReady when the keys were never had and cannot be fetched now."""
        if not self._is_known(kid):
            async with self._lock:
                # Unknown kids come from anybody: they may ask the project's server once in 30 s, no more.
                wait = _JWKS_REFETCH_SECONDS if self._were_had else _JWKS_FIRST_SECONDS
                if not self._is_known(kid) and self._clock() - self._tried_at > wait:
                    await self._fetch()
        if not self._were_had:
            raise NotReady("The public keys that access tokens are checked with cannot be fetched.")
        return self._keys.get(kid)

    @property
    def _were_had(self) -> bool:
        return self._fetched_at > -float("inf")

    def _is_known(self, kid: str) -> bool:
        return kid in self._keys and self._clock() - self._fetched_at < _JWKS_FRESH_SECONDS

    async def _fetch(self) -> None:
        self._tried_at = self._clock()
        try:
            async with asyncio.timeout(5):
                response = await self._client.get(self._url)
            response.raise_for_status()
            found = dict(_read_jwks(response.content))
        except (httpx.HTTPError, aiohttp.ClientError, OSError, ValueError) as error:
            # Keys that were good ten minutes ago are better than turning every user away.
            log.warning("jwks_fetch_failed", url=self._url, error=type(error).__name__)
            return
        self._keys, self._fetched_at = found, self._clock()


class _Jwks(BaseModel):
    keys: list[Any]  # none, where a project signs with its secret alone


def _read_jwks(body: bytes) -> Iterator[tuple[str, jwt.PyJWK]]:
    """The keys that this service can use; one that it cannot is no reason to do without the others."""
    for key in _Jwks.model_validate_json(body).keys:
        match key:
            case {"kid": str(kid), "kty": str(kind)} if kind in _JWK_ALGORITHMS:
                try:
                    yield kid, jwt.PyJWK(key, algorithm=_JWK_ALGORITHMS[kind])
                except (jwt.PyJWTError, ValueError, TypeError):
                    log.warning("jwk_not_usable", kid=kid)


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

    async def authenticate(self, request: Request) -> Caller:
        """Raises Unauthenticated, NoBusiness, NotReady (no public keys) or the database's errors."""
        request_id = request.scope.get("request_id", "")
        address = request.client.host if request.client else None
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and token:
            claims = await self._verify(token.strip())
            business_id = None
            if claims.user_id is not None:
                business_id = await self._business_of(claims.user_id)
            return Caller(claims.role, claims.user_id, business_id, claims.expires_at, request_id, address)
        if api_key := request.headers.get("x-api-key"):
            return Caller(self._check_api_key(api_key), request_id=request_id, address=address)
        raise Unauthenticated

    def _check_api_key(self, given: str) -> Literal["service", "n8n"]:
        found = None
        for key, kind in self._api_keys:  # all of them, whichever fits: time tells nothing
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
        if algorithm in _JWK_ALGORITHMS.values() and self._jwks and isinstance(kid, str):
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


async def _current_caller(request: Request) -> Caller:
    caller: Caller = await request.app.state.authenticator.authenticate(request)
    if caller.kind == "n8n":
        raise Forbidden("n8n's key opens /n8n/* only.")
    return caller


async def _n8n_caller(request: Request) -> Caller:
    caller: Caller = await request.app.state.authenticator.authenticate(request)
    if caller.kind == "user":
        raise Forbidden("This is for n8n; a user's access token does not open it.")
    return caller


DOORS: Final = (_current_caller, _n8n_caller)
CurrentCaller = Annotated[Caller, Depends(_current_caller)]
N8nCaller = Annotated[Caller, Depends(_n8n_caller)]


def mint_token(jwt_secret: str, *, user_id: UUID | None, ttl: timedelta) -> str:
    """A token as Supabase would make it, of a user or, without `user_id`, of the back end; for development."""
    now = datetime.now(UTC)
    claims: dict[str, Any] = {"iss": "ai-avatar", "iat": now, "exp": now + ttl, "role": "service_role"}
    if user_id is not None:
        claims |= {"role": "authenticated", "aud": "authenticated", "sub": str(user_id)}
    return jwt.encode(claims, jwt_secret, algorithm="HS256")
