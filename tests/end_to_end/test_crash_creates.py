"""1,000 videos in broker mode while everything around the service fails: each is charged once and none is lost.

The provider answers twice, late, never, with an id and an error; processes are killed and stopped; answers of
PostgreSQL are lost. docs/decisions/0003-a-create-is-repeated-only-with-a-guarantee.md
"""

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
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
    stop_at_random,
)
from support.database_relay import database_relay
from support.processes import environment, service_processes
from support.servers import serve_app
from support.unreliable_n8n import Behaviour, UnreliableN8n
from support.unreliable_provider import HEYGEN, TAVUS, Dialect, UnreliableProvider, unreliable_provider

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.slow,
    pytest.mark.long,
    pytest.mark.logs(
        "batch_not_expired",
        "content_not_writable",
        "database_unreachable",
        "gauges_not_read",
        "generation_expired",
        "key_checks_interrupted",
        "recovery_interrupted",
        "rejection_not_recorded",
        "request_failed:database_unavailable",
        "request_failed:provider_rejected",
        "request_failed:provider_unavailable",
        "request_failed:provider_unexpected_answer",
        "request_failed:webhook_failed",
        "request_failed:webhook_timeout",
        "sealing_keys_not_checked",
        "video_checks_interrupted",
    ),
]

SENDERS = 40
# A start of the service costs more CPU time than many generations.
KILL_PAUSES = (2.0, 8.0)
# The service's lease of a create is 45 s: in a stop that lasts longer, another process takes over.
MAX_STOP_SECONDS = 50.0
ANSWER_LOSS = 0.01
# Long, so that few calls of the webhook time out, and most generations reach the create.
WEBHOOK_SECONDS = 10


@dataclass(frozen=True)
class Scenario:
    """HeyGen documents idempotent creates and honours them; Tavus has nothing of the kind."""

    provider: Dialect
    generations: int
    timeout_minutes: float
    """Long enough for a workflow to find out what became of its create: a lease, a stop and a provider's timeout."""


class BrokerWorkflows(UnreliableN8n):
    """Has the service create the video and asks for its state, as n8n/heygen-video.json does."""

    behaviours: ClassVar = {
        "runs it": Behaviour(200, 1, weight=76),
        "runs it twice": Behaviour(200, 2, weight=14),
        "runs it and answers 500": Behaviour(500, 1, weight=4),
        "answers 500": Behaviour(500, 0, weight=3),
        "accepts and does nothing": Behaviour(200, 0, weight=3),
    }
    pauses = (0.5, 1.5)

    async def run(self, client: httpx.AsyncClient, job: dict[str, str], execution_id: str) -> None:
        generation_id = job["generation_id"]
        ids = {"generation_id": generation_id, "execution_id": execution_id}
        n8n = f"/n8n/{job['provider']}"
        answer = await self.call(client, "POST", f"{n8n}/videos", ids)
        if answer.status_code in (409, 410):
            self.counts[f"executions ended by {answer.status_code}"] += 1
            return
        if answer.status_code != 200:
            problem = answer.json()
            self.counts[f"executions that reported {problem['code']}"] += 1
            report = {**ids, "status": "failed", "error": problem["detail"]}
            await self.call(client, "POST", f"{n8n}-status", report)
            return
        if self.rng.random() < 0.05:
            self.counts["executions that died after the create"] += 1
            return
        while answer.status_code == 200 and answer.json()["status"] == "processing":
            await asyncio.sleep(self.rng.uniform(1, 2))
            answer = await self.call(client, "GET", f"{n8n}/videos/{generation_id}")


@pytest.mark.parametrize(
    "scenario",
    [
        Scenario(HEYGEN, generations=1000, timeout_minutes=3),
        Scenario(TAVUS, generations=200, timeout_minutes=1),
    ],
    ids=["HeyGen, with its guarantee", "Tavus, without one"],
)
async def test_each_video_is_charged_once_and_known_whatever_fails(
    database_url: str,
    admin_connection: asyncpg.Connection,
    record_property: Callable[[str, object], None],
    scenario: Scenario,
) -> None:
    rng = seeded_random(record_property)

    def derived() -> random.Random:
        return random.Random(rng.random())

    n8n = BrokerWorkflows(derived(), WEBHOOK_SECONDS)
    counts: Counter[str] = Counter()
    with (
        serve_app(n8n.app) as n8n_url,
        unreliable_provider(derived(), scenario.provider) as provider,
        database_relay(database_url, derived()) as relay,
    ):
        env = environment(
            relay.url,
            f"{n8n_url}/webhook/heygen-video",
            HEYGEN_API_URL=provider.url,
            TAVUS_API_URL=provider.url,
            N8N_TAVUS_WEBHOOK_URL=f"{n8n_url}/webhook/tavus-video",
            WEBHOOK_TIMEOUT_SECONDS=str(WEBHOOK_SECONDS),
            GENERATION_TIMEOUT_MINUTES=str(scenario.timeout_minutes),
            LOG_LEVEL="warning",
        )
        with service_processes(env, 3) as services:
            n8n.services = services
            names = (scenario.provider.name,)
            targets = await connect_businesses(
                admin_connection, services[0], contents=scenario.generations, providers=names
            )
            relay.loss = ANSWER_LOSS
            sending = asyncio.gather(
                *(
                    request_videos(derived(), services, targets[i::SENDERS], counts, providers=names)
                    for i in range(SENDERS)
                )
            )
            await asyncio.gather(
                sending,
                kill_at_random(derived(), services[:2], sending.done, counts, pauses=KILL_PAUSES),
                stop_at_random(derived(), services[2], sending.done, counts, longest=MAX_STOP_SECONDS),
            )
            await settle(admin_connection, n8n.running, seconds=scenario.timeout_minutes * 60 + 180)
        counts["answers of PostgreSQL lost"] = relay.lost
    try:
        await check(admin_connection, provider, scenario, [content_id for _, content_id in targets], counts)
    finally:
        counts.update(n8n.counts)
        counts.update(provider.counts)
        for name, count in sorted(counts.items()):
            record_property("crash test", f"{count:>6} {name}")
    assert counts["processes killed"] >= 3
    assert counts["processes stopped"] >= 2
    assert counts["answers of PostgreSQL lost"] >= 10


async def check(
    admin_connection: asyncpg.Connection,
    provider: UnreliableProvider,
    scenario: Scenario,
    content_ids: list[UUID],
    counts: Counter[str],
) -> None:
    """What must hold whatever failed. Add the figures to `counts`."""
    rows = await admin_connection.fetch(
        "select * from ai_avatar.generations where content_id = any($1)", content_ids
    )
    known: dict[str, Any] = {str(row["id"]): row["video_id"] for row in rows}
    completed = {str(row["id"]) for row in rows if row["status"] == "completed"}
    charged = {key: video_ids for key, video_ids in provider.charged.items() if video_ids}
    unknown = [key for key, video_ids in charged.items() if known.get(key) not in video_ids]
    most_charged = max(map(len, charged.values()))
    stuck = await count_stuck_items(admin_connection)
    for row in rows:
        counts[f"generations {row['status']} by {row['ended_by']}"] += 1
    counts["generations"] = len(rows)
    counts["videos charged"] = sum(map(len, charged.values()))
    counts["FIGURE creates charged per generation, at most"] = most_charged
    counts["FIGURE paid ids unknown to the database"] = len(unknown)
    counts["FIGURE paid videos that are not completed"] = len(charged.keys() - completed)
    counts["FIGURE content items stuck"] = stuck
    assert most_charged == 1
    assert stuck == 0
    # No generation has another one's video.
    assert [key for key, video_id in known.items() if video_id and video_id not in charged.get(key, ())] == []
    # A paid video leads back to its generation, by its key or its name.
    assert charged.keys() <= known.keys()
    if scenario.provider.honours_keys:
        assert unknown == []
    # A person can find out what became of a create whose outcome is not known.
    reported = [row for row in rows if str(row["id"]) in unknown and row["ended_by"] == "report"]
    assert [row["error"] for row in reported if f'name ends with "{row["id"]}"' not in row["error"]] == []
    counts["generations that say what to look for"] = len(reported)
    assert len(rows) >= scenario.generations
