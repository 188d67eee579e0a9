"""Connecting a provider, reading, changing, checking and removing it, over HTTP."""

import asyncio
import json
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from support.api import ROOT, Api
from support.controlled_heygen import ControlledHeyGen
from support.problems import assert_problem, snapshot
from support.rows import ContentRow, list_secret_reads
from support.servers import free_port, serve_app
from support.service import running, settings
from support.tenants import SERVICE_HEADERS, Tenant, make_content, make_tenant

from app.dependencies import services_of
from app.integrations.repository import IntegrationRepository, StoredKey
from app.integrations.schemas import Integration

pytestmark = pytest.mark.anyio

CANARY = "sandbox-canary-integrations"


async def stored_secret(admin_connection: asyncpg.Connection, tenant: Tenant) -> str:
    secret: str = await admin_connection.fetchval(
        "select s.secret from public.ai_avatar_integrations as ai join vault.secrets as s on s.id = ai.secret_id "
        "where ai.business_id = $1",
        tenant.business_id,
    )
    return secret


# Connecting ----------------------------------------------------------------------------------------------------------


async def test_first_save_is_201_with_location_and_without_the_key(unconnected_api: Api) -> None:
    response = await unconnected_api.connect(
        CANARY, avatar_id="a", voice_id="v", provider_config={"resolution": "720p"}
    )
    assert response.status_code == 201
    assert response.headers["location"] == f"{unconnected_api.path}?provider=heygen"
    integration = response.json()
    assert set(integration) == {
        "id",
        "business_id",
        "provider",
        "avatar_id",
        "voice_id",
        "provider_config",
        "status",
        "has_api_key",
        "validated_at",
        "last_synced_at",
        "created_at",
        "updated_at",
        "api_key_last4",
        "api_key_set_at",
        "avatar",
        "voice",
    }
    assert integration["status"] == "active"
    assert integration["has_api_key"] is True
    assert integration["validated_at"] is not None
    assert integration["last_synced_at"] is None
    assert integration["provider_config"] == {"resolution": "720p"}
    assert CANARY not in response.text
    followed = await unconnected_api.request("GET", response.headers["location"])
    assert followed.json() == integration


async def test_second_save_is_200_and_keeps_what_is_absent_or_null(unconnected_api: Api) -> None:
    first = await unconnected_api.connect(avatar_id="a", voice_id="v", provider_config={"resolution": "720p"})
    again = await unconnected_api.connect(api_key="sandbox-other", avatar_id=None, voice_id="w")
    assert again.status_code == 200
    assert "location" not in again.headers
    assert again.json()["id"] == first.json()["id"]
    assert again.json()["avatar_id"] == "a"
    assert again.json()["voice_id"] == "w"
    assert again.json()["provider_config"] == {"resolution": "720p"}
    emptied = await unconnected_api.connect(provider_config={})
    assert emptied.json()["provider_config"] == {}


async def test_back_end_connects_any_business_that_it_names(unconnected_api: Api) -> None:
    response = await unconnected_api.as_service().connect(expect=201)
    assert response.json()["business_id"] == str(unconnected_api.tenant.business_id)


async def test_pasted_key_may_end_with_a_newline(unconnected_api: Api) -> None:
    await unconnected_api.connect(" sandbox-key\n", expect=201)


async def test_key_that_the_provider_rejects_is_422_and_nothing_is_stored(
    api: Api, other_tenant: Tenant, admin_connection: asyncpg.Connection
) -> None:
    before = await snapshot(admin_connection)
    assert_problem(await api.of(other_tenant).connect("wrong-canary"), 422, "api_key_rejected")
    refused = await api.connect("wrong-canary", avatar_id="other")
    problem = assert_problem(refused, 422, "api_key_rejected")
    assert "canary" not in str(problem)
    refused = await api.update(api_key="wrong-canary", avatar_id="other")
    assert_problem(refused, 422, "api_key_rejected")
    assert await snapshot(admin_connection) == before


async def html(_: Request) -> Response:
    return HTMLResponse("<html>Just a moment</html>")


async def another_shape(_: Request) -> Response:
    return JSONResponse({"data": []})


async def fault(_: Request) -> Response:
    return JSONResponse({"error": {"code": "internal_error", "message": "down"}}, 500, {"retry-after": "600"})


async def limited(_: Request) -> Response:
    return JSONResponse({"error": {"code": "rate_limit_exceeded"}}, 429, {"retry-after": "600"})


@pytest.mark.parametrize(
    ("endpoint", "status", "code"),
    [
        (html, 502, "provider_unexpected_answer"),
        (another_shape, 502, "provider_unexpected_answer"),
        (fault, 503, "provider_unavailable"),
        (limited, 429, "provider_rate_limited"),
        (None, 503, "provider_unavailable"),
    ],
)
async def test_provider_that_cannot_say_stores_nothing(
    api: Api, database_url: str, admin_connection: asyncpg.Connection, endpoint: Any, status: int, code: str
) -> None:
    with serve_app(Starlette(routes=[Route("/v3/{rest:path}", endpoint)] if endpoint else [])) as url:
        api_url = url if endpoint else f"http://127.0.0.1:{free_port()}"
        async with running(settings(database_url, providers={"heygen": {"api_url": api_url}})) as (_, client):
            api = api.through(client)
            before = await snapshot(admin_connection)
            assert_problem(await api.connect(), status, code)
            patch = await api.update(api_key="sandbox-n")
            assert_problem(patch, status, code)
            assert await snapshot(admin_connection) == before
            # A fault at the provider does not mean that the key is wrong.
            validate = await api.validate()
            assert_problem(validate, status, code)
            assert (await api.get_integration()).json()["status"] == "active"
            if status != 502:
                assert int(patch.headers["retry-after"]) >= 1


async def test_32_first_saves_at_once_make_one_row_and_one_secret(
    unconnected_api: Api, tenant: Tenant, admin_connection: asyncpg.Connection
) -> None:
    responses = await asyncio.gather(
        *(unconnected_api.connect(f"sandbox-key-{n}", avatar_id=f"a{n}") for n in range(32))
    )
    assert sorted(response.status_code for response in responses) == [200] * 31 + [201]
    assert len({response.json()["id"] for response in responses}) == 1
    assert (
        await admin_connection.fetchval(
            "select count(*) from public.ai_avatar_integrations where business_id = $1", tenant.business_id
        )
        == 1
    )
    assert (
        await admin_connection.fetchval(
            "select count(*) from vault.secrets where name like '%' || $1", str(tenant.business_id)
        )
        == 1
    )
    # Whichever came last: key and avatar are those of one request.
    credentials = await unconnected_api.issue_credentials()
    assert credentials.json()["api_key"].removeprefix("sandbox-key-") == credentials.json()["avatar_id"][1:]


async def test_key_is_sealed_wherever_it_is_stored(
    unconnected_api: Api, tenant: Tenant, admin_connection: asyncpg.Connection
) -> None:
    await unconnected_api.connect(CANARY)
    await unconnected_api.connect(CANARY + "-2")
    await unconnected_api.update(api_key=CANARY + "-3")
    assert (await stored_secret(admin_connection, tenant)).startswith("sealed:v1:test:")
    tables = await admin_connection.fetch(
        "select format('%I.%I', schemaname, tablename) from pg_tables "
        "where schemaname in ('public', 'ai_avatar', 'vault', 'auth')"
    )
    for (table,) in tables:
        dump = await admin_connection.fetch(f"select t::text from {table} as t")
        assert not [row for row in dump if CANARY in row[0]], table


# Reading -------------------------------------------------------------------------------------------------------------


async def test_get_shows_an_integration_whatever_its_status(api: Api) -> None:
    await api.update(status="inactive")
    response = await api.get_integration()
    assert (response.status_code, response.json()["status"]) == (200, "inactive")


async def test_list_pages_are_stable_while_others_connect(
    database_url: str, heygen_url: str, admin_connection: asyncpg.Connection, tenant: Tenant
) -> None:
    providers = {"heygen": {"api_url": heygen_url}}
    async with running(settings(database_url, providers=providers)) as (_, client):
        await admin_connection.execute("delete from public.ai_avatar_integrations")
        api = Api(client, tenant)
        made = []
        for _ in range(7):
            made.append(await make_tenant(admin_connection))
            await api.of(made[-1]).connect(expect=201)
        # One moment for three of them: the id decides between equals.
        await admin_connection.execute(
            "update public.ai_avatar_integrations set created_at = '2026-01-01Z' where business_id = any($1)",
            [tenant.business_id for tenant in made[:3]],
        )
        seen: list[str] = []
        cursor = None
        for _ in range(10):
            params = {"limit": 2} | ({"cursor": cursor} if cursor else {})
            page = (await client.get(ROOT, params=params, headers=SERVICE_HEADERS)).json()
            seen += [item["business_id"] for item in page["items"]]
            newer = await make_tenant(admin_connection)
            await api.of(newer).connect(expect=201)  # newer than all: on no later page
            if (cursor := page["next_cursor"]) is None:
                break
        assert len(seen) == 7
        assert set(seen) == {str(tenant.business_id) for tenant in made}
        assert seen[:4] == [str(tenant.business_id) for tenant in reversed(made[3:])]


async def test_list_is_filtered_by_status_and_provider(api: Api) -> None:
    for query, count in (
        ({}, 1),
        ({"status": "active"}, 1),
        ({"status": "error"}, 0),
        ({"provider": "heygen"}, 1),
    ):
        page = (await api.list_integrations(**query)).json()
        assert (len(page["items"]), page["next_cursor"]) == (count, None), query
    await api.update(status="inactive")
    page = (await api.list_integrations(status="inactive")).json()
    assert len(page["items"]) == 1


# Changing ------------------------------------------------------------------------------------------------------------


async def test_patch_changes_what_is_sent_and_null_clears(
    unconnected_api: Api, tenant: Tenant, admin_connection: asyncpg.Connection
) -> None:
    await unconnected_api.connect(
        avatar_id="a", voice_id="v", provider_config={"resolution": "720p", "fit": "cover"}
    )
    secret = await stored_secret(admin_connection, tenant)

    async def patch(**body: Any) -> dict[str, Any]:
        found: dict[str, Any] = (await unconnected_api.update(**body, expect=200)).json()
        return found

    unchanged = await patch()
    assert (unchanged["avatar_id"], unchanged["voice_id"]) == ("a", "v")
    assert (await patch(voice_id=None))["voice_id"] is None
    changed = await patch(avatar_id="b", provider_config={"caption": {"style": "default"}})
    assert (changed["avatar_id"], changed["provider_config"]) == (
        "b",
        {"caption": {"style": "default"}},
    ), "replaced whole"
    assert (await patch(provider_config=None))["provider_config"] == {}
    assert (await patch(avatar_id=None))["avatar_id"] is None
    assert await stored_secret(admin_connection, tenant) == secret, "the key is unchanged"


async def test_patch_of_what_is_not_there_is_404_and_the_provider_is_not_asked(unconnected_api: Api) -> None:
    for body in ({}, {"voice_id": "v"}, {"status": "active"}, {"status": "inactive"}, {"api_key": "wrong"}):
        response = await unconnected_api.update(**body)
        assert_problem(response, 404, "integration_not_found")


async def test_new_key_by_patch_is_checked_stored_and_dated(
    api: Api, connected: Tenant, admin_connection: asyncpg.Connection
) -> None:
    before = (await api.get_integration()).json()
    secret = await stored_secret(admin_connection, connected)
    response = await api.update(api_key="sandbox-new")
    assert response.json()["validated_at"] > before["validated_at"]
    assert await stored_secret(admin_connection, connected) != secret


async def test_switching_on_checks_the_stored_key(
    unconnected_api: Api, tenant: Tenant, admin_connection: asyncpg.Connection
) -> None:
    await unconnected_api.connect()
    await unconnected_api.update(status="inactive")
    on = await unconnected_api.update(status="active")
    assert (on.status_code, on.json()["status"]) == (200, "active")
    [read] = await list_secret_reads(admin_connection, tenant.business_id)
    assert (read["purpose"], read["caller"]) == ("activate", f"user:{tenant.user_id}")


# Removing ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("query", [{}, {"provider": "heygen"}], ids=str)
async def test_delete_removes_row_and_secret(
    api: Api, admin_connection: asyncpg.Connection, query: dict[str, str]
) -> None:
    response = await api.delete(**query)
    assert (response.status_code, response.content) == (204, b"")
    assert not await admin_connection.fetchval(
        "select count(*) from vault.secrets where name like '%' || $1", str(api.tenant.business_id)
    )
    for again in (await api.delete(**query), await api.as_service().get_integration()):
        assert_problem(again, 404, "integration_not_found")
    await api.connect(expect=201)


# The same acts over HTTP and by RPC ----------------------------------------------------------------------------------


async def rows_of(admin_connection: asyncpg.Connection, tenant: Tenant) -> list[Any]:
    """What is stored for a business, without what differs between any two."""
    rows = await admin_connection.fetch(
        "select to_jsonb(ai) - '{id, business_id, secret_id, created_at, updated_at, validated_at}'::text[] as row, "
        "ai.validated_at is not null, replace(s.name, ai.business_id::text, ''), s.description, "
        "left(s.decrypted_secret, 10) "
        "from public.ai_avatar_integrations as ai left join vault.decrypted_secrets as s on s.id = ai.secret_id "
        "where ai.business_id = $1 order by ai.provider",
        tenant.business_id,
    )
    orphans = await admin_connection.fetchval(
        "select count(*) from vault.secrets as s where s.name like '%' || $1 and not exists ("
        "select from public.ai_avatar_integrations as ai where ai.secret_id = s.id)",
        str(tenant.business_id),
    )
    return [*map(tuple, rows), orphans]


async def test_post_and_delete_leave_the_same_rows_as_the_rpc(
    unconnected_api: Api, admin_connection: asyncpg.Connection, other_tenant: Tenant
) -> None:
    async def assert_same() -> None:
        over_http = await rows_of(admin_connection, unconnected_api.tenant)
        assert over_http == await rows_of(admin_connection, other_tenant)

    async def rpc(arguments: str) -> None:
        await admin_connection.execute(
            f"select public.set_ai_avatar_integration($1, 'heygen', 'sealed:v1:test:key', {arguments})",
            other_tenant.business_id,
        )

    await unconnected_api.connect(
        "sandbox-first", avatar_id="a", provider_config={"fit": "cover"}, expect=201
    )
    await rpc("""'a', p_config => '{"fit": "cover"}'""")
    await assert_same()
    await unconnected_api.connect("sandbox-second", voice_id="v", expect=200)
    await rpc("p_voice_id => 'v'")
    await assert_same()
    assert (await unconnected_api.delete()).status_code == 204
    await admin_connection.execute("select public.delete_ai_avatar_integration($1)", other_tenant.business_id)
    await assert_same()
    assert await rows_of(admin_connection, other_tenant) == [0]


# Checking ------------------------------------------------------------------------------------------------------------


async def test_validate_moves_between_active_and_error(
    controlled_api: Api, heygen: ControlledHeyGen, api_key: str
) -> None:
    api = controlled_api
    first = (await api.get_integration()).json()

    heygen.revoked.add(api_key)
    rejected = await api.validate()
    assert (rejected.status_code, rejected.json()["status"]) == (200, "error")
    assert rejected.json()["validated_at"] == first["validated_at"], "when the key was last accepted"

    assert_problem(await api.update(status="active"), 422, "api_key_rejected")

    heygen.revoked.remove(api_key)
    good = await api.validate()
    assert (good.status_code, good.json()["status"]) == (200, "active")
    assert good.json()["validated_at"] > first["validated_at"]


@pytest.mark.parametrize("good", [True, False])
async def test_validate_leaves_inactive_as_it_is(
    controlled_api: Api, heygen: ControlledHeyGen, api_key: str, good: bool
) -> None:
    await controlled_api.update(status="inactive")
    if not good:
        heygen.revoked.add(api_key)
    response = await controlled_api.validate()
    assert (response.status_code, response.json()["status"]) == (200, "inactive")


async def test_401_at_any_later_moment_sets_error_and_a_new_key_repairs_it(
    controlled_api: Api, heygen: ControlledHeyGen, api_key: str
) -> None:
    api = controlled_api
    heygen.revoked.add(api_key)
    assert_problem(await api.list_avatars(), 422, "api_key_rejected")
    assert (await api.get_integration()).json()["status"] == "error"
    repaired = await api.update(api_key=api_key + "-new")
    assert repaired.json()["status"] == "active"


async def test_verdict_on_an_older_key_does_not_touch_the_new_one(
    api: Api, service: tuple[FastAPI, httpx.AsyncClient]
) -> None:
    """The provider rejects the old key while the new one is being saved."""
    app, _ = service
    repository = services_of(app)[IntegrationRepository]
    old = StoredKey(api.tenant.business_id, "heygen", "sealed:v1:newest:old")
    after = await repository.record_key_check(old, accepted=False)
    assert after.status == "active"


async def test_verdict_waits_for_a_save_that_is_being_committed(
    api: Api,
    admin_connection: asyncpg.Connection,
    service: tuple[FastAPI, httpx.AsyncClient],
) -> None:
    app, _ = service
    repository = services_of(app)[IntegrationRepository]
    old = StoredKey(api.tenant.business_id, "heygen", await stored_secret(admin_connection, api.tenant))
    async with admin_connection.transaction():
        await admin_connection.execute(
            "select public.set_ai_avatar_integration($1, 'heygen', 'sealed:v1:newest:new')",
            api.tenant.business_id,
        )
        verdict = asyncio.create_task(repository.record_key_check(old, accepted=False))
        await asyncio.sleep(0.2)
        assert not verdict.done()
    assert (await verdict).status == "active"


async def test_key_checks_are_limited_for_each_business(api: Api, other_tenant: Tenant) -> None:
    for _ in range(260):  # twice the limit: the test may begin at the end of a minute
        response = await api.validate()
        if response.status_code != 200:
            break
    assert_problem(response, 429, "rate_limited")
    assert 1 <= int(response.headers["retry-after"]) <= 60
    await api.of(other_tenant).connect(expect=201)


# Options -------------------------------------------------------------------------------------------------------------


async def test_misspelt_option_is_422_in_a_save_and_in_a_change_and_changes_nothing(
    unconnected_api: Api,
) -> None:
    config = {"resolution": "720p"}
    typo = {"voice_settings": {"sped": 1.1}}
    refused = [await unconnected_api.connect(provider_config=typo)]
    assert_problem(await unconnected_api.get_integration(), 404, "integration_not_found")
    await unconnected_api.connect(provider_config=config, expect=201)
    refused += [
        await unconnected_api.connect(provider_config=typo),
        await unconnected_api.update(provider_config=typo),
    ]
    for response in refused:
        problem = assert_problem(response, 422, "invalid_request")
        [error] = problem["errors"]
        assert error["field"] == "body.provider_config.voice_settings.sped"
        assert error["message"].endswith("is not an option. Did you mean `speed`?")
    assert (await unconnected_api.get_integration()).json()["provider_config"] == config


async def test_options_are_stored_as_they_were_sent(unconnected_api: Api) -> None:
    config = {"voice_settings": {"speed": 1}, "caption": None, "unchecked": {"brand_new": [1.5]}}
    await unconnected_api.connect(provider_config=config, expect=201)
    assert (await unconnected_api.get_integration()).json()["provider_config"] == config


async def test_unknown_options_that_were_stored_before_do_not_hinder_other_changes(
    api: Api, admin_connection: asyncpg.Connection
) -> None:
    await admin_connection.execute(
        "update public.ai_avatar_integrations set provider_config = '{\"older\": 1}' where business_id = $1",
        api.tenant.business_id,
    )
    changed = await api.update(voice_id="v", expect=200)
    assert changed.json()["provider_config"] == {"older": 1}


# The audit log -------------------------------------------------------------------------------------------------------


async def test_every_read_of_a_key_records_caller_purpose_and_address(
    api: Api, admin_connection: asyncpg.Connection
) -> None:
    await api.validate(headers={"X-Request-ID": "r-1"})
    await api.as_service().list_voices(headers={"X-Request-ID": "r-2"})
    rows = await list_secret_reads(admin_connection, api.tenant.business_id)
    assert [(row["caller"], row["purpose"], row["request_id"], row["address"]) for row in rows] == [
        (f"user:{api.tenant.user_id}", "validate", "r-1", "127.0.0.1"),
        ("service", "voices", "r-2", "127.0.0.1"),
    ]


async def test_integration_without_a_key_is_422_until_it_has_one(
    api: Api, admin_connection: asyncpg.Connection
) -> None:
    await admin_connection.execute(
        "update public.ai_avatar_integrations set secret_id = null where business_id = $1",
        api.tenant.business_id,
    )
    assert (await api.get_integration()).json()["has_api_key"] is False
    assert_problem(await api.validate(), 422, "invalid_request")
    repaired = await api.update(api_key="sandbox-x")
    assert repaired.json()["has_api_key"] is True


# Expiring URLs -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("days", "asked"), [(5, False), (7, True)])
async def test_video_url_older_than_6_days_is_refreshed(
    database_url: str, admin_connection: asyncpg.Connection, days: int, asked: bool
) -> None:
    questions: list[str] = []

    async def answer(request: Request) -> Response:
        if request.url.path.endswith("/users/me"):
            return JSONResponse({"data": {"username": "u"}})
        questions.append(request.url.path)
        fresh = {"id": "v1", "status": "completed", "video_url": "https://example.com/fresh.mp4"}
        return JSONResponse({"data": fresh})

    # Other tests have stored keys that no service can start with.
    await admin_connection.execute("delete from public.ai_avatar_integrations")
    tenant = await make_tenant(admin_connection)
    content_id = await make_content(admin_connection, tenant.business_id, uuid4())
    with serve_app(Starlette(routes=[Route("/v3/{rest:path}", answer)])) as url:
        async with running(settings(database_url, providers={"heygen": {"api_url": url}})) as (_, client):
            api = Api(client, tenant)
            await api.connect("k")
            await admin_connection.execute(
                "insert into ai_avatar.generations (id, business_id, content_id, provider, script, status, ended_by, "
                "video_id, video_url, video_url_at, deadline, completed_at) values (gen_random_uuid(), $1, $2, "
                "'heygen', 's', 'completed', 'report', 'v1', 'https://example.com/old.mp4', "
                "now() - make_interval(days => $3), now(), now())",
                tenant.business_id,
                content_id,
                days,
            )
            await admin_connection.execute(
                "update public.content set heygen_status = 'completed', heygen_video_id = 'v1', "
                "heygen_url = 'https://example.com/old.mp4' where id = $1",
                content_id,
            )
            response = await api.get_generation(content_id)
            name = "fresh" if asked else "old"
            assert response.json()["video_url"] == f"https://example.com/{name}.mp4"
            assert questions == (["/v3/videos/v1"] if asked else [])
            shown = await ContentRow(admin_connection, content_id).read()
            assert shown[2] == f"https://example.com/{name}.mp4"
            await api.get_generation(content_id)
            assert len(questions) == int(asked), "a fresh URL is not refreshed"


async def test_json_of_the_database_is_what_the_response_model_would_write(
    api: Api, admin_connection: asyncpg.Connection
) -> None:
    """Times with microseconds and without, texts with quotes, numbers of any size, and values that are not known."""
    config = {"resolution": "1080p", "nested": {"a": [1, 2.5, None, '"\\ü😀']}}
    await api.update(voice_id='a "voice"', expect=200)
    for written in ("now()", "'2026-01-02 03:04:05+10'", "'2026-01-02 03:04:05.120'", "'0800-01-01'", "null"):
        await admin_connection.execute(
            f"update public.ai_avatar_integrations set validated_at = {written}, "
            f"created_at = coalesce({written}, now()), provider_config = $2::text::jsonb where business_id = $1",
            api.tenant.business_id,
            json.dumps(config),
        )
        found = await api.get_integration(expect=200)
        listed = await api.list_integrations(expect=200)
        expected = json.loads(Integration.model_validate_json(found.content).model_dump_json())
        assert found.json() == expected
        assert listed.json() == {"items": [expected], "next_cursor": None}
        assert found.headers["content-type"] == "application/json"
    assert expected["provider_config"] == config
