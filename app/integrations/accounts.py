"""Whose account a stored key belongs to at the provider, and what is left in it."""

from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from app.integrations.schemas import ProviderAccount, RemainingBalance
from app.integrations.service import IntegrationService
from app.integrations.shared_reads import SharedReads
from app.security import Caller

_FRESH_SECONDS: Final = 60
_MAX_ACCOUNTS: Final = 10_000


class Accounts:
    """The accounts of every business and provider, cached for a minute; one per process."""

    def __init__(self, integrations: IntegrationService) -> None:
        self._integrations = integrations
        self._accounts: SharedReads[ProviderAccount] = SharedReads(_MAX_ACCOUNTS, _FRESH_SECONDS)

    async def get_account(self, caller: Caller, business_id: UUID, provider: str) -> ProviderAccount:
        """Return the account of the stored key. Raises IntegrationNotFound, InvalidRequest or ProviderError."""
        integration = await self._integrations.repository.get_ai_avatar_integration(business_id, provider)
        # A new key has a new validated_at, and so an account of its own.
        key = (integration.id, integration.validated_at)
        return await self._accounts.get(key, lambda: self._ask(caller, business_id, provider))

    async def _ask(self, caller: Caller, business_id: UUID, provider: str) -> ProviderAccount:
        stored = await self._integrations.read_key(caller, business_id, provider, "account")
        account = await self._integrations.use_key(stored, lambda client, api_key: client.verify_key(api_key))
        return ProviderAccount(
            label=account.label,
            billing_type=account.billing_type,
            remaining=RemainingBalance.model_validate(account.remaining) if account.remaining else None,
            checked_at=datetime.now(UTC),
        )
