"""POST /n8n/heygen-status, and credentials and cancel beside it: the life of a generation, points 4 to 7."""

import json
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from support.api import Api
from support.problems import assert_problem
from support.rows import ContentRow, expire_generation
from support.tenants import Tenant
from support.webhook_receiver import WebhookReceiver

from app.videos.schemas import Generation

pytestmark = pytest.mark.anyio

URL = "https://videos.test/1.mp4"


async def test_content_follows_from_processing_to_completed(api: Api, content: ContentRow) -> None:
    await content.write("failed", None, None, "Out of credit")
    generation_id = await api.start()

    moved = await api.report(generation_id, "processing", execution_id="1", video_id="v1")
    assert moved.status_code == 200, moved.text
    assert (moved.json()["status"], moved.json()["video_id"]) == ("processing", "v1")
    assert await content.read() == ("processing", "v1", None, "Out of credit")

    done = await api.report(generation_id, "completed", execution_id="1", video_url=URL)
    assert done.json()["status"] == done.json()["heygen_status"] == "completed"
    assert (done.json()["video_id"], done.json()["video_url"]) == ("v1", URL)
    assert done.json()["completed_at"]
    assert await content.read() == ("completed", "v1", URL, None)


@pytest.mark.parametrize("time", ["now()", "'2026-01-02 03:04:05+10'", "'2026-01-02 03:04:05.120'", "null"])
@pytest.mark.parametrize("duration", [None, 0.0, 12.5, 1e-07, 123456789012345.67])
async def test_json_of_the_database_is_what_the_response_model_would_write(
    api: Api, admin_connection: asyncpg.Connection, time: str, duration: float | None
) -> None:
    generation_id = await api.start(script='Say "hello" \\ \t 😀\u2028')
    await api.report(generation_id, "completed", video_id="v", video_url=URL, expect=200)
    await admin_connection.execute(
        f"update ai_avatar.generations set dispatched_at = {time}, ended_at = {time}, duration_seconds = $2 "
        "where id = $1",
        UUID(generation_id),
        duration,
    )
    shown = await api.get_generation(expect=200)
    assert shown.json() == json.loads(Generation.model_validate_json(shown.content).model_dump_json())
    assert [shown.json()] == (await api.list_generations(expect=200)).json()["items"]


async def test_failure_is_shown_and_the_earlier_video_kept(api: Api, content: ContentRow) -> None:
    await content.write("completed", "v0", "https://videos.test/0.mp4", None)
    generation_id = await api.start()
    failed = await api.report(generation_id, "failed", error="Out of credit")
    assert (failed.json()["status"], failed.json()["error"]) == ("failed", "Out of credit")
    assert await content.read() == (
        "failed",
        "v0",
        "https://videos.test/0.mp4",
        "Out of credit",
    )


async def test_same_report_twice_changes_nothing(api: Api, content: ContentRow) -> None:
    generation_id = await api.start()
    for status, more in (("processing", {"video_id": "v1"}), ("completed", {"video_url": URL})):
        first = await api.report(generation_id, status, execution_id="1", **more)
        before = await content.read()
        second = await api.report(generation_id, status, execution_id="1", **more)
        assert (second.status_code, second.json()) == (200, first.json())
        assert await content.read() == before


@pytest.mark.parametrize("end", ["completed", "failed"])
async def test_report_that_goes_backwards_changes_nothing(api: Api, content: ContentRow, end: str) -> None:
    generation_id = await api.start()
    more = {"video_url": URL} if end == "completed" else {"error": "Out of credit"}
    ended = await api.report(generation_id, end, **more)
    before = await content.read()
    late = await api.report(generation_id, "processing", video_id="late")
    # A failed generation keeps the id, so that a paid video can be found.
    kept = {"video_id": "late"} if end == "failed" else {}
    assert (late.status_code, late.json()) == (200, ended.json() | kept)
    assert await content.read() == before


async def test_completed_never_changes(api: Api, content: ContentRow) -> None:
    generation_id = await api.start()
    done = await api.report(generation_id, "completed", video_url=URL)
    for status, more in (
        ("failed", {"error": "no"}),
        ("completed", {"video_url": "https://videos.test/2.mp4", "video_id": "v2"}),
    ):
        again = await api.report(generation_id, status, **more)
        assert (again.status_code, again.json()) == (200, done.json())
    assert_problem(await api.cancel(), 409, "generation_not_live")
    assert await content.read() == ("completed", None, URL, None)


async def test_completion_after_a_reported_failure_is_410(api: Api, content: ContentRow) -> None:
    generation_id = await api.start()
    await api.report(generation_id, "failed")
    late = await api.report(generation_id, "completed", video_id="v1", video_url=URL)
    assert_problem(late, 410, "generation_closed")
    assert await content.read() == (
        "failed",
        None,
        None,
        "The workflow failed and gave no reason.",
    )
    # A paid video can still be found.
    assert (await api.get_generation()).json()["video_id"] == "v1"


async def test_second_execution_gets_409_and_the_first_may_ask_again(api: Api) -> None:
    generation_id = await api.start()
    first = await api.claim(generation_id, "1")
    again = await api.claim(generation_id, "1")
    assert first.status_code == again.status_code == 200
    assert first.json() == again.json()
    for other in ("2", None):
        assert_problem(await api.claim(generation_id, other), 409, "generation_already_claimed")
    refused = await api.report(generation_id, "completed", execution_id="2", video_url=URL)
    assert_problem(refused, 409, "generation_already_claimed")
    await api.report(generation_id, "completed", execution_id="1", video_url=URL, expect=200)


@pytest.mark.parametrize("by_content_id", [False, True])
@pytest.mark.parametrize("status", ["processing", "completed", "failed"])
async def test_report_without_execution_id_does_not_end_what_an_execution_has_claimed(
    api: Api, content: ContentRow, status: str, by_content_id: bool
) -> None:
    generation_id = await api.start()
    await api.claim(generation_id, "1")
    target = {"content_id": str(api.tenant.content_id)} if by_content_id else {}
    refused = await api.report(None if by_content_id else generation_id, status, video_url=URL, **target)
    assert_problem(refused, 409, "generation_already_claimed")
    assert await content.read() == ("processing", None, None, None)
    await api.report(generation_id, "completed", execution_id="1", video_url=URL, expect=200)


async def test_report_without_execution_id_is_taken_until_an_execution_has_claimed(api: Api) -> None:
    generation_id = await api.start()
    await api.report(generation_id, "processing", video_id="v1", expect=200)
    await api.report(generation_id, "completed", video_url=URL, expect=200)


async def test_execution_without_id_holds_its_claim_against_all_others(api: Api) -> None:
    generation_id = await api.start()
    await api.claim(generation_id, None, expect=200)
    await api.report(generation_id, "processing", execution_id="2", expect=200)
    for other in ("2", None):
        assert_problem(await api.claim(generation_id, other), 409, "generation_already_claimed")


async def test_report_claims_an_unclaimed_generation(api: Api) -> None:
    generation_id = await api.start()
    await api.report(generation_id, "processing", execution_id="1", expect=200)
    assert_problem(await api.claim(generation_id, "2"), 409, "generation_already_claimed")
    await api.claim(generation_id, "1", expect=200)


async def test_numeric_execution_id_is_the_same_as_its_text(api: Api) -> None:
    generation_id = await api.start()
    await api.claim(generation_id, "17", expect=200)
    await api.report(generation_id, "processing", execution_id=17, expect=200)


async def test_content_id_stands_for_the_live_generation(api: Api) -> None:
    ended = await api.start()
    await api.report(ended, "failed", execution_id="1")
    live = await api.start()
    done = await api.report(
        None, "completed", content_id=str(api.tenant.content_id), execution_id="1", video_url=URL
    )
    assert (done.status_code, done.json()["id"]) == (200, live)


async def test_content_id_beside_a_generation_id_is_ignored(
    api: Api, content: ContentRow, other_tenant: Tenant, admin_connection: asyncpg.Connection
) -> None:
    generation_id = await api.start()
    await api.report(generation_id, "completed", content_id=str(other_tenant.content_id), video_url=URL)
    assert await content.read() == ("completed", None, URL, None)
    other_content = ContentRow(admin_connection, other_tenant.content_id)
    assert await other_content.read() == (None, None, None, None)


async def test_late_report_by_content_id_reaches_the_generation_of_its_execution(
    api: Api, content: ContentRow, admin_connection: asyncpg.Connection
) -> None:
    """It was paid for, and must not be refused because a newer one lives and is another execution's."""
    content_id = str(api.tenant.content_id)
    older = await api.start()
    await api.report(None, "processing", content_id=content_id, execution_id="1")
    await expire_generation(admin_connection, older)
    newer = await api.start()
    await api.report(newer, "processing", execution_id="2")

    late = await api.report(None, "completed", content_id=content_id, execution_id="1", video_url=URL)

    assert (late.status_code, late.json()["id"], late.json()["video_url"]) == (200, older, URL)
    assert (await content.read())[:3] == ("processing", None, None)


async def test_content_or_generation_that_is_not_there_is_404(api: Api) -> None:
    nowhere = await api.report(str(uuid4()), "processing")
    never_asked = await api.report(None, "processing", content_id=str(api.tenant.content_id))
    for response in (nowhere, never_asked):
        assert_problem(response, 404, "generation_not_found")
    assert_problem(await api.report(None, "processing"), 422, "invalid_request")


@pytest.mark.parametrize(
    "url",
    [
        "http://videos.test/1.mp4",
        "http://127.0.0.1.videos.test/1.mp4",
        "http://169.254.169.254/latest",
        "ftp://videos.test/1.mp4",
        "javascript:alert(1)",
        "https://",
        "https:///1.mp4",
        "/1.mp4",
        "https://videos.test/1 .mp4",
        "https://videos.test/" + "1" * 5000,
        "",
    ],
)
async def test_video_url_that_is_not_https_is_refused(api: Api, content: ContentRow, url: str) -> None:
    generation_id = await api.start()
    assert_problem(await api.report(generation_id, "completed", video_url=url), 422, "invalid_request")
    assert await content.read() == ("processing", None, None, None)


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:8001/1.mp4", "http://localhost/1.mp4", "http://[::1]:8001/1.mp4", "HTTPS://v.test/1"],
)
async def test_video_url_may_be_http_on_loopback_only(api: Api, url: str) -> None:
    generation_id = await api.start()
    assert (await api.report(generation_id, "completed", video_url=url)).json()["video_url"] == url


@pytest.mark.parametrize(
    "body",
    [
        {"status": "completed"},
        {"status": "completed", "video_url": None},
        {"status": "done"},
        {"status": "dispatching"},
        {"status": "processing", "progress": 3},
        {"status": "processing", "execution_id": ""},
        {"status": "processing", "execution_id": True},
    ],
)
async def test_malformed_report_is_422(api: Api, content: ContentRow, body: dict[str, Any]) -> None:
    generation_id = await api.start()
    assert_problem(await api.report(generation_id, **body), 422, "invalid_request")
    assert await content.read() == ("processing", None, None, None)


async def test_long_error_is_cut_and_cleaned_rather_than_refused(api: Api, content: ContentRow) -> None:
    generation_id = await api.start()
    failed = await api.report(generation_id, "failed", error="a\x00b" + "c" * 10_000)
    assert failed.status_code == 200
    assert failed.json()["error"].startswith("abc")
    assert 1900 < len(failed.json()["error"]) <= 2000
    assert (await content.read())[3] == failed.json()["error"]


async def test_report_keeps_a_status_that_another_application_set(api: Api, content: ContentRow) -> None:
    generation_id = await api.start()
    await content.write("draft")
    await api.report(generation_id, "processing", video_id="v1")
    assert await content.read() == ("draft", None, None, None)
    # What was paid for is shown all the same.
    await api.report(generation_id, "completed", video_url=URL)
    assert await content.read() == ("completed", "v1", URL, None)


async def test_cancel_restores_what_the_content_item_had(api: Api, content: ContentRow) -> None:
    before = ("completed", "v0", "https://videos.test/0.mp4", None)
    await content.write(*before)
    generation_id = await api.start()
    await api.report(generation_id, "processing", execution_id="1", video_id="v1")

    cancelled = await api.cancel()

    assert cancelled.status_code == 200
    assert (cancelled.json()["status"], cancelled.json()["error"]) == ("failed", "cancelled")
    assert (cancelled.json()["id"], cancelled.json()["heygen_status"]) == (generation_id, "completed")
    assert await content.read() == before
    assert_problem(await api.claim(generation_id, "1"), 410, "generation_closed")
    for status in ("processing", "failed", "completed"):
        late = await api.report(generation_id, status, execution_id="1", video_url=URL)
        assert_problem(late, 410, "generation_closed")
    assert await content.read() == before
    assert_problem(await api.cancel(), 409, "generation_not_live")


async def test_cancel_keeps_a_status_that_another_application_set(api: Api, content: ContentRow) -> None:
    await api.start()
    await content.write("draft")
    await api.cancel(expect=200)
    assert await content.read() == ("draft", None, None, None)


async def test_cancel_of_an_item_without_a_generation_is_404(api: Api) -> None:
    assert_problem(await api.cancel(), 404, "generation_not_found")


async def test_another_business_cannot_cancel(api: Api, content: ContentRow, other_tenant: Tenant) -> None:
    await api.start()
    assert_problem(await api.of(other_tenant).cancel(api.tenant.content_id), 404, "generation_not_found")
    assert (await content.read())[0] == "processing"
    await api.cancel(expect=200)
    assert_problem(await api.of(other_tenant).cancel(api.tenant.content_id), 404, "generation_not_found")


async def test_next_generate_works_after_every_end(
    api: Api, webhook: WebhookReceiver, admin_connection: asyncpg.Connection
) -> None:
    await api.report(await api.start(), "failed")
    await api.report(await api.start(), "completed", video_url=URL)
    await api.start()
    await api.cancel()
    await expire_generation(admin_connection, await api.start())
    await api.start()
    assert len(webhook.deliveries) == 5
