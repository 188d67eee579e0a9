"""Integrations: the database combined with calls to the provider, for which a stored key is opened."""

import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Final, TypeVar
from uuid import UUID

import structlog
from cachetools import TTLCache
from prometheus_client import Counter

from app.admission import BusinessLimit, requests_limited
from app.errors import (
    ApiKeyRejected,
    AppError,
    IntegrationNotActive,
    InvalidRequest,
    KeyNotAvailable,
    RateLimited,
)
from app.integrations.names import Chosen, Details, Kind, SeenItems, look_up
from app.integrations.repository import IntegrationRepository, NewKey, StoredKey
from app.integrations.schemas import Integration, IntegrationCreate, IntegrationUpdate
from app.providers import PROVIDERS
from app.providers.base import Provider
from app.providers.options import check_options
from app.sealing import KeyRing, SealError, is_sealed
from app.security import Caller

log = structlog.get_logger(__name__)

T = TypeVar("T")

# One slow provider's calls share 100 connections: a business may use a tenth of them. A provider limits accounts, too.
_PROVIDER_CALLS: Final = 10
_PROVIDER_QUEUE_SECONDS: Final = 5.0
_KEY_CHECKS: Final = 120
_KEY_CHECK_SECONDS: Final = 60.0
# Four characters of a shorter key would be too much of it.
_MIN_CHARACTERS_FOR_LAST4: Final = 20

_plain_reads = Counter(
    "ai_avatar_plain_secrets_read_total",
    "Keys found unsealed in the vault; after the clean-up, `ai-avatar secrets rotate --from-vault` seals them",
)


def _chosen(body: IntegrationCreate | IntegrationUpdate) -> Chosen:
    """Return the ids that a request chooses; one that is empty or null chooses nothing."""
    ids: dict[Kind, str | None] = {"avatar": body.avatar_id, "voice": body.voice_id}
    return {kind: id_ for kind, id_ in ids.items() if id_}


def _check_settings(provider: str, body: IntegrationCreate | IntegrationUpdate) -> None:
    """Raise InvalidRequest for settings that the provider does not have."""
    spec = PROVIDERS[provider]
    check_options(spec.options, body.provider_config, "body.provider_config")
    if body.voice_id and not spec.has_voices:
        raise InvalidRequest.of(
            "body.voice_id",
            f"must be left out: {spec.title} has no voices to choose, because each avatar has its own",
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
        """Return the plain key. Raises KeyNotAvailable and logs the reason if it cannot be opened."""
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
            raise KeyNotAvailable from None


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
            requests_limited.labels("key_checks").inc()
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
        self.seen_items = SeenItems()
        self._key_checks = KeyCheckLimit()
        self._calls = BusinessLimit(
            _PROVIDER_CALLS, "provider_calls", "calls to the provider", patience=_PROVIDER_QUEUE_SECONDS
        )

    async def _verify_key(self, business_id: UUID, provider: str, api_key: str) -> None:
        self._key_checks.count(business_id)
        async with self._calls.holding(business_id):
            await self._providers[provider].verify_key(api_key)

    async def connect(self, business_id: UUID, body: IntegrationCreate) -> tuple[Integration, bool]:
        """Check the key with the provider, then store it; return whether the integration is new.

        Raises ProviderError: nothing is stored then.
        """
        _check_settings(body.provider, body)
        api_key = body.api_key.get_secret_value()
        await self._verify_key(business_id, body.provider, api_key)
        is_new = await self.repository.set_ai_avatar_integration(
            business_id,
            body.provider,
            self._new_key(api_key, business_id, body.provider),
            avatar_id=body.avatar_id,
            voice_id=body.voice_id,
            provider_config=body.provider_config,
            details=await self._describe(business_id, body.provider, _chosen(body), api_key),
        )
        return await self.repository.get_ai_avatar_integration(business_id, body.provider), is_new

    async def update(
        self, caller: Caller, business_id: UUID, provider: str, body: IntegrationUpdate
    ) -> Integration:
        """Check a new key, or the stored key when the status becomes active, then apply the changes.

        Raises IntegrationNotFound, or ProviderError: nothing is changed then.
        """
        _check_settings(provider, body)
        new_key, api_key = None, None
        if body.api_key is not None:
            # A missing integration is reported before the provider is asked.
            await self.repository.get_ai_avatar_integration(business_id, provider)
            api_key = body.api_key.get_secret_value()
            await self._verify_key(business_id, provider, api_key)
            new_key = self._new_key(api_key, business_id, provider)
        elif body.status == "active":
            api_key = self.keys.open(await self._check_stored_key(caller, business_id, provider, "activate"))
        return await self.repository.update_integration(
            business_id,
            provider,
            body.changes(),
            new_key,
            validated=api_key is not None,
            details=await self._describe(business_id, provider, _chosen(body), api_key, caller),
        )

    def _new_key(self, api_key: str, business_id: UUID, provider: str) -> NewKey:
        last4 = api_key[-4:] if len(api_key) >= _MIN_CHARACTERS_FOR_LAST4 else None
        return NewKey(self.keys.seal(api_key, business_id, provider), last4)

    async def _describe(
        self,
        business_id: UUID,
        provider: str,
        chosen: Chosen,
        api_key: str | None,
        caller: Caller | None = None,
    ) -> Details:
        """Return names and previews of what is being chosen, as far as they can be found.

        Without `api_key`, a key that has just been accepted, the stored one is read on behalf of `caller`.
        """
        found = self.seen_items.find(business_id, provider, chosen)
        if len(found) == len(chosen):
            return Details.of(found)
        if api_key is None and caller is not None:
            with suppress(InvalidRequest, KeyNotAvailable):  # there is no key, or it cannot be opened
                api_key = self.keys.open(await self.read_key(caller, business_id, provider, "look_up_names"))
        if api_key is None:
            return Details.of(found)
        with suppress(RateLimited):
            async with self._calls.holding(business_id):
                found = await look_up(self._providers[provider], api_key, chosen)
        return Details.of(found)

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
            raise InvalidRequest.of("api_key", "is missing from the integration. Save an API key first")
        return stored

    async def is_accepted(self, stored: StoredKey) -> bool:
        """Ask the provider whether it accepts a stored key; record nothing. Raises as `use_key`."""
        try:
            async with self._calls.holding(stored.business_id):
                await self._providers[stored.provider].verify_key(self.keys.open(stored))
        except ApiKeyRejected:
            return False
        return True

    async def use_key(self, stored: StoredKey, call: Callable[[Provider, str], Awaitable[T]]) -> T:
        """Open a stored key and call its provider with it. Raises KeyNotAvailable, RateLimited or ProviderError.

        If the provider rejects the key, the integration gets the status `error`.
        """
        api_key = self.keys.open(stored)
        try:
            async with self._calls.holding(stored.business_id):
                return await call(self._providers[stored.provider], api_key)
        except ApiKeyRejected:
            try:
                await self.repository.record_key_check(stored, accepted=False)
            except AppError as error:  # the caller needs the provider's answer, not this one
                log.warning("rejection_not_recorded", business_id=str(stored.business_id), code=error.code)
            raise
