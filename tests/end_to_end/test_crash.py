"""200 generates, with both providers, while processes are killed: none is billed twice, stuck, or lost.

docs/generation.md
"""

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any, ClassVar
from uuid import UUID

import asyncpg
import httpx
import pytest
from support.crashes import (
    connect_businesses,
    count_stuck_items,
    kill_at_random,
    request_videos,
    seeded_random,
    settle,
)
from support.processes import environment, service_processes
from support.servers import serve_app
from support.unreliable_n8n import Behaviour, UnreliableN8n

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

GENERATES = 200
PROVIDERS = ("heygen", "tavus")
CONTENTS = 80
SENDERS = 20
MIN_KILLS = 3
WEBHOOK_SECONDS = 2
# 6 s: a workflow that is silent for longer is given up, and may still report late.
TIMEOUT_MINUTES = 0.1
# A deadline is 6 s after the latest news, and maintenance runs every 7.5 s at the latest.
SETTLE_SECONDS = 120


class DirectWorkflows(UnreliableN8n):
    """Claims the generation with its key, makes the video itself and reports, as n8n/heygen-video-direct.json does."""

    behaviours: ClassVar = {
        "runs it": Behaviour(200, 1, weight=55),
        "runs it twice": Behaviour(200, 2, weight=12),
        "accepts and does nothing": Behaviour(200, 0, weight=8),
        "runs it and answers 500": Behaviour(500, 1, weight=8),
        "answers 500": Behaviour(500, 0, weight=4),
        "runs it and hangs": Behaviour(None, 1, weight=5),
        "hangs": Behaviour(None, 0, weight=3),
        "is busy": Behaviour(503, 0, weight=5),
    }
    pauses = (0.05, 0.3)

    def __init__(self, rng: random.Random) -> None:
        super().__init__(rng, webhook_timeout=WEBHOOK_SECONDS)
        self.claims: defaultdict[str, set[str]] = defaultdict(set)
        self.completions: dict[str, str] = {}

    async def run(self, client: httpx.AsyncClient, job: dict[str, str], execution_id: str) -> None:
        generation_id = job["generation_id"]
        ids = {"generation_id": generation_id, "execution_id": execution_id}
        claim = {**ids, "business_id": job["business_id"]}
        n8n = f"/n8n/{job['provider']}"
        if (await self.call(client, "POST", f"{n8n}-credentials", claim)).status_code != 200:
            self.counts["claims refused"] += 1
            return
        self.claims[generation_id].add(execution_id)
        report = {**ids, "status": "processing", "video_id": f"video-{execution_id}"}
        await self.call(client, "POST", f"{n8n}-status", report)
        await asyncio.sleep(self.rng.uniform(0, 1))
        end = self.rng.choices(["completed", "failed", "silent"], [80, 10, 10])[0]
        self.counts[f"executions {end}"] += 1
        if end == "silent":
            return
        url = f"https://videos.test/{execution_id}"
        report = {**ids, "status": end} | (
            {"video_url": url} if end == "completed" else {"error": "Out of credit"}
        )
        answer = await self.call(client, "POST", f"{n8n}-status", report)
        if end == "completed" and answer.status_code == 200:
            self.completions[generation_id] = url
        elif answer.status_code != 200:
            self.counts["reports refused"] += 1


@pytest.mark.logs("generation_expired", "request_failed:webhook_timeout", "request_failed:webhook_failed")
async def test_nothing_is_stuck_lost_or_run_twice_while_processes_are_killed(
    database_url: str,
    admin_connection: asyncpg.Connection,
    heygen_url: str,
    tavus_url: str,
    record_property: Callable[[str, object], None],
) -> None:
    rng = seeded_random(record_property)
    n8n = DirectWorkflows(random.Random(rng.random()))
    counts: Counter[str] = Counter()
    with serve_app(n8n.app) as n8n_url:
        env = environment(
            database_url,
            f"{n8n_url}/webhook/heygen-video",
            HEYGEN_API_URL=heygen_url,
            TAVUS_API_URL=tavus_url,
            N8N_TAVUS_WEBHOOK_URL=f"{n8n_url}/webhook/tavus-video",
            WEBHOOK_TIMEOUT_SECONDS=str(WEBHOOK_SECONDS),
            GENERATION_TIMEOUT_MINUTES=str(TIMEOUT_MINUTES),
            LOG_LEVEL="warning",
        )
        with service_processes(env, 2) as services:
            n8n.services = services
            targets = await connect_businesses(
                admin_connection, services[0], contents=CONTENTS, providers=PROVIDERS
            )
            plans = [rng.choices(targets, k=GENERATES // SENDERS) for _ in range(SENDERS)]
            sending = asyncio.gather(
                *(
                    request_videos(random.Random(rng.random()), services, plan, counts, providers=PROVIDERS)
                    for plan in plans
                )
            )

            def is_over() -> bool:
                return sending.done() and counts["processes killed"] >= MIN_KILLS

            await asyncio.gather(sending, kill_at_random(rng, services, is_over, counts))
            await pass_dispatch_deadlines(admin_connection)
            await settle(admin_connection, n8n.running, seconds=SETTLE_SECONDS)
    await check(admin_connection, n8n, counts)
    for name, count in sorted((counts + n8n.counts).items()):
        record_property("crash test", f"{count:>5} {name}")


async def pass_dispatch_deadlines(admin_connection: asyncpg.Connection) -> None:
    """Let the 30 s pass that a dispatch may take beyond the webhook's budget, once no process is dispatching."""
    await asyncio.sleep(WEBHOOK_SECONDS + 1)
    await admin_connection.execute(
        "update ai_avatar.generations set deadline = deadline - interval '30 s' where status = 'dispatching'"
    )


async def check(admin_connection: asyncpg.Connection, n8n: DirectWorkflows, counts: Counter[str]) -> None:
    """What must hold however the processes died."""
    rows = await admin_connection.fetch("select * from ai_avatar.generations order by requested_at")
    generations: dict[str, asyncpg.Record] = {str(row["id"]): row for row in rows}
    for row in rows:
        counts[f"generations {row['status']} by {row['ended_by']}"] += 1
        counts[f"generations of {row['provider']}"] += 1
    assert await count_stuck_items(admin_connection) == 0
    assert [bodies for bodies in n8n.bodies.values() if len(bodies) > 1] == []
    assert set(n8n.bodies) <= set(generations)
    assert [claimants for claimants in n8n.claims.values() if len(claimants) > 1] == []
    for generation_id, claimants in n8n.claims.items():
        assert {generations[generation_id]["claimed_by"]} == claimants
    for generation_id, url in n8n.completions.items():
        row = generations[generation_id]
        assert (row["status"], row["video_url"]) == ("completed", url)
    counts["webhooks seen"] = len(n8n.bodies)
    counts["completions reported"] = len(n8n.completions)
    counts["completions after the end"] = sum(
        row["completed_at"] is not None and row["completed_at"] > row["deadline"] for row in rows
    )
    await check_contents(admin_connection, rows, counts)


async def check_contents(
    admin_connection: asyncpg.Connection, rows: list[asyncpg.Record], counts: Counter[str]
) -> None:
    """Each content item shows the last video that was its newest generation's when it was completed."""
    contents: dict[UUID, Any] = {
        row["id"]: row
        for row in await admin_connection.fetch("select id, heygen_status, heygen_url from public.content")
    }
    shown: dict[UUID, str] = {}
    for number, row in enumerate(rows):
        following = [r["requested_at"] for r in rows[number + 1 :] if r["content_id"] == row["content_id"]]
        if row["status"] == "completed" and not (following and following[0] < row["completed_at"]):
            shown[row["content_id"]] = row["video_url"]
    for content_id, content in contents.items():
        assert content["heygen_url"] == shown.get(content_id)
        latest = [row for row in rows if row["content_id"] == content_id][-1:]
        if latest and latest[0]["status"] == "completed":
            assert content["heygen_status"] == "completed"
    counts["content items with their video"] = len(shown)
