"""Request and response bodies of integrations."""

from datetime import datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator

from app.providers.base import Ownership
from app.schemas import Body, ProviderConfig, ProviderIdOrEmpty, ProviderName, refuse_null

_INTEGRATION_EXAMPLE: Final[dict[str, Any]] = {
    "id": "e0000000-0000-4000-8000-000000000001",
    "business_id": "b0000000-0000-4000-8000-000000000001",
    "provider": "heygen",
    "avatar_id": "Daisy-inskirt-20220818",
    "voice_id": "2d5b0e6cf36f460aa7fc47e3eee4ba54",
    "provider_config": {"resolution": "1080p"},
    "status": "active",
    "has_api_key": True,
    "validated_at": "2026-11-22T10:00:00Z",
    "last_synced_at": None,
    "created_at": "2026-11-22T10:00:00Z",
    "updated_at": "2026-11-22T10:00:00Z",
    "api_key_last4": "9f3c",
    "avatar": {
        "id": "Daisy-inskirt-20220818",
        "name": "Daisy in a skirt",
        "preview_image_url": "https://files.heygen.ai/avatar/daisy.webp",
    },
    "voice": {
        "id": "2d5b0e6cf36f460aa7fc47e3eee4ba54",
        "name": "Clara",
        "preview_audio_url": "https://files.heygen.ai/voice/clara.wav",
    },
}
_AVATAR_EXAMPLE: Final[dict[str, Any]] = {
    "id": "Daisy-inskirt-20220818",
    "name": "Daisy in a skirt",
    "preview_image_url": "https://files.heygen.ai/avatar/daisy.webp",
    "preview_video_url": "https://files.heygen.ai/avatar/daisy.mp4",
    "gender": "female",
    "ownership": "public",
    "usable": True,
    "unusable_reason": None,
}
_VOICE_EXAMPLE: Final[dict[str, Any]] = {
    "id": "2d5b0e6cf36f460aa7fc47e3eee4ba54",
    "name": "Clara",
    "preview_audio_url": "https://files.heygen.ai/voice/clara.wav",
    "gender": "female",
    "language": "English",
    "ownership": "private",
    "usable": True,
    "unusable_reason": None,
}
_ACCOUNT_EXAMPLE: Final[dict[str, Any]] = {
    "label": "ada@example.com",
    "billing_type": "wallet",
    "remaining": {"amount": 42.5, "unit": "usd"},
    "checked_at": "2026-11-22T10:00:00Z",
}

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


ChosenId = Annotated[ProviderIdOrEmpty, Field(description="An empty text clears it")]


class IntegrationCreate(Body):
    """Connects a business to a provider, or replaces the connection. An absent or null field keeps its value."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "api_key": "the key from the provider's settings",
                    "avatar_id": "Daisy-inskirt-20220818",
                    "voice_id": "2d5b0e6cf36f460aa7fc47e3eee4ba54",
                    "provider_config": {"resolution": "1080p"},
                }
            ]
        }
    )

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

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"voice_id": "2d5b0e6cf36f460aa7fc47e3eee4ba54", "status": "active"}]}
    )

    avatar_id: ChosenId | None = None
    voice_id: ChosenId | None = None
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


class ChosenAvatar(BaseModel):
    """The default avatar, as the provider's catalogue described it."""

    model_config = ConfigDict(json_schema_extra={"examples": [_INTEGRATION_EXAMPLE["avatar"]]})

    id: str
    name: str
    preview_image_url: str | None


class ChosenVoice(BaseModel):
    """The default voice, as the provider's catalogue described it."""

    model_config = ConfigDict(json_schema_extra={"examples": [_INTEGRATION_EXAMPLE["voice"]]})

    id: str
    name: str
    preview_audio_url: str | None


class Integration(BaseModel):
    """A business's connection to a provider. It never contains the key."""

    model_config = ConfigDict(json_schema_extra={"examples": [_INTEGRATION_EXAMPLE]})

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
    avatar: ChosenAvatar | None = Field(description="What avatar_id refers to; null if unknown")
    voice: ChosenVoice | None = Field(description="What voice_id refers to; null if unknown")


class IntegrationPage(BaseModel):
    """A page of integrations, newest first."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"items": [_INTEGRATION_EXAMPLE], "next_cursor": None}]}
    )

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

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"items": [_AVATAR_EXAMPLE], "next_cursor": None}]}
    )

    items: list[Avatar]
    next_cursor: str | None


class VoicePage(BaseModel):
    """A page of voices, the account's own first. It may be short, even empty, before the last one."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"items": [_VOICE_EXAMPLE], "next_cursor": None}]}
    )

    items: list[Voice]
    next_cursor: str | None


class RemainingBalance(BaseModel):
    """What is left in an account."""

    model_config = ConfigDict(from_attributes=True)

    amount: float
    unit: str = Field(description="`usd` or `credits`")


class ProviderAccount(BaseModel):
    """The account at the provider that the stored key belongs to."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"examples": [_ACCOUNT_EXAMPLE]})

    label: str = Field(description="An e-mail address or a name")
    billing_type: str | None = Field(
        description="The provider's word; HeyGen: wallet, subscription, usage_based"
    )
    remaining: RemainingBalance | None = Field(description="Null where the provider does not say")
    checked_at: datetime = Field(description="When the provider was asked; at most a minute ago")
