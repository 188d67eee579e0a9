"""What an ended generation says of its end: `ended_at`, `error_code` and what the provider says of the video."""

from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from support.api import Api
from support.rows import ContentRow, expire_generation
from support.webhook_receiver import WebhookReceiver

pytestmark = pytest.mark.anyio

URL = "https://videos.test/1.mp4"


async def latest(api: Api) -> dict[str, Any]:
    generation: dict[str, Any] = (await api.get_generation(expect=200)).json()
    return generation


def ended_just_now(generation: dict[str, Any]) -> bool:
    return datetime.now(UTC) - datetime.fromisoformat(generation["ended_at"]) < timedelta(minutes=1)


async def test_live_generation_has_a_script_and_no_end(api: Api) -> None:
    generation_id = await api.start(script="In these words")
    await api.report(generation_id, "processing", execution_id="1", video_id="v1")
    generation = await latest(api)
    assert (generation["script"], generation["ended_at"], generation["error_code"]) == (
        "In these words",
        None,
        None,
    )


async def test_completed_generation_ends_when_it_is_completed(api: Api) -> None:
    generation_id = await api.start()
    await api.report(generation_id, "completed", video_url=URL, expect=200)
    generation = await latest(api)
    assert generation["ended_at"] == generation["completed_at"] is not None
    await api.report(generation_id, "completed", video_url=URL, expect=200)
    assert await latest(api) == generation


async def test_cancelled(api: Api) -> None:
    await api.start()
    cancelled = (await api.cancel(expect=200)).json()
    assert (cancelled["status"], cancelled["error_code"]) == ("failed", "cancelled")
    assert ended_just_now(cancelled)


async def test_expired_and_then_completed_late(api: Api, admin_connection: asyncpg.Connection) -> None:
    generation_id = await api.start()
    await expire_generation(admin_connection, generation_id)
    expired = await latest(api)
    assert (expired["status"], expired["error_code"]) == ("expired", "expired")
    assert ended_just_now(expired)
    await api.report(generation_id, "completed", video_url=URL, expect=200)
    completed = await latest(api)
    assert (completed["status"], completed["error_code"]) == ("completed", None)
    assert completed["ended_at"] == completed["completed_at"] > expired["ended_at"]


async def test_superseded_by_another_application(api: Api, content: ContentRow) -> None:
    first = await api.start()
    await content.write("draft")
    await api.start()
    row = await content.connection.fetchrow(
        "select status, error, error_code, ended_at from ai_avatar.generation_states where id = $1::text::uuid",
        first,
    )
    assert row
    assert (row["status"], row["error_code"]) == ("expired", "expired")
    assert (
        row["error"] == "Another application changed the content item, so this video is no longer expected."
    )
    assert row["ended_at"] is not None


async def test_refused_by_the_webhook(api: Api, webhook: WebhookReceiver) -> None:
    webhook.answers = [500]
    await api.generate(expect=502)
    failed = await latest(api)
    assert (failed["status"], failed["error_code"]) == ("failed", "webhook_failed")
    assert ended_just_now(failed)


async def test_reported_failure_has_the_workflows_text_and_no_code(api: Api) -> None:
    generation_id = await api.start()
    failed = (await api.report(generation_id, "failed", error="Out of credit", expect=200)).json()
    assert (failed["error"], failed["error_code"]) == ("Out of credit", None)
    assert ended_just_now(failed)


async def test_report_may_not_name_a_code(api: Api) -> None:
    generation_id = await api.start()
    await api.report(generation_id, "failed", error="x", error_code="mine", expect=422)


async def test_list_shows_the_same(api: Api) -> None:
    generation_id = await api.start()
    await api.report(generation_id, "completed", video_url=URL, expect=200)
    [item] = (await api.list_videos(expect=200)).json()["items"]
    assert item["generation"] == await latest(api)
