"""Request and response bodies of integrations."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr

from app.field_errors import RuleError
from app.providers.base import Ownership
from app.schemas import Body, NotNull, ProviderConfig, ProviderIdOrEmpty, ProviderName

IntegrationStatus = Literal["active", "inactive", "error"]


def _check_api_key(value: SecretStr) -> SecretStr:
    key = value.get_secret_value().strip()  # pasted keys often end with a newline
    if not (1 <= len(key) <= 512 and key.isascii() and key.isprintable()):
        raise RuleError("must be 1 to 512 printable ASCII characters")
    return SecretStr(key)


ApiKey = Annotated[
    SecretStr,
    AfterValidator(_check_api_key),
    Field(
        description="The provider's API key. Write-only: no response contains it",
        json_schema_extra={"writeOnly": True},
    ),
]


ChosenId = Annotated[ProviderIdOrEmpty, Field(description="An empty text clears it")]


class IntegrationCreate(Body):
    """Connects a business to a provider, or replaces the connection. An absent or null field keeps its value."""

    business_id: UUID | None = Field(
        default=None, description="A user may omit it: it defaults to the user's business"
    )
    provider: ProviderName = "heygen"
    api_key: ApiKey
    avatar_id: ChosenId | None = None
    voice_id: ChosenId | None = None
    provider_config: ProviderConfig | None = None


class IntegrationUpdate(Body):
    """Changes the fields that are sent. Null clears a field; `provider_config` is replaced as a whole."""

    avatar_id: ChosenId | None = None
    voice_id: ChosenId | None = None
    provider_config: ProviderConfig | None = None
    status: Annotated[Literal["active", "inactive"] | None, NotNull] = None
    api_key: Annotated[ApiKey | None, NotNull] = None

    def changes(self) -> dict[str, Any]:
        """Return the fields that were sent, except the key."""
        return self.model_dump(exclude_unset=True, exclude={"api_key"})


class ChosenAvatar(BaseModel):
    """The default avatar, as the provider's catalogue described it."""

    id: str
    name: str
    preview_image_url: str | None


class ChosenVoice(BaseModel):
    """The default voice, as the provider's catalogue described it."""

    id: str
    name: str
    preview_audio_url: str | None


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
    api_key_last4: str | None = Field(
        description="The key's last characters; null for keys under 20 characters, and if unknown"
    )
    api_key_set_at: datetime | None = Field(description="When the key was stored")
    avatar: ChosenAvatar | None = Field(description="What avatar_id refers to; null if unknown")
    voice: ChosenVoice | None = Field(description="What voice_id refers to; null if unknown")


class IntegrationPage(BaseModel):
    """A page of integrations, newest first."""

    items: list[Integration]
    next_cursor: str | None


class CatalogueItem(BaseModel):
    """What avatars and voices have in common."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    name: str
    gender: str | None
    ownership: Ownership = Field(description="`private`: the account's own; these are listed first")
    usable: bool = Field(description="False while the provider is still making it, or could not")
    unusable_reason: str | None = Field(description="Why it is not usable, for users")


class Avatar(CatalogueItem):
    """An avatar in the provider's catalogue."""

    preview_image_url: str | None
    preview_video_url: str | None


class Voice(CatalogueItem):
    """A voice in the provider's catalogue."""

    preview_audio_url: str | None
    language: str | None


class AvatarPage(BaseModel):
    """A page of avatars, the account's own first. It may be short, even empty, before the last one."""

    items: list[Avatar]
    next_cursor: str | None


class VoicePage(BaseModel):
    """A page of voices, the account's own first. It may be short, even empty, before the last one."""

    items: list[Voice]
    next_cursor: str | None


class RemainingBalance(BaseModel):
    """What is left in an account."""

    model_config = ConfigDict(from_attributes=True)

    amount: float
    unit: str = Field(description="`usd` or `credits`")


class ProviderAccount(BaseModel):
    """The account at the provider that the stored key belongs to."""

    model_config = ConfigDict(from_attributes=True)

    label: str = Field(description="An e-mail address or a name")
    billing_type: str | None = Field(
        description="The provider's word; HeyGen: wallet, subscription, usage_based"
    )
    remaining: RemainingBalance | None = Field(description="Null where the provider does not say")
    checked_at: datetime = Field(description="When the provider was asked; at most a minute ago")
