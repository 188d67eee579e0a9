"""Fixtures that every part of the tests uses."""

from collections import Counter
from collections.abc import AsyncIterator, Iterator

import asyncpg
import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from support import postgres
from support.api import Api
from support.rows import ContentRow
from support.servers import serve_app
from support.service import running, settings
from support.tenants import Tenant, make_tenant
from support.webhook_receiver import WebhookReceiver, webhook_receiver
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

from app.db import connect
from app.sandbox.heygen import create_heygen_app
from app.sandbox.media import Media
from app.sandbox.tavus import create_tavus_app


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Shows what tests have recorded with `record_property`: figures, and seeds to run them again with."""
    for outcome in ("passed", "failed"):
        for report in terminalreporter.stats.get(outcome, []):
            for name, value in getattr(report, "user_properties", []):
                terminalreporter.write_line(f"{name}: {value}")


BROWSER_TESTS = "settings_page/browser/"
# These share little and take long: any worker may run one.
SINGLE_TESTS = ("end_to_end/test_dev.py", "tests/migrations/")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give each test an id of its own, and start with what takes longest: end_to_end comes second.

    pytest 9.2 drops the operation from the ids of schemathesis 4.32, and of tests with one id pytest-xdist runs one.
    """
    for item in items:
        if item.name not in item.nodeid and isinstance(item.parent, pytest.Module):
            item._id = item.parent.id.child(item.name)
    twice = [nodeid for nodeid, count in Counter(item.nodeid for item in items).items() if count > 1]
    if twice:
        raise pytest.UsageError(f"pytest-xdist would run only one test of those with the same id: {twice}")
    items.sort(key=lambda item: BROWSER_TESTS not in item.nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> LoadScopeScheduling:
    """One worker runs all tests of a file, which share a database and a service; one runs all of the browser.

    Marks would say so, but pytest 9.2 ignores how pytest-xdist 3.8 adds a group to a test's name.
    """
    config.option.loadscopereorder = False
    return FileScheduling(config, log)


class FileScheduling(LoadScopeScheduling):  # type: ignore[misc]
    """Keeps tests together that share what is started for them."""

    def _split_scope(self, nodeid: str) -> str:
        if BROWSER_TESTS in nodeid:
            return "browser"
        return nodeid if any(part in nodeid for part in SINGLE_TESTS) else nodeid.partition("::")[0]


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """One backend, and one loop for all that share a fixture."""
    return "asyncio"


@pytest.fixture(scope="session")
def server() -> postgres.Server:
    """A real PostgreSQL."""
    return postgres.start()


@pytest.fixture(scope="module")
def database_url(server: postgres.Server) -> Iterator[str]:
    """A migrated database of this module's own."""
    with server.database(template=server.migrated_template()) as name:
        yield server.url(name)


@pytest.fixture(scope="module")
async def admin_connection(database_url: str, anyio_backend: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection to that database as its owner."""
    connection = await connect(SecretStr(database_url))
    yield connection
    await connection.close()


@pytest.fixture(scope="session")
def heygen_url() -> Iterator[str]:
    """The sandbox's HeyGen over HTTP; keys that begin with `sandbox-` are good."""
    with serve_app(create_heygen_app(Media("http://127.0.0.1:1/media"))) as url:
        yield url


@pytest.fixture(scope="session")
def tavus_url() -> Iterator[str]:
    """The sandbox's Tavus over HTTP; its keys are like HeyGen's."""
    media = Media("http://127.0.0.1:1/media")
    with serve_app(create_tavus_app(media, waiting_seconds=0.1, rendering_seconds=0.1)) as url:
        yield url


@pytest.fixture(scope="module")
def webhook_server() -> Iterator[WebhookReceiver]:
    """A server in place of n8n's webhook, one for the module. Tests use `webhook`, which resets it."""
    with webhook_receiver() as receiver:
        yield receiver


@pytest.fixture
def webhook(webhook_server: WebhookReceiver) -> WebhookReceiver:
    """The webhook that the service calls. It answers 200 unless the test sets other answers."""
    webhook_server.reset()
    return webhook_server


@pytest.fixture(scope="module")
async def service(
    database_url: str, webhook_server: WebhookReceiver, heygen_url: str, anyio_backend: str
) -> AsyncIterator[tuple[FastAPI, httpx.AsyncClient]]:
    """The service on this module's database, with stand-ins for n8n and HeyGen over HTTP."""
    providers = {"heygen": {"api_url": heygen_url, "webhook_url": webhook_server.url}}
    async with running(settings(database_url, providers=providers)) as started:
        yield started


@pytest.fixture(scope="module")
def client(service: tuple[FastAPI, httpx.AsyncClient]) -> httpx.AsyncClient:
    """A client of the service."""
    return service[1]


@pytest.fixture
async def tenant(admin_connection: asyncpg.Connection) -> Tenant:
    """A business of this test's own."""
    return await make_tenant(admin_connection)


@pytest.fixture
async def other_tenant(admin_connection: asyncpg.Connection) -> Tenant:
    """Another business, to be kept apart."""
    return await make_tenant(admin_connection)


@pytest.fixture
def unconnected_api(client: httpx.AsyncClient, tenant: Tenant, webhook: WebhookReceiver) -> Api:
    """The service's API, called by a business that has not connected a provider."""
    return Api(client, tenant)


@pytest.fixture
async def connected(tenant: Tenant, unconnected_api: Api) -> Tenant:
    """The test's business, once it has connected HeyGen, with an avatar."""
    await unconnected_api.connect(f"sandbox-{tenant.business_id}", avatar_id="sandbox-ada", expect=201)
    return tenant


@pytest.fixture
def api(unconnected_api: Api, connected: Tenant) -> Api:
    """The service's API, called by a business that has connected HeyGen; the webhook answers 200."""
    return unconnected_api


@pytest.fixture
def content(admin_connection: asyncpg.Connection, tenant: Tenant) -> ContentRow:
    """The content item of the test's business."""
    return ContentRow(admin_connection, tenant.content_id)
