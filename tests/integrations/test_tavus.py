"""Tavus beside HeyGen, each with its own key: what a provider cannot do is said, and neither disturbs the other."""

import asyncio
import base64
from collections.abc import AsyncIterator
from datetime import timedelta

import asyncpg
import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from support.api import Api
from support.problems import assert_problem
from support.rows import list_secret_reads
from support.servers import serve_app
from support.service import running, settings
from support.tenants import SECRETS_KEYS, make_content
from support.webhook_receiver import WebhookReceiver

from app.db import Database
from app.dependencies import services_of
from app.integrations.key_health import KeyHealth
from app.integrations.rotation import rotate
from app.integrations.secret_repository import SecretRepository
from app.integrations.service import IntegrationService
from app.sealing import KeyRing

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
async def service(
    database_url: str,
    webhook_server: WebhookReceiver,
    heygen_url: str,
    tavus_url: str,
    anyio_backend: str,
) -> AsyncIterator[tuple[FastAPI, httpx.AsyncClient]]:
    """The service with both providers' stand-ins."""
    providers = {
        "heygen": {"api_url": heygen_url, "webhook_url": webhook_server.url},
        "tavus": {"api_url": tavus_url, "webhook_url": f"{webhook_server.url}?workflow=tavus"},
    }
    async with running(settings(database_url, providers=providers)) as started:
        yield started


@pytest.fixture
async def both(unconnected_api: Api) -> Api:
    """A business that has connected HeyGen and Tavus."""
    await unconnected_api.connect("sandbox-at-heygen", avatar_id="sandbox-ada", expect=201)
    await unconnected_api.connect("sandbox-at-tavus", provider="tavus", avatar_id="sandbox-bruno", expect=201)
    return unconnected_api


async def until_ended(api: Api, generation_id: str) -> dict[str, object]:
    """Poll as the workflow does, until the generation has ended."""
    while True:
        state: dict[str, object] = (await api.poll_video(generation_id)).json()
        if state["status"] not in {"dispatching", "processing"}:
            return state
        await asyncio.sleep(0.05)


async def test_a_voice_is_refused_where_each_avatar_has_its_own(both: Api) -> None:
    path = f"{both.path}?provider=tavus"
    patched = assert_problem(
        await both.request("PATCH", path, json={"voice_id": "v"}), 422, "invalid_request"
    )
    assert patched["errors"] == [
        {
            "field": "body.voice_id",
            "message": "`voice_id` must be left out: Tavus has no voices to choose, because each avatar has its own",
            "type": "not_valid",
        }
    ]
    assert_problem(await both.connect("sandbox-x", provider="tavus", voice_id="v"), 422, "invalid_request")
    cleared = await both.request("PATCH", path, json={"voice_id": ""})
    assert (cleared.status_code, cleared.json()["voice_id"]) == (200, None)


async def test_voices_are_an_empty_page_and_the_account_has_no_balance(both: Api) -> None:
    voices = await both.request("GET", f"{both.path}/voices?provider=tavus")
    assert voices.json() == {"items": [], "next_cursor": None}
    account = (await both.request("GET", f"{both.path}/account?provider=tavus")).json()
    assert (account["label"], account["remaining"]) == ("Tavus account", None)


async def test_avatars_are_the_replicas_and_the_chosen_one_has_a_name(both: Api) -> None:
    avatars = (await both.list_avatars(provider="tavus")).json()["items"]
    assert avatars[0]["name"] == "My own avatar"
    shown = (await both.request("GET", f"{both.path}?provider=tavus")).json()
    assert shown["avatar"] == {
        "id": "sandbox-bruno",
        "name": "Bruno at the desk",
        "preview_image_url": None,
    }


async def test_options_are_those_of_the_provider(both: Api) -> None:
    heygens = {"provider_config": {"resolution": "720p"}}
    refused = await both.request("PATCH", f"{both.path}?provider=tavus", json=heygens)
    problem = assert_problem(refused, 422, "invalid_request")
    assert problem["errors"][0]["field"] == "body.provider_config.resolution"
    accepted = await both.request(
        "PATCH", f"{both.path}?provider=tavus", json={"provider_config": {"fast": True}}
    )
    assert accepted.json()["provider_config"] == {"fast": True}


async def test_whole_job_with_tavus_while_heygen_makes_another_video(
    both: Api, admin_connection: asyncpg.Connection, webhook: WebhookReceiver
) -> None:
    heygens = (await both.generate(expect=202)).json()["id"]
    content_id = await make_content(admin_connection, both.tenant.business_id, script="In Tavus's words")
    tavus = both.at("tavus")
    generation_id = (await both.generate(content_id, provider="tavus", expect=202)).json()["id"]
    assert [delivery.json["generation_id"] for delivery in webhook.deliveries] == [heygens, generation_id]

    made = (await tavus.create_video(generation_id)).json()
    assert made["status"] == "processing"
    ended = await until_ended(tavus, generation_id)
    assert (ended["status"], ended["video_id"]) == ("completed", made["video_id"])
    assert str(ended["video_url"]).startswith("http://127.0.0.1:1/media/videos/")
    assert ended["thumbnail_url"] is not None
    assert (await both.get_generation(both.tenant.content_id)).json()["status"] == "processing"


async def test_a_video_that_tavus_cannot_make_fails_with_what_to_do(
    both: Api, admin_connection: asyncpg.Connection
) -> None:
    content_id = await make_content(admin_connection, both.tenant.business_id, script="Please [fail]")
    tavus = both.at("tavus")
    generation_id = (await both.generate(content_id, provider="tavus", expect=202)).json()["id"]
    await tavus.create_video(generation_id)
    ended = await until_ended(tavus, generation_id)
    assert (ended["status"], ended["error_code"]) == ("failed", "video_error")
    assert str(ended["error"]).startswith("Tavus had a problem with this video.")


async def test_an_account_without_credits_is_told_so_and_may_try_again(
    both: Api, admin_connection: asyncpg.Connection
) -> None:
    await both.connect("sandbox-nocredit-1", provider="tavus", expect=200)
    tavus = both.at("tavus")
    generation_id = (await both.generate(provider="tavus", expect=202)).json()["id"]
    for _ in range(2):  # a refusal is certain, so the same execution may ask again
        problem = assert_problem(await tavus.create_video(generation_id), 502, "provider_rejected")
        assert (
            problem["detail"]
            == "Your Tavus account has no credits left. Add credits at Tavus, then try again."
        )


async def test_one_provider_s_rejected_key_leaves_the_other_active(both: Api) -> None:
    await both.connect("sandbox-revoked-1", provider="tavus", expect=200)
    tavus = both.at("tavus")
    generation_id = (await both.generate(provider="tavus", expect=202)).json()["id"]
    assert_problem(await tavus.create_video(generation_id), 422, "api_key_rejected")
    listed = (await both.list_integrations()).json()["items"]
    assert {item["provider"]: item["status"] for item in listed} == {"heygen": "active", "tavus": "error"}


async def test_an_unknown_outcome_says_which_video_to_look_for(
    database_url: str, both: Api, webhook: WebhookReceiver
) -> None:
    creates = []

    async def create(request: Request) -> Response:
        creates.append(await request.json())
        return JSONResponse({"message": "Internal error"}, 500)

    with serve_app(Starlette(routes=[Route("/v2/videos", create, methods=["POST"])])) as url:
        providers = {"tavus": {"api_url": url, "webhook_url": webhook.url}}
        async with running(settings(database_url, providers=providers)) as (_, client):
            api = Api(client, both.tenant).at("tavus")
            generation_id = (await api.generate(provider="tavus", expect=202)).json()["id"]
            problem = assert_problem(await api.create_video(generation_id), 502, "provider_unexpected_answer")
            again = assert_problem(await api.create_video(generation_id), 502, "provider_unexpected_answer")
    assert [created["video_name"] for created in creates] == [generation_id]
    for told in (problem, again):
        assert f'look for one whose name ends with "{generation_id}"' in told["detail"]


async def test_the_audit_log_says_whose_key_was_read(both: Api, admin_connection: asyncpg.Connection) -> None:
    await both.issue_credentials()
    await both.at("tavus").issue_credentials()
    await both.list_avatars(provider="tavus")
    rows = await list_secret_reads(admin_connection, both.tenant.business_id)
    assert [(row["provider"], row["caller"]) for row in rows] == [
        ("heygen", "n8n"),
        ("tavus", "n8n"),
        ("tavus", f"user:{both.tenant.user_id}"),
    ]


async def test_neither_provider_s_paths_claim_the_other_s_generation(both: Api) -> None:
    generation_id = (await both.generate(provider="tavus", expect=202)).json()["id"]
    assert_problem(await both.claim(generation_id), 404, "generation_not_found")
    claimed = (await both.at("tavus").claim(generation_id)).json()
    assert (claimed["provider"], claimed["api_key"]) == ("tavus", "sandbox-at-tavus")
    listed = (await both.list_generations()).json()["items"]
    assert [(item["provider"], item["status"]) for item in listed] == [("tavus", "processing")]


@pytest.mark.parametrize(("gone", "kept"), [("heygen", "tavus"), ("tavus", "heygen")])
async def test_deletion_of_one_leaves_the_other_s_key(both: Api, gone: str, kept: str) -> None:
    await both.delete(provider=gone, expect=204)
    assert_problem(await both.at(gone).issue_credentials(), 404, "integration_not_found")
    assert (await both.at(kept).issue_credentials()).json()["api_key"] == f"sandbox-at-{kept}"


async def test_rotation_seals_both_keys_and_each_opens_as_its_own(
    both: Api, database_url: str, admin_connection: asyncpg.Connection
) -> None:
    newest = f"newest:{base64.b64encode(b'n' * 32).decode()}"
    db = Database(SecretStr(database_url), pool_size=2)
    await db.open()
    ring = KeyRing.parse(f"{newest},{SECRETS_KEYS}")
    result = await rotate(SecretRepository(db), ring, from_vault=False, progress=lambda: None)
    await db.close()
    assert result.left == []
    async with running(settings(database_url, secrets_keys=newest)) as (_, client):
        for provider in ("heygen", "tavus"):
            answer = await both.through(client).at(provider).issue_credentials()
            assert answer.json()["api_key"] == f"sandbox-at-{provider}"
    # No other service of these tests could start with keys that are sealed so.
    await admin_connection.execute("delete from public.ai_avatar_integrations")


async def test_the_scheduled_check_of_one_key_does_not_judge_the_other(
    database_url: str, both: Api, admin_connection: asyncpg.Connection, heygen_url: str
) -> None:
    async def reject(_: Request) -> Response:
        return JSONResponse({"message": "Invalid access token"}, 401)

    with serve_app(Starlette(routes=[Route("/v2/replicas", reject)])) as url:
        providers = {"heygen": {"api_url": heygen_url}, "tavus": {"api_url": url}}
        async with running(settings(database_url, providers=providers)) as (app, _):
            health = KeyHealth(services_of(app)[IntegrationService], timedelta(days=1))
            for _ in range(2):  # one rejection may be an outage
                await admin_connection.execute(
                    "update ai_avatar.integration_details as d set next_key_check_at = now(), "
                    "key_rejected_at = key_rejected_at - interval '7 minutes' "
                    "from public.ai_avatar_integrations as ai "
                    "where ai.id = d.integration_id and ai.business_id = $1",
                    both.tenant.business_id,
                )
                assert await health.check_due() == 2
    listed = (await both.list_integrations()).json()["items"]
    assert {item["provider"]: item["status"] for item in listed} == {"heygen": "active", "tavus": "error"}
