"""POST /n8n/{provider}-credentials: who gets a key, who claims a generation, and what is written down of it."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
from support.problems import assert_problem, snapshot
from support.tenants import N8N_HEADERS, SERVICE_HEADERS, Tenant
from support.webhook_receiver import WebhookReceiver

pytestmark = pytest.mark.anyio

PATH = "/n8n/heygen-credentials"


async def ask(client: httpx.AsyncClient, tenant: Tenant, **body: Any) -> httpx.Response:
    headers = N8N_HEADERS | body.pop("headers", {})
    return await client.post(PATH, json={"business_id": str(tenant.business_id), **body}, headers=headers)


async def secret_reads(admin_connection: asyncpg.Connection, tenant: Tenant) -> list[asyncpg.Record]:
    return await admin_connection.fetch(
        "select * from ai_avatar.secret_reads where business_id = $1 order by id", tenant.business_id
    )


@pytest.fixture
async def generation_id(client: httpx.AsyncClient, connected: Tenant, webhook: WebhookReceiver) -> str:
    """A generation that n8n has taken."""
    response = await client.post(
        "/integrations/ai-avatar/generate-video",
        json={"content_id": str(connected.content_id)},
        headers=connected.headers,
    )
    assert response.status_code == 202, response.text
    generation_id: str = response.json()["id"]
    return generation_id


async def test_n8n_gets_the_active_integration_with_its_key_never_to_be_stored(
    client: httpx.AsyncClient, connected: Tenant, admin_connection: asyncpg.Connection
) -> None:
    response = await ask(client, connected, headers={"X-Request-ID": "hand-out-1"})
    assert response.status_code == 200
    assert response.json() == {
        "business_id": str(connected.business_id),
        "provider": "heygen",
        "api_key": f"sandbox-{connected.business_id}",
        "avatar_id": "sandbox-ada",
        "voice_id": None,
        "provider_config": {},
    }
    assert response.headers["cache-control"] == "no-store"
    [read] = await secret_reads(admin_connection, connected)
    assert (read["caller"], read["purpose"], read["provider"]) == ("n8n", "issue_credentials", "heygen")
    assert (read["request_id"], read["address"]) == ("hand-out-1", "127.0.0.1")
    assert read["generation_id"] is None


async def test_alias_hands_out_the_same(client: httpx.AsyncClient, connected: Tenant) -> None:
    body = {"business_id": str(connected.business_id)}
    response = await client.post(f"/api{PATH}", json=body, headers=N8N_HEADERS)
    assert response.json() == (await ask(client, connected)).json()
    assert response.headers["cache-control"] == "no-store"


async def test_back_end_may_have_it_too_and_is_named(
    client: httpx.AsyncClient, connected: Tenant, admin_connection: asyncpg.Connection
) -> None:
    response = await client.post(
        PATH, json={"business_id": str(connected.business_id)}, headers=SERVICE_HEADERS
    )
    assert response.status_code == 200
    assert [read["caller"] for read in await secret_reads(admin_connection, connected)] == ["service"]


@pytest.mark.parametrize("execution_id", ["1284", 1284, 2**53])
async def test_same_execution_asks_again_and_gets_the_same(
    client: httpx.AsyncClient,
    connected: Tenant,
    admin_connection: asyncpg.Connection,
    generation_id: str,
    execution_id: str | int,
) -> None:
    first = await ask(client, connected, generation_id=generation_id, execution_id=execution_id)
    again = await ask(client, connected, generation_id=generation_id, execution_id=str(execution_id))
    assert (first.status_code, again.status_code) == (200, 200)
    assert first.json() == again.json()
    reads = await secret_reads(admin_connection, connected)
    assert [read["generation_id"] for read in reads] == [UUID(generation_id)] * 2, "one row for each hand-out"


@pytest.mark.parametrize("second", [{"execution_id": "2"}, {"execution_id": None}, {}])
async def test_another_execution_or_one_without_an_id_is_409_and_gets_no_key(
    client: httpx.AsyncClient,
    connected: Tenant,
    admin_connection: asyncpg.Connection,
    generation_id: str,
    second: dict[str, Any],
) -> None:
    assert (await ask(client, connected, generation_id=generation_id, execution_id="1")).status_code == 200
    before = await snapshot(admin_connection)
    refused = await ask(client, connected, generation_id=generation_id, **second)
    assert_problem(refused, 409, "generation_already_claimed")
    assert "sandbox-" not in refused.text
    assert await snapshot(admin_connection) == before, "no read is recorded where none happened"
    again = await ask(client, connected, generation_id=generation_id, execution_id="1")
    assert again.status_code == 200, "and the claimant goes on"


async def test_claim_without_an_id_cannot_be_repeated(
    client: httpx.AsyncClient, connected: Tenant, generation_id: str
) -> None:
    assert (await ask(client, connected, generation_id=generation_id)).status_code == 200
    for body in ({}, {"execution_id": "1"}):
        refused = await ask(client, connected, generation_id=generation_id, **body)
        assert_problem(refused, 409, "generation_already_claimed")


async def test_of_20_executions_at_once_one_gets_the_key(
    client: httpx.AsyncClient, connected: Tenant, admin_connection: asyncpg.Connection, generation_id: str
) -> None:
    responses = await asyncio.gather(
        *(ask(client, connected, generation_id=generation_id, execution_id=str(n)) for n in range(20))
    )
    assert sorted(response.status_code for response in responses) == [200] + [409] * 19
    assert len(await secret_reads(admin_connection, connected)) == 1


async def test_claim_moves_the_generation_to_processing(
    client: httpx.AsyncClient, connected: Tenant, admin_connection: asyncpg.Connection, generation_id: str
) -> None:
    await ask(client, connected, generation_id=generation_id, execution_id="7")
    row = await admin_connection.fetchrow(
        "select * from ai_avatar.generations where id = $1", UUID(generation_id)
    )
    assert row
    assert (row["status"], row["claimed_by"]) == ("processing", "7")
    assert row["claimed_at"] is not None


@pytest.mark.parametrize("end", ["cancelled", "completed", "failed", "expired"])
async def test_generation_that_is_over_is_410(
    client: httpx.AsyncClient,
    connected: Tenant,
    admin_connection: asyncpg.Connection,
    generation_id: str,
    end: str,
) -> None:
    if end == "cancelled":
        path = f"/integrations/ai-avatar/videos/{connected.content_id}/cancel"
        assert (await client.post(path, headers=connected.headers)).status_code == 200
    elif end == "expired":
        await admin_connection.execute(
            "update ai_avatar.generations set deadline = now() - interval '1 s' where id = $1",
            UUID(generation_id),
        )
        await admin_connection.execute("select ai_avatar.expire_generations(10)")
    else:
        body = {"generation_id": generation_id, "status": end, "video_url": "https://example.com/v.mp4"}
        assert (await client.post("/n8n/heygen-status", json=body, headers=N8N_HEADERS)).status_code == 200
    before = await snapshot(admin_connection)
    refused = await ask(client, connected, generation_id=generation_id, execution_id="1")
    assert_problem(refused, 410, "generation_closed")
    assert await snapshot(admin_connection) == before


async def test_unknown_generation_is_404(client: httpx.AsyncClient, connected: Tenant) -> None:
    refused = await ask(client, connected, generation_id=str(uuid4()), execution_id="1")
    assert_problem(refused, 404, "generation_not_found")


@pytest.mark.parametrize("state", ["none", "inactive", "error"])
async def test_without_an_active_integration_404_and_nothing_is_claimed(
    client: httpx.AsyncClient,
    connected: Tenant,
    admin_connection: asyncpg.Connection,
    generation_id: str,
    state: str,
) -> None:
    if state == "none":
        await client.delete(f"/integrations/ai-avatar/{connected.business_id}", headers=connected.headers)
    else:
        await admin_connection.execute(
            "update public.ai_avatar_integrations set status = $2 where business_id = $1",
            connected.business_id,
            state,
        )
    before = await snapshot(admin_connection)
    for body in ({}, {"generation_id": generation_id, "execution_id": "1"}):
        assert_problem(await ask(client, connected, **body), 404, "integration_not_found")
    assert await snapshot(admin_connection) == before


async def test_key_that_does_not_open_is_500_and_says_nothing_of_it(
    client: httpx.AsyncClient, connected: Tenant, other_tenant: Tenant, admin_connection: asyncpg.Connection
) -> None:
    """A sealed text copied from another business's row."""
    body = {"api_key": "sandbox-canary-other"}
    path = "/integrations/ai-avatar"
    assert (await client.post(path, json=body, headers=other_tenant.headers)).status_code == 201
    await admin_connection.execute(
        "select vault.update_secret(mine.secret_id, s.secret) from public.ai_avatar_integrations as mine, "
        "public.ai_avatar_integrations as theirs join vault.secrets as s on s.id = theirs.secret_id "
        "where mine.business_id = $1 and theirs.business_id = $2",
        connected.business_id,
        other_tenant.business_id,
    )
    response = await ask(client, connected)
    assert_problem(response, 500, "internal_error")
    assert "sealed" not in response.text
    assert "canary" not in response.text
