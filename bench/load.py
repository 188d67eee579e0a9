"""`make bench-load`: what the service does at 1, 2 and 4 times its capacity, and what one business's flood does to others.

Open loop: requests arrive at their rate, whatever becomes of the earlier ones, and latencies count from the moment at
which a request was due. The load and the probes are processes of their own. Read figures of one run against each other.
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil
from pydantic import SecretStr
from support import postgres
from support.api import ROOT
from support.processes import ServiceProcess, environment
from support.servers import free_port
from support.tenants import N8N_API_KEY, SECRETS_KEYS, Tenant, make_content, make_tenant

from app.db import connect
from app.sealing import KeyRing

SECONDS = float(os.environ.get("BENCH_SECONDS", "6"))
TIMEOUT_SECONDS = 5.0
BUSINESSES = 20
MAX_CONNECTIONS = 2_000
# One request in so many starts a video, the others read an integration or a list of videos.
WRITES_EVERY = 10
LISTS_EVERY = 5


@dataclass
class Outcome:
    """What became of some requests: statuses, and the latencies of good answers and of refusals, in seconds."""

    statuses: Counter[int] = field(default_factory=Counter)
    good: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)

    def note(self, status: int, seconds: float) -> None:
        self.statuses[status] += 1
        # 409: the content item of a write has a generation already, which the service had to look up all the same.
        (self.good if status < 300 or status == 409 else self.refused).append(seconds)


class Connection(asyncio.Protocol):
    """An HTTP client as small as it gets: one request at a time, of which only status and length are read."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.answer: asyncio.Future[int] | None = None
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def connection_lost(self, _: Exception | None) -> None:
        self.transport = None
        if self.answer is not None and not self.answer.done():
            self.answer.set_result(0)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, separator, body = self._buffer.partition(b"\r\n\r\n")
        if not separator:
            return
        lowered = head.lower()
        start = lowered.find(b"content-length:")
        length = int(lowered[start + 15 :].split(b"\r\n", 1)[0]) if start >= 0 else 0
        if len(body) >= length and self.answer is not None and not self.answer.done():
            self._buffer = b""
            self.answer.set_result(int(head[9:12]))

    async def ask(self, request: bytes) -> int:
        """Return the status: 0 for a broken connection, 1 for no answer in time."""
        if self.transport is None:
            return 0
        self.answer = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                return await self.answer
        except TimeoutError:
            self.transport.abort()
            return 1


class Client:
    """Keep-alive connections to one address, as many as are needed."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._idle: list[Connection] = []
        self._open = asyncio.Semaphore(MAX_CONNECTIONS)

    async def ask(self, request: bytes, due: float, outcome: Outcome) -> None:
        loop = asyncio.get_running_loop()
        async with self._open:
            connection = self._idle.pop() if self._idle else None
            if connection is None or connection.transport is None:
                try:
                    _, connection = await loop.create_connection(Connection, "127.0.0.1", self._port)
                except OSError:
                    outcome.note(0, loop.time() - due)
                    return
            status = await connection.ask(request)
            outcome.note(status, loop.time() - due)
            if connection.transport is not None:
                self._idle.append(connection)


def encode(method: str, path: str, headers: dict[str, str], body: Any = None) -> bytes:
    content = b"" if body is None else json.dumps(body).encode()
    lines = [
        f"{method} {path} HTTP/1.1",
        "Host: bench",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(content)}"]
    return "\r\n".join([*lines, "", ""]).encode() + content


@dataclass
class Business:
    tenant: Tenant
    contents: list[str]

    def requests(self) -> Iterator[bytes]:
        """Yield its requests without end: reads, lists and, on one content item after the other, writes."""
        headers = self.tenant.headers
        read = encode("GET", f"{ROOT}/{self.tenant.business_id}", headers)
        page = encode("GET", f"{ROOT}/videos?limit=20", headers)
        number = 0
        while True:
            number += 1
            if number % WRITES_EVERY == 0:
                content_id = self.contents[number // WRITES_EVERY % len(self.contents)]
                yield encode("POST", f"{ROOT}/generate-video", headers, {"content_id": content_id})
            else:
                yield page if number % LISTS_EVERY == 0 else read


async def arrive(port: int, requests: Iterator[bytes], per_second: float, seconds: float) -> Outcome:
    """Send requests at a rate."""
    client, outcome, tasks = Client(port), Outcome(), set[asyncio.Task[None]]()
    loop = asyncio.get_running_loop()
    started = loop.time()
    for number in range(int(per_second * seconds)):
        due = started + number / per_second
        if (early := due - loop.time()) > 0.001:
            await asyncio.sleep(early)
        task = asyncio.create_task(client.ask(next(requests), due, outcome))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    await asyncio.gather(*tasks)
    return outcome


async def saturate(port: int, requests: Iterator[bytes], connections: int, seconds: float) -> float:
    """Return how many good answers a second a fixed number of clients get that wait for each: the capacity."""
    client, outcome = Client(port), Outcome()
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds

    async def work() -> None:
        while loop.time() < until:
            await client.ask(next(requests), loop.time(), outcome)

    await asyncio.gather(*(work() for _ in range(connections)))
    return len(outcome.good) / seconds


def cut(latencies: list[float], percent: int) -> float:
    """Return a percentile in milliseconds; 0 for none."""
    if len(latencies) < 2:
        return 1e3 * sum(latencies)
    return 1e3 * statistics.quantiles(latencies, n=100)[percent - 1]


def spread(businesses: list[Business]) -> Iterator[bytes]:
    """Yield the requests of all businesses in turn."""
    streams = [business.requests() for business in businesses]
    while True:
        for stream in streams:
            yield next(stream)


PROBES = {"health": 10, "other business": 10, "n8n": 5}
"""What is asked beside the load, and how often a second."""


def probe(port: int, requests: dict[str, str], seconds: float) -> None:
    """In a process of its own, which the load does not slow: print what became of the probes."""

    async def run() -> dict[str, Any]:
        names = list(requests)
        outcomes = await asyncio.gather(
            *(arrive(port, _repeat(requests[name].encode()), PROBES[name], seconds) for name in names)
        )
        return {
            name: {
                "statuses": o.statuses,
                "p50": cut(o.good, 50),
                "p99": cut(o.good, 99),
                "max": 1e3 * max(o.good, default=0),
            }
            for name, o in zip(names, outcomes, strict=True)
        }

    print(json.dumps(asyncio.run(run())))


def _repeat(request: bytes) -> Iterator[bytes]:
    while True:
        yield request


@contextmanager
def probing(port: int, requests: dict[str, str], seconds: float) -> Iterator[dict[str, Any]]:
    """Probe while the block runs; the results are there at its end."""
    results: dict[str, Any] = {}
    command = [sys.executable, __file__, "--probe", str(port), "--seconds", str(seconds)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin
    process.stdin.write(json.dumps(requests))
    process.stdin.close()
    yield results
    assert process.stdout
    results.update(json.loads(process.stdout.read()))
    process.wait()


async def prepare(url: str) -> list[Business]:
    connection = await connect(SecretStr(url))
    ring = KeyRing.parse(SECRETS_KEYS)
    businesses = []
    for _ in range(BUSINESSES):
        tenant = await make_tenant(connection)
        await connection.execute(
            "select public.set_ai_avatar_integration($1, 'heygen', $2, 'avatar', 'voice')",
            tenant.business_id,
            ring.seal("sandbox-key", tenant.business_id, "heygen"),
        )
        contents = [str(await make_content(connection, tenant.business_id)) for _ in range(200)]
        businesses.append(Business(tenant, contents))
    await connection.execute("analyze")
    await connection.close()
    return businesses


async def forget_generations(url: str) -> None:
    """Let every content item be free again for the next run's writes."""
    connection = await connect(SecretStr(url))
    await connection.execute(
        "delete from ai_avatar.generations; update public.content set heygen_status = null"
    )
    await connection.close()


@dataclass(frozen=True)
class Efficiency:
    """Good answers for each second of the server's CPU time: what is left of it does not depend on other programs."""

    good: int
    cpu_seconds: float

    @property
    def per_second(self) -> float:
        return self.good / self.cpu_seconds


class Meter:
    """The CPU time of the service's process."""

    def __init__(self, service: ServiceProcess) -> None:
        assert service.process is not None
        self._process = psutil.Process(service.process.pid)
        self._before = self._read()

    def _read(self) -> float:
        times = self._process.cpu_times()
        return float(times.user + times.system)

    def start(self) -> None:
        self._before = self._read()

    def stop(self, good: int) -> Efficiency:
        return Efficiency(good, self._read() - self._before)


def report(
    title: str, outcome: Outcome, capacity: float, most: Efficiency, now: Efficiency, probes: dict[str, Any]
) -> None:
    failures = sum(outcome.statuses.values()) - len(outcome.good)
    failures -= outcome.statuses[503] + outcome.statuses[429]
    cells = [
        title,
        f"{len(outcome.good) / SECONDS:.0f} ({100 * len(outcome.good) / SECONDS / capacity:.0f} %)",
        f"{100 * now.per_second / most.per_second:.0f} %",
        f"{cut(outcome.good, 50):.0f} / {cut(outcome.good, 99):.0f}",
        f"{outcome.statuses[503]} / {outcome.statuses[429]} / {failures}",
        f"{cut(outcome.refused, 50):.0f} / {cut(outcome.refused, 99):.0f}",
    ]
    for name in PROBES:
        statuses = probes[name]["statuses"]
        served = statuses.get("200", 0) / max(1, sum(statuses.values()))
        cells.append(f"{100 * served:.0f} %, {probes[name]['p50']:.0f} / {probes[name]['p99']:.0f}")
    print(f"| {' | '.join(cells)} |", flush=True)


def run(service: ServiceProcess, url: str, businesses: list[Business]) -> None:
    *loading, other = businesses
    n8n_body = {"business_id": str(other.tenant.business_id)}
    requests = {
        "health": encode("GET", "/health/live", {}),
        "other business": encode("GET", f"{ROOT}/{other.tenant.business_id}", other.tenant.headers),
        "n8n": encode("POST", "/n8n/heygen-credentials", {"X-API-Key": N8N_API_KEY}, n8n_body),
    }
    probes = {name: request.decode() for name, request in requests.items()}
    meter = Meter(service)
    asyncio.run(saturate(service.port, spread(loading), 32, 2))
    asyncio.run(forget_generations(url))
    meter.start()
    capacity = asyncio.run(saturate(service.port, spread(loading), 48, SECONDS))
    most = meter.stop(round(capacity * SECONDS))
    print(
        f"Capacity: {capacity:.0f} good answers a second, to 48 clients that wait for each; "
        f"{1e6 / most.per_second:.0f} \u00b5s of the server's CPU time for each. Times are p50 / p99 in ms.\n"
    )
    print(
        "| load | good a second | good per CPU second | time | 503 / 429 / failed | time to refusal | /health/live | "
        "another business | n8n |\n" + "| --- " * 9 + "|"
    )
    runs = [
        *((f"{factor}\u00d7, {len(loading)} businesses", factor, loading) for factor in (1, 2, 4)),
        *((f"{factor}\u00d7, one business", factor, loading[:1]) for factor in (2, 4)),
    ]
    for title, factor, sources in runs:
        asyncio.run(forget_generations(url))
        meter.start()
        with probing(service.port, probes, SECONDS) as found:
            outcome = asyncio.run(arrive(service.port, spread(sources), capacity * factor, SECONDS))
        report(title, outcome, capacity, most, meter.stop(len(outcome.good)), found)


def main() -> None:
    database_server = postgres.start()
    webhook_port = free_port()
    webhook = subprocess.Popen(
        [
            sys.executable,
            str(Path(__file__).parents[1] / "tests/end_to_end/webhook_process.py"),
            str(webhook_port),
        ]
    )
    try:
        with (
            database_server.database(template=database_server.migrated_template()) as name,
            TemporaryDirectory() as folder,
        ):
            url = database_server.url(name)
            env = environment(url, f"http://127.0.0.1:{webhook_port}/webhook/heygen-video", PYTHONPATH="")
            service = ServiceProcess(env, Path(folder))
            service.start()
            try:
                service.wait_until_ready()
                load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
                print(
                    f"{SECONDS:g} s each; load average of the machine before: {load} on {os.cpu_count()} cores"
                )
                run(service, url, asyncio.run(prepare(url)))
            finally:
                service.kill()
    finally:
        webhook.terminate()
        webhook.wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--probe", type=int)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    given = parser.parse_args()
    if given.probe:
        probe(given.probe, json.load(sys.stdin), given.seconds)
    else:
        main()
