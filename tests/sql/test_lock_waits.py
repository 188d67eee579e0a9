"""A function that locks rows waits a second at most for another transaction's lock, in SQL and over HTTP alike."""

import re

import pytest
from support.sql import query
from support.supabase import Project

# What locks rows, and what passes over the rows of others.
LOCKS = re.compile(r"\bfor (no key )?update\b|\bdo update set\b|^\s*(update|delete from) ", re.M | re.I)
LOCKS_NOTHING_OF_OTHERS = {
    # They skip locked rows, and their callers limit the statement's time.
    "ai_avatar.expire_generations",
    "ai_avatar.lease_video_checks",
    "ai_avatar.lease_key_checks",
    "ai_avatar.purge_secret_reads",
}


@pytest.fixture(scope="module")
def functions(project: Project) -> dict[str, tuple[str, list[str]]]:
    """Source and settings of the functions that back ends or users may call."""
    rows = query(
        project.superuser_url,
        """
        select n.nspname || '.' || p.proname, p.prosrc, coalesce(p.proconfig, '{}')
        from pg_proc as p join pg_namespace as n on n.oid = p.pronamespace
        where p.prosecdef and p.prorettype <> 'trigger'::regtype
            and (n.nspname = 'ai_avatar' or p.proname like '%ai\\_avatar\\_%' and n.nspname = 'public')
            and has_function_privilege('service_role', p.oid, 'execute')
        """,
    )
    return {name: (source, settings) for name, source, settings in rows}


def test_every_function_that_locks_rows_limits_its_wait(
    functions: dict[str, tuple[str, list[str]]],
) -> None:
    lock = {name for name, (source, _) in functions.items() if LOCKS.search(source)}
    limited = {name for name, (_, settings) in functions.items() if "lock_timeout=1s" in settings}
    assert len(limited) > 15
    assert lock - limited == LOCKS_NOTHING_OF_OTHERS
    # They lock through functions of their own.
    assert limited - lock <= {"ai_avatar.record_sync", "ai_avatar.update_integration"}


def test_functions_that_only_read_have_no_such_setting(functions: dict[str, tuple[str, list[str]]]) -> None:
    """Each setting costs every call."""
    assert "lock_timeout=1s" not in functions["public.get_ai_avatar_integration"][1]
    assert "lock_timeout=1s" not in functions["ai_avatar.list_videos"][1]
