"""`content.heygen_status` with a type of the application's choice."""

import asyncpg
import pytest
from pydantic import SecretStr
from support.sql import psql, script, value
from support.supabase import Project

from app import migrations

TYPES = """
create type public.video_status as enum ('processing', 'completed');
create domain public.video_state as public.video_status;
create domain public.short_text as varchar(40);
"""
ALTER = "alter table public.content alter column heygen_status type text using heygen_status::text;"


def set_type(project: Project, type_: str) -> None:
    script(
        project.owner_url,
        f"{TYPES} alter table public.content alter column heygen_status type {type_} "
        f"using heygen_status::text::{type_}",
    )


@pytest.mark.parametrize("type_", ["public.video_status", "public.video_state"])
def test_enum_is_refused_with_the_statement_that_ends_it(supabase: Project, type_: str) -> None:
    set_type(supabase, type_)
    with pytest.raises(asyncpg.RaiseError) as caught:
        migrations.migrate(SecretStr(supabase.owner_url))
    # `ai-avatar migrate` prints the first line.
    assert ALTER in str(caught.value).partition("\n")[0]
    with pytest.raises(AssertionError, match="alter column heygen_status type text"):
        psql(supabase.owner_url, migrations.migration_sql())
    assert value(supabase.owner_url, "select to_regclass('ai_avatar.generations')") is None

    script(supabase.owner_url, ALTER)
    migrations.migrate(SecretStr(supabase.owner_url))


@pytest.mark.parametrize("type_", ["varchar(20)", "public.short_text"])
def test_other_types_of_text_are_taken(supabase: Project, type_: str) -> None:
    set_type(supabase, type_)
    migrations.migrate(SecretStr(supabase.owner_url))
