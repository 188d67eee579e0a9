"""`ai-avatar serve` as real processes: started, stopped, killed."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
from support import watched_logs
from support.postgres import ROOT
from support.servers import free_port
from support.tenants import (
    JWT_SECRET,
    N8N_API_KEY,
    SECRETS_KEYS,
    SERVICE_API_KEY,
    WEBHOOK_SECRET,
    WEBHOOK_TOKEN,
)

AI_AVATAR = (str(Path(sys.executable).parent / "ai-avatar"),)
# Long, for busy machines; nothing is measured here.
_PATIENCE_SECONDS = 180


def environment(database_url: str, webhook_url: str, **changes: str) -> dict[str, str]:
    """What `serve` needs, and of this process's own environment only what finds the interpreter."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    return kept | {
        "DATABASE_URL": database_url,
        "SUPABASE_JWT_SECRET": JWT_SECRET,
        "N8N_API_KEY": N8N_API_KEY,
        "SERVICE_API_KEY": SERVICE_API_KEY,
        "SECRETS_KEYS": SECRETS_KEYS,
        "N8N_HEYGEN_WEBHOOK_URL": webhook_url,
        "N8N_WEBHOOK_SECRET": WEBHOOK_SECRET,
        "N8N_WEBHOOK_TOKEN": WEBHOOK_TOKEN,
        "WEBHOOK_TIMEOUT_SECONDS": "2",
        **changes,
    }


@dataclass
class ServiceProcess:
    """One server process. Its port is its own for good, so that it can be started again at the same address."""

    env: Mapping[str, str]
    folder: Path
    arguments: tuple[str, ...] = ()
    port: int = field(default_factory=free_port)
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        """All that it has written, over every start."""
        return self.log_path.read_text() if self.log_path.exists() else ""

    @property
    def log_path(self) -> Path:
        """Where it writes its log."""
        return self.folder / f"{self.port}.log"

    def start(self) -> None:
        """Start it; `wait_until_ready` returns once it answers."""
        command = [*AI_AVATAR, "serve", "--port", str(self.port), *self.arguments]
        watched_logs.watch(self.log_path)
        with self.log_path.open("ab") as log:
            # A folder of its own: a developer's .env is none of the tests' business.
            self.process = subprocess.Popen(command, env=self.env, stdout=log, stderr=log, cwd=self.folder)

    def wait_until_ready(self) -> None:
        """Return once /health/ready answers 200. Raise AssertionError with the log if the process ends first."""
        assert self.process is not None
        deadline = time.monotonic() + _PATIENCE_SECONDS
        with httpx.Client(trust_env=False) as client:
            while time.monotonic() < deadline:
                assert self.process.poll() is None, f"the service ended: {self.log}"
                with contextlib.suppress(httpx.TransportError):
                    if client.get(f"{self.url}/health/ready").is_success:
                        return
                time.sleep(0.05)
        raise AssertionError(f"the service did not get ready: {self.log}")

    def send(self, number: signal.Signals) -> None:
        """Send a signal without waiting."""
        assert self.process is not None
        self.process.send_signal(number)

    def wait(self) -> int:
        """Wait for its end and return the exit code."""
        assert self.process is not None
        return self.process.wait(_PATIENCE_SECONDS)

    def kill(self) -> None:
        """Send SIGKILL and wait for its end."""
        self.send(signal.SIGKILL)
        self.wait()


@contextlib.contextmanager
def service_processes(
    env: Mapping[str, str], count: int = 1, *arguments: str
) -> Iterator[list[ServiceProcess]]:
    """Run `count` processes, ready; none is left running afterwards. `arguments`: further ones of `serve`."""
    base = ROOT / ".data"
    base.mkdir(exist_ok=True)
    with TemporaryDirectory(dir=base, prefix="serve-") as folder:
        services = [ServiceProcess(env, Path(folder), arguments) for _ in range(count)]
        try:
            for service in services:
                service.start()
            for service in services:
                service.wait_until_ready()
            yield services
        finally:
            for service in services:
                if service.process is not None and service.process.poll() is None:
                    service.kill()
                watched_logs.end_watch(service.log_path)
