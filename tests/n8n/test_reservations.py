"""`reserve_create` and `release_create`: the right to request a generation's video, held by one call at a time."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID, uuid4

import asyncpg
import pytest
from pydantic import SecretStr
from support.api import Api
from support.rows import expire_generation

from app.db import Database
from app.integrations.repository import StoredKey
from app.n8n.repository import ClaimRepository, CreateReservation

pytestmark = pytest.mark.anyio

LEASE = timedelta(seconds=45)
DAY = timedelta(hours=24)


@dataclass
class Generation:
    """A live generation, and the calls that compete for its video."""

    id: UUID
    claims: ClaimRepository
    connection: asyncpg.Connection
    stored: StoredKey

    async def reserve(
        self, token: UUID, *, within: timedelta | None = None, sealed_key: str = "key"
    ) -> CreateReservation:
        stored = StoredKey(self.stored.business_id, self.stored.provider, sealed_key)
        return await self.claims.reserve_create(self.id, token, stored, lease=LEASE, repeat_within=within)

    async def refuse(self, token: UUID) -> None:
        """Release: the provider certainly created no video."""
        await self.claims.release_create(self.id, token, is_refused=True)

    async def lose_outcome(self, token: UUID) -> None:
        """Release: whether the provider created a video is unknown."""
        await self.claims.release_create(self.id, token, is_refused=False)

    async def pass_time(self, interval: timedelta) -> None:
        """Make the reservation and the unknown request that much older."""
        await self.connection.execute(
            "update ai_avatar.generations set create_leased_at = create_leased_at - $2::interval, "
            "create_unknown_since = create_unknown_since - $2::interval where id = $1",
            self.id,
            interval,
        )


@pytest.fixture
async def generation(
    api: Api, database_url: str, admin_connection: asyncpg.Connection
) -> AsyncIterator[Generation]:
    db = Database(SecretStr(database_url), pool_size=4)
    await db.open()
    claims = ClaimRepository(db, generation_timeout=timedelta(hours=1))
    stored = StoredKey(api.tenant.business_id, "heygen", "key")
    yield Generation(UUID(await api.start()), claims, admin_connection, stored)
    await db.close()


async def test_same_call_may_reserve_again_and_another_one_waits(generation: Generation) -> None:
    token, other = uuid4(), uuid4()
    assert await generation.reserve(token) == "granted"
    assert await generation.reserve(token) == "granted", "its first answer may have been lost"
    assert await generation.reserve(other, within=DAY) == "pending"


async def test_reserving_again_extends_the_lease(generation: Generation) -> None:
    token = uuid4()
    await generation.reserve(token)
    await generation.pass_time(timedelta(seconds=40))
    await generation.reserve(token)
    await generation.pass_time(timedelta(seconds=40))
    assert await generation.reserve(uuid4(), within=DAY) == "pending"


async def test_of_many_calls_at_once_one_is_granted(generation: Generation) -> None:
    answers = await asyncio.gather(*(generation.reserve(uuid4(), within=DAY) for _ in range(16)))
    assert Counter(answers) == {"granted": 1, "pending": 15}


async def test_refused_create_can_be_requested_again_by_any_call(generation: Generation) -> None:
    token = uuid4()
    await generation.reserve(token)
    await generation.refuse(token)
    assert await generation.reserve(uuid4()) == "granted"


async def test_release_that_is_repeated_leaves_the_next_call_s_reservation(generation: Generation) -> None:
    """The answer to the first release was lost; meanwhile another call has reserved."""
    token, next_ = uuid4(), uuid4()
    await generation.reserve(token)
    await generation.refuse(token)
    assert await generation.reserve(next_) == "granted"
    await generation.refuse(token)
    await generation.lose_outcome(token)
    assert await generation.reserve(uuid4(), within=DAY) == "pending"
    await generation.refuse(next_)
    assert await generation.reserve(uuid4()) == "granted", "no release made the outcome unknown"


async def test_release_without_a_reservation_changes_nothing(generation: Generation) -> None:
    await generation.refuse(uuid4())
    await generation.lose_outcome(uuid4())
    assert await generation.reserve(uuid4()) == "granted"


async def test_reservation_that_arrives_after_its_release_is_not_granted(generation: Generation) -> None:
    """It was repeated because it got no answer, and the first one took its time."""
    token = uuid4()
    await generation.reserve(token)
    await generation.refuse(token)
    assert await generation.reserve(token) == "pending"
    assert await generation.reserve(uuid4()) == "granted", "it holds nothing"


@pytest.mark.parametrize("is_released", [True, False])
async def test_unknown_outcome_is_final_without_the_provider_s_guarantee(
    generation: Generation, is_released: bool
) -> None:
    token = uuid4()
    await generation.reserve(token)
    if is_released:
        await generation.lose_outcome(token)
    else:
        await generation.pass_time(LEASE)
    assert await generation.reserve(uuid4()) == "unknown"


@pytest.mark.parametrize("is_released", [True, False])
async def test_unknown_outcome_may_be_resolved_within_the_provider_s_guarantee(
    generation: Generation, is_released: bool
) -> None:
    token = uuid4()
    await generation.reserve(token)
    if is_released:
        await generation.lose_outcome(token)
    else:
        await generation.pass_time(LEASE)
    assert await generation.reserve(uuid4(), within=DAY) == "granted"


async def test_guarantee_counts_from_the_first_request_whose_outcome_is_unknown(
    generation: Generation,
) -> None:
    """A refusal of the repeat says nothing of the first request, and must not start the period again."""
    for age in (timedelta(), timedelta(hours=12)):
        await generation.pass_time(age)
        token = uuid4()
        assert await generation.reserve(token, within=DAY) == "granted"
        await generation.lose_outcome(token)
    repeat = uuid4()
    assert await generation.reserve(repeat, within=DAY) == "granted"
    await generation.refuse(repeat)
    # The repeat must end within the period, so the lease belongs to it.
    await generation.pass_time(timedelta(hours=12) - LEASE)
    assert await generation.reserve(uuid4(), within=DAY) == "unknown"


async def test_repeat_with_another_key_may_reach_another_account(generation: Generation) -> None:
    token = uuid4()
    await generation.reserve(token, within=DAY)
    await generation.lose_outcome(token)
    assert await generation.reserve(uuid4(), within=DAY, sealed_key="another") == "unknown"
    assert await generation.reserve(uuid4(), within=DAY) == "granted"


async def test_another_key_may_be_used_after_a_refusal(generation: Generation) -> None:
    token = uuid4()
    await generation.reserve(token, within=DAY)
    await generation.refuse(token)
    assert await generation.reserve(uuid4(), within=DAY, sealed_key="another") == "granted"


@pytest.mark.parametrize("end", ["cancelled", "expired", "failed", "completed", "has a video"])
async def test_ended_generation_and_one_with_a_video_are_settled_whoever_holds_the_reservation(
    api: Api, generation: Generation, end: str
) -> None:
    token = uuid4()
    await generation.reserve(token)
    if end == "cancelled":
        await api.cancel(expect=200)
    elif end == "expired":
        await expire_generation(generation.connection, str(generation.id))
    elif end == "has a video":
        await api.report(str(generation.id), "processing", video_id="v-1", expect=200)
    else:
        await api.report(str(generation.id), end, video_url="https://videos.test/1.mp4", expect=200)
    assert await generation.reserve(token) == "settled"
    await generation.refuse(token)
    assert await generation.reserve(uuid4(), within=DAY) == "settled"
