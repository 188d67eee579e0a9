"""Examples of the OpenAPI document: integrations."""

from typing import Any, Final

from app.example_ids import AVATAR_ID, BUSINESS_ID, INTEGRATION_ID, VOICE_ID
from app.openapi import OperationExample

_AVATAR: Final[dict[str, Any]] = {
    "id": AVATAR_ID,
    "name": "Ada in the studio",
    "preview_image_url": "https://files.heygen.ai/avatars/ada.webp",
}
_VOICE: Final[dict[str, Any]] = {
    "id": VOICE_ID,
    "name": "Clara",
    "preview_audio_url": "https://files.heygen.ai/voices/clara.wav",
}
_INTEGRATION: Final[dict[str, Any]] = {
    "id": INTEGRATION_ID,
    "business_id": BUSINESS_ID,
    "provider": "heygen",
    "avatar_id": AVATAR_ID,
    "voice_id": VOICE_ID,
    "provider_config": {"resolution": "1080p"},
    "status": "active",
    "has_api_key": True,
    "validated_at": "2026-11-22T10:00:00Z",
    "last_synced_at": None,
    "created_at": "2026-11-22T10:00:00Z",
    "updated_at": "2026-11-22T10:00:00Z",
    "api_key_last4": "demo",
    "api_key_set_at": "2026-11-22T10:00:00Z",
    "avatar": _AVATAR,
    "voice": _VOICE,
}
_CATALOGUE: Final[dict[str, Any]] = {
    "gender": "female",
    "ownership": "public",
    "usable": True,
    "unusable_reason": None,
}
_OF_BUSINESS: Final = {"business_id": BUSINESS_ID, "provider": "heygen"}

EXAMPLES: Final = {
    "connectProvider": OperationExample(
        body={
            "business_id": BUSINESS_ID,
            "api_key": "sandbox-key-of-the-demo",
            "avatar_id": AVATAR_ID,
            "voice_id": VOICE_ID,
            "provider_config": {"resolution": "1080p"},
        },
        response=_INTEGRATION,
    ),
    "listIntegrations": OperationExample(
        parameters=_OF_BUSINESS | {"status": "active", "limit": 20},
        response={"items": [_INTEGRATION], "next_cursor": None},
    ),
    "getIntegration": OperationExample(parameters=_OF_BUSINESS, response=_INTEGRATION),
    "updateIntegration": OperationExample(
        parameters=_OF_BUSINESS, body={"voice_id": VOICE_ID, "status": "active"}, response=_INTEGRATION
    ),
    "deleteIntegration": OperationExample(parameters=_OF_BUSINESS),
    "validateIntegration": OperationExample(parameters=_OF_BUSINESS, response=_INTEGRATION),
    "getAccount": OperationExample(
        parameters=_OF_BUSINESS,
        response={
            "label": "sandbox@example.com",
            "billing_type": "wallet",
            "remaining": {"amount": 100.0, "unit": "usd"},
            "checked_at": "2026-11-22T10:00:00Z",
        },
    ),
    "listAvatars": OperationExample(
        parameters=_OF_BUSINESS | {"q": "ada", "gender": "female", "ownership": "public", "limit": 20},
        response={
            "items": [
                _AVATAR | _CATALOGUE | {"preview_video_url": "https://files.heygen.ai/avatars/ada.mp4"}
            ],
            "next_cursor": None,
        },
    ),
    "listVoices": OperationExample(
        parameters=_OF_BUSINESS
        | {"q": "clara", "gender": "female", "language": "English", "ownership": "public", "limit": 20},
        response={"items": [_VOICE | _CATALOGUE | {"language": "English"}], "next_cursor": None},
    ),
}
