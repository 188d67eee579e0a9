"""The one gateway to the database: what its errors become, and what a request costs."""

import asyncio
import re
import traceback
from collections.abc import AsyncIterator, Awaitable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import asyncpg
import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from support import postgres
from support.api import Api
from support.problems import assert_problem
from support.servers import free_port
from support.service import running, settings
from support.tenants import Tenant

from app import db as database
from app import errors
from app.db import INTEGER, TEXT, Database, SqlFunction, driver_dsn
from app.memberships import GET_MEMBERSHIP

pytestmark = pytest.mark.anyio

RAISE = SqlFunction("public.tests_raise", {"p_state": TEXT, "p_detail": TEXT})
SLEEP = SqlFunction("public.tests_sleep", {"p_ms": INTEGER})


@pytest.fixture
async def db(database_url: str, admin_connection: asyncpg.Connection) -> AsyncIterator[Database]:
    """A small pool, on a database with functions that misbehave."""
    await admin_connection.execute(
        """
        create or replace function public.tests_raise(p_state text, p_detail text)
        returns text language plpgsql as $$
        begin raise exception 'canary-message' using errcode = p_state, detail = p_detail; end $$;
        create or replace function public.tests_sleep(p_ms integer)
        returns text language plpgsql as $$ begin perform pg_sleep(p_ms / 1000.0); return 'slept'; end $$;
        """
    )
    found = Database(SecretStr(database_url), pool_size=2)
    await found.open()
    yield found
    await found.close()


@pytest.mark.parametrize(
    ("state", "error"),
    [
        ("AV001", errors.IntegrationNotFound),
        ("AV002", errors.ContentNotFound),
        ("AV003", errors.GenerationNotFound),
        ("AV004", errors.IntegrationNotConfigured),
        ("AV005", errors.AvatarNotConfigured),
        ("AV006", errors.ScriptMissing),
        ("AV007", errors.InvalidRequest),
        ("AV008", errors.GenerationInProgress),
        ("AV009", errors.GenerationAlreadyClaimed),
        ("AV011", errors.GenerationClosed),
        ("AV012", errors.IdempotencyKeyReused),
        ("AV013", errors.InvalidRequest),
        ("AV016", errors.IntegrationNotActive),
        ("AV017", errors.GenerationNotLive),
        ("42883", errors.NotReady),
        ("42P01", errors.NotReady),
        ("42501", errors.NotReady),
        ("3F000", errors.NotReady),
        ("08006", errors.DatabaseUnavailable),
        ("28P01", errors.DatabaseUnavailable),
        ("3D000", errors.DatabaseUnavailable),
        ("53300", errors.DatabaseUnavailable),
        ("57P01", errors.DatabaseUnavailable),
        ("57P03", errors.DatabaseUnavailable),
        ("40001", errors.DatabaseUnavailable),
        ("40P01", errors.DatabaseUnavailable),
        ("55P03", errors.LockTimeout),
        ("25006", errors.DatabaseUnavailable),
    ],
)
async def test_each_sqlstate_becomes_its_error_with_its_cause_and_without_its_words(
    db: Database, state: str, error: type[errors.AppError]
) -> None:
    generation_id = uuid4()
    with pytest.raises(error) as caught:
        await db.call_value(RAISE, p_state=state, p_detail=str(generation_id))
    assert isinstance(caught.value.__cause__, asyncpg.PostgresError)
    assert caught.value.__cause__.detail is None
    assert "canary" not in caught.value.detail
    if error is errors.GenerationInProgress:
        assert caught.value.extra == {"generation_id": str(generation_id)}


@pytest.mark.parametrize("state", ["23505", "22023", "XX000", "P0001"])
async def test_other_sqlstates_are_ours_and_lose_their_detail(db: Database, state: str) -> None:
    with pytest.raises(asyncpg.PostgresError) as caught:
        await db.call_value(RAISE, p_state=state, p_detail="Failing row contains (canary-detail)")
    assert "canary-detail" not in str(caught.value)


async def test_unknown_argument_is_a_mistake_of_ours(db: Database) -> None:
    with pytest.raises(AssertionError, match=r"tests_sleep has no p_seconds"):
        await db.call(SLEEP, p_ms=1, p_seconds=1)


async def test_pool_that_is_exhausted_is_overloaded(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "_BACKGROUND_QUEUE_SECONDS", 0.2)
    busy = [asyncio.create_task(db.call_value(SLEEP, p_ms=1500)) for _ in range(2)]
    await asyncio.sleep(0.1)
    with pytest.raises(errors.Overloaded) as caught:
        await db.call_value(SLEEP, p_ms=1)
    assert caught.value.default_retry_after
    assert await asyncio.gather(*busy) == ["slept", "slept"]
    assert await db.call_value(SLEEP, p_ms=1) == "slept"


async def test_call_that_takes_too_long_is_ended_at_the_server_too(
    database_url: str, admin_connection: asyncpg.Connection, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "_COMMAND_SECONDS", 0.2)
    impatient = Database(SecretStr(database_url), pool_size=2)
    await impatient.open()
    with pytest.raises((errors.DatabaseUnavailable, errors.Overloaded)):
        await impatient.call_value(SLEEP, p_ms=5_000)
    assert await impatient.call_value(SLEEP, p_ms=1) == "slept"
    for _ in range(50):
        if not await admin_connection.fetchval(
            "select count(*) from pg_stat_activity where datname = current_database() and state = 'active' "
            "and query like '%tests_sleep%' and pid <> pg_backend_pid()"
        ):
            break
        await asyncio.sleep(0.05)
    else:
        pytest.fail("the server still works for a caller that has given up")
    await impatient.close()


class Valve:
    """A TCP proxy in front of the database, which can be shut and opened again."""

    def __init__(self, database_url: str) -> None:
        self._database = urlsplit(database_url)
        self.port = free_port()
        self._server: asyncio.Server | None = None
        self._writers: list[asyncio.StreamWriter] = []

    @property
    def url(self) -> str:
        user = self._database.username or "postgres"
        password = f":{self._database.password}" if self._database.password else ""
        return f"postgres://{user}{password}@127.0.0.1:{self.port}{self._database.path}?sslmode=disable"

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", self.port)

    async def shut(self) -> None:
        assert self._server
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()
        await self._server.wait_closed()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inside_reader, inside_writer = await self._connect()
        self._writers += [writer, inside_writer]
        await asyncio.gather(
            _copy(reader, inside_writer), _copy(inside_reader, writer), return_exceptions=True
        )

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        query = parse_qs(self._database.query)
        port = int(query.get("port", ["0"])[0]) or self._database.port or 5432
        host = query.get("host", [self._database.hostname or "127.0.0.1"])[0]
        if host.startswith("/"):
            return await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
        return await asyncio.open_connection(host, port)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()


@pytest.fixture
def valve(database_url: str) -> Valve:
    return Valve(database_url)


async def test_database_that_goes_down_is_503_and_comes_back_without_a_restart(
    valve: Valve, tenant: Tenant
) -> None:
    await valve.open()
    async with running(settings(valve.url)) as (_, client):
        api = Api(client, tenant)
        await api.list_integrations(expect=200)
        await valve.shut()
        for _ in range(2):
            assert_problem(await api.list_integrations(), 503, "database_unavailable")
        assert_problem(await client.get("/health/ready"), 503, "database_unavailable")
        assert (await client.get("/health/live")).status_code == 200
        assert_problem(await api.connect(), 503, "database_unavailable")
        await valve.open()
        await api.list_integrations(expect=200)
        assert (await client.get("/health/ready")).status_code == 200
    await valve.shut()


async def test_service_starts_before_its_database(valve: Valve, tenant: Tenant) -> None:
    async with running(settings(valve.url)) as (_, client):
        api = Api(client, tenant)
        assert_problem(await api.list_integrations(), 503, "database_unavailable")
        await valve.open()
        await api.list_integrations(expect=200)
        await valve.shut()


async def test_connections_that_the_server_ended_are_replaced(
    unconnected_api: Api, admin_connection: asyncpg.Connection
) -> None:
    """A restart or failover: each connection of the pool fails at most once."""
    await asyncio.gather(*(unconnected_api.list_integrations() for _ in range(10)))
    await admin_connection.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity "
        "where datname = current_database() and pid <> pg_backend_pid()"
    )
    await asyncio.sleep(0.1)
    statuses = [(await unconnected_api.list_integrations()).status_code for _ in range(30)]
    assert set(statuses) <= {200, 503}
    assert statuses[-5:] == [200] * 5


@pytest.fixture(scope="module")
def empty_database_url(server: postgres.Server) -> Iterator[str]:
    with server.database() as name:
        yield server.url(name)


async def test_database_that_is_not_migrated_is_not_ready(empty_database_url: str, tenant: Tenant) -> None:
    async with running(settings(empty_database_url)) as (_, client):
        assert_problem(await Api(client, tenant).list_integrations(), 503, "not_ready")


@pytest.mark.parametrize(
    ("given", "driver"),
    [
        ("postgres://u:p@h:5432/d", "postgresql://u:p@h:5432/d"),
        ("postgresql://u:p%40@h/d?sslmode=require", "postgresql://u:p%40@h/d?sslmode=require"),
        ("postgresql://u@h:6543/d?pgbouncer=true&connection_limit=1", "postgresql://u@h:6543/d"),
    ],
)
def test_connection_strings_are_taken_as_they_are_copied(given: str, driver: str) -> None:
    assert driver_dsn(SecretStr(given)) == driver


@pytest.mark.parametrize(
    ("url", "pooler", "statements"),
    [
        ("postgresql://u@h:5432/d", None, 256),
        ("postgresql://u@h:6543/d", None, 0),
        ("postgresql://u@h:6543/d", "none", 256),
        ("postgresql://u@h:5432/d", "transaction", 0),
    ],
)
def test_transaction_pooler_gets_no_prepared_statement_to_lose(
    monkeypatch: pytest.MonkeyPatch, url: str, pooler: str | None, statements: int
) -> None:
    made: dict[str, Any] = {}
    monkeypatch.setattr("app.db.asyncpg.create_pool", lambda *_, **options: made.update(options))
    Database(SecretStr(url), pool_size=1, pooler=pooler)
    assert made["statement_cache_size"] == statements
    assert "server_settings" not in made, "poolers refuse them"


async def test_service_works_without_prepared_statements(
    database_url: str, heygen_url: str, tenant: Tenant
) -> None:
    """As it does behind such a pooler."""
    configured = settings(
        database_url, database_pooler="transaction", providers={"heygen": {"api_url": heygen_url}}
    )
    async with running(configured) as (_, client):
        api = Api(client, tenant)
        await api.connect(expect=201)
        await api.issue_credentials(expect=200)


# What a request costs ------------------------------------------------------------------------------------------------


_CALL = re.compile(r"(?:FROM|LATERAL) (?:ai_avatar|public)\.(\w+)\(")


@pytest.fixture
def calls(service: tuple[FastAPI, httpx.AsyncClient], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The SQL that the service's connections send, in order, without the background tasks' own."""
    sent: list[str] = []
    background = ("expire_generations", "purge_secret_reads", "get_latest_generations")
    for method in ("fetch", "fetchrow", "fetchval", "execute", "executemany", "prepare"):
        original = getattr(asyncpg.Connection, method)

        async def record(self: Any, sql: str, *args: Any, _original: Any = original, **options: Any) -> Any:
            # Leave out type introspection and the tests' own statements.
            if _CALL.search(sql) and not any(name in sql for name in background):
                sent.append(sql)
            return await _original(self, sql, *args, **options)

        monkeypatch.setattr(asyncpg.Connection, method, record)
    return sent


def functions(calls: list[str]) -> list[str]:
    return [_CALL.findall(sql)[0] for sql in calls]


async def test_each_hot_request_is_one_round_trip(api: Api, calls: list[str]) -> None:
    api = api.as_service()

    async def cost(request: Awaitable[httpx.Response]) -> list[str]:
        calls.clear()
        response = await request
        assert response.is_success, response.text
        return functions(calls)

    assert await cost(api.client.get("/health/ready")) == ["get_readiness"]
    assert await cost(api.get_integration()) == ["get_ai_avatar_integration"]
    assert await cost(api.list_integrations()) == ["list_integrations"]
    assert await cost(api.update(provider_config={})) == ["update_integration"]
    assert await cost(api.update(voice_id="")) == ["update_integration"]
    assert await cost(api.list_videos()) == ["list_videos"]
    assert await cost(api.issue_credentials()) == ["claim_credentials"]
    assert await cost(api.connect()) == ["set_ai_avatar_integration", "get_ai_avatar_integration"]
    dispatched = ["start_generation", "confirm_dispatch"]
    assert await cost(api.generate()) == dispatched, "one before the webhook, one after it"
    assert await cost(api.get_generation()) == ["get_latest_generation"]
    generation_id = (await api.get_generation()).json()["id"]
    assert await cost(api.claim(generation_id)) == ["claim_credentials"]
    report = api.report(generation_id, "processing", execution_id="1", video_id="v")
    assert await cost(report) == ["report_generation"]
    assert await cost(api.cancel()) == ["cancel_generation"]


async def test_membership_costs_one_more_and_none_while_it_is_cached(
    database_url: str, connected: Tenant, calls: list[str]
) -> None:
    async with running(settings(database_url, membership_cache_seconds=30)) as (_, client):
        api = Api(client, connected)
        calls.clear()
        await api.get_integration()
        assert in_requests(calls) == ["get_membership", "get_ai_avatar_integration"]
        calls.clear()
        await api.get_integration()
        assert in_requests(calls) == ["get_ai_avatar_integration"]


async def test_scraping_metrics_costs_no_call(client: httpx.AsyncClient, calls: list[str]) -> None:
    await client.get("/metrics")
    calls.clear()
    responses = await asyncio.gather(*(client.get("/metrics") for _ in range(20)))
    assert {response.status_code for response in responses} == {200}
    assert in_requests(calls) == []


def in_requests(calls: list[str]) -> list[str]:
    """Leave out what the background tasks of a service that has just started call meanwhile."""
    background = {"expire_generations", "lease_video_checks", "purge_secret_reads", "lease_key_checks"}
    background.add("count_live_generations")
    return [name for name in functions(calls) if name not in background]


async def test_argument_of_the_wrong_type_is_not_quoted(database_url: str) -> None:
    """The driver's message quotes it, and it may be a key."""
    db = Database(SecretStr(database_url), pool_size=1)
    await db.open()
    key = "-".join(("a", "canary"))  # the traceback quotes the line of the call
    with pytest.raises(TypeError) as raised:
        await db.call(GET_MEMBERSHIP, p_user_id=key)
    await db.close()
    assert key not in "".join(traceback.format_exception(raised.value))
