"""Examples of the OpenAPI document: videos, their event stream and the call to n8n."""

import json
from typing import Any, Final

from app.errors import InvalidRequest, RateLimited
from app.example_ids import (
    AVATAR_ID,
    BUSINESS_ID,
    COMPLETED,
    FAILED,
    NOT_STARTED,
    TO_CANCEL,
    VIDEO_ID,
    VOICE_ID,
    Item,
)
from app.openapi import OperationExample

_SCRIPT: Final = "Fresh bread, every morning from six. Come by and say hello."


def live_generation(item: Item, **changes: Any) -> dict[str, Any]:
    """Return a generation of this item that is in progress, with `changes`."""
    return {
        "id": item.generation_id,
        "business_id": BUSINESS_ID,
        "content_id": item.content_id,
        "provider": "heygen",
        "status": "processing",
        "heygen_status": "processing",
        "video_id": None,
        "video_url": None,
        "thumbnail_url": None,
        "duration_seconds": None,
        "captioned_video_url": None,
        "subtitle_url": None,
        "error": None,
        "error_code": None,
        "script": _SCRIPT,
        "avatar": {"id": AVATAR_ID, "name": "Ada in the studio"},
        "voice": {"id": VOICE_ID, "name": "Clara"},
        "requested_at": "2026-11-22T10:05:00Z",
        "dispatched_at": "2026-11-22T10:05:01Z",
        "completed_at": None,
        "ended_at": None,
        **changes,
    }


def completed_generation(item: Item, **changes: Any) -> dict[str, Any]:
    """Return a generation of this item whose video is ready, with `changes`."""
    completed: dict[str, Any] = {
        "status": "completed",
        "heygen_status": "completed",
        "video_id": VIDEO_ID,
        "video_url": "https://files.heygen.ai/videos/3f2b8a9c1d.mp4?Expires=1764000000",
        "thumbnail_url": "https://files.heygen.ai/videos/3f2b8a9c1d.jpg?Expires=1764000000",
        "duration_seconds": 4.0,
        "completed_at": "2026-11-22T10:12:30Z",
        "ended_at": "2026-11-22T10:12:30Z",
    }
    return live_generation(item, **completed | changes)


_COMPLETED: Final = completed_generation(COMPLETED)
_CANCELLED: Final = live_generation(
    TO_CANCEL,
    status="failed",
    heygen_status=None,
    error="cancelled",
    error_code="cancelled",
    ended_at="2026-11-22T10:06:00Z",
)
_FAILED: Final = live_generation(
    FAILED,
    status="failed",
    heygen_status=None,
    error="HeyGen could not make this video.",
    error_code="rendering_failed",
    ended_at="2026-11-22T10:09:00Z",
)
_VIDEO: Final[dict[str, Any]] = {
    "content_id": COMPLETED.content_id,
    "content_title": "Welcome to Harbour Street Bakery",
    "video_script": _SCRIPT,
    "heygen_status": "completed",
    "heygen_url": _COMPLETED["video_url"],
    "created_at": "2026-11-20T09:00:00Z",
    "generation": _COMPLETED,
}
_COMPLETED_ITEM: Final = {"content_id": COMPLETED.content_id}

EXAMPLES: Final = {
    "generateVideo": OperationExample(
        body={"business_id": BUSINESS_ID, "content_id": NOT_STARTED.content_id, "script": _SCRIPT},
        response=live_generation(NOT_STARTED),
        problems=(InvalidRequest.of("body.script", "must be at most 5,000 characters"),),
    ),
    "listVideos": OperationExample(
        parameters={"business_id": BUSINESS_ID, "count": True, "limit": 20},
        response={"items": [_VIDEO], "next_cursor": None, "total_count": 1},
    ),
    "getVideo": OperationExample(parameters=_COMPLETED_ITEM, response=_COMPLETED),
    "listGenerations": OperationExample(
        parameters=_COMPLETED_ITEM | {"limit": 20}, response={"items": [_COMPLETED], "next_cursor": None}
    ),
    "cancelVideo": OperationExample(parameters={"content_id": TO_CANCEL.content_id}, response=_CANCELLED),
    "resetVideo": OperationExample(
        parameters={"content_id": FAILED.content_id},
        response=_VIDEO
        | {"content_id": FAILED.content_id, "content_title": "Why our sourdough takes two days"}
        | {"heygen_status": None, "heygen_url": None, "generation": _FAILED},
    ),
    "followVideo": OperationExample(
        parameters=_COMPLETED_ITEM,
        response=f"event: generation\ndata: {json.dumps(_COMPLETED)}\n\n",
        problems=(
            RateLimited("You have 50 event streams open. Close one, or try again later.", retry_after=15),
        ),
    ),
    "generationRequested": OperationExample(
        parameters={
            "webhook-id": NOT_STARTED.generation_id,
            "webhook-timestamp": 1795341900,
            "webhook-signature": "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=",
        },
        body={
            "business_id": BUSINESS_ID,
            "content_id": NOT_STARTED.content_id,
            "script": _SCRIPT,
            "generation_id": NOT_STARTED.generation_id,
        },
    ),
}
