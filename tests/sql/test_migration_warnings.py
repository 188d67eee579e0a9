"""`migrate` warns when the boundary between tenants is the users' own to move."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr
from support import postgres
from support.sql import script
from support.supabase import Project, supabase_project

from app import migrations

UPDATE = "Signed-in users may UPDATE profiles.business_id"
INSERT = "Signed-in users may INSERT profiles.business_id"


@pytest.fixture(scope="module")
def migrated(server: postgres.Server) -> Iterator[Project]:
    with supabase_project(server) as project:
        migrations.migrate(SecretStr(project.owner_url))
        yield project


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
            "drop policy p on public.profiles; grant all on public.profiles to authenticated",
            [],
        ),
        (
            "create policy p on public.profiles for update to authenticated using (id = auth.uid());"
            "revoke update on public.profiles from authenticated;"
            "grant update (business_id) on public.profiles to authenticated",
            "drop policy p on public.profiles; grant all on public.profiles to authenticated",
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


def test_database_that_the_migrations_made_has_nothing_to_warn_of(server: postgres.Server) -> None:
    with server.database(template=server.migrated_template()) as name:
        assert migrations.warnings(SecretStr(server.url(name))) == []


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
