"""Businesses and clients that take more than their share. The others must not notice."""

import asyncio
import re
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from uuid import uuid4

import aiohttp
import httpx
from chaos import relay
from chaos.promises import check_generations
from chaos.scenarios import Run
from chaos.stack import Stack
from chaos.traffic import traffic
from pydantic import SecretStr
from support.api import ROOT, api_at
from support.tenants import N8N_HEADERS

from app.db import connect


async def noisy_neighbours(run: Run, stack: Stack) -> None:
    """One business locks a row, waits for HeyGen, opens streams, reads without end; n8n calls without end."""
    async with traffic(stack, pause=1.0) as users:
        for noise, limit in NOISES.items():
            before = await read_metrics(stack, REFUSALS)
            async with noise(stack) as told:
                await asyncio.sleep(0.3)
                reads, writes = users.measure()
                await asyncio.sleep(run.seconds / 5)
                if limit == "connections":
                    in_use = (await read_metrics(stack, CONNECTIONS_IN_USE)).total()
                    run.report.promise("metrics show the connections in use", in_use, in_use)
            run.report.figure(f"{noise.__doc__} {told}")
            run.report.figure(f"    others' reads: {reads}")
            run.report.figure(f"    others' writes: {writes}")
            failures = [answers.failures for answers in (reads, writes) if answers.failed]
            run.report.promise("others' requests do not fail", not failures, "; ".join(failures))
            half = reads.percentile(0.5)
            run.report.promise("half of others' reads take less than 1 s", half < 1000, f"{half:.0f} ms")
            if limit is not None:
                grown = await read_metrics(stack, REFUSALS) - before
                is_counted = grown[limit] and grown.total() >= told[429]
                kept = f"metrics count the refusals, by the limit of {limit}"
                run.report.promise(kept, is_counted, f"{told[429]} of them, {dict(grown)}")
    # n8n ignores jobs while a stream needs one that goes on.
    await check_generations(stack, users, run.report, "expired")


async def half_open(run: Run, stack: Stack) -> None:
    """Hundreds of clients connect and send nothing, half a head, or half a body."""
    beginnings = {
        "nothing": b"",
        "half a head": b"GET / HTTP/1.1\r\nHost: a\r\nX-Half: ",
        "half a body": b"POST /integrations/ai-avatar HTTP/1.1\r\nHost: a\r\nContent-Length: 900\r\n\r\n{",
    }
    opened = []
    for service in stack.services:
        for kind, beginning in [*beginnings.items()] * 70:
            connection = await asyncio.to_thread(socket.create_connection, ("127.0.0.1", service.port))
            connection.sendall(beginning)
            connection.settimeout(0.01)
            opened.append((kind, connection))
    started = time.monotonic()
    async with traffic(stack) as users:
        await asyncio.sleep(run.seconds / 3)
    run.report.figure(f"{len(opened)} half-open connections; reads: {users.reads}")
    run.report.promise("no read fails", users.reads.failed == 0, users.reads.failures)
    run.report.promise("no write fails", users.writes.failed == 0, users.writes.failures)
    await asyncio.sleep(max(0.0, started + 18 - time.monotonic()))
    left = Counter(kind for kind, connection in opened if is_open(connection))
    for _, connection in opened:
        connection.close()
    # A head has 10 s. An early answer may be read for 5 s, also that of a request without credentials.
    run.report.promise("all are closed after 18 s", not left, dict(left) if left else "")


def is_open(connection: socket.socket) -> bool:
    """Return whether the server still waits for the rest."""
    try:
        while connection.recv(4096):
            pass
    except TimeoutError:
        return True
    except OSError:
        return False
    return False


@asynccontextmanager
async def locked_row(stack: Stack) -> AsyncIterator[Counter[int]]:
    """36 requests at once for a content item that another application has locked."""
    noisy = stack.tenants[0]
    holder = await connect(SecretStr(stack.owner_url))
    await holder.execute("begin")
    await holder.execute(f"select from public.content where id = '{noisy.content_id}' for update")
    body = {"content_id": str(noisy.content_id)}
    try:
        async with repeating(stack, [f"{ROOT}/generate-video"] * 36, noisy.headers, body) as told:
            yield told
    finally:
        holder.terminate()


@asynccontextmanager
async def slow_provider(stack: Stack) -> AsyncIterator[Counter[int]]:
    """60 requests at once, each of another kind, that wait for a HeyGen which takes 8 s."""
    noisy = stack.tenants[0]
    stack.heygen.be(relay.Fault("takes 8 s", wait_before=8.0), path="/v3/voices")
    try:
        paths = [f"{ROOT}/{noisy.business_id}/voices?limit={limit}" for limit in range(1, 61)]
        async with repeating(stack, paths, noisy.headers) as told:
            yield told
            await asyncio.sleep(6)  # a call waits up to 5 s for its turn
    finally:
        stack.heygen.be()


@asynccontextmanager
async def many_streams(stack: Stack) -> AsyncIterator[Counter[int]]:
    """A user who opens 300 event streams."""
    noisy = stack.tenants[0]
    content_id = await stack.make_item(noisy)
    stack.n8n.be(relay.IGNORES)  # so that the generation goes on
    async with api_at(stack.url, noisy) as api:
        await api.generate(content_id, expect=202)
    stack.n8n.be()
    path = f"{ROOT}/videos/{content_id}/events"
    async with repeating(stack, [path] * 300, noisy.headers) as told:
        yield told


@asynccontextmanager
async def many_reads(stack: Stack) -> AsyncIterator[Counter[int]]:
    """A business that reads with 150 requests at once, without end."""
    noisy = stack.tenants[0]
    async with repeating(stack, [f"{ROOT}/videos?limit=100"] * 150, noisy.headers) as told:
        yield told


@asynccontextmanager
async def many_calls_of_n8n(stack: Stack) -> AsyncIterator[Counter[int]]:
    """An n8n that reports with 150 requests at once, without end."""
    body = {"generation_id": str(uuid4()), "status": "processing", "video_id": "v"}
    async with repeating(stack, ["/n8n/heygen-status"] * 150, N8N_HEADERS, body) as told:
        yield told


NOISES = {
    locked_row: "connections",
    slow_provider: "provider_calls",
    many_streams: "streams",
    many_reads: None,
    many_calls_of_n8n: None,
}
"""With the limit that each of them reaches; none where three replicas serve it all."""


REFUSALS = re.compile(r'^ai_avatar_requests_limited_total{limit="(\w+)"} (\S+)', re.M)
CONNECTIONS_IN_USE = re.compile(r"^ai_avatar_database_(connections_in_use) (\S+)", re.M)


async def read_metrics(stack: Stack, pattern: re.Pattern[str]) -> Counter[str]:
    """Return the metrics that match, by the first group, added up over all replicas."""
    found: Counter[str] = Counter()
    async with httpx.AsyncClient(trust_env=False, timeout=15) as client:
        for service in stack.services:
            for label, count in pattern.findall((await client.get(f"{service.url}/metrics")).text):
                found[label] += int(float(count))
    return found


@asynccontextmanager
async def repeating(
    stack: Stack, paths: Sequence[str], headers: dict[str, str], json: object = None
) -> AsyncIterator[Counter[int]]:
    """Request all paths at once, again and again, with GET or, with a body, POST; yields the statuses, counted."""
    told: Counter[int] = Counter()
    method = "GET" if json is None else "POST"
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def ask(path: str) -> None:
            while True:
                with suppress(aiohttp.ClientError):
                    async with session.request(
                        method, stack.url + path, headers=headers, json=json
                    ) as answer:
                        await answer.read()
                        told[answer.status] += 1
                await asyncio.sleep(0.5)

        tasks = [asyncio.create_task(ask(path)) for path in paths]
        try:
            yield told
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
