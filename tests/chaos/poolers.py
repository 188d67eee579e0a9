"""The service behind PgBouncer in transaction mode."""

import asyncio

from chaos.programs import pgbouncer
from chaos.promises import check_generations, check_logs
from chaos.scenarios import Run, seconds_until_readable
from chaos.stack import LOGIN, LOGIN_PASSWORD, Stack, running
from chaos.traffic import traffic


async def pooler_restarted(run: Run, stack: Stack) -> None:
    """Two replicas share 20 server connections of PgBouncer in transaction mode, which is restarted."""
    with pgbouncer(stack.database.port, LOGIN, LOGIN_PASSWORD) as pooler:
        url = pooler.url("ai_avatar", LOGIN, LOGIN_PASSWORD)
        async with running(2, run.rng, stack.database, url) as pooled:
            async with traffic(pooled) as users:
                await asyncio.sleep(run.seconds / 3)
                reads, writes = users.measure()
                await asyncio.sleep(run.seconds / 3)
                steady = [answers.failures for answers in (reads, writes) if answers.failed]
                run.report.figure(f"reads: {reads}")
                run.report.figure(f"writes: {writes}")
                run.report.promise("no request fails", not steady, "; ".join(steady))
                await asyncio.to_thread(pooler.stop)
                await asyncio.to_thread(pooler.start, {LOGIN: LOGIN_PASSWORD})
                recovered = await seconds_until_readable(pooled)
                await asyncio.sleep(0.5)
            run.report.promise("reads resume within 5 s after a restart", recovered < 5, f"{recovered:.1f} s")
            await check_generations(pooled, users, run.report, "expired", "failed")
            check_logs(pooled, run.report)
