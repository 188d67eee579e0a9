"""Connecting a provider, reading, changing, checking and removing it, over HTTP."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
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
from support.problems import assert_problem, snapshot
from support.servers import free_port, serve_app
from support.service import running, settings
from support.tenants import N8N_HEADERS, SERVICE_HEADERS, Tenant, make_content, make_tenant

pytestmark = pytest.mark.anyio

ROOT = "/integrations/ai-avatar"
CANARY = "sandbox-canary-integrations"


async def connect(client: httpx.AsyncClient, tenant: Tenant, **body: Any) -> httpx.Response:
    return await client.post(ROOT, json={"api_key": "sandbox-key", **body}, headers=tenant.headers)


async def stored_secret(admin_connection: asyncpg.Connection, tenant: Tenant) -> str:
    secret: str = await admin_connection.fetchval(
        "select s.secret from public.ai_avatar_integrations as ai join vault.secrets as s on s.id = ai.secret_id "
        "where ai.business_id = $1",
        tenant.business_id,
    )
    return secret


@pytest.fixture
def own(connected: Tenant) -> str:
    """The path of the connected business's integration."""
    return f"{ROOT}/{connected.business_id}"


# Connecting ----------------------------------------------------------------------------------------------------------


async def test_first_save_is_201_with_location_and_without_the_key(
    client: httpx.AsyncClient, tenant: Tenant
) -> None:
    response = await connect(
        client, tenant, api_key=CANARY, avatar_id="a", voice_id="v", provider_config={"resolution": "720p"}
    )
    assert response.status_code == 201
    assert response.headers["location"] == f"{ROOT}/{tenant.business_id}?provider=heygen"
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
    }
    assert integration["status"] == "active"
    assert integration["has_api_key"] is True
    assert integration["validated_at"] is not None
    assert integration["last_synced_at"] is None
    assert integration["provider_config"] == {"resolution": "720p"}
    assert CANARY not in response.text
    followed = await client.get(response.headers["location"], headers=tenant.headers)
    assert followed.json() == integration


async def test_second_save_is_200_and_keeps_what_is_absent_or_null(
    client: httpx.AsyncClient, tenant: Tenant
) -> None:
    first = await connect(client, tenant, avatar_id="a", voice_id="v", provider_config={"resolution": "720p"})
    again = await connect(client, tenant, api_key="sandbox-other", avatar_id=None, voice_id="w")
    assert again.status_code == 200
    assert "location" not in again.headers
    assert again.json()["id"] == first.json()["id"]
    assert again.json()["avatar_id"] == "a"
    assert again.json()["voice_id"] == "w"
    assert again.json()["provider_config"] == {"resolution": "720p"}
    emptied = await connect(client, tenant, provider_config={})
    assert emptied.json()["provider_config"] == {}


async def test_back_end_connects_any_business_that_it_names(
    client: httpx.AsyncClient, tenant: Tenant
) -> None:
    body = {"api_key": "sandbox-key", "business_id": str(tenant.business_id)}
    response = await client.post(ROOT, json=body, headers=SERVICE_HEADERS)
    assert (response.status_code, response.json()["business_id"]) == (201, str(tenant.business_id))


async def test_pasted_key_may_end_with_a_newline(client: httpx.AsyncClient, tenant: Tenant) -> None:
    assert (await connect(client, tenant, api_key=" sandbox-key\n")).status_code == 201


async def test_key_that_the_provider_rejects_is_422_and_nothing_is_stored(
    client: httpx.AsyncClient,
    tenant: Tenant,
    connected: Tenant,
    admin_connection: asyncpg.Connection,
    own: str,
) -> None:
    before = await snapshot(admin_connection)
    assert_problem(await connect(client, tenant, api_key="wrong-canary"), 422, "api_key_rejected")
    refused = await connect(client, connected, api_key="wrong-canary", avatar_id="other")
    problem = assert_problem(refused, 422, "api_key_rejected")
    assert "canary" not in str(problem)
    patch = {"api_key": "wrong-canary", "avatar_id": "other"}
    assert_problem(await client.patch(own, json=patch, headers=connected.headers), 422, "api_key_rejected")
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
    database_url: str,
    admin_connection: asyncpg.Connection,
    connected: Tenant,
    own: str,
    endpoint: Any,
    status: int,
    code: str,
) -> None:
    with serve_app(Starlette(routes=[Route("/v3/{rest:path}", endpoint)] if endpoint else [])) as url:
        api_url = url if endpoint else f"http://127.0.0.1:{free_port()}"
        async with running(settings(database_url, providers={"heygen": {"api_url": api_url}})) as (_, client):
            before = await snapshot(admin_connection)
            assert_problem(await connect(client, connected), status, code)
            patch = await client.patch(own, json={"api_key": "sandbox-n"}, headers=connected.headers)
            assert_problem(patch, status, code)
            assert await snapshot(admin_connection) == before
            # A fault of the provider's says nothing of the key.
            validate = await client.post(f"{own}/validate", headers=connected.headers)
            assert_problem(validate, status, code)
            assert (await client.get(own, headers=connected.headers)).json()["status"] == "active"
            if status != 502:
                assert int(patch.headers["retry-after"]) >= 1


async def test_64_first_saves_at_once_make_one_row_and_one_secret(
    client: httpx.AsyncClient, tenant: Tenant, admin_connection: asyncpg.Connection
) -> None:
    responses = await asyncio.gather(
        *(connect(client, tenant, api_key=f"sandbox-key-{n}", avatar_id=f"a{n}") for n in range(64))
    )
    assert sorted(response.status_code for response in responses) == [200] * 63 + [201]
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
    # Whichever came last: its key and its avatar are of one save.
    credentials = await client.post(
        "/n8n/heygen-credentials", json={"business_id": str(tenant.business_id)}, headers=N8N_HEADERS
    )
    assert credentials.json()["api_key"].removeprefix("sandbox-key-") == credentials.json()["avatar_id"][1:]


async def test_key_is_sealed_wherever_it_is_stored(
    client: httpx.AsyncClient, tenant: Tenant, admin_connection: asyncpg.Connection
) -> None:
    await connect(client, tenant, api_key=CANARY)
    await connect(client, tenant, api_key=CANARY + "-2")
    await client.patch(
        f"{ROOT}/{tenant.business_id}", json={"api_key": CANARY + "-3"}, headers=tenant.headers
    )
    assert (await stored_secret(admin_connection, tenant)).startswith("sealed:v1:test:")
    tables = await admin_connection.fetch(
        "select format('%I.%I', schemaname, tablename) from pg_tables "
        "where schemaname in ('public', 'ai_avatar', 'vault', 'auth')"
    )
    for (table,) in tables:
        dump = await admin_connection.fetch(f"select t::text from {table} as t")
        assert not [row for row in dump if CANARY in row[0]], table


# Reading -------------------------------------------------------------------------------------------------------------


async def test_get_shows_an_integration_whatever_its_status(
    client: httpx.AsyncClient, connected: Tenant, own: str
) -> None:
    await client.patch(own, json={"status": "inactive"}, headers=connected.headers)
    response = await client.get(own, headers=connected.headers)
    assert (response.status_code, response.json()["status"]) == (200, "inactive")


async def test_list_pages_are_stable_while_others_connect(
    database_url: str, heygen_url: str, admin_connection: asyncpg.Connection, tenant: Tenant
) -> None:
    providers = {"heygen": {"api_url": heygen_url}}
    async with running(settings(database_url, providers=providers)) as (_, client):
        await admin_connection.execute("delete from public.ai_avatar_integrations")
        made = []
        for _ in range(7):
            made.append(await make_tenant(admin_connection))
            assert (await connect(client, made[-1])).status_code == 201
        # One moment for three of them: the id decides between equals.
        await admin_connection.execute(
            "update public.ai_avatar_integrations set created_at = '2026-01-01Z' where business_id = any($1)",
            [tenant.business_id for tenant in made[:3]],
        )
        seen: list[str] = []
        cursor = None
        for _ in range(10):
            page = (
                await client.get(
                    ROOT,
                    params={"limit": 2} | ({"cursor": cursor} if cursor else {}),
                    headers=SERVICE_HEADERS,
                )
            ).json()
            seen += [item["business_id"] for item in page["items"]]
            await connect(client, await make_tenant(admin_connection))  # newer than all: on no later page
            if (cursor := page["next_cursor"]) is None:
                break
        assert len(seen) == 7
        assert set(seen) == {str(tenant.business_id) for tenant in made}
        assert seen[:4] == [str(tenant.business_id) for tenant in reversed(made[3:])]


async def test_list_is_filtered_by_status_and_provider(
    client: httpx.AsyncClient, connected: Tenant, own: str
) -> None:
    for query, count in {"": 1, "?status=active": 1, "?status=error": 0, "?provider=heygen": 1}.items():
        page = (await client.get(ROOT + query, headers=connected.headers)).json()
        assert (len(page["items"]), page["next_cursor"]) == (count, None), query
    await client.patch(own, json={"status": "inactive"}, headers=connected.headers)
    page = (await client.get(f"{ROOT}?status=inactive", headers=connected.headers)).json()
    assert len(page["items"]) == 1


# Changing ------------------------------------------------------------------------------------------------------------


async def test_patch_changes_what_is_sent_and_null_clears(
    client: httpx.AsyncClient, tenant: Tenant, admin_connection: asyncpg.Connection
) -> None:
    await connect(client, tenant, avatar_id="a", voice_id="v", provider_config={"a": 1, "b": 2})
    path = f"{ROOT}/{tenant.business_id}"
    secret = await stored_secret(admin_connection, tenant)

    async def patch(**body: Any) -> dict[str, Any]:
        response = await client.patch(path, json=body, headers=tenant.headers)
        assert response.status_code == 200, response.text
        found: dict[str, Any] = response.json()
        return found

    unchanged = await patch()
    assert (unchanged["avatar_id"], unchanged["voice_id"]) == ("a", "v")
    assert (await patch(voice_id=None))["voice_id"] is None
    changed = await patch(avatar_id="b", provider_config={"c": 3})
    assert (changed["avatar_id"], changed["provider_config"]) == ("b", {"c": 3}), "replaced whole"
    assert (await patch(provider_config=None))["provider_config"] == {}
    assert (await patch(avatar_id=None))["avatar_id"] is None
    assert await stored_secret(admin_connection, tenant) == secret, "and the key is what it was"


async def test_patch_of_what_is_not_there_is_404_and_the_provider_is_not_asked(
    client: httpx.AsyncClient, tenant: Tenant
) -> None:
    for body in ({}, {"voice_id": "v"}, {"status": "active"}, {"status": "inactive"}, {"api_key": "wrong"}):
        response = await client.patch(f"{ROOT}/{tenant.business_id}", json=body, headers=tenant.headers)
        assert_problem(response, 404, "integration_not_found")


async def test_new_key_by_patch_is_checked_stored_and_dated(
    client: httpx.AsyncClient, connected: Tenant, own: str, admin_connection: asyncpg.Connection
) -> None:
    before = (await client.get(own, headers=connected.headers)).json()
    secret = await stored_secret(admin_connection, connected)
    response = await client.patch(own, json={"api_key": "sandbox-new"}, headers=connected.headers)
    assert response.json()["validated_at"] > before["validated_at"]
    assert await stored_secret(admin_connection, connected) != secret


async def test_switching_on_checks_the_stored_key(
    client: httpx.AsyncClient, tenant: Tenant, admin_connection: asyncpg.Connection
) -> None:
    await connect(client, tenant)
    path = f"{ROOT}/{tenant.business_id}"
    await client.patch(path, json={"status": "inactive"}, headers=tenant.headers)
    on = await client.patch(path, json={"status": "active"}, headers=tenant.headers)
    assert (on.status_code, on.json()["status"]) == (200, "active")
    [read] = await admin_connection.fetch(
        "select * from ai_avatar.secret_reads where business_id = $1 order by id", tenant.business_id
    )
    assert (read["purpose"], read["caller"]) == ("activate", f"user:{tenant.user_id}")


# Removing ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("query", ["", "?provider=heygen"])
async def test_delete_removes_row_and_secret(
    client: httpx.AsyncClient, connected: Tenant, admin_connection: asyncpg.Connection, own: str, query: str
) -> None:
    response = await client.delete(own + query, headers=connected.headers)
    assert (response.status_code, response.content) == (204, b"")
    assert not await admin_connection.fetchval(
        "select count(*) from vault.secrets where name like '%' || $1", str(connected.business_id)
    )
    for again in (
        await client.delete(own + query, headers=connected.headers),
        await client.get(own, headers=SERVICE_HEADERS),
    ):
        assert_problem(again, 404, "integration_not_found")
    assert (await connect(client, connected)).status_code == 201


# Checking ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def revocable() -> Iterator[tuple[str, set[str]]]:
    """A HeyGen whose keys are revoked by adding them to the set."""
    revoked: set[str] = set()

    async def answer(request: Request) -> Response:
        if request.headers["x-api-key"] in revoked:
            return JSONResponse({"error": {"code": "unauthorized", "message": "no"}}, 401)
        if request.path_params["rest"] == "users/me":
            return JSONResponse({"data": {"username": "u"}})
        return JSONResponse({"data": [], "has_more": False})

    with serve_app(Starlette(routes=[Route("/v3/{rest:path}", answer)])) as url:
        yield url, revoked


@pytest.fixture(scope="module")
async def revocable_client(
    database_url: str, revocable: tuple[str, set[str]], anyio_backend: str
) -> AsyncIterator[httpx.AsyncClient]:
    providers = {"heygen": {"api_url": revocable[0]}}
    async with running(settings(database_url, providers=providers)) as (_, client):
        yield client


async def test_validate_moves_between_active_and_error(
    revocable_client: httpx.AsyncClient, revocable: tuple[str, set[str]], tenant: Tenant
) -> None:
    client, key = revocable_client, f"key-{tenant.business_id}"
    first = (await connect(client, tenant, api_key=key)).json()
    path = f"{ROOT}/{tenant.business_id}/validate"

    revocable[1].add(key)
    rejected = await client.post(path, headers=tenant.headers)
    assert (rejected.status_code, rejected.json()["status"]) == (200, "error")
    assert rejected.json()["validated_at"] == first["validated_at"], "when the key was last found good"

    on = await client.patch(f"{ROOT}/{tenant.business_id}", json={"status": "active"}, headers=tenant.headers)
    assert_problem(on, 422, "api_key_rejected")

    revocable[1].remove(key)
    good = await client.post(path, headers=tenant.headers)
    assert (good.status_code, good.json()["status"]) == (200, "active")
    assert good.json()["validated_at"] > first["validated_at"]


@pytest.mark.parametrize("good", [True, False])
async def test_validate_leaves_inactive_as_it_is(
    revocable_client: httpx.AsyncClient, revocable: tuple[str, set[str]], tenant: Tenant, good: bool
) -> None:
    client, key = revocable_client, f"key-{tenant.business_id}"
    await connect(client, tenant, api_key=key)
    path = f"{ROOT}/{tenant.business_id}"
    await client.patch(path, json={"status": "inactive"}, headers=tenant.headers)
    if not good:
        revocable[1].add(key)
    response = await client.post(f"{path}/validate", headers=tenant.headers)
    assert (response.status_code, response.json()["status"]) == (200, "inactive")


async def test_401_at_any_later_moment_sets_error_and_a_new_key_mends_it(
    revocable_client: httpx.AsyncClient, revocable: tuple[str, set[str]], tenant: Tenant
) -> None:
    client, key = revocable_client, f"key-{tenant.business_id}"
    await connect(client, tenant, api_key=key)
    path = f"{ROOT}/{tenant.business_id}"
    revocable[1].add(key)
    assert_problem(await client.get(f"{path}/avatars", headers=tenant.headers), 422, "api_key_rejected")
    assert (await client.get(path, headers=tenant.headers)).json()["status"] == "error"
    mended = await client.patch(path, json={"api_key": key + "-new"}, headers=tenant.headers)
    assert mended.json()["status"] == "active"


async def test_verdict_on_an_older_key_does_not_touch_the_new_one(
    service: tuple[FastAPI, httpx.AsyncClient], connected: Tenant, own: str
) -> None:
    """The answer about the old key comes while the new one is being saved."""
    app, _ = service
    repository = app.state.integrations.repository
    old = datetime.now(UTC) - timedelta(days=1)
    after = await repository.record_key_check(connected.business_id, "heygen", old, accepted=False)
    assert after.status == "active"


async def test_key_checks_are_limited_for_each_business(
    service: tuple[FastAPI, httpx.AsyncClient], connected: Tenant, other_tenant: Tenant, own: str
) -> None:
    _, client = service
    for _ in range(260):  # twice the limit: the test may begin at the end of a minute
        response = await client.post(f"{own}/validate", headers=connected.headers)
        if response.status_code != 200:
            break
    assert_problem(response, 429, "rate_limited")
    assert 1 <= int(response.headers["retry-after"]) <= 60
    assert (await connect(client, other_tenant)).status_code == 201


# The catalogue -------------------------------------------------------------------------------------------------------


class Counting:
    """A HeyGen that counts what it is asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, str]] = []

    async def __call__(self, request: Request) -> Response:
        key, path = request.headers["x-api-key"], request.path_params["rest"]
        if path == "users/me":
            return JSONResponse({"data": {"username": "u"}})
        self.asked.append((key, path, request.query_params.get("token", "")))
        await asyncio.sleep(0.05)
        start = int(request.query_params.get("token", "0"))
        items = [
            {"id": f"{key}-{n}", "voice_id": f"{key}-{n}", "name": f"Number {n}"}
            for n in range(start, start + int(request.query_params["limit"]))
        ]
        more = start < 4
        return JSONResponse(
            {"data": items, "has_more": more, "next_token": str(start + len(items)) if more else None}
        )


@pytest.fixture
async def counting(database_url: str) -> AsyncIterator[tuple[Counting, httpx.AsyncClient]]:
    heygen = Counting()

    async def answer(request: Request) -> Response:
        return await heygen(request)

    with serve_app(Starlette(routes=[Route("/v3/{rest:path}", answer)])) as url:
        async with running(settings(database_url, providers={"heygen": {"api_url": url}})) as (_, client):
            yield heygen, client


@pytest.mark.parametrize(("kind", "path"), [("avatars", "avatars/looks"), ("voices", "voices")])
async def test_50_concurrent_reads_of_a_catalogue_ask_the_provider_once(
    counting: tuple[Counting, httpx.AsyncClient],
    tenant: Tenant,
    admin_connection: asyncpg.Connection,
    kind: str,
    path: str,
) -> None:
    heygen, client = counting
    await connect(client, tenant, api_key="k")
    own = f"{ROOT}/{tenant.business_id}"
    responses = await asyncio.gather(
        *(client.get(f"{own}/{kind}?limit=2", headers=tenant.headers) for _ in range(50))
    )
    assert {response.status_code for response in responses} == {200}
    assert heygen.asked == [("k", path, "")]
    page = responses[0].json()
    assert [item["id"] for item in page["items"]] == ["k-0", "k-1"]
    assert (await client.get(own, headers=tenant.headers)).json()["last_synced_at"] is not None
    reads = await admin_connection.fetch(
        "select purpose from ai_avatar.secret_reads where business_id = $1", tenant.business_id
    )
    assert [row["purpose"] for row in reads] == [kind], "one read of the key, recorded"

    second = await client.get(
        f"{own}/{kind}", params={"limit": 2, "cursor": page["next_cursor"]}, headers=tenant.headers
    )
    assert [item["id"] for item in second.json()["items"]] == ["k-2", "k-3"]
    assert len(heygen.asked) == 2
    again = await client.get(f"{own}/{kind}?limit=2", headers=tenant.headers)
    assert again.json() == page
    assert len(heygen.asked) == 2, "from the cache"


async def test_new_key_has_pages_of_its_own(
    counting: tuple[Counting, httpx.AsyncClient], tenant: Tenant
) -> None:
    _, client = counting
    await connect(client, tenant, api_key="k")
    path = f"{ROOT}/{tenant.business_id}/avatars?limit=1"
    assert (await client.get(path, headers=tenant.headers)).json()["items"][0]["id"] == "k-0"
    await connect(client, tenant, api_key="l")
    assert (await client.get(path, headers=tenant.headers)).json()["items"][0]["id"] == "l-0"


async def test_cached_catalogue_is_gone_with_the_integration(
    counting: tuple[Counting, httpx.AsyncClient], tenant: Tenant
) -> None:
    _, client = counting
    await connect(client, tenant, api_key="k")
    path = f"{ROOT}/{tenant.business_id}"
    assert (await client.get(f"{path}/voices", headers=tenant.headers)).status_code == 200
    await client.delete(path, headers=tenant.headers)
    assert_problem(await client.get(f"{path}/voices", headers=tenant.headers), 404, "integration_not_found")


async def test_caller_who_hangs_up_takes_the_answer_from_nobody(
    counting: tuple[Counting, httpx.AsyncClient], tenant: Tenant
) -> None:
    heygen, client = counting
    await connect(client, tenant, api_key="k")
    path = f"{ROOT}/{tenant.business_id}/avatars"
    first = asyncio.create_task(client.get(path, headers=tenant.headers))
    second = asyncio.create_task(client.get(path, headers=tenant.headers))
    await asyncio.sleep(0.02)
    first.cancel()
    assert (await second).status_code == 200
    assert len(heygen.asked) == 1


# The audit trail -----------------------------------------------------------------------------------------------------


async def test_every_read_of_a_key_says_who_why_and_from_where(
    client: httpx.AsyncClient, connected: Tenant, own: str, admin_connection: asyncpg.Connection
) -> None:
    await client.post(f"{own}/validate", headers=connected.headers | {"X-Request-ID": "r-1"})
    await client.get(f"{own}/voices", headers=SERVICE_HEADERS | {"X-Request-ID": "r-2"})
    rows = await admin_connection.fetch(
        "select * from ai_avatar.secret_reads where business_id = $1 order by id", connected.business_id
    )
    assert [(row["caller"], row["purpose"], row["request_id"], row["address"]) for row in rows] == [
        (f"user:{connected.user_id}", "validate", "r-1", "127.0.0.1"),
        ("service", "voices", "r-2", "127.0.0.1"),
    ]


async def test_integration_without_a_key_is_told_so(
    client: httpx.AsyncClient, connected: Tenant, own: str, admin_connection: asyncpg.Connection
) -> None:
    await admin_connection.execute(
        "update public.ai_avatar_integrations set secret_id = null where business_id = $1",
        connected.business_id,
    )
    assert (await client.get(own, headers=connected.headers)).json()["has_api_key"] is False
    assert_problem(await client.post(f"{own}/validate", headers=connected.headers), 422, "invalid_request")
    mended = await client.patch(own, json={"api_key": "sandbox-x"}, headers=connected.headers)
    assert mended.json()["has_api_key"] is True


# Links that die ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("days", "asked"), [(5, False), (7, True)])
async def test_video_url_older_than_6_days_is_asked_for_again(
    database_url: str, admin_connection: asyncpg.Connection, days: int, asked: bool
) -> None:
    questions: list[str] = []

    async def answer(request: Request) -> Response:
        if request.url.path.endswith("/users/me"):
            return JSONResponse({"data": {"username": "u"}})
        questions.append(request.url.path)
        fresh = {"id": "v1", "status": "completed", "video_url": "https://example.com/fresh.mp4"}
        return JSONResponse({"data": fresh})

    tenant = await make_tenant(admin_connection)
    content_id = await make_content(admin_connection, tenant.business_id, uuid4())
    with serve_app(Starlette(routes=[Route("/v3/{rest:path}", answer)])) as url:
        async with running(settings(database_url, providers={"heygen": {"api_url": url}})) as (_, client):
            await connect(client, tenant, api_key="k")
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
            response = await client.get(f"{ROOT}/videos/{content_id}", headers=tenant.headers)
            name = "fresh" if asked else "old"
            assert response.json()["video_url"] == f"https://example.com/{name}.mp4"
            assert questions == (["/v3/videos/v1"] if asked else [])
            assert (
                await admin_connection.fetchval(
                    "select heygen_url from public.content where id = $1", content_id
                )
                == f"https://example.com/{name}.mp4"
            )
            await client.get(f"{ROOT}/videos/{content_id}", headers=tenant.headers)
            assert len(questions) == int(asked), "a fresh one is not asked for again"
