"""`make freeze` and `make revision`: from the SQL functions' sources to the text of a revision.

alembic/sql/functions/*.sql is what people edit. An unreleased revision includes those files. A released one is text
that never changes: a later change of a function is a revision of its own.
"""

import argparse
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from alembic.script import ScriptDirectory
from alembic.util import template_to_file
from pydantic import SecretStr
from support import postgres
from support.sql import query, script

from app import migrations

# The revision that drops the old application's columns: readiness does not wait for it, so it stays the last one.
CLEAN_UP: Final = "drop_legacy_columns"

_BEGIN: Final = """\
set local lock_timeout = '2s';
set local search_path = pg_catalog, pg_temp;
"""

# Each function as the statements that make it what it is; "shape" is what `create or replace` cannot change.
_FUNCTIONS: Final = """
select p.oid::regprocedure::text as signature,
    concat_ws(' returns ', pg_get_function_arguments(p.oid), pg_get_function_result(p.oid)) as shape,
    concat_ws(E';\\n',
        rtrim(pg_get_functiondef(p.oid), E'\\n'),
        format(
            'revoke all on function %s from public, anon, authenticated, service_role, ai_avatar_service',
            p.oid::regprocedure
        ),
        (
            select format('grant execute on function %s to %s', p.oid::regprocedure, string_agg(
                acl.role, ', ' order by acl.role
            ))
            from (
                select case grantee when 0 then 'public' else grantee::regrole::text end as role
                from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner)))
                where grantee <> p.proowner
            ) as acl
            having count(*) > 0
        ),
        format('comment on function %s is %s', p.oid::regprocedure, coalesce(
            quote_literal(obj_description(p.oid, 'pg_proc')), 'null'
        ))
    ) || ';' as statements
from pg_catalog.pg_proc as p
where p.pronamespace in (to_regnamespace('ai_avatar'), to_regnamespace('public'))
order by 1
"""

# What no trigger and no policy needs goes first: so a signature may change, and a function may disappear.
_DROP_FUNCTIONS: Final = """
do $$
declare
    v_function regprocedure;
begin
    for v_function in
        select p.oid from pg_catalog.pg_proc as p
        where p.pronamespace in (to_regnamespace('ai_avatar'), to_regnamespace('public'))
            and not exists (
                select from pg_catalog.pg_depend as d
                where d.refclassid = 'pg_catalog.pg_proc'::regclass and d.refobjid = p.oid and d.deptype = 'n'
            )
    loop
        execute format('drop function %s', v_function);
    end loop;
end;
$$;
"""


@dataclass(frozen=True)
class Function:
    """A function as a database has it: what `create or replace` cannot change, and the statements that make it."""

    shape: str
    statements: str


Functions = dict[str, Function]


def functions(url: str) -> Functions:
    """Return the functions of a migrated database, by signature."""
    # Without public in the search_path, every name comes out qualified.
    rows = query(f"{url}{'&' if '?' in url else '?'}search_path=pg_catalog", _FUNCTIONS)
    return {row["signature"]: Function(row["shape"], row["statements"]) for row in rows}


def function_sources(alembic: Path) -> str:
    """Return the text of alembic/sql/functions/*.sql."""
    return "\n".join(path.read_text() for path in sorted((alembic / "sql" / "functions").glob("*.sql")))


def freeze(alembic: Path) -> list[Path]:
    """Put the included files into the revisions, in place; return the files that changed."""
    frozen: list[Path] = []
    for path in sorted((alembic / "sql").glob("*.sql")):
        text = migrations.read_sql(path.parent, path.name)
        if text != path.read_text():
            path.write_text(text)
            frozen.append(path)
    return frozen


def write_revision(root: Path, message: str, server: postgres.Server) -> tuple[str, list[str]]:
    """Write a revision with the functions whose sources differ from what the migrations make.

    Return its name and the functions' signatures. Where no function changed, its SQL is for the developer to write.
    Until the clean-up is released, the new revision goes before it, and the clean-up gets a new id, to stay the last.
    """
    alembic = root / "alembic"
    before, after = _compare(alembic, server)
    changed = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))

    scripts = ScriptDirectory.from_config(migrations.config(directory=alembic))
    head = scripts.get_revision("head")
    assert head
    goes_before_clean_up = not _is_released(alembic) and head.path.endswith(f"{CLEAN_UP}.py")
    down_revision = head.down_revision if goes_before_clean_up else head.revision

    created = datetime.now(ZoneInfo("Australia/Brisbane")) - timedelta(seconds=1)
    revision = created.strftime("%Y%m%d%H%M%S")
    name = f"{revision}_{'_'.join(re.findall(r'[a-z0-9]+', message.lower()))}"
    template_to_file(
        str(alembic / "script.py.mako"),
        str(alembic / "versions" / f"{name}.py"),
        "utf-8",
        message=message,
        create_date=created,
        down_revision=down_revision,
    )
    for direction, start, end in (("up", before, after), ("down", after, before)):
        path = alembic / "sql" / f"{name}.{direction}.sql"
        path.write_text("\n".join([_BEGIN, *_statements(changed, start, end)]))
    if goes_before_clean_up:
        _move_clean_up(
            root, head.revision, revision, (created + timedelta(seconds=1)).strftime("%Y%m%d%H%M%S")
        )
    return name, changed


def _compare(alembic: Path, server: postgres.Server) -> tuple[Functions, Functions]:
    """The functions as the migrations make them, and as their sources say."""
    with server.database() as database:
        url = server.url(database)
        migrations.migrate(SecretStr(url), directory=alembic)
        before = functions(url)
        script(url, _DROP_FUNCTIONS + function_sources(alembic))
        return before, functions(url)


def _statements(changed: list[str], start: Functions, end: Functions) -> list[str]:
    if not changed:
        return []
    reshaped = [
        name
        for name in changed
        if name in start and (name not in end or start[name].shape != end[name].shape)
    ]
    return [
        "set local check_function_bodies = off;",
        "-- As pg_get_functiondef writes them. noqa: disable=all",
        *(f"drop function {name};" for name in reshaped),
        *(f"\n{end[name].statements}" for name in changed if name in end),
        "",
    ]


def _is_released(alembic: Path) -> bool:
    """Whether the clean-up is final: `make freeze` has run over it."""
    [path] = (alembic / "sql").glob(f"*_{CLEAN_UP}.up.sql")
    return "--! include" not in path.read_text()


def _move_clean_up(root: Path, old: str, before: str, new: str) -> None:
    alembic = root / "alembic"
    for path in [*(alembic / "versions").glob(f"{old}_*.py"), *(alembic / "sql").glob(f"{old}_*.sql")]:
        text = path.read_text().replace(old, new)
        text = re.sub(r'^down_revision = ".*"$', f'down_revision = "{before}"', text, flags=re.MULTILINE)
        path.with_name(path.name.replace(old, new)).write_text(text)
        path.unlink()
    module = root / "app" / "readiness.py"
    text = re.sub(r'(REQUIRED_REVISION: Final = )".*"', rf'\1"{before}"', module.read_text())
    module.write_text(text)


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("freeze", help="make the unreleased revisions final")
    new = commands.add_parser("revision", help="write a revision with the functions that changed")
    new.add_argument("message")
    arguments = parser.parse_args()
    if arguments.command == "freeze":
        for path in freeze(postgres.ROOT / "alembic"):
            print(f"Frozen: {path.relative_to(postgres.ROOT)}")  # noqa: T201 - a command's output
        return
    name, changed = write_revision(postgres.ROOT, arguments.message, postgres.start())
    lines = [f"Written: alembic/versions/{name}.py and alembic/sql/{name}.{{up,down}}.sql"]
    lines += [f"  {signature}" for signature in changed] or ["  No function changed: write its SQL."]
    print("\n".join(lines))  # noqa: T201 - a command's output


if __name__ == "__main__":
    _main()
