"""Examples of the OpenAPI document: what workflows call."""

from typing import Final

from app.example_ids import (
    AVATAR_ID,
    BUSINESS_ID,
    COMPLETED,
    EXECUTION_ID,
    TO_CLAIM,
    TO_CREATE,
    TO_REPORT,
    VIDEO_ID,
    VOICE_ID,
)
from app.openapi import OperationExample
from app.videos.examples import completed_generation, live_generation

_HEYGEN: Final = {"provider": "heygen"}
_VIDEO_URL: Final = "https://files.heygen.ai/videos/3f2b8a9c1d.mp4?Expires=1764000000"

EXAMPLES: Final = {
    "issueCredentials": OperationExample(
        parameters=_HEYGEN,
        body={
            "business_id": BUSINESS_ID,
            "generation_id": TO_CLAIM.generation_id,
            "execution_id": EXECUTION_ID,
        },
        response={
            "business_id": BUSINESS_ID,
            "provider": "heygen",
            "api_key": "the provider's key, opened",
            "avatar_id": AVATAR_ID,
            "voice_id": VOICE_ID,
            "provider_config": {"resolution": "1080p"},
        },
    ),
    "reportStatus": OperationExample(
        parameters=_HEYGEN,
        body={
            "generation_id": TO_REPORT.generation_id,
            "execution_id": EXECUTION_ID,
            "status": "completed",
            "video_id": VIDEO_ID,
            "video_url": _VIDEO_URL,
        },
        response=completed_generation(
            TO_REPORT, video_url=_VIDEO_URL, thumbnail_url=None, duration_seconds=None
        ),
    ),
    "createProviderVideo": OperationExample(
        parameters=_HEYGEN,
        body={
            "generation_id": TO_CREATE.generation_id,
            "execution_id": EXECUTION_ID,
            "title": "Three cakes for the weekend",
            "provider_options": {"resolution": "720p"},
        },
        response=live_generation(TO_CREATE, video_id=VIDEO_ID),
    ),
    "getProviderVideo": OperationExample(
        parameters=_HEYGEN | {"generation_id": COMPLETED.generation_id},
        response=completed_generation(COMPLETED),
    ),
}
