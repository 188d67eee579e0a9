"""Reads that share a statement: each caller gets its own answer, and a failure reaches all of them."""

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
from pydantic import SecretStr
from support.api import Api
from support.statements import Statements, noting_statements
from support.tenants import make_tenant

from app import errors
from app.batched_reads import BatchedReads
from app.db import INTEGER, TEXT, TIMESTAMPTZ, UUID_, Database, SqlFunction, connect
from app.integrations.repository import GET_AI_AVATAR_INTEGRATION_JSON, LIST_INTEGRATIONS
from app.videos.functions import GET_LATEST_GENERATION

pytestmark = pytest.mark.anyio

FUNCTION = SqlFunction(
    "public.tests_rows",
    {"p_id": UUID_, "p_count": INTEGER, "p_after": TIMESTAMPTZ},
    ("id", "number", "moment"),
)
SLEEP = SqlFunction("public.tests_sleep", {"p_ms": INTEGER})
RAISE = SqlFunction("public.tests_refuse", {"p_text": TEXT})
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.fixture
async def statements(database_url: str, admin_connection: asyncpg.Connection) -> AsyncIterator[Statements]:
    """The statements that reach a database with functions for these tests."""
    await admin_connection.execute(
        """
        create or replace function public.tests_rows(p_id uuid, p_count integer, p_after timestamptz)
        returns table (id uuid, number integer, moment timestamptz) language plpgsql stable as $$
        begin return query select p_id, n, p_after + n * interval '1 hour'
            from generate_series(p_count, 1, -1) as n; end $$;
        create or replace function public.tests_sleep(p_ms integer)
        returns text language plpgsql as $$ begin perform pg_sleep(p_ms / 1000.0); return 'slept'; end $$;
        create or replace function public.tests_refuse(p_text text)
        returns text language plpgsql as $$ begin raise exception 'no' using errcode = '53300'; end $$;
        """
    )
    async with noting_statements(database_url) as found:
        yield found


@pytest.fixture
async def db(statements: Statements) -> AsyncIterator[Database]:
    """A pool of two connections, which have been opened."""
    found = Database(SecretStr(statements.url), pool_size=2)
    await found.open()
    await asyncio.gather(*(found.call_value(SLEEP, p_ms=50) for _ in range(2)))
    yield found
    await found.close()


def batches(statements: Statements, name: str) -> int:
    return sum(f"LATERAL public.{name}(" in text for text in statements.executed)


async def test_calls_of_one_turn_are_one_statement_and_each_gets_its_own_rows(
    db: Database, statements: Statements
) -> None:
    reads = BatchedReads(db, FUNCTION)
    asked: list[tuple[UUID | None, int, datetime | None]] = [
        (uuid4(), count % 4, NOW + timedelta(days=count)) for count in range(60)
    ]
    asked += [(None, 2, None), asked[7], asked[7]]
    answers = await asyncio.gather(
        *(reads.call(p_id=key, p_count=count, p_after=after) for key, count, after in asked)
    )
    for (key, count, after), rows in zip(asked, answers, strict=True):
        expected = [(key, n, after and after + timedelta(hours=n)) for n in range(count, 0, -1)]
        assert [tuple(row)[:3] for row in rows] == expected, "in the function's order"
    assert batches(statements, "tests_rows") == 1


async def test_calls_of_later_turns_do_not_wait_for_the_first(db: Database) -> None:
    """What a read returns is never older than its request, and a slow statement delays only its own calls."""
    reads = BatchedReads(db, SLEEP)
    slow = asyncio.create_task(reads.call(p_ms=400))
    await asyncio.sleep(0.05)
    await asyncio.wait_for(reads.call(p_ms=1), 0.3)
    assert not slow.done()
    await slow


async def test_cancelled_caller_takes_no_answer_from_the_others(db: Database) -> None:
    reads = BatchedReads(db, FUNCTION)
    tasks = [asyncio.create_task(reads.call(p_id=None, p_count=n, p_after=None)) for n in (1, 2, 3)]
    await asyncio.sleep(0)  # all three wait
    tasks[1].cancel()
    first, cancelled, last = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(cancelled, asyncio.CancelledError)
    assert isinstance(first, list)
    assert isinstance(last, list)
    assert (len(first), len(last)) == (1, 3)


async def test_failure_reaches_every_caller_and_the_next_call_is_free_of_it(db: Database) -> None:
    refused = BatchedReads(db, RAISE)
    answers = await asyncio.gather(*(refused.call(p_text="x") for _ in range(5)), return_exceptions=True)
    assert [type(answer) for answer in answers] == [errors.DatabaseUnavailable] * 5
    assert await BatchedReads(db, SLEEP).call(p_ms=1)


async def test_pool_that_is_exhausted_is_overloaded_for_every_caller(db: Database) -> None:
    busy = [asyncio.create_task(db.call_value(SLEEP, p_ms=1500)) for _ in range(2)]
    await asyncio.sleep(0.1)
    reads = BatchedReads(db, SLEEP)
    started = asyncio.get_running_loop().time()
    answers = await asyncio.gather(*(reads.call(p_ms=1) for _ in range(5)), return_exceptions=True)
    assert [type(answer) for answer in answers] == [errors.Overloaded] * 5
    assert asyncio.get_running_loop().time() - started < 1, "as soon as any request, not as background work"
    await asyncio.gather(*busy)


async def test_end_of_the_process_ends_the_wait_of_every_caller(db: Database) -> None:
    reads = BatchedReads(db, SLEEP)
    callers = [asyncio.create_task(reads.call(p_ms=5000)) for _ in range(3)]
    await asyncio.sleep(0.1)
    [statement] = reads._tasks
    statement.cancel()
    answers = await asyncio.wait_for(asyncio.gather(*callers, return_exceptions=True), 2)
    assert [type(answer) for answer in answers] == [asyncio.CancelledError] * 3


@pytest.mark.parametrize(
    ("function", "others"),
    [
        (GET_AI_AVATAR_INTEGRATION_JSON, ["heygen", None]),
        (LIST_INTEGRATIONS, [None, None, None, None, 21]),
        (GET_LATEST_GENERATION, [uuid4()]),
    ],
    ids=lambda value: value.name if isinstance(value, SqlFunction) else "",
)
async def test_a_batch_is_not_planned_at_each_call(
    database_url: str, function: SqlFunction, others: list[Any]
) -> None:
    """Planning takes PostgreSQL as long as reading one row: the functions say how few rows they return."""
    connection, sql = await connect(SecretStr(database_url)), function.batch().sql
    for _ in range(20):
        await connection.fetch(sql, [uuid4()], *([value] for value in others))
    plans = "select generic_plans, custom_plans from pg_prepared_statements where statement = $1"
    counts = [tuple(row) for row in await connection.fetch(plans, sql)]
    await connection.close()
    assert counts == [(15, 5)]


async def test_businesses_whose_reads_share_a_statement_see_only_their_own(
    client: httpx.AsyncClient, admin_connection: asyncpg.Connection
) -> None:
    apis = [Api(client, await make_tenant(admin_connection)) for _ in range(4)]
    for api in apis[:3]:
        await api.connect(f"sandbox-{api.tenant.business_id}", avatar_id="sandbox-ada", expect=201)
        await api.generate(expect=202)

    async def read(api: Api) -> list[Any]:
        return [await api.get_integration(), await api.list_integrations(), await api.get_generation()]

    answers = await asyncio.gather(*(read(api) for api in apis * 8))
    for api, (one, page, generation) in zip(apis * 8, answers, strict=True):
        own = str(api.tenant.business_id)
        if api is apis[3]:
            assert (one.status_code, page.json()["items"], generation.status_code) == (404, [], 404)
        else:
            assert one.json()["business_id"] == own
            assert [item["business_id"] for item in page.json()["items"]] == [own]
            assert generation.json()["content_id"] == str(api.tenant.content_id)
            assert re.fullmatch("dispatching|processing", generation.json()["status"])
