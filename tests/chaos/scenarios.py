"""What is done to the system while users work. Each scenario reports figures and promises, and puts all right again."""

import asyncio
import random
import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import httpx
from chaos import relay
from chaos.promises import Report, check_generations
from chaos.stack import Stack
from chaos.traffic import traffic


@dataclass(frozen=True)
class Run:
    """How long parts of a scenario last, and where its results go."""

    report: Report
    rng: random.Random
    seconds: float
    """Of load for each thing that is done."""


Scenario = Callable[[Run, Stack], Awaitable[None]]


async def replicas_killed(run: Run, stack: Stack) -> None:
    """One replica is killed every few seconds."""
    report, kills = run.report, 0
    async with traffic(stack) as users:
        end = time.monotonic() + run.seconds
        while not kills or time.monotonic() < end:
            await asyncio.sleep(run.rng.uniform(0.5, 2))
            victim = run.rng.choice(stack.services)
            await asyncio.to_thread(victim.kill)
            kills += 1
            victim.start()
            await asyncio.to_thread(victim.wait_until_ready)
    report.figure(f"{kills} kills; reads: {users.reads}")
    report.figure(f"writes: {users.writes}")
    report.promise(
        "only requests in a killed process fail", users.reads.failed <= 4 * kills, users.reads.failures
    )
    # The webhook of a killed process was perhaps never called.
    await check_generations(stack, users, report, "expired")


async def replicas_restarted(run: Run, stack: Stack) -> None:
    """Each replica in turn gets SIGTERM and is started again."""
    report, rounds = run.report, 0
    async with traffic(stack) as users:
        end = time.monotonic() + run.seconds
        while not rounds or time.monotonic() < end:
            for service in stack.services:
                service.send(signal.SIGTERM)
                await asyncio.to_thread(service.wait)
                service.start()
                await asyncio.to_thread(service.wait_until_ready)
                await asyncio.sleep(1.1)  # nginx tries it again
            rounds += 1
    report.figure(f"{rounds} restarts of all replicas; reads: {users.reads}")
    report.figure(f"writes: {users.writes}")
    report.promise("no read fails on SIGTERM", users.reads.failed == 0, users.reads.failures)
    report.promise("no write fails on SIGTERM", users.writes.failed == 0, users.writes.failures)
    await check_generations(stack, users, report)


async def database_stopped(run: Run, stack: Stack) -> None:
    """PostgreSQL is stopped in order, started, crashed and started again."""
    for name, number in (("stopped", signal.SIGINT), ("crashed", signal.SIGQUIT)):
        async with traffic(stack) as users:
            await asyncio.sleep(1)
            await asyncio.to_thread(stack.database.stop, number)
            await asyncio.sleep(run.seconds / 5)
            await check_outage(run.report, stack, "Cannot connect to PostgreSQL")
            await asyncio.to_thread(stack.database.start)
            recovered = await seconds_until_readable(stack)
            await stack.reconnect()
            await asyncio.sleep(1)
        run.report.figure(f"{name}: readable {recovered:.1f} s after its start; reads: {users.reads}")
        run.report.promise("reads resume within 5 s", recovered < 5)
        unexpected = users.reads.statuses.keys() - {200, 503}
        run.report.promise(
            "reads fail with 503 only", not unexpected, users.reads.failures if unexpected else ""
        )
        # n8n's workflow gives up after three attempts.
        await check_generations(stack, users, run.report, "expired", "failed")


async def database_slow(run: Run, stack: Stack) -> None:
    """PostgreSQL does not answer for some seconds, and keeps its connections open."""
    async with traffic(stack) as users:
        await asyncio.sleep(1)
        stack.database.pause()
        try:
            await asyncio.sleep(run.seconds / 5)
            await check_alive(run.report, stack)
        finally:
            stack.database.resume()
        recovered = await seconds_until_readable(stack)
        await asyncio.sleep(1)
    run.report.figure(f"paused for {run.seconds / 5:.0f} s; reads: {users.reads}")
    run.report.promise("reads resume within 5 s", recovered < 5, f"{recovered:.1f} s")
    run.report.promise(
        "a pause shorter than the timeouts fails no read", not users.reads.failed, users.reads.failures
    )
    await check_generations(stack, users, run.report, "expired", "failed")


async def database_read_only(run: Run, stack: Stack) -> None:
    """PostgreSQL becomes read-only, as after a failover to a standby."""
    async with traffic(stack) as users:
        await asyncio.sleep(1)
        await set_read_only(stack, "on")
        await asyncio.sleep(run.seconds / 5)
        before = users.reads.failed
        await check_outage(run.report, stack, "read-only")
        await set_read_only(stack, "off")
        await asyncio.sleep(1)
    run.report.figure(f"reads: {users.reads}")
    run.report.figure(f"writes: {users.writes}")
    run.report.promise("reads go on", before == 0, users.reads.failures)
    unexpected = users.writes.statuses.keys() - {202, 502, 503}
    run.report.promise("writes fail with 503", not unexpected, users.writes.failures if unexpected else "")
    await check_generations(stack, users, run.report, "expired", "failed")


async def set_read_only(stack: Stack, value: str) -> None:
    """Make all new transactions read-only, or end that."""
    await stack.admin.execute("set default_transaction_read_only = off")
    await stack.admin.execute(f"alter system set default_transaction_read_only = {value}")
    await stack.admin.execute("select pg_reload_conf()")


async def n8n_misbehaves(run: Run, stack: Stack) -> None:
    """n8n is slow, dead, busy, and lies about what it has done."""
    stack.n8n.be(
        *(relay.HONEST, relay.SLOW, relay.DEAD, relay.LOSES_ANSWER, relay.FAILS, relay.FAILS_AFTER),
        *(relay.IGNORES, relay.TWICE, relay.BUSY),
    )
    try:
        await others_work(run, stack)
    finally:
        stack.n8n.be()


async def heygen_misbehaves(run: Run, stack: Stack) -> None:
    """HeyGen is slow, dead, and lies about the videos that it makes."""
    stack.heygen.be(
        *(relay.HONEST, relay.SLOW, relay.DEAD, relay.LOSES_ANSWER, relay.FAILS, relay.FAILS_AFTER),
        *(relay.TWICE, relay.NONSENSE),
        path="/v3/videos",
    )
    try:
        await others_work(run, stack)
    finally:
        stack.heygen.be()


async def others_work(run: Run, stack: Stack) -> None:
    """Let users work; reads have nothing to do with n8n and HeyGen, and must not notice."""
    before = stack.n8n.counts + stack.heygen.counts
    async with traffic(stack) as users:
        await asyncio.sleep(run.seconds)
    counts = stack.n8n.counts + stack.heygen.counts - before
    run.report.figure(", ".join(f"{count} × {name}" for name, count in sorted(counts.items())))
    run.report.figure(f"reads: {users.reads}")
    run.report.figure(f"writes: {users.writes}")
    run.report.promise("no read fails", users.reads.failed == 0, users.reads.failures)
    await check_generations(stack, users, run.report, "expired", "failed")


async def check_outage(report: Report, stack: Stack, cause: str) -> None:
    """Check that readiness names the cause, and that the process is alive.

    A replica learns of a read-only database by a write: maintenance makes one every 7.5 s at the latest.
    """
    await check_alive(report, stack)
    deadline = time.monotonic() + 10
    is_named = False
    async with httpx.AsyncClient(trust_env=False, timeout=15) as client:
        while not is_named and time.monotonic() < deadline:
            answer = await client.get(f"{stack.services[0].url}/health/ready")
            is_named = answer.status_code == 503 and cause in answer.text
            await asyncio.sleep(0.2)
    report.promise("readiness names the cause within 10 s", is_named, answer.text[:300])


async def check_alive(report: Report, stack: Stack) -> None:
    """Check that every replica answers /health/live."""
    slowest = 0.0
    async with httpx.AsyncClient(trust_env=False, timeout=15) as client:
        for service in stack.services:
            started = time.monotonic()
            answer = await client.get(f"{service.url}/health/live")
            slowest = max(slowest, time.monotonic() - started)
            assert answer.status_code == 200
    report.promise("every replica answers /health/live within 1 s", slowest < 1, f"{slowest * 1000:.0f} ms")


async def seconds_until_readable(stack: Stack) -> float:
    """Return how long it takes until every replica reads from the database again."""
    started = time.monotonic()
    tenant = stack.tenants[0]
    async with httpx.AsyncClient(trust_env=False, timeout=15) as client:
        for service in stack.services:
            url = f"{service.url}/integrations/ai-avatar/{tenant.business_id}"
            while (await client.get(url, headers=tenant.headers)).status_code != 200:
                assert time.monotonic() - started < 60, service.log
                await asyncio.sleep(0.1)
    return time.monotonic() - started
