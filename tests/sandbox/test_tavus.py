"""The stand-in Tavus over real HTTP, as the service's own client sees it."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from app.errors import ApiKeyRejected, ProviderNotFound, ProviderRateLimited, ProviderRejected, QuotaExceeded
from app.providers.base import Filters, Video
from app.providers.tavus import Tavus
from app.sandbox.media import Media
from app.sandbox.tavus import create_tavus_app

pytestmark = pytest.mark.anyio

KEY = "sandbox-key"
MEDIA_URL = "http://media.test/media"


@pytest.fixture
async def tavus(http: httpx.AsyncClient, serve: Callable[[Any], Awaitable[str]]) -> Tavus:
    app = create_tavus_app(Media(MEDIA_URL), waiting_seconds=0.1, rendering_seconds=0.1)
    return Tavus(http, await serve(Starlette(routes=[Mount("/tavus", app)])) + "/tavus")


async def create(tavus: Tavus, api_key: str = KEY, **changed: Any) -> Video:
    arguments: dict[str, Any] = {"script": "Hello", "avatar_id": "sandbox-ada", "options": {}, "title": None}
    return await tavus.create_video(api_key, idempotency_key="g-1", voice_id=None, **(arguments | changed))


async def finished(tavus: Tavus, video_id: str) -> Video:
    deadline = time.monotonic() + 5
    while True:
        video = await tavus.get_video(KEY, video_id)
        if video.status in {"completed", "failed"}:
            return video
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("key", ["tv-real", "sandbox", "SANDBOX-x"])
async def test_any_other_key_is_rejected(tavus: Tavus, key: str) -> None:
    with pytest.raises(ApiKeyRejected):
        await tavus.verify_key(key)


async def test_keys_select_what_fails(tavus: Tavus) -> None:
    with pytest.raises(QuotaExceeded):
        await create(tavus, "sandbox-nocredit-1")
    with pytest.raises(ProviderRateLimited):
        await create(tavus, "sandbox-limited-1")
    await tavus.verify_key("sandbox-revoked-1")
    with pytest.raises(ApiKeyRejected):
        await create(tavus, "sandbox-revoked-1")


async def test_own_replicas_come_first_and_unusable_ones_say_why(tavus: Tavus) -> None:
    own = await tavus.list_avatars(KEY, filters=Filters(), limit=50, page_token=None)
    stock = await tavus.list_avatars(KEY, filters=Filters(), limit=50, page_token=own.next_token)

    assert [(avatar.name, avatar.usable) for avatar in own.items] == [
        ("My own avatar", True),
        ("My own avatar, in the making", False),
        ("My colleague", False),
        ("My own avatar, blurred", False),
    ]
    assert (len(stock.items), stock.next_token) == (12, None)
    assert stock.items[0].id == "sandbox-ada"
    assert stock.items[0].preview_video_url == f"{MEDIA_URL}/avatars/sandbox-ada.mp4"


async def test_one_replica_is_found_by_its_id(tavus: Tavus) -> None:
    assert (await tavus.get_avatar(KEY, "sandbox-own")).ownership == "private"
    assert (await tavus.get_avatar(KEY, "sandbox-ada")).name == "Ada in the studio"
    with pytest.raises(ProviderNotFound):
        await tavus.get_avatar(KEY, "nope")


async def test_a_video_is_queued_generated_and_ready(tavus: Tavus) -> None:
    made = await create(tavus)
    assert (await tavus.get_video(KEY, made.video_id)).status == "pending"

    video = await finished(tavus, made.video_id)
    assert (video.status, video.error) == ("completed", None)
    assert (video.video_url or "").startswith(f"{MEDIA_URL}/videos/{made.video_id}.mp4?")
    assert video.thumbnail_url == f"{MEDIA_URL}/avatars/sandbox-ada.svg"


async def test_a_script_can_ask_for_a_failure(tavus: Tavus) -> None:
    plain = await finished(tavus, (await create(tavus, script="Please [fail]")).video_id)
    worded = await finished(
        tavus, (await create(tavus, script="[fail:the script violates community guidelines]")).video_id
    )

    assert (plain.status, plain.error_code) == ("failed", "video_error")
    assert worded.error_code == "script_community_guidelines"


async def test_a_video_of_a_replica_in_training_stays_queued(tavus: Tavus) -> None:
    made = await create(tavus, avatar_id="sandbox-own-processing")
    await asyncio.sleep(0.3)

    assert (await tavus.get_video(KEY, made.video_id)).status == "pending"


async def test_what_is_not_there_is_refused(tavus: Tavus) -> None:
    with pytest.raises(ProviderRejected, match="does not have this avatar"):
        await create(tavus, avatar_id="missing-1")
    with pytest.raises(ProviderRejected, match="Unknown field: resolution"):
        await create(tavus, options={"resolution": "4k"})
    with pytest.raises(ProviderNotFound):
        await tavus.get_video(KEY, "nope")
    with pytest.raises(ProviderNotFound):  # another key's
        await tavus.get_video("sandbox-other", (await create(tavus)).video_id)
