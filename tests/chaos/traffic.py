"""Users of the service: some read, some ask for videos. What they are told is kept for the check at the end."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import aiohttp
from chaos.stack import Stack
from support.api import ROOT
from support.tenants import Tenant

_NO_ANSWER = 0
# What a client that repeats a request with its Idempotency-Key may get while servers die and come back.
_TRY_AGAIN = frozenset({_NO_ANSWER, 429, 500, 502, 503, 504})


@dataclass
class Answers:
    """Statuses and times of one kind of request."""

    statuses: Counter[int] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    bodies: dict[int, str] = field(default_factory=dict)
    """One answer of each status, to show."""

    @property
    def failed(self) -> int:
        """How many had no answer, or one that says that the service failed."""
        return sum(count for status, count in self.statuses.items() if status in _TRY_AGAIN)

    @property
    def failures(self) -> str:
        """Return the number of failed requests, with one answer of each status."""
        shown = [self.bodies[status] for status in self.statuses if status in _TRY_AGAIN]
        return f"{self.failed} failed {' '.join(shown)}".strip()

    def percentile(self, share: float) -> float:
        """Return a percentile of the times, in milliseconds."""
        ordered = sorted(self.seconds) or [0.0]
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000

    def __str__(self) -> str:
        counts = ", ".join(
            f"{count} × {status or 'no answer'}" for status, count in sorted(self.statuses.items())
        )
        return f"{counts}; p50 {self.percentile(0.5):.0f} ms, p99 {self.percentile(0.99):.0f} ms"


@dataclass
class Traffic:
    """What has been asked and answered so far."""

    stack: Stack
    session: aiohttp.ClientSession
    reads: Answers = field(default_factory=Answers)
    writes: Answers = field(default_factory=Answers)
    accepted: dict[UUID, str] = field(default_factory=dict)
    """The generation that the client was told of, by content item."""
    refused: dict[UUID, int] = field(default_factory=dict)
    """The final status of a content item whose job was not accepted."""
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    def measure(self) -> tuple[Answers, Answers]:
        """Forget the answers so far; return those to come, of reads and of writes."""
        self.reads, self.writes = Answers(), Answers()
        return self.reads, self.writes

    async def read(self, tenant: Tenant) -> None:
        """Read one thing after another until the end, like an open page."""
        paths = (
            f"{ROOT}/{tenant.business_id}",
            f"{ROOT}/videos?limit=5",
            f"{ROOT}?limit=5",
        )
        while not self.stopping.is_set():
            for path in paths:
                await self.send(self.reads, "GET", path, tenant.headers)
                await asyncio.sleep(0.02)

    async def write(self, tenant: Tenant, pause: float) -> None:
        """Ask for videos of new content items until the end."""
        while not self.stopping.is_set():
            with suppress(Exception):  # the tests' own connection may be away with the database
                await self.generate(tenant, await self.stack.make_item(tenant))
            await asyncio.sleep(pause)

    async def generate(self, tenant: Tenant, content_id: UUID) -> None:
        """Ask for one video; repeat with the same Idempotency-Key until the answer is final."""
        headers = tenant.headers | {"Idempotency-Key": str(uuid4())}
        for _ in range(60):
            status, body = await self.send(
                self.writes,
                "POST",
                f"{ROOT}/generate-video",
                headers,
                {"content_id": str(content_id)},
            )
            if status == 202:
                self.accepted[content_id] = body["id"]
                return
            self.refused[content_id] = status
            if status not in _TRY_AGAIN or body.get("code") in ("webhook_failed", "webhook_timeout"):
                return
            await asyncio.sleep(0.3)

    async def send(
        self, answers: Answers, method: str, path: str, headers: dict[str, str], json: Any = None
    ) -> tuple[int, Any]:
        """Send one request and record its answer."""
        started = time.perf_counter()
        status, body = _NO_ANSWER, {}
        try:
            async with self.session.request(
                method, self.stack.url + path, headers=headers, json=json
            ) as answer:
                text = await answer.text()
                status = answer.status
                answers.bodies.setdefault(status, text[:300])
                if "json" in answer.content_type:
                    body = await answer.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError) as error:
            answers.bodies[status] = repr(error)
        answers.statuses[status] += 1
        answers.seconds.append(time.perf_counter() - started)
        return status, body


@asynccontextmanager
async def traffic(
    stack: Stack, readers: int = 4, writers: int = 4, pause: float = 0.5
) -> AsyncIterator[Traffic]:
    """Let users work while the block runs: those of all businesses but the first, which scenarios misuse."""
    tenants = stack.tenants[1:]
    timeout = aiohttp.ClientTimeout(total=30)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:
        users = Traffic(stack, session)
        async with asyncio.TaskGroup() as group:
            for number in range(readers):
                group.create_task(users.read(tenants[number % len(tenants)]))
            for number in range(writers):
                group.create_task(users.write(tenants[number % len(tenants)], pause))
            try:
                yield users
            finally:
                users.stopping.set()
