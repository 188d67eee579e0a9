"""A real n8n with its own folder: import workflows and credentials, start, stop, kill and restart it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx

REPOSITORY = Path(__file__).resolve().parents[2]
WORKFLOWS = REPOSITORY / "n8n"
N8N_HOME = Path(os.environ.get("N8N_HOME", REPOSITORY / ".data" / "n8n"))

BROKER, DIRECT = "heygen-video", "heygen-video-direct"
_WORKFLOW_IDS = {
    slug: json.loads((WORKFLOWS / f"{slug}.json").read_text(encoding="utf-8"))["id"]
    for slug in (BROKER, DIRECT)
}


@dataclass
class N8nProcess:
    """An n8n with SQLite. `settings` are the environment variables that the workflows read."""

    folder: Path
    port: int
    settings: dict[str, str]
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def webhook_url(self, workflow: str) -> str:
        return f"{self.url}/webhook/{workflow}"

    def install_workflows(self, *, webhook_token: str, service_key: str) -> None:
        """Import both workflows, inactive, and the two credentials that they use."""
        credentials = [
            _header_auth("aiAvatarWebhook1", "AI avatar webhook", "Authorization", f"Bearer {webhook_token}"),
            _header_auth("aiAvatarService1", "AI avatar service", "X-API-Key", service_key),
        ]
        incoming = self.folder / "import"
        incoming.mkdir(parents=True)
        (self.folder / "credentials.json").write_text(json.dumps(credentials), encoding="utf-8")
        for slug in (BROKER, DIRECT):
            shutil.copy(WORKFLOWS / f"{slug}.json", incoming)
        self._command("import:credentials", f"--input={self.folder / 'credentials.json'}")
        self._command("import:workflow", "--separate", f"--input={incoming}")
        (self.folder / "credentials.json").unlink()

    def activate_workflows(self) -> None:
        """Change the workflows in the database. n8n reads them at its next start."""
        for workflow_id in _WORKFLOW_IDS.values():
            self._command("update:workflow", f"--id={workflow_id}", "--active=true")

    def deactivate_workflows(self) -> None:
        """Change the workflows in the database. n8n reads them at its next start."""
        for workflow_id in _WORKFLOW_IDS.values():
            self._command("update:workflow", f"--id={workflow_id}", "--active=false")

    def start(self) -> None:
        """Start n8n and return when the editor is accessible: by then, the webhooks are registered."""
        ready = b"Editor is now accessible"
        count_before = self._log.read_bytes().count(ready) if self._log.exists() else 0
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [self._program, "start"], env=self._environment(), stdout=log, stderr=subprocess.STDOUT
            )
        deadline = time.monotonic() + 120
        while self._log.read_bytes().count(ready) <= count_before:
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"n8n did not start:\n{self._log.read_text(errors='replace')[-3000:]}")
            time.sleep(0.2)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def statuses(self, workflow: str) -> list[str]:
        """Return the statuses of the executions that n8n has kept, oldest first."""
        if not self._database.exists():  # n8n has not been started yet
            return []
        uri = f"file:{self._database}?mode=ro"
        connection = sqlite3.connect(uri, uri=True, timeout=10)
        try:
            rows = connection.execute(
                "select status from execution_entity where workflowId = ? order by id",
                (_WORKFLOW_IDS[workflow],),
            ).fetchall()
        finally:
            connection.close()
        return [str(row[0]) for row in rows]

    def wait_until_idle(self, workflow: str, seconds: float = 30) -> list[str]:
        """Wait until no execution is running or waiting, then return the statuses of the kept ones."""
        deadline = time.monotonic() + seconds
        while {"new", "running", "waiting"} & set(kept := self.statuses(workflow)):
            if time.monotonic() > deadline:
                raise TimeoutError(f"still busy after {seconds} s: {kept}")
            time.sleep(0.3)
        return kept

    def wait_for_status(self, workflow: str, status: str, seconds: float = 30) -> None:
        """Wait until the newest execution has this status."""
        deadline = time.monotonic() + seconds
        while (kept := self.statuses(workflow))[-1:] != [status]:
            if time.monotonic() > deadline:
                raise TimeoutError(f"not {status} after {seconds} s: {kept}")
            time.sleep(0.2)

    @property
    def _database(self) -> Path:
        return self.folder / ".n8n" / "database.sqlite"

    @property
    def _log(self) -> Path:
        return self.folder / "n8n.log"

    @property
    def _program(self) -> Path:
        return N8N_HOME / "node_modules" / ".bin" / "n8n"

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(timeout=60)
            self._process = None

    def _command(self, *arguments: str) -> None:
        with (self.folder / "commands.log").open("ab") as log:
            subprocess.run(
                [self._program, *arguments],
                env=self._environment(),
                stdout=log,
                stderr=subprocess.STDOUT,
                timeout=180,
                check=True,
            )

    def _environment(self) -> Mapping[str, str]:
        own = {
            "N8N_USER_FOLDER": str(self.folder),
            "N8N_PORT": str(self.port),
            "N8N_LISTEN_ADDRESS": "127.0.0.1",
            "N8N_ENCRYPTION_KEY": "made-up-for-the-test",
            "N8N_EXPRESSION_ENGINE": "legacy",
            "N8N_RUNNERS_ENABLED": "true",
            "N8N_DIAGNOSTICS_ENABLED": "false",
            "N8N_PERSONALIZATION_ENABLED": "false",
            "N8N_VERSION_NOTIFICATIONS_ENABLED": "false",
            "N8N_TEMPLATES_ENABLED": "false",
            "N8N_BLOCK_ENV_ACCESS_IN_NODE": "false",
            "NODE_FUNCTION_ALLOW_BUILTIN": "crypto",
            "DB_SQLITE_POOL_SIZE": "2",
            "GENERIC_TIMEZONE": "UTC",
        }
        inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        return inherited | own | self.settings


def wait_for(url: str, status: int = 200, seconds: float = 60) -> None:
    """Wait until the address answers with this status."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            if httpx.get(url, timeout=5).status_code == status:
                return
        except httpx.HTTPError:
            pass
        if time.monotonic() > deadline:
            raise TimeoutError(f"{url} does not answer after {seconds} s")
        time.sleep(0.2)


def _header_auth(credential_id: str, name: str, header: str, value: str) -> dict[str, object]:
    return {
        "id": credential_id,
        "name": name,
        "type": "httpHeaderAuth",
        "data": {"name": header, "value": value},
    }
