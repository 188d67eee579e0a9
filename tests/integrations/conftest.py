"""A service whose HeyGen the test controls."""

from collections.abc import AsyncIterator, Iterator

import asyncpg
import httpx
import pytest
from fastapi import FastAPI
from support.api import Api
from support.controlled_heygen import ControlledHeyGen, controlled_heygen
from support.service import running, settings
from support.tenants import Tenant
from support.webhook_receiver import WebhookReceiver


@pytest.fixture(scope="module")
def controlled_server() -> Iterator[ControlledHeyGen]:
    """The module's HeyGen. Tests use `heygen`, which resets it."""
    with controlled_heygen() as heygen:
        yield heygen


@pytest.fixture
def heygen(controlled_server: ControlledHeyGen) -> ControlledHeyGen:
    """The HeyGen of `controlled_api`. It answers, and accepts every key, unless the test says otherwise."""
    controlled_server.unavailable, controlled_server.pages = False, []
    controlled_server.delay = controlled_server.check_delay = 0
    controlled_server.calls.clear()
    return controlled_server


@pytest.fixture(scope="module")
async def controlled_service(
    database_url: str,
    admin_connection: asyncpg.Connection,
    controlled_server: ControlledHeyGen,
    webhook_server: WebhookReceiver,
    anyio_backend: str,
) -> AsyncIterator[tuple[FastAPI, httpx.AsyncClient]]:
    """The service on this module's database, with the HeyGen that the test controls."""
    # Other tests have stored keys that no service can start with.
    await admin_connection.execute("delete from public.ai_avatar_integrations")
    providers = {"heygen": {"api_url": controlled_server.url, "webhook_url": webhook_server.url}}
    async with running(settings(database_url, providers=providers)) as started:
        yield started


@pytest.fixture(scope="module")
def controlled_client(controlled_service: tuple[FastAPI, httpx.AsyncClient]) -> httpx.AsyncClient:
    """A client of that service."""
    return controlled_service[1]


@pytest.fixture
def api_key(tenant: Tenant) -> str:
    """A key of this test's own."""
    return f"key-of-{tenant.business_id}"


@pytest.fixture
async def controlled_api(
    controlled_client: httpx.AsyncClient,
    heygen: ControlledHeyGen,
    webhook: WebhookReceiver,
    tenant: Tenant,
    api_key: str,
) -> Api:
    """The service's API, called by a business that has connected the HeyGen that the test controls."""
    api = Api(controlled_client, tenant)
    await api.connect(api_key, avatar_id="avatar-1", expect=201)
    return api
