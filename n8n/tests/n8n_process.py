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
from contextlib import closing
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path

import httpx

REPOSITORY = Path(__file__).resolve().parents[2]
WORKFLOWS = REPOSITORY / "n8n"
# A major version ("2") or an exact one ("2.40.5"), as given to n8n/install.
VERSION = os.environ.get("N8N_VERSION", "2")
MAJOR = int(VERSION.split(".")[0])
INSTALLATION = Path(os.environ.get("N8N_HOME", REPOSITORY / ".data" / "n8n")) / VERSION

BROKER, DIRECT, TAVUS = "heygen-video", "heygen-video-direct", "tavus-video"
SLUGS = (BROKER, DIRECT, TAVUS)
_PROGRAM = INSTALLATION / "node_modules" / ".bin" / "n8n"
_WORKFLOW_IDS = {
    slug: json.loads((WORKFLOWS / f"{slug}.json").read_text(encoding="utf-8"))["id"] for slug in SLUGS
}


def _version_settings() -> dict[str, str]:
    if MAJOR > 1:
        # Otherwise n8n downloads a list of MCP servers.
        return {"N8N_DISABLED_MODULES": "mcp-registry"}
    always_on_in_n8n_2 = {
        "N8N_RUNNERS_ENABLED": "true",
        "DB_SQLITE_POOL_SIZE": "2",
        "N8N_ENFORCE_SETTINGS_FILE_PERMISSIONS": "true",
    }
    node = (INSTALLATION / "installed-node").read_text(encoding="utf-8")
    # The default engine needs isolated-vm, which needs Node 22.
    engine = {"N8N_EXPRESSION_ENGINE": "legacy"} if node.startswith(("v20.", "v21.")) else {}
    return always_on_in_n8n_2 | engine


@dataclass
class N8nProcess:
    """An n8n with SQLite. `settings` are the environment variables that the workflows read."""

    folder: Path
    port: int
    broker_port: int
    """Where its task runner connects. By default, all n8n on one machine use the same port."""
    settings: dict[str, str]
    import_output: str = field(default="", init=False)
    _active: bool = field(default=False, init=False)
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def webhook_url(self, workflow: str) -> str:
        return f"{self.url}/webhook/{workflow}"

    def install_workflows(self, *, webhook_token: str, service_key: str) -> None:
        """Import the workflows, inactive, and the two credentials that they use."""
        credentials = [
            _header_auth("aiAvatarWebhook1", "AI avatar webhook", "Authorization", f"Bearer {webhook_token}"),
            _header_auth("aiAvatarService1", "AI avatar service", "X-API-Key", service_key),
        ]
        incoming = self.folder / "import"
        incoming.mkdir(parents=True)
        (self.folder / "credentials.json").write_text(json.dumps(credentials), encoding="utf-8")
        for slug in SLUGS:
            shutil.copy(WORKFLOWS / f"{slug}.json", incoming)
        self._command("import:credentials", f"--input={self.folder / 'credentials.json'}")
        self.import_output = self._command("import:workflow", "--separate", f"--input={incoming}")
        (self.folder / "credentials.json").unlink()

    def set_active(self, active: bool) -> None:
        """Activate or deactivate the workflows in the database. n8n reads them at its next start."""
        if active != self._active:
            for workflow_id in _WORKFLOW_IDS.values():
                if MAJOR == 1:
                    self._command("update:workflow", f"--id={workflow_id}", f"--active={str(active).lower()}")
                else:
                    command = "publish:workflow" if active else "unpublish:workflow"
                    self._command(command, f"--id={workflow_id}")
            self._active = active

    def start(self) -> None:
        """Start n8n, with the current settings, and return when it answers at their webhooks.

        n8n 2 registers the webhooks some seconds after its log says that the editor is accessible. A request
        with a wrong token starts no execution: the answer is 404 before the webhook is registered, and 403 after.
        """
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [_PROGRAM, "start"], env=self._environment(), stdout=log, stderr=subprocess.STDOUT
            )
        deadline = time.monotonic() + 300
        for slug in _WORKFLOW_IDS:
            while not self._is_ready(slug):
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"n8n did not start:\n{self._log.read_text(errors='replace')[-3000:]}")
                time.sleep(0.2)

    def _is_ready(self, workflow: str) -> bool:
        try:
            response = httpx.post(
                self.webhook_url(workflow), headers={"Authorization": "Bearer wrong"}, json={}, timeout=10
            )
        except httpx.TransportError:
            return False
        if self._active:
            return response.status_code == HTTPStatus.FORBIDDEN
        is_json = response.headers.get("content-type", "").startswith("application/json")
        return response.status_code == HTTPStatus.NOT_FOUND and is_json

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def statuses(self, workflow: str) -> list[str]:
        """Return the statuses of the executions that n8n has kept, oldest first.

        n8n 2 marks executions that it does not keep as deleted, and deletes them later.
        """
        return self._column(
            "select status from execution_entity where workflowId = ? and deletedAt is null order by id",
            workflow,
        )

    def stored(self, workflow: str) -> list[str]:
        """Return the data of every execution in the database, including those that are marked as deleted."""
        return self._column(
            "select d.data from execution_entity e join execution_data d on d.executionId = e.id"
            " where e.workflowId = ? order by e.id",
            workflow,
        )

    def _column(self, sql: str, workflow: str) -> list[str]:
        if not self._database.exists():  # n8n has not been started yet
            return []
        connection = sqlite3.connect(f"file:{self._database}?mode=ro", uri=True, timeout=10)
        try:
            rows = connection.execute(sql, (_WORKFLOW_IDS[workflow],)).fetchall()
        finally:
            connection.close()
        return [str(row[0]) for row in rows]

    def wait_until_idle(self, workflow: str, seconds: float = 90) -> list[str]:
        """Wait until no execution is running or waiting, then return the statuses of the kept ones."""
        deadline = time.monotonic() + seconds
        while {"new", "running", "waiting"} & set(kept := self.statuses(workflow)):
            if time.monotonic() > deadline:
                raise TimeoutError(f"still busy after {seconds} s: {kept}")
            time.sleep(0.3)
        return kept

    def wait_for_status(self, workflow: str, status: str, seconds: float = 90) -> None:
        """Wait until the newest execution has this status."""
        deadline = time.monotonic() + seconds
        while (kept := self.statuses(workflow))[-1:] != [status]:
            if time.monotonic() > deadline:
                raise TimeoutError(f"not {status} after {seconds} s: {kept}")
            time.sleep(0.2)

    def end_waits(self) -> None:
        """Let the time of every wait in the database be over, as if n8n had been down that long."""
        with closing(sqlite3.connect(self._database)) as connection, connection:
            changed = connection.execute(
                "update execution_entity set waitTill = '2026-01-01 00:00:00.000' where status = 'waiting'"
            )
            assert changed.rowcount > 0

    @property
    def _database(self) -> Path:
        return self.folder / ".n8n" / "database.sqlite"

    @property
    def _log(self) -> Path:
        return self.folder / "n8n.log"

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(timeout=60)
            self._process = None

    def _command(self, *arguments: str) -> str:
        """Run one of n8n's commands and return what it prints."""
        with (self.folder / "commands.log").open("ab+") as log:
            start = log.tell()
            subprocess.run(
                [_PROGRAM, *arguments],
                env=self._environment(),
                stdout=log,
                stderr=subprocess.STDOUT,
                timeout=180,
                check=True,
            )
            log.seek(start)
            return log.read().decode()

    def _environment(self) -> Mapping[str, str]:
        own = {
            "N8N_USER_FOLDER": str(self.folder),
            "N8N_PORT": str(self.port),
            "N8N_LISTEN_ADDRESS": "127.0.0.1",
            "N8N_RUNNERS_BROKER_PORT": str(self.broker_port),
            "N8N_ENCRYPTION_KEY": "made-up-for-the-test",
            "N8N_DIAGNOSTICS_ENABLED": "false",
            "N8N_PERSONALIZATION_ENABLED": "false",
            "N8N_VERSION_NOTIFICATIONS_ENABLED": "false",
            "N8N_TEMPLATES_ENABLED": "false",
            "N8N_BLOCK_ENV_ACCESS_IN_NODE": "false",
            "NODE_FUNCTION_ALLOW_BUILTIN": "crypto",
            "GENERIC_TIMEZONE": "UTC",
        }
        inherited = {name: os.environ[name] for name in ("HOME", "LANG") if name in os.environ}
        path = {"PATH": f"{INSTALLATION / 'node'}{os.pathsep}{os.environ['PATH']}"}
        return inherited | path | own | _version_settings() | self.settings


def node_versions() -> set[tuple[str, float]]:
    """Return the name and version of every node that comes with the installed n8n."""
    path = INSTALLATION / "node_modules" / "n8n-nodes-base" / "dist" / "types" / "nodes.json"
    nodes = set()
    for node in json.loads(path.read_text(encoding="utf-8")):
        versions = node["version"] if isinstance(node["version"], list) else [node["version"]]
        nodes |= {(node["name"], version) for version in versions}
    return nodes


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
