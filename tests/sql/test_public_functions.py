"""The original plan's four functions, as PostgREST's callers, the service's login and a bystander call them."""

import asyncio
import json
from contextlib import suppress
from typing import Any
from uuid import UUID, uuid4

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
from support.tenants import Tenant

from app.db import connect

pytestmark = pytest.mark.anyio

KEY = "sealed:v1:test:the-key"
BACK_ENDS = {"service_role": SERVICE_ROLE, "login in service_role": BACKEND, "service's login": SERVICE}
GET = "select provider from public.get_ai_avatar_integration($1)"
SET = "select public.set_ai_avatar_integration($1, 'heygen', 'sealed:v1:test:another-key') is not null"
DELETE = "select public.delete_ai_avatar_integration($1)"
SECRET = "select public.get_ai_avatar_secret($1)"
STATEMENTS = [
    pytest.param(statement, id=name)
    for name, statement in {"get": GET, "set": SET, "delete": DELETE, "secret": SECRET}.items()
]


async def connect_heygen(admin_connection: asyncpg.Connection, business_id: UUID) -> None:
    await admin_connection.execute(
        "select public.set_ai_avatar_integration($1, 'heygen', $2, 'avatar', 'voice')", business_id, KEY
    )


async def refused(project: Project, caller: Caller, statement: str, *arguments: Any) -> str:
    async with acting_as(project.superuser_url, caller) as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError) as caught:
            await connection.fetchval(statement, *arguments)
        return str(caught.value)


@pytest.mark.parametrize("name", BACK_ENDS)
async def test_back_ends_use_any_business_s_integration_and_key(
    project: Project, admin_connection: asyncpg.Connection, tenant: Tenant, name: str
) -> None:
    await connect_heygen(admin_connection, tenant.business_id)
    async with acting_as(project.superuser_url, BACK_ENDS[name]) as connection:
        assert await connection.fetchval(GET, tenant.business_id) == "heygen"
        assert await connection.fetchval(SECRET, tenant.business_id) == KEY
        assert await connection.fetchval(SET, tenant.business_id)
        assert await connection.fetchval(SECRET, tenant.business_id) == "sealed:v1:test:another-key"
        await connection.fetchval(DELETE, tenant.business_id)
        assert await connection.fetchval(SECRET, tenant.business_id) is None


async def test_user_uses_the_own_business_s_integration_but_never_its_key(
    project: Project, admin_connection: asyncpg.Connection, tenant: Tenant
) -> None:
    await connect_heygen(admin_connection, tenant.business_id)
    user = signed_in(tenant.user_id)
    async with acting_as(project.superuser_url, user) as connection:
        assert await connection.fetchval(GET, tenant.business_id) == "heygen"
        assert await connection.fetchval(SET, tenant.business_id)
        await connection.fetchval(DELETE, tenant.business_id)
        assert await connection.fetchval(GET, tenant.business_id) is None
    assert "permission denied" in await refused(project, user, SECRET, tenant.business_id)


@pytest.mark.parametrize("statement", STATEMENTS)
@pytest.mark.parametrize(
    "claims",
    [
        {"sub": "{other}"},
        {"sub": "{stranger}"},
        {"sub": "not-a-uuid"},
        {"sub": ""},
        {"sub": None},
        {},
        {"sub": "{stranger}", "role": "service_role"},
        {"role": "service_role"},
        {"role": "postgres", "is_admin": True, "business_id": "{own}"},
        {
            "sub": "{stranger}",
            "user_metadata": {"business_id": "{own}"},
            "app_metadata": {"business_id": "{own}"},
        },
    ],
    ids=str,
)
async def test_user_of_no_such_business_is_refused_whatever_the_claims_say(
    project: Project,
    admin_connection: asyncpg.Connection,
    tenant: Tenant,
    other_tenant: Tenant,
    statement: str,
    claims: dict[str, Any],
) -> None:
    await connect_heygen(admin_connection, tenant.business_id)
    text = json.dumps(claims).replace("{own}", str(tenant.business_id))
    text = text.replace("{other}", str(other_tenant.user_id)).replace("{stranger}", str(uuid4()))
    await refused(project, Caller(AUTHENTICATOR, "authenticated", text), statement, tenant.business_id)
    assert await admin_connection.fetchval(SECRET, tenant.business_id) == KEY


@pytest.mark.parametrize("statement", STATEMENTS)
async def test_refusal_says_no_more_of_a_business_that_exists(
    project: Project,
    admin_connection: asyncpg.Connection,
    tenant: Tenant,
    other_tenant: Tenant,
    statement: str,
) -> None:
    await connect_heygen(admin_connection, tenant.business_id)
    user = signed_in(other_tenant.user_id)
    assert await refused(project, user, statement, tenant.business_id) == await refused(
        project, user, statement, uuid4()
    )
    await refused(project, user, statement, None)


@pytest.mark.parametrize("statement", STATEMENTS)
@pytest.mark.parametrize(
    "settings",
    [
        {"request.jwt.claims": '{"role": "service_role"}', "request.jwt.claim.role": "service_role"},
        {"request.jwt.claim.sub": "00000000-0000-0000-0000-000000000000"},
        {"search_path": "attacker, public, ai_avatar"},
        {"role": "none"},
        {"role": "ai_avatar_service"},
        {"session_authorization": "postgres"},
    ],
    ids=str,
)
async def test_guard_cannot_be_talked_round_with_settings(
    project: Project,
    admin_connection: asyncpg.Connection,
    tenant: Tenant,
    other_tenant: Tenant,
    statement: str,
    settings: dict[str, str],
) -> None:
    """A caller that may run its own SQL, in each role that may not."""
    await connect_heygen(admin_connection, tenant.business_id)
    for caller in (signed_in(other_tenant.user_id), ANON, BYSTANDER, Caller(AUTHENTICATOR)):
        async with acting_as(project.superuser_url, caller) as connection:
            for name, value in settings.items():
                # Roles that the caller is no member of may not even be set.
                with suppress(asyncpg.InsufficientPrivilegeError):
                    async with connection.transaction():
                        await connection.execute("select set_config($1, $2, true)", name, value)
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.fetchval(statement, tenant.business_id)


@pytest.mark.parametrize("caller", [ANON, BYSTANDER], ids=["anon", "bystander"])
@pytest.mark.parametrize("statement", STATEMENTS)
async def test_stranger_may_not_even_call(
    project: Project, tenant: Tenant, caller: Caller, statement: str
) -> None:
    assert "permission denied for function" in await refused(project, caller, statement, tenant.business_id)


@pytest.mark.parametrize("name", BACK_ENDS)
async def test_hand_out_of_a_key_is_recorded_with_its_reader(
    project: Project, admin_connection: asyncpg.Connection, tenant: Tenant, name: str
) -> None:
    await connect_heygen(admin_connection, tenant.business_id)
    caller = BACK_ENDS[name]
    connection = await connect(SecretStr(project.url(caller.login)))
    try:
        if caller.role:
            await connection.execute(f"set role {caller.role}")
        await connection.fetchval(SECRET, tenant.business_id)
    finally:
        await connection.close()
    reads = await admin_connection.fetch(
        "select caller, purpose, provider from ai_avatar.secret_reads where business_id = $1",
        tenant.business_id,
    )
    assert [tuple(row) for row in reads] == [
        (f"sql:{caller.role or caller.login}", "get_ai_avatar_secret", "heygen")
    ]


async def test_inactive_integration_is_neither_shown_nor_its_key_read(
    project: Project, admin_connection: asyncpg.Connection, tenant: Tenant
) -> None:
    await connect_heygen(admin_connection, tenant.business_id)
    await admin_connection.execute(
        "update public.ai_avatar_integrations set status = 'inactive' where business_id = $1",
        tenant.business_id,
    )
    assert await admin_connection.fetchval(GET, tenant.business_id) is None
    assert await admin_connection.fetchval(SECRET, tenant.business_id) is None
    await connect_heygen(admin_connection, tenant.business_id)
    assert await admin_connection.fetchval(GET, tenant.business_id) == "heygen"


@pytest.mark.parametrize("provider", ["another", "", None])
async def test_unknown_provider_is_refused_and_nothing_is_stored(
    admin_connection: asyncpg.Connection, tenant: Tenant, provider: str | None
) -> None:
    with pytest.raises(asyncpg.InvalidParameterValueError, match="Invalid AI avatar provider"):
        await admin_connection.execute(
            "select public.set_ai_avatar_integration($1, $2, $3)", tenant.business_id, provider, KEY
        )
    assert not await admin_connection.fetchval(
        "select count(*) from public.ai_avatar_integrations where business_id = $1", tenant.business_id
    )


@pytest.mark.parametrize("key", ["", None])
async def test_saving_without_a_key_is_refused(
    admin_connection: asyncpg.Connection, tenant: Tenant, key: str | None
) -> None:
    with pytest.raises(asyncpg.InvalidParameterValueError, match="An API key is required"):
        await admin_connection.execute(
            "select public.set_ai_avatar_integration($1, 'heygen', $2)", tenant.business_id, key
        )


async def test_64_first_saves_at_once_make_one_row_and_one_secret(
    project: Project, admin_connection: asyncpg.Connection, tenant: Tenant
) -> None:
    connections = await asyncio.gather(*(connect(SecretStr(project.url(SERVICE.login))) for _ in range(64)))
    try:
        ids = await asyncio.gather(
            *(
                connection.fetchval(
                    "select public.set_ai_avatar_integration($1, 'heygen', $2)",
                    tenant.business_id,
                    f"sealed:v1:test:{number}",
                )
                for number, connection in enumerate(connections)
            )
        )
    finally:
        await asyncio.gather(*(connection.close() for connection in connections))
    assert len(set(ids)) == 1
    rows = await admin_connection.fetch(
        "select ai.id, s.decrypted_secret from public.ai_avatar_integrations as ai "
        "join vault.decrypted_secrets as s on s.id = ai.secret_id where ai.business_id = $1",
        tenant.business_id,
    )
    assert [row["id"] for row in rows] == ids[:1]
    assert rows[0]["decrypted_secret"].startswith("sealed:v1:test:")
    name = f"ai_avatar_heygen_key_for_business_{tenant.business_id}"
    assert await admin_connection.fetchval("select count(*) from vault.secrets where name = $1", name) == 1


async def test_deletes_and_saves_at_once_leave_no_secret_behind(
    project: Project, admin_connection: asyncpg.Connection, tenant: Tenant
) -> None:
    connections = await asyncio.gather(*(connect(SecretStr(project.url(SERVICE.login))) for _ in range(8)))

    async def work(connection: asyncpg.Connection, number: int) -> None:
        for _ in range(10):
            if number % 2:
                await connection.execute(
                    "select public.set_ai_avatar_integration($1, 'heygen', $2)", tenant.business_id, KEY
                )
            else:
                await connection.execute(DELETE, tenant.business_id)

    try:
        await asyncio.gather(*(work(connection, number) for number, connection in enumerate(connections)))
    finally:
        await asyncio.gather(*(connection.close() for connection in connections))
    await admin_connection.execute(DELETE, tenant.business_id)
    name = f"ai_avatar_heygen_key_for_business_{tenant.business_id}"
    assert await admin_connection.fetchval("select count(*) from vault.secrets where name = $1", name) == 0


# The original plan's calls, and what was added to them ----------------------------------------------------------------

NAMES = (
    "set_ai_avatar_integration",
    "get_ai_avatar_integration",
    "get_ai_avatar_secret",
    "delete_ai_avatar_integration",
)


@pytest.mark.parametrize("name", NAMES)
async def test_each_function_exists_once(admin_connection: asyncpg.Connection, name: str) -> None:
    assert await admin_connection.fetchval("select count(*) from pg_proc where proname = $1", name) == 1


@pytest.mark.parametrize(
    ("set_", "get", "secret", "delete"),
    [
        pytest.param(
            "($1, 'heygen', $2, 'a', 'v', '{\"speed\": 1}')", "($1)", "($1)", "($1)", id="positional"
        ),
        pytest.param(
            "(p_business_id => $1, p_provider => 'heygen', p_api_key => $2, p_avatar_id => 'a', p_voice_id => 'v', "
            "p_config => '{\"speed\": 1}')",
            "(p_business_id => $1)",
            "(p_business_id => $1)",
            "(p_business_id => $1)",
            id="named",
        ),
        pytest.param(
            "($1, 'heygen', $2, 'a', 'v', '{\"speed\": 1}')",
            "(p_business_id => $1, p_provider => 'heygen')",
            "($1, 'heygen')",
            "($1, 'heygen')",
            id="with a provider",
        ),
    ],
)
async def test_original_plan_s_calls_work(
    project: Project,
    admin_connection: asyncpg.Connection,
    tenant: Tenant,
    set_: str,
    get: str,
    secret: str,
    delete: str,
) -> None:
    async with acting_as(project.superuser_url, SERVICE_ROLE) as connection:
        id_ = await connection.fetchval(
            f"select public.set_ai_avatar_integration{set_}", tenant.business_id, KEY
        )
        row = await connection.fetchrow(
            f"select * from public.get_ai_avatar_integration{get}", tenant.business_id
        )
        assert row
        assert list(row.keys())[:7] == [
            *("id", "provider", "avatar_id", "voice_id", "provider_config", "status", "validated_at")
        ]
        assert tuple(row)[:6] == (id_, "heygen", "a", "v", '{"speed": 1}', "active")
        assert row["validated_at"] is not None
        assert (
            await connection.fetchval(f"select public.get_ai_avatar_secret{secret}", tenant.business_id)
            == KEY
        )
        await connection.execute(f"select public.delete_ai_avatar_integration{delete}", tenant.business_id)
        # Once more, with nothing there: the original's silence.
        await connection.execute(f"select public.delete_ai_avatar_integration{delete}", tenant.business_id)


SET_AS_BACK_END = (
    "select public.set_ai_avatar_integration("
    "$1, 'heygen', 'sealed:v1:test:key', p_id => $2, p_validated => false)"
)


@pytest.mark.parametrize("name", BACK_ENDS)
async def test_back_end_chooses_the_id_of_a_new_row_and_whether_its_key_was_checked(
    project: Project, admin_connection: asyncpg.Connection, tenant: Tenant, name: str
) -> None:
    first, second = uuid4(), uuid4()
    async with acting_as(project.superuser_url, BACK_ENDS[name]) as connection:
        assert await connection.fetchval(SET_AS_BACK_END, tenant.business_id, first) == first
        assert await connection.fetchval(SET_AS_BACK_END, tenant.business_id, second) == first
        row = await connection.fetchrow(
            "select * from public.get_ai_avatar_integration($1)", tenant.business_id
        )
        assert row
        assert (row["id"], row["validated_at"]) == (first, None)


@pytest.mark.parametrize(
    "arguments",
    [
        "p_id => gen_random_uuid()",
        "p_validated => false",
        "p_api_key_last4 => '1234'",
        "p_avatar => '{}'",
        "p_voice => '{}'",
    ],
)
async def test_user_may_not_say_what_only_a_back_end_knows(
    project: Project, tenant: Tenant, arguments: str
) -> None:
    statement = f"select public.set_ai_avatar_integration($1, 'heygen', 'sealed:v1:test:key', {arguments})"
    await refused(project, signed_in(tenant.user_id), statement, tenant.business_id)


@pytest.mark.parametrize("name", ["the user", *BACK_ENDS])
async def test_empty_id_clears_and_null_keeps(project: Project, tenant: Tenant, name: str) -> None:
    """As the original form did: it sends '' for none."""
    caller = BACK_ENDS.get(name) or signed_in(tenant.user_id)
    set_ = "select public.set_ai_avatar_integration($1, 'heygen', 'sealed:v1:test:key', $2, $3)"
    get = "select avatar_id, voice_id from public.get_ai_avatar_integration($1)"
    async with acting_as(project.superuser_url, caller) as connection:
        for given, stored in [
            (("a", "v"), ("a", "v")),
            ((None, ""), ("a", None)),
            (("", "v2"), (None, "v2")),
            ((" ", None), (None, "v2")),
        ]:
            await connection.execute(set_, tenant.business_id, *given)
            row = await connection.fetchrow(get, tenant.business_id)
            assert row is not None
            assert tuple(row) == stored


async def test_status_null_finds_what_is_not_active(
    project: Project, admin_connection: asyncpg.Connection, tenant: Tenant
) -> None:
    await connect_heygen(admin_connection, tenant.business_id)
    await admin_connection.execute(
        "update public.ai_avatar_integrations set status = 'inactive' where business_id = $1",
        tenant.business_id,
    )
    any_status = "select status from public.get_ai_avatar_integration($1, p_status => null)"
    assert await admin_connection.fetchval(any_status, tenant.business_id) == "inactive"
    key = "select public.get_ai_avatar_secret($1, p_status => null)"
    assert await admin_connection.fetchval(key, tenant.business_id) == KEY
    assert await admin_connection.fetchval(GET, tenant.business_id) is None


async def test_delete_that_must_find_something_raises(
    admin_connection: asyncpg.Connection, tenant: Tenant
) -> None:
    statement = "select public.delete_ai_avatar_integration($1, p_must_exist => true)"
    await connect_heygen(admin_connection, tenant.business_id)
    await admin_connection.execute(statement, tenant.business_id)
    with pytest.raises(asyncpg.PostgresError) as caught:
        await admin_connection.execute(statement, tenant.business_id)
    assert caught.value.sqlstate == "AV001"
