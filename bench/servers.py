"""The servers that are compared, each started as its own documentation says."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
from support.servers import free_port

HERE = Path(__file__).parent
DATA = HERE.parent / ".data" / "bench"
CONTESTANTS = HERE / "contestants"


@dataclass(frozen=True)
class Contestant:
    """A server; `operations`: those of the service that it implements."""

    name: str
    command: tuple[str, ...]
    operations: tuple[str, ...]
    folder: Path = CONTESTANTS


OURS = Contestant(
    "this service",
    (str(Path(sys.executable).parent / "ai-avatar"), "serve", "--port", "{port}"),
    ("integration", "list", "video", "credentials", "status", "generate"),
    DATA,
)


def _uvicorn(module: str) -> tuple[str, ...]:
    return (str(DATA / "venv/bin/python"), "-m", "uvicorn", f"{module}:app", "--port", "{port}")


def contestants() -> list[Contestant]:
    """Return those that can run here. Fastify needs Node and npm."""
    found = [
        OURS,
        Contestant("FastAPI template", _uvicorn("template"), ("integration", "generate")),
        Contestant("FastAPI + asyncpg", _uvicorn("fastapi_asyncpg"), ("integration",)),
        Contestant("Litestar + asyncpg", _uvicorn("litestar_asyncpg"), ("integration",)),
        Contestant("BlackSheep + asyncpg", _uvicorn("blacksheep_asyncpg"), ("integration",)),
    ]
    if shutil.which("npm"):
        command = ("node", str(DATA / "fastify/server.js"))
        found.append(Contestant("Fastify + pg", command, ("integration", "generate"), DATA / "fastify"))
    return found


def install() -> None:
    """Install what the contestants need into folders of their own, with locked versions."""
    DATA.mkdir(parents=True, exist_ok=True)
    python, lock = DATA / "venv/bin/python", CONTESTANTS / "requirements.lock"
    stamp = DATA / "venv/lock"
    if not stamp.exists() or stamp.read_bytes() != lock.read_bytes():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(DATA / "venv")], check=True)
        options = ["--quiet", "--disable-pip-version-check", "--require-hashes", "-r", str(lock)]
        subprocess.run([str(python), "-m", "pip", "install", *options], check=True)
        shutil.copy(lock, stamp)
    if shutil.which("npm"):
        folder = DATA / "fastify"
        shutil.copytree(CONTESTANTS / "fastify", folder, dirs_exist_ok=True)
        options = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        subprocess.run(["npm", "ci", *options], cwd=folder, check=True, stdout=subprocess.DEVNULL)


@dataclass(frozen=True)
class Running:
    """A started server; `start_seconds`: until it answered for the first time, `start_cpu` of them on a core."""

    url: str
    process: psutil.Process
    start_seconds: float
    start_cpu: float


@contextmanager
def running(contestant: Contestant, environment: dict[str, str]) -> Iterator[Running]:
    """Start a server; its log goes to a file, as in production."""
    port = str(free_port())
    command = [part.replace("{port}", port) for part in contestant.command]
    with (DATA / "server.log").open("wb") as log:
        started = time.perf_counter()
        process = subprocess.Popen(
            command,
            env=os.environ | environment | {"PORT": port},
            cwd=contestant.folder,
            stdout=log,
            stderr=log,
        )
        try:
            url = f"http://127.0.0.1:{port}"
            _wait(f"{url}/health/live", process, contestant.name)
            seconds, watched = time.perf_counter() - started, psutil.Process(process.pid)
            yield Running(url, watched, seconds, sum(watched.cpu_times()[:2]))
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait(url: str, process: subprocess.Popen[bytes], name: str) -> None:
    for _ in range(3000):
        if process.poll() is not None:
            raise SystemExit(f"{name} did not start: see {DATA / 'server.log'}")
        try:
            httpx.get(url, timeout=5)
        except httpx.TransportError:
            time.sleep(0.01)
        else:
            return
    raise SystemExit(f"{name} does not answer")
