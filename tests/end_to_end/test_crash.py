"""200 generates while processes are killed: nothing is billed twice, stuck, or lost (docs/generation.md)."""

import asyncio
import json
import os
import random
import signal
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from support.api import api_at
from support.processes import ServiceProcess, environment, service_processes
from support.servers import serve_app
from support.tenants import N8N_HEADERS, SERVICE_HEADERS, make_content, make_tenant

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

GENERATES = 200
CONTENTS = 80
SENDERS = 12
WEBHOOK_SECONDS = 2
# 6 s: a workflow that is silent for longer is given up, and may still report late.
TIMEOUT_MINUTES = 0.1
# The deadline of a dispatch is the webhook's budget and 30 s; recovery looks every 7.5 s at the latest.
SETTLE_SECONDS = 120

# What n8n does with a webhook: its answer, how many executions it starts, and how it is weighted.
BEHAVIOURS: dict[str, tuple[int, int, int]] = {
    "runs it": (200, 1, 55),
    "runs it twice": (200, 2, 12),
    "accepts and does nothing": (200, 0, 8),
    "runs it and answers 500": (500, 1, 8),
    "answers 500": (500, 0, 4),
    "runs it and hangs": (0, 1, 5),
    "hangs": (0, 0, 3),
    "is busy": (503, 0, 5),
}


@dataclass
class UnreliableN8n:
    """In place of n8n, in a thread of its own: takes jobs and runs workflows, unreliably (`BEHAVIOURS`)."""

    rng: random.Random
    services: list[ServiceProcess] = field(default_factory=list)
    bodies: defaultdict[str, set[bytes]] = field(default_factory=lambda: defaultdict(set))
    claims: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    completions: dict[str, str] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    running: set["asyncio.Task[None]"] = field(default_factory=set)

    async def webhook(self, request: Request) -> Response:
        body = await request.body()
        self.bodies[request.headers["webhook-id"]].add(body)
        name = self.rng.choices(list(BEHAVIOURS), [weight for *_, weight in BEHAVIOURS.values()])[0]
        self.counts[f"n8n {name}"] += 1
        status, executions, _ = BEHAVIOURS[name]
        for number in range(executions):
            execution = f"{sum(self.counts.values())}-{number}"
            task = asyncio.create_task(self.run(json.loads(body), execution, delay=number * 0.05))
            self.running.add(task)
            task.add_done_callback(self.running.discard)
        await asyncio.sleep(WEBHOOK_SECONDS + 1 if status == 0 else self.rng.uniform(0, 0.3))
        return JSONResponse({}, status or 200)

    async def run(self, job: dict[str, str], execution: str, delay: float) -> None:
        """One execution of the workflow: claims, makes the video, reports. Every call is tried again, as in n8n."""
        await asyncio.sleep(delay)
        generation_id = job["generation_id"]
        who = {"generation_id": generation_id, "execution_id": execution}
        async with httpx.AsyncClient(headers=N8N_HEADERS, trust_env=False, timeout=10) as client:
            claim = {**who, "business_id": job["business_id"]}
            if (await self.call(client, "/n8n/heygen-credentials", claim)).status_code != 200:
                self.counts["claims refused"] += 1
                return
            self.claims[generation_id].add(execution)
            report = {**who, "status": "processing", "video_id": f"video-{execution}"}
            await self.call(client, "/n8n/heygen-status", report)
            await asyncio.sleep(self.rng.uniform(0, 1))
            end = self.rng.choices(["completed", "failed", "silent"], [80, 10, 10])[0]
            self.counts[f"executions {end}"] += 1
            if end == "silent":
                return
            url = f"https://videos.test/{execution}"
            report = {**who, "status": end} | (
                {"video_url": url} if end == "completed" else {"error": "Out of credit"}
            )
            answer = await self.call(client, "/n8n/heygen-status", report)
            if end == "completed" and answer.status_code == 200:
                self.completions[generation_id] = url
            elif answer.status_code != 200:
                self.counts["reports refused"] += 1

    async def call(self, client: httpx.AsyncClient, path: str, body: dict[str, str]) -> httpx.Response:
        """Retry until a server answers: either may be down, or be killed while it answers."""
        while True:
            service = self.rng.choice(self.services)
            try:
                answer = await client.post(service.url + path, json=body)
            except httpx.TransportError:
                self.counts["calls of n8n that broke"] += 1
            else:
                if answer.status_code < 500:
                    return answer
            await asyncio.sleep(self.rng.uniform(0.05, 0.3))


async def send(
    rng: random.Random, services: list[ServiceProcess], targets: list[tuple[UUID, UUID]], counts: Counter[str]
) -> None:
    """A back end that asks for videos, and asks again with the same key when it got no answer."""
    async with httpx.AsyncClient(headers=SERVICE_HEADERS, trust_env=False, timeout=15) as client:
        for business_id, content_id in targets:
            body = {"business_id": str(business_id), "content_id": str(content_id)}
            key = {"Idempotency-Key": f"{content_id}-{rng.random()}"}
            for _ in range(100):
                url = rng.choice(services).url
                try:
                    answer = await client.post(
                        f"{url}/integrations/ai-avatar/generate-video", json=body, headers=key
                    )
                except httpx.TransportError:
                    counts["generates that broke"] += 1
                    await asyncio.sleep(rng.uniform(0, 0.3))
                    continue
                assert answer.status_code in (202, 409, 502, 503, 504), answer.text
                counts[f"generates answered {answer.status_code}"] += 1
                break
            await asyncio.sleep(rng.uniform(0.2, 1.5))


async def kill_at_random(
    rng: random.Random, services: list[ServiceProcess], is_over: Callable[[], bool], counts: Counter[str]
) -> None:
    """SIGKILL and a new start, again and again; sometimes both at once."""
    while not is_over():
        await asyncio.sleep(rng.uniform(0.2, 1.5))
        victims = services if rng.random() < 0.2 else [rng.choice(services)]
        for victim in victims:
            victim.send(signal.SIGKILL)
            counts["processes killed"] += 1
        for victim in victims:
            await asyncio.to_thread(victim.wait)
            victim.start()
        for victim in victims:
            await asyncio.to_thread(victim.wait_until_ready)


async def test_nothing_is_stuck_lost_or_run_twice_while_processes_are_killed(
    database_url: str,
    admin_connection: asyncpg.Connection,
    heygen_url: str,
    record_property: Callable[[str, object], None],
) -> None:
    seed = int(os.environ.get("CRASH_TEST_SEED", random.SystemRandom().randrange(10**6)))
    record_property("crash test", f"CRASH_TEST_SEED={seed}")
    rng = random.Random(seed)
    n8n = UnreliableN8n(random.Random(rng.random()))
    counts: Counter[str] = Counter()
    app = Starlette(routes=[Route("/webhook/heygen-video", n8n.webhook, methods=["POST"])])
    with serve_app(app) as n8n_url:
        env = environment(
            database_url,
            f"{n8n_url}/webhook/heygen-video",
            HEYGEN_API_URL=heygen_url,
            WEBHOOK_TIMEOUT_SECONDS=str(WEBHOOK_SECONDS),
            GENERATION_TIMEOUT_MINUTES=str(TIMEOUT_MINUTES),
            LOG_LEVEL="warning",
        )
        with service_processes(env, 2) as services:
            n8n.services = services
            targets = await connect_businesses(admin_connection, services[0])
            plans = [rng.choices(targets, k=GENERATES // SENDERS) for _ in range(SENDERS)]
            plans[0] += rng.choices(targets, k=GENERATES % SENDERS)
            sending = asyncio.gather(
                *(send(random.Random(rng.random()), services, plan, counts) for plan in plans)
            )
            await asyncio.gather(sending, kill_at_random(rng, services, sending.done, counts))
            await settle(admin_connection, n8n)
    await check(admin_connection, n8n, counts)
    for name, count in sorted((counts + n8n.counts).items()):
        record_property("crash test", f"{count:>5} {name}")
    assert counts["processes killed"] >= 3


async def connect_businesses(
    admin_connection: asyncpg.Connection, service: ServiceProcess
) -> list[tuple[UUID, UUID]]:
    """Content items to make videos of, in businesses that have connected HeyGen."""
    targets = []
    for _ in range(4):
        tenant = await make_tenant(admin_connection)
        async with api_at(service.url, tenant) as api:
            await api.connect(avatar_id="sandbox-ada", expect=201)
        targets += [
            (tenant.business_id, await make_content(admin_connection, tenant.business_id))
            for _ in range(CONTENTS // 4)
        ]
    return targets


async def settle(admin_connection: asyncpg.Connection, n8n: UnreliableN8n) -> None:
    """Until every workflow has ended and every deadline has passed."""
    async with asyncio.timeout(SETTLE_SECONDS):
        while n8n.running or await admin_connection.fetchval(
            "select exists (select from ai_avatar.generations where status in ('dispatching', 'processing'))"
        ):
            await asyncio.sleep(0.5)


async def check(admin_connection: asyncpg.Connection, n8n: UnreliableN8n, counts: Counter[str]) -> None:
    """What must hold however the processes died."""
    rows = await admin_connection.fetch("select * from ai_avatar.generations order by requested_at")
    generations: dict[str, asyncpg.Record] = {str(row["id"]): row for row in rows}
    for row in rows:
        counts[f"generations {row['status']} by {row['ended_by']}"] += 1
    stuck = await admin_connection.fetchval(
        "select count(*) from public.content c where heygen_status = 'processing' and not exists (select from "
        "ai_avatar.generations g where g.content_id = c.id and g.status in ('dispatching', 'processing'))"
    )
    assert stuck == 0, f"{stuck} contents are stuck in processing"
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
    """Each content shows the last video that was its newest generation's when it was completed."""
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
    counts["contents with their video"] = len(shown)
