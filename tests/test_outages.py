"""A database that cannot be used: its cause in words, in readiness and once in the log."""

import asyncio
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import asyncpg
import httpx
import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs
from support.api import Api
from support.postgres import DATA, Server, lock
from support.problems import assert_problem
from support.servers import free_port
from support.service import running, settings
from support.sql import script
from support.tenants import Tenant, make_tenant

from app.db import connect
from app.dependencies import services_of
from app.errors import DatabaseUnavailable
from app.integrations import key_health
from app.lifespan import check_vault
from app.outages import Outages, address_of, describe_failure
from app.sandbox.embedded import PostgresServer, database_url, start_postgres
from app.security import Caller
from app.videos import checks
from app.videos.events import EventHub
from app.videos.maintenance import Maintenance
from app.videos.schemas import Generation
from app.videos.state import STATE_COLUMNS, GenerationState

pytestmark = pytest.mark.anyio

CANARY = "canary-password-5d1e"


@pytest.fixture(scope="module")
def own_server() -> Iterator[PostgresServer]:
    """A server of this module's own, which may be stopped, and whose pg_hba.conf may change."""
    folder = DATA / f"outages-{uuid4().hex[:8]}"
    with lock("outage"):
        server = start_postgres(folder / "pg")
    rules = Path(folder / "pg" / "pg_hba.conf")
    rules.write_text(
        "local all with_password scram-sha-256\nlocal all not_allowed reject\n" + rules.read_text()
    )
    script(
        database_url(server, "postgres"),
        f"create role with_password login password '{CANARY}'; create role not_allowed login; "
        "create role no_login nologin; create role full_up login connection limit 0; select pg_reload_conf();",
    )
    yield server
    server.cleanup()
    shutil.rmtree(folder)


def at_own_server(user: str, password: str = "", database: str = "postgres") -> object:
    """The connection string of a user of that server."""
    return lambda server: database_url(server, database, f"{user}:{password}" if password else user)


CAUSES = {
    "nothing listens": ("postgresql://u@127.0.0.1:{free}/d", "at 127.0.0.1:{free}: connection refused."),
    "no such host": ("postgresql://u@db.invalid:5433/d", "at db.invalid:5433: unknown host."),
    "no such socket": (
        "postgresql://u@/d?host=/nowhere",
        "at /nowhere/.s.PGSQL.5432: no server listens on this",
    ),
    "wrong password": (at_own_server("with_password", CANARY + "x"), ": wrong user name or password."),
    "no such user": (at_own_server("unknown"), ": wrong role: it does not exist or may not log in."),
    "a role that may not log in": (at_own_server("no_login"), ": wrong role: it does not exist or may not"),
    "not allowed by pg_hba.conf": (at_own_server("not_allowed"), ": the server's pg_hba.conf does not allow"),
    "no such database": (at_own_server("postgres", database="none"), ": the database does not exist."),
    "too many connections": (at_own_server("full_up"), ": too many connections."),
}


@pytest.mark.parametrize("case", CAUSES)
async def test_readiness_and_the_command_line_name_host_port_and_reason(
    own_server: PostgresServer, case: str
) -> None:
    url, reason = CAUSES[case]
    free = str(free_port())
    given = url.format(free=free) if isinstance(url, str) else url(own_server)  # type: ignore[operator]
    reason = reason.format(free=free)
    async with running(settings(given)) as (_, client):
        detail = assert_problem(await client.get("/health/ready"), 503, "database_unavailable")["detail"]
    assert detail.startswith("Cannot connect to PostgreSQL at ")
    assert reason in detail
    with pytest.raises(DatabaseUnavailable) as caught:
        await connect(SecretStr(given))
    assert caught.value.detail == detail
    assert CANARY not in detail


async def test_server_without_tls_is_named(own_server: PostgresServer) -> None:
    """Over TCP: asyncpg uses no TLS on a socket."""
    socket = address_of(database_url(own_server, "postgres"))

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inside_reader, inside_writer = await asyncio.open_unix_connection(socket)
        inside_writer.write(await reader.read(8))
        writer.write(await inside_reader.read(1))
        for each in (writer, inside_writer):
            each.close()

    async with await asyncio.start_server(carry, "127.0.0.1", 0) as proxy:
        port = proxy.sockets[0].getsockname()[1]
        with pytest.raises(DatabaseUnavailable) as caught:
            await connect(SecretStr(f"postgresql://postgres@127.0.0.1:{port}/postgres?sslmode=require"))
    assert f"at 127.0.0.1:{port}: TLS: the server does not support it" in caught.value.detail


async def test_server_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.db._CONNECT_SECONDS", 0.2)
    ended = asyncio.Event()

    async def be_silent(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await ended.wait()
        writer.close()

    async with await asyncio.start_server(be_silent, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with running(settings(f"postgresql://u@127.0.0.1:{port}/d?sslmode=disable")) as (_, client):
            problem = assert_problem(await client.get("/health/ready"), 503, "database_unavailable")
        ended.set()
    assert problem["detail"] == f"Cannot connect to PostgreSQL at 127.0.0.1:{port}: no answer in time."


@pytest.fixture
async def own_tenant(own_server: PostgresServer) -> tuple[str, Tenant]:
    """A migrated database of that server, and a business in it."""
    name = await asyncio.to_thread(Server(database_url(own_server, "postgres")).migrated_template)
    url = database_url(own_server, name)
    connection = await connect(SecretStr(url))
    try:
        return url, await make_tenant(connection)
    finally:
        await connection.close()


@pytest.mark.slow
async def test_outage_is_logged_once_with_its_cause_and_again_when_it_ends(
    own_server: PostgresServer, own_tenant: tuple[str, Tenant]
) -> None:
    url, tenant = own_tenant
    async with running(settings(url)) as (_, client):
        api = Api(client, tenant)
        await api.list_integrations(expect=200)
        with capture_logs() as logs:
            await asyncio.to_thread(own_server.stop)
            for _ in range(5):
                assert_problem(await api.list_integrations(), 503, "database_unavailable")
            down = [line for line in logs if line["event"] == "database_unreachable"]
            await asyncio.to_thread(own_server.ensure_postgres_running)
            for _ in range(40):
                await api.list_integrations()
                await asyncio.sleep(0.05)
    causes = [line["detail"] for line in down]
    assert len(causes) == len(set(causes)), "each cause once"
    assert any("no server listens on this socket" in cause for cause in causes)
    [end] = [line for line in logs if line["event"] == "database_reachable"]
    assert end["detail"] == f"database reachable again after {end['seconds']} s"
    assert not [line for line in logs if "exc_info" in line]


async def test_background_work_warns_of_an_outage_once(
    own_server: PostgresServer, own_tenant: tuple[str, Tenant], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of these warned every five seconds, the event streams every second."""
    monkeypatch.setattr(Maintenance, "period_seconds", 0.05)
    monkeypatch.setattr(checks, "_POLL_SECONDS", 0.05)
    monkeypatch.setattr(key_health, "_POLL_SECONDS", 0.05)
    url, tenant = own_tenant
    async with running(settings(url, key_check_hours=1)) as (app, _):
        hub = services_of(app)[EventHub]
        hub.timing = replace(hub.timing, poll_seconds=0.05)
        known: dict[str, Any] = {
            "id": uuid4(),
            "business_id": tenant.business_id,
            "content_id": tenant.content_id,
            "provider": "heygen",
            "status": "processing",
        }
        shown = known | {"script": "", "requested_at": datetime.now(UTC)}
        text = Generation(**(dict.fromkeys(Generation.model_fields) | shown)).model_dump_json()
        columns = cast("dict[str, Any]", dict.fromkeys(STATE_COLUMNS) | known)
        generation = GenerationState(text, **columns)
        with capture_logs() as logs:
            events = await hub.follow(generation, Caller("service"))
            await asyncio.to_thread(own_server.stop)
            await asyncio.sleep(1)
            await events.aclose()
            await asyncio.to_thread(own_server.ensure_postgres_running)
    found = Counter((line["event"], line.get("code")) for line in logs if line["log_level"] == "warning")
    down = "database_unavailable"
    for event in (
        "recovery_interrupted",
        "video_checks_interrupted",
        "key_checks_interrupted",
        "event_poll_failed",
    ):
        assert found[event, down] == 1, event
    assert found["batch_not_expired", "database_unavailable"] == 1


async def test_database_that_is_away_at_the_start_is_logged_once() -> None:
    """`serve` logged it three times: it looks before it starts, and the application once more."""
    away = settings(f"postgresql://u@127.0.0.1:{free_port()}/d")
    with capture_logs() as logs:
        await check_vault(away)
        async with running(away):
            await asyncio.sleep(0.1)
    found = Counter(line["event"] for line in logs)
    assert (found["database_unreachable"], found["sealing_keys_not_checked"]) == (1, 1)


async def test_refused_requests_log_one_line_each_without_a_traceback(tenant: Tenant) -> None:
    url = f"postgresql://u@127.0.0.1:{free_port()}/d"
    async with running(settings(url)) as (_, client):
        with capture_logs() as logs:
            await Api(client, tenant).list_integrations(expect=503)
    failed = [line for line in logs if line["event"] == "request_failed"]
    assert [line["code"] for line in failed] == ["database_unavailable"]
    assert not [line for line in logs if "exc_info" in line or "exception" in line]


@pytest.mark.slow
async def test_read_only_database_is_told_by_readiness_until_writes_succeed(
    own_server: PostgresServer, own_tenant: tuple[str, Tenant]
) -> None:
    url, tenant = own_tenant
    name = url.partition("?")[0].rpartition("/")[2]
    owner = database_url(own_server, "postgres")

    async def set_read_only(value: str) -> None:
        # One after the other: what reconnects before the change is committed may go on writing.
        for statement in (
            f"alter database {name} set default_transaction_read_only = {value}",
            f"select pg_terminate_backend(pid) from pg_stat_activity where datname = '{name}'",
        ):
            await asyncio.to_thread(script, owner, statement)

    async with running(settings(url)) as (_, client):
        api = Api(client, tenant)
        with capture_logs() as logs:  # background work may be the first to meet it
            await set_read_only("on")
            for _ in range(30):
                refused = await api.cancel()
                await api.list_integrations()
        problem = assert_problem(refused, 503, "database_unavailable")
        assert problem["detail"] == "The database is read-only: it takes no changes now. Try again later."
        answer = assert_problem(await client.get("/health/ready"), 503, "database_unavailable")
        assert "is read-only" in answer["detail"]
        assert [line["event"] for line in logs].count("database_read_only") == 1
        await set_read_only("off")
        for _ in range(100):
            if (await client.get("/health/ready")).status_code == 200:
                break
            await asyncio.sleep(0.2)
        else:
            pytest.fail("readiness does not notice that the database can be written to again")


def test_flapping_server_is_one_outage() -> None:
    """A full server refuses new connections while calls on the existing ones succeed."""
    now = 0.0
    outages = Outages("postgresql://u@h/d", clock=lambda: now)
    with capture_logs() as logs:
        for _ in range(20):
            outages.note_unreachable(asyncpg.TooManyConnectionsError("full"))
            outages.note_success()
            now += 0.2
        now += 1
        outages.note_success()
    assert [line["event"] for line in logs] == ["database_unreachable", "database_reachable"]
    assert logs[1]["seconds"] == 5
    assert outages.cause is None


@pytest.mark.parametrize("error", [asyncpg.InternalServerError, asyncpg.ProtocolViolationError])
def test_pooler_s_words_are_passed_on(error: type[asyncpg.PostgresError]) -> None:
    assert describe_failure(error("Tenant or user not found"), "h:6543") == (
        "Cannot connect to PostgreSQL at h:6543: the pooler reported: Tenant or user not found."
    )


async def test_calls_that_conflict_are_named_and_are_no_outage(
    unconnected_api: Api, client: httpx.AsyncClient, admin_connection: asyncpg.Connection
) -> None:
    await admin_connection.execute(
        "create or replace function ai_avatar.tests_conflict() returns trigger language plpgsql as "
        "$$ begin raise exception 'x' using errcode = '40P01'; end $$"
    )
    await admin_connection.execute(
        "create trigger tests_conflict before insert on public.ai_avatar_integrations "
        "for each row execute function ai_avatar.tests_conflict()"
    )
    try:
        with capture_logs() as logs:
            assert_problem(await unconnected_api.connect(), 503, "database_unavailable")
    finally:
        await admin_connection.execute("drop function ai_avatar.tests_conflict() cascade")
    [line] = [line for line in logs if line["event"] == "request_failed"]
    assert line["reason"] == "deadlock"
    assert not [line for line in logs if line["event"] == "database_unreachable"]
    assert (await client.get("/health/ready")).status_code == 200


def test_nothing_but_the_address_of_a_connection_string_is_named() -> None:
    assert (
        address_of(f"postgresql://user:{CANARY}@db.example.com:5433/d?sslmode=require")
        == "db.example.com:5433"
    )
    assert address_of("postgresql:///d?host=/run/postgresql&port=5433") == "/run/postgresql/.s.PGSQL.5433"
    assert address_of("postgresql://u@[::1]/d") == "[::1]:5432"
