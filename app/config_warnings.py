"""Warnings about settings that are valid, and most likely not what was meant."""

from collections.abc import Iterable
from difflib import get_close_matches

import structlog

from app.config import Settings, given_names, variable_names
from app.config_types import is_plain_http

log = structlog.get_logger(__name__)


def settings_warnings(settings: Settings) -> list[str]:
    """Return what an operator should know about settings that are valid, in sentences without values."""
    found = [
        f"{given} is not a variable of this service. Did you mean {ours}?"
        for given, ours in _misspelt_names()
    ]
    jwt_secret = settings.supabase_jwt_secret
    if jwt_secret and jwt_secret.get_secret_value() == _LOCAL_JWT_SECRET:
        found.append(
            "SUPABASE_JWT_SECRET is the one of every local Supabase: anyone can sign access tokens with it. Use it "
            "on a developer's machine only."
        )
    for name, provider in settings.providers.items():
        if is_plain_http(provider.webhook_url):
            found.append(
                f"N8N_{name.upper()}_WEBHOOK_URL is a plain http:// address: scripts and N8N_WEBHOOK_TOKEN cross "
                "the network unencrypted."
            )
    if is_plain_http(settings.jwks_url):
        found.append(
            "SUPABASE_JWKS_URL or SUPABASE_URL is a plain http:// address: anyone on the way can replace the keys "
            "that access tokens are verified with."
        )
    return found


# What the Supabase CLI gives to every local project: https://supabase.com/docs/guides/cli/config
_LOCAL_JWT_SECRET = "super-secret-jwt-token-with-at-least-32-characters-long"  # noqa: S105 - public


def _misspelt_names() -> list[tuple[str, str]]:
    ours = variable_names()
    names = [(name, _resembled(name, ours)) for name in sorted(given_names() - ours - _VARIABLES_OF_OTHERS)]
    return [(name, resembled) for name, resembled in names if resembled]


# Supabase's (https://supabase.com/docs/guides/functions/secrets), n8n's and Django's: they resemble ours, and may be
# in one file with them.
_VARIABLES_OF_OTHERS = {
    "SECRET_KEY",
    "SUPABASE_JWKS",
    "SUPABASE_SECRET_KEYS",
    "SUPABASE_DB_URL",
    "WEBHOOK_URL",
}


def _resembled(name: str, ours: Iterable[str]) -> str | None:
    """Return the variable that `name` is with a typing mistake, or with one word left out: see the tests."""
    words = name.split("_")
    for candidate in sorted(ours):
        full = candidate.split("_")
        shorter = [full[:left_out] + full[left_out + 1 :] for left_out in range(len(full))]
        # Two words are a name of ours only with its first word: API_KEY is anyone's.
        if words in shorter and (len(words) > 2 or words[0] == full[0]):
            return candidate
        if sorted(words) == sorted(full):
            return candidate
    return next(iter(get_close_matches(name, sorted(ours), n=1, cutoff=0.9)), None)


def log_warnings(settings: Settings) -> None:
    """Write each warning to the log, once per start."""
    for warning in settings_warnings(settings):
        log.warning("setting_is_doubtful", detail=warning)
