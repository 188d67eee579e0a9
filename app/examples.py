"""One business's story in examples, for the OpenAPI document; a test holds them to their schemas."""

from collections.abc import Mapping
from typing import Any, Final

_BUSINESS = "b0000000-0000-4000-8000-000000000001"
_CONTENT = "c0000000-0000-4000-8000-000000000001"
_GENERATION = "d0000000-0000-4000-8000-000000000001"
_EXECUTION = "1284"
_SCRIPT = "Hi, and welcome to Coral Coast Coffee."
_VIDEO_ID = "3f2b8a9c1d"
_VIDEO_URL = "https://files.heygen.ai/video/3f2b8a9c1d.mp4?Expires=1764000000"

_INTEGRATION: dict[str, Any] = {
    "id": "e0000000-0000-4000-8000-000000000001",
    "business_id": _BUSINESS,
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
}
_GENERATION_STATE: dict[str, Any] = {
    "id": _GENERATION,
    "business_id": _BUSINESS,
    "content_id": _CONTENT,
    "provider": "heygen",
    "status": "completed",
    "heygen_status": "completed",
    "video_id": _VIDEO_ID,
    "video_url": _VIDEO_URL,
    "error": None,
    "requested_at": "2026-11-22T10:05:00Z",
    "dispatched_at": "2026-11-22T10:05:01Z",
    "completed_at": "2026-11-22T10:12:30Z",
}
_AVATAR = {
    "id": "Daisy-inskirt-20220818",
    "name": "Daisy in a skirt",
    "preview_image_url": "https://files.heygen.ai/avatar/daisy.webp",
    "gender": "female",
}
_VOICE = {
    "id": "2d5b0e6cf36f460aa7fc47e3eee4ba54",
    "name": "Clara",
    "preview_audio_url": "https://files.heygen.ai/voice/clara.wav",
    "gender": "female",
    "language": "English",
}
_CONTENT_ROW = {
    "content_id": _CONTENT,
    "content_title": "Welcome to Coral Coast Coffee",
    "video_script": _SCRIPT,
    "heygen_status": "completed",
    "heygen_url": _VIDEO_URL,
    "created_at": "2026-11-20T09:00:00Z",
    "generation": _GENERATION_STATE,
}

# By the name of the schema.
EXAMPLES: Final[Mapping[str, Any]] = {
    "IntegrationCreate": {
        "api_key": "the key from the provider's settings",
        "avatar_id": _INTEGRATION["avatar_id"],
        "voice_id": _INTEGRATION["voice_id"],
        "provider_config": _INTEGRATION["provider_config"],
    },
    "IntegrationUpdate": {"voice_id": _VOICE["id"], "status": "active"},
    "Integration": _INTEGRATION,
    "IntegrationPage": {"items": [_INTEGRATION], "next_cursor": None},
    "AvatarPage": {"items": [_AVATAR], "next_cursor": None},
    "VoicePage": {"items": [_VOICE], "next_cursor": None},
    "GenerateVideo": {"content_id": _CONTENT, "script": _SCRIPT},
    "Generation": _GENERATION_STATE,
    "VideoPage": {"items": [_CONTENT_ROW], "next_cursor": None},
    "CredentialsRequest": {
        "business_id": _BUSINESS,
        "generation_id": _GENERATION,
        "execution_id": _EXECUTION,
    },
    "Credentials": {
        "business_id": _BUSINESS,
        "provider": "heygen",
        "api_key": "the provider's key, opened",
        "avatar_id": _INTEGRATION["avatar_id"],
        "voice_id": _INTEGRATION["voice_id"],
        "provider_config": _INTEGRATION["provider_config"],
    },
    "StatusReport": {
        "generation_id": _GENERATION,
        "execution_id": _EXECUTION,
        "status": "completed",
        "video_id": _VIDEO_ID,
        "video_url": _VIDEO_URL,
    },
    "BrokerRequest": {
        "generation_id": _GENERATION,
        "execution_id": _EXECUTION,
        "title": "Welcome to Coral Coast Coffee",
        "provider_options": {"resolution": "1080p"},
    },
    "Problem": {
        "type": "urn:ai-avatar:problem:integration_not_found",
        "title": "Integration not found",
        "status": 404,
        "detail": "There is no such integration.",
        "instance": f"/integrations/ai-avatar/{_BUSINESS}",
        "code": "integration_not_found",
    },
}
