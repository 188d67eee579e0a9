"""A real PostgreSQL for the tests: the embedded one, or the server of TEST_POSTGRES_URL (`make test-pg15`)."""

import asyncio
import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg
from pydantic import SecretStr

from app import migrations
from app.db import connect

ROOT = Path(__file__).parent.parent.parent
DATA = ROOT / ".data"


@dataclass(frozen=True)
class Server:
    """A server, and how to make databases on it."""

    admin_url: str

    def url(self, database: str, user: str | None = None, password: str | None = None) -> str:
        """A connection string to a database of this server, as its superuser or as another login."""
        parts = urlsplit(self.admin_url)
        netloc = parts.netloc
        if user is not None:
            _, _, host = netloc.rpartition("@")
            netloc = f"{user}:{password}@{host}" if password else f"{user}@{host}"
        return urlunsplit(parts._replace(netloc=netloc, path=f"/{database}"))

    def run(self, sql: str, database: str = "postgres") -> None:
        """Runs statements as the superuser, outside a test's loop."""
        asyncio.run(_execute(self.url(database), sql))

    @contextmanager
    def database(self, template: str | None = None) -> Iterator[str]:
        """A new database, from a template or empty; gone afterwards."""
        name = f"test_{uuid4().hex[:12]}"
        self.run(f"create database {name}" + (f" template {template}" if template else ""))
        try:
            yield name
        finally:
            self.run(f"drop database if exists {name} with (force)")

    def migrated_template(self) -> str:
        """A database at the newest revision, made once for each state of the migrations."""
        digest = hashlib.sha256()
        for path in sorted((ROOT / "alembic" / "sql").rglob("*.sql")):
            if path.name != "schema.sql":
                digest.update(path.read_bytes())
        name = f"template_{digest.hexdigest()[:12]}"
        with lock("template"):
            if not asyncio.run(
                _fetchval(self.admin_url, "select 1 from pg_database where datname = $1", name)
            ):
                self.run(f"drop database if exists {name}_draft")  # left by a migration that failed
                self.run(f"create database {name}_draft")
                migrations.migrate(SecretStr(self.url(f"{name}_draft")))
                self.run(f"alter database {name}_draft rename to {name}")
        return name


def start() -> Server:
    """The server of TEST_POSTGRES_URL, else the embedded one; shared by all the workers of a run."""
    if given := os.environ.get("TEST_POSTGRES_URL"):
        return Server(given)
    from app.sandbox.embedded import database_url, start_postgres

    with lock("postgres"):
        server = start_postgres(DATA / "test-pg")
        url = database_url(server, "postgres")
        if asyncio.run(_fetchval(url, "show fsync")) == "on":
            # Nothing here outlives a crash, and many pools are open at once.
            asyncio.run(_execute(url, "alter system set fsync = off"))
            asyncio.run(_execute(url, "alter system set max_connections = 400"))
            server.stop()
            server.ensure_postgres_running()
    return Server(url)


@contextmanager
def lock(name: str) -> Iterator[None]:
    """One worker at a time."""
    DATA.mkdir(exist_ok=True)
    with (DATA / f"{name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


async def _execute(url: str, sql: str) -> None:
    connection = await connect(SecretStr(url))
    try:
        await connection.execute(sql)
    finally:
        await connection.close()


async def _fetchval(url: str, sql: str, *arguments: object) -> object:
    connection: asyncpg.Connection = await connect(SecretStr(url))
    try:
        return await connection.fetchval(sql, *arguments)
    finally:
        await connection.close()
