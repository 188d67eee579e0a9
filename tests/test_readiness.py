"""GET /health/ready and the start: sealing keys that do not open the stored keys are noticed."""

import base64
import json
from collections.abc import AsyncIterator
from types import SimpleNamespace
from uuid import uuid4

import asyncpg
import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from support.api import Api
from support.problems import assert_problem
from support.service import running, settings
from support.tenants import SECRETS_KEYS, Tenant, make_tenant

from app.config import ConfigError
from app.db import Database
from app.dependencies import services_of
from app.lifespan import check_vault
from app.readiness import Readiness
from app.sealing import KeyRing

pytestmark = pytest.mark.anyio

WRONG_BYTES = "test:" + base64.b64encode(b"w" * 32).decode()
OTHER_ID = "other:" + base64.b64encode(b"o" * 32).decode()


@pytest.fixture(autouse=True)
async def no_integrations(admin_connection: asyncpg.Connection) -> None:
    await admin_connection.execute("delete from public.ai_avatar_integrations")


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    db = Database(SecretStr(database_url), pool_size=2)
    await db.open()
    yield db
    await db.close()


async def store_as_user(admin_connection: asyncpg.Connection, tenant: Tenant, text: str) -> None:
    """Store a text through the Data API, as the business's user."""
    async with admin_connection.transaction():
        claims = json.dumps({"role": "authenticated", "sub": str(tenant.user_id)})
        await admin_connection.execute("select set_config('request.jwt.claims', $1, true)", claims)
        await admin_connection.execute("set local role authenticated")
        await admin_connection.execute(
            "select public.set_ai_avatar_integration($1, 'heygen', $2)", tenant.business_id, text
        )


async def key_id_of(admin_connection: asyncpg.Connection, tenant: Tenant) -> str | None:
    key_id: str | None = await admin_connection.fetchval(
        "select d.sealing_key_id from ai_avatar.integration_details as d "
        "join public.ai_avatar_integrations as ai on ai.id = d.integration_id where ai.business_id = $1",
        tenant.business_id,
    )
    return key_id


async def test_start_is_refused_when_the_key_of_that_id_is_another(api: Api, database_url: str) -> None:
    with pytest.raises(
        ConfigError, match="The key 'test' in SECRETS_KEYS is not the one that sealed"
    ) as refused:
        await check_vault(settings(database_url, secrets_keys=WRONG_BYTES))
    assert WRONG_BYTES[5:] not in str(refused.value)


async def test_start_is_refused_when_a_needed_key_is_missing(api: Api, database_url: str) -> None:
    with pytest.raises(ConfigError, match="SECRETS_KEYS has no key with the id 'test'"):
        await check_vault(settings(database_url, secrets_keys=OTHER_ID))
    await check_vault(settings(database_url, secrets_keys=f"{OTHER_ID},{SECRETS_KEYS}"))


async def test_start_without_keys_is_refused_over_sealed_keys(api: Api, database_url: str) -> None:
    with pytest.raises(ConfigError, match="SECRETS_KEYS has no key with the id 'test'"):
        await check_vault(settings(database_url, secrets_keys=None))


async def test_start_with_keys_does_not_need_the_database(database_url: str) -> None:
    await check_vault(settings("postgresql://127.0.0.1:1/nothing"))


async def test_keys_that_only_look_sealed_stop_nothing(
    api: Api, database_url: str, admin_connection: asyncpg.Connection, db: Database
) -> None:
    """More of them than are tried, by users of other businesses, with a known and an unknown key id."""
    for number in range(25):
        tenant = await make_tenant(admin_connection)
        await store_as_user(admin_connection, tenant, f"sealed:v1:{('test', 'lost')[number % 2]}:AAAA")
        assert await key_id_of(admin_connection, tenant) is None
    await check_vault(settings(database_url))
    assert await Readiness(db, KeyRing.parse(SECRETS_KEYS)).check()


async def test_user_s_text_takes_the_place_of_a_key_that_was_kept(
    api: Api, admin_connection: asyncpg.Connection
) -> None:
    assert await key_id_of(admin_connection, api.tenant) == "test"
    await store_as_user(admin_connection, api.tenant, "sealed:v1:test:AAAA")
    assert await key_id_of(admin_connection, api.tenant) is None
    await api.connect("sandbox-again", expect=200)
    assert await key_id_of(admin_connection, api.tenant) == "test"
    await api.update(api_key="sandbox-third", expect=200)
    assert await key_id_of(admin_connection, api.tenant) == "test"
    await api.delete(expect=204)
    assert await admin_connection.fetchval("select count(*) from ai_avatar.integration_details") == 0


async def test_one_key_that_opens_is_enough(
    client: httpx.AsyncClient, admin_connection: asyncpg.Connection, db: Database
) -> None:
    """Of the 20 that were sealed last, 19 are damaged. Once the one that opens is older than those, it is not tried."""
    apis = [Api(client, await make_tenant(admin_connection)) for _ in range(21)]
    for api in apis:
        await api.connect("sandbox-key", expect=201)
    damage = (
        "update vault.secrets set secret = 'sealed:v1:test:AAAA' where id in (select secret_id "
        "from public.ai_avatar_integrations where business_id = any($1))"
    )
    ring = KeyRing.parse(SECRETS_KEYS)
    damaged = [api.tenant.business_id for api in apis]
    await admin_connection.execute(damage, [*damaged[:1], *damaged[2:]])
    assert await Readiness(db, ring).find_wrong_keys() == {}
    await apis[0].connect("sandbox-key", expect=200)
    await admin_connection.execute(
        "update ai_avatar.integration_details set secret_updated_at = now() - interval '1 hour' "
        "where integration_id = (select id from public.ai_avatar_integrations where business_id = $1)",
        damaged[0],
    )
    await admin_connection.execute(damage, damaged[1:])
    wrong = await Readiness(db, ring).find_wrong_keys()
    assert list(wrong) == ["test"]
    assert "opens none of the latest 20" in wrong["test"]


async def test_readiness_names_the_wrong_key_and_caches_the_verdict_for_a_minute(
    api: Api, service: tuple[FastAPI, httpx.AsyncClient], db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr("app.readiness.time", SimpleNamespace(monotonic=lambda: now[0]))
    app, client = service
    checked = Readiness(db, KeyRing.parse(WRONG_BYTES))
    monkeypatch.setitem(services_of(app)._by_type, Readiness, checked)
    response = await client.get("/health/ready")
    assert_problem(response, 503, "not_ready")
    assert "'test' in SECRETS_KEYS is not the one that sealed" in response.json()["detail"]
    assert "sealed:v1" not in response.text
    await api.delete(expect=204)
    now[0] += 59
    assert_problem(await client.get("/health/ready"), 503, "not_ready")
    now[0] += 2
    assert (await client.get("/health/ready")).status_code == 200


async def test_service_on_an_empty_database_is_ready(client: httpx.AsyncClient) -> None:
    response = await client.get("/health/ready")
    assert (response.status_code, response.json()["status"]) == (200, "ready")


async def test_start_of_the_application_is_refused_too(api: Api, database_url: str) -> None:
    with pytest.raises(ConfigError, match="is not the one that sealed"):
        async with running(settings(database_url, secrets_keys=WRONG_BYTES)):
            pass


async def test_key_that_does_not_open_is_503_and_changes_no_status(
    api: Api, admin_connection: asyncpg.Connection
) -> None:
    await store_as_user(admin_connection, api.tenant, f"sealed:v1:test:{uuid4().hex}")
    before = (await api.get_integration()).json()
    for response in (
        await api.issue_credentials(),
        await api.validate(),
        await api.update(status="active"),
        await api.list_avatars(),
    ):
        assert_problem(response, 503, "key_not_available")
        assert int(response.headers["retry-after"]) > 0
    assert (await api.get_integration()).json() == before
