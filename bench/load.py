"""`make bench-load`: what the service does at 1, 2 and 4 times its capacity, and what one business's flood does to others.

Open loop: requests arrive at their rate, whatever becomes of the earlier ones, and latencies count from the moment at
which a request was due. The service has one core to itself; load, probes, database and webhook share the others.
Exits with 1 if a target is missed.
"""

import argparse
import asyncio
import contextlib
import json
import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.request import urlopen

import psutil
import uvloop
from openloop import Load, Outcome, encode, percentile
from pydantic import SecretStr
from support.api import ROOT
from support.clusters import Cluster, cluster
from support.processes import ServiceProcess, environment
from support.servers import free_port
from support.tenants import N8N_API_KEY, SECRETS_KEYS, Tenant, make_tenant

from app import migrations
from app.db import connect
from app.sealing import KeyRing

SECONDS = float(os.environ.get("BENCH_SECONDS", "6"))
BUSINESSES = 20
ITEMS = 1_000
CLIENTS = 48
# Loads among which the capacity is looked for: shares of what clients get that wait for each answer, and so never send
# faster than the service answers.
SEARCHED = (0.7, 0.8, 0.9, 1.0)
LISTS_EVERY = 5

MIXES = {"reads": 10, "videos": 1}
"""One request in so many starts a video, the others read an integration or a list of videos."""

PROBES = {"health": 50, "other business": 20, "n8n": 10}
"""What is asked beside the load, and how often a second."""

# Of the capacity. At least 90 % is aimed at; why those below are, bench/README.md says.
MIN_GOODPUT = {
    ("videos", 1): 0.9,
    ("videos", 2): 0.9,
    ("videos", 4): 0.85,
    ("reads", 1): 0.9,
    ("reads", 2): 0.75,
    ("reads", 4): 0.6,
}
MAX_HEALTH_MS = 100
# A request waits 0.3 s for a slot, and then is refused within 0.1 s.
MAX_REFUSAL_MS = 400
MIN_SERVED = 0.98
# Of the service's core, used by other programs: beyond it, a row says nothing about the service.
MAX_DISTURBANCE = 0.15


@dataclass
class Business:
    tenant: Tenant
    contents: list[str]

    def requests(self, writes_every: int) -> Iterator[bytes]:
        """Yield its requests without end: reads, lists and, on one content item after the other, writes."""
        headers = self.tenant.headers
        read = encode("GET", f"{ROOT}/{self.tenant.business_id}", headers)
        page = encode("GET", f"{ROOT}/videos?limit=20", headers)
        writes = [
            encode("POST", f"{ROOT}/generate-video", headers, {"content_id": item}) for item in self.contents
        ]
        number = 0
        while True:
            number += 1
            if number % writes_every == 0:
                yield writes[number // writes_every % len(writes)]
            else:
                yield page if number % LISTS_EVERY == 0 else read


def spread(businesses: list[Business], mix: str) -> Iterator[bytes]:
    """Yield the requests of all businesses in turn."""
    streams = [business.requests(MIXES[mix]) for business in businesses]
    while True:
        for stream in streams:
            yield next(stream)


async def _saturate(port: int, requests: Iterator[bytes], seconds: float) -> Outcome:
    return await Load(port, requests).saturate(CLIENTS, seconds)


async def _arrive(port: int, requests: Iterator[bytes], per_second: float, seconds: float) -> Outcome:
    return await Load(port, requests).arrive(per_second, seconds)


def probe(port: int, requests: dict[str, str], seconds: float) -> None:
    """In a process of its own, which the load does not slow: print what became of the probes."""

    async def run() -> dict[str, Any]:
        names = list(requests)
        outcomes = await asyncio.gather(
            *(_arrive(port, _repeat(requests[name].encode()), PROBES[name], seconds) for name in names)
        )
        return {
            name: {
                "statuses": outcome.statuses,
                "p50": percentile(outcome.good, 50),
                "p99": percentile(outcome.good, 99),
            }
            for name, outcome in zip(names, outcomes, strict=True)
        }

    print("ready", flush=True)
    sys.stdin.readline()
    print(json.dumps(uvloop.run(run())))


def _repeat(request: bytes) -> Iterator[bytes]:
    while True:
        yield request


@contextmanager
def probing(port: int, requests: dict[str, bytes], seconds: float) -> Iterator[dict[str, Any]]:
    """Probe while the block runs; the results are there at its end."""
    results: dict[str, Any] = {}
    command = [sys.executable, __file__, "--probe", str(port), "--seconds", str(seconds)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin
    assert process.stdout
    process.stdin.write(json.dumps({name: request.decode() for name, request in requests.items()}) + "\n")
    process.stdin.flush()
    process.stdout.readline()  # it takes a second to start, on the load's core
    process.stdin.write("start\n")
    process.stdin.close()
    yield results
    results.update(json.loads(process.stdout.read()))
    process.wait()


async def prepare(url: str) -> list[Business]:
    """Make businesses that have connected HeyGen, with content items."""
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
        rows = await connection.fetch(
            "insert into public.content (id, business_id, content_title, video_script) "
            "select gen_random_uuid(), $1, 'A content', 'Hello' from generate_series(1, $2) returning id",
            tenant.business_id,
            ITEMS,
        )
        businesses.append(Business(tenant, [str(row["id"]) for row in rows]))
    await connection.execute("vacuum analyze")
    await connection.close()
    return businesses


async def forget_generations(url: str) -> None:
    """Let every content item be free again for the next run's writes."""
    connection = await connect(SecretStr(url))
    await connection.execute("truncate ai_avatar.generations cascade")
    await connection.execute("update public.content set heygen_status = null where heygen_status is not null")
    await connection.execute("vacuum analyze public.content")
    await connection.close()


async def count_connections(url: str) -> int:
    """Return how many connections the service has: those that it needed at once in the last minute."""
    connection = await connect(SecretStr(url))
    count: int = await connection.fetchval(
        "select count(*) from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()"
    )
    await connection.close()
    return count


class Bench:
    """Measures one service, and remembers which targets it misses."""

    def __init__(
        self, service: ServiceProcess, core: int | None, database: Cluster, businesses: list[Business]
    ) -> None:
        assert service.process is not None
        assert database.process is not None
        self._service = service
        self._core = core
        self._process = psutil.Process(service.process.pid)
        self._database = psutil.Process(database.process.pid)
        self._url = database.url("postgres")
        *self._loading, other = businesses
        n8n_body = {"business_id": str(other.tenant.business_id)}
        self._probes = {
            "health": encode("GET", "/health/live", {}),
            "other business": encode("GET", f"{ROOT}/{other.tenant.business_id}", other.tenant.headers),
            "n8n": encode("POST", "/n8n/heygen-credentials", {"X-API-Key": N8N_API_KEY}, n8n_body),
        }
        self._mix = ""
        self._most = 0.0
        self.missed: list[str] = []

    def _cpu_seconds(self) -> float:
        return _cpu_seconds(self._process)

    def _database_cpu_seconds(self) -> float:
        seconds = 0.0
        for process in self._database.children():
            with contextlib.suppress(
                psutil.NoSuchProcess
            ):  # a connection of another program has ended meanwhile
                seconds += _cpu_seconds(process)
        return seconds

    def measure_capacity(self, mix: str) -> None:
        """Print how many good answers a second there are at most: the capacity."""
        self._mix = mix
        port = self._service.port
        uvloop.run(_saturate(port, spread(self._loading, mix), 2))
        asyncio.run(forget_generations(self._url))
        before, database_before = self._cpu_seconds(), self._database_cpu_seconds()
        outcome = uvloop.run(_saturate(port, spread(self._loading, mix), SECONDS))
        closed = outcome.good_per_second(SECONDS)
        cpu = 1e6 * (self._cpu_seconds() - before) / len(outcome.good)
        database_cpu = 1e6 * (self._database_cpu_seconds() - database_before) / len(outcome.good)
        print(
            f"\n{mix.capitalize()}. {CLIENTS} clients that wait for each answer: {closed:.0f} good a second, in "
            f"{_times(outcome.good)} ms; {cpu:.0f} \u00b5s of the service's CPU time for each, and {database_cpu:.0f} "
            f"\u00b5s of PostgreSQL's; {asyncio.run(count_connections(self._url))} database connections."
        )
        self._most = 0.0
        for share in SEARCHED:
            asyncio.run(forget_generations(self._url))
            arrived = uvloop.run(_arrive(port, spread(self._loading, mix), share * closed, SECONDS / 2))
            good = arrived.good_per_second(SECONDS / 2)
            print(f"{share * closed:.0f} requests a second: {good:.0f} good, in {_times(arrived.good)} ms.")
            self._most = max(self._most, good)
        print(
            f"Capacity, the most of these: {self._most:.0f} good a second. Times are p50 / p99 in ms.\n\n"
            "| load | good a second | its time | 503 / 429 / failed | time to refusal | service's CPU | sent late | "
            "/health/live | another business | n8n |\n" + "| --- " * 10 + "|"
        )

    def measure_load(self, factor: int, count: int) -> None:
        """Send `factor` times the capacity from `count` businesses, and print what became of it."""
        title = f"{factor}\u00d7, {count} business{'es' if count > 1 else ''}"
        asyncio.run(forget_generations(self._url))
        requests = spread(self._loading[:count], self._mix)
        counted = count_refusals(self._service.url)
        with probing(self._service.port, self._probes, SECONDS) as probes:
            before, started = self._cpu_seconds(), time.monotonic()
            psutil.cpu_percent(percpu=True)
            outcome = uvloop.run(_arrive(self._service.port, requests, self._most * factor, SECONDS))
            busy = (self._cpu_seconds() - before) / (time.monotonic() - started)
            core_busy = psutil.cpu_percent(percpu=True)[self._core] / 100 if self._core is not None else busy
        share = outcome.good_per_second(SECONDS) / self._most
        statuses = outcome.statuses
        counted = count_refusals(self._service.url) - counted
        failed = sum(statuses.values()) - len(outcome.good) - statuses[503] - statuses[429]
        cells = [
            title,
            f"{share * self._most:.0f} ({share:.0%})",
            _times(outcome.good),
            f"{statuses[503]} / {statuses[429]} / {failed}",
            _times(outcome.refused),
            f"{busy:.0%}",
            _times(outcome.late),
        ]
        for name in PROBES:
            found = probes[name]
            cells.append(f"{_served(found):.0%}, {found['p50']:.0f} / {found['p99']:.0f}")
        print(f"| {' | '.join(cells)} |", flush=True)
        if core_busy - busy > MAX_DISTURBANCE:
            print(
                f"Other programs used {core_busy - busy:.0%} of the service's core: repeat this on a quiet machine."
            )
            return
        if count > 1:
            self._expect(title, "goodput", share >= MIN_GOODPUT[self._mix, factor])
        self._expect(title, "/health/live", probes["health"]["p99"] <= MAX_HEALTH_MS)
        for name in PROBES:
            self._expect(title, name, _served(probes[name]) >= MIN_SERVED)
        self._expect(title, "time to refusal", percentile(outcome.refused, 99) <= MAX_REFUSAL_MS)
        self._expect(title, "no broken or unanswered request", not failed)
        refused = sum((_refusals(probes[name]["statuses"]) for name in PROBES), _refusals(statuses))
        self._expect(title, f"metrics count {dict(refused)} as {dict(counted)}", refused == counted)

    def _expect(self, title: str, target: str, is_met: bool) -> None:
        if not is_met:
            self.missed.append(f"{self._mix}, {title}: {target}")


def count_refusals(url: str) -> Counter[str]:
    """Return how many requests have been refused so far, by status, as the service's metrics say."""
    with urlopen(f"{url}/metrics") as answer:
        found = re.findall(r"ai_avatar_requests_(shed|limited)_total{\S+} (\S+)", answer.read().decode())
    counts = Counter[str]()
    for name, count in found:
        counts["503" if name == "shed" else "429"] += int(float(count))
    return counts


def _refusals(statuses: Mapping[Any, int]) -> Counter[str]:
    """Return how many 503s and 429s there are; JSON's keys are text."""
    return Counter({str(key): count for key, count in statuses.items() if str(key) in ("503", "429")})


def _cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _served(probes: dict[str, Any]) -> float:
    statuses = Counter(probes["statuses"])
    return statuses["200"] / max(1, statuses.total())


def _times(seconds: list[float]) -> str:
    return f"{percentile(seconds, 50):.0f} / {percentile(seconds, 99):.0f}"


@contextmanager
def pinned(service_core: int | None) -> Iterator[None]:
    """Keep this process, and those that it starts, off the service's core."""
    cores = os.sched_getaffinity(0)
    if service_core is not None:
        os.sched_setaffinity(0, cores - {service_core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


def main() -> None:
    cores = sorted(os.sched_getaffinity(0))
    service_core = cores[0] if len(cores) > 1 else None
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    print(f"{SECONDS:g} s each; load average of the machine before: {load} on {len(cores)} cores")
    with ExitStack() as stack:
        stack.enter_context(pinned(service_core))
        database = stack.enter_context(cluster(max_connections="100"))
        url = database.url("postgres")
        migrations.migrate(SecretStr(url))
        port = free_port()
        receiver = subprocess.Popen([sys.executable, str(Path(__file__).with_name("receiver.py")), str(port)])
        stack.callback(receiver.wait)
        stack.callback(receiver.terminate)
        folder = stack.enter_context(TemporaryDirectory())
        env = environment(url, f"http://127.0.0.1:{port}/webhook/heygen-video", PYTHONPATH="")
        service = ServiceProcess(env, Path(folder))
        service.start()
        stack.callback(service.kill)
        if service_core is not None and service.process is not None:
            os.sched_setaffinity(service.process.pid, {service_core})
        service.wait_until_ready()
        os.nice(19)  # database and webhook come first: the load is to wait for them, not they for the load
        bench = Bench(service, service_core, database, asyncio.run(prepare(url)))
        for mix in MIXES:
            bench.measure_capacity(mix)
            for factor in (1, 2, 4):
                bench.measure_load(factor, BUSINESSES - 1)
            for factor in (2, 4) if mix == "reads" else ():
                bench.measure_load(factor, 1)
    for missed in bench.missed:
        print(f"MISSED {missed}")
    sys.exit(1 if bench.missed else 0)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--probe", type=int)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    given = parser.parse_args()
    if given.probe:
        probe(given.probe, json.loads(sys.stdin.readline()), given.seconds)
    else:
        main()
