"""`ai-avatar`, as an operator runs it: a process of its own, with the environment that the test gives it."""

import json
import os
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from uuid import uuid4

import httpx
import jwt
import pytest
from support.postgres import ROOT, Server
from support.roles import as_login
from support.servers import free_port
from support.sql import script
from support.tenants import JWT_SECRET, SECRETS_KEYS
from support.wording import JARGON

from app.cli import main
from app.readiness import REQUIRED_REVISION

CANARY = "canary-9f2c"
AI_AVATAR = [str(Path(sys.executable).parent / "ai-avatar")]
DATABASE_URL = "postgresql://unknown@127.0.0.1:1/none"
COMPLETE = {
    "DATABASE_URL": DATABASE_URL,
    "SUPABASE_JWT_SECRET": f"{CANARY}-jwt-secret-that-is-long-enough",
    "N8N_API_KEY": f"{CANARY}-n8n-api-key",
    "SECRETS_KEYS": SECRETS_KEYS,
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Away from any `.env`."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@dataclass
class Done:
    """The exit code and output of a command."""

    returncode: int
    stdout: str
    stderr: str


Run = Callable[..., Done]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the console script in this process: the imports of a process of its own cost two seconds each."""

    def run_here(*arguments: str, **environment: str) -> Done:
        with monkeypatch.context() as patch:
            # It would outlive the test: loggers are cached.
            patch.setattr("app.cli.configure_logging", lambda *_: None)
            patch.setattr(sys, "argv", ["ai-avatar", *arguments])
            patch.setattr(os, "environ", {"PATH": os.environ["PATH"], "COLUMNS": "80"} | environment)
            capsys.readouterr()
            code = 0
            try:
                main()
            except SystemExit as end:
                code = int(end.code or 0)
        said = capsys.readouterr()
        return Done(code, said.out, said.err)

    return run_here


def spawn(arguments: list[str], environment: dict[str, str], command: list[str] = AI_AVATAR) -> Done:
    """Runs it in a process of its own, as an operator does."""
    done = subprocess.run(
        [*command, *arguments],
        env={"PATH": os.environ["PATH"], "COLUMNS": "80"} | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def test_console_script_ends_with_2_and_a_sentence() -> None:
    incomplete = {name: value for name, value in COMPLETE.items() if name != "DATABASE_URL"}
    done = spawn(["serve"], incomplete)
    assert done.returncode == 2
    assert "The service cannot start:" in done.stderr
    assert "DATABASE_URL is required" in done.stderr
    assert CANARY not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("missing", "named"),
    [
        ("DATABASE_URL", "DATABASE_URL is required: postgresql://"),
        ("N8N_API_KEY", "N8N_API_KEY is required: "),
        ("SUPABASE_JWT_SECRET", "SUPABASE_URL"),
        ("SECRETS_KEYS", "SECRETS_KEYS is required unless the database has Supabase Vault"),
    ],
)
def test_serve_stops_when_a_required_variable_is_missing_and_names_it(
    run: Run, missing: str, named: str
) -> None:
    done = run("serve", **{name: value for name, value in COMPLETE.items() if name != missing})
    assert done.returncode == 2
    [line] = [line for line in done.stderr.splitlines() if missing in line or named in line]
    assert named in line
    assert CANARY not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_serve_names_all_that_is_missing_at_once(run: Run) -> None:
    done = run("serve")
    assert done.returncode == 2
    for name in ("DATABASE_URL", "N8N_API_KEY", "SUPABASE_JWT_SECRET"):
        assert name in done.stderr


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", f"mysql://root:{CANARY}@db/x"),
        ("DATABASE_POOL_SIZE", CANARY),
        ("DATABASE_POOLER", CANARY),
        ("SECRETS_KEYS", f"{CANARY}:{CANARY}"),
        ("N8N_WEBHOOK_SECRET", f"whsec_{CANARY}"),
        ("N8N_HEYGEN_WEBHOOK_URL", f"ftp://{CANARY}"),
        ("HEYGEN_API_URL", CANARY),
        ("SUPABASE_JWKS_URL", CANARY),
        ("WEBHOOK_TIMEOUT_SECONDS", "0"),
        ("LOG_LEVEL", CANARY),
        ("CORS_ORIGINS", f"{CANARY}/path"),
    ],
)
def test_malformed_variable_is_named_and_its_value_is_not_shown(run: Run, name: str, value: str) -> None:
    done = run("serve", **COMPLETE | {name: value})
    assert done.returncode == 2
    assert any(line.strip().startswith(f"{name} ") for line in done.stderr.splitlines()), done.stderr
    assert CANARY not in done.stdout + done.stderr


def test_two_doors_need_two_keys(run: Run) -> None:
    done = run("serve", **COMPLETE | {"SERVICE_API_KEY": COMPLETE["N8N_API_KEY"]})
    assert done.returncode == 2
    assert "SERVICE_API_KEY and N8N_API_KEY must differ" in done.stderr
    assert CANARY not in done.stderr


@pytest.fixture(scope="module")
def migrated_url(server: Server) -> Iterator[str]:
    with server.database(template=server.migrated_template()) as name:
        yield server.url(name)


def test_plain_postgresql_without_secrets_keys_refuses_and_says_why(run: Run, migrated_url: str) -> None:
    environment = {name: value for name, value in COMPLETE.items() if name != "SECRETS_KEYS"}
    done = run("serve", "--port", str(free_port()), **environment | {"DATABASE_URL": migrated_url})
    assert done.returncode == 2
    assert "SECRETS_KEYS is required unless the database has Supabase Vault" in done.stderr
    assert "generate-key" in done.stderr


def test_token_of_a_user_and_of_the_back_end(run: Run) -> None:
    user = uuid4()
    environment = {"SUPABASE_JWT_SECRET": JWT_SECRET}
    minted = run("token", "--user", str(user), "--ttl", "60", **environment).stdout.strip()
    claims = jwt.decode(minted, JWT_SECRET, algorithms=["HS256"], audience="authenticated")
    assert (claims["sub"], claims["role"]) == (str(user), "authenticated")
    assert 0 < claims["exp"] - time.time() <= 61
    service = run("token", "--service", **environment).stdout.strip()
    assert jwt.decode(service, JWT_SECRET, algorithms=["HS256"])["role"] == "service_role"


@pytest.mark.parametrize("arguments", [[], ["--service", "--user", str(uuid4())], ["--user", "no-uuid"]])
def test_token_without_exactly_one_subject_is_refused(run: Run, arguments: list[str]) -> None:
    done = run("token", *arguments, SUPABASE_JWT_SECRET=JWT_SECRET)
    assert done.returncode == 2
    assert JWT_SECRET not in done.stderr + done.stdout


def test_token_without_the_secret_names_it(run: Run) -> None:
    done = run("token", "--service")
    assert done.returncode == 2
    assert "SUPABASE_JWT_SECRET is required" in done.stderr


def test_openapi_is_printed_where_nothing_is_set(run: Run) -> None:
    document = json.loads(run("openapi").stdout)
    assert document["openapi"].startswith("3.1")
    assert "/n8n/{provider}-credentials" in document["paths"]


def test_generated_key_is_an_entry_for_secrets_keys(run: Run) -> None:
    key = run("secrets", "generate-key").stdout.strip()
    done = run("secrets", "rotate", SECRETS_KEYS=key, DATABASE_URL=DATABASE_URL)
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    assert "Cannot connect to PostgreSQL at 127.0.0.1:1: connection refused." in done.stderr


def test_migrate_prints_sql_without_a_database(run: Run) -> None:
    done = run("migrate", "--sql")
    assert done.returncode == 0, done.stderr
    assert done.stdout.lstrip().upper().startswith("BEGIN;")
    assert "create table if not exists public.ai_avatar_integrations" in done.stdout
    assert "\\" not in [line[:1] for line in done.stdout.splitlines()], "no psql meta-commands"


def test_migrate_without_a_database_names_the_variable(run: Run) -> None:
    done = run("migrate")
    assert done.returncode == 2
    assert "MIGRATE_DATABASE_URL" in done.stderr


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({"DATABASE_URL": f"postgresql://a:{CANARY}@db.example.com:6543/x"}, "DATABASE_URL leads"),
        (
            {"MIGRATE_DATABASE_URL": f"postgresql://a:{CANARY}@db.example.com:6543/x"},
            "MIGRATE_DATABASE_URL leads",
        ),
        (
            {"DATABASE_URL": f"postgresql://a:{CANARY}@db.example.com/x", "DATABASE_POOLER": "transaction"},
            "DATABASE_URL leads",
        ),
    ],
    ids=["port of the service's", "port of the owner's", "pooler mode"],
)
def test_migrate_through_a_transaction_pooler_is_refused_in_a_sentence(
    run: Run, environment: dict[str, str], named: str
) -> None:
    done = run("migrate", **environment)
    assert done.returncode == 2
    assert named in done.stderr
    assert "port 5432" in done.stderr
    assert CANARY not in done.stderr


@pytest.mark.parametrize(
    "environment",
    [
        {"DATABASE_URL": "postgresql://unknown@127.0.0.1:6543/x", "DATABASE_POOLER": "none"},
        {
            "DATABASE_URL": "postgresql://unknown@127.0.0.1:6543/x",
            "DATABASE_POOLER": "transaction",
            "MIGRATE_DATABASE_URL": "postgresql://unknown@127.0.0.1:1/x",
        },
    ],
    ids=["said to be no pooler", "the owner's is direct"],
)
def test_migrate_connects_where_no_transaction_pooler_is_in_between(
    run: Run, environment: dict[str, str]
) -> None:
    done = run("migrate", **environment)
    assert (done.returncode, "pooler" in done.stderr) == (1, False), done.stderr


def test_migrate_writes_one_file_per_revision(run: Run, folder: Path) -> None:
    done = run("migrate", "--sql", "--out", "files", "--to", "20261122201100")
    assert done.returncode == 0, done.stderr
    expected = ["20261122201000_baseline.sql", "20261122201100_ai_avatar_integrations.sql"]
    assert done.stdout.split() == [f"files/{name}" for name in expected]
    assert sorted(path.name for path in (folder / "files").iterdir()) == expected


def test_migrate_out_without_sql_is_refused(run: Run) -> None:
    done = run("migrate", "--out", "files", DATABASE_URL=DATABASE_URL)
    assert done.returncode == 2
    assert "--sql" in done.stderr


def test_migrate_prefers_the_owner_s_database_and_tells_the_revision(run: Run, server: Server) -> None:
    with server.database() as name:
        environment = {"DATABASE_URL": DATABASE_URL, "MIGRATE_DATABASE_URL": server.url(name)}
        done = run("migrate", **environment)
        assert (done.returncode, done.stderr.count("\n")) == (0, 1), done.stderr
        assert done.stderr.startswith("Warning: Every role may create temporary objects:")
        assert done.stdout.startswith("The database is at revision 20")
        assert run("migrate", **environment).stdout == done.stdout, "a second time changes nothing"


def test_migrate_tells_a_database_that_is_away_in_a_sentence(run: Run) -> None:
    done = run("migrate", DATABASE_URL=f"postgresql://unknown:{CANARY}@127.0.0.1:1/none")
    assert done.returncode == 1
    assert "Failed: Cannot connect to PostgreSQL at 127.0.0.1:1: connection refused." in done.stderr
    assert "Traceback" not in done.stderr
    assert CANARY not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["serve", "--port", "99999"], "--port"),
        (["serve", "--port", "0"], "--port"),
        (["dev", "--port", "65536"], "--port"),
        (["serve", "--workers", "100000"], "--workers"),
        (["token", "--service", "--ttl", "99999999999999"], "--ttl"),
        (["serve", "--port", "many"], "--port"),
        (["token", "--user", "someone"], "--user"),
    ],
)
def test_argument_out_of_range_is_refused(run: Run, arguments: list[str], named: str) -> None:
    """Port 99999 was taken for 34463."""
    done = run(*arguments, **COMPLETE)
    assert done.returncode == 2
    assert f"Invalid value for '{named}': must be " in done.stderr
    assert not JARGON.search(done.stderr)
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("host", "sentence"),
    [
        ("127.0.0.1", "Port {port} is in use. Choose another one with --port."),
        ("0.0.0.0", "Port {port} is in use."),
        ("999.1.1.1", "--host 999.1.1.1: there is no such address or name."),
        ("192.0.2.1", "Cannot listen on 192.0.2.1, port {port}: Cannot assign requested address."),
    ],
)
def test_address_that_serve_cannot_listen_on_is_told_in_a_sentence(
    run: Run, host: str, sentence: str
) -> None:
    """uvicorn's words were an error number and a tuple, after the application had started."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        done = run("serve", "--host", host, "--port", str(port), **COMPLETE)
    assert done.returncode == 2
    assert "The service cannot start:\n  " + sentence.format(port=port) in done.stderr


def test_version_is_the_package_s(run: Run) -> None:
    assert run("--version").stdout == f"ai-avatar {version('ai-avatar')}\n"


def test_migrate_status_lists_what_is_to_run_and_changes_nothing(run: Run, server: Server) -> None:
    with server.database() as name:
        url = server.url(name)
        before = run("migrate", "--status", DATABASE_URL=url)
        assert (before.returncode, before.stderr) == (0, "")
        assert before.stdout.startswith("The database is at revision base. This build has 20")
        assert before.stdout.count("  to run: 20") > 3
        assert f"{REQUIRED_REVISION} " in before.stdout
        assert run("migrate", "--status", DATABASE_URL=url).stdout == before.stdout
        run("migrate", DATABASE_URL=url)
        after = run("migrate", "--status", DATABASE_URL=url)
        assert "  to run: " not in after.stdout
        assert after.stdout.endswith("There is nothing to run.\n")


def test_migrate_names_the_way_out_of_a_revision_that_this_build_does_not_know(
    run: Run, server: Server
) -> None:
    """`--status` said that nothing was wrong, and `migrate` printed Alembic's words."""
    with server.database(template=server.migrated_template()) as name:
        url = server.url(name)
        script(url, "update ai_avatar.alembic_version set version_num = '20991231000000'")
        for arguments in (["migrate"], ["migrate", "--status"], ["migrate", "--to", "base"]):
            done = run(*arguments, DATABASE_URL=url)
            assert (done.returncode, done.stdout) == (1, ""), arguments
            assert "The database has revision 20991231000000, which this build does not know" in done.stderr
            assert (
                f"run `ai-avatar migrate --to {REQUIRED_REVISION}`, then `ai-avatar migrate`" in done.stderr
            )


def test_migrate_by_another_login_than_the_owner_says_whose_connection_it_needs(
    run: Run, server: Server
) -> None:
    login = f"no_owner_{uuid4().hex[:12]}"
    with server.database(template=server.migrated_template()) as name:
        server.run(f"create role {login} login in role ai_avatar_service")
        done = run("migrate", DATABASE_URL=as_login(server.url(name), login))
        server.run(f"drop role {login}")
    assert done.returncode == 1
    assert "reported an error: permission denied for table alembic_version. Only the owner" in done.stderr
    assert "set MIGRATE_DATABASE_URL" in done.stderr
    assert "sqlalchemy" not in done.stderr


@pytest.mark.slow
def test_serve_warns_of_doubtful_settings_in_its_log(migrated_url: str, tmp_path: Path) -> None:
    environment = COMPLETE | {
        "DATABASE_URL": migrated_url,
        "N8N_WEBHOOK_URL": f"https://{CANARY}.example.com",
        "N8N_HEYGEN_WEBHOOK_URL": f"http://{CANARY}.example.com",
        "PATH": os.environ["PATH"],
    }
    command = [*AI_AVATAR, "serve", "--workers", "2", "--port", str(free_port())]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        for _ in range(300):
            text = (tmp_path / "log").read_text()
            if text.count('"started"') == 2:
                break
            time.sleep(0.1)
    finally:
        process.terminate()
        process.wait(30)
    lines = [json.loads(line) for line in text.splitlines()]
    warned = [line["detail"] for line in lines if line["level"] == "warning"]
    assert len(warned) == 2, "once, whatever the number of workers"
    assert "Did you mean N8N_HEYGEN_WEBHOOK_URL?" in warned[0]
    assert "plain http://" in warned[1]
    assert CANARY not in text


def test_help_lists_every_command(run: Run) -> None:
    listed = run("--help").stdout
    for name in ("dev", "serve", "migrate", "token", "openapi", "secrets"):
        assert name in listed


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package as it is installed elsewhere, unpacked."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    [built] = folder.glob("*.whl")
    with zipfile.ZipFile(built) as archive:
        archive.extractall(folder / "installed")
    return folder / "installed"


@pytest.mark.slow
def test_installed_wheel_migrates_and_serves(wheel: Path, server: Server) -> None:
    # -S -E would hide the dependencies, too: the checkout is an editable install, so the wheel goes before it.
    start = "import sys; sys.path.insert(0, sys.argv.pop(1)); from app.cli import main; import app; "
    check = "assert app.__file__.startswith(sys.path[0]), app.__file__; main()"
    command = [sys.executable, "-c", start + check, str(wheel)]
    with server.database() as name:
        url = server.url(name)
        migrated = spawn(["migrate"], {"DATABASE_URL": url}, command)
        assert migrated.returncode == 0, migrated.stderr
        port = free_port()
        process = subprocess.Popen(
            [*command, "serve", "--port", str(port)],
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(wheel)} | COMPLETE | {"DATABASE_URL": url},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        try:
            address = f"http://127.0.0.1:{port}"
            for _ in range(300):
                assert process.poll() is None, process.communicate()[0]
                try:
                    ready = httpx.get(f"{address}/health/ready", timeout=5)
                    break
                except httpx.TransportError:
                    time.sleep(0.1)
            assert ready.json()["status"] == "ready", ready.text
            assert httpx.get(f"{address}/settings/integrations").status_code == 200
        finally:
            process.terminate()
            output, _ = process.communicate(timeout=30)
        lines = [json.loads(line) for line in output.decode().splitlines()]
        assert "started" in [line["event"] for line in lines]
        assert CANARY not in output.decode()
