"""Work outside requests: deadlines and the audit log's retention; and that no two operations deadlock."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import timedelta
from typing import Any, cast
from uuid import UUID, uuid4

import asyncpg
import pytest
from pydantic import SecretStr
from support.tenants import SECRETS_KEYS, make_content, make_tenant

from app.db import Database
from app.errors import AppError, DatabaseUnavailable
from app.integrations.names import Details
from app.integrations.repository import IntegrationRepository, NewKey
from app.integrations.secret_repository import SecretRepository
from app.n8n.repository import ClaimRepository
from app.providers.base import Video
from app.sealing import KeyRing
from app.security import Caller
from app.videos.maintenance import Maintenance
from app.videos.repository import GenerationRepository
from app.videos.state import GenerationState, Report

pytestmark = pytest.mark.anyio

N8N_CALLER = Caller("n8n")
# What the test of 64 workers must reach: generations started in all, and operations that wait for a lock at once.
GENERATIONS = 100
AT_ONCE = 16


class Ground:
    """A business that has connected HeyGen, and the repositories to work on it without HTTP."""

    def __init__(self, db: Database, admin_connection: asyncpg.Connection) -> None:
        self.admin_connection = admin_connection
        self.admin_connection_in_use = asyncio.Lock()
        self.generations = GenerationRepository(
            db, dispatch_timeout=timedelta(minutes=5), generation_timeout=timedelta(hours=1)
        )
        self.claims = ClaimRepository(db, generation_timeout=timedelta(hours=1))
        self.integrations = IntegrationRepository(db)
        self.secrets = SecretRepository(db)

    async def connect(self) -> UUID:
        """Another business."""
        async with self.admin_connection_in_use:
            business_id = (await make_tenant(self.admin_connection)).business_id
        key = NewKey(KeyRing.parse(SECRETS_KEYS).seal("sandbox-key", business_id, "heygen"), None)
        await self.integrations.set_ai_avatar_integration(
            business_id, "heygen", key, avatar_id="a", voice_id=None, provider_config=None, details=Details()
        )
        return business_id

    async def start(self, business_id: UUID, content_id: UUID, key: str | None = None) -> UUID:
        started = await self.generations.start_generation(
            business_id, content_id, "heygen", None, key, content_id.bytes
        )
        return started.id

    def maintenance(self, retention: timedelta = timedelta(days=1)) -> Maintenance:
        return Maintenance(self.generations, self.secrets, retention)


@pytest.fixture
async def ground(database_url: str, admin_connection: asyncpg.Connection) -> Any:
    db = Database(SecretStr(database_url), pool_size=64)
    await db.open()
    yield Ground(db, admin_connection)
    await db.close()


async def test_deadlines_are_those_of_the_contract(
    ground: Ground, admin_connection: asyncpg.Connection
) -> None:
    business_id = await ground.connect()
    generation_id = await ground.start(business_id, await make_content(admin_connection, business_id))

    async def patience() -> float:
        seconds: float = await admin_connection.fetchval(
            "select extract(epoch from deadline - now())::float from ai_avatar.generations where id = $1",
            generation_id,
        )
        return seconds

    async def age(hours: int) -> None:
        await admin_connection.execute(
            "update ai_avatar.generations set requested_at = now() - make_interval(hours => $2), "
            "deadline = now() + interval '1 s' where id = $1",
            generation_id,
            hours,
        )

    async def report() -> None:
        await ground.generations.report_generation(
            "heygen", Report("processing", execution_id="1"), generation_id=generation_id
        )

    assert await patience() == pytest.approx(300, abs=60)
    await ground.generations.confirm_dispatch(generation_id)
    assert await patience() == pytest.approx(3600, abs=60)
    await age(0)
    await ground.claims.claim_credentials(
        N8N_CALLER, "test", "heygen", generation_id=generation_id, execution_id="1"
    )
    assert await patience() == pytest.approx(3600, abs=60)
    await age(1)
    await report()
    assert await patience() == pytest.approx(3600, abs=60)
    # At most 24 h after the request, however many reports arrive.
    await age(23)
    await report()
    assert await patience() == pytest.approx(3600, abs=60)
    await age(24)
    await report()
    assert await patience() <= 0


async def test_several_instances_share_the_work_and_do_none_twice(
    ground: Ground, database_url: str, admin_connection: asyncpg.Connection
) -> None:
    business_id = await ground.connect()
    contents = [await make_content(admin_connection, business_id, heygen_status="draft") for _ in range(230)]
    mine = {await ground.start(business_id, content_id) for content_id in contents}
    await admin_connection.execute(
        "update ai_avatar.generations set deadline = now() - interval '6 minutes' where id = any($1)", mine
    )
    found: Counter[UUID] = Counter()

    async with AsyncExitStack() as stack:
        instances = []
        for _ in range(6):
            db = Database(SecretStr(database_url), pool_size=1)
            await db.open()
            stack.push_async_callback(db.close)
            instance = Ground(db, admin_connection)
            inner = instance.generations.expire_generations

            async def expire(limit: int, inner: Any = inner) -> Any:
                states = await inner(limit)
                found.update(state.id for state in states)
                return states

            instance.generations.expire_generations = expire  # type: ignore[method-assign]
            instances.append(instance.maintenance())
        totals = await asyncio.gather(*(instance.expire() for instance in instances))

    # An instance skips what others hold locked; the next call finds nothing.
    assert sum(totals) == found.total()
    assert {id_: count for id_, count in found.items() if id_ in mine} == Counter(mine)
    assert await ground.maintenance().expire() == 0
    statuses = await admin_connection.fetch(
        "select heygen_status from public.content where id = any($1)", contents
    )
    assert {row["heygen_status"] for row in statuses} == {"draft"}


async def statuses_of(connection: asyncpg.Connection, generations: list[UUID]) -> list[str]:
    """Return the statuses of these generations, in their order."""
    rows = await connection.fetch(
        "select id, status from ai_avatar.generations where id = any($1)", generations
    )
    found = {row["id"]: row["status"] for row in rows}
    return [found[id_] for id_ in generations]


async def test_locked_generation_does_not_hold_up_the_others(
    ground: Ground, database_url: str, admin_connection: asyncpg.Connection
) -> None:
    business_id = await ground.connect()
    held, free = [
        await ground.start(business_id, await make_content(admin_connection, business_id)) for _ in range(2)
    ]
    await admin_connection.execute(
        "update ai_avatar.generations set deadline = now() - interval '6 minutes' where id = any($1)",
        [held, free],
    )
    other = await asyncpg.connect(database_url)
    try:
        async with other.transaction():
            await other.execute("select from ai_avatar.generations where id = $1 for update", held)
            await ground.maintenance().expire()
            assert await statuses_of(admin_connection, [held, free]) == ["dispatching", "expired"]
        await ground.maintenance().expire()
        assert await statuses_of(admin_connection, [held, free]) == ["expired", "expired"]
    finally:
        await other.close()


async def test_video_is_asked_for_before_it_expires_however_long_the_service_was_down(
    ground: Ground, admin_connection: asyncpg.Connection
) -> None:
    business_id = await ground.connect()
    generation_id, without_video = [
        await ground.start(business_id, await make_content(admin_connection, business_id)) for _ in range(2)
    ]
    await ground.generations.report_generation(
        "heygen", Report("processing", "v1"), generation_id=generation_id
    )
    await admin_connection.execute(
        "update ai_avatar.generations set deadline = now() - interval '3 hours' where id = any($1)",
        [generation_id, without_video],
    )

    def own(states: Iterable[GenerationState]) -> list[UUID]:
        """Without what other tests have left in the module's database."""
        return [state.id for state in states if state.business_id == business_id]

    assert own(await ground.generations.expire_generations(50)) == [without_video]
    assert own(await ground.generations.lease_video_checks(50, uuid4())) == [generation_id]
    # It has been asked for, and there was no answer.
    assert own(await ground.generations.expire_generations(50)) == [generation_id]


async def test_maintenance_continues_after_a_database_outage(ground: Ground) -> None:
    calls = 0
    twice = asyncio.Event()

    async def expire(_: int) -> list[Any]:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise DatabaseUnavailable
        twice.set()
        return []

    ground.generations.expire_generations = expire  # type: ignore[method-assign, assignment]
    maintenance = ground.maintenance()
    maintenance.period_seconds = 0.01
    task = asyncio.create_task(maintenance.run())
    try:
        await asyncio.wait_for(twice.wait(), 30)
    finally:
        task.cancel()


async def test_old_secret_reads_are_purged_in_batches_and_young_ones_kept(
    ground: Ground, admin_connection: asyncpg.Connection
) -> None:
    await admin_connection.execute(
        "insert into ai_avatar.secret_reads (read_at, business_id, provider, caller, purpose) "
        "select now() - interval '2 days', $1, 'heygen', 'n8n', 'test' from generate_series(1, 2500)",
        uuid4(),
    )
    young = uuid4()
    await admin_connection.execute(
        "insert into ai_avatar.secret_reads (read_at, business_id, provider, caller, purpose) "
        "values (now() - interval '23 hours', $1, 'heygen', 'n8n', 'test')",
        young,
    )
    instances = [ground.maintenance() for _ in range(3)]
    assert sum(await asyncio.gather(*(instance.purge() for instance in instances))) == 2500
    left = await admin_connection.fetchval(
        "select count(*) from ai_avatar.secret_reads where business_id = $1", young
    )
    assert left == 1


@asynccontextmanager
async def piling_up(database_url: str, businesses: list[UUID], count: int) -> AsyncIterator[None]:
    """Lock the content items while the body starts work; unlock them once `count` operations wait."""
    blocked = (
        "select count(*) from pg_stat_activity "
        "where datname = current_database() and wait_event_type = 'Lock'"
    )
    holder = await asyncpg.connect(database_url)
    try:
        async with holder.transaction():
            await holder.execute(
                "select from public.content where business_id = any($1) for update", businesses
            )
            yield
            while await holder.fetchval(blocked) < count:
                await holder.execute("select pg_stat_clear_snapshot()")
                await asyncio.sleep(0.01)
    finally:
        await holder.close()


async def test_64_at_once_deadlock_nowhere_and_break_nothing(
    ground: Ground, database_url: str, admin_connection: asyncpg.Connection
) -> None:
    """All operations that take locks, at random, while content items and businesses are deleted.

    The first operations wait for one lock, so that they certainly run at once; then 64 workers go on until enough
    generations have been started.
    """
    rng = random.Random(20261122)
    businesses = [await ground.connect() for _ in range(3)]
    contents = [(b, await make_content(admin_connection, b)) for b in businesses for _ in range(3)]
    started: list[UUID] = [uuid4()]
    refused: Counter[str] = Counter()
    pool = await asyncpg.create_pool(database_url, min_size=0, max_size=8)

    async def start() -> None:
        started.append(await ground.start(*rng.choice(contents), rng.choice([None, "a", "b"])))

    async def tell() -> None:
        status: Any = rng.choice(["processing", "completed", "failed"])
        url = "https://videos.test/1" if status == "completed" else None
        by_content = rng.random() < 0.3
        await ground.generations.report_generation(
            "heygen",
            Report(status, "v", url, execution_id=rng.choice(["1", "2", None])),
            generation_id=None if by_content else rng.choice(started[-6:]),
            content_id=rng.choice(contents)[1] if by_content else None,
        )

    async def claim() -> None:
        await ground.claims.claim_credentials(
            N8N_CALLER,
            "test",
            "heygen",
            generation_id=rng.choice(started[-6:]),
            execution_id=rng.choice(["1", "2"]),
        )

    async def expire() -> None:
        await pool.execute(
            "update ai_avatar.generations "
            "set deadline = now() - interval '6 minutes', next_check_at = now() where id = $1",
            rng.choice(started[-6:]),
        )
        await ground.generations.expire_generations(5)

    async def move() -> None:
        await pool.execute(
            "update public.content set heygen_status = 'draft' where id = $1", rng.choice(contents)[1]
        )

    async def replace_content(number: int, business_id: UUID) -> None:
        async with pool.acquire() as acquired:
            with suppress(asyncpg.ForeignKeyViolationError):  # the business has just been deleted
                connection = cast("asyncpg.Connection", acquired)
                contents[number] = business_id, await make_content(connection, business_id)

    async def delete_content() -> None:
        number = rng.randrange(len(contents))
        business_id, content_id = contents[number]
        await pool.execute("delete from public.content where id = $1", content_id)
        await replace_content(number, business_id)

    async def delete_business() -> None:
        number = rng.randrange(len(businesses))
        victim, businesses[number] = businesses[number], await ground.connect()
        await pool.execute("delete from public.businesses where id = $1", victim)
        for place, (business_id, _) in enumerate(contents):
            if business_id == victim:
                await replace_content(place, businesses[number])

    fresh = Video("v", "completed", "https://v.test/2")
    operations: list[Callable[[], Awaitable[Any]]] = [
        *[start] * 8,
        *[tell] * 8,
        *[claim] * 6,
        *[lambda: ground.generations.confirm_dispatch(rng.choice(started[-6:]))] * 4,
        *[lambda: ground.generations.roll_back_dispatch(rng.choice(started[-6:]), "no", timed_out=False)] * 4,
        *[lambda: ground.generations.cancel_generation(None, rng.choice(contents)[1])] * 3,
        *[lambda: ground.generations.refresh_video_url(rng.choice(started[-6:]), fresh)] * 2,
        *[expire] * 3,
        *[move] * 2,
        delete_content,
        delete_business,
    ]

    async def work() -> None:
        while len(started) <= GENERATIONS:
            try:
                await rng.choice(operations)()
            except AppError as error:
                refused[error.code] += 1
                if isinstance(error, DatabaseUnavailable):
                    raise  # a deadlock (40P01), or a lock that was not granted in time

    async with asyncio.timeout(120):
        async with piling_up(database_url, businesses, AT_ONCE):
            workers = [asyncio.create_task(work()) for _ in range(64)]
        await asyncio.gather(*workers)
    await pool.close()

    broken = await admin_connection.fetch(
        "select c.id from public.content c left join ai_avatar.generations g on g.content_id = c.id "
        "and g.status in ('dispatching', 'processing') where c.business_id = any($1) "
        "group by c.id, c.heygen_status having count(g.id) > 1 "
        "or (c.heygen_status = 'processing' and count(g.id) = 0)",
        businesses,
    )
    assert broken == []
