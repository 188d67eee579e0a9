"""The command line, `ai-avatar`."""

import asyncio
import json
import math
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Annotated
from uuid import UUID

import asyncpg
import typer
import uvicorn
from pydantic import SecretStr

from app.cli_errors import Commands, check_address, errors_in_words, fail, stderr
from app.command_settings import MigrationSettings, RotationSettings, TokenSettings
from app.config import load, load_settings
from app.config_warnings import log_warnings
from app.db import Database, SqlFunction, connect
from app.errors import DatabaseUnavailable, NotReady
from app.integrations.rotation import RotationResult, rotate
from app.integrations.secret_repository import SecretRepository
from app.lifespan import check_vault, drain_seconds
from app.logs import configure_logging
from app.main import openapi_document
from app.readiness import REQUIRED_REVISION, Readiness
from app.sealing import generate_key
from app.server import server_options
from app.tokens import mint_token

cli = typer.Typer(
    cls=Commands,
    help="The AI-avatar integration service.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # they print the values of variables, which may be keys
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"ai-avatar {version('ai-avatar')}")
        raise typer.Exit


@cli.callback()
def root(
    _version: Annotated[
        bool,
        typer.Option("--version", help="Print the version and exit", is_eager=True, callback=_print_version),
    ] = False,
) -> None:
    """The AI-avatar integration service."""


secrets_cli = typer.Typer(help="Manage the keys that seal provider keys.", no_args_is_help=True)
cli.add_typer(secrets_cli, name="secrets")

SCHEMA_REVISION = SqlFunction("ai_avatar.schema_revision", {})


@cli.command()
def dev(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the service on 127.0.0.1")] = 8000,
    data_dir: Annotated[
        Path, typer.Option(help="Folder for the database, development keys and dev.json")
    ] = Path(".data"),
    sandbox: Annotated[bool, typer.Option(help="Also run stand-ins for HeyGen, Tavus and n8n")] = True,
) -> None:
    """Run everything on this machine: a real PostgreSQL, demo data, the sandbox and the service."""
    from app.sandbox.dev import run  # noqa: PLC0415 - cannot be imported in production

    run(port, data_dir, sandbox=sandbox)


@cli.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on")] = 8000,
    workers: Annotated[int, typer.Option(min=1, max=256, help="Number of processes")] = 1,
) -> None:
    """Run the service in production. Run `ai-avatar migrate` first, as the owner: `serve` never migrates."""
    settings = load_settings()
    configure_logging(settings.log_level, settings.log_format)
    log_warnings(settings)
    check_address(host, port)
    asyncio.run(check_vault(settings))
    with _metrics_folder(workers):
        uvicorn.run(
            "app.main:from_environment",
            factory=True,
            host=host,
            port=port,
            workers=workers,
            **server_options(settings.problem_type_url),
            # Longer than any call: uvicorn cancels what is still running then.
            timeout_graceful_shutdown=math.ceil(drain_seconds(settings)) + 5,
        )


@contextmanager
def _metrics_folder(workers: int) -> Iterator[None]:
    """Set a folder in which the workers share their metrics, so that /metrics can add them up."""
    if workers == 1 or "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="ai-avatar-metrics-") as folder:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        yield


@cli.command()
def migrate(
    sql: Annotated[bool, typer.Option("--sql", help="Print the SQL instead of running it")] = False,
    to: Annotated[
        str, typer.Option(help="Target: a revision, `head` or `base`; with --sql also a range, `from:to`")
    ] = "head",
    out: Annotated[
        Path | None, typer.Option(help="With --sql: write one file per revision into this folder")
    ] = None,
    status: Annotated[
        bool, typer.Option("--status", help="Show the database's revision and change nothing")
    ] = False,
) -> None:
    """Upgrade or downgrade the database of MIGRATE_DATABASE_URL (the owner's) or else DATABASE_URL."""
    if out is not None and not sql:
        raise typer.BadParameter("Use --out with --sql.")
    from alembic.util import CommandError  # noqa: PLC0415 - as _migrate does

    try:
        if status:
            _print_status(load(MigrationSettings).owner_url)
        elif sql:
            _print_sql(to, out)
        else:
            _migrate(load(MigrationSettings).owner_url, to)
    except CommandError as error:
        fail("Migration failed", str(error), 2)


def _migrate(url: SecretStr, to: str) -> None:
    from app import migrations  # noqa: PLC0415 - Alembic takes a quarter of the time that `serve` needs to start

    migrations.migrate(url, to)
    for warning in migrations.warnings(url):
        stderr.print(f"[yellow]Warning:[/] {warning}")
    typer.echo(f"The database is at revision {migrations.current_revision(url) or 'base'}.")


def _print_sql(to: str, out: Path | None) -> None:
    from app import migrations  # noqa: PLC0415 - as _migrate does

    if out is None:
        typer.echo(migrations.migration_sql(to))
        return
    for path in migrations.write_migration_files(out, to):
        typer.echo(path)


def _print_status(url: SecretStr) -> None:
    from app import migrations  # noqa: PLC0415 - as _migrate does

    revision = asyncio.run(_read_revision(url))
    pending = migrations.pending(revision)
    typer.echo(f"The database is at revision {revision or 'base'}. This build has {migrations.head()}.")
    for name, title in pending:
        needed = "" if name <= REQUIRED_REVISION else " (may wait)"
        typer.echo(f"  to run: {name} {title}{needed}")
    if not pending:
        typer.echo("There is nothing to run.")


async def _read_revision(url: SecretStr) -> str | None:
    """Return the revision as readiness reads it, which neither locks nor writes; None before the first."""
    connection = await connect(url)
    try:
        with suppress(asyncpg.UndefinedFunctionError, asyncpg.InvalidSchemaNameError):
            revision: str | None = await connection.fetchval(SCHEMA_REVISION.sql)
            return revision
    finally:
        await connection.close()
    return None


@cli.command()
def token(
    user: Annotated[UUID | None, typer.Option(help="Token for this user (profiles.id)")] = None,
    service: Annotated[
        bool, typer.Option("--service", help="Token for a back end (role=service_role)")
    ] = False,
    ttl: Annotated[int, typer.Option(min=1, max=315_360_000, help="Seconds until the token expires")] = 3600,
) -> None:
    """Print an access token signed with SUPABASE_JWT_SECRET, for development."""
    if (user is None) == (not service):
        raise typer.BadParameter("Use either --user UUID or --service.")
    secret = load(TokenSettings).supabase_jwt_secret.get_secret_value()
    typer.echo(mint_token(secret, user_id=user, ttl=timedelta(seconds=ttl)))


@cli.command()
def openapi() -> None:
    """Print the OpenAPI document."""
    typer.echo(json.dumps(openapi_document(), indent=2))


@secrets_cli.command("generate-key")
def generate() -> None:
    """Print a new entry for SECRETS_KEYS. To rotate, add it at the end on every instance first: docs/security.md."""
    typer.echo(generate_key())


@secrets_cli.command("rotate")
def rotate_secrets(
    from_vault: Annotated[
        bool, typer.Option("--from-vault", help="Also seal plain keys found in a vault")
    ] = False,
) -> None:
    """Re-seal every stored key with the newest entry of SECRETS_KEYS. Safe to interrupt and run again."""
    settings = load(RotationSettings)
    result = asyncio.run(_rotate(settings, from_vault=from_vault))
    typer.echo(
        f"{result.rotated} re-sealed, {result.current} already sealed with the newest key, "
        f"{result.changed_meanwhile} replaced during the rotation."
    )
    if result.plain:
        typer.echo(
            f"{result.plain} stored as plain text in the vault; --from-vault seals them. Use it only after the old "
            "application is switched off: it cannot open sealed keys."
        )
    for line in result.left:
        stderr.print(f"[red]Not changed:[/] {line}")
    if result.left:
        raise typer.Exit(1)


async def _rotate(settings: RotationSettings, *, from_vault: bool) -> RotationResult:
    db = Database(settings.database_url, pool_size=2, pooler=settings.database_pooler)
    await db.open()
    try:
        ring = settings.key_ring
        wrong = await Readiness(db, ring).find_wrong_keys()
        # Keys that are sealed with a wrong newest key would be lost. `rotate` lists those that other ids do not open.
        if ring.newest in wrong:
            raise NotReady(f"{wrong[ring.newest]} Nothing was changed.")
        secrets = SecretRepository(db)
        total = await secrets.count_secrets()
        from rich.progress import Progress  # noqa: PLC0415 - no other command needs it to start

        with Progress(console=stderr) as bar:
            task = bar.add_task("Sealing", total=total)
            return await rotate(secrets, ring, from_vault=from_vault, progress=lambda: bar.advance(task))
    except DatabaseUnavailable as error:
        raise db.explain(error) from error
    finally:
        await db.close()


def main() -> None:
    """Run a command; print wrong settings and failures as one sentence, without a traceback."""
    with errors_in_words():
        cli()
