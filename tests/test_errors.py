"""Bad input and every error's shape: over real HTTP where the server has a say in it, else over ASGI."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import asyncpg
import httpx
import pytest
from fastapi import FastAPI
from support.api import ROOT
from support.problems import assert_problem, snapshot
from support.servers import serve_app
from support.service import settings
from support.tenants import N8N_HEADERS, SERVICE_HEADERS, Tenant

from app.main import create_app

pytestmark = pytest.mark.anyio

GENERATE = f"{ROOT}/generate-video"
CREDENTIALS = "/n8n/heygen-credentials"
STATUS = "/n8n/heygen-status"
BROKER = "/n8n/heygen/videos"
ORIGIN = "https://app.example.com"
JSON = {"Content-Type": "application/json"}
ID = "d0000000-0000-4000-8000-00000000000d"


@pytest.fixture(scope="module")
def http_url(database_url: str, heygen_url: str) -> Iterator[str]:
    """The service behind a real HTTP server, with CORS."""
    providers = {"heygen": {"api_url": heygen_url}}
    with serve_app(create_app(settings(database_url, providers=providers, cors_origins=[ORIGIN]))) as url:
        yield url


@pytest.fixture
async def http(http_url: str) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=http_url) as client:
        yield client


def user_body(**fields: Any) -> bytes:
    return json.dumps({"api_key": "sandbox-x", **fields}).encode()


def n8n_status(**fields: Any) -> bytes:
    return json.dumps({"generation_id": ID, "status": "failed", **fields}).encode()


MALFORMED = {
    "nothing but a brace": b"{",
    "words": b"hello",
    "a trailing comma": b'{"api_key": "x",}',
    "invalid UTF-8": b'{"api_key": "\xff"}',
    "a number with 5,000 digits": b'{"api_key": ' + b"9" * 5000 + b"}",
    "a mebibyte of brackets": b"[" * (1024 * 1024),
    "objects, 100,000 deep": b'{"a":' * 100_000,
}


@pytest.mark.parametrize("path", [ROOT, GENERATE, CREDENTIALS, STATUS, BROKER])
@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED)
async def test_malformed_json_is_400_and_changes_nothing(
    client: httpx.AsyncClient, admin_connection: asyncpg.Connection, tenant: Tenant, path: str, body: bytes
) -> None:
    before = await snapshot(admin_connection)
    headers = N8N_HEADERS if path.startswith("/n8n") else tenant.headers
    response = await client.post(path, content=body, headers=headers | JSON)
    assert_problem(response, 400, "malformed_json")
    assert await snapshot(admin_connection) == before


DEEP: Any = "leaf"
for _ in range(40):
    DEEP = {"a": DEEP}

INVALID = [
    # path, body, the field that is named
    (ROOT, b"[]", "body"),
    (ROOT, b"null", "body"),
    (ROOT, b'"text"', "body"),
    (ROOT, b"{}", "body.api_key"),
    (ROOT, b'{"api_key": null}', "body.api_key"),
    (ROOT, b'{"api_key": 7}', "body.api_key"),
    (ROOT, b'{"api_key": NaN}', "body.api_key"),
    (ROOT, b'{"api_key": ["sandbox-x"]}', "body.api_key"),
    (ROOT, user_body(api_key=""), "body.api_key"),
    (ROOT, user_body(api_key=" \n"), "body.api_key"),
    (ROOT, user_body(api_key="k" * 513), "body.api_key"),
    (ROOT, user_body(api_key="sandbox-\x00"), "body.api_key"),
    (ROOT, user_body(api_key="sandbox-é"), "body.api_key"),
    (ROOT, rb'{"api_key": "sandbox-\ud800"}', "body.api_key"),
    (ROOT, user_body(surprise=1), "body.surprise"),
    (ROOT, rb'{"api_key": "sandbox-x", "\ud800": 1}', "body"),
    (ROOT, user_body(business_id="1"), "body.business_id"),
    (ROOT, user_body(business_id=1), "body.business_id"),
    (ROOT, user_body(business_id=f"{ID}\x00"), "body.business_id"),
    (ROOT, rb'{"api_key": "sandbox-x", "business_id": "\udfff"}', "body.business_id"),
    (ROOT, user_body(provider="unknown"), "body.provider"),
    (ROOT, user_body(provider=None), "body.provider"),
    (ROOT, user_body(provider={"a": 1}), "body.provider"),
    (ROOT, rb'{"api_key": "sandbox-x", "provider": "\ud800"}', "body.provider"),
    (ROOT, user_body(avatar_id="a" * 256), "body.avatar_id"),
    (ROOT, user_body(avatar_id="a\x00"), "body.avatar_id"),
    (ROOT, user_body(avatar_id="a\x1b[31m"), "body.avatar_id"),
    (ROOT, user_body(avatar_id="a\n"), "body.avatar_id"),
    (ROOT, user_body(voice_id="\x7f"), "body.voice_id"),
    (ROOT, rb'{"api_key": "sandbox-x", "voice_id": "\udc00"}', "body.voice_id"),
    (ROOT, user_body(provider_config=[]), "body.provider_config"),
    (ROOT, user_body(provider_config="{}"), "body.provider_config"),
    (ROOT, user_body(provider_config={"a": "x" * 16_500}), "body.provider_config"),
    (ROOT, user_body(provider_config={"a": ["x"] * 9_000}), "body.provider_config"),
    (ROOT, user_body(provider_config=DEEP), "body.provider_config"),
    (ROOT, user_body(provider_config={"a": [{"b": "\x00"}]}), "body.provider_config"),
    (ROOT, user_body(provider_config={"a": [{"b\x00": 1}]}), "body.provider_config"),
    (ROOT, rb'{"api_key": "sandbox-x", "provider_config": {"a": [{"\ud800": 1}]}}', "body.provider_config"),
    (ROOT, rb'{"api_key": "sandbox-x", "provider_config": {"a": [["\udc00"]]}}', "body.provider_config"),
    (ROOT, b'{"api_key": "sandbox-x", "provider_config": {"a": NaN}}', "body.provider_config"),
    (ROOT, b'{"api_key": "sandbox-x", "provider_config": {"a": [-Infinity]}}', "body.provider_config"),
    (ROOT, b'{"api_key": "sandbox-x", "provider_config": {"a": 1e999}}', "body.provider_config"),
    (GENERATE, b"{}", "body.content_id"),
    (GENERATE, json.dumps({"content_id": "no uuid"}).encode(), "body.content_id"),
    (GENERATE, json.dumps({"content_id": ID, "script": ""}).encode(), "body.script"),
    (GENERATE, json.dumps({"content_id": ID, "script": "x" * 5001}).encode(), "body.script"),
    (GENERATE, json.dumps({"content_id": ID, "script": "x\x00"}).encode(), "body.script"),
    (GENERATE, f'{{"content_id": "{ID}", "script": "\\ud800"}}'.encode(), "body.script"),
    (GENERATE, json.dumps({"content_id": ID, "script": 7}).encode(), "body.script"),
    (GENERATE, json.dumps({"content_id": ID, "provider": "x"}).encode(), "body.provider"),
    (CREDENTIALS, b"{}", "body.business_id"),
    (CREDENTIALS, json.dumps({"business_id": ID, "execution_id": ""}).encode(), "body.execution_id"),
    (CREDENTIALS, json.dumps({"business_id": ID, "execution_id": True}).encode(), "body.execution_id"),
    (CREDENTIALS, json.dumps({"business_id": ID, "execution_id": "1\x00"}).encode(), "body.execution_id"),
    (CREDENTIALS, json.dumps({"business_id": ID, "execution_id": "1" * 256}).encode(), "body.execution_id"),
    (CREDENTIALS, f'{{"business_id": "{ID}", "execution_id": {"1" * 256}}}'.encode(), "body.execution_id"),
    (CREDENTIALS, f'{{"business_id": "{ID}", "execution_id": 1e999}}'.encode(), "body.execution_id"),
    (STATUS, n8n_status(status="done"), "body.status"),
    (STATUS, n8n_status(generation_id=None), "body"),
    (STATUS, n8n_status(status="completed"), "body"),
    (STATUS, n8n_status(status="completed", video_url="http://example.com/v.mp4"), "body.video_url"),
    (STATUS, n8n_status(status="completed", video_url="javascript:alert(1)"), "body.video_url"),
    (STATUS, n8n_status(status="completed", video_url="https://[x"), "body.video_url"),
    (STATUS, n8n_status(status="completed", video_url="https://x/\x00"), "body.video_url"),
    (STATUS, n8n_status(video_id="v\x00"), "body.video_id"),
    (STATUS, n8n_status(error=7), "body.error"),
    (BROKER, b"{}", "body.generation_id"),
    (BROKER, json.dumps({"generation_id": ID, "title": "\x00"}).encode(), "body.title"),
    (
        BROKER,
        f'{{"generation_id": "{ID}", "provider_options": {{"a": NaN}}}}'.encode(),
        "body.provider_options",
    ),
]


@pytest.mark.parametrize(
    ("path", "body", "field"),
    INVALID,
    ids=[f"{path} {field} {n}" for n, (path, _, field) in enumerate(INVALID)],
)
async def test_invalid_body_is_422_names_the_field_and_changes_nothing(
    client: httpx.AsyncClient,
    admin_connection: asyncpg.Connection,
    tenant: Tenant,
    path: str,
    body: bytes,
    field: str,
) -> None:
    before = await snapshot(admin_connection)
    headers = N8N_HEADERS if path.startswith("/n8n") else tenant.headers
    problem = assert_problem(
        await client.post(path, content=body, headers=headers | JSON), 422, "invalid_request"
    )
    assert field in [error["field"] for error in problem["errors"]]
    assert all(set(error) == {"field", "message", "type"} for error in problem["errors"])
    assert "sandbox-" not in json.dumps(problem)
    assert "dictionary" not in json.dumps(problem), "callers send JSON, which has objects"
    assert await snapshot(admin_connection) == before


@pytest.mark.parametrize(
    "body", [{"status": None}, {"api_key": None}, {"status": "error"}, {"provider": "heygen"}]
)
async def test_patch_refuses_what_only_the_service_may_say(
    client: httpx.AsyncClient, admin_connection: asyncpg.Connection, connected: Tenant, body: dict[str, Any]
) -> None:
    before = await snapshot(admin_connection)
    response = await client.patch(f"{ROOT}/{connected.business_id}", json=body, headers=connected.headers)
    assert_problem(response, 422, "invalid_request")
    assert await snapshot(admin_connection) == before


async def test_long_list_of_wrong_fields_is_cut(client: httpx.AsyncClient, tenant: Tenant) -> None:
    body: dict[str, Any] = {"api_key": "x"} | {f"{n}" * 200: 1 for n in range(1, 500)}
    problem = assert_problem(
        await client.post(ROOT, json=body, headers=tenant.headers), 422, "invalid_request"
    )
    assert len(problem["errors"]) == 50
    assert all(len(error["field"]) <= 110 for error in problem["errors"])


async def test_a_reason_that_no_database_can_hold_is_mended_and_not_lost(client: httpx.AsyncClient) -> None:
    for reason in (rb"\u0000", rb"\ud800", b"x" * 10_000):
        body = b'{"generation_id": "%s", "status": "failed", "error": "%s"}' % (ID.encode(), reason)
        response = await client.post(STATUS, content=body, headers=N8N_HEADERS | JSON)
        assert_problem(response, 404, "generation_not_found")


def cursor(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


BAD_CURSORS = [
    "x",
    "!!!!",
    "éé",
    "A" * 2049,
    cursor("{}"),
    cursor("null"),
    cursor("[" * 1500),
    cursor(json.dumps({"created_at": "2026-01-01T00:00:00", "id": ID})),
    cursor(json.dumps({"created_at": "0001-01-01T00:00:00+23:59", "id": ID})),
    cursor(json.dumps({"created_at": "9999-12-31T23:59:59-23:59", "id": ID})),
    cursor(json.dumps({"created_at": "infinity", "id": ID})),
    cursor(json.dumps({"created_at": 1e300, "id": ID})),
    cursor('{"created_at": "2026-01-01T00:00:00Z", "id": "1; drop table"}'),
    cursor('["voices", "after-1"]'),
    cursor('["avatars", 7]'),
    cursor('["avatars", "\\ud800"]'),
]


@pytest.mark.parametrize("path", ["", "/videos", "/{business_id}/avatars"])
@pytest.mark.parametrize("text", BAD_CURSORS)
async def test_tampered_cursor_is_422(
    client: httpx.AsyncClient, tenant: Tenant, path: str, text: str
) -> None:
    response = await client.get(
        ROOT + path.format(business_id=tenant.business_id), params={"cursor": text}, headers=tenant.headers
    )
    problem = assert_problem(response, 422, "invalid_request")
    assert problem["errors"][0]["field"] == "query.cursor"


@pytest.mark.parametrize("path", ["", "/videos", "/{business_id}/avatars", "/{business_id}/voices"])
@pytest.mark.parametrize("limit", ["0", "101", "-1", "1.5", "ten", "", "9" * 5000, "\x00"])
async def test_limit_outside_1_to_100_is_422(
    client: httpx.AsyncClient, tenant: Tenant, path: str, limit: str
) -> None:
    response = await client.get(
        ROOT + path.format(business_id=tenant.business_id), params={"limit": limit}, headers=tenant.headers
    )
    problem = assert_problem(response, 422, "invalid_request")
    assert problem["errors"][0]["field"] == "query.limit"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/no-uuid"),
        ("GET", "/%00"),
        ("GET", "/%FF"),
        ("PATCH", "/1"),
        ("DELETE", f"/{ID}x"),
        ("POST", "/no-uuid/validate"),
        ("GET", "/no-uuid/avatars"),
        ("GET", "/videos/no-uuid"),
        ("POST", "/videos/no-uuid/cancel"),
        ("GET", "/videos/no-uuid/events"),
        ("GET", "?business_id=no-uuid"),
        ("GET", "?provider=unknown"),
        ("GET", "?status=fine"),
        ("GET", "/videos?heygen_status=%00"),
        ("GET", "/{business_id}?provider=%00"),
    ],
)
async def test_path_or_query_that_cannot_be_is_422(
    client: httpx.AsyncClient, tenant: Tenant, method: str, path: str
) -> None:
    body: dict[str, str] | None = {} if method == "PATCH" else None
    url = ROOT + path.format(business_id=tenant.business_id)
    response = await client.request(method, url, headers=tenant.headers, json=body)
    assert_problem(response, 422, "invalid_request")


@pytest.mark.parametrize("key", [b"", b" ", b"k" * 256, b"\xe9", b"a\tb"])
async def test_idempotency_key_that_is_none_is_422(
    client: httpx.AsyncClient, connected: Tenant, key: bytes
) -> None:
    headers = {name.encode(): value.encode() for name, value in connected.headers.items()}
    response = await client.post(
        GENERATE, json={"content_id": str(connected.content_id)}, headers=headers | {b"idempotency-key": key}
    )
    assert_problem(response, 422, "invalid_request")


async def in_chunks(size: int) -> AsyncIterator[bytes]:
    for _ in range(size // 65536):
        yield b" " * 65536


@pytest.mark.parametrize("framing", ["content-length", "chunked"])
@pytest.mark.parametrize("path", [ROOT, GENERATE, CREDENTIALS, STATUS, BROKER])
async def test_2_mib_body_is_413_with_all_that_a_problem_has(
    http: httpx.AsyncClient, tenant: Tenant, admin_connection: asyncpg.Connection, path: str, framing: str
) -> None:
    before = await snapshot(admin_connection)
    headers = (N8N_HEADERS if path.startswith("/n8n") else tenant.headers) | JSON | {"Origin": ORIGIN}
    body: Any = b" " * 2**21 if framing == "content-length" else in_chunks(2**21)
    response = await http.post(path, content=body, headers=headers)
    assert_problem(response, 413, "body_too_large")
    assert response.headers["access-control-allow-origin"] == ORIGIN
    assert await snapshot(admin_connection) == before
    assert (await http.get("/health/live")).status_code == 200


async def test_body_of_exactly_1_mib_is_read(client: httpx.AsyncClient, tenant: Tenant) -> None:
    body = b'{"surprise": "'.ljust(2**20 - 2, b"x") + b'"}'
    assert len(body) == 2**20
    assert_problem(
        await client.post(ROOT, content=body, headers=tenant.headers | JSON), 422, "invalid_request"
    )


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/jsonp",
        "json",
        "///",
        "application/json, text/plain",
    ],
)
@pytest.mark.parametrize("path", [ROOT, GENERATE, CREDENTIALS, STATUS, BROKER])
async def test_other_media_types_are_415(
    client: httpx.AsyncClient, tenant: Tenant, path: str, content_type: str | None
) -> None:
    headers = dict(N8N_HEADERS if path.startswith("/n8n") else tenant.headers)
    if content_type is not None:
        headers["Content-Type"] = content_type
    response = await client.post(path, content=user_body(), headers=headers)
    assert_problem(response, 415, "unsupported_media_type")


@pytest.mark.parametrize(
    "content_type", ["application/json; charset=utf-8", "APPLICATION/JSON", "application/x+json"]
)
async def test_json_by_any_of_its_names_is_taken(
    client: httpx.AsyncClient, tenant: Tenant, content_type: str
) -> None:
    response = await client.post(
        ROOT, content=user_body(), headers=tenant.headers | {"Content-Type": content_type}
    )
    assert response.status_code == 201, response.text


async def test_post_without_a_body_is_never_415(client: httpx.AsyncClient, connected: Tenant) -> None:
    assert_problem(await client.post(GENERATE, headers=connected.headers), 422, "invalid_request")
    response = await client.post(f"{ROOT}/{connected.business_id}/validate", headers=connected.headers)
    assert response.status_code == 200, response.text
    cancel = await client.post(f"{ROOT}/videos/{connected.content_id}/cancel", headers=connected.headers)
    assert_problem(cancel, 404, "generation_not_found")


BODIES = [
    ("malformed", b"{", JSON),
    ("invalid", b"{}", JSON),
    ("too large", b" " * (2**20 + 1), JSON),
    ("other media type", b"{}", {"Content-Type": "text/plain"}),
    ("none", b"", {}),
]


@pytest.mark.parametrize(("body", "headers"), [b[1:] for b in BODIES], ids=[b[0] for b in BODIES])
@pytest.mark.parametrize("path", [ROOT, GENERATE, CREDENTIALS, STATUS, BROKER])
async def test_unauthenticated_caller_learns_nothing_but_401(
    client: httpx.AsyncClient, path: str, body: bytes, headers: dict[str, str]
) -> None:
    assert_problem(await client.post(path, content=body, headers=headers), 401, "unauthenticated")
    forged = headers | {"Authorization": "Bearer x.y.z"}
    assert_problem(await client.post(path, content=body, headers=forged), 401, "unauthenticated")


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("PUT", ROOT, "GET, HEAD, POST"),
        ("HEAD", CREDENTIALS, "POST"),
        ("OPTIONS", ROOT, "GET, HEAD, POST"),
        ("PUT", f"{ROOT}/{ID}", "GET, HEAD, PATCH, DELETE"),
        ("GET", f"{ROOT}/{ID}/validate", "POST"),
        ("GET", CREDENTIALS, "POST"),
        ("DELETE", f"/api{CREDENTIALS}", "POST"),
        ("TRACE", "/health/live", "GET, HEAD"),
        ("POST", "/settings/integrations", "GET, HEAD"),
    ],
)
async def test_other_methods_are_405_with_all_that_are_allowed(
    client: httpx.AsyncClient, method: str, path: str, allow: str
) -> None:
    response = await client.request(method, path)
    if method == "HEAD":
        assert (response.status_code, response.headers["allow"]) == (405, allow)
        return
    assert_problem(response, 405, "method_not_allowed")
    assert response.headers["allow"] == allow


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/api",
        "/integrations",
        f"{ROOT}/",
        "/n8n/",
        "/n8n/unknown-credentials/x",
        "/%00",
        "/nothing//",
    ],
)
async def test_unknown_paths_are_404(http: httpx.AsyncClient, path: str) -> None:
    assert_problem(await http.get(path), 404, "not_found")


@pytest.mark.parametrize("path", ["/n8n/unknown-credentials", "/n8n/unknown-status", "/n8n/unknown/videos"])
async def test_unknown_provider_in_a_path_is_404(client: httpx.AsyncClient, path: str) -> None:
    body = {"business_id": ID, "generation_id": ID, "status": "failed"}
    assert_problem(await client.post(path, json=body, headers=N8N_HEADERS), 404, "not_found")


@pytest.mark.parametrize("path", ["/nothing", ROOT, f"{ROOT}/no-uuid", CREDENTIALS])
async def test_errors_carry_cors_headers_so_that_a_browser_may_read_them(
    http: httpx.AsyncClient, path: str
) -> None:
    response = await http.get(path, headers={"Origin": ORIGIN})
    assert response.is_client_error
    assert response.headers["access-control-allow-origin"] == ORIGIN
    assert "access-control-allow-credentials" not in response.headers
    exposed = {name.strip() for name in response.headers["access-control-expose-headers"].split(",")}
    assert exposed == {"Location", "Retry-After", "X-Request-ID", "Idempotency-Replayed"}


async def test_other_origins_get_no_cors_headers(http: httpx.AsyncClient) -> None:
    response = await http.get(ROOT, headers={"Origin": "https://evil.example.com"})
    assert "access-control-allow-origin" not in response.headers


async def test_without_cors_origins_no_origin_is_allowed(client: httpx.AsyncClient) -> None:
    response = await client.get(ROOT, headers={"Origin": ORIGIN})
    assert not [name for name in response.headers if name.startswith("access-control")]


@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "DELETE"])
async def test_preflight_allows_what_the_frontend_sends(http: httpx.AsyncClient, method: str) -> None:
    response = await http.options(
        ROOT,
        headers={
            "Origin": ORIGIN,
            "Access-Control-Request-Method": method,
            "Access-Control-Request-Headers": "authorization, content-type, idempotency-key, apikey",
        },
    )
    assert response.status_code == 200
    assert response.headers["access-control-allow-origin"] == ORIGIN
    assert method in response.headers["access-control-allow-methods"]
    assert response.headers["x-request-id"]


async def test_preflight_of_another_origin_is_refused(http: httpx.AsyncClient) -> None:
    headers = {"Origin": "https://evil.example.com", "Access-Control-Request-Method": "POST"}
    response = await http.options(ROOT, headers=headers)
    assert response.status_code == 400
    assert "access-control-allow-origin" not in response.headers


@pytest.mark.parametrize("given", ["a", "x" * 128, "order-7/retry#2", "!~"])
async def test_request_id_is_echoed(client: httpx.AsyncClient, given: str) -> None:
    for path in ("/health/live", "/nothing"):
        response = await client.get(path, headers={"X-Request-ID": given})
        assert response.headers.get_list("x-request-id") == [given]


@pytest.mark.parametrize("given", [b"", b"x" * 129, b"a b", b"\xe9", b"a\tb", b'{"a":"\x7f"}'])
async def test_request_id_that_is_not_plain_is_replaced(client: httpx.AsyncClient, given: bytes) -> None:
    response = await client.get("/nothing", headers={b"x-request-id": given})
    [request_id] = response.headers.get_list("x-request-id")
    assert request_id.encode() != given
    assert len(request_id) == 32


@pytest.fixture
def broken(database_url: str) -> FastAPI:
    """The service with a route that raises an unexpected error."""
    app = create_app(settings(database_url, cors_origins=[ORIGIN]))

    @app.get("/broken")
    async def raise_something() -> None:
        raise RuntimeError("the canary sandbox-canary-500 is in here")

    return app


async def test_500_holds_the_request_id_and_nothing_of_the_cause(
    broken: FastAPI, caplog: pytest.LogCaptureFixture
) -> None:
    transport = httpx.ASGITransport(broken, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://service.test") as client:
        response = await client.get("/broken", headers={"Origin": ORIGIN, "X-Request-ID": "find-me"})
    problem = assert_problem(response, 500, "internal_error")
    assert "find-me" in problem["detail"]
    assert "canary" not in response.text
    assert "RuntimeError" not in response.text
    assert response.headers["access-control-allow-origin"] == ORIGIN


async def test_the_service_goes_on_after_all_of_that_at_once(http: httpx.AsyncClient, tenant: Tenant) -> None:
    """64 callers with bad bodies, and one with a good one."""
    bad = [http.post(ROOT, content=body, headers=tenant.headers | JSON) for body in [*MALFORMED.values()] * 9]
    *refused, good = await asyncio.gather(
        *bad, http.post(ROOT, json={"api_key": "sandbox-x"}, headers=tenant.headers)
    )
    assert {response.status_code for response in refused} == {400}
    assert good.status_code == 201


async def test_business_that_is_not_there_is_named_to_the_back_end(client: httpx.AsyncClient) -> None:
    response = await client.post(
        ROOT, json={"api_key": "sandbox-x", "business_id": ID}, headers=SERVICE_HEADERS
    )
    problem = assert_problem(response, 422, "invalid_request")
    assert problem["errors"][0]["field"] == "body.business_id"


@pytest.mark.parametrize(
    ("method", "path", "body", "field"),
    [
        ("POST", ROOT, {"api_key": "sandbox-x"}, "body.business_id"),
        ("POST", GENERATE, {"content_id": ID}, "body.business_id"),
        ("GET", f"{ROOT}/videos", None, "query.business_id"),
    ],
)
async def test_back_end_must_name_the_business(
    client: httpx.AsyncClient, method: str, path: str, body: Any, field: str
) -> None:
    problem = assert_problem(
        await client.request(method, path, json=body, headers=SERVICE_HEADERS), 422, "invalid_request"
    )
    assert problem["errors"][0]["field"] == field


@pytest.mark.parametrize(
    ("path", "headers"),
    [(ROOT, N8N_HEADERS), (STATUS, None), (CREDENTIALS, None)],
    ids=["n8n at a users' operation", "a user at the status report", "a user at the credentials"],
)
async def test_wrong_audience_is_403_before_the_body_is_validated(
    client: httpx.AsyncClient, tenant: Tenant, path: str, headers: dict[str, str] | None
) -> None:
    headers = (headers or tenant.headers) | {"Content-Type": "application/json"}
    assert_problem(await client.post(path, content=b"{", headers=headers), 403, "forbidden")


async def test_numbers_are_counted_as_the_database_writes_them(
    client: httpx.AsyncClient, connected: Tenant
) -> None:
    """1e300 is five characters here and 301 digits in jsonb."""
    unchecked: dict[str, Any] = {"a": [1e300] * 2000, "b": True}
    body = {"provider_config": {"unchecked": unchecked}}
    path = f"{ROOT}/{connected.business_id}"
    assert_problem(await client.patch(path, json=body, headers=connected.headers), 422, "invalid_request")
    unchecked["a"] = [1e300]
    assert (await client.patch(path, json=body, headers=connected.headers)).status_code == 200
