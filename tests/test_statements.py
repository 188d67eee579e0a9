"""How many SQL statements an operation costs PostgreSQL: one, where one suffices, however many rows it returns."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable

import asyncpg
import httpx
import pytest
from support.api import Api
from support.service import running, settings
from support.statements import Statements, noting_statements
from support.tenants import Tenant, make_content
from support.webhook_receiver import WebhookReceiver

pytestmark = pytest.mark.anyio

# The service's own work beside requests, and asyncpg's look at types that are new to a connection.
_BACKGROUND = re.compile(
    r"expire_generations|list_overdue|lease_|purge_|end_video_checks|count_secrets|typeinfo_tree|'jit'"
)

Call = Callable[[Api], Awaitable[httpx.Response]]


@pytest.fixture(scope="module")
async def noted(
    database_url: str, webhook_server: WebhookReceiver, heygen_url: str, anyio_backend: str
) -> AsyncIterator[tuple[httpx.AsyncClient, Statements]]:
    """The service behind the relay, with one connection and memberships in memory, as in production."""
    providers = {"heygen": {"api_url": heygen_url, "webhook_url": webhook_server.url}}
    async with noting_statements(database_url) as statements:
        options = {"database_pool_size": 1, "membership_cache_seconds": 60, "providers": providers}
        async with running(settings(statements.url, **options)) as (_, client):
            yield client, statements


@pytest.fixture
async def counted_api(
    noted: tuple[httpx.AsyncClient, Statements], connected: Tenant, webhook: WebhookReceiver
) -> Api:
    """The API of a business that has connected HeyGen and whose membership has just been read."""
    api = Api(noted[0], connected)
    await api.get_integration(expect=200)
    return api


async def count(noted: tuple[httpx.AsyncClient, Statements], call: Awaitable[httpx.Response]) -> list[str]:
    """Return the SQL functions that PostgreSQL was asked for during a call that succeeds."""
    executed = noted[1].executed
    executed.clear()
    response = await call
    assert response.is_success, response.text
    return [
        match[1] if (match := re.search(r"(?:FROM|LATERAL) (?:ai_avatar|public)\.(\w+)\(", text)) else text
        for text in executed
        if not _BACKGROUND.search(text)
    ]


@pytest.mark.parametrize(
    ("call", "function"),
    [
        (lambda api: api.get_integration(), "get_ai_avatar_integration"),
        (lambda api: api.list_integrations(), "list_integrations"),
        (lambda api: api.list_videos(), "list_videos"),
        (lambda api: api.update(voice_id=None), "update_integration"),
        (lambda api: api.update(provider_config={"resolution": "1080p"}), "update_integration"),
        (lambda api: api.issue_credentials(), "claim_credentials"),
        (lambda api: api.reset(), "reset_content"),
        (lambda api: api.list_generations(), "list_generations"),
        (lambda api: api.delete(), "delete_ai_avatar_integration"),
    ],
)
async def test_one_statement(
    noted: tuple[httpx.AsyncClient, Statements], counted_api: Api, call: Call, function: str
) -> None:
    assert await count(noted, call(counted_api)) == [function]


async def test_generation_takes_two_and_each_step_of_it_one(
    noted: tuple[httpx.AsyncClient, Statements], counted_api: Api
) -> None:
    api = counted_api
    assert await count(noted, api.generate()) == ["start_generation", "confirm_dispatch"]
    generation_id = (await api.get_generation(expect=200)).json()["id"]
    assert await count(noted, api.claim(generation_id)) == ["claim_credentials"]
    report = api.report(generation_id, "processing", video_id="v", execution_id="1")
    assert await count(noted, report) == ["report_generation"]
    assert await count(noted, api.get_generation()) == ["get_latest_generation"]
    assert await count(noted, api.cancel()) == ["cancel_generation"]


async def test_lists_take_one_statement_for_a_page_of_any_size(
    noted: tuple[httpx.AsyncClient, Statements], counted_api: Api, admin_connection: asyncpg.Connection
) -> None:
    for _ in range(30):
        content_id = await make_content(admin_connection, counted_api.tenant.business_id)
        await counted_api.generate(content_id, expect=202)
    response = await counted_api.list_videos(limit=100, expect=200)
    assert len(response.json()["items"]) == 31
    assert await count(noted, counted_api.list_videos(limit=100)) == ["list_videos"]


async def test_user_who_is_new_to_the_process_takes_one_more(
    noted: tuple[httpx.AsyncClient, Statements], connected: Tenant
) -> None:
    api = Api(noted[0], connected)
    assert await count(noted, api.get_integration()) == ["get_membership", "get_ai_avatar_integration"]
