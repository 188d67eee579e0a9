"""Settings from the environment and `.env`. No other module reads them."""

from datetime import timedelta
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import (
    BaseModel,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from app.config_types import (
    DATABASE_URL_FORM,
    ApiKeys,
    ApiUrl,
    DatabaseUrl,
    FrameAncestors,
    JwtSecret,
    Origins,
    ProblemTypeUrl,
    SealingKeys,
    Url,
    WebhookSecrets,
    WebhookToken,
    split_keys,
)
from app.field_errors import RuleError, rule_of
from app.problems import PROBLEM_TYPE_URL
from app.providers import PROVIDERS
from app.sealing import KeyRing

S = TypeVar("S", bound=BaseSettings)


class ConfigError(Exception):
    """The settings are unusable. The message names each variable and contains no values."""


# docs/configuration.md is made from the docstrings of fields. pydantic would read them at every start.


class ProviderSettings(BaseModel):
    """`<PROVIDER>_API_URL` and `N8N_<PROVIDER>_WEBHOOK_URL` of a registered provider."""

    api_url: ApiUrl
    """Where the provider's API is. Plain http is allowed on this machine only."""
    webhook_url: Url | None = None
    """The n8n webhook that receives the provider's jobs. Without it, generate-video answers 503."""


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
        env_file=".env",
        env_ignore_empty=True,
        extra="ignore",
        hide_input_in_errors=True,
    )

    database_url: DatabaseUrl
    """The connection string of the service's own login, as Supabase shows it."""
    migrate_database_url: DatabaseUrl | None = None
    """The owner's connection string. Without it, `migrate` uses `DATABASE_URL`."""
    database_pool_size: int = Field(default=10, ge=1, le=200)
    """Database connections of one process."""
    database_pooler: Literal["none", "transaction"] | None = None
    """Whether `DATABASE_URL` leads through a pooler in transaction mode. Without it, port 6543 means that it does."""

    supabase_jwt_secret: JwtSecret | None = None
    """The project's legacy JWT secret: verifies tokens that are signed with HS256, of users and of `service_role`."""
    supabase_jwks_url: Url | None = None
    """Where the public keys are that verify users' tokens. Follows from `SUPABASE_URL`."""
    supabase_url: Annotated[Url | None, Field(validate_default=True)] = (
        None  # must come after the other two; see _require_token_verification
    )
    """The project's address. Enough for projects that sign tokens with asymmetric keys."""
    service_api_key: ApiKeys | None = None
    """What back ends send as `X-API-Key` or `apikey`, such as the project's `sb_secret_…`. Several, comma-separated,
    during a rotation. Without it, back ends need a `service_role` token."""
    n8n_api_key: ApiKeys
    """What n8n sends as `X-API-Key` or as a bearer token: at least 16 characters. Several, comma-separated, during a
    rotation."""
    secrets_keys: SealingKeys | None = None
    """The keys that seal provider keys: `id:base64-of-32-bytes`, comma-separated. The first one seals, so a new one
    comes to the end first, until every instance has it. Recommended everywhere; only a real Supabase Vault may do
    without."""
    membership_cache_seconds: int = Field(default=30, ge=0, le=3600)
    """How long a user's business is cached. An event stream ends within this time of its user losing the business."""
    fast_path: bool = True
    """False leaves every request to FastAPI, to tell whether app/compiled.py is to blame for an answer."""
    concurrent_requests: int = Field(default=64, ge=4, le=10_000)
    """Requests that one process works on at once. Beyond, 503 `overloaded`."""
    concurrent_requests_per_business: int = Field(default=32, ge=1, le=10_000)
    """Of these, requests of one business. Beyond, 429 `rate_limited`."""
    event_streams_per_user: int = Field(default=50, ge=1, le=10_000)
    """Open event streams of one user in one process. Beyond, 429 `rate_limited`."""
    event_streams_per_business: int = Field(default=500, ge=1, le=10_000)
    """Open event streams of one business in one process. Beyond, 429 `rate_limited`."""

    providers: dict[str, ProviderSettings] = {}
    n8n_webhook_secret: WebhookSecrets | None = None
    """Signs webhooks (Standard Webhooks): `whsec_` and the base64 of 24 to 64 bytes. Two, comma-separated, during a
    rotation."""
    n8n_webhook_token: WebhookToken | None = None
    """The bearer token that webhooks carry, for n8n's header authentication."""
    webhook_timeout_seconds: float = Field(default=15, gt=0, le=300)
    """How long all attempts of one webhook may take together."""
    generation_timeout_minutes: float = Field(default=60, gt=0, le=1440)
    """How long a generation may be without news from n8n before it expires."""

    key_check_hours: float = Field(default=24, ge=0, le=8_760)
    """How often each stored key is checked with its provider; 0 switches this off. Two rejections by these checks, some
    minutes apart, set the integration to `error`; a rejection of any other call, such as a video's, does so at once. It
    becomes `active` again when a check accepts the key."""
    secret_reads_retention_days: int = Field(default=365, ge=1, le=36_500)
    """How long entries of the audit log `ai_avatar.secret_reads` are kept."""
    cors_origins: Origins = []
    """Origins that may call the API from a browser."""
    frame_ancestors: FrameAncestors = []
    """Origins that may show the settings page in a frame."""
    problem_type_url: ProblemTypeUrl = PROBLEM_TYPE_URL
    """What precedes the code in an error's `type`. Set the full address where the service is not at the root of its
    host."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The least severe level that is logged."""
    log_format: Literal["json", "console"] = "json"
    """`json` for programs, `console` for people."""

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

    @field_validator("log_level", mode="before")
    @classmethod
    def _lower_log_level(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

    @field_validator("supabase_url")
    @classmethod
    def _require_token_verification(cls, value: str | None, info: ValidationInfo) -> str | None:
        # A field validator, so that its error is listed together with other missing variables. An invalid variable is
        # not in `data`, and has an error of its own.
        others = [info.data.get(name, "invalid") for name in ("supabase_jwks_url", "supabase_jwt_secret")]
        if value is None and others == [None, None]:
            raise RuleError(
                "is required to verify users' access tokens, such as https://<project>.supabase.co; "
                "or set SUPABASE_JWKS_URL or SUPABASE_JWT_SECRET"
            )
        return value

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        if set(self.service_api_keys) & set(self.n8n_api_keys):
            raise RuleError(
                "SERVICE_API_KEY and N8N_API_KEY must differ, because they grant different access"
            )
        return self

    @property
    def service_api_keys(self) -> list[str]:
        """The keys of back ends: several while one is being rotated."""
        return split_keys(self.service_api_key)

    @property
    def n8n_api_keys(self) -> list[str]:
        """The keys of n8n: several while one is being rotated. There is at least one."""
        return split_keys(self.n8n_api_key)

    @property
    def jwks_url(self) -> str | None:
        """The address of the project's public keys, if configured."""
        if self.supabase_jwks_url:
            return self.supabase_jwks_url
        return f"{self.supabase_url}/auth/v1/.well-known/jwks.json" if self.supabase_url else None

    @property
    def webhook_secrets(self) -> list[str]:
        """The secrets that sign webhooks: two during a rotation."""
        return split_keys(self.n8n_webhook_secret)

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
        raise ConfigError("\n".join(dict.fromkeys(_explain(error)))) from None
    except UnicodeDecodeError:
        raise ConfigError("The file .env must be UTF-8 text") from None


_EXAMPLES = {
    "DATABASE_URL": DATABASE_URL_FORM,
    "SUPABASE_JWT_SECRET": "the JWT secret shown on the project's API settings page",
    "SECRETS_KEYS": "id:base64-of-32-bytes, comma-separated; the first one seals; `ai-avatar secrets generate-key` "
    "prints one",
    "N8N_API_KEY": "a long random text, the same as in n8n's Header Auth credential",
}


def _explain(error: ValidationError) -> list[str]:
    lines = []
    for problem in error.errors(include_url=False, include_input=False):
        _, rule = rule_of(problem)
        match problem["loc"]:
            case ("providers", str(provider), str(field)):
                name = {"api_url": f"{provider}_api_url", "webhook_url": f"n8n_{provider}_webhook_url"}[field]
            case loc:
                name = str(loc[0]) if loc else ""
        name = name.upper()
        if problem["type"] == "missing":
            rule = "is required: " + _EXAMPLES.get(name, "")
        lines.append(f"{name} {rule}" if name else rule)
    return lines
