"""nginx and PgBouncer as the documentation configures them."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from support.clusters import PASSWORD, unprivileged
from support.postgres import DATA, ROOT
from support.servers import free_port

PROGRAMS = {"nginx": "/usr/sbin/nginx", "pgbouncer": "/usr/sbin/pgbouncer"}


def require(name: str) -> str:
    """Return the path of a program of Debian's; end with how to get it if it is missing."""
    path = shutil.which(name) or PROGRAMS[name]
    if not Path(path).exists():
        sys.exit(f"{name} is missing. On Debian: apt-get install {name}")
    return path


def wait_for_port(port: int, process: "subprocess.Popen[bytes]", log: Path | None = None) -> None:
    """Return once something listens."""
    for _ in range(200):
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        if process.poll() is not None:
            break
        time.sleep(0.05)
    raise AssertionError(log.read_text() if log else f"{process.args!r} did not start")


def documented_nginx() -> str:
    """Return the configuration in docs/operations.md."""
    [block] = re.findall(r"```nginx\n(.*?)```", (ROOT / "docs" / "operations.md").read_text(), re.DOTALL)
    return str(block)


@contextmanager
def nginx(ports: Sequence[int], port: int) -> Iterator[str]:
    """Run nginx on `port` in front of these instances; yields its address."""
    program = require("nginx")
    DATA.mkdir(exist_ok=True)
    with TemporaryDirectory(dir=DATA, prefix="nginx-") as name:
        folder = Path(name)
        servers = "".join(f"server 127.0.0.1:{each} max_fails=1 fail_timeout=1s;\n" for each in ports)
        site = re.sub(
            r"(?:^ *server \S+ max_fails\S* fail_timeout\S*;\n)+", servers, documented_nginx(), flags=re.M
        )
        site = re.sub(r"listen [^;]*;", f"listen 127.0.0.1:{port};", site)
        # All clients here have one address.
        site = re.sub(r"^ *(ssl_\w+|limit_req|limit_conn) [^;]*;\n", "", site, flags=re.M)
        paths = "".join(
            f"{kind}_temp_path {folder}/{kind};\n"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        user = "user root;\n" if os.geteuid() == 0 else ""
        (folder / "nginx.conf").write_text(
            f"{user}daemon off;\npid {folder}/pid;\nerror_log {folder}/error.log warn;\nworker_processes 1;\n"
            f"events {{ worker_connections 8192; }}\nhttp {{\naccess_log off;\n{paths}{site}\n}}\n"
        )
        log = folder / "error.log"
        log.touch()
        with (folder / "output").open("wb") as output:
            process = subprocess.Popen(
                [program, "-e", log, "-p", folder, "-c", folder / "nginx.conf"], stdout=output, stderr=output
            )
        try:
            wait_for_port(port, process, folder / "output")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(10)


@dataclass
class PgBouncer:
    """A pooler in transaction mode in front of one database server."""

    database_port: int
    folder: Path
    port: int = field(default_factory=free_port)
    process: "subprocess.Popen[bytes] | None" = None

    def url(self, database: str, user: str, password: str) -> str:
        """Return a connection string."""
        return f"postgresql://{user}:{password}@127.0.0.1:{self.port}/{database}"

    def start(self, logins: Mapping[str, str]) -> None:
        """Start it for these logins and their passwords."""
        program = require("pgbouncer")
        users = "".join(f'"{user}" "{password}"\n' for user, password in logins.items())
        (self.folder / "users.txt").write_text(users)
        (self.folder / "pgbouncer.ini").write_text(
            f"[databases]\n* = host=127.0.0.1 port={self.database_port}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n"
            f"listen_port = {self.port}\nunix_socket_dir =\nauth_type = scram-sha-256\n"
            f"auth_file = {self.folder}/users.txt\npool_mode = transaction\nmax_client_conn = 500\n"
            f"default_pool_size = 20\nserver_login_retry = 1\nlogfile = {self.folder}/log\n"
        )
        self.folder.chmod(0o777)
        with (self.folder / "output").open("ab") as output:
            self.process = subprocess.Popen(
                [program, self.folder / "pgbouncer.ini"], stdout=output, stderr=output, **unprivileged()
            )
        wait_for_port(self.port, self.process, self.folder / "output")

    def stop(self) -> None:
        """Stop it at once."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(10)


@contextmanager
def pgbouncer(database_port: int, login: str, password: str) -> Iterator[PgBouncer]:
    """Run PgBouncer for one login."""
    # In /tmp, where another user can reach it.
    with TemporaryDirectory(prefix="pgbouncer-") as folder:
        pooler = PgBouncer(database_port, Path(folder))
        pooler.start({login: password, "postgres": PASSWORD})
        try:
            yield pooler
        finally:
            pooler.stop()
