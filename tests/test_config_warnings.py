"""Settings that are valid, and most likely not what was meant."""

from pathlib import Path

import pytest
from structlog.testing import capture_logs
from support.tenants import N8N_API_KEY, SECRETS_KEYS

from app.config import load_settings
from app.config_warnings import log_warnings, settings_warnings

CANARY = "canary-8c02"
COMPLETE = {
    "DATABASE_URL": "postgres://u@db.example.com:5432/d",
    "SUPABASE_URL": "https://project.supabase.co",
    "N8N_API_KEY": N8N_API_KEY,
    "SECRETS_KEYS": SECRETS_KEYS,
}


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The process's whole environment, and no `.env`."""
    found = dict(COMPLETE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("os.environ", found)
    return found


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("N8N_WEBHOOK_URL", "N8N_HEYGEN_WEBHOOK_URL"),
        ("HEYGEN_WEBHOOK_URL", "N8N_HEYGEN_WEBHOOK_URL"),
        ("n8n_webhook_heygen_url", "N8N_HEYGEN_WEBHOOK_URL"),
        ("N8N_APIKEY", "N8N_API_KEY"),
        ("SECRET_KEYS", "SECRETS_KEYS"),
        ("SECRETS_KEY", "SECRETS_KEYS"),
        ("SERVICE_API_KEYS", "SERVICE_API_KEY"),
        ("CORS_ORIGIN", "CORS_ORIGINS"),
        ("DATABASE_POOL", "DATABASE_POOL_SIZE"),
        ("WEBHOOK_TIMEOUT", "WEBHOOK_TIMEOUT_SECONDS"),
        ("GENERATION_TIMEOUT", "GENERATION_TIMEOUT_MINUTES"),
        ("SUPABASE_JWT", "SUPABASE_JWT_SECRET"),
        ("MIGRATE_DATABSE_URL", "MIGRATE_DATABASE_URL"),
    ],
)
def test_variable_that_closely_resembles_one_of_ours_is_named(
    environment: dict[str, str], given: str, meant: str
) -> None:
    environment[given] = CANARY
    [warning] = settings_warnings(load_settings())
    assert warning == f"{given.upper()} is not a variable of this service. Did you mean {meant}?"
    with capture_logs() as logs:
        log_warnings(load_settings())
    assert [(line["log_level"], line["detail"]) for line in logs] == [("warning", warning)]


def test_variable_in_the_file_is_named_too(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"N8N_WEBHOOK_URL={CANARY}\n")
    [warning] = settings_warnings(load_settings())
    assert "Did you mean N8N_HEYGEN_WEBHOOK_URL?" in warning


# n8n's own variables of that prefix, Supabase's, and those of the neighbourhood.
OTHERS = """
    N8N_HOST N8N_PORT N8N_PROTOCOL N8N_PATH N8N_EDITOR_BASE_URL N8N_ENCRYPTION_KEY N8N_USER_FOLDER N8N_LOG_LEVEL
    N8N_LOG_OUTPUT N8N_LOG_FORMAT N8N_DISABLE_UI N8N_METRICS N8N_SECURE_COOKIE N8N_RUNNERS_ENABLED
    N8N_PUBLIC_API_DISABLED N8N_PUBLIC_API_ENDPOINT N8N_PAYLOAD_SIZE_MAX N8N_LISTEN_ADDRESS N8N_PROXY_HOPS
    N8N_ENDPOINT_WEBHOOK N8N_ENDPOINT_WEBHOOK_TEST N8N_SKIP_WEBHOOK_DEREGISTRATION_SHUTDOWN
    N8N_GRACEFUL_SHUTDOWN_TIMEOUT N8N_BLOCK_ENV_ACCESS_IN_NODE N8N_DIAGNOSTICS_ENABLED N8N_TEMPLATES_ENABLED
    N8N_CORS_ALLOW_ORIGIN
    N8N_USER_MANAGEMENT_JWT_SECRET N8N_EXTERNAL_SECRETS_UPDATE_INTERVAL N8N_AI_ENABLED N8N_RUNNERS_AUTH_TOKEN
    WEBHOOK_URL DB_TYPE DB_POSTGRESDB_HOST SUPABASE_ANON_KEY SUPABASE_SERVICE_ROLE_KEY SUPABASE_PUBLISHABLE_KEYS
    SUPABASE_SECRET_KEYS SUPABASE_JWKS SUPABASE_DB_URL SUPABASE_KEY TEST_DATABASE_URL DATABASE_HOST POSTGRES_URL
    HEYGEN_API_KEY API_KEY API_URL SECRET_KEY LOG_FILE UVICORN_LOG_LEVEL PATH HOME LANG PORT
"""


def test_variables_of_other_programs_are_not_named(environment: dict[str, str]) -> None:
    environment |= dict.fromkeys(OTHERS.split(), CANARY)
    assert settings_warnings(load_settings()) == []


@pytest.mark.parametrize(
    ("name", "value", "named"),
    [
        (
            "N8N_HEYGEN_WEBHOOK_URL",
            "http://n8n.internal:5678/webhook/x",
            "N8N_HEYGEN_WEBHOOK_URL is a plain http",
        ),
        (
            "SUPABASE_JWKS_URL",
            "http://auth.internal/jwks.json",
            "SUPABASE_JWKS_URL or SUPABASE_URL is a plain http",
        ),
        ("SUPABASE_URL", "http://kong:8000", "SUPABASE_JWKS_URL or SUPABASE_URL is a plain http"),
    ],
)
def test_plain_http_to_another_machine_is_named(
    environment: dict[str, str], name: str, value: str, named: str
) -> None:
    environment[name] = value
    [warning] = settings_warnings(load_settings())
    assert warning.startswith(named)
    assert value not in warning


def test_secret_of_every_local_supabase_is_named(environment: dict[str, str]) -> None:
    secret = "super-secret-jwt-token-with-at-least-32-characters-long"
    environment["SUPABASE_JWT_SECRET"] = secret
    [warning] = settings_warnings(load_settings())
    assert warning.startswith("SUPABASE_JWT_SECRET is the one of every local Supabase")
    assert secret not in warning


def test_plain_http_on_this_machine_and_https_are_not_named(environment: dict[str, str]) -> None:
    environment["SUPABASE_URL"] = "http://localhost:54321"
    for host in ("http://127.0.0.1:5678", "http://[::1]:5678", "https://n8n.example.com"):
        environment["N8N_HEYGEN_WEBHOOK_URL"] = f"{host}/webhook/x"
        assert settings_warnings(load_settings()) == []
