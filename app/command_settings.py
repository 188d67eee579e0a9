"""Settings of the commands that need only some of the service's variables; `app.config.load` reads them."""

from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import SecretStr, model_validator
from pydantic_settings import BaseSettings

from app.config import ConfigError, Settings
from app.config_types import DATABASE_URL_FORM, DatabaseUrl, JwtSecret, SealingKeys
from app.field_errors import RuleError
from app.sealing import KeyRing


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
            raise RuleError(
                f"MIGRATE_DATABASE_URL (the owner's) or DATABASE_URL is required: {DATABASE_URL_FORM}"
            )
        # DATABASE_POOLER describes DATABASE_URL; `none` says that port 6543 is not a pooler's.
        pooled = name == "DATABASE_URL" and self.database_pooler == "transaction"
        if pooled or (self.database_pooler != "none" and urlsplit(url.get_secret_value()).port == 6543):
            raise RuleError(
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

    supabase_jwt_secret: JwtSecret


class RotationSettings(BaseSettings):
    """Settings of `ai-avatar secrets rotate`."""

    model_config = Settings.model_config

    database_url: DatabaseUrl
    database_pooler: Literal["none", "transaction"] | None = None
    secrets_keys: SealingKeys

    @property
    def key_ring(self) -> KeyRing:
        """The keys that open sealed keys. The newest one seals."""
        return KeyRing.parse(self.secrets_keys.get_secret_value())
