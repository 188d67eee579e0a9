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
from support.api import Api
from support.postgres import Server
from support.problems import assert_problem
from support.servers import serve_app
from support.service import running, settings
from support.tenants import Tenant, make_content
from support.webhook_receiver import WebhookReceiver

from app.providers import PROVIDERS

pytestmark = pytest.mark.anyio

# The one migration.
MIGRATION = """
alter table public.ai_avatar_integrations drop constraint ai_avatar_integrations_provider_check;
alter table public.ai_avatar_integrations add constraint ai_avatar_integrations_provider_check
check (provider in ('heygen', 'chatty'));
create or replace function ai_avatar.providers()
returns text[] language sql immutable set search_path = pg_catalog, pg_temp as $$
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
async def both(unconnected_api: Api) -> Api:
    """A business with an integration at each of the two."""
    for provider, key, avatar in (
        ("heygen", "sandbox-two", "sandbox-ada"),
        ("chatty", "chatty-two", "presenter-1"),
    ):
        response = await unconnected_api.connect(key, provider=provider, avatar_id=avatar, expect=201)
        assert response.headers["location"].endswith(f"?provider={provider}")
    return unconnected_api


async def test_two_integrations_are_read_and_changed_apart(
    both: Api, admin_connection: asyncpg.Connection
) -> None:
    listed = (await both.list_integrations()).json()["items"]
    assert {item["provider"] for item in listed} == {"heygen", "chatty"}
    only = (await both.list_integrations(provider="chatty")).json()["items"]
    assert [item["avatar_id"] for item in only] == ["presenter-1"]
    assert only[0]["avatar"]["name"] == "The presenter", "its list is searched: it has no call for one avatar"

    changed = await both.request("PATCH", f"{both.path}?provider=chatty", json={"voice_id": "v"})
    assert (changed.json()["provider"], changed.json()["voice_id"]) == ("chatty", "v")
    heygen = (await both.get_integration()).json()
    assert (heygen["provider"], heygen["voice_id"]) == ("heygen", None)
    avatars = await both.list_avatars(provider="chatty")
    assert [avatar["id"] for avatar in avatars.json()["items"]] == ["presenter-1"]
    assert (
        await admin_connection.fetchval(
            "select count(*) from vault.secrets where name like '%' || $1", str(both.tenant.business_id)
        )
        == 2
    )


async def test_each_has_its_own_key(both: Api) -> None:
    for provider, api_key in (("heygen", "sandbox-two"), ("chatty", "chatty-two")):
        answer = await both.at(provider).issue_credentials()
        assert (answer.json()["provider"], answer.json()["api_key"]) == (provider, api_key)
    rejected = await both.request("PATCH", f"{both.path}?provider=chatty", json={"api_key": "sandbox-two"})
    assert_problem(rejected, 422, "api_key_rejected")


@pytest.mark.parametrize("gone", ["heygen", "chatty"])
async def test_one_is_deleted_and_the_other_stays(
    both: Api, admin_connection: asyncpg.Connection, gone: str
) -> None:
    await both.delete(provider=gone, expect=204)
    [kept] = (await both.list_integrations()).json()["items"]
    assert kept["provider"] != gone
    names = await admin_connection.fetch(
        "select name from vault.secrets where name like '%' || $1", str(both.tenant.business_id)
    )
    assert [gone in row["name"] for row in names] == [False]


async def test_without_a_provider_both_are_deleted_with_their_secrets(
    both: Api, admin_connection: asyncpg.Connection
) -> None:
    await both.delete(expect=204)
    assert not await admin_connection.fetchval(
        "select count(*) from vault.secrets where name like '%' || $1", str(both.tenant.business_id)
    )


async def test_whole_job_with_each_beside_the_other(
    both: Api,
    admin_connection: asyncpg.Connection,
    webhook: WebhookReceiver,
    studio: tuple[Studio, str],
) -> None:
    contents = {
        "heygen": both.tenant.content_id,
        "chatty": await make_content(admin_connection, both.tenant.business_id, script="In Chatty's words"),
    }
    generations = {}
    for provider, content_id in contents.items():
        response = await both.generate(content_id, provider=provider, expect=202)
        assert response.json()["provider"] == provider
        generations[provider] = response.json()["id"]
    assert [delivery.json["generation_id"] for delivery in webhook.deliveries] == list(generations.values())

    # One provider's paths do not find the other's generations.
    heygen, chatty = both.at("heygen"), both.at("chatty")
    assert_problem(await heygen.claim(generations["chatty"]), 404, "generation_not_found")
    refused = await chatty.report(generations["heygen"], "processing", execution_id="1")
    assert_problem(refused, 404, "generation_not_found")

    made = await chatty.create_video(generations["chatty"])
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
    done = await chatty.poll_video(generations["chatty"])
    assert (done.json()["status"], done.json()["video_url"]) == (
        "completed",
        "https://chatty.example/clip.mp4",
    )
    other = await both.get_generation(contents["heygen"])
    assert other.json()["status"] == "processing"


async def test_not_configured_names_the_provider(unconnected_api: Api) -> None:
    response = await unconnected_api.generate(provider="chatty")
    problem = assert_problem(response, 409, "integration_not_configured")
    assert problem["detail"].startswith("Chatty AI avatar integration not configured.")


async def test_provider_without_a_webhook_is_503(
    database_url: str, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PROVIDERS, CHATTY.name, CHATTY)
    async with running(settings(database_url)) as (_, client):
        response = await Api(client, tenant).generate(provider="chatty")
        assert_problem(response, 503, "webhook_not_configured")
