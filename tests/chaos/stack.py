"""The whole system on this machine: PostgreSQL, replicas of the service behind nginx, n8n and HeyGen behind relays."""

import asyncio
import os
import random
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from uuid import UUID

import asyncpg
from chaos.programs import nginx, wait_for_port
from chaos.relay import Relay, relay
from pydantic import SecretStr
from support.api import api_at
from support.clusters import Cluster, cluster
from support.postgres import ROOT
from support.processes import ServiceProcess, environment, service_processes
from support.servers import free_port
from support.tenants import N8N_API_KEY, WEBHOOK_SECRET, WEBHOOK_TOKEN, Tenant, make_content, make_tenant

from app import migrations
from app.db import connect

LOGIN, LOGIN_PASSWORD = "ai_avatar_api", "password-of-the-service"
WEBHOOK_SECONDS = 5
_DATABASE = "ai_avatar"


@dataclass
class Stack:
    """What the scenarios act on."""

    database: Cluster
    admin: asyncpg.Connection
    services: list[ServiceProcess]
    url: str
    n8n: Relay
    heygen: Relay
    rng: random.Random
    tenants: list[Tenant] = field(default_factory=list)

    @property
    def owner_url(self) -> str:
        """The owner's connection string."""
        return self.database.url(_DATABASE)

    async def reconnect(self) -> None:
        """Give the tests a connection again, after the database was away."""
        self.admin.terminate()
        self.admin = await connect(SecretStr(self.owner_url))

    def end(self) -> None:
        """Close the tests' own connection."""
        self.admin.terminate()

    async def make_item(self, tenant: Tenant) -> UUID:
        """Create a content item."""
        return await make_content(self.admin, tenant.business_id)

    async def wait_until_ready(self) -> None:
        """Return once every replica is ready."""
        for service in self.services:
            await asyncio.to_thread(service.wait_until_ready)


@asynccontextmanager
async def running(
    replicas: int, rng: random.Random, database: Cluster | None = None, pooler_url: str | None = None
) -> AsyncIterator[Stack]:
    """Run everything, with some businesses that have connected HeyGen.

    `database`: one that is prepared, instead of a new one; `pooler_url`: its address behind a pooler.
    """
    async with AsyncExitStack() as stack:
        if database is None:
            database = stack.enter_context(cluster(max_connections="200"))
            await _prepare(database)
        port = free_port()
        sandbox_url = stack.enter_context(_sandbox(f"http://127.0.0.1:{port}"))
        heygen = stack.enter_context(relay(f"{sandbox_url}/heygen", rng))
        n8n = stack.enter_context(relay(f"{sandbox_url}/n8n", rng))
        env = environment(
            pooler_url or database.url(_DATABASE, LOGIN, LOGIN_PASSWORD),
            f"{n8n.url}/webhook/heygen-video",
            HEYGEN_API_URL=heygen.url,
            WEBHOOK_TIMEOUT_SECONDS=str(WEBHOOK_SECONDS),
            LOG_LEVEL="warning",
            DATABASE_POOLER="transaction" if pooler_url else "none",
        )
        services = stack.enter_context(service_processes(env, replicas))
        url = stack.enter_context(nginx([service.port for service in services], port))
        admin = await connect(SecretStr(database.url(_DATABASE)))
        made = Stack(database, admin, services, url, n8n, heygen, rng)
        stack.callback(made.end)
        made.tenants = [await _connected_tenant(made) for _ in range(6)]
        yield made


@contextmanager
def _sandbox(service_url: str) -> Iterator[str]:
    """Run the stand-ins of HeyGen and n8n in a process of their own."""
    port = free_port()
    command = [sys.executable, "-m", "app.sandbox", "--port", str(port), "--service-url", service_url]
    env = {
        "N8N_API_KEY": N8N_API_KEY,
        "N8N_WEBHOOK_SECRET": WEBHOOK_SECRET,
        "N8N_WEBHOOK_TOKEN": WEBHOOK_TOKEN,
    }
    process = subprocess.Popen(
        [*command, "--video-seconds", "1"], env=env, cwd=ROOT, stderr=subprocess.DEVNULL
    )
    try:
        wait_for_port(port, process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


async def _prepare(database: Cluster) -> None:
    """Make the database, migrate it, and create the login that docs/deploy-supabase.md describes."""
    admin = await connect(SecretStr(database.url("postgres")))
    await admin.execute(f"create database {_DATABASE}")
    await admin.close()
    url = SecretStr(database.url(_DATABASE))
    await asyncio.to_thread(migrations.migrate, url)
    admin = await connect(url)
    await admin.execute(f"create role {LOGIN} login password '{LOGIN_PASSWORD}' in role ai_avatar_service")
    await admin.execute(f"alter role {LOGIN} set statement_timeout = '15s'")
    await admin.close()


async def _connected_tenant(stack: Stack) -> Tenant:
    tenant = await make_tenant(stack.admin)
    async with api_at(stack.url, tenant) as api:
        await api.connect(f"sandbox-{tenant.business_id}", avatar_id="sandbox-ada", expect=201)
    return tenant


def seed() -> int:
    """Return the seed of this run: CHAOS_SEED, or a random one."""
    return int(os.environ.get("CHAOS_SEED", random.SystemRandom().randrange(10**6)))
