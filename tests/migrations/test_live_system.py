"""Migrating while the old application and the product write: no deadlock, no long wait, and on after a failure."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest
from pydantic import SecretStr
from support.legacy_databases import run_legacy, run_original_plan
from support.sql import dump, psql, query, script, value
from support.supabase import OWNER, Project
from support.writers import OLD_APPLICATION, PRODUCT, Writer, writing

from app import migrations
from app.db import connect

COPY = "20261122201300"
PAGE_INDEX = "idx_content_ai_avatar_page"
# What the writers wait for by themselves on a busy machine is well below; what they may wait for is one second.
MAX_WAIT_SECONDS = 1.0


def migrate(project: Project, to: str = "head") -> None:
    migrations.migrate(SecretStr(project.owner_url), to)


def make_businesses(project: Project, number: int) -> list[UUID]:
    """Businesses of the old application, each with a key and a content item."""
    script(
        project.superuser_url,
        f"""
        set session_replication_role = replica;
        insert into vault.secrets (secret, name)
        select 'encrypted:' || encode('a key', 'base64'), 'key ' || n from generate_series(1, {number}) as n;
        insert into public.businesses (business_name, heygen_secret_id, heygen_avatar_id)
        select s.name, s.id, 'an-avatar' from vault.secrets as s where s.name like 'key %';
        insert into public.content (business_id, content_title)
        select b.id, 'A title' from public.businesses as b;
        set session_replication_role = origin;
        analyze
        """,
    )
    rows = query(
        project.superuser_url, "select id from public.businesses where heygen_avatar_id = 'an-avatar'"
    )
    return [row[0] for row in rows]


def up_as_files(project: Project, to: str, folder: Path) -> None:
    for file in migrations.write_migration_files(folder, to):
        psql(project.owner_url, file.read_text())


SERVICE = Writer(
    "save a key through the service",
    ["select public.set_ai_avatar_integration($1, 'heygen', 'sealed:v1:a:b')"],
)


@pytest.mark.slow
@pytest.mark.anyio
@pytest.mark.parametrize("original_plan", [False, True], ids=["legacy", "legacy and original plan"])
async def test_migrating_up_and_down_beside_writers_deadlocks_with_none_of_them(
    supabase: Project, original_plan: bool
) -> None:
    def prepare() -> list[UUID]:
        run_legacy(supabase)
        if original_plan:
            run_original_plan(supabase)
        return make_businesses(supabase, 200)

    businesses = await asyncio.to_thread(prepare)
    writers = [*OLD_APPLICATION, *OLD_APPLICATION, *PRODUCT]
    async with writing(supabase.superuser_url, businesses, writers) as waits:
        for to in (COPY, "base", COPY):
            await asyncio.to_thread(migrate, supabase, to)
    assert waits.errors == []
    assert min(waits.rounds.values()) > 0
    # The old application is off for the clean-up; the service saves keys, and the product writes.
    async with writing(supabase.superuser_url, businesses, [SERVICE, SERVICE, *PRODUCT]) as waits:
        await asyncio.to_thread(migrate, supabase, "head")
    assert waits.errors == []
    assert max(waits.longest.values()) < MAX_WAIT_SECONDS, waits.longest
    lost = await asyncio.to_thread(
        value,
        supabase.superuser_url,
        "select count(*) from public.ai_avatar_integrations as ai "
        "left join vault.secrets as s on s.id = ai.secret_id where ai.secret_id is not null and s.id is null",
    )
    assert lost == 0


@pytest.mark.slow
@pytest.mark.anyio
@pytest.mark.parametrize(("way", "keys"), [("online", 50_000), ("files", 10_000)])
async def test_with_many_legacy_keys_no_writer_waits_longer_than_a_second(
    supabase: Project, tmp_path: Path, way: str, keys: int, record_property: Callable[[str, object], None]
) -> None:
    """In files, writers wait longer (docs/deploy-supabase.md), but no statement fails."""

    def prepare() -> list[UUID]:
        run_legacy(supabase)
        return make_businesses(supabase, keys)

    businesses = await asyncio.to_thread(prepare)
    written = businesses[:: keys // 500]
    # Businesses of their own: what a migration that takes longer removes, the other writers would miss.
    removed = businesses[1 :: keys // 500]
    removal = Writer("remove a business", ["delete from public.businesses where id = $1"])
    async with (
        writing(supabase.superuser_url, written, [*OLD_APPLICATION, *PRODUCT], pause=0.05) as waits,
        writing(supabase.superuser_url, removed, [removal], pause=0.05) as removals,
    ):
        if way == "online":
            await asyncio.to_thread(migrate, supabase, COPY)
        else:
            await asyncio.to_thread(up_as_files, supabase, COPY, tmp_path)
    assert waits.errors + removals.errors == []
    async with writing(supabase.superuser_url, written, [SERVICE, *PRODUCT], pause=0.05) as clean_up:
        if way == "online":
            await asyncio.to_thread(migrate, supabase, "head")
        else:
            await asyncio.to_thread(up_as_files, supabase, f"{COPY}:head", tmp_path)
    # In files, nothing is given back while others wait: on a busy machine, a save may be told to come again.
    assert [e for e in clean_up.errors if way == "online" or "lock timeout" not in e] == []
    longest = waits.longest | removals.longest | {f"clean-up: {n}": s for n, s in clean_up.longest.items()}
    for name, seconds in longest.items():
        record_property(f"longest wait, {way}, {name}", f"{seconds * 1000:.0f} ms")
    if way == "online":
        assert max(longest.values()) < MAX_WAIT_SECONDS
    copied = await asyncio.to_thread(
        value, supabase.superuser_url, "select count(*) from public.ai_avatar_integrations"
    )
    assert copied >= keys - len(written) - len(removed)


@pytest.mark.slow
def test_table_that_stays_locked_is_named_and_nothing_waits_behind_the_migration(
    supabase: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrations, "_LOCK_CONFLICT_SECONDS", 1.0)

    async def run() -> None:
        holder = await connect(SecretStr(supabase.superuser_url))
        writer = await connect(SecretStr(supabase.superuser_url))
        try:
            await holder.execute("begin; lock table public.content in row exclusive mode")
            migration = asyncio.create_task(asyncio.to_thread(migrate, supabase))
            while not migration.done():
                await asyncio.wait_for(writer.execute("update public.content set status = 'draft'"), 1.0)
                await asyncio.sleep(0.02)
            with pytest.raises(asyncpg.LockNotAvailableError, match=r"hold public\.content for too long"):
                await migration
            assert (
                await writer.fetchval("select max(version_num) from ai_avatar.alembic_version")
                == "20261122201100"
            )
        finally:
            await holder.close()
            await writer.close()

    asyncio.run(run())
    migrate(supabase)
    assert migrations.current_revision(SecretStr(supabase.owner_url)) == migrations.head()


def test_failing_revision_leaves_those_before_it_and_nothing_of_itself(supabase: Project) -> None:
    script(
        supabase.owner_url,
        "create function public.get_ai_avatar_secret(uuid) returns int language sql return 1;"
        "create view public.in_use as select public.get_ai_avatar_secret(null)",
    )
    migrate(supabase, "20261122201000")
    before = dump(supabase.superuser_url)
    with pytest.raises(asyncpg.DependentObjectsStillExistError, match="other objects depend on it"):
        migrate(supabase)
    assert dump(supabase.superuser_url) == before
    script(supabase.owner_url, "drop view public.in_use")
    migrate(supabase)
    assert migrations.current_revision(SecretStr(supabase.owner_url)) == migrations.head()


def test_failure_of_the_first_revision_leaves_nothing_behind(supabase: Project) -> None:
    script(supabase.superuser_url, f"revoke references on vault.secrets from {OWNER}")
    before = dump(supabase.superuser_url)
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="grant references"):
        migrate(supabase)
    assert dump(supabase.superuser_url) == before


def test_sql_goes_up_down_and_up_again(supabase: Project) -> None:
    run_legacy(supabase)
    before = dump(supabase.superuser_url)
    psql(supabase.owner_url, migrations.migration_sql())
    up = dump(supabase.superuser_url)
    psql(supabase.owner_url, migrations.migration_sql("head:base"))
    assert dump(supabase.superuser_url) == before
    psql(supabase.owner_url, migrations.migration_sql())
    assert dump(supabase.superuser_url) == up


@pytest.mark.slow
def test_files_go_up_down_and_up_again_and_leave_the_same_as_one_transaction(
    supabase: Project, tmp_path: Path
) -> None:
    run_legacy(supabase)
    before = dump(supabase.superuser_url)
    migrate(supabase)
    online = dump(supabase.superuser_url)
    migrate(supabase, "base")
    for _ in range(2):
        files = migrations.write_migration_files(tmp_path / "up")
        assert files == sorted((tmp_path / "up").iterdir())
        for file in files:
            text = file.read_text()
            assert (text.count("\nCOMMIT;"), text.lstrip()[:6]) == (1, "BEGIN;")
            psql(supabase.owner_url, text)
        assert dump(supabase.superuser_url) == online
        files = migrations.write_migration_files(tmp_path / "down", "head:base")
        assert files == sorted((tmp_path / "down").iterdir())
        for file in files:
            psql(supabase.owner_url, file.read_text())
        assert dump(supabase.superuser_url) == before


def test_one_transaction_is_one_transaction() -> None:
    text = migrations.migration_sql()
    assert (text.count("\nBEGIN;") + text.startswith("BEGIN;"), text.count("\nCOMMIT;")) == (1, 1)
    assert "concurrently public" not in text


# Indexes on the application's tables ---------------------------------------------------------------------------


def page_indexes(project: Project) -> list[str]:
    rows = query(
        project.superuser_url,
        "select indexrelid::regclass::text from pg_index where indrelid = 'public.content'::regclass "
        "and indisvalid and pg_get_indexdef(indexrelid) like '%COALESCE(created_at%'",
    )
    return [row[0] for row in rows]


def test_fitting_index_of_the_customer_s_is_used_and_stays(supabase: Project) -> None:
    script(
        supabase.owner_url,
        "create index their_own on public.content "
        "(business_id, coalesce(created_at, to_timestamp(0)) desc, id desc)",
    )
    migrate(supabase)
    assert page_indexes(supabase) == ["their_own"]
    migrate(supabase, "base")
    assert page_indexes(supabase) == ["their_own"]


def test_index_is_made_where_none_fits_and_goes_on_the_way_down(supabase: Project) -> None:
    script(
        supabase.owner_url,
        "create index other_order on public.content (business_id, coalesce(created_at, to_timestamp(0)), id);"
        "create index partial on public.content "
        "(business_id, coalesce(created_at, to_timestamp(0)) desc, id desc) where status = 'draft'",
    )
    migrate(supabase)
    assert page_indexes(supabase) == ["other_order", "partial", PAGE_INDEX]
    migrate(supabase, "base")
    assert page_indexes(supabase) == ["other_order", "partial"]


def test_index_that_an_interrupted_attempt_left_invalid_is_made_again(supabase: Project) -> None:
    migrate(supabase, "20261122201200")
    script(
        supabase.owner_url,
        f"create index {PAGE_INDEX} on public.content "
        "(business_id, coalesce(created_at, to_timestamp(0)) desc, id desc)",
    )
    script(
        supabase.superuser_url,
        f"update pg_index set indisvalid = false where indexrelid = 'public.{PAGE_INDEX}'::regclass",
    )
    migrate(supabase)
    assert page_indexes(supabase) == [PAGE_INDEX]


def test_times_without_zone_get_no_index_and_stop_nothing(supabase: Project) -> None:
    script(supabase.owner_url, "alter table public.content alter created_at type timestamp")
    migrate(supabase)
    assert page_indexes(supabase) == []


def test_writers_go_on_while_the_index_waits_for_an_older_transaction(supabase: Project) -> None:
    """CREATE INDEX CONCURRENTLY waits for every transaction that has written; a plain one would keep writers out."""
    migrate(supabase, "20261122201200")

    async def run() -> None:
        older = await connect(SecretStr(supabase.superuser_url))
        writer = await connect(SecretStr(supabase.superuser_url))
        try:
            await older.execute("begin; lock table public.content in row exclusive mode")
            migration = asyncio.create_task(asyncio.to_thread(migrate, supabase))
            for _ in range(200):
                await asyncio.sleep(0.02)
                if await writer.fetchval("select to_regclass($1) is not null", f"public.{PAGE_INDEX}"):
                    break
            await asyncio.wait_for(writer.execute("update public.content set status = 'draft'"), 1.0)
            assert not migration.done()
            await older.execute("commit")
            await migration
        finally:
            await older.close()
            await writer.close()

    asyncio.run(run())
    assert page_indexes(supabase) == [PAGE_INDEX]


# Whose code runs -----------------------------------------------------------------------------------------------


def test_operator_of_a_bystander_in_public_does_not_run_as_the_owner(supabase: Project) -> None:
    """SQLAlchemy compares names with texts: a closer match than the catalogue's own operator would run."""
    script(
        supabase.superuser_url,
        """
        create table public.ran (by_role name);
        grant all on public.ran to public;
        grant create on schema public to tests_bystander;
        set role tests_bystander;
        create function public.spy(name, varchar) returns boolean language plpgsql as $$
        begin
            insert into public.ran values (current_user);
            return $1::pg_catalog.text operator(pg_catalog.=) $2::pg_catalog.text;
        end;
        $$;
        create operator public.= (leftarg = name, rightarg = varchar, function = public.spy);
        """,
    )
    migrate(supabase)
    migrate(supabase, COPY)
    migrations.warnings(SecretStr(supabase.owner_url))
    migrations.current_revision(SecretStr(supabase.owner_url))
    assert query(supabase.superuser_url, "select distinct by_role from public.ran") == []
    # And it would have run.
    query(supabase.owner_url, "select from pg_class where relname = $1::varchar", "content")
    assert query(supabase.superuser_url, "select distinct by_role from public.ran")[0][0] == OWNER
