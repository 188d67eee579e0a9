"""Every operation of the OpenAPI document, called by every kind of caller.

Add a new operation to OPERATIONS; until it is there, a test fails.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
from support.api import ROOT, Api
from support.openapi import operations
from support.problems import assert_problem, snapshot
from support.tenants import JWT_SECRET, N8N_HEADERS, SERVICE_HEADERS, Tenant

from app.tokens import mint_token

pytestmark = pytest.mark.anyio

Audience = Literal["open", "business", "n8n"]


@dataclass(frozen=True)
class Ids:
    """The data that a request asks for."""

    business_id: UUID
    content_id: UUID
    generation_id: UUID


@dataclass(frozen=True)
class Operation:
    """How to ask for a business's data. `success`: for callers with access; `not_found`: for those without."""

    audience: Audience
    path: Callable[[Ids], str]
    body: Callable[[Ids], dict[str, Any]] | None = None
    success: int = 200
    not_found: str = "integration_not_found"


def own(suffix: str = "") -> Callable[[Ids], str]:
    return lambda ids: f"{ROOT}/{ids.business_id}{suffix}"


def of_content(suffix: str = "") -> Callable[[Ids], str]:
    return lambda ids: f"{ROOT}/videos/{ids.content_id}{suffix}"


def claim(ids: Ids) -> dict[str, Any]:
    return {"generation_id": str(ids.generation_id), "execution_id": "1"}


OPERATIONS: dict[tuple[str, str], Operation] = {
    ("get", "/health/live"): Operation("open", lambda ids: "/health/live"),
    ("get", "/health/ready"): Operation("open", lambda ids: "/health/ready"),
    ("get", "/metrics"): Operation("open", lambda ids: "/metrics"),
    ("post", ROOT): Operation(
        "business",
        lambda ids: ROOT,
        lambda ids: {"business_id": str(ids.business_id), "api_key": "sandbox-audience"},
    ),
    ("get", ROOT): Operation("business", lambda ids: f"{ROOT}?business_id={ids.business_id}"),
    ("get", f"{ROOT}/{{business_id}}"): Operation("business", own()),
    ("patch", f"{ROOT}/{{business_id}}"): Operation("business", own(), lambda ids: {"voice_id": "v"}),
    ("delete", f"{ROOT}/{{business_id}}"): Operation("business", own(), success=204),
    ("post", f"{ROOT}/{{business_id}}/validate"): Operation("business", own("/validate")),
    ("get", f"{ROOT}/{{business_id}}/account"): Operation("business", own("/account")),
    ("get", f"{ROOT}/{{business_id}}/avatars"): Operation("business", own("/avatars")),
    ("get", f"{ROOT}/{{business_id}}/voices"): Operation("business", own("/voices")),
    ("post", f"{ROOT}/generate-video"): Operation(
        "business",
        lambda ids: f"{ROOT}/generate-video",
        lambda ids: {"business_id": str(ids.business_id), "content_id": str(ids.content_id)},
        success=409,  # one is live already: a caller who gets this far has access
        not_found="content_not_found",
    ),
    ("get", f"{ROOT}/videos"): Operation(
        "business", lambda ids: f"{ROOT}/videos?business_id={ids.business_id}", not_found="content_not_found"
    ),
    ("get", f"{ROOT}/videos/{{content_id}}"): Operation(
        "business", of_content(), not_found="generation_not_found"
    ),
    ("get", f"{ROOT}/videos/{{content_id}}/generations"): Operation(
        "business", of_content("/generations"), not_found="content_not_found"
    ),
    ("post", f"{ROOT}/videos/{{content_id}}/cancel"): Operation(
        "business", of_content("/cancel"), not_found="generation_not_found"
    ),
    ("post", f"{ROOT}/videos/{{content_id}}/reset"): Operation(
        "business",
        of_content("/reset"),
        success=409,  # one is live: a caller who gets this far has access
        not_found="content_not_found",
    ),
    ("get", f"{ROOT}/videos/{{content_id}}/events"): Operation(
        "business", of_content("/events"), not_found="generation_not_found"
    ),
    ("post", "/n8n/{provider}-credentials"): Operation(
        "n8n",
        lambda ids: "/n8n/heygen-credentials",
        lambda ids: claim(ids) | {"business_id": str(ids.business_id)},
        not_found="generation_not_found",
    ),
    ("post", "/n8n/{provider}-status"): Operation(
        "n8n",
        lambda ids: "/n8n/heygen-status",
        lambda ids: claim(ids) | {"status": "processing"},
        not_found="generation_not_found",
    ),
    ("post", "/n8n/{provider}/videos"): Operation(
        "n8n", lambda ids: "/n8n/heygen/videos", claim, not_found="generation_not_found"
    ),
    ("get", "/n8n/{provider}/videos/{generation_id}"): Operation(
        "n8n", lambda ids: f"/n8n/heygen/videos/{ids.generation_id}", not_found="generation_not_found"
    ),
}

CLOSED = {key: operation for key, operation in OPERATIONS.items() if operation.audience != "open"}


def bearer(user_id: UUID, secret: str = JWT_SECRET) -> dict[str, str]:
    return {"Authorization": f"Bearer {mint_token(secret, user_id=user_id, ttl=timedelta(hours=1))}"}


# What a caller gets, apart from success and the 404 of a user of another business.
REFUSED: dict[tuple[str, Audience], tuple[int, str]] = {
    ("anonymous", "business"): (401, "unauthenticated"),
    ("anonymous", "n8n"): (401, "unauthenticated"),
    ("forged", "business"): (401, "unauthenticated"),
    ("forged", "n8n"): (401, "unauthenticated"),
    ("user of none", "business"): (403, "no_business"),
    ("user of none", "n8n"): (403, "no_business"),
    ("user of this", "n8n"): (403, "forbidden"),
    ("user of another", "n8n"): (403, "forbidden"),
    ("n8n", "business"): (403, "forbidden"),
}
CALLERS = ["anonymous", "forged", "user of this", "user of another", "user of none", "n8n", "service"]


@pytest.fixture
async def victim(api: Api, request: pytest.FixtureRequest) -> Ids:
    """A business with an integration and a live generation."""
    generation_id = await api.start()
    if "events" in request.node.name:  # the stream of a live generation does not end by itself
        await api.report(generation_id, "failed", expect=200)
    return Ids(api.tenant.business_id, api.tenant.content_id, UUID(generation_id))


@pytest.fixture
async def callers(api: Api, other_tenant: Tenant) -> dict[str, dict[str, str]]:
    await api.of(other_tenant).connect("sandbox-another", avatar_id="sandbox-ada", expect=201)
    return {
        "anonymous": {},
        "forged": bearer(api.tenant.user_id, "a secret that the service does not know, and long enough"),
        "user of this": api.tenant.headers,
        "user of another": other_tenant.headers,
        "user of none": bearer(uuid4()),
        "n8n": N8N_HEADERS,
        "service": SERVICE_HEADERS,
    }


async def ask(
    client: httpx.AsyncClient,
    key: tuple[str, str],
    ids: Ids,
    headers: dict[str, str],
    *,
    prefix: str = "",
    query: dict[str, str] | None = None,
) -> httpx.Response:
    operation = OPERATIONS[key]
    body = operation.body(ids) if operation.body else None
    url = httpx.URL(prefix + operation.path(ids)).copy_merge_params(query or {})
    return await client.request(key[0], url, json=body, headers=headers)


def visible(response: httpx.Response, ids: Ids) -> tuple[int, dict[str, str], str]:
    """Everything by which a caller can tell responses apart, except what the request itself contained."""
    headers = {
        name: value for name, value in response.headers.items() if name not in ("x-request-id", "date")
    }
    text = response.text
    for name, value in (("B", ids.business_id), ("C", ids.content_id), ("G", ids.generation_id)):
        text = text.replace(str(value), name)
    headers.pop("content-length", None)
    return response.status_code, headers, text


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("key", CLOSED, ids=" ".join)
async def test_each_caller_at_each_operation(
    client: httpx.AsyncClient,
    admin_connection: asyncpg.Connection,
    victim: Ids,
    callers: dict[str, dict[str, str]],
    key: tuple[str, str],
    caller: str,
) -> None:
    operation, headers = CLOSED[key], callers[caller]
    expected = REFUSED.get((caller, operation.audience))
    if caller == "user of another" and operation.audience == "business":
        expected = (404, operation.not_found)
    if expected is None:
        response = await ask(client, key, victim, headers)
        assert response.status_code == operation.success, response.text
        return

    before = await snapshot(admin_connection)
    exists = await ask(client, key, victim, headers)
    nowhere = Ids(uuid4(), uuid4(), uuid4())
    does_not = await ask(client, key, nowhere, headers)
    assert (exists.status_code, exists.json()["code"]) == expected
    assert visible(exists, victim) == visible(does_not, nowhere)
    assert await snapshot(admin_connection) == before


@pytest.mark.parametrize(
    "key", [key for key in OPERATIONS if OPERATIONS[key].audience == "open"], ids=" ".join
)
async def test_open_operation(client: httpx.AsyncClient, victim: Ids, key: tuple[str, str]) -> None:
    response = await ask(client, key, victim, {})
    assert response.status_code == 200
    assert str(victim.business_id) not in response.text


@pytest.mark.parametrize("key", CLOSED, ids=" ".join)
async def test_alias_under_api_answers_the_same(
    client: httpx.AsyncClient, callers: dict[str, dict[str, str]], key: tuple[str, str]
) -> None:
    """Asks for what does not exist, so that neither call changes what the other sees."""
    ids = Ids(uuid4(), uuid4(), uuid4())
    for caller in CALLERS:
        root = await ask(client, key, ids, callers[caller])
        alias = await ask(client, key, ids, callers[caller], prefix="/api")
        assert alias.status_code == root.status_code
        if root.headers["content-type"] == "application/problem+json":
            assert alias.json()["code"] == root.json()["code"]
            assert alias.json()["instance"] == "/api" + root.json()["instance"]
        else:
            assert alias.json() == root.json()


@pytest.mark.parametrize("key", CLOSED, ids=" ".join)
async def test_unknown_query_parameter_is_refused_after_the_caller_and_changes_nothing(
    client: httpx.AsyncClient,
    admin_connection: asyncpg.Connection,
    victim: Ids,
    callers: dict[str, dict[str, str]],
    key: tuple[str, str],
) -> None:
    before = await snapshot(admin_connection)
    for caller in ("anonymous", "forged", "user of none", "user of this", "service"):
        refused = (422, "invalid_request")
        expected = REFUSED.get((caller, CLOSED[key].audience), refused)
        response = await ask(client, key, victim, callers[caller], query={"surprise": "1"})
        problem = assert_problem(response, *expected)
        if expected == refused:
            assert [error["field"] for error in problem["errors"]] == ["query.surprise"]
    assert await snapshot(admin_connection) == before


async def test_n8n_cannot_ask_for_one_business_s_generation_as_another_business(
    api: Api, victim: Ids, other_tenant: Tenant
) -> None:
    for generation_id in (victim.generation_id, uuid4()):
        response = await api.of(other_tenant).issue_credentials(generation_id=str(generation_id))
        assert_problem(response, 404, "generation_not_found")


ANOTHER_BUSINESS_FIRST: list[tuple[str, str, dict[str, Any]]] = [
    ("GET", f"{ROOT}/{{other}}?provider=none", {}),
    ("GET", f"{ROOT}?business_id={{other}}&limit=0", {}),
    ("GET", f"{ROOT}/{{other}}/avatars?limit=many", {}),
    ("DELETE", f"{ROOT}/{{other}}?provider=none", {}),
    ("PATCH", f"{ROOT}/{{other}}", {"json": {"surprise": 1}}),
    ("PATCH", f"{ROOT}/{{other}}", {"content": b"{", "headers": {"Content-Type": "application/json"}}),
    ("PATCH", f"{ROOT}/{{other}}", {"content": b"a=1", "headers": {"Content-Type": "text/plain"}}),
    ("GET", f"{ROOT}/videos?business_id={{other}}&limit=0", {}),
    ("POST", ROOT, {"json": {"business_id": "{other}", "surprise": 1}}),
    ("POST", f"{ROOT}/generate-video", {"json": {"business_id": "{other}"}}),
    ("GET", f"{ROOT}/{{other}}?surprise=1", {}),
    ("GET", f"{ROOT}?business_id={{other}}&surprise=1", {}),
    ("POST", f"{ROOT}/generate-video?surprise=1", {"json": {"business_id": "{other}"}}),
]


@pytest.mark.parametrize(("method", "path", "request_"), ANOTHER_BUSINESS_FIRST)
async def test_another_business_is_404_before_anything_else_is_validated(
    client: httpx.AsyncClient, tenant: Tenant, method: str, path: str, request_: dict[str, Any]
) -> None:
    other = str(uuid4())
    request_ = dict(request_)
    if "json" in request_:
        request_["json"] = json.loads(json.dumps(request_["json"]).replace("{other}", other))
    headers = request_.pop("headers", {}) | tenant.headers
    response = await client.request(method, path.format(other=other), headers=headers, **request_)
    assert response.status_code == 404, response.text


async def test_lists_hold_a_user_s_own_and_nothing_else(
    client: httpx.AsyncClient, victim: Ids, callers: dict[str, dict[str, str]]
) -> None:
    for path in (ROOT, f"{ROOT}/videos"):
        response = await client.get(path, headers=callers["user of another"])
        assert response.status_code == 200
        assert response.json()["items"]
        assert str(victim.business_id) not in response.text
        assert str(victim.content_id) not in response.text


def test_no_operation_is_forgotten() -> None:
    assert {(method, path) for method, path, _ in operations()} == set(OPERATIONS)


def test_operations_accept_the_credentials_of_their_callers() -> None:
    for method, path, operation in operations():
        audience = OPERATIONS[method, path].audience
        schemes = {name for requirement in operation["security"] for name in requirement}
        assert ("n8nKey" in schemes) is (audience == "n8n"), path
        assert ("accessToken" in schemes) is (audience == "business"), path
        assert ("serviceKey" in schemes) is (audience != "open"), path
