"""Integrations: the database combined with calls to the provider, for which a stored key is opened."""

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, TypeVar
from uuid import UUID

import structlog
from cachetools import TTLCache
from prometheus_client import Counter

from app.errors import (
    ApiKeyRejected,
    AppError,
    IntegrationNotActive,
    InternalError,
    InvalidRequest,
    RateLimited,
)
from app.integrations.repository import IntegrationRepository, StoredKey
from app.integrations.schemas import Integration, IntegrationCreate, IntegrationUpdate
from app.providers.base import Provider
from app.sealing import KeyRing, SealError, is_sealed
from app.security import Caller

log = structlog.get_logger(__name__)

T = TypeVar("T")

_KEY_CHECKS: Final = 120
_KEY_CHECK_SECONDS: Final = 60.0

_plain_reads = Counter(
    "ai_avatar_plain_secrets_read_total",
    "Keys found unsealed in the vault; `ai-avatar secrets rotate --from-vault` seals them",
)


class KeyCipher:
    """Seals provider keys for storage and opens stored ones."""

    def __init__(self, ring: KeyRing | None) -> None:
        """`ring` may be None only where the vault itself encrypts."""
        self._ring = ring

    def seal(self, api_key: str, business_id: UUID, provider: str) -> str:
        """Return the key as it is to be stored."""
        return self._ring.seal(api_key, business_id, provider) if self._ring else api_key

    def open(self, stored: StoredKey) -> str:
        """Return the plain key. Raises InternalError and logs the reason if it cannot be opened."""
        if not is_sealed(stored.sealed_key):
            _plain_reads.inc()
            return stored.sealed_key
        try:
            if self._ring is None:
                raise SealError("SECRETS_KEYS is not set")
            return self._ring.open(stored.sealed_key, stored.business_id, stored.provider)
        except SealError as error:
            log.error(
                "secret_does_not_open",
                business_id=str(stored.business_id),
                provider=stored.provider,
                reason=str(error),
            )
            raise InternalError from None


class KeyCheckLimit:
    """Rate limit on key checks per business, so that the service cannot be used to test stolen keys."""

    def __init__(self) -> None:
        self._counts: TTLCache[tuple[UUID, int], int] = TTLCache(10_000, _KEY_CHECK_SECONDS)

    def count(self, business_id: UUID) -> None:
        """Count one check in this process. Raises RateLimited."""
        window, elapsed = divmod(time.monotonic(), _KEY_CHECK_SECONDS)
        key = (business_id, int(window))
        counted = self._counts.get(key, 0)
        if counted >= _KEY_CHECKS:
            raise RateLimited(retry_after=_KEY_CHECK_SECONDS - elapsed)
        self._counts[key] = counted + 1


class IntegrationService:
    """Combines the repository, the providers and the keys."""

    def __init__(
        self, repository: IntegrationRepository, providers: Mapping[str, Provider], keys: KeyCipher
    ) -> None:
        self.repository = repository
        self.keys = keys
        self._providers = providers
        self._key_checks = KeyCheckLimit()

    async def _verify_key(self, business_id: UUID, provider: str, api_key: str) -> None:
        self._key_checks.count(business_id)
        await self._providers[provider].verify_key(api_key)

    async def connect(self, business_id: UUID, body: IntegrationCreate) -> tuple[Integration, bool]:
        """Check the key with the provider, then store it; return whether the integration is new.

        Raises ProviderError: nothing is stored then.
        """
        api_key = body.api_key.get_secret_value()
        await self._verify_key(business_id, body.provider, api_key)
        is_new = await self.repository.set_ai_avatar_integration(
            business_id,
            body.provider,
            self.keys.seal(api_key, business_id, body.provider),
            avatar_id=body.avatar_id,
            voice_id=body.voice_id,
            provider_config=body.provider_config,
        )
        return await self.repository.get_ai_avatar_integration(business_id, body.provider), is_new

    async def update(
        self, caller: Caller, business_id: UUID, provider: str, body: IntegrationUpdate
    ) -> Integration:
        """Check a new key, or the stored key when the status becomes active, then apply the changes.

        Raises IntegrationNotFound, or ProviderError: nothing is changed then.
        """
        sealed_key = None
        if body.api_key is not None:
            # A missing integration is reported before the provider is asked.
            await self.repository.get_ai_avatar_integration(business_id, provider)
            api_key = body.api_key.get_secret_value()
            await self._verify_key(business_id, provider, api_key)
            sealed_key = self.keys.seal(api_key, business_id, provider)
        elif body.status == "active":
            await self._check_stored_key(caller, business_id, provider, "activate")
        return await self.repository.update_integration(
            business_id,
            provider,
            body.changes(),
            sealed_key,
            validated=body.api_key is not None or body.status == "active",
        )

    async def validate(self, caller: Caller, business_id: UUID, provider: str) -> Integration:
        """Ask the provider whether the stored key still works and record the answer."""
        try:
            stored = await self._check_stored_key(caller, business_id, provider, "validate")
        except ApiKeyRejected:
            return await self.repository.get_ai_avatar_integration(business_id, provider)
        return await self.repository.record_key_check(stored, accepted=True)

    async def reactivate(self, caller: Caller, business_id: UUID, provider: str, title: str) -> None:
        """Check the key of an integration in `error` once: if it works again, the status becomes `active`.

        Raises IntegrationNotActive otherwise, and if the business has switched the integration off.
        """
        integration = await self.repository.get_ai_avatar_integration(business_id, provider)
        if integration.status == "inactive":
            raise IntegrationNotActive(f"The {title} integration is inactive. Activate it, then try again.")
        try:
            stored = await self._check_stored_key(caller, business_id, provider, "reactivate")
        except ApiKeyRejected:
            raise IntegrationNotActive(
                f"{title} rejects the stored API key. Save a new key, then try again."
            ) from None
        except AppError as error:
            log.info("key_not_checked", business_id=str(business_id), provider=provider, code=error.code)
            raise IntegrationNotActive(
                f"{title} has rejected the stored API key, and cannot be asked now whether it works again. "
                "Try again later, or save a new key."
            ) from error
        await self.repository.record_key_check(stored, accepted=True)

    async def _check_stored_key(
        self, caller: Caller, business_id: UUID, provider: str, purpose: str
    ) -> StoredKey:
        stored = await self.read_key(caller, business_id, provider, purpose)
        self._key_checks.count(business_id)
        await self.use_key(stored, lambda client, api_key: client.verify_key(api_key))
        return stored

    async def read_key(self, caller: Caller, business_id: UUID, provider: str, purpose: str) -> StoredKey:
        """Read the stored key and record the read. Raises IntegrationNotFound or InvalidRequest."""
        stored = await self.repository.get_ai_avatar_secret(business_id, provider, caller, purpose)
        if stored is None:
            await self.repository.get_ai_avatar_integration(business_id, provider)
            raise InvalidRequest.of("api_key", "the integration has no API key; save one first")
        return stored

    async def use_key(self, stored: StoredKey, call: Callable[[Provider, str], Awaitable[T]]) -> T:
        """Open a stored key and call its provider with it. Raises InternalError or ProviderError.

        If the provider rejects the key, the integration gets the status `error`.
        """
        api_key = self.keys.open(stored)
        try:
            return await call(self._providers[stored.provider], api_key)
        except ApiKeyRejected:
            try:
                await self.repository.record_key_check(stored, accepted=False)
            except AppError as error:  # the caller needs the provider's answer, not this one
                log.warning("rejection_not_recorded", business_id=str(stored.business_id), code=error.code)
            raise
