"""What the original plan's SQL gets wrong (design: "The database"): each flaw shows there, and does not show here.

Every scenario runs on both: on a project with the original's SQL as it stands, and on the same project migrated.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from pydantic import SecretStr
from support import postgres
from support.legacy_databases import ORIGINAL_PLAN
from support.roles import ANON, BYSTANDER, SERVICE_ROLE, Caller, acting_as, signed_in
from support.sql import script
from support.supabase import Project, supabase_project
from support.tenants import Tenant, make_tenant

from app import migrations
from app.db import connect

pytestmark = pytest.mark.anyio

SET = "select public.set_ai_avatar_integration(p_business_id => $1, p_provider => $2, p_api_key => $3)"
SECRET = "select public.get_ai_avatar_secret($1)"
DELETE = "select public.delete_ai_avatar_integration($1)"

# The flaws show with a second provider, which the original's table was meant for; both get one here.
SECOND_PROVIDER = """
alter table public.ai_avatar_integrations drop constraint ai_avatar_integrations_provider_check,
add constraint ai_avatar_integrations_provider_check check (provider in ('heygen', 'another'));
"""


@dataclass(frozen=True)
class Sql:
    """One of the two, and whether the flaws are expected."""

    project: Project
    original: bool
    owner: asyncpg.Connection

    def assert_flaw(self, shows: bool) -> None:
        """Shows on the original, does not show on ours."""
        assert shows is self.original


@pytest.fixture(scope="module", params=["original", "ours"])
def migrated(request: pytest.FixtureRequest, server: postgres.Server) -> Iterator[tuple[Project, bool]]:
    with supabase_project(server) as project:
        original = request.param == "original"
        if original:
            script(project.owner_url, ORIGINAL_PLAN)
        else:
            migrations.migrate(SecretStr(project.owner_url))
        script(project.owner_url, SECOND_PROVIDER)
        yield project, original


@pytest.fixture
async def sql(migrated: tuple[Project, bool]) -> AsyncIterator[Sql]:
    owner = await connect(SecretStr(migrated[0].superuser_url))
    yield Sql(*migrated, owner)
    await owner.execute("delete from public.businesses; delete from vault.secrets; delete from tests.heap")
    await owner.close()


@pytest.fixture
async def tenant(sql: Sql) -> Tenant:
    return await make_tenant(sql.owner)


@pytest.fixture
async def other_tenant(sql: Sql) -> Tenant:
    return await make_tenant(sql.owner)


async def outcome(sql: Sql, caller: Caller, statement: str, *arguments: Any) -> Any:
    """The value, or the SQLSTATE with which it was refused."""
    async with acting_as(sql.project.superuser_url, caller) as connection:
        try:
            return await connection.fetchval(statement, *arguments)
        except asyncpg.PostgresError as error:
            return error.sqlstate


async def secrets_left(sql: Sql) -> int:
    count: int = await sql.owner.fetchval("select count(*) from vault.secrets")
    return count


@pytest.mark.parametrize("who", ["user of another business", "user of no business", "anon", "bystander"])
async def test_key_is_read_by_somebody_it_does_not_belong_to(
    sql: Sql, tenant: Tenant, other_tenant: Tenant, who: str
) -> None:
    await sql.owner.fetchval(SET, tenant.business_id, "heygen", "the key")
    callers = {
        "user of another business": signed_in(other_tenant.user_id),
        "user of no business": signed_in(uuid4()),
        "anon": ANON,
        "bystander": BYSTANDER,
    }
    got = await outcome(sql, callers[who], SECRET, tenant.business_id)
    assert got in ("the key", "42501")
    sql.assert_flaw(got == "the key")
    assert await outcome(sql, SERVICE_ROLE, SECRET, tenant.business_id) == "the key"


async def test_key_is_read_by_the_business_s_own_user(sql: Sql, tenant: Tenant) -> None:
    """The key is write-only, for its owner too: what a browser may read, a script in the browser may."""
    await sql.owner.fetchval(SET, tenant.business_id, "heygen", "the key")
    sql.assert_flaw(await outcome(sql, signed_in(tenant.user_id), SECRET, tenant.business_id) == "the key")


@pytest.mark.parametrize("who", ["user of another business", "anon", "forged role claim"])
@pytest.mark.parametrize(
    "statement",
    [
        "select count(*) from public.get_ai_avatar_integration($1)",
        "select count(public.set_ai_avatar_integration($1, 'heygen', 'a foreign key'))",
        "select count(*) from public.delete_ai_avatar_integration($1)",
    ],
)
async def test_another_business_s_integration_is_used(
    sql: Sql, tenant: Tenant, other_tenant: Tenant, who: str, statement: str
) -> None:
    await sql.owner.fetchval(SET, tenant.business_id, "heygen", "the key")
    forged = json.dumps({"role": "service_role", "sub": str(other_tenant.user_id)})
    caller = {
        "user of another business": signed_in(other_tenant.user_id),
        "anon": ANON,
        "forged role claim": Caller("authenticator", "authenticated", forged),
    }[who]
    got = await outcome(sql, caller, statement, tenant.business_id)
    assert got in (1, "42501")
    sql.assert_flaw(got == 1)
    # The business's own user may do all three.
    assert await outcome(sql, signed_in(tenant.user_id), statement, tenant.business_id) == 1


@pytest.mark.parametrize(
    ("statement", "flaw"),
    [
        ("select count(*) from public.ai_avatar_integrations", 1),
        ("select count(secret_id) from public.ai_avatar_integrations", 1),
        (
            "with u as (update public.ai_avatar_integrations set voice_id = 'x' returning 1) select count(*) from u",
            1,
        ),
        ("with d as (delete from public.ai_avatar_integrations returning 1) select count(*) from d", 1),
    ],
)
async def test_table_is_open_to_every_user(
    sql: Sql, tenant: Tenant, other_tenant: Tenant, statement: str, flaw: int
) -> None:
    await sql.owner.fetchval(SET, tenant.business_id, "heygen", "the key")
    got = await outcome(sql, signed_in(other_tenant.user_id), statement)
    sql.assert_flaw(got == flaw)
    assert got in (flaw, 0, "42501")


async def test_delete_with_two_providers_leaves_a_secret(sql: Sql, tenant: Tenant) -> None:
    await connect_two_providers(sql, tenant.business_id)
    assert await secrets_left(sql) == 2
    await sql.owner.execute(DELETE, tenant.business_id)
    sql.assert_flaw(await secrets_left(sql) > 0)
    assert not await sql.owner.fetchval("select count(*) from public.ai_avatar_integrations")


@pytest.mark.parametrize(
    "statement",
    [
        "delete from public.businesses",
        "delete from public.ai_avatar_integrations",
        "truncate public.ai_avatar_integrations",
        "truncate public.businesses cascade",
        "update public.ai_avatar_integrations set secret_id = null",
    ],
)
async def test_secret_is_left_behind(sql: Sql, tenant: Tenant, statement: str) -> None:
    await connect_two_providers(sql, tenant.business_id)
    await sql.owner.execute(statement)
    sql.assert_flaw(await secrets_left(sql) > 0)


async def connect_two_providers(sql: Sql, business_id: UUID) -> None:
    """Our function takes its providers from a list in SQL, the original from its own text: so by hand, in both."""
    await sql.owner.fetchval(SET, business_id, "heygen", "the key")
    await sql.owner.execute(
        "insert into public.ai_avatar_integrations (business_id, provider, secret_id, created_at) "
        "values ($1, 'another', vault.create_secret('another key'), now() - interval '1 day')",
        business_id,
    )


async def test_two_first_saves_at_once_collide(sql: Sql, tenant: Tenant) -> None:
    first, second = [await connect(SecretStr(sql.project.superuser_url)) for _ in range(2)]
    try:
        transaction = first.transaction()
        await transaction.start()
        first_id = await first.fetchval(SET, tenant.business_id, "heygen", "first key")
        late = asyncio.create_task(second.fetchval(SET, tenant.business_id, "heygen", "second key"))
        async with asyncio.timeout(10):
            await waits_for_a_lock(sql, second)
        await transaction.commit()
        result: UUID | BaseException = (await asyncio.gather(late, return_exceptions=True))[0]
    finally:
        await first.close()
        await second.close()

    sql.assert_flaw(isinstance(result, asyncpg.UniqueViolationError))
    assert await secrets_left(sql) == 1
    key = await sql.owner.fetchval(SECRET, tenant.business_id)
    assert (result == first_id, key) == (not sql.original, "first key" if sql.original else "second key")


async def waits_for_a_lock(sql: Sql, connection: asyncpg.Connection) -> None:
    waiting = "select wait_event_type = 'Lock' from pg_stat_activity where pid = $1"
    # Another process's state: there is nothing to wait on but time.
    while not await sql.owner.fetchval(waiting, connection.get_server_pid()):
        await asyncio.sleep(0.01)


async def test_name_left_behind_by_a_delete_blocks_the_next_save(sql: Sql, tenant: Tenant) -> None:
    name = f"ai_avatar_heygen_key_for_business_{tenant.business_id}"
    await sql.owner.fetchval("select vault.create_secret('an old key', $1)", name)
    try:
        await sql.owner.fetchval(SET, tenant.business_id, "heygen", "the key")
    except asyncpg.UniqueViolationError:
        sql.assert_flaw(True)
        return
    sql.assert_flaw(False)
    assert await sql.owner.fetchval(SECRET, tenant.business_id) == "the key"
    assert await secrets_left(sql) == 1


async def test_saving_again_without_a_config_wipes_it(sql: Sql, tenant: Tenant) -> None:
    await sql.owner.fetchval(
        "select public.set_ai_avatar_integration($1, 'heygen', 'key', 'avatar', 'voice', '{\"speed\": 1.1}')",
        tenant.business_id,
    )
    await sql.owner.fetchval(SET, tenant.business_id, "heygen", "another key")
    [kept] = await sql.owner.fetch(
        "select avatar_id, voice_id, provider_config from public.ai_avatar_integrations"
    )
    sql.assert_flaw(kept["provider_config"] == "{}")
    assert (kept["avatar_id"], kept["voice_id"]) == ("avatar", "voice")
    assert kept["provider_config"] in ("{}", '{"speed": 1.1}')


async def test_provider_is_picked_by_where_its_row_happens_to_lie(
    sql: Sql, tenant: Tenant, other_tenant: Tenant
) -> None:
    """The same two providers of the same ages; only the order in which the rows were written differs."""
    await connect_two_providers(sql, tenant.business_id)
    await connect_two_providers(sql, other_tenant.business_id)
    await sql.owner.execute(
        "with moved as (delete from public.ai_avatar_integrations where business_id = $1 and provider = 'heygen' "
        "returning business_id, provider, created_at) "
        "insert into public.ai_avatar_integrations (business_id, provider, created_at) select * from moved",
        other_tenant.business_id,
    )
    picked = [
        await sql.owner.fetchval("select provider from public.get_ai_avatar_integration($1)", business_id)
        for business_id in (tenant.business_id, other_tenant.business_id)
    ]
    sql.assert_flaw(picked == ["heygen", "another"])
    if not sql.original:
        assert picked == ["another", "another"], "the oldest"
        named = "select public.get_ai_avatar_secret($1, p_provider => 'heygen')"
        assert await sql.owner.fetchval(named, tenant.business_id) == "the key"


async def test_plain_key_stays_in_the_vault_s_heap(sql: Sql, tenant: Tenant) -> None:
    """The vault of the tests keeps every version of a row that it ever wrote, as a heap page and the WAL do."""
    await sql.owner.fetchval(SET, tenant.business_id, "heygen", "the plain key")
    written = [row[0] for row in await sql.owner.fetch("select secret from tests.heap")]
    sql.assert_flaw("the plain key" in written)
    assert await sql.owner.fetchval(SECRET, tenant.business_id) == "the plain key"
    if not sql.original:
        assert written[0] == "sealed:v1:none:placeholder"


async def test_search_path_of_a_function_can_be_written_to(sql: Sql) -> None:
    paths = await sql.owner.fetch(
        "select p.proname, coalesce(p.proconfig, '{}') as config from pg_proc as p "
        "join pg_namespace as n on n.oid = p.pronamespace "
        "where n.nspname in ('public', 'ai_avatar') and p.proname <> 'touch_updated_at'"
    )
    assert len(paths) >= 5
    sql.assert_flaw(any("search_path=pg_catalog, pg_temp" not in row["config"] for row in paths))


async def test_deleting_a_secret_reads_the_whole_table(sql: Sql) -> None:
    """The check of a foreign key needs an index on the column that refers: 645 ms against 6 at 200,000 rows."""
    plan = await sql.owner.fetch(
        "select conrelid::regclass::text, a.attname from pg_constraint as c "
        "join pg_attribute as a on a.attrelid = c.conrelid and a.attnum = c.conkey[1] "
        "where c.contype = 'f' and c.confrelid = 'vault.secrets'::regclass "
        "and not exists (select from pg_index as i where i.indrelid = c.conrelid and i.indkey[0] = c.conkey[1])"
    )
    sql.assert_flaw(len(plan) > 0)
    if not sql.original:
        async with sql.owner.transaction():
            await sql.owner.execute("set local enable_seqscan = off")
            lines = await sql.owner.fetch(
                "explain select from only public.ai_avatar_integrations where secret_id = gen_random_uuid()"
            )
        assert any("idx_ai_avatar_integrations_secret_id" in line[0] for line in lines)
