"""`make bench`: what a request costs the server process, as ratios in one run. Read the ratios, not the figures.

CPU time per request rather than requests per second: the load comes from the same two cores.
"""

import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import psutil
from pydantic import SecretStr
from support import postgres
from support.servers import free_port
from support.tenants import JWT_SECRET, N8N_API_KEY, N8N_HEADERS, SECRETS_KEYS, Tenant, make_tenant

from app.db import connect
from app.sealing import KeyRing

CONNECTIONS = 32
SECONDS = float(os.environ.get("BENCH_SECONDS", "6"))
OTHER_BUSINESSES = 10_000


@dataclass(frozen=True)
class Result:
    """Microseconds of the server's CPU per request, and milliseconds until the answer."""

    cpu: float
    p50: float
    p99: float
    per_second: float


@contextmanager
def server(application: str, environment: dict[str, str]) -> Iterator[tuple[str, psutil.Process]]:
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", application, "--port", str(port), "--no-access-log"]
    if application.startswith("app."):
        command.append("--factory")
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            yield f"http://127.0.0.1:{port}", psutil.Process(process.pid)
        finally:
            process.terminate()
            process.wait()


async def measure(
    url: str, process: psutil.Process, method: str, headers: dict[str, str], body: Any
) -> Result:
    latencies: list[float] = []
    data = json.dumps(body) if body else None
    connector = aiohttp.TCPConnector(limit=CONNECTIONS)
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:

        async def ask() -> None:
            started = time.perf_counter()
            async with session.request(method, url, data=data) as response:
                answer = await response.read()
                assert response.status == 200, answer
            latencies.append(time.perf_counter() - started)

        async def client(until: float) -> None:
            while time.perf_counter() < until:
                await ask()

        for _ in range(200):
            try:
                await ask()
            except aiohttp.ClientConnectorError:
                await asyncio.sleep(0.05)
        await asyncio.gather(*(client(time.perf_counter() + 1) for _ in range(CONNECTIONS)))
        latencies.clear()
        before = sum(process.cpu_times()[:2])
        await asyncio.gather(*(client(time.perf_counter() + SECONDS) for _ in range(CONNECTIONS)))
        cpu = sum(process.cpu_times()[:2]) - before
    count = len(latencies)
    cuts = statistics.quantiles(latencies, n=100)
    return Result(cpu / count * 1e6, cuts[49] * 1e3, cuts[98] * 1e3, count / SECONDS)


async def prepare(url: str) -> Tenant:
    connection = await connect(SecretStr(url))
    tenant = await make_tenant(connection)
    ring = KeyRing.parse(SECRETS_KEYS)
    await connection.execute(
        "insert into public.businesses (id, business_name) select gen_random_uuid(), 'other' "
        f"from generate_series(1, {OTHER_BUSINESSES})"
    )
    await connection.execute(
        "insert into public.ai_avatar_integrations (business_id, provider, avatar_id) "
        "select id, 'heygen', 'x' from public.businesses where business_name = 'other'"
    )
    await connection.execute(
        "select public.set_ai_avatar_integration($1, 'heygen', $2, 'avatar', 'voice')",
        tenant.business_id,
        ring.seal("sandbox-key", tenant.business_id, "heygen"),
    )
    await connection.execute("analyze")
    await connection.close()
    return tenant


def main() -> None:
    database_server = postgres.start()
    with database_server.database(template=database_server.migrated_template()) as name:
        url = database_server.url(name)
        tenant = asyncio.run(prepare(url))
        environment = os.environ | {
            "DATABASE_URL": url,
            "SUPABASE_JWT_SECRET": JWT_SECRET,
            "N8N_API_KEY": N8N_API_KEY,
            "SECRETS_KEYS": SECRETS_KEYS,
            "PYTHONPATH": str(Path(__file__).parent),
        }
        one = f"/integrations/ai-avatar/{tenant.business_id}"
        credentials = {"business_id": str(tenant.business_id)}
        json_n8n = N8N_HEADERS | {"Content-Type": "application/json"}
        runs: list[tuple[str, str, str, str, dict[str, str], Any]] = [
            ("FastAPI, hello", "apps:hello", "GET", "/", {}, None),
            (
                "a session per request, no checks",
                "apps:session_per_request",
                "GET",
                f"/{tenant.business_id}",
                {},
                None,
            ),
            ("GET one integration, as a user", "app.main:from_environment", "GET", one, tenant.headers, None),
            (
                "GET the list, as a user",
                "app.main:from_environment",
                "GET",
                "/integrations/ai-avatar",
                tenant.headers,
                None,
            ),
            (
                "POST credentials, as n8n",
                "app.main:from_environment",
                "POST",
                "/n8n/heygen-credentials",
                json_n8n,
                credentials,
            ),
        ]
        base = None
        print(
            f"{CONNECTIONS} connections, {SECONDS:g} s each, {OTHER_BUSINESSES} other businesses; run {uuid4().hex[:6]}\n"
        )
        print("| request | CPU of the server per request | \u00d7 hello | p50 ms | p99 ms | a second |")
        print("| --- | --- | --- | --- | --- | --- |")
        for title, application, method, path, headers, body in runs:
            with server(application, environment) as (address, process):
                result = asyncio.run(measure(address + path, process, method, headers, body))
            base = base or result.cpu
            print(
                f"| {title} | {result.cpu:.0f} µs | {result.cpu / base:.1f} | {result.p50:.1f} | {result.p99:.1f} "
                f"| {result.per_second:.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
