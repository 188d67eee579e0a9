"""alembic/sql/functions/*.sql is the source of every function; `make freeze` and `make revision` work from it."""

import re
import shutil
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from alembic.script import ScriptDirectory
from pydantic import SecretStr
from support import postgres
from support.revisions import CLEAN_UP, freeze, function_sources, functions, write_revision
from support.sql import dump, script
from support.supabase import Project

from app import migrations

ALEMBIC = postgres.ROOT / "alembic"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of what the two commands write to."""
    shutil.copytree(ALEMBIC, tmp_path / "alembic", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "app").mkdir()
    shutil.copy(postgres.ROOT / "app" / "readiness.py", tmp_path / "app")
    return tmp_path


@pytest.fixture
def released(copy: Path) -> Path:
    """A copy as it is after a release."""
    freeze(copy / "alembic")
    return copy


def edit(root: Path, file: str, old: str, new: str) -> None:
    path = root / "alembic" / "sql" / "functions" / file
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))


def revisions(root: Path) -> list[str]:
    """From the first to the last."""
    scripts = ScriptDirectory.from_config(migrations.config(directory=root / "alembic"))
    return [found.revision for found in scripts.walk_revisions()][::-1]


@pytest.fixture(params=["plain", "supabase"])
def migrated(request: pytest.FixtureRequest, server: postgres.Server) -> Project:
    """A database at head: an empty one that a superuser migrated, and a Supabase project that its owner migrated."""
    if request.param == "plain":
        name = request.getfixturevalue("migrated_database")
        return Project(server.url(name), server.url(name))
    project: Project = request.getfixturevalue("supabase")
    migrations.migrate(SecretStr(project.owner_url))
    return project


@pytest.fixture
def migrated_database(server: postgres.Server) -> Iterator[str]:
    """The name of a database at head."""
    with server.database(template=server.migrated_template()) as name:
        yield name


def test_applying_the_sources_to_a_migrated_database_changes_nothing(migrated: Project) -> None:
    before = dump(migrated.superuser_url)
    script(migrated.owner_url, function_sources(ALEMBIC))
    assert dump(migrated.superuser_url) == before


def test_every_function_has_its_source_in_one_place(migrated_database: str, server: postgres.Server) -> None:
    names = [signature.partition("(")[0] for signature in functions(server.url(migrated_database))]
    sources = function_sources(ALEMBIC)
    assert sorted(re.findall(r"^create or replace function ([\w.]+)", sources, re.M)) == sorted(names)


@pytest.mark.slow
def test_freeze_leaves_no_include_and_the_same_schema(
    copy: Path, server: postgres.Server, migrated_database: str
) -> None:
    [last] = (copy / "alembic" / "sql").glob(f"*_{CLEAN_UP}.up.sql")
    if "--! include" not in last.read_text():  # released: as if it were not
        last.write_text(last.read_text() + "\n--! include functions/operations.sql\n")

    assert freeze(copy / "alembic")

    texts = [path.read_text() for path in (copy / "alembic" / "sql").glob("*.sql")]
    assert not any("--! include" in text for text in texts)
    assert freeze(copy / "alembic") == []
    shutil.rmtree(copy / "alembic" / "sql" / "functions")
    shutil.rmtree(copy / "alembic" / "sql" / "shared")
    shutil.rmtree(copy / "alembic" / "sql" / "parts")
    with server.database() as name:
        migrations.migrate(SecretStr(server.url(name)), directory=copy / "alembic")
        assert dump(server.url(name)) == dump(server.url(migrated_database))


def one_line(root: Path) -> list[str]:
    edit(root, "generations.sql", "interval '24 hours')", "interval '12 hours')")
    return ["ai_avatar.next_deadline(timestamp with time zone,interval)"]


def another_signature(root: Path) -> list[str]:
    edit(root, "callers.sql", "get_membership(p_user_id uuid)", "get_membership(p_user_id uuid, p_note text)")
    return ["ai_avatar.get_membership(uuid)", "ai_avatar.get_membership(uuid,text)"]


def another_result(root: Path) -> list[str]:
    edit(root, "secrets.sql", "returns bigint language", "returns integer language")
    return ["ai_avatar.count_secrets()"]


def new_name(root: Path) -> list[str]:
    path = root / "alembic" / "sql" / "functions" / "callers.sql"
    path.write_text(re.sub(r"\bget_membership\b", "get_business_of_user", path.read_text()))
    return ["ai_avatar.get_business_of_user(uuid)", "ai_avatar.get_membership(uuid)"]


def grant_and_comment_alone(root: Path) -> list[str]:
    path = root / "alembic" / "sql" / "functions" / "operations.sql"
    path.write_text(path.read_text() + "\ncomment on function ai_avatar.schema_revision is 'The revision';\n")
    path = root / "alembic" / "sql" / "functions" / "videos.sql"
    path.write_text(path.read_text() + "\nrevoke all on function ai_avatar.list_videos from service_role;\n")
    return [
        "ai_avatar.list_videos(uuid,text,text,uuid[],timestamp with time zone,uuid,integer,integer)",
        "ai_avatar.schema_revision()",
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    "change", [one_line, another_signature, another_result, new_name, grant_and_comment_alone]
)
def test_revision_has_exactly_the_functions_that_changed_and_goes_up_and_down(
    released: Path, server: postgres.Server, change: Callable[[Path], list[str]]
) -> None:
    *_, last = revisions(released)
    expected = change(released)

    name, changed = write_revision(released, "Change a function", server)

    assert changed == expected
    revision = name.removesuffix("_change_a_function")
    brisbane = ZoneInfo("Australia/Brisbane")
    age = datetime.now(brisbane) - datetime.strptime(revision, "%Y%m%d%H%M%S").replace(tzinfo=brisbane)
    assert timedelta() < age < timedelta(minutes=5)
    # The clean-up is released: what comes now comes after it.
    assert revisions(released)[-2:] == [last, revision]
    for direction in ("up", "down"):
        text = (released / "alembic" / "sql" / f"{name}.{direction}.sql").read_text()
        assert set(re.findall(r"^CREATE OR REPLACE FUNCTION ([\w.]+)\(", text, re.M)) <= {
            signature.partition("(")[0] for signature in expected
        }

    with server.database() as database:
        url = server.url(database)
        alembic = released / "alembic"
        migrations.migrate(SecretStr(url), last, directory=alembic)
        before = dump(url)
        migrations.migrate(SecretStr(url), directory=alembic)
        after = dump(url)
        assert after != before
        script(url, function_sources(alembic))
        assert dump(url) == after
        migrations.migrate(SecretStr(url), last, directory=alembic)
        assert dump(url) == before
        migrations.migrate(SecretStr(url), directory=alembic)
        assert dump(url) == after
    assert write_revision(released, "Nothing is left to do", server)[1] == []


@pytest.mark.slow
def test_before_the_release_a_revision_goes_before_the_clean_up(
    copy: Path, server: postgres.Server, migrated_database: str
) -> None:
    *earlier, clean_up = revisions(copy)

    name, changed = write_revision(copy, "Add a table", server)

    assert changed == []
    revision = name.removesuffix("_add_a_table")
    assert revisions(copy)[:-1] == [*earlier, revision]
    moved = revisions(copy)[-1]
    assert moved > revision
    assert (copy / "alembic" / "versions" / f"{moved}_{CLEAN_UP}.py").is_file()
    assert not [path for path in (copy / "alembic").rglob(f"{clean_up}*") if path.suffix != ".pyc"]
    assert f'REQUIRED_REVISION: Final = "{revision}"' in (copy / "app" / "readiness.py").read_text()
    with server.database() as database:
        url = server.url(database)
        migrations.migrate(SecretStr(url), directory=copy / "alembic")
        assert dump(url) == dump(server.url(migrated_database))
        migrations.migrate(SecretStr(url), "base", directory=copy / "alembic")


def test_unreleased_revisions_are_short_enough_to_review() -> None:
    """`make freeze` makes them longer: released ones are not edited again."""
    lengths = {path.name: len(path.read_text().splitlines()) for path in (ALEMBIC / "sql").glob("*_*.sql")}
    unreleased = {
        name: lines
        for name, lines in lengths.items()
        if "--! include" in (ALEMBIC / "sql" / name).read_text()
    }
    assert not {name: lines for name, lines in unreleased.items() if lines > 250}
