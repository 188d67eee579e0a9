"""POST /n8n/{provider}-credentials: who gets a key, who claims a generation, and what the audit log records."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
from support.api import Api
from support.problems import assert_problem, snapshot
from support.rows import expire_generation, list_secret_reads
from support.tenants import N8N_HEADERS, SERVICE_HEADERS, Tenant

pytestmark = pytest.mark.anyio


@pytest.fixture
async def generation_id(api: Api) -> str:
    """A generation whose job n8n has accepted."""
    return await api.start()


async def test_n8n_gets_the_active_integration_with_its_key_and_no_store(
    api: Api, admin_connection: asyncpg.Connection
) -> None:
    response = await api.issue_credentials(headers={"X-Request-ID": "issue-1"})
    assert response.status_code == 200
    assert response.json() == {
        "business_id": str(api.tenant.business_id),
        "provider": "heygen",
        "api_key": f"sandbox-{api.tenant.business_id}",
        "avatar_id": "sandbox-ada",
        "voice_id": None,
        "provider_config": {},
    }
    assert response.headers["cache-control"] == "no-store"
    [read] = await list_secret_reads(admin_connection, api.tenant.business_id)
    assert (read["caller"], read["purpose"], read["provider"]) == ("n8n", "issue_credentials", "heygen")
    assert (read["request_id"], read["address"]) == ("issue-1", "127.0.0.1")
    assert read["generation_id"] is None


async def test_options_are_issued_as_heygen_receives_them(api: Api) -> None:
    await api.update(provider_config={"resolution": "720p", "unchecked": {"brand_new": 1}}, expect=200)
    issued = (await api.issue_credentials(expect=200)).json()
    assert issued["provider_config"] == {"resolution": "720p", "brand_new": 1}


async def test_alias_answers_the_same(api: Api, client: httpx.AsyncClient) -> None:
    body = {"business_id": str(api.tenant.business_id)}
    response = await client.post("/api/n8n/heygen-credentials", json=body, headers=N8N_HEADERS)
    assert response.json() == (await api.issue_credentials()).json()
    assert response.headers["cache-control"] == "no-store"


async def test_back_end_gets_the_key_too_and_is_recorded(
    api: Api, admin_connection: asyncpg.Connection
) -> None:
    await api.issue_credentials(headers=SERVICE_HEADERS, expect=200)
    assert [read["caller"] for read in await list_secret_reads(admin_connection, api.tenant.business_id)] == [
        "service"
    ]


@pytest.mark.parametrize("execution_id", ["1284", 1284, 2**53])
async def test_same_execution_asks_again_and_gets_the_same(
    api: Api, admin_connection: asyncpg.Connection, generation_id: str, execution_id: str | int
) -> None:
    first = await api.claim(generation_id, execution_id)
    again = await api.claim(generation_id, str(execution_id))
    assert (first.status_code, again.status_code) == (200, 200)
    assert first.json() == again.json()
    reads = await list_secret_reads(admin_connection, api.tenant.business_id)
    assert [read["generation_id"] for read in reads] == [UUID(generation_id)] * 2, "one row for each read"


async def test_generation_names_the_avatar_and_voice_that_were_handed_out(
    api: Api, generation_id: str, admin_connection: asyncpg.Connection
) -> None:
    async def speakers() -> list[dict[str, str | None] | None]:
        generation = (await api.get_generation(expect=200)).json()
        return [generation["avatar"], generation["voice"]]

    async def choose(avatar: str, voice: str | None) -> None:
        await admin_connection.execute(
            "update public.ai_avatar_integrations set avatar_id = $2, voice_id = $3 where business_id = $1",
            api.tenant.business_id,
            avatar,
            voice,
        )

    integration = (await api.get_integration(expect=200)).json()
    named = {"id": integration["avatar_id"], "name": integration["avatar"]["name"]}
    assert (await speakers())[0] == named, "as it was at the start"

    await choose("another", "a voice")
    assert (await speakers())[0] == named
    await api.claim(generation_id, "1", expect=200)
    assert await speakers() == [{"id": "another", "name": None}, {"id": "a voice", "name": None}]
    await choose("a third", None)
    await api.claim(generation_id, "1", expect=200)
    assert await speakers() == [{"id": "a third", "name": None}, None], "handed out again"

    await api.report(generation_id, "processing", execution_id="1", video_id="v-1", expect=200)
    await choose("a fourth", "a voice")
    await api.claim(generation_id, "1", expect=200)
    assert await speakers() == [{"id": "a third", "name": None}, None], "there is a video by now"


@pytest.mark.parametrize("second", [{"execution_id": "2"}, {"execution_id": None}, {}])
async def test_another_execution_or_one_without_an_id_is_409_and_gets_no_key(
    api: Api, admin_connection: asyncpg.Connection, generation_id: str, second: dict[str, Any]
) -> None:
    await api.claim(generation_id, "1", expect=200)
    before = await snapshot(admin_connection)
    refused = await api.issue_credentials(generation_id=generation_id, **second)
    assert_problem(refused, 409, "generation_already_claimed")
    assert "sandbox-" not in refused.text
    assert await snapshot(admin_connection) == before, "no read is recorded where none happened"
    again = await api.claim(generation_id, "1")
    assert again.status_code == 200, "the claimant continues"


async def test_claim_without_an_id_cannot_be_repeated(api: Api, generation_id: str) -> None:
    await api.issue_credentials(generation_id=generation_id, expect=200)
    for body in ({}, {"execution_id": "1"}):
        refused = await api.issue_credentials(generation_id=generation_id, **body)
        assert_problem(refused, 409, "generation_already_claimed")


async def test_of_20_executions_at_once_one_gets_the_key(
    api: Api, admin_connection: asyncpg.Connection, generation_id: str
) -> None:
    responses = await asyncio.gather(*(api.claim(generation_id, str(n)) for n in range(20)))
    assert sorted(response.status_code for response in responses) == [200] + [409] * 19
    assert len(await list_secret_reads(admin_connection, api.tenant.business_id)) == 1


async def test_claim_moves_the_generation_to_processing(
    api: Api, admin_connection: asyncpg.Connection, generation_id: str
) -> None:
    await api.claim(generation_id, "7")
    row = await admin_connection.fetchrow(
        "select * from ai_avatar.generations where id = $1", UUID(generation_id)
    )
    assert row
    assert (row["status"], row["claimed_by"]) == ("processing", "7")
    assert row["claimed_at"] is not None


@pytest.mark.parametrize("end", ["cancelled", "completed", "failed", "expired"])
async def test_generation_that_is_over_is_410(
    api: Api, admin_connection: asyncpg.Connection, generation_id: str, end: str
) -> None:
    if end == "cancelled":
        await api.cancel(expect=200)
    elif end == "expired":
        await expire_generation(admin_connection, generation_id)
    else:
        await api.report(generation_id, end, video_url="https://example.com/v.mp4", expect=200)
    before = await snapshot(admin_connection)
    refused = await api.claim(generation_id, "1")
    assert_problem(refused, 410, "generation_closed")
    assert await snapshot(admin_connection) == before


async def test_unknown_generation_is_404(api: Api) -> None:
    refused = await api.claim(str(uuid4()), "1")
    assert_problem(refused, 404, "generation_not_found")


@pytest.mark.parametrize("state", ["none", "inactive", "error"])
async def test_without_an_active_integration_404_and_nothing_is_claimed(
    api: Api, admin_connection: asyncpg.Connection, generation_id: str, state: str
) -> None:
    if state == "none":
        await api.delete(expect=204)
    else:
        await admin_connection.execute(
            "update public.ai_avatar_integrations set status = $2 where business_id = $1",
            api.tenant.business_id,
            state,
        )
    before = await snapshot(admin_connection)
    for body in ({}, {"generation_id": generation_id, "execution_id": "1"}):
        code = "integration_not_found" if state == "none" else "integration_not_active"
        assert_problem(await api.issue_credentials(**body), 404, code)
    assert await snapshot(admin_connection) == before


async def test_key_that_does_not_open_is_503_and_says_nothing_of_it(
    api: Api, other_tenant: Tenant, admin_connection: asyncpg.Connection
) -> None:
    """The sealed key was copied from another business's row."""
    await api.of(other_tenant).connect("sandbox-canary-other", expect=201)
    await admin_connection.execute(
        "select vault.update_secret(mine.secret_id, s.secret) from public.ai_avatar_integrations as mine, "
        "public.ai_avatar_integrations as theirs join vault.secrets as s on s.id = theirs.secret_id "
        "where mine.business_id = $1 and theirs.business_id = $2",
        api.tenant.business_id,
        other_tenant.business_id,
    )
    response = await api.issue_credentials()
    assert_problem(response, 503, "key_not_available")
    assert "sealed" not in response.text
    assert "canary" not in response.text
