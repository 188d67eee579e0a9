"""`ai-avatar secrets rotate`: every stored key is sealed again, while keys are being saved."""

import asyncio
import base64
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import httpx
import pytest
from pydantic import SecretStr
from support.api import Api
from support.service import running, settings
from support.tenants import SECRETS_KEYS, Tenant, make_tenant

from app.db import Database
from app.dependencies import services_of
from app.integrations import rotation
from app.integrations.rotation import rotate
from app.integrations.secret_repository import SecretRepository
from app.integrations.service import IntegrationService
from app.sealing import KeyRing

pytestmark = pytest.mark.anyio

NEW = f"newest:{base64.b64encode(b'n' * 32).decode()}"
BOTH = f"{NEW},{SECRETS_KEYS}"


@pytest.fixture
async def secrets(database_url: str, admin_connection: asyncpg.Connection) -> AsyncIterator[SecretRepository]:
    """On a database without integrations."""
    await admin_connection.execute("delete from public.ai_avatar_integrations")
    db = Database(SecretStr(database_url), pool_size=2)
    await db.open()
    yield SecretRepository(db)
    await db.close()


async def connect_many(
    client: httpx.AsyncClient, admin_connection: asyncpg.Connection, number: int
) -> list[Api]:
    """Connect so many businesses, each with the key `sandbox-<its id>`."""
    apis = [Api(client, await make_tenant(admin_connection)) for _ in range(number)]
    for api in apis:
        await api.connect(f"sandbox-{api.tenant.business_id}", expect=201)
    return apis


async def stored_secrets(admin_connection: asyncpg.Connection) -> dict[str, str]:
    rows = await admin_connection.fetch(
        "select ai.business_id::text, s.secret from public.ai_avatar_integrations as ai "
        "join vault.secrets as s on s.id = ai.secret_id"
    )
    return dict(tuple(row) for row in rows)


def nothing() -> None:
    pass


async def test_every_key_is_sealed_with_the_newest_and_opens_as_before(
    client: httpx.AsyncClient,
    secrets: SecretRepository,
    admin_connection: asyncpg.Connection,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rotation, "_BATCH", 3)
    apis = await connect_many(client, admin_connection, 7)
    steps: list[int] = []
    result = await rotate(secrets, KeyRing.parse(BOTH), from_vault=False, progress=lambda: steps.append(1))
    assert (result.rotated, result.current, result.left, len(steps)) == (7, 0, [], 7)
    assert all(
        secret.startswith("sealed:v1:newest:") for secret in (await stored_secrets(admin_connection)).values()
    )
    async with running(settings(database_url, secrets_keys=NEW)) as (_, later):
        for api in apis:
            answer = await api.through(later).issue_credentials()
            assert answer.json()["api_key"] == f"sandbox-{api.tenant.business_id}"


async def test_interrupted_run_continues_where_it_stopped(
    client: httpx.AsyncClient, secrets: SecretRepository, admin_connection: asyncpg.Connection
) -> None:
    await connect_many(client, admin_connection, 5)
    turns = 0

    def stop_after_two() -> None:
        nonlocal turns
        turns += 1
        if turns == 2:
            raise KeyboardInterrupt

    ring = KeyRing.parse(BOTH)
    with pytest.raises(KeyboardInterrupt):
        await rotate(secrets, ring, from_vault=False, progress=stop_after_two)
    result = await rotate(secrets, ring, from_vault=False, progress=nothing)
    assert (result.rotated, result.current) == (3, 2)
    again = await rotate(secrets, ring, from_vault=False, progress=nothing)
    assert (again.rotated, again.current) == (0, 5)


async def test_keys_saved_during_a_rotation_are_kept(
    client: httpx.AsyncClient,
    secrets: SecretRepository,
    admin_connection: asyncpg.Connection,
    database_url: str,
) -> None:
    """Two rotations and a service that saves run at once: each business keeps the key that it saved last."""
    apis = await connect_many(client, admin_connection, 6)
    ring = KeyRing.parse(BOTH)
    async with running(settings(database_url, secrets_keys=BOTH)) as (app, saver):
        services_of(app)[IntegrationService]._providers = {"heygen": _Believer()}  # type: ignore[dict-item]

        async def save(api: Api) -> None:
            for n in range(8):
                await api.through(saver).connect(f"sandbox-{api.tenant.business_id}-{n}", expect=200)

        await asyncio.gather(
            *(save(api) for api in apis[:3]),
            *(rotate(secrets, ring, from_vault=False, progress=nothing) for _ in range(2)),
        )
        for api in apis:
            saved = f"sandbox-{api.tenant.business_id}" + ("-7" if api in apis[:3] else "")
            answer = await api.through(saver).issue_credentials()
            assert answer.json()["api_key"] == saved
    assert all(
        secret.startswith("sealed:v1:newest:") for secret in (await stored_secrets(admin_connection)).values()
    )


class _Believer:
    """A provider that accepts every key."""

    async def verify_key(self, api_key: str) -> None:
        pass


async def test_compare_and_set_leaves_a_key_that_was_saved_a_moment_ago(
    unconnected_api: Api,
    secrets: SecretRepository,
    admin_connection: asyncpg.Connection,
    tenant: Tenant,
) -> None:
    await unconnected_api.connect("sandbox-1", expect=201)
    [row] = await secrets.list_secrets(None, 10)
    await unconnected_api.connect("sandbox-2", expect=200)
    assert not await secrets.replace_secret(row.secret_id, row.stored.sealed_key, "sealed:v1:newest:stale")
    assert "stale" not in (await stored_secrets(admin_connection))[str(tenant.business_id)]
    assert row.stored.sealed_key not in repr(row)


async def test_keys_that_do_not_open_are_listed_and_left(
    client: httpx.AsyncClient, secrets: SecretRepository, admin_connection: asyncpg.Connection
) -> None:
    first, second = await connect_many(client, admin_connection, 2)
    await admin_connection.execute(
        "update vault.secrets set secret = 'sealed:v1:lost:AAAA' where id = "
        "(select secret_id from public.ai_avatar_integrations where business_id = $1)",
        first.tenant.business_id,
    )
    result = await rotate(secrets, KeyRing.parse(BOTH), from_vault=True, progress=nothing)
    assert result.rotated == 1
    assert result.left == [
        f"business {first.tenant.business_id}, heygen: SECRETS_KEYS has no key with the id 'lost': "
        "add that entry back, at the end"
    ]
    stored = await stored_secrets(admin_connection)
    assert stored[str(first.tenant.business_id)] == "sealed:v1:lost:AAAA"
    assert stored[str(second.tenant.business_id)].startswith("sealed:v1:newest:")


async def test_damaged_key_is_listed_even_if_the_newest_key_sealed_it(
    client: httpx.AsyncClient, secrets: SecretRepository, admin_connection: asyncpg.Connection
) -> None:
    first, _ = await connect_many(client, admin_connection, 2)
    await admin_connection.execute(
        "update vault.secrets set secret = 'sealed:v1:test:AAAA' where id = "
        "(select secret_id from public.ai_avatar_integrations where business_id = $1)",
        first.tenant.business_id,
    )
    result = await rotate(secrets, KeyRing.parse(SECRETS_KEYS), from_vault=False, progress=nothing)
    assert (result.current, len(result.left)) == (1, 1)
    assert str(first.tenant.business_id) in result.left[0]


async def test_rotated_keys_count_for_the_newest_key(
    client: httpx.AsyncClient, secrets: SecretRepository, admin_connection: asyncpg.Connection
) -> None:
    await connect_many(client, admin_connection, 2)
    await rotate(secrets, KeyRing.parse(BOTH), from_vault=False, progress=nothing)
    kept = await admin_connection.fetch("select sealing_key_id from ai_avatar.integration_details")
    assert [row["sealing_key_id"] for row in kept] == ["newest", "newest"]


async def test_plain_keys_of_a_real_vault_are_counted_and_sealed_when_asked(
    unconnected_api: Api,
    secrets: SecretRepository,
    admin_connection: asyncpg.Connection,
    tenant: Tenant,
) -> None:
    await unconnected_api.connect("sandbox-1", expect=201)
    # The stand-in refuses plain keys; a real vault has them from before.
    await admin_connection.execute("alter table vault.secrets disable trigger user")
    checks = await admin_connection.fetch(
        "select conname from pg_constraint where conrelid = 'vault.secrets'::regclass and contype = 'c'"
    )
    for (name,) in checks:
        await admin_connection.execute(f'alter table vault.secrets drop constraint "{name}"')
    await admin_connection.execute("update vault.secrets set secret = 'sandbox-plain'")
    ring = KeyRing.parse(BOTH)
    untouched = await rotate(secrets, ring, from_vault=False, progress=nothing)
    assert (untouched.rotated, untouched.plain) == (0, 1)
    answer = await unconnected_api.issue_credentials()
    assert answer.json()["api_key"] == "sandbox-plain", "a plain one is read"
    metrics = (await unconnected_api.client.get("/metrics")).text
    assert "ai_avatar_plain_secrets_read_total 0.0" not in metrics, "and counted"
    sealed = await rotate(secrets, ring, from_vault=True, progress=nothing)
    assert (sealed.rotated, sealed.plain) == (1, 0)
    assert (await stored_secrets(admin_connection))[str(tenant.business_id)].startswith("sealed:v1:newest:")


@pytest.mark.slow
async def test_command_rotates_shows_progress_and_fails_when_keys_are_left(
    client: httpx.AsyncClient,
    secrets: SecretRepository,
    admin_connection: asyncpg.Connection,
    database_url: str,
    tmp_path: Path,
) -> None:
    first, _ = await connect_many(client, admin_connection, 2)

    async def run(keys: str) -> "subprocess.CompletedProcess[str]":
        command = [str(Path(sys.executable).parent / "ai-avatar"), "secrets", "rotate"]
        environment = {"PATH": os.environ["PATH"], "DATABASE_URL": database_url, "SECRETS_KEYS": keys}
        return await asyncio.to_thread(
            subprocess.run,
            command,
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )

    done = await run(BOTH)
    assert (done.returncode, done.stdout[:14]) == (0, "2 re-sealed, 0"), done.stderr
    assert "Sealing" in done.stderr
    await admin_connection.execute(
        "update vault.secrets set secret = 'sealed:v1:lost:AAAA' where id = "
        "(select secret_id from public.ai_avatar_integrations where business_id = $1)",
        first.tenant.business_id,
    )
    wrong = await run(f"newest:{base64.b64encode(b'w' * 32).decode()},{SECRETS_KEYS}")
    assert wrong.returncode == 1
    assert "The key 'newest' in SECRETS_KEYS is not the one that sealed" in wrong.stderr
    assert wrong.stdout == "", "nothing was rotated"
    left = await run(BOTH)
    assert left.returncode == 1
    assert (
        f"business {first.tenant.business_id}, heygen: SECRETS_KEYS has no key with the id 'lost'"
        in left.stderr
    )
    assert "bnNu" not in left.stderr + left.stdout


async def test_key_that_another_transaction_holds_is_left_and_the_others_are_rotated(
    client: httpx.AsyncClient,
    secrets: SecretRepository,
    admin_connection: asyncpg.Connection,
    database_url: str,
) -> None:
    held, _ = await connect_many(client, admin_connection, 2)
    holder = await asyncpg.connect(database_url)
    try:
        async with holder.transaction():
            await holder.execute(
                "select from public.ai_avatar_integrations where business_id = $1 for update",
                held.tenant.business_id,
            )
            result = await rotate(secrets, KeyRing.parse(BOTH), from_vault=False, progress=nothing)
    finally:
        await holder.close()
    assert result.rotated == 1
    assert [str(held.tenant.business_id) in line for line in result.left] == [True]
