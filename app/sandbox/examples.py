"""The business whose ids are in the OpenAPI document's examples: connected, with a video in each state."""

import json
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import asyncpg

from app.example_ids import (
    AVATAR_ID,
    BUSINESS_ID,
    COMPLETED,
    FAILED,
    INTEGRATION_ID,
    NOT_STARTED,
    TO_CANCEL,
    TO_CLAIM,
    TO_CREATE,
    TO_REPORT,
    USER_ID,
    VIDEO_ID,
    VOICE_ID,
    Item,
)
from app.sealing import KeyRing

API_KEY: Final = "sandbox-key-of-the-demo"


@dataclass(frozen=True, slots=True)
class _Seed:
    item: Item
    title: str
    status: str | None = "processing"


_SEEDS: Final = (
    _Seed(COMPLETED, "Welcome to Harbour Street Bakery", "completed"),
    _Seed(NOT_STARTED, "Bread for the long weekend", None),
    _Seed(TO_CANCEL, "Behind the counter"),
    _Seed(FAILED, "Why our sourdough takes two days", "failed"),
    _Seed(TO_CLAIM, "Meet the bakers"),
    _Seed(TO_REPORT, "How to keep a loaf fresh"),
    _Seed(TO_CREATE, "Three cakes for the weekend"),
)
_SCRIPT: Final = "Fresh bread, every morning from six. Come by and say hello."

_BUSINESS: Final = """
    insert into public.businesses (id, business_name) values ($1, 'Harbour Street Bakery')
    on conflict (id) do nothing
"""
_USER: Final = """
    insert into public.profiles (id, business_id, first_name, last_name) values ($1, $2, 'Example', 'User')
    on conflict (id) do nothing
"""
_INTEGRATION: Final = """
    select public.set_ai_avatar_integration(
        $1, 'heygen', $2, $3, $4, '{"resolution": "1080p"}', p_id => $5, p_api_key_last4 => 'demo',
        p_avatar => $6, p_voice => $7
    )
"""
_CONTENT: Final = """
    insert into public.content (id, business_id, content_title, video_script, status, heygen_status)
    values ($1, $2, $3, $4, 'draft', $5)
"""
# In progress for a day, as long as the tokens that are printed last. The video's link counts as expired, so that the
# first reader gets a new one from the sandbox.
_GENERATION: Final = """
    insert into ai_avatar.generations (
        id, business_id, content_id, provider, script, avatar, voice, status, ended_by, error, error_code, video_id,
        video_url, video_url_at, duration_seconds, completed_at, dispatched_at, deadline
    )
    select $1, $2, $3, 'heygen', $4, $7::jsonb - 'preview_image_url', $8::jsonb - 'preview_audio_url', $5,
        ended.by, failure.error, failure.code, video.id, video.url, video.at, video.seconds, video.completed, now(),
        now() + interval '1 day'
    from (select case when $5 in ('completed', 'failed') then 'report' end as by) as ended
    left join (values ('HeyGen could not make this video.', 'rendering_failed')) as failure (error, code)
        on $5 = 'failed'
    left join (
        values ($6, 'https://files.heygen.ai/videos/3f2b8a9c1d.mp4', now() - interval '7 days', 4.0, now())
    ) as video (id, url, at, seconds, completed) on $5 = 'completed'
"""


async def seed_examples(connection: asyncpg.Connection, ring: KeyRing, media_url: str) -> None:
    """Create the business, or set it back to what the examples expect. `media_url`: where the sandbox has pictures."""
    sealed_key = ring.seal(API_KEY, UUID(BUSINESS_ID), "heygen")
    avatar = {
        "id": AVATAR_ID,
        "name": "Ada in the studio",
        "preview_image_url": f"{media_url}/avatars/{AVATAR_ID}.svg",
    }
    voice = {
        "id": VOICE_ID,
        "name": "Clara",
        "preview_audio_url": f"{media_url}/voices/{VOICE_ID}.wav",
    }
    async with connection.transaction():
        await connection.execute(_BUSINESS, BUSINESS_ID)
        await connection.execute(_USER, USER_ID, BUSINESS_ID)
        await connection.execute("delete from public.content where business_id = $1", BUSINESS_ID)
        await connection.execute(
            _INTEGRATION,
            BUSINESS_ID,
            sealed_key,
            AVATAR_ID,
            VOICE_ID,
            INTEGRATION_ID,
            json.dumps(avatar),
            json.dumps(voice),
        )
        for seed in _SEEDS:
            await connection.execute(
                _CONTENT, seed.item.content_id, BUSINESS_ID, seed.title, _SCRIPT, seed.status
            )
            if seed.status is not None:
                await connection.execute(
                    _GENERATION,
                    seed.item.generation_id,
                    BUSINESS_ID,
                    seed.item.content_id,
                    _SCRIPT,
                    seed.status,
                    VIDEO_ID,
                    json.dumps(avatar),
                    json.dumps(voice),
                )
