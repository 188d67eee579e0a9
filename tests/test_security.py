"""Who may call what: every row of the contract's table of callers, and every way to pretend."""

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from structlog.testing import capture_logs
from support.api import ROOT
from support.problems import assert_problem
from support.servers import free_port, serve_app
from support.service import running, settings
from support.tenants import (
    JWT_SECRET,
    N8N_API_KEY,
    N8N_HEADERS,
    SERVICE_API_KEY,
    SERVICE_HEADERS,
    Tenant,
    make_tenant,
)

from app.dependencies import services_of
from app.errors import NotReady
from app.jwks import JwksKeys
from app.memberships import Memberships

pytestmark = pytest.mark.anyio


def claims(user_id: UUID | str | None = None, **changes: Any) -> dict[str, Any]:
    """An access token's, as Supabase writes them; None leaves a claim out."""
    found = {
        "iss": "https://project.supabase.co/auth/v1",
        "aud": "authenticated",
        "exp": int(time.time()) + 600,
        "iat": int(time.time()),
        "sub": str(user_id),
        "role": "authenticated",
        "aal": "aal1",
        "is_anonymous": False,
        **changes,
    }
    return {name: value for name, value in found.items() if value is not None}


def hs256(payload: dict[str, Any], secret: str = JWT_SECRET, **header: Any) -> str:
    return jwt.encode(payload, secret, algorithm="HS256", headers=header or None)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def ask(client: httpx.AsyncClient, headers: dict[str, str]) -> httpx.Response:
    """Something that every caller but n8n may have."""
    return await client.get(ROOT, headers=headers)


# A shared secret -----------------------------------------------------------------------------------------------------


async def test_access_token_gives_access_to_the_user_s_business(
    client: httpx.AsyncClient, connected: Tenant
) -> None:
    response = await ask(client, bearer(hs256(claims(connected.user_id))))
    assert response.status_code == 200
    assert [item["business_id"] for item in response.json()["items"]] == [str(connected.business_id)]


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_scheme_is_written_in_any_case(client: httpx.AsyncClient, tenant: Tenant, scheme: str) -> None:
    response = await ask(client, {"Authorization": f"{scheme} {hs256(claims(tenant.user_id))}"})
    assert response.status_code == 200


async def test_audience_may_be_a_list(client: httpx.AsyncClient, tenant: Tenant) -> None:
    token = hs256(claims(tenant.user_id, aud=["other", "authenticated"]))
    assert (await ask(client, bearer(token))).status_code == 200


@pytest.mark.parametrize("seconds", [5, -20])
async def test_clocks_may_differ_by_30_seconds(
    client: httpx.AsyncClient, tenant: Tenant, seconds: int
) -> None:
    token = hs256(claims(tenant.user_id, exp=int(time.time()) + seconds))
    assert (await ask(client, bearer(token))).status_code == 200


async def test_service_role_needs_neither_subject_nor_audience(
    client: httpx.AsyncClient, tenant: Tenant
) -> None:
    token = hs256(claims(role="service_role", sub=None, aud=None, iss="supabase"))
    response = await client.get(f"{ROOT}/videos?business_id={tenant.business_id}", headers=bearer(token))
    assert response.status_code == 200
    assert len(response.json()["items"]) == 1


FORGED: dict[str, Callable[[UUID], str]] = {
    "another secret": lambda user: hs256(claims(user), "another-secret-that-is-long-enough-too"),
    "no expiry": lambda user: hs256(claims(user, exp=None)),
    "expired": lambda user: hs256(claims(user, exp=int(time.time()) - 35)),
    "expiry that is no number": lambda user: hs256(claims(user, exp="soon")),
    "expiry beyond all numbers": lambda user: hs256(claims(user, exp=float("inf"))),
    "expiry that is not a number": lambda user: hs256(claims(user, exp=float("nan"))),
    "not yet": lambda user: hs256(claims(user, nbf=int(time.time()) + 60)),
    "issued tomorrow": lambda user: hs256(claims(user, iat=int(time.time()) + 86_400)),
    "anon": lambda user: hs256(claims(role="anon", sub=None, aud=None, iss="supabase")),
    "anon with a subject": lambda user: hs256(claims(user, role="anon")),
    "another role": lambda user: hs256(claims(user, role="postgres")),
    "no role": lambda user: hs256(claims(user, role=None)),
    "role in a list": lambda user: hs256(claims(user, role=["authenticated"])),
    "supabase_admin": lambda user: hs256(claims(user, role="supabase_admin")),
    "no audience": lambda user: hs256(claims(user, aud=None)),
    "another audience": lambda user: hs256(claims(user, aud="other")),
    "audiences without ours": lambda user: hs256(claims(user, aud=["a", "b"])),
    "audience in an object": lambda user: hs256(claims(user, aud={"authenticated": 1})),
    "no subject": lambda user: hs256(claims(user, sub=None)),
    "a subject that is no UUID": lambda user: hs256(claims("admin")),
    "a subject that is a number": lambda user: hs256(claims(user, sub=7)),
    "a subject that is a list": lambda user: hs256(claims(user, sub=[str(user)])),
    "service_role without expiry": lambda user: hs256(claims(role="service_role", exp=None)),
    "service_role expired": lambda user: hs256(claims(role="service_role", exp=int(time.time()) - 60)),
    "alg none": lambda user: jwt.encode(claims(user), "", algorithm="none"),
    "alg None with a signature": lambda user: swap_header(hs256(claims(user)), alg="None"),
    "alg HS512": lambda user: jwt.encode(claims(user), JWT_SECRET + "x" * 32, algorithm="HS512"),
    "alg ES256, signed with the secret": lambda user: swap_header(hs256(claims(user)), alg="ES256", kid="x"),
    "alg in a list": lambda user: swap_header(hs256(claims(user)), alg=["HS256"]),
    "no alg": lambda user: swap_header(hs256(claims(user)), alg=None),
    "a claim changed": lambda user: swap_payload(hs256(claims(uuid4())), claims(user)),
    "cut": lambda user: hs256(claims(user))[:-2],
    "no signature": lambda user: hs256(claims(user)).rpartition(".")[0] + ".",
    "two parts": lambda user: "a.b",
    "words": lambda user: "let me in",
    "a payload that is a list": lambda user: signed(b"[]"),
    "a payload that is no JSON": lambda user: signed(b"\xff\xfe"),
    "a header 30,000 deep": lambda user: f"{encoded(b'[' * 30_000)}.e30.x",
    "the secret itself": lambda user: JWT_SECRET,
    "the back end's key": lambda user: SERVICE_API_KEY,
    "an expiry of 400 digits": lambda user: hs256(claims(user, exp=10**400)),
}


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def signed(payload: bytes, key: bytes = JWT_SECRET.encode(), header: bytes = b'{"alg":"HS256"}') -> str:
    """What no library would sign."""
    text = f"{encoded(header)}.{encoded(payload)}"
    return f"{text}.{encoded(hmac.digest(key, text.encode(), hashlib.sha256))}"


def swap_header(token: str, **header: Any) -> str:
    _, payload, signature = token.split(".")
    return f"{encoded(json.dumps(header).encode())}.{payload}.{signature}"


def swap_payload(token: str, payload: dict[str, Any]) -> str:
    header, _, signature = token.split(".")
    return f"{header}.{encoded(json.dumps(payload).encode())}.{signature}"


@pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED)
async def test_invalid_token_is_401(
    client: httpx.AsyncClient, tenant: Tenant, forge: Callable[[UUID], str]
) -> None:
    problem = assert_problem(await ask(client, bearer(forge(tenant.user_id))), 401, "unauthenticated")
    assert JWT_SECRET not in problem["detail"]


async def test_cached_token_still_expires_on_time(client: httpx.AsyncClient, tenant: Tenant) -> None:
    """Verified tokens are remembered, and not longer than they live."""
    headers = bearer(hs256(claims(tenant.user_id, exp=int(time.time()) - 28)))
    assert (await ask(client, headers)).status_code == 200
    async with asyncio.timeout(10):
        while (await ask(client, headers)).status_code == 200:
            await asyncio.sleep(0.2)
    assert_problem(await ask(client, headers), 401, "unauthenticated")


# Keys ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-API-Key": ""},
        {"X-API-Key": "wrong"},
        {"X-API-Key": SERVICE_API_KEY[:-1]},
        {"X-API-Key": SERVICE_API_KEY + "x"},
        {"X-API-Key": SERVICE_API_KEY.upper()},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer "},
        {"Authorization": f"Basic {base64.b64encode(b'user:password').decode()}"},
        {"Authorization": SERVICE_API_KEY},
        {"apikey": ""},
        {"apikey": SERVICE_API_KEY + "x"},
        {"apikey": N8N_API_KEY},
        {"apikey": SERVICE_API_KEY, "X-API-Key": "wrong"},
        {"apikey": SERVICE_API_KEY, "Authorization": "Bearer x.y.z"},
        {"Authorization": f"Bearer {N8N_API_KEY}x"},
        {"Cookie": f"X-API-Key={SERVICE_API_KEY}"},
        {"Authorization": "Bearer x.y.z", "X-API-Key": SERVICE_API_KEY},
    ],
    ids=str,
)
async def test_no_proof_or_a_wrong_one_is_401(client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    for path in (ROOT, f"/api{ROOT}"):
        assert_problem(await client.get(path, headers=headers), 401, "unauthenticated")
    response = await client.post(
        "/n8n/heygen-credentials", json={"business_id": str(uuid4())}, headers=headers
    )
    assert_problem(response, 401, "unauthenticated")


async def test_key_with_bytes_that_are_no_text_is_401(client: httpx.AsyncClient) -> None:
    response = await client.get(ROOT, headers={b"x-api-key": b"\xff\xfe", b"authorization": b"B\xe9arer x"})
    assert_problem(response, 401, "unauthenticated")


async def test_token_in_the_address_is_refused(client: httpx.AsyncClient, tenant: Tenant) -> None:
    token = hs256(claims(tenant.user_id))
    for name in ("token", "access_token", "apikey", "Authorization"):
        assert_problem(await client.get(ROOT, params={name: token}), 401, "unauthenticated")


async def test_back_end_s_key_opens_every_business(
    client: httpx.AsyncClient, connected: Tenant, other_tenant: Tenant
) -> None:
    for tenant in (connected, other_tenant):
        response = await client.get(f"{ROOT}?business_id={tenant.business_id}", headers=SERVICE_HEADERS)
        assert response.status_code == 200
    assert (await client.get(f"{ROOT}/{connected.business_id}", headers=SERVICE_HEADERS)).status_code == 200


async def test_without_service_api_key_no_key_is_accepted(database_url: str) -> None:
    async with running(settings(database_url, service_api_key=None)) as (_, client):
        assert_problem(await ask(client, SERVICE_HEADERS), 401, "unauthenticated")
        assert_problem(await ask(client, {"X-API-Key": "None"}), 401, "unauthenticated")


@pytest.mark.parametrize("headers", [N8N_HEADERS, bearer(N8N_API_KEY)], ids=["X-API-Key", "bearer"])
async def test_n8n_s_key_gives_access_to_n8n_s_operations_only(
    client: httpx.AsyncClient, connected: Tenant, headers: dict[str, str]
) -> None:
    for path in (ROOT, f"{ROOT}/{connected.business_id}", f"{ROOT}/videos"):
        assert_problem(await client.get(path, headers=headers), 403, "forbidden")
    body = {"business_id": str(connected.business_id)}
    response = await client.post("/n8n/heygen-credentials", json=body, headers=headers)
    assert response.json()["api_key"] == f"sandbox-{connected.business_id}"


async def test_every_key_of_a_variable_is_accepted_while_one_is_rotated(database_url: str) -> None:
    new, old = "new-key-of-the-tests", "old-key-of-the-tests"
    keys = {"service_api_key": f"{new}-service, {old}-service", "n8n_api_key": f"{new}-n8n,{old}-n8n"}
    async with running(settings(database_url, **keys)) as (_, client):
        for key in (new, old):
            assert (await ask(client, {"X-API-Key": f"{key}-service"})).status_code == 200
            assert_problem(await ask(client, {"X-API-Key": f"{key}-n8n"}), 403, "forbidden")
        for wrong in (keys["service_api_key"], new, SERVICE_API_KEY):
            assert_problem(await ask(client, {"X-API-Key": wrong}), 401, "unauthenticated")


# Supabase's keys (https://supabase.com/docs/guides/api/api-keys) ------------------------------------------------------

PUBLISHABLE_KEY = "sb_publishable_ACJWlzQHlZjBrEguHvfOxg_3BJgxAaH"


async def test_back_end_s_key_is_accepted_in_the_header_of_supabase_s_clients(
    client: httpx.AsyncClient, connected: Tenant
) -> None:
    headers = {"apikey": SERVICE_API_KEY}
    assert (await client.get(f"{ROOT}/{connected.business_id}", headers=headers)).status_code == 200


@pytest.mark.parametrize("apikey", [PUBLISHABLE_KEY, SERVICE_API_KEY, N8N_API_KEY, "x"])
async def test_apikey_beside_a_valid_token_is_ignored(
    client: httpx.AsyncClient, connected: Tenant, other_tenant: Tenant, apikey: str
) -> None:
    headers = connected.headers | {"apikey": apikey}
    assert (await client.get(f"{ROOT}/{connected.business_id}", headers=headers)).status_code == 200
    response = await client.get(f"{ROOT}/{other_tenant.business_id}", headers=headers)
    assert_problem(response, 404, "integration_not_found")


@pytest.mark.parametrize(
    "headers",
    [
        {"apikey": PUBLISHABLE_KEY},
        {"X-API-Key": PUBLISHABLE_KEY},
        {"apikey": PUBLISHABLE_KEY, **bearer(PUBLISHABLE_KEY)},  # supabase-js without a session
        {"apikey": SERVICE_API_KEY, **bearer(PUBLISHABLE_KEY)},
    ],
    ids=["apikey", "X-API-Key", "both headers", "beside a good key"],
)
async def test_publishable_key_identifies_no_caller(
    client: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    with capture_logs() as logs:
        problem = assert_problem(await ask(client, headers), 401, "unauthenticated")
    assert "publishable key" in problem["detail"]
    assert "publishable_key" in [line.get("reason") for line in logs]


# Why ------------------------------------------------------------------------------------------------------------------

REASONS: dict[str, tuple[Callable[[UUID], dict[str, str]], str]] = {
    "no_credentials": (lambda user: {}, "needs a valid access token"),
    "not_a_token": (lambda user: bearer("let me in"), "carries no access token"),
    "algorithm_not_accepted": (
        lambda user: bearer(jwt.encode(claims(user), "", algorithm="none")),
        "The access token is not valid.",
    ),
    "public_keys_not_configured": (
        lambda user: bearer(jwt.encode(claims(user), new_ec(), "ES256", {"kid": "one"})),
        "The access token is not valid.",
    ),
    "bad_signature": (
        lambda user: bearer(hs256(claims(user), "another-secret-that-is-long-enough-too")),
        "The access token is not valid.",
    ),
    "expired": (lambda user: bearer(hs256(claims(user, exp=int(time.time()) - 60))), "has expired"),
    "not_yet_valid": (
        lambda user: bearer(hs256(claims(user, nbf=int(time.time()) + 60))),
        "The access token is not valid.",
    ),
    "missing_claim": (lambda user: bearer(hs256(claims(user, exp=None))), "The access token is not valid."),
    "wrong_role": (lambda user: bearer(hs256(claims(user, role="anon"))), "role"),
    "wrong_audience": (lambda user: bearer(hs256(claims(user, aud="other"))), "audience"),
    "unknown_api_key": (lambda user: {"X-API-Key": "wrong"}, "The API key is not known."),
}


@pytest.mark.parametrize("reason", REASONS)
async def test_401_is_logged_with_its_reason_and_tells_the_caller_what_is_safe_to_tell(
    client: httpx.AsyncClient, tenant: Tenant, reason: str
) -> None:
    headers, detail = REASONS[reason][0](tenant.user_id), REASONS[reason][1]
    with capture_logs() as logs:
        problem = assert_problem(await ask(client, headers), 401, "unauthenticated")
    assert [line["reason"] for line in logs if line["event"] == "not_authenticated"] == [reason]
    assert detail in problem["detail"]
    for value in headers.values():
        assert value.removeprefix("Bearer ") not in str(logs)


async def test_user_at_n8n_s_operations_is_403(client: httpx.AsyncClient, connected: Tenant) -> None:
    body = {"business_id": str(connected.business_id)}
    response = await client.post("/n8n/heygen-credentials", json=body, headers=connected.headers)
    assert_problem(response, 403, "forbidden")
    assert "api_key" not in response.text


async def test_user_without_a_business_is_403(
    client: httpx.AsyncClient, admin_connection: asyncpg.Connection
) -> None:
    assert_problem(await ask(client, bearer(hs256(claims(uuid4())))), 403, "no_business")
    user = uuid4()
    await admin_connection.execute("insert into public.profiles (id, business_id) values ($1, null)", user)
    assert_problem(await ask(client, bearer(hs256(claims(user)))), 403, "no_business")


async def test_keys_are_compared_in_constant_time(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All keys, whichever fits: neither how much of a key is right nor which key it is can be timed."""
    compared: list[bytes] = []
    original = hmac.compare_digest

    def compare(known: bytes, given: bytes) -> bool:
        compared.append(known)
        return original(known, given)

    monkeypatch.setattr("app.security.hmac.compare_digest", compare)
    for headers in (SERVICE_HEADERS, N8N_HEADERS, {"X-API-Key": "wrong"}):
        compared.clear()
        await ask(client, headers)
        assert sorted(compared) == sorted([N8N_API_KEY.encode(), SERVICE_API_KEY.encode()])


# Membership ----------------------------------------------------------------------------------------------------------


async def move(admin_connection: asyncpg.Connection, tenant: Tenant, business_id: UUID | None) -> None:
    await admin_connection.execute(
        "update public.profiles set business_id = $2 where id = $1", tenant.user_id, business_id
    )


async def test_uncached_membership_is_asked_for_each_time(
    client: httpx.AsyncClient, connected: Tenant, admin_connection: asyncpg.Connection
) -> None:
    path = f"{ROOT}/{connected.business_id}"
    assert (await client.get(path, headers=connected.headers)).status_code == 200
    await move(admin_connection, connected, None)
    assert_problem(await client.get(path, headers=connected.headers), 403, "no_business")


async def test_cached_membership_is_asked_for_again_after_its_time(
    database_url: str, admin_connection: asyncpg.Connection, other_tenant: Tenant
) -> None:
    tenant = await make_tenant(admin_connection)
    async with running(settings(database_url, membership_cache_seconds=30)) as (app, client):
        now = [0.0]
        memberships = services_of(app)[Memberships]
        cache = memberships._cache
        assert cache is not None
        memberships._cache = type(cache)(10, cache.ttl, timer=lambda: now[0])
        mine, theirs = (
            f"{ROOT}/videos/{content}" for content in (tenant.content_id, other_tenant.content_id)
        )
        path = f"{ROOT}?business_id={tenant.business_id}"
        assert (await client.get(path, headers=tenant.headers)).status_code == 200
        await move(admin_connection, tenant, other_tenant.business_id)
        now[0] = 29.0
        assert (await client.get(path, headers=tenant.headers)).status_code == 200
        now[0] = 30.0
        assert_problem(await client.get(path, headers=tenant.headers), 404, "integration_not_found")
        for address in (mine, theirs):
            assert_problem(await client.get(address, headers=tenant.headers), 404, "generation_not_found")


async def test_no_business_is_not_remembered(database_url: str, admin_connection: asyncpg.Connection) -> None:
    """A user who has just joined a business has access at once."""
    tenant = await make_tenant(admin_connection)
    await move(admin_connection, tenant, None)
    async with running(settings(database_url, membership_cache_seconds=30)) as (_, client):
        assert_problem(await ask(client, tenant.headers), 403, "no_business")
        await move(admin_connection, tenant, tenant.business_id)
        assert (await ask(client, tenant.headers)).status_code == 200


# Public keys ---------------------------------------------------------------------------------------------------------


@dataclass
class Project:
    """A project's JWKS, on loopback. `answer`: its response instead of the keys."""

    keys: dict[str, Any] = field(default_factory=dict)
    extra: list[Any] = field(default_factory=list)
    answer: Response | None = None
    fetches: int = 0
    url: str = ""

    async def handle(self, request: Request) -> Response:
        self.fetches += 1
        return self.answer or Response(json.dumps({"keys": [*self.extra, *self.jwks()]}))

    def jwks(self) -> Iterator[dict[str, Any]]:
        for kid, key in self.keys.items():
            kind: Any = jwt.algorithms.ECAlgorithm if is_ec(key) else jwt.algorithms.RSAAlgorithm
            yield json.loads(kind.to_jwk(key.public_key())) | {"kid": kid, "use": "sig"}

    def token(self, kid: str, payload: dict[str, Any]) -> str:
        key = self.keys[kid]
        return jwt.encode(payload, key, algorithm="ES256" if is_ec(key) else "RS256", headers={"kid": kid})


def is_ec(key: Any) -> bool:
    return isinstance(key, ec.EllipticCurvePrivateKey)


def new_ec() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@contextmanager
def serve_project(**keys: Any) -> Iterator[Project]:
    project = Project(keys)
    app = Starlette(routes=[Route("/auth/v1/.well-known/jwks.json", project.handle)])
    with serve_app(app) as url:
        project.url = url
        yield project


@pytest.fixture(scope="module")
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture(scope="module")
def project(rsa_key: rsa.RSAPrivateKey) -> Iterator[Project]:
    with serve_project(one=new_ec(), two=rsa_key) as project:
        project.extra = [
            {"kty": "OKP", "crv": "Ed25519", "kid": "ed", "x": "AAAA"},
            {"kty": "EC", "crv": "P-256", "kid": "broken", "x": "!", "y": "!"},
            {"kty": "oct", "kid": "secret", "k": "AAAA"},
            "not even an object",
        ]
        yield project


@pytest.fixture(scope="module")
async def jwks_client(
    database_url: str, project: Project, anyio_backend: str
) -> AsyncIterator[httpx.AsyncClient]:
    """A service of a project that signs with its own keys; SUPABASE_URL is all that it knows."""
    async with running(settings(database_url, supabase_jwt_secret=None, supabase_url=project.url)) as (
        _,
        client,
    ):
        yield client


@pytest.mark.parametrize("kid", ["one", "two"])
async def test_es256_and_rs256_are_checked_with_the_project_s_keys(
    jwks_client: httpx.AsyncClient, project: Project, tenant: Tenant, kid: str
) -> None:
    assert (await ask(jwks_client, bearer(project.token(kid, claims(tenant.user_id))))).status_code == 200


def public_pem(key: Any) -> bytes:
    pem: bytes = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return pem


JWKS_FORGED: dict[str, Callable[[Project, dict[str, Any]], str]] = {
    "another's key under a known kid": lambda p, c: jwt.encode(c, new_ec(), "ES256", {"kid": "one"}),
    "ES256 with the RSA key's kid": lambda p, c: jwt.encode(c, new_ec(), "ES256", {"kid": "two"}),
    "no kid": lambda p, c: jwt.encode(c, p.keys["one"], "ES256"),
    "an unknown kid": lambda p, c: jwt.encode(c, p.keys["one"], "ES256", {"kid": "three"}),
    "the symmetric key that the list should not have": lambda p, c: jwt.encode(
        c, b"\0\0\0" + b"x" * 32, "HS256", {"kid": "secret"}
    ),
    "a public key as an HMAC secret": lambda p, c: signed(
        json.dumps(c).encode(), public_pem(p.keys["one"]), b'{"alg":"HS256","kid":"one"}'
    ),
    "an RSA public key as an HMAC secret": lambda p, c: signed(
        json.dumps(c).encode(), public_pem(p.keys["two"]), b'{"alg":"HS256","kid":"two"}'
    ),
    "the public key as an HMAC secret under its own alg": lambda p, c: signed(
        json.dumps(c).encode(), public_pem(p.keys["one"]), b'{"alg":"ES256","kid":"one"}'
    ),
    "RS512": lambda p, c: jwt.encode(c, p.keys["two"], "RS512", {"kid": "two"}),
    "PS256": lambda p, c: jwt.encode(c, p.keys["two"], "PS256", {"kid": "two"}),
    "the tests' shared secret": lambda p, c: hs256(c),
    "an empty secret": lambda p, c: signed(json.dumps(c).encode(), b""),
    "its own key in the header": lambda p, c: jwt.encode(
        c,
        (mine := new_ec()),
        "ES256",
        {"kid": "mine", "jwk": json.loads(jwt.algorithms.ECAlgorithm.to_jwk(mine.public_key()))},
    ),
    "expired": lambda p, c: p.token("one", c | {"exp": int(time.time()) - 60}),
    "service_role, but not ours": lambda p, c: jwt.encode(
        c | {"role": "service_role"}, new_ec(), "ES256", {"kid": "one"}
    ),
}


@pytest.mark.parametrize("forge", JWKS_FORGED.values(), ids=JWKS_FORGED)
async def test_token_that_no_key_of_the_project_signed_is_401(
    jwks_client: httpx.AsyncClient,
    project: Project,
    tenant: Tenant,
    forge: Callable[[Project, dict[str, Any]], str],
) -> None:
    token = forge(project, claims(tenant.user_id))
    assert_problem(await ask(jwks_client, bearer(token)), 401, "unauthenticated")


async def test_public_keys_that_were_never_had_are_503_and_not_401(database_url: str, tenant: Tenant) -> None:
    with serve_project(one=new_ec()) as project:
        token = project.token("one", claims(tenant.user_id))
        url = f"http://127.0.0.1:{free_port()}/jwks.json"
        async with running(settings(database_url, supabase_jwt_secret=None, supabase_jwks_url=url)) as (
            _,
            client,
        ):
            assert_problem(await ask(client, bearer(token)), 503, "not_ready")
            assert (await ask(client, SERVICE_HEADERS)).status_code == 200


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient() as client:
        yield client


@pytest.fixture
def rotating() -> Iterator[Project]:
    with serve_project(old=new_ec()) as project:
        yield project


@pytest.fixture
def keys(rotating: Project, http: httpx.AsyncClient, clock: Clock) -> JwksKeys:
    return JwksKeys(http, f"{rotating.url}/auth/v1/.well-known/jwks.json", clock)


async def test_rotated_key_is_fetched_when_its_kid_is_first_seen(
    keys: JwksKeys, rotating: Project, clock: Clock
) -> None:
    assert await keys.get("old")
    rotating.keys["new"] = new_ec()
    clock.now += 31
    assert await keys.get("new")
    assert rotating.fetches == 2


async def test_unknown_kids_cost_one_fetch_in_30_seconds(
    keys: JwksKeys, rotating: Project, clock: Clock
) -> None:
    for second in range(62):
        assert await keys.get(f"made-up-{second}") is None
        clock.now += 1
    assert rotating.fetches == 2
    assert await keys.get("old")


async def test_keys_are_fetched_again_after_10_minutes(
    keys: JwksKeys, rotating: Project, clock: Clock
) -> None:
    await keys.get("old")
    clock.now += 599
    await keys.get("old")
    assert rotating.fetches == 1
    del rotating.keys["old"]
    rotating.keys["new"] = new_ec()
    clock.now += 1
    assert await keys.get("old") is None, "a key that was withdrawn works for 10 minutes at most"
    assert rotating.fetches == 2


async def test_project_that_signs_with_its_secret_alone_has_no_key_for_a_forger(
    keys: JwksKeys, rotating: Project
) -> None:
    rotating.answer = Response('{"keys": []}')
    assert await keys.get("forged") is None


@pytest.mark.parametrize(
    "answer",
    [
        Response("{}", 500),
        Response("<html>"),
        Response("[]"),
        Response('{"keys": 7}'),
        Response("[" * 100_000),
    ],
    ids=["500", "HTML", "a list", "a number", "brackets"],
)
async def test_old_keys_are_used_while_the_list_cannot_be_had(
    keys: JwksKeys, rotating: Project, clock: Clock, answer: Response
) -> None:
    await keys.get("old")
    rotating.answer = answer
    clock.now += 3_600
    assert await keys.get("old")
    assert await keys.get("old")
    assert rotating.fetches == 2, "and it is asked for no more than every 30 s"
    rotating.answer = None
    rotating.keys["new"] = new_ec()
    clock.now += 31
    assert await keys.get("new")


async def test_list_that_comes_back_is_used_30_seconds_later(
    keys: JwksKeys, rotating: Project, clock: Clock
) -> None:
    rotating.answer = Response("later", 503)
    with pytest.raises(NotReady):
        await keys.get("old")
    rotating.answer = None
    with pytest.raises(NotReady):
        await keys.get("old")
    clock.now += 31
    assert await keys.get("old")


async def test_many_at_once_fetch_the_keys_once(keys: JwksKeys, rotating: Project) -> None:
    found = await asyncio.gather(*(keys.get("old") for _ in range(50)))
    assert all(found)
    assert rotating.fetches == 1
