"""The columns from before the original plan: copied, followed while both applications run, dropped, brought back."""

from typing import NamedTuple
from uuid import UUID

import pytest
from pydantic import SecretStr
from support.legacy_databases import make_business, run_legacy
from support.sql import dump, query, script, value
from support.supabase import Project

from app import migrations

COPY, HEAD, BEFORE_COPY = "20261122201300", "head", "20261122201200"


class Settings(NamedTuple):
    """What a business has set up, whichever application is asked."""

    key: str | None
    avatar: str | None
    voice: str | None


@pytest.fixture
def businesses(supabase: Project) -> list[UUID]:
    return run_legacy(supabase)


def migrate(project: Project, to: str = HEAD) -> None:
    migrations.migrate(SecretStr(project.owner_url), to)


def old_settings(project: Project, businesses: list[UUID]) -> list[Settings]:
    """As the old application reads them."""
    rows = query(
        project.owner_url,
        "select public.get_heygen_secret(b.id), b.heygen_avatar_id, b.heygen_voice_id "
        "from unnest($1::uuid[]) with ordinality as t (id, n) join public.businesses as b using (id) order by n",
        businesses,
    )
    return [Settings(*row) for row in rows]


def new_settings(project: Project, businesses: list[UUID]) -> list[Settings]:
    """As this service reads them."""
    rows = query(
        project.superuser_url,
        "select public.get_ai_avatar_secret(t.id), ai.avatar_id, ai.voice_id "
        "from unnest($1::uuid[]) with ordinality as t (id, n) "
        "left join public.ai_avatar_integrations as ai on ai.business_id = t.id order by n",
        businesses,
    )
    return [Settings(*row) for row in rows]


def statuses(project: Project, businesses: list[UUID]) -> list[str | None]:
    rows = query(
        project.superuser_url,
        "select ai.status from unnest($1::uuid[]) with ordinality as t (id, n) "
        "left join public.ai_avatar_integrations as ai on ai.business_id = t.id order by n",
        businesses,
    )
    return [row[0] for row in rows]


def secrets(project: Project) -> list[str]:
    rows = query(project.superuser_url, "select decrypted_secret from vault.decrypted_secrets order by 1")
    return [row[0] for row in rows]


def test_up_to_the_head_and_down_to_the_base_keep_every_setting(
    supabase: Project, businesses: list[UUID]
) -> None:
    schema = dump(supabase.superuser_url)
    before = old_settings(supabase, businesses)
    assert before[0] == Settings("key of Ada", "avatar-a", "voice-a")

    migrate(supabase)

    assert new_settings(supabase, businesses) == before
    assert statuses(supabase, businesses) == ["active", "active", "inactive", None, "active"]
    assert secrets(supabase) == ["key of Ada", "key of Ben", "key of Eve"]
    for gone in ("set_heygen_key(uuid, text)", "delete_heygen_key(uuid)", "get_heygen_secret(uuid)"):
        assert value(supabase.superuser_url, "select to_regprocedure($1) is null", f"public.{gone}")
    assert not value(
        supabase.superuser_url,
        "select count(*) from pg_attribute where attname like 'heygen%secret%' and attnum > 0",
    )

    migrate(supabase, "base")

    assert old_settings(supabase, businesses) == before
    assert secrets(supabase) == ["key of Ada", "key of Ben", "key of Eve"]
    assert dump(supabase.superuser_url) == schema


def test_old_application_may_go_on_until_the_clean_up(supabase: Project, businesses: list[UUID]) -> None:
    migrate(supabase, COPY)
    assert new_settings(supabase, businesses) == old_settings(supabase, businesses)
    ada, ben, _, dan, eve = businesses

    query(supabase.owner_url, "select public.delete_heygen_key($1)", ada)
    query(supabase.owner_url, "update public.businesses set heygen_avatar_id = 'avatar-2' where id = $1", ben)
    query(supabase.owner_url, "select public.set_heygen_key($1, 'another key of Ben')", ben)
    query(supabase.owner_url, "select public.set_heygen_key($1, 'key of Dan')", dan)
    new = make_business(supabase, "Fay's")
    query(supabase.owner_url, "select public.set_heygen_key($1, 'key of Fay')", new)
    query(supabase.owner_url, "update public.businesses set heygen_voice_id = 'voice-f' where id = $1", new)
    query(supabase.owner_url, "select public.delete_heygen_key($1)", eve)
    query(supabase.owner_url, "select public.set_heygen_key($1, 'another key of Eve')", eve)
    businesses.append(new)
    expected = old_settings(supabase, businesses)
    # A key that was removed or replaced there is not read here any more, also before the clean-up.
    assert [s.key for s in new_settings(supabase, businesses)][:2] == [None, "another key of Ben"]

    migrate(supabase)

    assert new_settings(supabase, businesses) == expected
    assert statuses(supabase, businesses) == ["inactive", "active", "inactive", "active", "active", "active"]
    assert secrets(supabase) == ["another key of Ben", "another key of Eve", "key of Dan", "key of Fay"]

    migrate(supabase, "base")
    assert old_settings(supabase, businesses) == expected
    assert secrets(supabase) == ["another key of Ben", "another key of Eve", "key of Dan", "key of Fay"]


@pytest.mark.parametrize("turn_back_at", [COPY, HEAD])
def test_what_was_changed_here_since_the_copy_wins_and_survives_the_way_back(
    supabase: Project, businesses: list[UUID], turn_back_at: str
) -> None:
    migrate(supabase, COPY)
    ada, ben, _, dan, eve = businesses
    for business_id, arguments in [
        (ada, "'new key of Ada', 'avatar-2'"),
        (dan, "'new key of Dan', null, 'voice-d'"),
    ]:
        query(
            supabase.superuser_url,
            f"select public.set_ai_avatar_integration($1, 'heygen', {arguments})",
            business_id,
        )
    query(supabase.superuser_url, "select public.delete_ai_avatar_integration($1)", ben)
    query(supabase.owner_url, "delete from public.businesses where id = $1", eve)
    remaining = [ada, businesses[2], dan]
    expected = [
        Settings("new key of Ada", "avatar-2", "voice-a"),
        Settings(None, "avatar-c", None),
        Settings("new key of Dan", None, "voice-d"),
    ]
    assert new_settings(supabase, remaining) == expected
    assert secrets(supabase) == ["new key of Ada", "new key of Dan"]

    migrate(supabase, turn_back_at)
    assert new_settings(supabase, [*remaining, ben])[:3] == expected
    assert statuses(supabase, [ben]) == [None]

    migrate(supabase, "base")
    assert old_settings(supabase, remaining) == expected
    assert old_settings(supabase, [ben])[0].key is None
    assert secrets(supabase) == ["new key of Ada", "new key of Dan"]


def test_empty_texts_of_the_old_forms_mean_none(supabase: Project, businesses: list[UUID]) -> None:
    empty = "update public.businesses set heygen_avatar_id = '', heygen_voice_id = ' ' where id = any ($1)"
    query(supabase.owner_url, empty, [businesses[1], businesses[3]])
    migrate(supabase, COPY)
    assert new_settings(supabase, businesses)[1] == Settings("key of Ben", None, None)
    assert statuses(supabase, businesses)[3] is None
    query(
        supabase.owner_url,
        "update public.businesses set heygen_avatar_id = 'new' where id = $1",
        businesses[1],
    )
    migrate(supabase)
    assert new_settings(supabase, businesses)[1] == Settings("key of Ben", "new", None)
    assert statuses(supabase, businesses)[3] is None


def test_row_that_had_no_key_yet_takes_the_old_one(supabase: Project, businesses: list[UUID]) -> None:
    """The original plan's table may hold rows without a key."""
    migrate(supabase, BEFORE_COPY)
    query(
        supabase.owner_url,
        "insert into public.ai_avatar_integrations (business_id, provider, avatar_id) values ($1, 'heygen', 'own')",
        businesses[0],
    )
    migrate(supabase)
    assert new_settings(supabase, businesses[:1]) == [Settings("key of Ada", "own", "voice-a")]
    assert statuses(supabase, businesses[:1]) == ["active"]


def test_one_business_s_secret_outlives_another_s_integration(
    supabase: Project, businesses: list[UUID]
) -> None:
    """Two businesses of one owner that were given the same secret by hand."""
    ada, ben, *_ = businesses
    script(
        supabase.owner_url,
        f"update public.businesses set heygen_secret_id = ("
        f"select heygen_secret_id from public.businesses where id = '{ada}') where id = '{ben}'",
    )
    migrate(supabase, COPY)
    query(supabase.superuser_url, "select public.delete_ai_avatar_integration($1)", ben)
    assert old_settings(supabase, [ada]) == [Settings("key of Ada", "avatar-a", "voice-a")]
    assert new_settings(supabase, [ada]) == [Settings("key of Ada", "avatar-a", "voice-a")]


def test_database_without_the_old_columns_is_left_alone(supabase: Project) -> None:
    before = dump(supabase.superuser_url)["TABLE public.businesses"]
    migrate(supabase)
    assert dump(supabase.superuser_url)["TABLE public.businesses"] == before


def test_ids_that_no_provider_has_are_not_copied_and_stop_nothing(
    supabase: Project, businesses: list[UUID]
) -> None:
    too_long = "update public.businesses set heygen_avatar_id = repeat('x', 300) where id = $1"
    query(supabase.owner_url, too_long, businesses[0])
    migrate(supabase, COPY)
    assert new_settings(supabase, businesses)[0] == Settings("key of Ada", None, "voice-a")
    migrate(supabase, "base")
    assert old_settings(supabase, businesses)[0] == Settings("key of Ada", "x" * 300, "voice-a")
    migrate(supabase)
    assert new_settings(supabase, businesses)[0] == Settings("key of Ada", None, "voice-a")
