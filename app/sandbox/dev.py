"""`ai-avatar dev`: run the whole system on one machine, from the database to the finished video."""

import asyncio
import fcntl
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Final
from uuid import UUID

import uvicorn
from pydantic import SecretStr
from rich.console import Console

from app import example_ids, migrations
from app.cli_errors import check_address
from app.config import ConfigError, load_settings
from app.config_warnings import log_warnings
from app.db import connect
from app.logs import configure_logging
from app.main import create_app
from app.providers import PROVIDERS
from app.sandbox.embedded import PostgresServer, database_url, start_postgres
from app.sandbox.examples import seed_examples
from app.sealing import generate_key
from app.server import server_options
from app.tokens import mint_token

BUSINESS_ID: Final = "b0000000-0000-4000-8000-000000000001"
USER_ID: Final = "a0000000-0000-4000-8000-000000000001"
CONTENT_IDS: Final = tuple(f"c0000000-0000-4000-8000-00000000000{number}" for number in (1, 2, 3))

_DATABASE: Final = "ai_avatar"
_TOKEN_TTL: Final = timedelta(days=1)

_console = Console(highlight=False, soft_wrap=True)


def run(port: int, data_dir: Path, *, sandbox: bool) -> None:
    """Run until stopped. Environment variables take precedence over generated values."""
    # uvicorn re-raises the signal after it has stopped. As an exception, it also stops the sandbox and the database.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        _run(port, data_dir.resolve(), sandbox=sandbox)
    except KeyboardInterrupt:
        # Ctrl-C is how to stop it: no error, of `make` neither. A second one must not interrupt the database's end.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        _console.print("Stopped.")


def _run(port: int, data_dir: Path, *, sandbox: bool) -> None:
    check_address("127.0.0.1", port)
    with _data_folder(data_dir):
        server = _start_database(data_dir)
        owner_url = database_url(server, _DATABASE)
        asyncio.run(_create_database(database_url(server, "postgres")))
        _refuse_unknown_revision(owner_url, data_dir)
        migrations.migrate(SecretStr(owner_url))
        asyncio.run(_seed(owner_url))

        for name, value in _development_keys(data_dir / "keys.json").items():
            os.environ.setdefault(name, value)
        os.environ.setdefault("LOG_FORMAT", "console")
        os.environ["DATABASE_URL"] = database_url(server, _DATABASE, user="ai_avatar_dev")

        process = None
        try:
            if sandbox:
                process, sandbox_url = _start_sandbox(port, sandbox_port(data_dir))
                asyncio.run(_seed_examples(owner_url, sandbox_url))
            _serve(port, data_dir, owner_url, docs_user=example_ids.USER_ID if sandbox else USER_ID)
        finally:
            if process is not None:
                process.terminate()
                process.wait(10)


@contextmanager
def _data_folder(data_dir: Path) -> Iterator[None]:
    """Make the data folder, or take it over; hold it until the end. Raises ConfigError if that is not possible."""
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        with (data_dir / "dev.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # A program that waits for the file must not read an old one.
            (data_dir / "dev.json").unlink(missing_ok=True)
            yield
    except BlockingIOError:
        raise ConfigError(
            f"The data folder {data_dir} is in use by another `ai-avatar dev`. Stop that one, or choose another "
            "folder with --data-dir."
        ) from None
    except (FileExistsError, NotADirectoryError, PermissionError) as error:
        raise ConfigError(
            f"The data folder {data_dir} cannot be used ({error.strerror}). Choose another one with --data-dir."
        ) from None


def _start_database(data_dir: Path) -> PostgresServer:
    """Start the database; make it first if it is not there, or if making it was interrupted."""
    folder, unfinished = data_dir / "pg", data_dir / "pg.unfinished"
    if unfinished.exists():
        shutil.rmtree(folder, ignore_errors=True)
    if not folder.exists():
        unfinished.touch()
    # The library's list of processes that use the database. This one alone may; a killed one is still listed, and the
    # database would never stop again.
    (folder / ".handle_pids.json").unlink(missing_ok=True)
    try:
        server = start_postgres(folder)
    except (subprocess.SubprocessError, OSError, ValueError, AssertionError):
        raise ConfigError(
            f"The database in {data_dir} does not start; {folder / 'log'} says why. If the folder is "
            "damaged, delete it and start again, or choose another one with --data-dir."
        ) from None
    unfinished.unlink(missing_ok=True)
    return server


class _Server(uvicorn.Server):
    """Writes dev.json and prints a welcome text once the server has started."""

    dev_info: Mapping[str, object]
    dev_json: Path
    docs_token: str

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            _write_private(self.dev_json, self.dev_info)
            _print_welcome(self.dev_info, self.docs_token)


def _serve(port: int, data_dir: Path, owner_url: str, docs_user: str) -> None:
    settings = load_settings()
    if settings.supabase_jwt_secret is None:
        raise ConfigError("SUPABASE_JWT_SECRET is required, to sign the demo user's token")
    jwt_secret = settings.supabase_jwt_secret.get_secret_value()
    configure_logging(settings.log_level, settings.log_format)
    log_warnings(settings)
    config = uvicorn.Config(
        create_app(settings),
        host="127.0.0.1",
        port=port,
        **server_options(settings.problem_type_url),
        timeout_graceful_shutdown=20,
    )
    server = _Server(config)
    server.dev_json = data_dir / "dev.json"
    server.docs_token = mint_token(jwt_secret, user_id=UUID(docs_user), ttl=_TOKEN_TTL)
    server.dev_info = {
        "url": f"http://127.0.0.1:{port}",
        "database_url": owner_url,
        "business_id": BUSINESS_ID,
        "content_ids": CONTENT_IDS,
        "user_token": mint_token(jwt_secret, user_id=UUID(USER_ID), ttl=_TOKEN_TTL),
        "service_token": mint_token(jwt_secret, user_id=None, ttl=_TOKEN_TTL),
        "n8n_api_key": settings.n8n_api_keys[0],
    }
    server.run()


def _refuse_unknown_revision(owner_url: str, data_dir: Path) -> None:
    revision = migrations.current_revision(SecretStr(owner_url))
    if revision is not None and not migrations.is_known(revision):
        raise ConfigError(
            f"The database in {data_dir} is at revision {revision}, which this version does not have. "
            f"It was made by another version: delete the folder {data_dir} and start again."
        )


async def _create_database(admin_url: str) -> None:
    connection = await connect(SecretStr(admin_url))
    try:
        if not await connection.fetchval("select 1 from pg_database where datname = $1", _DATABASE):
            await connection.execute(f"create database {_DATABASE}")
    finally:
        await connection.close()


async def _seed(owner_url: str) -> None:
    connection = await connect(SecretStr(owner_url))
    try:
        await connection.execute((Path(__file__).parent / "demo.sql").read_text())
    finally:
        await connection.close()


async def _seed_examples(owner_url: str, sandbox_url: str) -> None:
    ring = load_settings().key_ring
    assert ring is not None
    connection = await connect(SecretStr(owner_url))
    try:
        await seed_examples(connection, ring, f"{sandbox_url}/media")
    finally:
        await connection.close()


def _development_keys(path: Path) -> dict[str, str]:
    """Return the development keys. They are created once and kept, so that sealed keys open after a restart."""
    if not path.exists():
        _write_private(
            path,
            {
                "SUPABASE_JWT_SECRET": secrets.token_urlsafe(48),
                "N8N_API_KEY": secrets.token_urlsafe(24),
                "N8N_WEBHOOK_SECRET": "whsec_" + b64encode(secrets.token_bytes(32)).decode(),
                "N8N_WEBHOOK_TOKEN": secrets.token_urlsafe(24),
                "SECRETS_KEYS": generate_key(),
                "SANDBOX_MEDIA_SECRET": secrets.token_urlsafe(32),
            },
        )
    try:
        keys: dict[str, str] = json.loads(path.read_text())
        return {str(name): str(value) for name, value in keys.items()}
    except (ValueError, AttributeError):
        raise ConfigError(
            f"{path} is damaged. Without it, no stored key can be opened: delete the folder {path.parent} and "
            "start again, or choose another one with --data-dir."
        ) from None


def _write_private(path: Path, content: Mapping[str, object]) -> None:
    """Write a file that only its owner can ever read. It replaces an existing file atomically."""
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(content, file, indent=2)
    draft.replace(path)


def sandbox_port(data_dir: Path) -> int:
    """Return the sandbox's port: that of the last time if it is free, so that the links in the database still work."""
    kept = data_dir / "sandbox-port"
    for candidate in (int(kept.read_text()) if kept.exists() else 0, 0):
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", candidate))
            port: int = probe.getsockname()[1]
            kept.write_text(str(port))
            return port
    raise ConfigError("No port is free for the sandbox.")


def _start_sandbox(service_port: int, port: int) -> "tuple[subprocess.Popen[bytes], str]":
    """Start it; return its process and its address."""
    url = f"http://127.0.0.1:{port}"
    for provider in PROVIDERS:
        os.environ.setdefault(f"{provider.upper()}_API_URL", f"{url}/{provider}")
        os.environ.setdefault(f"N8N_{provider.upper()}_WEBHOOK_URL", f"{url}/n8n/webhook/{provider}-video")
    service_url = f"http://127.0.0.1:{service_port}"
    command = [sys.executable, "-m", "app.sandbox", "--port", str(port), "--service-url", service_url]
    # It ends with this process, whatever ends this one; Ctrl-C reaches it through this one only.
    process = subprocess.Popen(  # noqa: S603 - runs our own module
        [*command, "--until-eof"], stdin=subprocess.PIPE, start_new_session=True
    )
    for _ in range(200):
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return process, url
        time.sleep(0.05)
    process.terminate()
    raise ConfigError("The sandbox did not start; see its output above.")


def _print_welcome(dev: Mapping[str, object], docs_token: str) -> None:
    url, token, business_id = dev["url"], dev["user_token"], dev["business_id"]
    json_body = "-H 'Content-Type: application/json'"
    content_id = CONTENT_IDS[0]
    _console.print(
        f"""
[bold]The AI-avatar service is running at {url}[/] (press Ctrl-C to stop)

  Start page      {url}/
  Settings page   {url}/settings/integrations#token={token}
  API reference   {url}/docs#accessToken={docs_token}&n8nKey={dev["n8n_api_key"]}

Paste these commands into another terminal, one after the other:

TOKEN={token}
curl -sS {url}/integrations/ai-avatar -H "Authorization: Bearer $TOKEN" {json_body} \\
  -d '{{"api_key": "sandbox-demo", "avatar_id": "sandbox-ada"}}'
curl -sS {url}/integrations/ai-avatar/{business_id} -H "Authorization: Bearer $TOKEN"
curl -sS {url}/integrations/ai-avatar/generate-video -H "Authorization: Bearer $TOKEN" {json_body} \\
  -d '{{"content_id": "{content_id}"}}'
curl -sSN {url}/integrations/ai-avatar/videos/{content_id}/events -H "Authorization: Bearer $TOKEN"
""",
        markup=True,
    )
