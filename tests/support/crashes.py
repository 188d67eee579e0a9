"""What crash tests share: businesses and their requests, what processes suffer meanwhile, and what must hold."""

import asyncio
import os
import random
import signal
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from uuid import UUID

import asyncpg
import httpx
from support.api import api_at
from support.processes import ServiceProcess
from support.tenants import SERVICE_HEADERS, make_content, make_tenant


def seeded_random(record_property: Callable[[str, object], None]) -> random.Random:
    """Return the source of all chance in a crash test. CRASH_TEST_SEED repeats a run's choices."""
    seed = int(os.environ.get("CRASH_TEST_SEED", random.SystemRandom().randrange(10**6)))
    record_property("crash test", f"CRASH_TEST_SEED={seed}")
    return random.Random(seed)


async def kill_at_random(
    rng: random.Random,
    services: list[ServiceProcess],
    is_over: Callable[[], bool],
    counts: Counter[str],
    *,
    pauses: tuple[float, float] = (0.2, 1.5),
) -> None:
    """SIGKILL and a new start, again and again; sometimes both at once. `pauses`: at least, at most."""
    while not is_over():
        await asyncio.sleep(rng.uniform(*pauses))
        victims = services if rng.random() < 0.2 else [rng.choice(services)]
        for victim in victims:
            victim.send(signal.SIGKILL)
            counts["processes killed"] += 1
        for victim in victims:
            await asyncio.to_thread(victim.wait)
            victim.start()
        for victim in victims:
            await asyncio.to_thread(victim.wait_until_ready)


async def stop_at_random(
    rng: random.Random,
    service: ServiceProcess,
    is_over: Callable[[], bool],
    counts: Counter[str],
    *,
    longest: float,
) -> None:
    """Send SIGSTOP and later SIGCONT, again and again; every fourth stop lasts `longest` seconds."""
    number = 0
    while not is_over():
        await asyncio.sleep(rng.uniform(1, 4))
        service.send(signal.SIGSTOP)
        counts["processes stopped"] += 1
        try:
            await asyncio.sleep(longest if number % 4 == 1 else rng.uniform(0.2, 4))
        finally:
            service.send(signal.SIGCONT)
        number += 1


async def connect_businesses(
    admin_connection: asyncpg.Connection,
    service: ServiceProcess,
    *,
    contents: int,
    providers: Sequence[str] = ("heygen",),
) -> list[tuple[UUID, UUID]]:
    """Create content items to make videos of, in four businesses that have connected these providers."""
    targets = []
    for _ in range(4):
        tenant = await make_tenant(admin_connection)
        async with api_at(service.url, tenant) as api:
            for provider in providers:
                await api.at(provider).connect(avatar_id="sandbox-ada", expect=201)
        targets += [
            (tenant.business_id, await make_content(admin_connection, tenant.business_id))
            for _ in range(contents // 4)
        ]
    return targets


async def request_videos(
    rng: random.Random,
    services: Sequence[ServiceProcess],
    targets: Sequence[tuple[UUID, UUID]],
    counts: Counter[str],
    *,
    providers: Sequence[str] = ("heygen",),
) -> None:
    """Request a video of each content item, as a back end does: with the same key until there is an answer."""
    async with httpx.AsyncClient(headers=SERVICE_HEADERS, trust_env=False, timeout=15) as client:
        for business_id, content_id in targets:
            provider = rng.choice(providers)
            body = {"business_id": str(business_id), "content_id": str(content_id), "provider": provider}
            headers = {"Idempotency-Key": f"{content_id}-{rng.random()}"}
            while True:
                url = f"{rng.choice(services).url}/integrations/ai-avatar/generate-video"
                try:
                    answer = await client.post(url, json=body, headers=headers)
                except (
                    httpx.TransportError,
                    AttributeError,
                ):  # the latter: httpcore, if it breaks while it is made
                    counts["generates that broke"] += 1
                else:
                    assert answer.status_code in (202, 408, 409, 429, 502, 503, 504), answer.text
                    counts[f"generates answered {answer.status_code}"] += 1
                    if answer.status_code not in (408, 429, 503):
                        break
                await asyncio.sleep(rng.uniform(0, 0.3))
            await asyncio.sleep(rng.uniform(0.2, 1.5))


async def settle(
    admin_connection: asyncpg.Connection, executions: Collection["asyncio.Task[None]"], *, seconds: float
) -> None:
    """Wait until every execution of n8n and every generation has ended. Raises TimeoutError after `seconds`."""
    async with asyncio.timeout(seconds):
        while executions or await admin_connection.fetchval(
            "select exists (select from ai_avatar.generations where status in ('dispatching', 'processing'))"
        ):
            await asyncio.sleep(0.5)


async def count_stuck_items(admin_connection: asyncpg.Connection) -> int:
    """Return how many content items are `processing` without a live generation."""
    stuck: int = await admin_connection.fetchval(
        "select count(*) from public.content as c where heygen_status = 'processing' and not exists (select from "
        "ai_avatar.generations as g where g.content_id = c.id and g.status in ('dispatching', 'processing'))"
    )
    return stuck
