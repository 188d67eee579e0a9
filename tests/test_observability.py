"""What an operator sees: logs of a served process, metrics, health; and what must never be in them."""

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from pydantic import SecretStr
from support.api import ROOT
from support.postgres import Server
from support.problems import assert_problem
from support.roles import as_login
from support.servers import free_port
from support.service import running, settings
from support.tenants import (
    JWT_SECRET,
    N8N_API_KEY,
    N8N_HEADERS,
    SECRETS_KEYS,
    SERVICE_API_KEY,
    SERVICE_HEADERS,
    Tenant,
)

from app import migrations
from app.readiness import REQUIRED_REVISION

pytestmark = pytest.mark.anyio

CANARY = "sandbox-canary-observed"


@dataclass
class Served:
    """`ai-avatar serve` in a process of its own, at the most talkative level."""

    url: str
    log: Path

    def lines(self, request_id: str) -> list[dict[str, Any]]:
        """What was logged of a request, once its last line is there."""
        for _ in range(100):
            lines = [json.loads(line) for line in self.log.read_text().splitlines()]
            found = [line for line in lines if line.get("request_id") == request_id]
            if any(line["event"] == "request" for line in found):
                return found
            time.sleep(0.05)
        raise AssertionError(self.log.read_text())


@contextmanager
def serve(log: Path, **environment: str) -> Iterator[Served]:
    port = free_port()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(Path(sys.executable).parent / "ai-avatar"), "serve", "--port", str(port)],
            env={"PATH": os.environ["PATH"]} | environment,
            cwd=log.parent,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        url = f"http://127.0.0.1:{port}"
        for _ in range(300):
            assert process.poll() is None, log.read_text()
            try:
                httpx.get(f"{url}/health/live")
                break
            except httpx.TransportError:
                time.sleep(0.1)
        yield Served(url, log)
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture(scope="module")
def served(
    server: Server, heygen_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Served, Tenant]]:
    """On a database where listing integrations breaks, with a row's contents in the DETAIL."""
    tenant = Tenant(uuid4(), uuid4(), uuid4())
    with server.database(template=server.migrated_template()) as name:
        server.run(
            f"""
            insert into public.businesses (id, business_name) values ('{tenant.business_id}', 'b');
            insert into public.profiles (id, business_id) values ('{tenant.user_id}', '{tenant.business_id}');
            create or replace function ai_avatar.list_integrations(
                p_business_id uuid, p_provider text, p_status text,
                p_before_created_at timestamptz, p_before_id uuid, p_limit integer
            ) returns setof ai_avatar.integrations language plpgsql as $$
            begin
                raise exception 'something unheard of'
                using errcode = 'XX001', detail = 'Failing row contains ({CANARY}-detail)';
            end $$;
            """,
            name,
        )
        environment = {
            "DATABASE_URL": server.url(name),
            "SUPABASE_JWT_SECRET": JWT_SECRET,
            "N8N_API_KEY": N8N_API_KEY,
            "SERVICE_API_KEY": SERVICE_API_KEY,
            "SECRETS_KEYS": SECRETS_KEYS,
            "HEYGEN_API_URL": heygen_url,
            "LOG_LEVEL": "debug",
        }
        with serve(tmp_path_factory.mktemp("served") / "log", **environment) as found:
            yield found, tenant


def test_every_line_is_json_and_a_request_has_one_with_its_id(served: tuple[Served, Tenant]) -> None:
    found, tenant = served
    httpx.get(
        f"{found.url}{ROOT}/{tenant.business_id}?provider=heygen",
        headers=SERVICE_HEADERS | {"X-Request-ID": "r-1"},
    )
    [line] = [line for line in found.lines("r-1") if line["event"] == "request"]
    assert (line["method"], line["status"], line["level"]) == ("GET", 404, "info")
    assert line["path"] == f"{ROOT}/{tenant.business_id}", "without its query"
    assert line["ms"] >= 0
    assert line["timestamp"]


def test_refused_connection_has_one_line_that_is_no_warning(served: tuple[Served, Tenant]) -> None:
    """Anyone can send what is no HTTP, as often as they like; uvicorn warned of each besides."""
    found, _ = served
    before = len(found.log.read_text().splitlines())
    host, port = found.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), 20) as connection:
        connection.sendall(b"hello\r\n\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 400 ")
    assert httpx.get(f"{found.url}/health/live", headers={"X-Request-ID": "r-3"}).status_code == 200
    found.lines("r-3")
    new = [json.loads(line) for line in found.log.read_text().splitlines()[before:]]
    assert [(line["event"], line["level"]) for line in new if line.get("request_id") != "r-3"] == [
        ("connection_refused", "info")
    ]


def test_unexpected_error_is_logged_with_its_traceback_and_without_the_row(
    served: tuple[Served, Tenant],
) -> None:
    found, _ = served
    response = httpx.get(f"{found.url}{ROOT}", headers=SERVICE_HEADERS | {"X-Request-ID": "r-2"})
    assert_problem(response, 500, "internal_error")
    assert "unheard" not in response.text
    [line] = [line for line in found.lines("r-2") if line["event"] == "unexpected_error"]
    assert "Traceback" in line["exception"]
    assert "something unheard of" in line["exception"]
    assert CANARY not in line["exception"]


def test_no_secret_is_in_any_line_at_debug(served: tuple[Served, Tenant]) -> None:
    found, tenant = served
    user = tenant.headers
    own = f"{found.url}{ROOT}/{tenant.business_id}"
    body = {"api_key": CANARY, "avatar_id": "sandbox-ada"}
    assert httpx.post(f"{found.url}{ROOT}", json=body, headers=user).status_code == 201
    for wrong in ({"api_key": f"wrong-{CANARY}"}, {"api_key": CANARY, CANARY: 1}, {"api_key": [CANARY]}):
        assert httpx.post(f"{found.url}{ROOT}", json=wrong, headers=user).status_code == 422
    assert httpx.patch(own, json={"api_key": CANARY + "-2"}, headers=user).status_code == 200
    assert httpx.get(f"{own}/avatars", headers=user).status_code == 200
    handed = httpx.post(
        f"{found.url}/n8n/heygen-credentials",
        json={"business_id": str(tenant.business_id)},
        headers=N8N_HEADERS,
    )
    assert handed.json()["api_key"] == CANARY + "-2"
    httpx.get(f"{own}?token={CANARY}", headers={"Authorization": f"Bearer {CANARY}", "X-API-Key": CANARY})
    httpx.get(f"{found.url}{ROOT}", headers=user | {"X-Request-ID": "last"})
    found.lines("last")
    log = found.log.read_text()
    token = user["Authorization"].removeprefix("Bearer ")
    for secret in (
        CANARY,
        "canary",
        JWT_SECRET,
        N8N_API_KEY,
        SERVICE_API_KEY,
        SECRETS_KEYS.partition(":")[2],
        token,
        "sealed:v1:",
    ):
        assert secret not in log, secret
    metrics = httpx.get(f"{found.url}/metrics").text
    assert "canary" not in metrics


async def test_metrics_label_routes_and_not_paths(client: httpx.AsyncClient, connected: Tenant) -> None:
    own = f"{ROOT}/{connected.business_id}"
    await client.get(own, headers=connected.headers)
    await client.get("/nothing/at/all")
    await client.request("BREW", own)
    response = await client.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain")
    text = response.text
    assert re.search(
        r'http_requests_total\{method="GET",route="/integrations/ai-avatar/\{business_id\}",status="200"\}',
        text,
    )
    assert 'route="none",status="404"' in text
    assert 'method="other"' in text
    assert "BREW" not in text
    assert str(connected.business_id) not in text
    for name in (
        "ai_avatar_plain_secrets_read_total",
        "ai_avatar_generations_expired_total",
        "ai_avatar_event_streams",
    ):
        assert name in text


async def test_live_needs_nothing(client: httpx.AsyncClient) -> None:
    assert (await client.get("/health/live")).json() == {"status": "live"}


async def test_ready_tells_the_revision(client: httpx.AsyncClient) -> None:
    response = await client.get("/health/ready")
    assert response.json()["status"] == "ready"
    assert response.json()["revision"] >= REQUIRED_REVISION


async def test_not_ready_without_a_database() -> None:
    async with running(settings(f"postgresql://unknown@127.0.0.1:{free_port()}/none")) as (_, client):
        assert_problem(await client.get("/health/ready"), 503, "database_unavailable")


@pytest.fixture(scope="module")
def empty_url(server: Server) -> Iterator[str]:
    with server.database() as name:
        yield server.url(name)


@pytest.fixture(scope="module")
def old_url(server: Server) -> Iterator[tuple[str, str]]:
    """A database one revision behind what this build needs."""
    revisions = sorted(path.name[:14] for path in (migrations._directory() / "versions").glob("2*.py"))
    revision = revisions[revisions.index(REQUIRED_REVISION) - 1]
    with server.database() as name:
        migrations.migrate(SecretStr(server.url(name)), revision)
        yield server.url(name), revision


async def test_not_ready_before_the_first_migration(empty_url: str) -> None:
    async with running(settings(empty_url)) as (_, client):
        problem = assert_problem(await client.get("/health/ready"), 503, "not_ready")
        assert "revision none" in problem["detail"]
        assert REQUIRED_REVISION in problem["detail"]
        assert "ai-avatar migrate" in problem["detail"]


@pytest.fixture(scope="module")
def ungranted_url(server: Server) -> Iterator[str]:
    role = f"no_grants_{uuid4().hex[:12]}"
    with server.database(template=server.migrated_template()) as name:
        server.run(f"create role {role} login")
        yield as_login(server.url(name), role)
    server.run(f"drop role {role}")


async def test_not_ready_with_a_role_that_lacks_the_grants(ungranted_url: str) -> None:
    """It said that the database had no revision, and to migrate it."""
    async with running(settings(ungranted_url)) as (_, client):
        problem = assert_problem(await client.get("/health/ready"), 503, "not_ready")
    assert "wrong role" in problem["detail"]
    assert "grant ai_avatar_service" in problem["detail"]


async def test_not_ready_at_an_old_revision(old_url: tuple[str, str]) -> None:
    async with running(settings(old_url[0])) as (_, client):
        problem = assert_problem(await client.get("/health/ready"), 503, "not_ready")
        assert f"revision {old_url[1]}" in problem["detail"]
