"""A second provider, added as docs/adding-a-provider.md says, does the whole job beside HeyGen."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import asyncpg
import httpx
import pytest
from providers_added.chatty import CHATTY
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from support.postgres import Server
from support.problems import assert_problem
from support.servers import serve_app
from support.service import running, settings
from support.tenants import N8N_HEADERS, Tenant, make_content
from support.webhook_receiver import WebhookReceiver

from app.providers import PROVIDERS

pytestmark = pytest.mark.anyio

ROOT = "/integrations/ai-avatar"

# The one migration.
MIGRATION = """
alter table public.ai_avatar_integrations drop constraint ai_avatar_integrations_provider_check;
alter table public.ai_avatar_integrations add constraint ai_avatar_integrations_provider_check
check (provider in ('heygen', 'chatty'));
create or replace function ai_avatar.providers()
returns text[] language sql immutable set search_path = '' as $$
    select array['heygen', 'chatty']
$$;
"""


class Studio:
    """The made-up provider's own API. `ready`: the clips that are finished."""

    def __init__(self) -> None:
        self.clips: list[dict[str, Any]] = []
        self.ready = False

    async def whoami(self, request: Request) -> Response:
        if not request.headers.get("authorization", "").startswith("Token chatty-"):
            return JSONResponse({}, 401)
        return JSONResponse({"name": "c"})

    async def create(self, request: Request) -> Response:
        self.clips.append(await request.json() | {"key": request.headers["authorization"]})
        return JSONResponse({"clip": f"clip-{len(self.clips)}"})

    async def clip(self, request: Request) -> Response:
        url = "https://chatty.example/clip.mp4" if self.ready else None
        return JSONResponse({"clip": request.path_params["id"], "url": url})


@pytest.fixture(scope="module")
def database_url(server: Server) -> Iterator[str]:
    """A scratch database with the migration of the second provider."""
    with server.database(template=server.migrated_template()) as name:
        server.run(MIGRATION, name)
        yield server.url(name)


@pytest.fixture
def studio() -> Iterator[tuple[Studio, str]]:
    found = Studio()
    routes = [
        Route("/whoami", found.whoami),
        Route("/clips", found.create, methods=["POST"]),
        Route("/clips/{id}", found.clip),
    ]
    with serve_app(Starlette(routes=routes)) as url:
        yield found, url


@pytest.fixture
async def client(
    database_url: str,
    studio: tuple[Studio, str],
    heygen_url: str,
    webhook: WebhookReceiver,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[httpx.AsyncClient]:
    """The service with one more entry in the registry; its addresses come from the environment."""
    monkeypatch.setitem(PROVIDERS, CHATTY.name, CHATTY)
    monkeypatch.setenv("HEYGEN_API_URL", heygen_url)
    monkeypatch.setenv("N8N_HEYGEN_WEBHOOK_URL", webhook.url)
    monkeypatch.setenv("CHATTY_API_URL", studio[1])
    monkeypatch.setenv("N8N_CHATTY_WEBHOOK_URL", f"{webhook.url}?workflow=chatty")
    async with running(settings(database_url)) as (_, client):
        yield client


@pytest.fixture
async def both(client: httpx.AsyncClient, tenant: Tenant) -> Tenant:
    """A business with an integration at each of the two."""
    for body in (
        {"provider": "heygen", "api_key": "sandbox-two", "avatar_id": "sandbox-ada"},
        {"provider": "chatty", "api_key": "chatty-two", "avatar_id": "presenter-1"},
    ):
        response = await client.post(ROOT, json=body, headers=tenant.headers)
        assert response.status_code == 201, response.text
        assert response.headers["location"].endswith(f"?provider={body['provider']}")
    return tenant


async def test_two_integrations_are_read_and_changed_apart(
    client: httpx.AsyncClient, both: Tenant, admin_connection: asyncpg.Connection
) -> None:
    own = f"{ROOT}/{both.business_id}"
    listed = (await client.get(ROOT, headers=both.headers)).json()["items"]
    assert {item["provider"] for item in listed} == {"heygen", "chatty"}
    only = (await client.get(f"{ROOT}?provider=chatty", headers=both.headers)).json()["items"]
    assert [item["avatar_id"] for item in only] == ["presenter-1"]

    changed = await client.patch(f"{own}?provider=chatty", json={"voice_id": "v"}, headers=both.headers)
    assert (changed.json()["provider"], changed.json()["voice_id"]) == ("chatty", "v")
    heygen = (await client.get(own, headers=both.headers)).json()
    assert (heygen["provider"], heygen["voice_id"]) == ("heygen", None)
    avatars = await client.get(f"{own}/avatars?provider=chatty", headers=both.headers)
    assert [avatar["id"] for avatar in avatars.json()["items"]] == ["presenter-1"]
    assert (
        await admin_connection.fetchval(
            "select count(*) from vault.secrets where name like '%' || $1", str(both.business_id)
        )
        == 2
    )


async def test_each_has_its_own_key(client: httpx.AsyncClient, both: Tenant) -> None:
    for provider, api_key in (("heygen", "sandbox-two"), ("chatty", "chatty-two")):
        body = {"business_id": str(both.business_id)}
        answer = await client.post(f"/n8n/{provider}-credentials", json=body, headers=N8N_HEADERS)
        assert (answer.json()["provider"], answer.json()["api_key"]) == (provider, api_key)
    rejected = await client.patch(
        f"{ROOT}/{both.business_id}?provider=chatty", json={"api_key": "sandbox-two"}, headers=both.headers
    )
    assert_problem(rejected, 422, "api_key_rejected")


@pytest.mark.parametrize("gone", ["heygen", "chatty"])
async def test_one_is_deleted_and_the_other_stays(
    client: httpx.AsyncClient, both: Tenant, admin_connection: asyncpg.Connection, gone: str
) -> None:
    own = f"{ROOT}/{both.business_id}"
    assert (await client.delete(f"{own}?provider={gone}", headers=both.headers)).status_code == 204
    [kept] = (await client.get(ROOT, headers=both.headers)).json()["items"]
    assert kept["provider"] != gone
    names = await admin_connection.fetch(
        "select name from vault.secrets where name like '%' || $1", str(both.business_id)
    )
    assert [gone in row["name"] for row in names] == [False]


async def test_without_a_provider_both_are_deleted_with_their_secrets(
    client: httpx.AsyncClient, both: Tenant, admin_connection: asyncpg.Connection
) -> None:
    assert (await client.delete(f"{ROOT}/{both.business_id}", headers=both.headers)).status_code == 204
    assert not await admin_connection.fetchval(
        "select count(*) from vault.secrets where name like '%' || $1", str(both.business_id)
    )


async def test_whole_job_with_each_beside_the_other(
    client: httpx.AsyncClient,
    both: Tenant,
    admin_connection: asyncpg.Connection,
    webhook: WebhookReceiver,
    studio: tuple[Studio, str],
) -> None:
    contents = {
        "heygen": both.content_id,
        "chatty": await make_content(admin_connection, both.business_id, script="In Chatty's words"),
    }
    generations = {}
    for provider, content_id in contents.items():
        body = {"content_id": str(content_id), "provider": provider}
        response = await client.post(f"{ROOT}/generate-video", json=body, headers=both.headers)
        assert response.status_code == 202, response.text
        assert response.json()["provider"] == provider
        generations[provider] = response.json()["id"]
    assert [delivery.json["generation_id"] for delivery in webhook.deliveries] == list(generations.values())

    # One provider's paths know nothing of the other's generations.
    mixed = {
        "business_id": str(both.business_id),
        "generation_id": generations["chatty"],
        "execution_id": "1",
    }
    refused = await client.post("/n8n/heygen-credentials", json=mixed, headers=N8N_HEADERS)
    assert_problem(refused, 404, "generation_not_found")
    status = {"generation_id": generations["heygen"], "status": "processing", "execution_id": "1"}
    refused = await client.post("/n8n/chatty-status", json=status, headers=N8N_HEADERS)
    assert_problem(refused, 404, "generation_not_found")

    claim = {"generation_id": generations["chatty"], "execution_id": "1"}
    made = await client.post("/n8n/chatty/videos", json=claim, headers=N8N_HEADERS)
    assert (made.status_code, made.json()["video_id"]) == (200, "clip-1")
    assert studio[0].clips == [
        {
            "text": "In Chatty's words",
            "presenter": "presenter-1",
            "reference": generations["chatty"],
            "key": "Token chatty-two",
        }
    ]
    studio[0].ready = True
    done = await client.get(f"/n8n/chatty/videos/{generations['chatty']}", headers=N8N_HEADERS)
    assert (done.json()["status"], done.json()["video_url"]) == (
        "completed",
        "https://chatty.example/clip.mp4",
    )
    other = await client.get(f"{ROOT}/videos/{contents['heygen']}", headers=both.headers)
    assert other.json()["status"] == "processing"


async def test_not_configured_is_told_in_the_provider_s_own_name(
    client: httpx.AsyncClient, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = {"content_id": str(tenant.content_id), "provider": "chatty"}
    problem = assert_problem(
        await client.post(f"{ROOT}/generate-video", json=body, headers=tenant.headers),
        409,
        "integration_not_configured",
    )
    assert problem["detail"].startswith("Chatty AI avatar integration not configured.")


async def test_provider_without_a_webhook_is_503(
    database_url: str, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PROVIDERS, CHATTY.name, CHATTY)
    async with running(settings(database_url)) as (_, client):
        body = {"content_id": str(tenant.content_id), "provider": "chatty"}
        response = await client.post(f"{ROOT}/generate-video", json=body, headers=tenant.headers)
        assert_problem(response, 503, "webhook_not_configured")
