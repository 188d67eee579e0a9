"""Lending the database's connections: none is lost, none is lent twice, and idle ones are given up."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import asyncpg
import pytest
from pydantic import SecretStr

from app import connections
from app.connections import Connections
from app.db import driver_dsn

pytestmark = pytest.mark.anyio


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[asyncpg.Pool]:
    async with asyncpg.create_pool(driver_dsn(SecretStr(database_url)), min_size=0, max_size=2) as made:
        yield made


async def test_waiting_callers_are_served_in_order(pool: asyncpg.Pool) -> None:
    lent = Connections(pool, 1)
    only = await lent.acquire(1)
    assert lent.are_all_busy
    served: list[int] = []

    async def take(number: int) -> None:
        connection = await lent.acquire(5)
        assert connection is only
        served.append(number)
        lent.release(connection)

    waiting = [asyncio.create_task(take(number)) for number in range(5)]
    await asyncio.sleep(0)
    lent.release(only)
    await asyncio.gather(*waiting)
    assert served == [0, 1, 2, 3, 4]
    await lent.close()


async def test_caller_that_gives_up_as_it_is_served_loses_no_connection(pool: asyncpg.Pool) -> None:
    lent = Connections(pool, 1)
    only = await lent.acquire(1)
    waiting = asyncio.create_task(lent.acquire(5))
    await asyncio.sleep(0)
    lent.release(only)
    waiting.cancel()
    with suppress(asyncio.CancelledError):
        await waiting
    assert await lent.acquire(1) is only
    lent.release(only)
    await lent.close()


async def test_caller_that_gives_up_earlier_is_passed_over(pool: asyncpg.Pool) -> None:
    lent = Connections(pool, 1)
    only = await lent.acquire(1)
    with pytest.raises(TimeoutError):
        await lent.acquire(0.05)
    gone, next_one = asyncio.create_task(lent.acquire(5)), asyncio.create_task(lent.acquire(5))
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.sleep(0)
    lent.release(only)
    assert await next_one is only
    lent.release(only)
    await lent.close()


async def test_connection_whose_call_was_cancelled_is_not_lent_before_the_call_has_ended(
    pool: asyncpg.Pool,
) -> None:
    lent = Connections(pool, 1)
    connection = await lent.acquire(1)
    call = asyncio.create_task(connection.fetchval("select pg_sleep(30)"))
    await asyncio.sleep(0.1)
    call.cancel()
    with suppress(asyncio.CancelledError):
        await call
    await lent.discard(connection)
    again = await lent.acquire(5)
    assert await again.fetchval("select 1") == 1
    lent.release(again)
    await lent.close()


async def test_connection_that_is_refused_leaves_its_place_to_the_next_caller(pool: asyncpg.Pool) -> None:
    lent = Connections(pool, 1)
    only = await lent.acquire(1)
    waiting = asyncio.create_task(lent.acquire(5))
    await asyncio.sleep(0)
    only.terminate()
    await lent.discard(only)
    opened = await waiting
    assert await opened.fetchval("select 1") == 1
    lent.release(opened)
    await lent.close()


async def test_idle_connections_that_the_server_has_ended_are_replaced(
    pool: asyncpg.Pool, admin_connection: asyncpg.Connection
) -> None:
    lent = Connections(pool, 2)
    ended = [await lent.acquire(1), await lent.acquire(1)]
    pids = [await connection.fetchval("select pg_backend_pid()") for connection in ended]
    for connection in ended:
        lent.release(connection)
    await admin_connection.execute("select pg_terminate_backend(pid) from unnest($1::int[]) as pid", pids)
    while await admin_connection.fetchval("select count(*) from pg_stat_activity where pid = any($1)", pids):
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.2)  # their ends arrive

    for _ in range(2):
        connection = await lent.acquire(1)
        assert await connection.fetchval("select pg_backend_pid()") not in pids
        await lent.discard(connection)
    await lent.close()


async def test_connections_that_were_not_needed_for_a_while_are_given_up(
    pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "_TRIM_SECONDS", 0.1)
    lent = Connections(pool, 2)
    both = [await lent.acquire(1), await lent.acquire(1)]
    assert pool.get_idle_size() == 0
    for connection in both:
        lent.release(connection)
    for _ in range(100):
        if pool.get_idle_size() == 2:
            break
        await asyncio.sleep(0.02)
    assert pool.get_idle_size() == 2
    await lent.close()


async def test_closing_gives_back_what_is_still_in_use_once_it_returns(pool: asyncpg.Pool) -> None:
    lent = Connections(pool, 2)
    connection = await lent.acquire(1)
    await lent.close()
    assert pool.get_idle_size() == 0
    lent.release(connection)
    for _ in range(100):
        if pool.get_idle_size() == 1:
            break
        await asyncio.sleep(0.01)
    assert pool.get_idle_size() == 1
