"""POST /n8n/heygen-status, and credentials and cancel beside it: the life of a generation, points 4 to 7."""

from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
from support.tenants import N8N_HEADERS, Tenant
from support.webhook_receiver import WebhookReceiver

pytestmark = pytest.mark.anyio

URL = "https://videos.test/1.mp4"
CONTENT_COLUMNS = "heygen_status, heygen_video_id, heygen_url, error_message"


async def start(client: httpx.AsyncClient, tenant: Tenant) -> str:
    response = await client.post(
        "/integrations/ai-avatar/generate-video",
        json={"content_id": str(tenant.content_id)},
        headers=tenant.headers,
    )
    assert response.status_code == 202, response.text
    generation_id: str = response.json()["id"]
    return generation_id


async def report(
    client: httpx.AsyncClient, generation_id: str | None, status: str, **more: Any
) -> httpx.Response:
    body = {"status": status, **({"generation_id": generation_id} if generation_id else {}), **more}
    return await client.post("/n8n/heygen-status", json=body, headers=N8N_HEADERS)


async def claim(
    client: httpx.AsyncClient, tenant: Tenant, generation_id: str, execution_id: str | None
) -> httpx.Response:
    body = {
        "business_id": str(tenant.business_id),
        "generation_id": generation_id,
        "execution_id": execution_id,
    }
    return await client.post("/n8n/heygen-credentials", json=body, headers=N8N_HEADERS)


async def cancel(client: httpx.AsyncClient, tenant: Tenant) -> httpx.Response:
    return await client.post(
        f"/integrations/ai-avatar/videos/{tenant.content_id}/cancel", headers=tenant.headers
    )


async def content(admin_connection: asyncpg.Connection, tenant: Tenant) -> tuple[Any, ...]:
    row = await admin_connection.fetchrow(
        f"select {CONTENT_COLUMNS} from public.content where id = $1", tenant.content_id
    )
    assert row
    return tuple(row)


async def set_content(admin_connection: asyncpg.Connection, tenant: Tenant, *values: str | None) -> None:
    await admin_connection.execute(
        f"update public.content set ({CONTENT_COLUMNS}) = ($2, $3, $4, $5) where id = $1",
        tenant.content_id,
        *values,
    )


async def expire(service: Any, admin_connection: asyncpg.Connection, generation_id: str) -> None:
    await admin_connection.execute(
        "update ai_avatar.generations set deadline = now() - interval '1 s' where id = $1",
        UUID(generation_id),
    )
    await service[0].state.maintenance.expire()


def code(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["code"]


async def test_content_follows_from_processing_to_completed(
    client: httpx.AsyncClient,
    connected: Tenant,
    webhook: WebhookReceiver,
    admin_connection: asyncpg.Connection,
) -> None:
    await set_content(admin_connection, connected, "failed", None, None, "Out of credit")
    generation_id = await start(client, connected)

    moved = await report(client, generation_id, "processing", execution_id="1", video_id="v1")
    assert moved.status_code == 200, moved.text
    assert (moved.json()["status"], moved.json()["video_id"]) == ("processing", "v1")
    assert await content(admin_connection, connected) == ("processing", "v1", None, "Out of credit")

    done = await report(client, generation_id, "completed", execution_id="1", video_url=URL)
    assert done.json()["status"] == done.json()["heygen_status"] == "completed"
    assert (done.json()["video_id"], done.json()["video_url"]) == ("v1", URL)
    assert done.json()["completed_at"]
    assert await content(admin_connection, connected) == ("completed", "v1", URL, None)


async def test_content_follows_a_failure_and_keeps_the_earlier_video(
    client: httpx.AsyncClient,
    connected: Tenant,
    webhook: WebhookReceiver,
    admin_connection: asyncpg.Connection,
) -> None:
    await set_content(admin_connection, connected, "completed", "v0", "https://videos.test/0.mp4", None)
    generation_id = await start(client, connected)
    failed = await report(client, generation_id, "failed", error="Out of credit")
    assert (failed.json()["status"], failed.json()["error"]) == ("failed", "Out of credit")
    assert await content(admin_connection, connected) == (
        "failed",
        "v0",
        "https://videos.test/0.mp4",
        "Out of credit",
    )


async def test_same_report_twice_changes_nothing(
    client: httpx.AsyncClient,
    connected: Tenant,
    webhook: WebhookReceiver,
    admin_connection: asyncpg.Connection,
) -> None:
    generation_id = await start(client, connected)
    for status, more in (("processing", {"video_id": "v1"}), ("completed", {"video_url": URL})):
        first = await report(client, generation_id, status, execution_id="1", **more)
        before = await content(admin_connection, connected)
        second = await report(client, generation_id, status, execution_id="1", **more)
        assert (second.status_code, second.json()) == (200, first.json())
        assert await content(admin_connection, connected) == before


@pytest.mark.parametrize("end", ["completed", "failed"])
async def test_report_that_goes_backwards_changes_nothing(
    client: httpx.AsyncClient,
    connected: Tenant,
    webhook: WebhookReceiver,
    admin_connection: asyncpg.Connection,
    end: str,
) -> None:
    generation_id = await start(client, connected)
    more = {"video_url": URL} if end == "completed" else {"error": "Out of credit"}
    ended = await report(client, generation_id, end, **more)
    before = await content(admin_connection, connected)
    late = await report(client, generation_id, "processing", video_id="another")
    assert (late.status_code, late.json()) == (200, ended.json())
    assert await content(admin_connection, connected) == before


async def test_completed_never_changes(
    client: httpx.AsyncClient,
    connected: Tenant,
    webhook: WebhookReceiver,
    admin_connection: asyncpg.Connection,
) -> None:
    generation_id = await start(client, connected)
    done = await report(client, generation_id, "completed", video_url=URL)
    for status, more in (
        ("failed", {"error": "no"}),
        ("completed", {"video_url": "https://videos.test/2.mp4", "video_id": "v2"}),
    ):
        again = await report(client, generation_id, status, **more)
        assert (again.status_code, again.json()) == (200, done.json())
    assert code(await cancel(client, connected)) == (404, "generation_not_found")
    assert await content(admin_connection, connected) == ("completed", None, URL, None)


async def test_completion_after_a_reported_failure_is_refused(
    client: httpx.AsyncClient,
    connected: Tenant,
    webhook: WebhookReceiver,
    admin_connection: asyncpg.Connection,
) -> None:
    generation_id = await start(client, connected)
    await report(client, generation_id, "failed")
    assert code(await report(client, generation_id, "completed", video_url=URL)) == (410, "generation_closed")
    assert await content(admin_connection, connected) == (
        "failed",
        None,
        None,
        "The workflow failed and gave no reason.",
    )


async def test_second_execution_gets_409_and_the_first_may_ask_again(
    client: httpx.AsyncClient, connected: Tenant, webhook: WebhookReceiver
) -> None:
    generation_id = await start(client, connected)
    first = await claim(client, connected, generation_id, "1")
    again = await claim(client, connected, generation_id, "1")
    assert first.status_code == again.status_code == 200
    assert first.json() == again.json()
    for other in ("2", None):
        assert code(await claim(client, connected, generation_id, other)) == (
            409,
            "generation_already_claimed",
        )
    refused = await report(client, generation_id, "completed", execution_id="2", video_url=URL)
    assert code(refused) == (409, "generation_already_claimed")
    # A workflow that names no execution in its reports is not another one.
    assert (await report(client, generation_id, "completed", video_url=URL)).status_code == 200


async def test_execution_without_id_holds_its_claim_against_all_others(
    client: httpx.AsyncClient, connected: Tenant, webhook: WebhookReceiver
) -> None:
    generation_id = await start(client, connected)
    assert (await claim(client, connected, generation_id, None)).status_code == 200
    assert (await report(client, generation_id, "processing", execution_id="2")).status_code == 200
    for other in ("2", None):
        assert code(await claim(client, connected, generation_id, other)) == (
            409,
            "generation_already_claimed",
        )


async def test_report_claims_a_generation_that_nobody_has_claimed(
    client: httpx.AsyncClient, connected: Tenant, webhook: WebhookReceiver
) -> None:
    generation_id = await start(client, connected)
    assert (await report(client, generation_id, "processing", execution_id="1")).status_code == 200
    assert code(await claim(client, connected, generation_id, "2")) == (409, "generation_already_claimed")
    assert (await claim(client, connected, generation_id, "1")).status_code == 200


async def test_numeric_execution_id_is_the_same_as_its_text(
    client: httpx.AsyncClient, connected: Tenant, webhook: WebhookReceiver
) -> None:
    generation_id = await start(client, connected)
    assert (await claim(client, connected, generation_id, "17")).status_code == 200
    assert (await report(client, generation_id, "processing", execution_id=17)).status_code == 200


async def test_content_id_stands_for_the_live_generation(
    client: httpx.AsyncClient, connected: Tenant, webhook: WebhookReceiver
) -> None:
    ended = await start(client, connected)
    await report(client, ended, "failed", execution_id="1")
    live = await start(client, connected)
    done = await report(
        client, None, "completed", content_id=str(connected.content_id), execution_id="1", video_url=URL
    )
    assert (done.status_code, done.json()["id"]) == (200, live)


async def test_content_id_beside_a_generation_id_is_not_looked_at(
    client: httpx.AsyncClient,
    connected: Tenant,
    other_tenant: Tenant,
    webhook: WebhookReceiver,
    admin_connection: asyncpg.Connection,
) -> None:
    generation_id = await start(client, connected)
    await report(client, generation_id, "completed", content_id=str(other_tenant.content_id), video_url=URL)
    assert await content(admin_connection, connected) == ("completed", None, URL, None)
    assert await content(admin_connection, other_tenant) == (None, None, None, None)


async def test_late_report_by_content_id_reaches_the_generation_of_its_execution(
    service: Any,
    client: httpx.AsyncClient,
    connected: Tenant,
    webhook: WebhookReceiver,
    admin_connection: asyncpg.Connection,
) -> None:
    """It was paid for, and must not be refused because a newer one lives and is another execution's."""
    content_id = str(connected.content_id)
    older = await start(client, connected)
    await report(client, None, "processing", content_id=content_id, execution_id="1")
    await expire(service, admin_connection, older)
    newer = await start(client, connected)
    await report(client, newer, "processing", execution_id="2")

    late = await report(client, None, "completed", content_id=content_id, execution_id="1", video_url=URL)

    assert (late.status_code, late.json()["id"], late.json()["video_url"]) == (200, older, URL)
    assert (await content(admin_connection, connected))[:3] == ("processing", None, None)


async def test_content_or_generation_that_is_not_there_is_404(
    client: httpx.AsyncClient, connected: Tenant, webhook: WebhookReceiver
) -> None:
    nowhere = await report(client, str(uuid4()), "processing")
    never_asked = await report(client, None, "processing", content_id=str(connected.content_id))
    assert code(nowhere) == code(never_asked) == (404, "generation_not_found")
    assert code(await report(client, None, "processing")) == (422, "invalid_request")


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
async def test_video_url_that_is_not_https_is_refused(
    client: httpx.AsyncClient,
    connected: Tenant,
    webhook: WebhookReceiver,
    admin_connection: asyncpg.Connection,
    url: str,
) -> None:
    generation_id = await start(client, connected)
    assert code(await report(client, generation_id, "completed", video_url=url)) == (422, "invalid_request")
    assert await content(admin_connection, connected) == ("processing", None, None, None)


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:8001/1.mp4", "http://localhost/1.mp4", "http://[::1]:8001/1.mp4", "HTTPS://v.test/1"],
)
async def test_video_url_may_be_http_on_loopback_only(
    client: httpx.AsyncClient, connected: Tenant, webhook: WebhookReceiver, url: str
) -> None:
    generation_id = await start(client, connected)
    assert (await report(client, generation_id, "completed", video_url=url)).json()["video_url"] == url


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
async def test_malformed_report_is_422(
    client: httpx.AsyncClient,
    connected: Tenant,
    webhook: WebhookReceiver,
    admin_connection: asyncpg.Connection,
    body: dict[str, Any],
) -> None:
    generation_id = await start(client, connected)
    assert code(await report(client, generation_id, **body)) == (422, "invalid_request")
    assert await content(admin_connection, connected) == ("processing", None, None, None)


async def test_long_error_is_cut_and_cleaned_rather_than_refused(
    client: httpx.AsyncClient,
    connected: Tenant,
    webhook: WebhookReceiver,
    admin_connection: asyncpg.Connection,
) -> None:
    generation_id = await start(client, connected)
    failed = await report(client, generation_id, "failed", error="a\x00b" + "c" * 10_000)
    assert failed.status_code == 200
    assert failed.json()["error"].startswith("abc")
    assert 1900 < len(failed.json()["error"]) <= 2000
    assert (await content(admin_connection, connected))[3] == failed.json()["error"]


async def test_report_leaves_alone_a_content_that_another_application_moved_on(
    client: httpx.AsyncClient,
    connected: Tenant,
    webhook: WebhookReceiver,
    admin_connection: asyncpg.Connection,
) -> None:
    generation_id = await start(client, connected)
    await set_content(admin_connection, connected, "draft", None, None, None)
    await report(client, generation_id, "processing", video_id="v1")
    assert await content(admin_connection, connected) == ("draft", None, None, None)
    # What was paid for is shown all the same.
    await report(client, generation_id, "completed", video_url=URL)
    assert await content(admin_connection, connected) == ("completed", "v1", URL, None)


async def test_cancel_gives_the_content_back_what_it_had(
    client: httpx.AsyncClient,
    connected: Tenant,
    webhook: WebhookReceiver,
    admin_connection: asyncpg.Connection,
) -> None:
    before = ("completed", "v0", "https://videos.test/0.mp4", None)
    await set_content(admin_connection, connected, *before)
    generation_id = await start(client, connected)
    await report(client, generation_id, "processing", execution_id="1", video_id="v1")

    cancelled = await cancel(client, connected)

    assert cancelled.status_code == 200
    assert (cancelled.json()["status"], cancelled.json()["error"]) == ("failed", "cancelled")
    assert (cancelled.json()["id"], cancelled.json()["heygen_status"]) == (generation_id, "completed")
    assert await content(admin_connection, connected) == before
    assert code(await claim(client, connected, generation_id, "1")) == (410, "generation_closed")
    for status in ("processing", "failed", "completed"):
        late = await report(client, generation_id, status, execution_id="1", video_url=URL)
        assert code(late) == (410, "generation_closed")
    assert await content(admin_connection, connected) == before
    assert code(await cancel(client, connected)) == (404, "generation_not_found")


async def test_cancel_leaves_alone_what_somebody_else_has_moved_on(
    client: httpx.AsyncClient,
    connected: Tenant,
    webhook: WebhookReceiver,
    admin_connection: asyncpg.Connection,
) -> None:
    await start(client, connected)
    await set_content(admin_connection, connected, "draft", None, None, None)
    assert (await cancel(client, connected)).status_code == 200
    assert await content(admin_connection, connected) == ("draft", None, None, None)


async def test_another_business_cannot_cancel(
    client: httpx.AsyncClient,
    connected: Tenant,
    other_tenant: Tenant,
    webhook: WebhookReceiver,
    admin_connection: asyncpg.Connection,
) -> None:
    await start(client, connected)
    response = await client.post(
        f"/integrations/ai-avatar/videos/{connected.content_id}/cancel", headers=other_tenant.headers
    )
    assert code(response) == (404, "generation_not_found")
    assert (await content(admin_connection, connected))[0] == "processing"


async def test_next_generate_works_after_every_end(
    service: Any,
    client: httpx.AsyncClient,
    connected: Tenant,
    webhook: WebhookReceiver,
    admin_connection: asyncpg.Connection,
) -> None:
    await report(client, await start(client, connected), "failed")
    await report(client, await start(client, connected), "completed", video_url=URL)
    await start(client, connected)
    await cancel(client, connected)
    await expire(service, admin_connection, await start(client, connected))
    await start(client, connected)
    assert len(webhook.deliveries) == 5
