"""The types of the service's variables. Each checks its value; error texts say what it should look like, without it."""

import base64
import binascii
import re
from typing import Annotated, Final
from urllib.parse import parse_qs, urlsplit

from pydantic import AfterValidator, BeforeValidator, HttpUrl, SecretStr, TypeAdapter, ValidationError
from pydantic_settings import NoDecode

from app.field_errors import RuleError
from app.sealing import KeyRing

# Addresses ------------------------------------------------------------------------------------------------------------

_http_url = TypeAdapter(HttpUrl)


def _check_http_url(value: str) -> str:
    try:
        _http_url.validate_python(value)
    except ValidationError:
        raise RuleError("must be an http:// or https:// address") from None
    return value.rstrip("/")


def is_plain_http(url: str | None) -> bool:
    """Return whether this address is reached over plain http, on another machine."""
    parts = urlsplit(url or "")
    host = parts.hostname or ""
    is_loopback = host in ("localhost", "::1") or re.fullmatch(r"127(\.\d{1,3}){3}", host)
    return parts.scheme == "http" and not is_loopback


def _check_api_url(value: str) -> str:
    if is_plain_http(value):
        raise RuleError("must be an https:// address: API keys would cross the network unencrypted")
    return value


Url = Annotated[str, AfterValidator(_check_http_url)]
ApiUrl = Annotated[Url, AfterValidator(_check_api_url)]
"""Where API keys are sent."""

# What a URI may contain (RFC 3986), from a path of this service or an address.
_TYPE_URL = re.compile(r"(?:https?:/)?/[A-Za-z0-9][A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]*[/#=]")


def _check_type_url(value: str) -> str:
    if not _TYPE_URL.fullmatch(value):
        raise RuleError(
            "must be a path or an address that a code can follow, such as "
            "https://docs.example.com/ai-avatar/problems/#"
        )
    return value


ProblemTypeUrl = Annotated[str, AfterValidator(_check_type_url)]

DATABASE_URL_FORM: Final = "postgresql://user:password@host:5432/database?sslmode=require"
_SSL_MODES = {"disable", "allow", "prefer", "require", "verify-ca", "verify-full"}


def _check_database_url(value: SecretStr) -> SecretStr:
    form = (
        f"must look like {DATABASE_URL_FORM}; in a password, write / # ? @ and % as %2F %23 %3F %40 and %25"
    )
    try:
        parts = urlsplit(value.get_secret_value())
        port = parts.port  # raises ValueError, whose message quotes part of an unescaped password
    except ValueError:
        raise RuleError(form) from None
    ports = parse_qs(parts.query).get("port", [])
    if any(not given.isdecimal() or not 0 < int(given) < 65536 for given in ports):
        raise RuleError(form)
    if parts.scheme not in ("postgres", "postgresql") or parts.fragment or port == 0:
        raise RuleError(form)
    if not set(parse_qs(parts.query).get("sslmode", [])) <= _SSL_MODES:
        raise RuleError(f"must have one of these as its sslmode: {', '.join(sorted(_SSL_MODES))}")
    return value


DatabaseUrl = Annotated[SecretStr, AfterValidator(_check_database_url)]

# Lists of origins -----------------------------------------------------------------------------------------------------


def _split_list(value: object) -> object:
    if isinstance(value, str):
        return [item.strip() for item in value.split(",") if item.strip()]
    return value


_ORIGIN = re.compile(r"https?://(?:\*\.)?[A-Za-z0-9.-]+(?::\d{1,5})?")


def _check_origin(value: str) -> str:
    """Reject patterns: origins are compared literally, so a pattern would never match."""
    if value != "*" and ("*" in value or not _ORIGIN.fullmatch(value.rstrip("/"))):
        raise RuleError("must be origins, comma-separated, such as https://app.example.com; or * for all")
    return value.rstrip("/")


def _check_frame_ancestor(value: str) -> str:
    if value != "'self'" and not _ORIGIN.fullmatch(value.rstrip("/")):
        raise RuleError("must be origins, comma-separated, such as https://app.example.com; or 'self'")
    return value.rstrip("/")


_Origin = Annotated[str, AfterValidator(_check_origin)]
_FrameAncestor = Annotated[str, AfterValidator(_check_frame_ancestor)]
Origins = Annotated[list[_Origin], NoDecode, BeforeValidator(_split_list)]
FrameAncestors = Annotated[list[_FrameAncestor], NoDecode, BeforeValidator(_split_list)]

# Secrets --------------------------------------------------------------------------------------------------------------

_MIN_DIFFERENT_CHARACTERS = 5
# Long enough to be in no random text.
_PLACEHOLDER = re.compile(r"change[-_]?me|replace[-_]?me|password|placeholder|^your[-_]", re.IGNORECASE)
_MIN_KEY_CHARACTERS = 16
_MIN_JWT_SECRET_BYTES = 32
# HTTP headers cannot carry other characters.
_HEADER_TEXT = re.compile(r"[\x21-\x7e]+")
_LONG_TEXT = "a long random text of printable ASCII characters, without spaces"


def split_keys(value: SecretStr | None) -> list[str]:
    """Return the keys of a variable that holds one key, or several, comma-separated."""
    return [key.strip() for key in value.get_secret_value().split(",")] if value else []


def _check_not_weak(secret: str | bytes) -> None:
    """Reject `aaaa…` and `changeme…`. Lengths are checked where they are known."""
    weakness = ""
    if len(set(secret)) < _MIN_DIFFERENT_CHARACTERS:
        weakness = "it repeats a few characters"
    elif isinstance(secret, str) and _PLACEHOLDER.search(secret):
        weakness = "it looks like a placeholder"
    if weakness:
        raise RuleError(f"is too weak: {weakness}. Use a random one: `openssl rand -base64 32`")


def _check_api_keys(value: SecretStr) -> SecretStr:
    for key in split_keys(value):
        _check_api_key(key)
    return value


def _check_api_key(key: str) -> None:
    if key.startswith("{"):
        raise RuleError("must be one of the keys in SUPABASE_SECRET_KEYS, not that variable's whole JSON")
    if key.startswith("sb_publishable_"):
        raise RuleError("must be secret: everyone can read a project's publishable key")
    if not _HEADER_TEXT.fullmatch(key) or len(key) < _MIN_KEY_CHARACTERS:
        raise RuleError(
            f"must be {_LONG_TEXT}, of {_MIN_KEY_CHARACTERS} characters or more; "
            "during a rotation, several of them, comma-separated"
        )
    _check_not_weak(key)


def _check_jwt_secret(value: SecretStr) -> SecretStr:
    if len(value.get_secret_value().encode()) < _MIN_JWT_SECRET_BYTES:
        raise RuleError(f"must have at least {_MIN_JWT_SECRET_BYTES} bytes, as Supabase's JWT secrets do")
    _check_not_weak(value.get_secret_value())
    return value


def _check_webhook_secrets(value: SecretStr) -> SecretStr:
    for secret in split_keys(value):
        if not _is_webhook_secret(secret):
            raise RuleError(
                "must be whsec_ and the base64 of 24 to 64 bytes; during a rotation, two secrets, "
                "comma-separated"
            )
        _check_not_weak(base64.b64decode(secret[6:]))
    return value


def _is_webhook_secret(secret: str) -> bool:
    try:
        return secret.startswith("whsec_") and 24 <= len(base64.b64decode(secret[6:], validate=True)) <= 64
    except binascii.Error:
        return False


def _check_webhook_token(value: SecretStr) -> SecretStr:
    if not _HEADER_TEXT.fullmatch(value.get_secret_value()):
        raise RuleError(f"must be {_LONG_TEXT}")
    _check_not_weak(value.get_secret_value())
    return value


def _check_sealing_keys(value: SecretStr) -> SecretStr:
    KeyRing.parse(value.get_secret_value())
    return value


ApiKeys = Annotated[SecretStr, AfterValidator(_check_api_keys)]
JwtSecret = Annotated[SecretStr, AfterValidator(_check_jwt_secret)]
WebhookSecrets = Annotated[SecretStr, AfterValidator(_check_webhook_secrets)]
WebhookToken = Annotated[SecretStr, AfterValidator(_check_webhook_token)]
SealingKeys = Annotated[SecretStr, AfterValidator(_check_sealing_keys)]
