"""The scheduled check of stored keys. Time passes by changing when a check is due."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import httpx
import pytest
from fastapi import FastAPI
from support.api import Api
from support.controlled_heygen import ControlledHeyGen
from support.rows import list_secret_reads

from app.dependencies import services_of
from app.integrations.key_health import KeyHealth
from app.integrations.service import IntegrationService

pytestmark = pytest.mark.anyio

DAY = timedelta(days=1)


@pytest.fixture
async def key_health(
    controlled_service: tuple[FastAPI, httpx.AsyncClient], admin_connection: asyncpg.Connection
) -> KeyHealth:
    """The task of one process. What other tests have left is not due."""
    await admin_connection.execute(
        "update ai_avatar.integration_details set next_key_check_at = now() + interval '10 days'"
    )
    return KeyHealth(services_of(controlled_service[0])[IntegrationService], DAY)


class Key:
    """The key of the test's business, and what the schedule says of it."""

    def __init__(self, api: Api, connection: asyncpg.Connection) -> None:
        self.api = api
        self.connection = connection

    async def let_time_pass(self, **passed: float) -> None:
        """Move the schedule into the past, as if this time had passed."""
        await self.connection.execute(
            "update ai_avatar.integration_details as d set next_key_check_at = d.next_key_check_at - $2::interval, "
            "key_rejected_at = d.key_rejected_at - $2::interval "
            "from public.ai_avatar_integrations as ai where ai.id = d.integration_id and ai.business_id = $1",
            self.api.tenant.business_id,
            timedelta(**passed),
        )

    async def make_due(self) -> None:
        await self.connection.execute(
            "update ai_avatar.integration_details as d set next_key_check_at = now() "
            "from public.ai_avatar_integrations as ai where ai.id = d.integration_id and ai.business_id = $1",
            self.api.tenant.business_id,
        )

    async def next_check(self) -> timedelta:
        """How long until the next check."""
        found: timedelta = await self.connection.fetchval(
            "select d.next_key_check_at - now() from ai_avatar.integration_details as d "
            "join public.ai_avatar_integrations as ai on ai.id = d.integration_id where ai.business_id = $1",
            self.api.tenant.business_id,
        )
        return found

    async def read(self) -> dict[str, Any]:
        integration: dict[str, Any] = (await self.api.get_integration(expect=200)).json()
        return integration


@pytest.fixture
async def key(controlled_api: Api, key_health: KeyHealth, admin_connection: asyncpg.Connection) -> Key:
    """A key that was saved a moment ago. Depends on `key_health`, which makes other keys wait."""
    return Key(controlled_api, admin_connection)


async def test_new_key_is_checked_within_a_day_and_then_about_once_a_day(
    key: Key, key_health: KeyHealth, heygen: ControlledHeyGen, api_key: str
) -> None:
    await key.connection.execute(
        "update ai_avatar.integration_details as d set next_key_check_at = null "
        "from public.ai_avatar_integrations as ai where ai.id = d.integration_id and ai.business_id = $1",
        key.api.tenant.business_id,
    )
    heygen.calls.clear()
    assert await key_health.check_due() == 0
    assert DAY / 2 - timedelta(minutes=1) < await key.next_check() <= DAY
    before = await key.read()

    await key.let_time_pass(days=1)
    assert await key_health.check_due() == 1
    assert heygen.calls_of(api_key) == ["users/me"]
    assert 0.89 * DAY < await key.next_check() < 1.11 * DAY
    after = await key.read()
    assert datetime.fromisoformat(after["validated_at"]) > datetime.fromisoformat(before["validated_at"])
    assert await key_health.check_due() == 0
    [read] = await list_secret_reads(key.connection, key.api.tenant.business_id)
    assert (read["caller"], read["purpose"]) == ("maintenance", "scheduled_check")


async def test_second_rejection_some_minutes_later_sets_error(
    key: Key, key_health: KeyHealth, heygen: ControlledHeyGen, api_key: str
) -> None:
    heygen.revoked.add(api_key)
    await key.make_due()
    await key_health.check_due()
    assert (await key.read())["status"] == "active", "an outage may look like this"
    assert timedelta(minutes=5) < await key.next_check() < timedelta(minutes=7)
    assert await key_health.check_due() == 0

    await key.let_time_pass(minutes=7)
    assert await key_health.check_due() == 1
    assert (await key.read())["status"] == "error"
    assert await key.next_check() > 0.8 * DAY


async def test_second_rejection_at_once_confirms_nothing(
    key: Key, key_health: KeyHealth, heygen: ControlledHeyGen, api_key: str
) -> None:
    heygen.revoked.add(api_key)
    for _ in range(2):
        await key.make_due()
        assert await key_health.check_due() == 1
    assert (await key.read())["status"] == "active"


@pytest.mark.parametrize("by", ["the schedule", "validate", "a new key"])
async def test_acceptance_between_two_rejections_forgets_the_first(
    key: Key, key_health: KeyHealth, heygen: ControlledHeyGen, api_key: str, by: str
) -> None:
    heygen.revoked.add(api_key)
    await key.make_due()
    await key_health.check_due()

    heygen.revoked.remove(api_key)
    await key.let_time_pass(minutes=7)
    if by == "the schedule":
        await key_health.check_due()
    elif by == "validate":
        await key.api.validate(expect=200)
    else:
        await key.api.connect(api_key, expect=200)

    heygen.revoked.add(api_key)
    await key.make_due()
    assert await key_health.check_due() == 1
    assert (await key.read())["status"] == "active"


async def test_key_that_works_again_becomes_active_again(
    key: Key, key_health: KeyHealth, heygen: ControlledHeyGen, api_key: str
) -> None:
    heygen.revoked.add(api_key)
    await key.api.validate(expect=200)
    assert (await key.read())["status"] == "error"
    heygen.revoked.remove(api_key)
    await key.make_due()
    await key_health.check_due()
    assert (await key.read())["status"] == "active"


async def test_inactive_integration_is_left_alone(
    key: Key, key_health: KeyHealth, heygen: ControlledHeyGen
) -> None:
    await key.api.update(status="inactive", expect=200)
    heygen.calls.clear()
    await key.make_due()
    assert await key_health.check_due() == 0
    assert heygen.calls == []
    assert (await key.read())["status"] == "inactive"
    assert await key.next_check() > 0.8 * DAY


async def test_outage_is_no_verdict_and_the_check_is_repeated_when_its_lease_ends(
    key: Key, key_health: KeyHealth, heygen: ControlledHeyGen
) -> None:
    heygen.unavailable = True
    await key.make_due()
    assert await key_health.check_due() == 1
    assert (await key.read())["status"] == "active"
    assert timedelta(minutes=29) < await key.next_check() <= timedelta(minutes=30)


async def test_key_that_is_replaced_during_the_check_is_not_judged(
    key: Key, key_health: KeyHealth, heygen: ControlledHeyGen, api_key: str
) -> None:
    heygen.revoked.add(api_key)
    heygen.check_delay = 1
    await key.make_due()
    check = asyncio.create_task(key_health.check_due())
    async with asyncio.timeout(5):
        while "users/me" not in heygen.calls_of(api_key)[1:]:
            await asyncio.sleep(0.01)
    heygen.check_delay = 0
    await key.api.connect(f"{api_key}-new", expect=200)
    await check
    rejected_at = await key.connection.fetchval(
        "select d.key_rejected_at from ai_avatar.integration_details as d "
        "join public.ai_avatar_integrations as ai on ai.id = d.integration_id where ai.business_id = $1",
        key.api.tenant.business_id,
    )
    assert rejected_at is None
    assert (await key.read())["status"] == "active"


async def test_instances_share_the_checks(
    key: Key, key_health: KeyHealth, heygen: ControlledHeyGen, api_key: str
) -> None:
    heygen.calls.clear()
    await key.make_due()
    counts = await asyncio.gather(*(key_health.check_due() for _ in range(8)))
    assert sum(counts) == 1
    assert heygen.calls_of(api_key) == ["users/me"]


async def test_zero_hours_switch_the_check_off(controlled_service: tuple[FastAPI, httpx.AsyncClient]) -> None:
    async with asyncio.timeout(5):
        await KeyHealth(services_of(controlled_service[0])[IntegrationService], timedelta()).run()
