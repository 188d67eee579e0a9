"""Every caller, every object that the migrations make, every verb: really tried.

MAY says what is allowed; whatever it does not name must be denied, also on objects that do not exist yet.
"""

import asyncio
from dataclasses import dataclass
from uuid import uuid4

import asyncpg
import pytest
from pydantic import SecretStr
from support.roles import (
    ANON,
    AUTHENTICATOR,
    BACKEND,
    BYSTANDER,
    SERVICE,
    SERVICE_ROLE,
    Caller,
    acting_as,
    signed_in,
)
from support.supabase import Project
from support.tenants import Tenant, make_tenant

from app.db import connect

pytestmark = pytest.mark.anyio

# who | verb | object | columns (* is all of them)
MAY = """
user    | select | public.ai_avatar_integrations | id created_at updated_at business_id provider avatar_id voice_id
                                                   provider_config status validated_at last_synced_at
user    | update | public.ai_avatar_integrations | avatar_id voice_id provider_config updated_at
backend | select | public.ai_avatar_integrations | *
backend | insert | public.ai_avatar_integrations | *
backend | update | public.ai_avatar_integrations | *
backend | delete | public.ai_avatar_integrations |
backend | select | ai_avatar.secret_reads        | *
backend | select | ai_avatar.generations         | *
backend | select | vault.secrets                 | *
backend | delete | vault.secrets                 |
backend | select | vault.decrypted_secrets       | *
backend | delete | vault.decrypted_secrets       |

user backend service | execute | public.get_ai_avatar_integration
user backend service | execute | public.set_ai_avatar_integration
user backend service | execute | public.delete_ai_avatar_integration
     backend service | execute | public.get_ai_avatar_secret
     backend         | execute | vault.create_secret
     backend         | execute | vault.update_secret

backend service | execute | ai_avatar.own_business_id
backend service | execute | ai_avatar.vault_encrypts
backend service | execute | ai_avatar.list_integrations
backend service | execute | ai_avatar.update_integration
backend service | execute | ai_avatar.record_key_check
backend service | execute | ai_avatar.record_sync
backend service | execute | ai_avatar.lease_key_checks
backend service | execute | ai_avatar.lease_video_checks
backend service | execute | ai_avatar.record_scheduled_key_check
backend service | execute | ai_avatar.purge_secret_reads
backend service | execute | ai_avatar.list_secrets
backend service | execute | ai_avatar.count_secrets
backend service | execute | ai_avatar.replace_secret
backend service | execute | ai_avatar.get_membership
backend service | execute | ai_avatar.get_memberships
backend service | execute | ai_avatar.schema_revision
backend service | execute | ai_avatar.get_readiness
backend service | execute | ai_avatar.migration_warnings
backend service | execute | ai_avatar.get_generation
backend service | execute | ai_avatar.start_generation
backend service | execute | ai_avatar.confirm_dispatch
backend service | execute | ai_avatar.roll_back_dispatch
backend service | execute | ai_avatar.claim_credentials
backend service | execute | ai_avatar.reserve_create
backend service | execute | ai_avatar.release_create
backend service | execute | ai_avatar.report_generation
backend service | execute | ai_avatar.cancel_generation
backend service | execute | ai_avatar.expire_generations
backend service | execute | ai_avatar.reset_content
backend service | execute | ai_avatar.list_overdue_generations
backend service | execute | ai_avatar.count_live_generations
backend service | execute | ai_avatar.end_video_checks
backend service | execute | ai_avatar.refresh_video_url
backend service | execute | ai_avatar.get_latest_generation
backend service | execute | ai_avatar.get_latest_generations
backend service | execute | ai_avatar.list_generations
backend service | execute | ai_avatar.list_videos
"""

# Tables that the baseline makes where there are none, for the back end alone; a customer's own are not ours to test.
MAY_WHERE_MADE = """
backend | select | public.businesses | *
backend | insert | public.businesses | *
backend | update | public.businesses | *
backend | delete | public.businesses |
backend | select | public.profiles   | *
backend | insert | public.profiles   | *
backend | update | public.profiles   | *
backend | delete | public.profiles   |
backend | select | public.content    | *
backend | insert | public.content    | *
backend | update | public.content    | *
backend | delete | public.content    |
"""

FORGED = '{"role": "service_role", "sub": "%s"}'

# What a caller is in MAY; an empty word is in none of its lines.
CALLERS = {
    "anon": (ANON, ""),
    "anon with a forged role claim": (Caller(AUTHENTICATOR, "anon", FORGED % uuid4()), ""),
    "the browser's login before it switches": (Caller(AUTHENTICATOR, None, FORGED % uuid4()), ""),
    "user": (signed_in("{user}"), "user"),
    "user of another business": (signed_in("{other_user}"), "user"),
    "user of no business": (signed_in(uuid4()), "user"),
    "user with a broken sub": (signed_in("not-a-uuid"), "user"),
    "user without a sub": (Caller(AUTHENTICATOR, "authenticated", '{"role": "authenticated"}'), "user"),
    "user with a forged role claim": (Caller(AUTHENTICATOR, "authenticated", FORGED % uuid4()), "user"),
    "user with claims that are no JSON": (Caller(AUTHENTICATOR, "authenticated", "{"), "user"),
    "service_role": (SERVICE_ROLE, "backend"),
    "login in service_role": (BACKEND, "backend"),
    "service's login": (SERVICE, "service"),
    "bystander": (BYSTANDER, ""),
    "bystander with forged claims": (Caller(BYSTANDER.login, None, FORGED % uuid4()), ""),
}


@dataclass(frozen=True)
class Attempt:
    """One thing that a caller tries, and how the catalogue would answer."""

    verb: str
    target: str
    column: str
    statement: str
    privilege: str


# In the caller's name, and undone: each attempt says how it ended.
PREPARE = """
create schema attempts;
grant usage on schema attempts to public;
create function attempts.attempt(p_statement text) returns text language plpgsql as $$
begin
    begin
        execute p_statement;
        raise exception using errcode = 'TS000';
    exception
        when sqlstate 'TS000' then return 'done';
        when others then return sqlstate || ' ' || sqlerrm;
    end;
end;
$$;
create function attempts.trigger_function() returns trigger language plpgsql as 'begin return new; end';
"""

OURS = """
create view attempts.ours as
select c.oid, c.relkind, quote_ident(n.nspname) || '.' || quote_ident(c.relname) as target
from pg_class as c
join pg_namespace as n on n.oid = c.relnamespace
where c.relkind in ('r', 'v', 'S', 'p', 'm', 'f')
    and (
        n.nspname in ('ai_avatar', 'vault')
        or (n.nspname = 'public' and (
            c.relname like '%ai_avatar%'
            or exists (
                select from ai_avatar.created_objects as m
                where m.kind = 'table' and m.object = n.nspname || '.' || c.relname
            )
        ))
    );
create view attempts.our_functions as
select p.oid, quote_ident(n.nspname) || '.' || quote_ident(p.proname) as target, array_to_string(array(
    select 'null::' || format_type(argument, null)
    from unnest(p.proargtypes::oid[]) with ordinality as a (argument, position) order by position
), ', ') as arguments
from pg_proc as p
join pg_namespace as n on n.oid = p.pronamespace
where n.nspname in ('ai_avatar', 'vault') or (n.nspname = 'public' and p.proname like '%ai_avatar%');
"""

ATTEMPTS = """
with columns as (
    select o.*, a.attname, quote_ident(a.attname) as col
    from attempts.ours as o
    join pg_attribute as a on a.attrelid = o.oid and a.attnum > 0 and not a.attisdropped
    where o.relkind <> 'S'
)
select 'select' as verb, target, attname as column, format('select %s from %s', col, target) as statement,
    format('has_column_privilege(%s, %L, ''select'')', oid, attname) as privilege
from columns
union all
select 'insert', target, attname, format('insert into %s (%s) values (default)', target, col),
    format('has_column_privilege(%s, %L, ''insert'')', oid, attname)
from columns
union all
select 'update', target, attname, format('update %s set %s = default', target, col),
    format('has_column_privilege(%s, %L, ''update'')', oid, attname)
from columns
union all
select 'references', target, attname, null, format('has_column_privilege(%s, %L, ''references'')', oid, attname)
from columns
union all
select verb, target, '', format(statement, target), format('has_table_privilege(%s, %L)', oid, verb)
from attempts.ours, (values
    ('delete', 'delete from %s'),
    ('truncate', 'truncate %s'),
    ('trigger', 'create trigger attempt before insert on %s '
        'for each statement execute function attempts.trigger_function()')
) as verbs (verb, statement)
where relkind <> 'S'
union all
select verb, target, '', null, format('has_table_privilege(%s, %L)', oid, verb)
from attempts.ours, (values ('maintain')) as verbs (verb)
where relkind <> 'S' and current_setting('server_version_num')::integer >= 170000
union all
select 'own', target, '', format('alter table %s owner to current_user', target), 'false'
from attempts.ours where relkind <> 'S'
union all
select 'select', target, '', format('select last_value from %s', target),
    format('has_sequence_privilege(%s, ''select'')', oid)
from attempts.ours where relkind = 'S'
union all
select 'usage', target, '', format('select nextval(%L)', target),
    format('has_sequence_privilege(%s, ''usage, update'')', oid)
from attempts.ours where relkind = 'S'
union all
select 'update', target, '', format('select setval(%L, 1)', target),
    format('has_sequence_privilege(%s, ''update'')', oid)
from attempts.ours where relkind = 'S'
union all
select 'execute', target, '', format('select %s(%s)', target, arguments),
    format('has_function_privilege(%s, ''execute'')', oid)
from attempts.our_functions
union all
select 'own', target, arguments, format('drop function %s', oid::regprocedure), 'false'
from attempts.our_functions
union all
select 'create', n.nspname, '', format('create table %I.attempt ()', n.nspname),
    format('has_schema_privilege(%s, ''create'')', n.oid)
from pg_namespace as n where n.nspname in ('ai_avatar', 'vault', 'public')
"""


@pytest.fixture(scope="module")
def attempts(project: Project) -> list[Attempt]:
    """Everything that there is to try in this database, from its catalogue."""

    async def prepare() -> list[Attempt]:
        connection = await connect(SecretStr(project.superuser_url))
        await connection.execute(PREPARE + OURS)
        rows = await connection.fetch(ATTEMPTS)
        await connection.close()
        return [Attempt(*row) for row in rows]

    return asyncio.run(prepare())


@pytest.fixture(scope="module")
def tenants(project: Project) -> tuple[Tenant, Tenant]:
    """Two businesses with an integration each: what is allowed must not depend on tables that are empty."""

    async def make() -> tuple[Tenant, Tenant]:
        connection = await connect(SecretStr(project.superuser_url))
        made = await make_tenant(connection), await make_tenant(connection)
        for tenant in made:
            await connection.execute(
                "select public.set_ai_avatar_integration($1, 'heygen', 'sealed:v1:test:key', 'avatar', 'voice')",
                tenant.business_id,
            )
        await connection.close()
        return made

    return asyncio.run(make())


def _expected(word: str, attempts: list[Attempt]) -> set[tuple[str, str, str]]:
    made = {attempt.target for attempt in attempts}
    text = MAY + (MAY_WHERE_MADE if "public.businesses" in made else "")
    allowed: set[tuple[str, str, str]] = set()
    for line in text.replace("\n" + " " * 51, " ").splitlines():
        if not line.strip():
            continue
        who, verb, target, columns = (part.strip() for part in f"{line}|".split("|")[:4])
        if word not in who.split():
            continue
        if columns == "*":
            columns = " ".join(a.column for a in attempts if (a.verb, a.target) == (verb, target))
        allowed |= {(verb, target, column) for column in columns.split() or [""]}
    return allowed


async def _tried(connection: asyncpg.Connection, attempts: list[Attempt]) -> dict[tuple[str, str, str], str]:
    """How each attempt ended; the verbs that cannot be tried on their own are left out."""
    real = [attempt for attempt in attempts if attempt.statement]
    outcomes = await connection.fetch(
        "select attempts.attempt(s) from unnest($1::text[]) with ordinality as t (s, n) order by n",
        [attempt.statement for attempt in real],
    )
    return {
        (attempt.verb, attempt.target, attempt.column): outcome[0]
        for attempt, outcome in zip(real, outcomes, strict=True)
    }


async def _declared(connection: asyncpg.Connection, attempts: list[Attempt]) -> set[tuple[str, str, str]]:
    """What the catalogue says may be done, where the schema may be used at all."""
    answers = await connection.fetch(
        "select "
        + " union all select ".join(
            f"({attempt.privilege}) and coalesce(has_schema_privilege("
            f"to_regnamespace('{attempt.target.partition('.')[0]}')::oid, 'usage'), false)"
            for attempt in attempts
        )
    )
    return {
        (attempt.verb, attempt.target, attempt.column)
        for attempt, answer in zip(attempts, answers, strict=True)
        if answer[0]
    }


def _denied(outcome: str) -> bool:
    """PostgreSQL would not let the caller at the object; not: a row, or an argument, was refused."""
    return outcome.startswith(("42501 permission denied", "42501 must be owner"))


# PostgreSQL rejects these before it looks at privileges, so that only the catalogue can tell.
_UNDECIDED = ("55000 cannot ", "42809 ", "0A000 cannot ", "428C9 ", "42P16 ")


@pytest.mark.parametrize("name", CALLERS)
async def test_caller_may_do_what_the_table_says_and_nothing_else(
    project: Project, attempts: list[Attempt], tenants: tuple[Tenant, Tenant], name: str
) -> None:
    caller, word = CALLERS[name]
    if caller.claims:
        claims = caller.claims.replace("{user}", str(tenants[0].user_id))
        claims = claims.replace("{other_user}", str(tenants[1].user_id))
        caller = Caller(caller.login, caller.role, claims)
    expected = _expected(word, attempts)

    async with acting_as(project.superuser_url, caller) as connection:
        declared = await _declared(connection, attempts)
        tried = await _tried(connection, attempts)

    assert declared == expected
    undecided = {key for key, outcome in tried.items() if outcome.startswith(_UNDECIDED)}
    done = {key for key, outcome in tried.items() if not _denied(outcome)} - undecided
    assert done == {key for key in expected if key in tried} - undecided


async def test_matrix_reaches_every_kind_of_object(attempts: list[Attempt]) -> None:
    targets = {attempt.target for attempt in attempts}
    assert {
        "public.ai_avatar_integrations",
        "ai_avatar.generations",
        "ai_avatar.generation_states",
        "ai_avatar.created_objects",
        "ai_avatar.alembic_version",
        "ai_avatar.secret_reads_id_seq",
        "vault.secrets",
        "vault.decrypted_secrets",
        "ai_avatar.check_caller",
        "ai_avatar.delete_orphaned_secret",
    } <= targets
    functions = [attempt.target for attempt in attempts if attempt.verb == "execute"]
    assert len(functions) == len(set(functions)), "MAY names functions without arguments: none is overloaded"


async def test_matrix_notices_what_is_granted_beside_the_table(
    project: Project, attempts: list[Attempt], tenants: tuple[Tenant, Tenant]
) -> None:
    admin = await connect(SecretStr(project.superuser_url))
    await admin.execute(
        "grant select (secret_id) on public.ai_avatar_integrations to authenticated;"
        "grant truncate on ai_avatar.generations to ai_avatar_service;"
        "grant execute on function ai_avatar.is_back_end to ai_avatar_service"
    )
    try:
        for caller, word, extra in [
            (signed_in(uuid4()), "user", {("select", "public.ai_avatar_integrations", "secret_id")}),
            (
                SERVICE,
                "service",
                {("truncate", "ai_avatar.generations", ""), ("execute", "ai_avatar.is_back_end", "")},
            ),
        ]:
            async with acting_as(project.superuser_url, caller) as connection:
                declared = await _declared(connection, attempts)
                tried = await _tried(connection, attempts)
            expected = _expected(word, attempts)
            assert declared - expected == extra
            assert {
                key for key, outcome in tried.items() if key not in expected and not _denied(outcome)
            } >= extra
    finally:
        await admin.execute(
            "revoke select (secret_id) on public.ai_avatar_integrations from authenticated;"
            "revoke truncate on ai_avatar.generations from ai_avatar_service;"
            "revoke execute on function ai_avatar.check_caller from ai_avatar_service"
        )
        await admin.close()


async def test_policies_can_be_evaluated_by_users_who_may_not_use_the_schema(project: Project) -> None:
    """EXECUTE without USAGE: the policy's helper runs inside the policy, and cannot be called."""
    async with acting_as(project.superuser_url, signed_in(uuid4())) as connection:
        assert await connection.fetchval(
            "select has_function_privilege(p.oid, 'execute') from pg_proc as p where p.proname = 'own_business_id'"
        )
        assert not await connection.fetchval(
            "select has_schema_privilege(n.oid, 'usage') from pg_namespace as n where n.nspname = 'ai_avatar'"
        )


async def test_user_sees_and_changes_rows_of_the_own_business_only(
    project: Project, tenants: tuple[Tenant, Tenant]
) -> None:
    for sub, visible in [
        (tenants[0].user_id, [tenants[0].business_id]),
        (tenants[1].user_id, [tenants[1].business_id]),
        (uuid4(), []),
        ("not-a-uuid", []),
        ("", []),
    ]:
        async with acting_as(project.superuser_url, signed_in(sub)) as connection:
            rows = await connection.fetch("select business_id from public.ai_avatar_integrations")
            assert [row[0] for row in rows] == visible
            changed = await connection.fetch(
                "update public.ai_avatar_integrations set avatar_id = 'new', updated_at = '2000-01-01' "
                "returning business_id, updated_at > '2001-01-01' as stamped"
            )
            assert [tuple(row) for row in changed] == [(business_id, True) for business_id in visible]


@pytest.mark.parametrize("caller", [SERVICE_ROLE, BACKEND], ids=["PostgREST", "login in service_role"])
async def test_back_end_sees_every_row(
    project: Project, tenants: tuple[Tenant, Tenant], caller: Caller
) -> None:
    """A login that is a member of service_role does not inherit its BYPASSRLS."""
    async with acting_as(project.superuser_url, caller) as connection:
        assert await connection.fetchval("select count(*) from public.ai_avatar_integrations") >= 2


async def test_wider_policy_of_somebody_else_opens_no_other_business(
    project: Project, tenants: tuple[Tenant, Tenant]
) -> None:
    """A table that was taken over may have policies of its own; permissive ones add up."""
    admin = await connect(SecretStr(project.superuser_url))
    await admin.execute(
        'create policy "Everybody" on public.ai_avatar_integrations for all to public using (true) with check (true)'
    )
    try:
        async with acting_as(project.superuser_url, signed_in(tenants[0].user_id)) as connection:
            rows = await connection.fetch("select business_id from public.ai_avatar_integrations")
            assert [row[0] for row in rows] == [tenants[0].business_id]
            assert (
                await connection.execute("update public.ai_avatar_integrations set voice_id = 'x'")
                == "UPDATE 1"
            )
    finally:
        await admin.execute('drop policy "Everybody" on public.ai_avatar_integrations')
        await admin.close()
