"""No caller can put code of its own in the place of a type, function, operator or table that our functions use.

A temporary object comes before one of its name wherever `pg_temp` is searched first, which is the default. In a
SECURITY DEFINER function, it would run with the rights of the owner, who reads every key.
"""

from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from pydantic import SecretStr
from support.functions import Function, list_functions
from support.roles import SERVICE, SERVICE_ROLE, Caller, acting_as, signed_in
from support.supabase import Project
from support.tenants import Tenant, make_tenant

from app.db import connect

pytestmark = pytest.mark.anyio

# Whose functions have an empty search_path, as Supabase's own: only `revoke temporary`, which docs/deploy-supabase.md
# runs, keeps planted types out of them.
VAULT_OWNER = "tests_vault_owner"

# `spy` says who runs it. Types and functions that have the name of a word in one of our functions, operators of the
# catalogue's between such types, and relations of every schema that our functions read.
PLANT = r"""
create function pg_temp.spy() returns pg_catalog.bool language plpgsql set search_path = pg_catalog as $$
begin
    raise notice 'planted code runs as %', current_user;
    return true;
end;
$$;

do $plant$
declare
    v_words pg_catalog.text[];
    v_types pg_catalog.oid[];
    v_item pg_catalog.record;
    v_count pg_catalog.int4 := 0;
begin
    perform pg_catalog.set_config('search_path', 'pg_catalog', true);
    select array_agg(distinct found.word[1]) into v_words
    from pg_proc as p, regexp_matches(lower(pg_get_functiondef(p.oid)), '[a-z_][a-z0-9_]*', 'g') as found (word)
    where p.pronamespace in (
        select n.oid from pg_namespace as n where n.nspname in ('ai_avatar', 'public', 'auth', 'vault')
    ) and p.prokind = 'f';
    select array_agg(t.oid) into v_types from pg_type as t
    where t.typnamespace = 'pg_catalog'::regnamespace and t.typtype = 'b' and t.typelem = 0
        and (t.typname = any (v_words) or format_type(t.oid, null) = any (v_words));

    for v_item in
        select o.oprname as name, o.oprleft::regtype as on_left, o.oprright::regtype as on_right,
            o.oprresult::regtype as result
        from pg_operator as o
        where o.oprleft = any (v_types) and o.oprright = any (v_types)
            and o.oprnamespace = 'pg_catalog'::regnamespace
    loop
        v_count := v_count + 1;
        execute format(
            'create function pg_temp.operator_%s(%s, %s) returns %s language plpgsql as '
            '$$ begin perform pg_temp.spy(); return null; end $$', v_count, v_item.on_left, v_item.on_right,
            v_item.result
        );
        execute format(
            'create operator pg_temp.%s (leftarg = %s, rightarg = %s, function = pg_temp.operator_%s)',
            v_item.name, v_item.on_left, v_item.on_right, v_count
        );
    end loop;

    for v_item in
        select p.proname as name, pg_get_function_identity_arguments(p.oid) as arguments,
            p.prorettype::regtype as result
        from pg_proc as p
        where p.pronamespace = 'pg_catalog'::regnamespace and p.prokind = 'f' and p.proname = any (v_words)
            and p.provariadic = 0 and not p.proretset
            and not exists (
                select from pg_type as t
                where t.oid = any (p.proargtypes::oid[] || p.prorettype) and t.typtype = 'p'
            )
    loop
        execute format(
            'create function pg_temp.%I(%s) returns %s language plpgsql as '
            '$$ begin perform pg_temp.spy(); return null; end $$', v_item.name, v_item.arguments, v_item.result
        );
    end loop;

    for v_item in
        select distinct c.relname as name from pg_class as c
        where c.relkind in ('r', 'v') and c.relname = any (v_words)
            and c.relnamespace in (
                select n.oid from pg_namespace as n
                where n.nspname in ('ai_avatar', 'public', 'vault', 'pg_catalog')
            )
    loop
        execute format('create view pg_temp.%I as select pg_temp.spy() as planted', v_item.name);
    end loop;

    -- Last: from here on these names mean the planted types, where the path is the default.
    for v_item in
        select t.typname as name from pg_type as t
        where t.oid = any (v_types) and to_regclass('pg_temp.' || quote_ident(t.typname)) is null
    loop
        execute format('create domain pg_temp.%1$I as pg_catalog.%1$I check (pg_temp.spy())', v_item.name);
    end loop;
    perform pg_catalog.set_config('search_path', '', true);
end;
$plant$;
"""

# What the others need comes first, and what takes it away last.
FIRST = ["set_ai_avatar_integration", "start_generation", "claim_credentials"]
LAST = ["report_generation", "cancel_generation", "delete_ai_avatar_integration"]

TRIGGERS = [
    "update public.ai_avatar_integrations set avatar_id = 'another' where business_id = $1",
    "update public.ai_avatar_integrations set secret_id = null where business_id = $1",
    "delete from public.ai_avatar_integrations where business_id = $1",
]


def _in_order(functions: Sequence[Function]) -> list[Function]:
    def place(function: Function) -> int:
        short = function.name.partition(".")[2]
        return FIRST.index(short) - 100 if short in FIRST else LAST.index(short) + 1 if short in LAST else 0

    return sorted(functions, key=place)


async def _call_everything(
    connection: asyncpg.Connection, functions: Sequence[Function], tenant: Tenant
) -> dict[str, str]:
    """Call each function, then write to the table with triggers; return what came of it."""
    outcomes: dict[str, str] = {}

    async def run(name: str, sql: str, *arguments: Any) -> None:
        try:
            async with connection.transaction():
                outcomes[name] = await connection.execute(sql, *arguments)
        except asyncpg.PostgresError as error:
            outcomes[name] = str(error.sqlstate)

    for function in _in_order(functions):
        await run(function.signature, f"select from {function.call}", *function.arguments(tenant))
    save = "select from public.set_ai_avatar_integration($1, 'heygen', 'sealed:v1:test:key', 'an-avatar')"
    await run("save once more", save, tenant.business_id)
    for statement in TRIGGERS:
        await run(statement, statement, tenant.business_id)
    return outcomes


def _caller(name: str, tenant: Tenant) -> Caller:
    return {"service": SERVICE, "service_role": SERVICE_ROLE, "user": signed_in(tenant.user_id)}[name]


@pytest.mark.parametrize("name", ["service", "service_role", "user"])
async def test_planted_code_runs_in_none_of_our_functions(project: Project, name: str) -> None:
    admin = await connect(SecretStr(project.superuser_url))
    tenant = await make_tenant(admin)
    await admin.close()
    async with acting_as(project.superuser_url, _caller(name, tenant)) as connection:
        functions = await list_functions(connection)
        expected = await _call_everything(connection, functions, tenant)

    async with acting_as(project.superuser_url, _caller(name, tenant)) as connection:
        await connection.fetchval("select $1::uuid[]", [])  # the driver looks this type up, as the caller
        await connection.execute(PLANT)
        ran: list[str] = []
        connection.add_log_listener(lambda _, message: ran.append(message.message))
        outcomes = await _call_everything(connection, functions, tenant)

    assert outcomes == expected
    # The calls did their work.
    assert sum(outcome.startswith("SELECT") for outcome in outcomes.values()) >= (3 if name == "user" else 20)
    assert {line for line in ran if "planted" in line} <= {f"planted code runs as {VAULT_OWNER}"}
    if project.owner_url == project.superuser_url:
        assert not ran


async def test_planted_code_would_run_with_an_empty_search_path(project: Project) -> None:
    """What the functions must not have; so the test above is not blind."""
    admin = await connect(SecretStr(project.superuser_url))
    await admin.execute(
        """
        create schema control;
        grant usage on schema control to public;
        create function control.f(v uuid) returns integer language plpgsql security definer set search_path = '' as $$
        declare
            v_copy uuid := v;
        begin
            return 1;
        end;
        $$
        """
    )
    try:
        async with acting_as(project.superuser_url, SERVICE) as connection:
            await connection.execute(PLANT)
            ran: list[str] = []
            connection.add_log_listener(lambda _, message: ran.append(message.message))
            await connection.execute("select from control.f($1)", uuid4())
        assert ran
        assert set(ran) == {f"planted code runs as {await admin.fetchval('select current_user')}"}
    finally:
        await admin.execute("drop schema control cascade")
        await admin.close()
