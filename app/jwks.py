"""The project's public keys (JWKS), which access tokens are verified with."""

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

import aiohttp
import httpx
import jwt
import structlog
from pydantic import BaseModel

from app.admission import waiting_outside
from app.errors import NotReady

log = structlog.get_logger(__name__)

_FRESH_SECONDS: Final = 600
_REFETCH_SECONDS: Final = 30
_FIRST_RETRY_SECONDS: Final = 2
_FETCH_TIMEOUT_SECONDS: Final = 5

# The algorithm is fixed by the key's type: a token cannot choose how it is verified.
JWK_ALGORITHMS: Final = {"EC": "ES256", "RSA": "RS256"}


class JwksKeys:
    """The project's public keys, by `kid`; fetched when first needed, cached for 10 minutes."""

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
        """Return the key, or None. Raises NotReady if the keys have never been fetched and cannot be now."""
        if not self._is_known(kid):
            with waiting_outside():
                await self._fetch_if_due(kid)
        if not self._was_fetched:
            raise NotReady("The public keys that access tokens are verified with cannot be fetched.")
        return self._keys.get(kid)

    async def _fetch_if_due(self, kid: str) -> None:
        async with self._lock:
            # Any caller can send unknown kids: limit the requests to the project's server that they cause.
            wait = _REFETCH_SECONDS if self._was_fetched else _FIRST_RETRY_SECONDS
            if not self._is_known(kid) and self._clock() - self._tried_at > wait:
                await self._fetch()

    @property
    def _was_fetched(self) -> bool:
        return self._fetched_at > -float("inf")

    def _is_known(self, kid: str) -> bool:
        return kid in self._keys and self._clock() - self._fetched_at < _FRESH_SECONDS

    async def _fetch(self) -> None:
        self._tried_at = self._clock()
        try:
            async with asyncio.timeout(_FETCH_TIMEOUT_SECONDS):
                response = await self._client.get(self._url)
            response.raise_for_status()
            found = dict(_read_jwks(response.content))
        except (httpx.HTTPError, aiohttp.ClientError, OSError, ValueError) as error:
            # Keep the keys fetched before: they are most likely still valid.
            log.warning("jwks_fetch_failed", url=self._url, error=type(error).__name__)
            return
        self._keys, self._fetched_at = found, self._clock()


class _Jwks(BaseModel):
    keys: list[Any]  # empty if the project signs with its secret alone


def _read_jwks(body: bytes) -> Iterator[tuple[str, jwt.PyJWK]]:
    """Yield the keys that this service can use; skip the others."""
    for key in _Jwks.model_validate_json(body).keys:
        match key:
            case {"kid": str(kid), "kty": str(kind)} if kind in JWK_ALGORITHMS:
                try:
                    yield kid, jwt.PyJWK(key, algorithm=JWK_ALGORITHMS[kind])
                except (jwt.PyJWTError, ValueError, TypeError):
                    log.warning("jwk_not_usable", kid=kid)
