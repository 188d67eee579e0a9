"""Databases as the older applications left them: the original plan's SQL, and the columns from before it."""

from pathlib import Path
from uuid import UUID

from support.sql import query, script, value
from support.supabase import Project

_DATA = Path(__file__).parent.parent / "migrations" / "data"
ORIGINAL_PLAN = (_DATA / "original_plan.sql").read_text()
LEGACY = (_DATA / "legacy.sql").read_text()


def as_owner(sql: str) -> str:
    """Statements for a superuser's connection, run as the project's owner."""
    return f"set role tests_project_owner; {sql}; reset role"


def make_business(project: Project, name: str) -> UUID:
    """A business with a user, whose id is the business's with another first digit."""
    business_id: UUID = value(
        project.superuser_url, "insert into public.businesses (business_name) values ($1) returning id", name
    )
    query(
        project.superuser_url,
        "insert into public.profiles (id, business_id) values ($1, $2)",
        user_of(business_id),
        business_id,
    )
    return business_id


def user_of(business_id: UUID) -> UUID:
    """The user that make_business made."""
    return UUID(int=business_id.int ^ (0xF << 124))


def run_original_plan(project: Project) -> list[UUID]:
    """The original plan's SQL with rows in its table: connected, without a voice, switched off, and none."""
    script(project.owner_url, ORIGINAL_PLAN)
    businesses = [make_business(project, name) for name in ("Ada's", "Ben's", "Cleo's", "Dan's")]
    for business_id, arguments in zip(
        businesses[:3],
        [
            "'key of Ada', 'avatar-a', 'voice-a', '{\"speed\": 1.1}'",
            "'key of Ben', 'avatar-b'",
            "'key of Cleo'",
        ],
        strict=True,
    ):
        query(
            project.owner_url,
            f"select public.set_ai_avatar_integration($1, 'heygen', {arguments})",
            business_id,
        )
    query(
        project.owner_url,
        "update public.ai_avatar_integrations set status = 'inactive', created_at = null where business_id = $1",
        businesses[2],
    )
    return businesses


def run_legacy(project: Project) -> list[UUID]:
    """The old application's columns and functions, with a key, a key alone, an avatar alone, and nothing in them."""
    script(project.owner_url, LEGACY)
    businesses = [make_business(project, name) for name in ("Ada's", "Ben's", "Cleo's", "Dan's", "Eve's")]
    for number, key, avatar, voice in [
        (0, "key of Ada", "avatar-a", "voice-a"),
        (1, "key of Ben", None, None),
        (2, None, "avatar-c", None),
        (4, "key of Eve", "avatar-e", "voice-e"),
    ]:
        if key:
            query(project.owner_url, "select public.set_heygen_key($1, $2)", businesses[number], key)
        query(
            project.owner_url,
            "update public.businesses set heygen_avatar_id = $2, heygen_voice_id = $3 where id = $1",
            businesses[number],
            avatar,
            voice,
        )
    return businesses
