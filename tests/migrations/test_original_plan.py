"""A project on which the original plan's SQL has run, and the frontend that it describes."""

import asyncio
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from pydantic import SecretStr
from support.legacy_databases import run_original_plan, user_of
from support.roles import SERVICE_ROLE, acting_as, signed_in
from support.sql import dump, query, script, value
from support.supabase import Project

from app import migrations

ROWS = "select to_jsonb(ai) - 'created_at' as row from public.ai_avatar_integrations as ai order by id"
# What a migrated table adds in earnest: the page order needs a time.
SECRETS = "select id, name, decrypted_secret, description from vault.decrypted_secrets order by id"


@pytest.fixture
def businesses(supabase: Project) -> list[UUID]:
    return run_original_plan(supabase)


def migrate(project: Project, to: str = "head") -> None:
    migrations.migrate(SecretStr(project.owner_url), to)


def as_user(project: Project, business_id: UUID, sql: str, *arguments: Any) -> list[asyncpg.Record]:
    """What the old frontend does, through PostgREST and as its signed-in user; undone afterwards."""

    async def run() -> list[asyncpg.Record]:
        async with acting_as(project.superuser_url, signed_in(user_of(business_id))) as connection:
            rows: list[asyncpg.Record] = await connection.fetch(sql, *arguments)
            return rows

    return asyncio.run(run())


def test_rows_and_secrets_are_taken_over_as_they_are(supabase: Project, businesses: list[UUID]) -> None:
    rows, secrets = query(supabase.superuser_url, ROWS), query(supabase.superuser_url, SECRETS)
    migrate(supabase)
    assert query(supabase.superuser_url, ROWS) == rows
    assert query(supabase.superuser_url, SECRETS) == secrets
    assert not value(
        supabase.superuser_url, "select count(*) from public.ai_avatar_integrations where created_at is null"
    )


def test_old_frontend_goes_on_working(supabase: Project, businesses: list[UUID]) -> None:
    migrate(supabase)
    ada, ben, *_ = businesses

    # updateHeygenSettings with a key: five named arguments, no config.
    [saved] = as_user(
        supabase,
        ada,
        "select public.set_ai_avatar_integration(p_business_id => $1, p_provider => 'heygen', "
        "p_api_key => 'new key', p_avatar_id => 'avatar-2', p_voice_id => 'voice-2') as id",
        ada,
    )
    [row] = query(
        supabase.superuser_url, "select * from public.ai_avatar_integrations where business_id = $1", ada
    )
    assert saved["id"] == row["id"]

    # … and without one: a plain UPDATE under row level security.
    updated = as_user(
        supabase,
        ada,
        "update public.ai_avatar_integrations set avatar_id = 'avatar-3', voice_id = 'voice-3', updated_at = now() "
        "where business_id = $1 and provider = 'heygen' and status = 'active' returning id, avatar_id, voice_id",
        ada,
    )
    assert [tuple(row) for row in updated] == [(saved["id"], "avatar-3", "voice-3")]

    # generateHeygenVideo and the settings form.
    select = (
        "select id, provider, avatar_id, voice_id from public.ai_avatar_integrations "
        "where business_id = $1 and provider = 'heygen' and status = 'active'"
    )
    assert len(as_user(supabase, ada, select, ada)) == 1
    assert as_user(supabase, ada, select, ben) == []

    # The integrations page: the business with its integration embedded.
    page = (
        "select b.*, row_to_json(i) as ai_avatar_integrations from public.businesses as b "
        "join lateral (select id, provider, avatar_id, voice_id, status, validated_at "
        "from public.ai_avatar_integrations as ai where ai.business_id = b.id) as i on true where b.id = $1"
    )
    assert len(as_user(supabase, ada, page, ada)) == 1

    # The one-argument forms.
    [got] = as_user(supabase, ada, "select * from public.get_ai_avatar_integration($1)", ada)
    assert tuple(got)[1:5] == ("heygen", "avatar-a", "voice-a", '{"speed": 1.1}')
    as_user(supabase, ada, "select public.delete_ai_avatar_integration(p_business_id => $1)", ada)


def test_back_end_reads_the_keys_that_were_there(supabase: Project, businesses: list[UUID]) -> None:
    migrate(supabase)

    async def read() -> list[str | None]:
        async with acting_as(supabase.superuser_url, SERVICE_ROLE) as connection:
            return [
                await connection.fetchval("select public.get_ai_avatar_secret(p_business_id => $1)", business)
                for business in businesses
            ]

    assert asyncio.run(read()) == ["key of Ada", "key of Ben", None, None]


def test_way_back_restores_the_original_to_the_letter(supabase: Project, businesses: list[UUID]) -> None:
    script(
        supabase.owner_url,
        "comment on function public.get_ai_avatar_secret(uuid) is 'It''s ours';"
        "revoke all on public.ai_avatar_integrations from anon;"
        "revoke update on public.ai_avatar_integrations from authenticated;"
        "grant update (avatar_id) on public.ai_avatar_integrations to authenticated;"
        "revoke all on function public.delete_ai_avatar_integration(uuid) from anon, public",
    )
    before = dump(supabase.superuser_url)
    rows, secrets = query(supabase.superuser_url, ROWS), query(supabase.superuser_url, SECRETS)

    migrate(supabase)
    migrate(supabase, "base")

    assert dump(supabase.superuser_url) == before
    assert query(supabase.superuser_url, ROWS) == rows
    assert query(supabase.superuser_url, SECRETS) == secrets
    # And its functions work again.
    assert value(supabase.owner_url, "select public.get_ai_avatar_secret($1)", businesses[0]) == "key of Ada"
    query(supabase.owner_url, "select public.delete_ai_avatar_integration($1)", businesses[0])


def test_row_level_security_that_was_on_stays_on_after_the_way_back(
    supabase: Project, businesses: list[UUID]
) -> None:
    script(
        supabase.owner_url,
        "alter table public.ai_avatar_integrations enable row level security;"
        'create policy "Members" on public.ai_avatar_integrations for select to authenticated using (true)',
    )
    before = dump(supabase.superuser_url)
    migrate(supabase)
    assert as_user(supabase, businesses[3], "select id from public.ai_avatar_integrations") == []
    migrate(supabase, "base")
    assert dump(supabase.superuser_url) == before


def test_rows_that_break_a_limit_or_have_absurd_times_stop_no_migration_and_no_update(
    supabase: Project, businesses: list[UUID]
) -> None:
    ada, ben, cleo, _ = businesses
    for business_id, change in [
        (ada, "provider_config = '[1]', created_at = 'infinity', updated_at = null"),
        (ben, "provider_config = 'null', avatar_id = repeat('x', 300), created_at = '20000-01-01'"),
        (cleo, "voice_id = E'a\\tb', status = null, created_at = null, validated_at = '-infinity'"),
    ]:
        script(
            supabase.owner_url,
            f"update public.ai_avatar_integrations set {change} where business_id = '{business_id}'",
        )
    migrate(supabase)
    for business_id in (ada, ben):
        changed = as_user(
            supabase,
            business_id,
            "update public.ai_avatar_integrations set voice_id = 'another', updated_at = now() "
            "where business_id = $1 returning id",
            business_id,
        )
        assert len(changed) == 1
    listed = query(
        supabase.superuser_url, "select * from ai_avatar.list_integrations(null, null, null, null, null, 10)"
    )
    assert len(listed) == 3
    assert all(row["created_at"] and row["updated_at"] for row in listed)
    migrate(supabase, "base")
