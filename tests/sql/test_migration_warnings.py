"""`migrate` warns when the boundary between tenants is the users' own to move."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr
from support import postgres
from support.sql import script, value
from support.supabase import OWNER, Project, supabase_project

from app import migrations

UPDATE = "Signed-in users may UPDATE profiles.business_id"
INSERT = "Signed-in users may INSERT profiles.business_id"
TRIGGER = "Signed-in users may create triggers on"
USAGE = "The schema ai_avatar is open to"
CREATE = "The schema public is open to new objects of"
OLD_FUNCTION = "The old application's function get_heygen_secret gives any business's key to"
TEMPORARY = "Every role may create temporary objects"


@pytest.fixture(scope="module")
def migrated(server: postgres.Server) -> Iterator[Project]:
    """A project without the dangers that Supabase's and PostgreSQL's defaults have."""
    with supabase_project(server) as project:
        migrations.migrate(SecretStr(project.owner_url))
        for warning in migrations.warnings(SecretStr(project.owner_url)):
            script(project.owner_url, remedy(warning))
        yield project


def remedy(warning: str) -> str:
    """The statement that a warning ends with."""
    return warning.partition(". To end it: ")[2]


@pytest.mark.parametrize(
    ("change", "undo", "expected"),
    [
        ("select 1", "select 1", []),
        (
            "create policy p on public.profiles for update to authenticated using (id = auth.uid())",
            "drop policy p on public.profiles",
            [UPDATE],
        ),
        (
            "create policy p on public.profiles for all using (true)",
            "drop policy p on public.profiles",
            [UPDATE, INSERT],
        ),
        (
            "create policy p on public.profiles for insert to public with check (id = auth.uid())",
            "drop policy p on public.profiles",
            [INSERT],
        ),
        (
            "create policy p on public.profiles for update to service_role using (true)",
            "drop policy p on public.profiles",
            [],
        ),
        (
            "create policy p on public.profiles as restrictive for update to authenticated using (true)",
            "drop policy p on public.profiles",
            [],
        ),
        (
            "create policy p on public.profiles for update to authenticated using (id = auth.uid());"
            "revoke update on public.profiles from authenticated;"
            "grant update (first_name, last_name) on public.profiles to authenticated",
            "drop policy p on public.profiles; grant insert, update on public.profiles to authenticated",
            [],
        ),
        (
            "create policy p on public.profiles for update to authenticated using (id = auth.uid());"
            "revoke update on public.profiles from authenticated;"
            "grant update (business_id) on public.profiles to authenticated",
            "drop policy p on public.profiles; grant insert, update on public.profiles to authenticated",
            [UPDATE],
        ),
        (
            "alter table public.profiles disable row level security",
            "alter table public.profiles enable row level security",
            [UPDATE, INSERT],
        ),
    ],
    ids=[
        "Supabase's grants without a policy",
        "policy for UPDATE",
        "policy for everything",
        "policy for INSERT",
        "policy of another role",
        "restrictive policy only",
        "policy, but not on that column",
        "policy, and a grant on that column",
        "no row level security",
    ],
)
def test_warns_exactly_when_users_may_move_themselves(
    migrated: Project, change: str, undo: str, expected: list[str]
) -> None:
    script(migrated.owner_url, change)
    try:
        warnings = migrations.warnings(SecretStr(migrated.owner_url))
    finally:
        script(migrated.owner_url, undo)
    assert [warning.partition(":")[0] for warning in warnings] == expected


def test_database_that_the_migrations_made_has_only_postgresql_s_own_default_to_warn_of(
    server: postgres.Server,
) -> None:
    with server.database(template=server.migrated_template()) as name:
        [warning] = migrations.warnings(SecretStr(server.url(name)))
        assert warning.startswith(TEMPORARY)
        script(server.url(name), remedy(warning))
        assert migrations.warnings(SecretStr(server.url(name))) == []


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("grant temporary on database {database} to public", TEMPORARY),
        ("grant create on schema public to public", f"{CREATE} public:"),
        ("grant create on schema public to tests_bystander", f"{CREATE} tests_bystander:"),
        ("grant create on schema public to authenticated, anon", f"{CREATE} anon, authenticated:"),
        ("grant trigger on public.content to authenticated", f"{TRIGGER} public.content:"),
        ("grant trigger on public.businesses to public", f"{TRIGGER} public.businesses:"),
        (
            "grant all on public.profiles, public.content to authenticated",
            f"{TRIGGER} public.content, public.profiles:",
        ),
        ("grant usage on schema ai_avatar to authenticated", f"{USAGE} authenticated:"),
        ("grant usage on schema ai_avatar to public", f"{USAGE} public:"),
        ("grant usage on schema ai_avatar to tests_bystander, anon", f"{USAGE} anon, tests_bystander:"),
    ],
)
def test_warning_ends_with_the_statement_that_ends_the_danger(
    migrated: Project, change: str, expected: str
) -> None:
    url = SecretStr(migrated.owner_url)
    database = value(migrated.owner_url, "select current_database()")
    script(migrated.owner_url, change.format(database=database))
    [warning] = migrations.warnings(url)
    assert warning.startswith(expected)
    script(migrated.owner_url, remedy(warning))
    assert migrations.warnings(url) == []


@pytest.mark.parametrize(
    ("revoked", "readers"),
    [
        ("service_role", "anon, authenticated"),
        ("public, anon", "authenticated"),
        ("public, anon, authenticated", None),
    ],
)
def test_the_old_application_s_function_must_be_closed_to_users(
    migrated: Project, revoked: str, readers: str | None
) -> None:
    url = SecretStr(migrated.owner_url)
    function = "function public.get_heygen_secret(uuid)"
    script(
        migrated.owner_url,
        f"create {function} returns text language sql return null::text;"
        f"grant execute on {function} to anon, authenticated, service_role;"
        f"revoke execute on {function} from {revoked}",
    )
    try:
        found = migrations.warnings(url)
        assert [warning.partition(". To end it")[0] for warning in found] == (
            [f"{OLD_FUNCTION} {readers}"] if readers else []
        )
        for warning in found:
            script(migrated.owner_url, remedy(warning))
        assert migrations.warnings(url) == []
    finally:
        script(migrated.owner_url, f"drop {function}")


def test_schema_s_owner_and_the_migrating_role_are_no_bystanders(migrated: Project) -> None:
    script(migrated.superuser_url, f"grant create on schema public to {OWNER}, postgres")
    assert migrations.warnings(SecretStr(migrated.owner_url)) == []


def test_command_prints_the_warning_and_succeeds(migrated: Project) -> None:
    script(migrated.owner_url, "create policy p on public.profiles for update to authenticated using (true)")
    try:
        result = subprocess.run(
            [Path(sys.executable).parent / "ai-avatar", "migrate"],
            env={**os.environ, "MIGRATE_DATABASE_URL": migrated.owner_url},
            capture_output=True,
            text=True,
            check=True,
        )
    finally:
        script(migrated.owner_url, "drop policy p on public.profiles")
    assert result.stderr.startswith(f"Warning: {UPDATE}")
    assert "docs/deploy-supabase.md" in result.stderr
    assert "is at revision" in result.stdout
