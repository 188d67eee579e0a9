"""The revisions themselves: one line of them, the same by every way, and back again."""

import asyncio
import io
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from pydantic import SecretStr
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine
from support import postgres
from support.legacy_databases import run_legacy, run_original_plan
from support.revisions import CLEAN_UP
from support.sql import dump, psql, query, script, value
from support.supabase import Project, supabase_project

from alembic import command
from app import migrations, tables
from app.db import connect
from app.readiness import REQUIRED_REVISION

REVISIONS = sorted(
    revision.revision for revision in ScriptDirectory.from_config(migrations.config()).walk_revisions()
)


def migrate(url: str, to: str = "head") -> None:
    migrations.migrate(SecretStr(url), to)


@pytest.fixture(params=["empty", "supabase", "original plan", "legacy"])
def before_us(request: pytest.FixtureRequest, server: postgres.Server) -> Iterator[Project]:
    """A database as an operator may have it when the migrations come."""
    if request.param == "empty":
        with server.database() as name:
            yield Project(server.url(name), server.url(name))
        return
    with supabase_project(server) as project:
        {"original plan": run_original_plan, "legacy": run_legacy}.get(request.param, lambda _: None)(project)
        yield project


def test_revisions_are_one_line_named_by_brisbane_time() -> None:
    scripts = ScriptDirectory.from_config(migrations.config())
    assert scripts.get_heads() == [REVISIONS[-1]]
    assert scripts.get_bases() == [REVISIONS[0]]
    brisbane = ZoneInfo("Australia/Brisbane")
    for revision in scripts.walk_revisions():
        time = datetime.strptime(revision.revision, "%Y%m%d%H%M%S").replace(tzinfo=brisbane)
        # In UTC the name would lie ten hours behind.
        assert time < datetime.now(brisbane)
        path = Path(revision.path)
        assert re.fullmatch(rf"{revision.revision}_[a-z0-9_]+", path.stem)
        for direction in ("up", "down"):
            assert (path.parent.parent / "sql" / f"{path.stem}.{direction}.sql").is_file()


def test_required_revision_is_the_one_before_the_clean_up() -> None:
    assert REVISIONS[-2] == REQUIRED_REVISION
    assert list((postgres.ROOT / "alembic" / "versions").glob(f"{REVISIONS[-1]}_{CLEAN_UP}.py"))


def test_new_revision_gets_its_id_and_name_by_brisbane_time(tmp_path: Path) -> None:
    shutil.copytree(postgres.ROOT / "alembic", tmp_path / "alembic")
    shutil.copy(postgres.ROOT / "alembic.ini", tmp_path)

    command.revision(Config(tmp_path / "alembic.ini", stdout=io.StringIO()), "Try it")

    [made] = (tmp_path / "alembic" / "versions").glob("*_try_it.py")
    revision = made.stem.removesuffix("_try_it")
    brisbane = ZoneInfo("Australia/Brisbane")
    age = datetime.now(brisbane) - datetime.strptime(revision, "%Y%m%d%H%M%S").replace(tzinfo=brisbane)
    assert abs(age.total_seconds()) < 300
    assert f'revision = "{revision}"' in made.read_text()
    assert '_try_it.up.sql"' in made.read_text()


def test_online_and_offline_leave_the_same_database(server: postgres.Server, before_us: Project) -> None:
    migrate(before_us.owner_url)
    online = dump(before_us.superuser_url)
    rows = _contents(before_us.superuser_url, "id", "updated_at")
    migrate(before_us.owner_url, "base")

    psql(before_us.owner_url, migrations.migration_sql())

    assert dump(before_us.superuser_url) == online
    assert _contents(before_us.superuser_url, "id", "updated_at") == rows
    assert migrations.current_revision(SecretStr(before_us.owner_url)) == REVISIONS[-1]


def test_going_down_to_the_base_leaves_what_was_there_before(before_us: Project) -> None:
    schema, rows = dump(before_us.superuser_url), _contents(before_us.superuser_url)
    migrate(before_us.owner_url)
    migrate(before_us.owner_url, "base")
    assert dump(before_us.superuser_url) == schema
    assert _contents(before_us.superuser_url) == rows


def test_nothing_of_the_customer_s_is_touched_on_the_way_up(before_us: Project) -> None:
    before = dump(before_us.superuser_url)
    migrate(before_us.owner_url)
    after = dump(before_us.superuser_url)
    taken_over = re.compile(r"ai_avatar|heygen|TABLE public\.businesses$")
    foreign = {name for name in before if not taken_over.search(name)}
    assert {name: after.get(name) for name in foreign} == {name: before[name] for name in foreign}
    if "TABLE public.businesses" in before:
        without_legacy = [
            line.rstrip(",")
            for line in before["TABLE public.businesses"].splitlines()
            if "heygen_" not in line
        ]
        assert [line.rstrip(",") for line in after["TABLE public.businesses"].splitlines()] == without_legacy
    made = {name for name in after if name not in before and not taken_over.search(name)}
    if before_us.owner_url != before_us.superuser_url:
        assert made == set()


def _contents(url: str, *without: str) -> list[Any]:
    """The rows of everything that may have been there before."""
    found: list[Any] = []
    for table in ("businesses", "profiles", "content", "ai_avatar_integrations"):
        if value(url, "select to_regclass($1) is not null", f"public.{table}"):
            # created_at is filled in where it was NULL, and stays so: pages are sorted by it.
            found.append(
                query(
                    url,
                    f"select to_jsonb(t) - 'created_at' - $1::text[] as row from public.{table} as t order by 1",
                    without,
                )
            )
    if value(url, "select to_regclass('vault.secrets') is not null"):
        found.append(query(url, "select id, name, decrypted_secret from vault.decrypted_secrets order by id"))
    return found


SEED = """
insert into public.businesses (id, business_name) values ('b0000000-0000-4000-8000-000000000001', 'A business');
insert into public.profiles (id, business_id)
values ('a0000000-0000-4000-8000-000000000001', 'b0000000-0000-4000-8000-000000000001');
insert into public.content (id, business_id, video_script, heygen_status)
values ('c0000000-0000-4000-8000-000000000001', 'b0000000-0000-4000-8000-000000000001', 'Hello', 'completed');
"""


def _use(url: str, revision: str) -> None:
    """Uses what that revision has, so that the way down finds rows in every table."""
    if revision >= REVISIONS[1]:
        script(
            url,
            "select public.set_ai_avatar_integration('b0000000-0000-4000-8000-000000000001', 'heygen', "
            "'sealed:v1:test:key', 'avatar');"
            "select public.get_ai_avatar_secret('b0000000-0000-4000-8000-000000000001')",
        )
    if revision >= REVISIONS[2]:
        script(url, "update public.content set heygen_status = 'completed'")
        query(
            url,
            "select ai_avatar.start_generation(gen_random_uuid(), 'b0000000-0000-4000-8000-000000000001', "
            "'c0000000-0000-4000-8000-000000000001', 'heygen', null, '1 minute', null, null)",
        )


@pytest.mark.slow
def test_every_revision_goes_down_and_up_again_over_data(empty_url: str) -> None:
    dumps: list[dict[str, str]] = [dump(empty_url)]
    for position, revision in enumerate(REVISIONS):
        migrate(empty_url, revision)
        dumps.append(dump(empty_url))
        if position == 0:
            script(empty_url, SEED)
        _use(empty_url, revision)
        migrate(empty_url, REVISIONS[position - 1] if position else "base")
        assert dump(empty_url) == dumps[position], f"down from {revision}"
        migrate(empty_url, revision)
        assert dump(empty_url) == dumps[position + 1], f"up again to {revision}"
        if position == 0:
            script(empty_url, SEED)

    _use(empty_url, REVISIONS[-1])
    for position in reversed(range(len(REVISIONS))):
        migrate(empty_url, REVISIONS[position - 1] if position else "base")
        assert dump(empty_url) == dumps[position]
    assert value(empty_url, "select count(*) from pg_roles where rolname = 'ai_avatar_service'") == 1


def test_tables_in_python_are_those_in_the_database(server: postgres.Server) -> None:
    def differences(connection: Connection) -> list[Any]:
        context = MigrationContext.configure(
            connection,
            opts={
                "include_schemas": True,
                "include_object": _ours,
                "compare_server_default": True,
                "version_table_schema": "ai_avatar",
            },
        )
        found: list[Any] = []
        for change in compare_metadata(context, tables.metadata):
            found.extend(change if isinstance(change, list) else [change])
        # What the comments say is in the SQL files, and held by schema.sql.
        return [
            change
            for change in found
            if change[0] not in ("modify_comment", "add_table_comment", "remove_table_comment")
        ]

    async def connect_without_search_path(url: str) -> asyncpg.Connection:
        # With public in it, SQLAlchemy leaves that schema's name out of what it finds.
        connection = await connect(SecretStr(url))
        await connection.execute("set search_path = pg_catalog")
        return connection

    async def run(url: str) -> list[Any]:
        engine = create_async_engine(
            "postgresql+asyncpg://", async_creator=lambda: connect_without_search_path(url)
        )
        async with engine.connect() as connection:
            found = await connection.run_sync(differences)
        await engine.dispose()
        return found

    with server.database(template=server.migrated_template()) as name:
        assert asyncio.run(run(server.url(name))) == []
        # And the check is awake.
        script(server.url(name), "alter table ai_avatar.generations add column unheard_of text")
        assert len(asyncio.run(run(server.url(name)))) == 1


# The migrations' own book-keeping: no code of the service reads it.
_BOOKS = {"created_objects", "saved_definitions", "legacy_copies", "alembic_version"}


def _ours(item: Any, name: str | None, kind: str, _reflected: bool, _other: Any) -> bool:
    table = item if kind == "table" else item.table
    if table.schema == "ai_avatar":
        return table.name not in _BOOKS
    return (table.schema, table.name) == ("public", "ai_avatar_integrations")


@pytest.mark.slow
def test_two_that_migrate_at_once_both_succeed(empty_url: str) -> None:
    """As two instances that are started together: separate processes on an empty database."""
    migrate_command = [str(Path(sys.executable).parent / "ai-avatar"), "migrate"]
    environment = {**os.environ, "MIGRATE_DATABASE_URL": empty_url}
    started = [
        subprocess.Popen(
            migrate_command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    for process in started:
        output, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
        assert output == f"The database is at revision {REVISIONS[-1]}.\n"
    versions = query(empty_url, "select version_num from ai_avatar.alembic_version")
    assert [row[0] for row in versions] == [REVISIONS[-1]]


def test_asking_for_the_revision_of_an_empty_database_changes_nothing(empty_url: str) -> None:
    before = dump(empty_url)
    assert migrations.current_revision(SecretStr(empty_url)) is None
    assert migrations.warnings(SecretStr(empty_url)) == []
    assert dump(empty_url) == before
