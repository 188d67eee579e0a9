"""Access tokens: verifying Supabase's, and minting tokens for development."""

import hashlib
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal
from uuid import UUID

import jwt
from cachetools import TTLCache

from app.errors import Unauthenticated
from app.jwks import JWK_ALGORITHMS, JwksKeys

_LEEWAY_SECONDS: Final = 30
_VERIFIED_SECONDS: Final = 60

_NOT_VALID: Final = "The access token is not valid."
_EXPIRED: Final = "The access token has expired."


@dataclass(frozen=True, slots=True)
class Claims:
    """What a verified token says."""

    role: Literal["user", "service"]
    user_id: UUID | None
    expires_at: float


class TokenVerifier:
    """Verifies access tokens with the project's secret or public keys, and remembers for a minute that it did."""

    def __init__(self, jwt_secret: str | None, jwks: JwksKeys | None) -> None:
        """`jwt_secret` is None where the project signs with asymmetric keys; `jwks` where it does not."""
        self._jwt_secret = jwt_secret
        self._jwks = jwks
        # By hash: a cache of tokens would be a cache of secrets.
        self._verified: TTLCache[bytes, Claims] = TTLCache(10_000, _VERIFIED_SECONDS)

    async def verify(self, token: str) -> Claims:
        """Return a token's claims. Raise Unauthenticated, or NotReady if there are no public keys yet."""
        digest = hashlib.sha256(token.encode()).digest()
        claims = self._verified.get(digest)
        if claims is None:
            claims = _read_claims(await self._decode(token))
            self._verified[digest] = claims
        if time.time() > claims.expires_at + _LEEWAY_SECONDS:
            raise Unauthenticated("expired", _EXPIRED)
        return claims

    async def _decode(self, token: str) -> dict[str, Any]:
        key, algorithm = await self._key_for(_read_header(token))
        try:
            return jwt.decode(
                token,
                key,
                algorithms=[algorithm],
                leeway=_LEEWAY_SECONDS,
                options={"require": ["exp"], "verify_aud": False, "verify_sub": False},
            )
        except jwt.ExpiredSignatureError:
            raise Unauthenticated("expired", _EXPIRED) from None
        except jwt.InvalidSignatureError:
            raise Unauthenticated("bad_signature", _NOT_VALID) from None
        except jwt.MissingRequiredClaimError:
            raise Unauthenticated("missing_claim", _NOT_VALID) from None
        except jwt.ImmatureSignatureError:
            raise Unauthenticated("not_yet_valid", _NOT_VALID) from None
        except (jwt.PyJWTError, ValueError, TypeError):
            raise Unauthenticated("malformed_token", _NOT_VALID) from None

    async def _key_for(self, header: dict[str, Any]) -> tuple[Any, str]:
        """Return the key that a token must be signed with, and the one algorithm that belongs to it."""
        algorithm = header.get("alg")
        if algorithm == "HS256":
            if self._jwt_secret is None:
                raise Unauthenticated("jwt_secret_not_configured", _NOT_VALID)
            return self._jwt_secret, "HS256"
        if algorithm not in JWK_ALGORITHMS.values():
            raise Unauthenticated("algorithm_not_accepted", _NOT_VALID)
        if self._jwks is None:
            raise Unauthenticated("public_keys_not_configured", _NOT_VALID)
        kid = header.get("kid")
        key = await self._jwks.get(kid) if isinstance(kid, str) else None
        if key is None:
            raise Unauthenticated("unknown_key_id", _NOT_VALID)
        if key.algorithm_name != algorithm:
            raise Unauthenticated("algorithm_of_another_key", _NOT_VALID)
        return key.key, key.algorithm_name


def _read_header(token: str) -> dict[str, Any]:
    # supabase-js sends this where no user is signed in: https://supabase.com/docs/guides/api/api-keys
    if token.startswith("sb_publishable_"):
        raise Unauthenticated(
            "publishable_key", "No user is signed in: Authorization carries the project's publishable key."
        )
    try:
        return jwt.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError, TypeError):
        raise Unauthenticated(
            "not_a_token",
            "Authorization carries no access token (a JWT). A back end's key belongs in X-API-Key or apikey.",
        ) from None


def _read_claims(payload: dict[str, Any]) -> Claims:
    try:
        expires_at = float(payload["exp"])
    except OverflowError:
        raise Unauthenticated("malformed_token", _NOT_VALID) from None
    role, audience = payload.get("role"), payload.get("aud")
    if role == "service_role":
        return Claims("service", None, expires_at)
    if role != "authenticated":
        raise Unauthenticated(
            "wrong_role", "The access token's role is neither authenticated nor service_role."
        )
    if "authenticated" not in (audience if isinstance(audience, list) else [audience]):
        raise Unauthenticated("wrong_audience", "The access token's audience is not authenticated.")
    try:
        return Claims("user", UUID(payload.get("sub")), expires_at)
    except (ValueError, TypeError, AttributeError):
        raise Unauthenticated("missing_claim", _NOT_VALID) from None


def mint_token(jwt_secret: str, *, user_id: UUID | None, ttl: timedelta) -> str:
    """Return a token as Supabase issues it, for a user or, without `user_id`, for the back end. For development."""
    now = datetime.now(UTC)
    claims: dict[str, Any] = {"iss": "ai-avatar", "iat": now, "exp": now + ttl, "role": "service_role"}
    if user_id is not None:
        claims |= {"role": "authenticated", "aud": "authenticated", "sub": str(user_id)}
    return jwt.encode(claims, jwt_secret, algorithm="HS256")
