"""The SQL functions of generations, as GenerationRepository calls them: their arguments, and what is read."""

from typing import Final

from app.db import BOOLEAN, BYTEA, DOUBLE, INTEGER, INTERVAL, TEXT, UUID_, UUIDS, SqlFunction
from app.videos.schemas import Generation
from app.videos.state import STATE_COLUMNS

START_GENERATION: Final = SqlFunction(
    "ai_avatar.start_generation",
    {
        "p_id": UUID_,
        "p_business_id": UUID_,
        "p_content_id": UUID_,
        "p_provider": TEXT,
        "p_script": TEXT,
        "p_dispatch_timeout": INTERVAL,
        "p_idempotency_key": TEXT,
        "p_request_hash": BYTEA,
    },
    ("id", "script"),
)
CONFIRM_DISPATCH: Final = SqlFunction(
    "ai_avatar.confirm_dispatch",
    {"p_generation_id": UUID_, "p_timeout": INTERVAL},
    STATE_COLUMNS,
    json=Generation,
)
ROLL_BACK_DISPATCH: Final = SqlFunction(
    "ai_avatar.roll_back_dispatch",
    {"p_generation_id": UUID_, "p_error": TEXT, "p_timed_out": BOOLEAN, "p_touch_content": BOOLEAN},
    STATE_COLUMNS,
    json=Generation,
)
REPORT_GENERATION: Final = SqlFunction(
    "ai_avatar.report_generation",
    {
        "p_generation_id": UUID_,
        "p_content_id": UUID_,
        "p_provider": TEXT,
        "p_execution_id": TEXT,
        "p_status": TEXT,
        "p_video_id": TEXT,
        "p_video_url": TEXT,
        "p_thumbnail_url": TEXT,
        "p_duration_seconds": DOUBLE,
        "p_captioned_video_url": TEXT,
        "p_subtitle_url": TEXT,
        "p_error": TEXT,
        "p_error_code": TEXT,
        "p_timeout": INTERVAL,
        "p_from_provider": BOOLEAN,
        "p_touch_content": BOOLEAN,
    },
    STATE_COLUMNS,
    json=Generation,
)
CANCEL_GENERATION: Final = SqlFunction(
    "ai_avatar.cancel_generation",
    {"p_business_id": UUID_, "p_content_id": UUID_, "p_touch_content": BOOLEAN},
    STATE_COLUMNS,
    json=Generation,
)
LIST_OVERDUE_GENERATIONS: Final = SqlFunction("ai_avatar.list_overdue_generations", {"p_limit": INTEGER})
EXPIRE_GENERATIONS: Final = SqlFunction(
    "ai_avatar.expire_generations",
    {"p_limit": INTEGER, "p_generation_id": UUID_, "p_touch_content": BOOLEAN},
    STATE_COLUMNS,
    json=Generation,
)
LEASE_VIDEO_CHECKS: Final = SqlFunction(
    "ai_avatar.lease_video_checks",
    {"p_limit": INTEGER, "p_generation_id": UUID_, "p_token": UUID_},
    STATE_COLUMNS,
    json=Generation,
)
END_VIDEO_CHECKS: Final = SqlFunction(
    "ai_avatar.end_video_checks", {"p_generation_id": UUID_, "p_token": UUID_}
)
REFRESH_VIDEO_URL: Final = SqlFunction(
    "ai_avatar.refresh_video_url",
    {
        "p_generation_id": UUID_,
        "p_video_id": TEXT,
        "p_video_url": TEXT,
        "p_thumbnail_url": TEXT,
        "p_captioned_video_url": TEXT,
        "p_subtitle_url": TEXT,
    },
    STATE_COLUMNS,
    json=Generation,
)
GET_GENERATION: Final = SqlFunction(
    "ai_avatar.get_generation", {"p_generation_id": UUID_}, STATE_COLUMNS, json=Generation
)
GET_LATEST_GENERATION: Final = SqlFunction(
    "ai_avatar.get_latest_generation",
    {"p_business_id": UUID_, "p_content_id": UUID_},
    STATE_COLUMNS,
    json=Generation,
)
GET_LATEST_GENERATIONS: Final = SqlFunction(
    "ai_avatar.get_latest_generations", {"p_content_ids": UUIDS}, tuple(Generation.model_fields)
)
COUNT_LIVE_GENERATIONS: Final = SqlFunction(
    "ai_avatar.count_live_generations", {}, ("status", "generations", "oldest_seconds")
)
