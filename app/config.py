"""Settings from the environment and `.env`. No other module reads them."""

import base64
import binascii
import re
from datetime import timedelta
from typing import Annotated, Any, Literal, Self, TypeVar
from urllib.parse import parse_qs, urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    Field,
    HttpUrl,
    SecretStr,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    EnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from app.providers import PROVIDERS
from app.sealing import KeyRing

_http_url = TypeAdapter(HttpUrl)


def _check_http_url(value: str) -> str:
    try:
        _http_url.validate_python(value)
    except ValidationError:
        raise ValueError("should be an http:// or https:// address") from None
    return value.rstrip("/")


def is_plain_http(url: str | None) -> bool:
    """Return whether this address is reached over plain http, on another machine."""
    parts = urlsplit(url or "")
    host = parts.hostname or ""
    is_loopback = host in ("localhost", "::1") or re.fullmatch(r"127(\.\d{1,3}){3}", host)
    return parts.scheme == "http" and not is_loopback


_DATABASE_FORM = "postgresql://user:password@host:5432/database?sslmode=require"
_SSL_MODES = {"disable", "allow", "prefer", "require", "verify-ca", "verify-full"}


def _check_database_url(value: SecretStr) -> SecretStr:
    form = f"should look like {_DATABASE_FORM}; in a password, write / # ? @ and % as %2F %23 %3F %40 and %25"
    try:
        parts = urlsplit(value.get_secret_value())
        port = parts.port  # raises ValueError, whose message quotes part of an unescaped password
    except ValueError:
        raise ValueError(form) from None
    ports = parse_qs(parts.query).get("port", [])
    if any(not given.isdecimal() or not 0 < int(given) < 65536 for given in ports):
        raise ValueError(form)
    if parts.scheme not in ("postgres", "postgresql") or parts.fragment or port == 0:
        raise ValueError(form)
    if not set(parse_qs(parts.query).get("sslmode", [])) <= _SSL_MODES:
        raise ValueError(f"sslmode should be one of {', '.join(sorted(_SSL_MODES))}")
    return value


def _split_list(value: object) -> object:
    if isinstance(value, str):
        return [item.strip() for item in value.split(",") if item.strip()]
    return value


_ORIGIN = re.compile(r"https?://(?:\*\.)?[A-Za-z0-9.-]+(?::\d{1,5})?")


def _check_origin(value: str) -> str:
    """Reject patterns: origins are compared literally, so a pattern would never match."""
    if value != "*" and ("*" in value or not _ORIGIN.fullmatch(value.rstrip("/"))):
        raise ValueError("should be origins, comma-separated, such as https://app.example.com; or * for all")
    return value.rstrip("/")


def _check_frame_ancestor(value: str) -> str:
    if value != "'self'" and not _ORIGIN.fullmatch(value.rstrip("/")):
        raise ValueError("should be origins, comma-separated, such as https://app.example.com; or 'self'")
    return value.rstrip("/")


Origins = Annotated[list[Annotated[str, AfterValidator(_check_origin)]], NoDecode]
FrameAncestors = Annotated[list[Annotated[str, AfterValidator(_check_frame_ancestor)]], NoDecode]


def _check_key_ring(value: SecretStr | None) -> SecretStr | None:
    if value is not None:
        KeyRing.parse(value.get_secret_value())
    return value


_MIN_DIFFERENT_CHARACTERS = 5


def _check_not_weak(secret: str | bytes) -> None:
    """Reject `aaaa…` and the like. Lengths are checked where they are known."""
    if len(set(secret)) < _MIN_DIFFERENT_CHARACTERS:
        raise ValueError(
            "is too weak: it repeats a few characters. Use a random one: `openssl rand -base64 32`"
        )


_MIN_KEY_CHARACTERS = 16
_MIN_JWT_SECRET_BYTES = 32
# HTTP headers cannot carry other characters.
_HEADER_TEXT = re.compile(r"[\x21-\x7e]+")
_LONG_TEXT = "a long random text of printable ASCII characters, without spaces"


def _split_keys(value: SecretStr | None) -> list[str]:
    """Return the keys of a variable that holds one key, or several, comma-separated."""
    return [key.strip() for key in value.get_secret_value().split(",")] if value else []


def _check_api_key(key: str) -> None:
    if key.startswith("{"):
        raise ValueError("should be one of the keys in SUPABASE_SECRET_KEYS, not that variable's whole JSON")
    if key.startswith("sb_publishable_"):
        raise ValueError("should be secret: everyone can read a project's publishable key")
    if not _HEADER_TEXT.fullmatch(key) or len(key) < _MIN_KEY_CHARACTERS:
        raise ValueError(
            f"should be {_LONG_TEXT}, of {_MIN_KEY_CHARACTERS} characters or more; "
            "during a rotation, several of them, comma-separated"
        )
    _check_not_weak(key)


def _check_jwt_secret(value: SecretStr | None) -> SecretStr | None:
    if value is not None and len(value.get_secret_value().encode()) < _MIN_JWT_SECRET_BYTES:
        raise ValueError(f"should have at least {_MIN_JWT_SECRET_BYTES} bytes, as Supabase's JWT secrets do")
    if value is not None:
        _check_not_weak(value.get_secret_value())
    return value


S = TypeVar("S", bound=BaseSettings)
Url = Annotated[str, AfterValidator(_check_http_url)]
DatabaseUrl = Annotated[SecretStr, AfterValidator(_check_database_url)]


class ConfigError(Exception):
    """The settings are unusable. The message names each variable and contains no values."""


def _check_api_url(value: str) -> str:
    if is_plain_http(value):
        raise ValueError("should be an https:// address: API keys would cross the network unencrypted")
    return value


class ProviderSettings(BaseModel):
    """`<PROVIDER>_API_URL` and `N8N_<PROVIDER>_WEBHOOK_URL` of a registered provider."""

    api_url: Annotated[Url, AfterValidator(_check_api_url)]
    webhook_url: Url | None = None


class _ProviderSource(PydanticBaseSettingsSource):
    """Reads the variables that are named after the registered providers."""

    def __init__(self, settings_cls: type[BaseSettings], *sources: EnvSettingsSource) -> None:
        super().__init__(settings_cls)
        self._variables = {
            name: value for source in sources for name, value in source.env_vars.items() if value
        }

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        """Not used: this source fills a single field in `__call__`."""
        raise NotImplementedError

    def __call__(self) -> dict[str, Any]:
        found: dict[str, dict[str, str]] = {}
        for name, spec in PROVIDERS.items():
            found[name] = {"api_url": self._variables.get(f"{name}_api_url") or spec.default_api_url}
            if webhook_url := self._variables.get(f"n8n_{name}_webhook_url"):
                found[name]["webhook_url"] = webhook_url
        return {"providers": found}


class Settings(BaseSettings):
    """All settings of the service, validated. Field names are the variables' names in lower case."""

    model_config = SettingsConfigDict(
        env_file=".env", env_ignore_empty=True, extra="ignore", hide_input_in_errors=True
    )

    database_url: DatabaseUrl
    migrate_database_url: DatabaseUrl | None = None
    database_pool_size: int = Field(default=10, ge=1, le=200)
    database_pooler: Literal["none", "transaction"] | None = None

    supabase_jwt_secret: SecretStr | None = None
    supabase_jwks_url: Url | None = None
    supabase_url: Annotated[Url | None, Field(validate_default=True)] = (
        None  # must come after the other two; see _require_token_verification
    )
    service_api_key: SecretStr | None = None
    n8n_api_key: SecretStr
    secrets_keys: SecretStr | None = None
    membership_cache_seconds: int = Field(default=30, ge=0, le=3600)
    fast_path: bool = True
    """False leaves every request to FastAPI, to tell whether app/compiled.py is to blame for an answer."""
    event_streams_per_user: int = Field(default=50, ge=1, le=10_000)
    event_streams_per_business: int = Field(default=500, ge=1, le=10_000)

    providers: dict[str, ProviderSettings] = {}
    n8n_webhook_secret: SecretStr | None = None
    n8n_webhook_token: SecretStr | None = None
    webhook_timeout_seconds: float = Field(default=15, gt=0, le=300)
    generation_timeout_minutes: float = Field(default=60, gt=0, le=1440)

    key_check_hours: float = Field(default=24, ge=0, le=8_760)
    secret_reads_retention_days: int = Field(default=365, ge=1, le=36_500)
    cors_origins: Origins = []
    frame_ancestors: FrameAncestors = []
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["json", "console"] = "json"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - required by pydantic-settings
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Add the providers' variables. The environment takes precedence over `.env`."""
        assert isinstance(env_settings, EnvSettingsSource)
        assert isinstance(dotenv_settings, DotEnvSettingsSource)
        providers = _ProviderSource(settings_cls, dotenv_settings, env_settings)
        # A variable named PROVIDERS belongs to another program.
        for source in (env_settings, dotenv_settings):
            source.env_vars = {name: value for name, value in source.env_vars.items() if name != "providers"}
        return init_settings, providers, env_settings, dotenv_settings

    _split_lists = field_validator("cors_origins", "frame_ancestors", mode="before")(_split_list)

    @field_validator("log_level", mode="before")
    @classmethod
    def _lower_log_level(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

    @field_validator("supabase_url")
    @classmethod
    def _require_token_verification(cls, value: str | None, info: ValidationInfo) -> str | None:
        # A field validator, so that its error is listed together with other missing variables.
        if not (value or info.data.get("supabase_jwks_url") or info.data.get("supabase_jwt_secret")):
            raise ValueError(
                "is required to verify users' access tokens, such as https://<project>.supabase.co; "
                "or set SUPABASE_JWKS_URL or SUPABASE_JWT_SECRET"
            )
        return value

    _check_secrets_keys = field_validator("secrets_keys")(_check_key_ring)

    @field_validator("n8n_webhook_secret")
    @classmethod
    def _check_webhook_secret(cls, value: SecretStr | None) -> SecretStr | None:
        for secret in _split_keys(value):
            if not _is_webhook_secret(secret):
                raise ValueError(
                    "should be whsec_ and the base64 of 24 to 64 bytes; during a rotation, two secrets, "
                    "comma-separated"
                )
            _check_not_weak(base64.b64decode(secret[6:]))
        return value

    @field_validator("n8n_api_key", "service_api_key")
    @classmethod
    def _check_api_keys(cls, value: SecretStr | None) -> SecretStr | None:
        for key in _split_keys(value):
            _check_api_key(key)
        return value

    @field_validator("n8n_webhook_token")
    @classmethod
    def _check_webhook_token(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not _HEADER_TEXT.fullmatch(value.get_secret_value()):
            raise ValueError(f"should be {_LONG_TEXT}")
        if value is not None:
            _check_not_weak(value.get_secret_value())
        return value

    _check_jwt_secret = field_validator("supabase_jwt_secret")(_check_jwt_secret)

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        if set(self.service_api_keys) & set(self.n8n_api_keys):
            raise ValueError(
                "SERVICE_API_KEY and N8N_API_KEY should differ, because they grant different access"
            )
        return self

    @property
    def service_api_keys(self) -> list[str]:
        """The keys of back ends: several while one is being rotated."""
        return _split_keys(self.service_api_key)

    @property
    def n8n_api_keys(self) -> list[str]:
        """The keys of n8n: several while one is being rotated. There is at least one."""
        return _split_keys(self.n8n_api_key)

    @property
    def jwks_url(self) -> str | None:
        """The address of the project's public keys, if configured."""
        if self.supabase_jwks_url:
            return self.supabase_jwks_url
        return f"{self.supabase_url}/auth/v1/.well-known/jwks.json" if self.supabase_url else None

    @property
    def webhook_secrets(self) -> list[str]:
        """The secrets that sign webhooks: two during a rotation."""
        return _split_keys(self.n8n_webhook_secret)

    @property
    def key_ring(self) -> KeyRing | None:
        """The keys that seal provider keys. None is allowed only if the vault encrypts."""
        return KeyRing.parse(self.secrets_keys.get_secret_value()) if self.secrets_keys else None

    @property
    def generation_timeout(self) -> timedelta:
        """How long a generation may be without news after its dispatch."""
        return timedelta(minutes=self.generation_timeout_minutes)

    @property
    def key_check_period(self) -> timedelta:
        """How often each stored key is checked, about; zero for never."""
        return timedelta(hours=self.key_check_hours)

    @property
    def dispatch_timeout(self) -> timedelta:
        """How long a generation may be dispatching: the webhook's budget plus 30 seconds."""
        return timedelta(seconds=self.webhook_timeout_seconds + 30)


def variable_names() -> set[str]:
    """Return the names of this service's variables."""
    names = {name.upper() for name in Settings.model_fields} - {"PROVIDERS"}
    for name in PROVIDERS:
        names |= {f"{name.upper()}_API_URL", f"N8N_{name.upper()}_WEBHOOK_URL"}
    return names


def given_names() -> set[str]:
    """Return the names of all variables that are set, in the environment and in `.env`."""
    sources = (EnvSettingsSource(Settings), DotEnvSettingsSource(Settings))
    return {name.upper() for source in sources for name, value in source.env_vars.items() if value}


def _is_webhook_secret(secret: str) -> bool:
    try:
        return secret.startswith("whsec_") and 24 <= len(base64.b64decode(secret[6:], validate=True)) <= 64
    except binascii.Error:
        return False


class MigrationSettings(BaseSettings):
    """Settings of `ai-avatar migrate`."""

    model_config = Settings.model_config

    database_url: DatabaseUrl | None = None
    database_pooler: Literal["none", "transaction"] | None = None
    migrate_database_url: DatabaseUrl | None = None

    @model_validator(mode="after")
    def _check_one(self) -> Self:
        name, url = "MIGRATE_DATABASE_URL", self.migrate_database_url
        if url is None:
            name, url = "DATABASE_URL", self.database_url
        if url is None:
            raise ValueError(
                f"MIGRATE_DATABASE_URL (the owner's) or DATABASE_URL is required: {_EXAMPLES['DATABASE_URL']}"
            )
        # DATABASE_POOLER describes DATABASE_URL; `none` says that port 6543 is not a pooler's.
        pooled = name == "DATABASE_URL" and self.database_pooler == "transaction"
        if pooled or (self.database_pooler != "none" and urlsplit(url.get_secret_value()).port == 6543):
            raise ValueError(
                f"{name} leads through a pooler in transaction mode, which cannot hold the migrations' lock. Set "
                "MIGRATE_DATABASE_URL to a direct connection or to the pooler's session mode (at Supabase: port 5432)"
            )
        return self

    @property
    def owner_url(self) -> SecretStr:
        """The owner's connection string."""
        url = self.migrate_database_url or self.database_url
        if url is None:
            raise ConfigError("DATABASE_URL is not set")
        return url


class TokenSettings(BaseSettings):
    """Settings of `ai-avatar token`."""

    model_config = Settings.model_config

    supabase_jwt_secret: SecretStr

    _check_jwt_secret = field_validator("supabase_jwt_secret")(_check_jwt_secret)


class RotationSettings(BaseSettings):
    """Settings of `ai-avatar secrets rotate`."""

    model_config = Settings.model_config

    database_url: DatabaseUrl
    database_pooler: Literal["none", "transaction"] | None = None
    secrets_keys: SecretStr

    _check_secrets_keys = field_validator("secrets_keys")(_check_key_ring)

    @property
    def key_ring(self) -> KeyRing:
        """The keys that open sealed keys. The newest one seals."""
        return KeyRing.parse(self.secrets_keys.get_secret_value())


def load_settings() -> Settings:
    """Return the service's settings. Raise ConfigError if they are unusable."""
    return load(Settings)


def load(kind: type[S]) -> S:
    """Read the environment and `.env`.

    Raise ConfigError with one line for each missing or malformed variable. Values are never included.
    """
    try:
        return kind()
    except ValidationError as error:
        raise ConfigError("\n".join(_explain(error))) from None


_EXAMPLES = {
    "DATABASE_URL": _DATABASE_FORM,
    "SUPABASE_JWT_SECRET": "the JWT secret shown on the project's API settings page",
    "SECRETS_KEYS": "id:base64-of-32-bytes, comma-separated, newest first; `ai-avatar secrets generate-key` prints one",
    "N8N_API_KEY": "a long random text, the same as in n8n's Header Auth credential",
}


def _explain(error: ValidationError) -> list[str]:
    lines = []
    for problem in error.errors(include_url=False, include_input=False):
        message = problem["msg"].removeprefix("Value error, ")
        match problem["loc"]:
            case ("providers", str(provider), str(field)):
                name = {"api_url": f"{provider}_api_url", "webhook_url": f"n8n_{provider}_webhook_url"}[field]
            case loc:
                name = str(loc[0]) if loc else ""
        name = name.upper()
        if problem["type"] == "missing":
            message = "is required: " + _EXAMPLES.get(name, "")
        lines.append(f"{name}: {message}" if name else message)
    return lines
