"""Request and response bodies of integrations."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, Field, SecretStr, model_validator

from app.schemas import Body, ProviderConfig, ProviderId, ProviderName, refuse_null

IntegrationStatus = Literal["active", "inactive", "error"]


def _check_api_key(value: SecretStr) -> SecretStr:
    key = value.get_secret_value().strip()  # pasted keys often end with a newline
    if not (1 <= len(key) <= 512 and key.isascii() and key.isprintable()):
        raise ValueError("should have 1 to 512 printable ASCII characters")
    return SecretStr(key)


ApiKey = Annotated[
    SecretStr,
    AfterValidator(_check_api_key),
    Field(
        description="The provider's API key. Write-only: no response contains it",
        json_schema_extra={"writeOnly": True},
    ),
]


class IntegrationCreate(Body):
    """Connects a business to a provider, or replaces the connection. An absent or null field keeps its value."""

    business_id: UUID | None = Field(
        default=None, description="A user may omit it: it defaults to the user's business"
    )
    provider: ProviderName = "heygen"
    api_key: ApiKey
    avatar_id: ProviderId | None = None
    voice_id: ProviderId | None = None
    provider_config: ProviderConfig | None = None


class IntegrationUpdate(Body):
    """Changes the fields that are sent. Null clears a field; `provider_config` is replaced as a whole."""

    avatar_id: ProviderId | None = None
    voice_id: ProviderId | None = None
    provider_config: ProviderConfig | None = None
    status: Literal["active", "inactive"] | None = None
    api_key: ApiKey | None = None

    @model_validator(mode="before")
    @classmethod
    def _refuse_null(cls, data: Any) -> Any:
        return refuse_null(data, "status", "api_key")

    def changes(self) -> dict[str, Any]:
        """Return the fields that were sent, except the key."""
        return self.model_dump(exclude_unset=True, exclude={"api_key"})


class Integration(BaseModel):
    """A business's connection to a provider. It never contains the key."""

    id: UUID
    business_id: UUID
    provider: str
    avatar_id: str | None
    voice_id: str | None
    provider_config: dict[str, Any]
    status: IntegrationStatus
    has_api_key: bool
    validated_at: datetime | None = Field(description="When the provider last accepted the key")
    last_synced_at: datetime | None = Field(description="When the provider's catalogue was last read")
    created_at: datetime
    updated_at: datetime


class IntegrationPage(BaseModel):
    """A page of integrations, newest first."""

    items: list[Integration]
    next_cursor: str | None


class Avatar(BaseModel):
    """An avatar in the provider's catalogue."""

    id: str
    name: str
    preview_image_url: str | None
    gender: str | None


class Voice(BaseModel):
    """A voice in the provider's catalogue."""

    id: str
    name: str
    preview_audio_url: str | None
    gender: str | None
    language: str | None


class AvatarPage(BaseModel):
    """A page of avatars, in the provider's order."""

    items: list[Avatar]
    next_cursor: str | None


class VoicePage(BaseModel):
    """A page of voices, in the provider's order."""

    items: list[Voice]
    next_cursor: str | None
