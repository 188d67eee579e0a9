"""Who talks to the database, as they really do: through PostgREST's login and claims, or with a login of their own."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg
from pydantic import SecretStr
from support import postgres

from app.db import connect

AUTHENTICATOR = "authenticator"
SERVICE_LOGIN = "tests_service"
BACKEND_LOGIN = "tests_backend"
BYSTANDER_LOGIN = "tests_bystander"

# Roles are the whole server's, and other tests use them at this moment: each is made where missing, never dropped.
_ROLES = f"""
do $$
declare
    v_role text[];
begin
    foreach v_role slice 1 in array array[
        ['anon', 'nologin noinherit'],
        ['authenticated', 'nologin noinherit'],
        ['service_role', 'nologin noinherit'],
        ['ai_avatar_service', 'nologin noinherit'],
        ['{AUTHENTICATOR}', 'login noinherit in role anon, authenticated, service_role'],
        ['{SERVICE_LOGIN}', 'login in role ai_avatar_service'],
        ['{BACKEND_LOGIN}', 'login in role service_role'],
        ['{BYSTANDER_LOGIN}', 'login']
    ] loop
        if not exists (select from pg_roles where rolname = v_role[1]) then
            begin
                execute format('create role %I %s', v_role[1], v_role[2]);
            exception when duplicate_object or unique_violation then
                null;
            end;
        end if;
    end loop;
    -- As at Supabase. A login that is a member does not inherit it.
    if not (select rolbypassrls from pg_roles where rolname = 'service_role') then
        alter role service_role bypassrls;
    end if;
end;
$$;
"""


def make_roles(server: postgres.Server) -> None:
    """Makes the roles and logins of the tests; safe from several workers at once."""
    with postgres.lock("roles"):
        server.run(_ROLES)


@dataclass(frozen=True)
class Caller:
    """A login, the role that it switches to, and the claims that PostgREST sets, as text."""

    login: str
    role: str | None = None
    claims: str | None = None


def signed_in(sub: object, **claims: Any) -> Caller:
    """A user of the browser: PostgREST in the role authenticated, with the claims of the user's token."""
    return Caller(
        AUTHENTICATOR, "authenticated", json.dumps({"role": "authenticated", "sub": str(sub), **claims})
    )


ANON = Caller(AUTHENTICATOR, "anon", '{"role": "anon"}')
SERVICE_ROLE = Caller(AUTHENTICATOR, "service_role", '{"role": "service_role"}')
SERVICE = Caller(SERVICE_LOGIN)
BACKEND = Caller(BACKEND_LOGIN)
BYSTANDER = Caller(BYSTANDER_LOGIN)


@asynccontextmanager
async def acting_as(database_url: str, caller: Caller) -> AsyncIterator[asyncpg.Connection]:
    """A connection in a transaction of that caller; all that it does is undone."""
    connection = await connect(SecretStr(as_login(database_url, caller.login)))
    transaction = connection.transaction()
    await transaction.start()
    try:
        if caller.claims is not None:
            await connection.execute("select set_config('request.jwt.claims', $1, true)", caller.claims)
        if caller.role is not None:
            await connection.execute("select set_config('role', $1, true)", caller.role)
        yield connection
    finally:
        await transaction.rollback()
        await connection.close()


def as_login(database_url: str, login: str) -> str:
    """The same database, for another login."""
    scheme, _, rest = database_url.partition("://")
    return f"{scheme}://{login}@{rest.partition('@')[2]}"
