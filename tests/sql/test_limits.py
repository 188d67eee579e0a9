"""What an integration may contain is the same in SQL and in HTTP, and binds new values only."""

import json
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr, TypeAdapter, ValidationError
from support.sql import query
from support.supabase import Project
from support.tenants import Tenant, make_tenant

from app.db import connect
from app.schemas import ProviderConfig, _jsonb_size

SET = "select public.set_ai_avatar_integration($1, 'heygen', 'sealed:v1:test:key', $2, $3, $4)"
LIMIT = 16 * 1024


@pytest.fixture
async def admin(project: Project) -> AsyncIterator[asyncpg.Connection]:
    connection = await connect(SecretStr(project.superuser_url))
    yield connection
    await connection.close()


@pytest.fixture
async def business(admin: asyncpg.Connection) -> Tenant:
    return await make_tenant(admin)


@pytest.mark.anyio
@pytest.mark.parametrize("column", ["avatar_id", "voice_id"])
@pytest.mark.parametrize("bad", ["x" * 256, "a\tb", "a\x7fb", "a\x85b", "a\nb"], ids=repr)
async def test_id_that_http_refuses_is_refused_in_sql(
    admin: asyncpg.Connection, business: Tenant, column: str, bad: str
) -> None:
    arguments = (bad, None) if column == "avatar_id" else (None, bad)
    with pytest.raises(asyncpg.PostgresError) as refused:
        await admin.execute(SET, business.business_id, *arguments, None)
    assert (refused.value.sqlstate, refused.value.column_name) == ("AV018", column)
    assert bad not in str(refused.value)


@pytest.mark.anyio
async def test_longest_id_with_any_letters_is_taken(admin: asyncpg.Connection, business: Tenant) -> None:
    await admin.execute(SET, business.business_id, "ä" * 255, "名" * 255, None)
    assert (
        await admin.fetchval(
            "select avatar_id || voice_id from public.ai_avatar_integrations where business_id = $1",
            business.business_id,
        )
        == "ä" * 255 + "名" * 255
    )


@pytest.mark.anyio
async def test_provider_config_of_16_kib_is_taken_and_one_byte_more_is_not(
    admin: asyncpg.Connection, business: Tenant
) -> None:
    fits = {"a": "x" * (LIMIT - len('{"a": ""}'))}
    TypeAdapter(ProviderConfig).validate_python(fits)
    await admin.execute(SET, business.business_id, None, None, json.dumps(fits))
    too_large = {"a": fits["a"] + "x"}
    with pytest.raises(ValidationError):
        TypeAdapter(ProviderConfig).validate_python(too_large)
    with pytest.raises(asyncpg.PostgresError) as refused:
        await admin.execute(SET, business.business_id, None, None, json.dumps(too_large))
    assert refused.value.sqlstate == "AV014"


def _size(value: Any) -> int:
    parts: list[Any] = []
    if isinstance(value, dict):
        parts = [part for pair in value.items() for part in pair]
    elif isinstance(value, list):
        parts = value
    return _jsonb_size(value) + sum(_size(part) for part in parts)


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=8)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | TEXTS
    | st.floats(allow_nan=False, allow_infinity=False).filter(bool),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(TEXTS, children, max_size=4),
    max_leaves=12,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(configs=st.lists(st.dictionaries(TEXTS, VALUES, max_size=4), min_size=8, max_size=20))
def test_size_in_python_is_the_size_in_the_database(project: Project, configs: list[dict[str, Any]]) -> None:
    rows = query(
        project.superuser_url,
        "select octet_length(t::jsonb::text) from unnest($1::text[]) with ordinality as u (t, n) order by n",
        [json.dumps(config) for config in configs],
    )
    assert [row[0] for row in rows] == [_size(config) for config in configs]


@pytest.mark.anyio
@pytest.mark.parametrize(
    "change",
    [
        "avatar_id = repeat('x', 300)",
        "voice_id = E'a\\tb'",
        "provider_config = '[1]'",
        "provider_config = 'null'",
        "provider_config = jsonb_build_object('a', repeat('x', 20000))",
    ],
)
async def test_value_that_was_there_before_stops_no_update_of_another_column(
    admin: asyncpg.Connection, business: Tenant, change: str
) -> None:
    await admin.execute(SET, business.business_id, None, None, None)
    async with admin.transaction():
        await admin.execute("set local session_replication_role = replica")
        await admin.execute(
            f"update public.ai_avatar_integrations set {change} where business_id = $1", business.business_id
        )
    # The old frontend sends every field; so does a new key.
    await admin.execute(
        "update public.ai_avatar_integrations set avatar_id = avatar_id, voice_id = voice_id, "
        "provider_config = provider_config, status = 'inactive' where business_id = $1",
        business.business_id,
    )
    await admin.execute(SET, business.business_id, None, None, None)
    column = change.partition(" =")[0]
    worse = "'[2]'" if column == "provider_config" else f"{column} || repeat('y', 300)"
    with pytest.raises(asyncpg.PostgresError):
        await admin.execute(
            f"update public.ai_avatar_integrations set {column} = {worse} where business_id = $1",
            business.business_id,
        )
