"""The environment: what is required, what follows from what, and how mistakes are reported."""

from pathlib import Path
from typing import Any

import pytest
from support.tenants import SECRETS_KEYS
from support.wording import JARGON

from app.config import ConfigError, load_settings

CANARY = "canary-41b7"
COMPLETE = {
    "DATABASE_URL": f"postgres://u:{CANARY}@db.example.com:5432/d?sslmode=require",
    "SUPABASE_URL": "https://project.supabase.co/",
    "N8N_API_KEY": f"{CANARY}-key-of-n8n",
}


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The process's whole environment, and no `.env`."""
    found = dict(COMPLETE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("os.environ", found)
    return found


def test_defaults_are_the_contract_s(environment: dict[str, str]) -> None:
    settings = load_settings()
    assert settings.jwks_url == "https://project.supabase.co/auth/v1/.well-known/jwks.json"
    assert settings.webhook_timeout_seconds == 15
    assert settings.generation_timeout_minutes == 60
    assert settings.membership_cache_seconds == 30
    assert (settings.event_streams_per_user, settings.event_streams_per_business) == (50, 500)
    assert settings.secret_reads_retention_days == 365
    assert settings.key_check_period.total_seconds() == 24 * 3600
    assert settings.cors_origins == settings.frame_ancestors == []
    assert (settings.log_level, settings.log_format) == ("info", "json")
    assert settings.providers["heygen"].api_url == "https://api.heygen.com"
    assert settings.providers["heygen"].webhook_url is None
    assert settings.dispatch_timeout.total_seconds() == 45
    assert settings.key_ring is None
    assert settings.webhook_secrets == settings.service_api_keys == []


def test_provider_s_variables_are_read_in_any_case(environment: dict[str, str]) -> None:
    environment |= {
        "HEYGEN_API_URL": "http://127.0.0.1:9/heygen/",
        "n8n_heygen_webhook_url": "https://n8n.example.com/webhook/x",
    }
    provider = load_settings().providers["heygen"]
    assert provider.api_url == "http://127.0.0.1:9/heygen"
    assert provider.webhook_url == "https://n8n.example.com/webhook/x"


def test_lists_are_comma_separated(environment: dict[str, str]) -> None:
    environment["CORS_ORIGINS"] = " https://a.example.com , https://b.example.com,"
    assert load_settings().cors_origins == ["https://a.example.com", "https://b.example.com"]


def test_two_webhook_secrets_while_one_is_being_changed(environment: dict[str, str]) -> None:
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    environment["N8N_WEBHOOK_SECRET"] = f"{secret}, {secret}"
    assert load_settings().webhook_secrets == [secret, secret]


def test_several_api_keys_while_one_is_being_rotated(environment: dict[str, str]) -> None:
    environment["SERVICE_API_KEY"] = "sb_secret_0123456789, 0123456789abcdef"
    settings = load_settings()
    assert settings.service_api_keys == ["sb_secret_0123456789", "0123456789abcdef"]
    assert settings.n8n_api_keys == [COMPLETE["N8N_API_KEY"]]


def test_empty_variables_are_as_good_as_none(environment: dict[str, str]) -> None:
    environment |= {"SECRETS_KEYS": "", "SUPABASE_JWT_SECRET": "", "HEYGEN_API_URL": "", "LOG_LEVEL": "INFO"}
    settings = load_settings()
    assert settings.key_ring is None
    assert settings.providers["heygen"].api_url == "https://api.heygen.com"


def test_environment_wins_over_the_file(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(
        "LOG_LEVEL=debug\nHEYGEN_API_URL=https://file.example.com\nN8N_HEYGEN_WEBHOOK_URL=https://n8n.example.com\n"
    )
    environment["HEYGEN_API_URL"] = "https://environment.example.com"
    settings = load_settings()
    assert settings.log_level == "debug"
    assert settings.providers["heygen"].api_url == "https://environment.example.com"
    assert settings.providers["heygen"].webhook_url == "https://n8n.example.com"


def test_variables_of_others_are_left_alone(environment: dict[str, str]) -> None:
    environment |= {"PROVIDERS": "x", "SOMETHING": "else", "PATH": "/bin"}
    assert "heygen" in load_settings().providers


def test_secrets_are_in_no_repr(environment: dict[str, str]) -> None:
    environment |= {"SECRETS_KEYS": SECRETS_KEYS, "SERVICE_API_KEY": f"{CANARY}-service"}
    settings = load_settings()
    shown = repr(settings) + str(settings) + repr(settings.model_dump())
    assert CANARY not in shown
    assert SECRETS_KEYS not in shown


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"DATABASE_URL": None}, "DATABASE_URL is required: postgresql://"),
        ({"N8N_API_KEY": None}, "N8N_API_KEY is required: "),
        ({"SUPABASE_URL": None}, "SUPABASE_URL "),
        ({"DATABASE_URL": f"mysql://{CANARY}"}, "DATABASE_URL must look like postgresql://"),
        ({"DATABASE_URL": CANARY}, "DATABASE_URL must look like postgresql://"),
        ({"DATABASE_URL": f"postgresql://u:{CANARY}@[h/d"}, "DATABASE_URL "),
        ({"MIGRATE_DATABASE_URL": CANARY}, "MIGRATE_DATABASE_URL must look like"),
        ({"SUPABASE_URL": CANARY}, "SUPABASE_URL must be an http:// or https:// address"),
        *(
            ({"PROBLEM_TYPE_URL": value}, "PROBLEM_TYPE_URL must be a path or an address")
            for value in ("problems/#", "//example.com/#", "https://example.com/problems", "/a b/#", "urn:x:")
        ),
        ({"SECRETS_KEYS": CANARY}, "SECRETS_KEYS must be id:base64-of-32-bytes"),
        ({"N8N_API_KEY": "é" + CANARY}, "N8N_API_KEY must be a long random text"),
        ({"N8N_API_KEY": CANARY}, "N8N_API_KEY must be a long random text"),
        ({"SERVICE_API_KEY": " "}, "SERVICE_API_KEY must be a long random text"),
        ({"SERVICE_API_KEY": f"{CANARY}-key"}, "SERVICE_API_KEY must be a long random text"),
        ({"SERVICE_API_KEY": f"{CANARY}-long-enough,short"}, "SERVICE_API_KEY must be a long random text"),
        ({"SERVICE_API_KEY": f"{CANARY}-long-enough,"}, "SERVICE_API_KEY must be a long random text"),
        (
            {"SERVICE_API_KEY": f'{{"default":"sb_secret_{CANARY}"}}'},
            "SERVICE_API_KEY must be one of the keys in SUPABASE_SECRET_KEYS",
        ),
        ({"SERVICE_API_KEY": f"sb_publishable_{CANARY}"}, "SERVICE_API_KEY must be secret"),
        (
            {"SERVICE_API_KEY": f"{CANARY}-of-back-ends, {COMPLETE['N8N_API_KEY']}"},
            "SERVICE_API_KEY and N8N_API_KEY must differ",
        ),
        ({"SUPABASE_JWT_SECRET": CANARY * 2}, "SUPABASE_JWT_SECRET must have at least 32 bytes"),
        (
            {"SUPABASE_JWT_SECRET": CANARY * 2, "SUPABASE_URL": None},
            "SUPABASE_JWT_SECRET must have at least 32 bytes",
        ),
        ({"SUPABASE_JWKS_URL": CANARY, "SUPABASE_URL": None}, "SUPABASE_JWKS_URL must be an http"),
        ({"N8N_WEBHOOK_SECRET": CANARY}, "N8N_WEBHOOK_SECRET must be whsec_"),
        ({"N8N_WEBHOOK_SECRET": "whsec_AAAA"}, "N8N_WEBHOOK_SECRET must be whsec_"),
        ({"N8N_HEYGEN_WEBHOOK_URL": CANARY}, "N8N_HEYGEN_WEBHOOK_URL must be an http"),
        ({"HEYGEN_API_URL": f"ftp://{CANARY}"}, "HEYGEN_API_URL must be an http"),
        ({"HEYGEN_API_URL": f"http://{CANARY}.example.com"}, "HEYGEN_API_URL must be an https:// address"),
        (
            {"HEYGEN_API_URL": f"http://127.0.0.1.{CANARY}.com"},
            "HEYGEN_API_URL must be an https:// address",
        ),
        ({"DATABASE_URL": "postgresql://u@h:99999/d"}, "DATABASE_URL must look like postgresql://"),
        ({"DATABASE_URL": "postgresql://u@h/d?port=99999"}, "DATABASE_URL must look like postgresql://"),
        ({"SECRETS_KEYS": "zero:" + "A" * 43 + "="}, "SECRETS_KEYS has a key of zeros"),
        ({"SECRETS_KEYS": f"{SECRETS_KEYS},old:{'A' * 43}="}, "SECRETS_KEYS has a key of zeros"),
        ({"N8N_API_KEY": "a" * 32}, "N8N_API_KEY is too weak"),
        ({"SERVICE_API_KEY": "0123" * 8}, "SERVICE_API_KEY is too weak"),
        ({"SUPABASE_JWT_SECRET": "0" * 64}, "SUPABASE_JWT_SECRET is too weak"),
        ({"N8N_WEBHOOK_SECRET": "whsec_" + "A" * 32}, "N8N_WEBHOOK_SECRET is too weak"),
        ({"N8N_WEBHOOK_TOKEN": "x" * 32}, "N8N_WEBHOOK_TOKEN is too weak"),
        ({"N8N_API_KEY": "Change-Me-1234567890"}, "N8N_API_KEY is too weak: it looks like a placeholder"),
        ({"SERVICE_API_KEY": "my-password-is-this"}, "SERVICE_API_KEY is too weak"),
        (
            {"SUPABASE_JWT_SECRET": "your-super-secret-jwt-token-with-at-least-32-characters-long"},
            "SUPABASE_JWT_SECRET is too weak",
        ),
        ({"DATABASE_POOL_SIZE": "0"}, "DATABASE_POOL_SIZE "),
        ({"DATABASE_POOLER": CANARY}, "DATABASE_POOLER "),
        ({"WEBHOOK_TIMEOUT_SECONDS": "nan"}, "WEBHOOK_TIMEOUT_SECONDS "),
        ({"GENERATION_TIMEOUT_MINUTES": "1441"}, "GENERATION_TIMEOUT_MINUTES "),
        ({"MEMBERSHIP_CACHE_SECONDS": "-1"}, "MEMBERSHIP_CACHE_SECONDS "),
        ({"KEY_CHECK_HOURS": "-1"}, "KEY_CHECK_HOURS "),
        ({"SECRET_READS_RETENTION_DAYS": "0"}, "SECRET_READS_RETENTION_DAYS "),
        ({"CORS_ORIGINS": f"https://a.example.com/{CANARY}"}, "CORS_ORIGINS "),
        ({"FRAME_ANCESTORS": f"{CANARY};"}, "FRAME_ANCESTORS "),
        ({"LOG_FORMAT": CANARY}, "LOG_FORMAT "),
    ],
)
def test_mistake_is_told_in_one_line_that_names_it_and_shows_no_value(
    environment: dict[str, str], changes: dict[str, Any], line: str
) -> None:
    for name, value in changes.items():
        if value is None:
            del environment[name]
        else:
            environment[name] = value
    with pytest.raises(ConfigError) as caught:
        load_settings()
    assert [told for told in str(caught.value).splitlines() if told.startswith(line)], str(caught.value)
    assert CANARY not in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    assert not JARGON.search(str(caught.value))


def test_a_file_in_another_encoding_is_told_in_a_sentence(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_bytes(b"DATABASE_URL=\xff\xfe")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="UTF-8 text"):
        load_settings()
