"""Broker mode: the service calls the provider for n8n; one video per generation, and the key in no response."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from support.api import Api
from support.problems import assert_problem
from support.rows import ContentRow, expire_generation, list_secret_reads
from support.servers import free_port, serve_app
from support.service import running, settings
from support.tenants import Tenant, make_tenant
from support.webhook_receiver import WebhookReceiver

from app.n8n import broker as broker_module
from app.providers import PROVIDERS

pytestmark = pytest.mark.anyio

Client = httpx.AsyncClient


@pytest.fixture
async def generation_id(api: Api) -> str:
    return await api.start()


async def made_at_sandbox(heygen_url: str, tenant: Tenant) -> list[dict[str, Any]]:
    """The videos that the sandbox has made with this business's key."""
    async with httpx.AsyncClient() as http:
        answer = await http.get(
            f"{heygen_url}/v3/videos", headers={"X-Api-Key": f"sandbox-{tenant.business_id}"}
        )
    videos: list[dict[str, Any]] = answer.json()["data"]
    return videos


async def test_create_claims_asks_the_provider_and_records_the_video(
    api: Api, content: ContentRow, generation_id: str, heygen_url: str, admin_connection: asyncpg.Connection
) -> None:
    response = await api.create_video(generation_id, title="A title")
    assert response.status_code == 200, response.text
    generation = response.json()
    assert (generation["id"], generation["status"]) == (generation_id, "processing")
    [video] = await made_at_sandbox(heygen_url, api.tenant)
    assert (video["id"], video["title"]) == (generation["video_id"], "A title")
    assert f"sandbox-{api.tenant.business_id}" not in response.text
    row = await admin_connection.fetchrow(
        "select * from ai_avatar.generations where id = $1", UUID(generation_id)
    )
    assert row
    assert (row["claimed_by"], row["video_id"]) == ("1", video["id"])
    assert (await content.read())[1] == video["id"]
    reads = await list_secret_reads(admin_connection, api.tenant.business_id)
    assert [(read["purpose"], read["generation_id"]) for read in reads] == [
        ("create_video", UUID(generation_id))
    ]


async def test_same_execution_twice_has_one_video(api: Api, generation_id: str, heygen_url: str) -> None:
    first, again = await api.create_video(generation_id), await api.create_video(generation_id)
    assert (first.status_code, again.status_code) == (200, 200)
    assert first.json()["video_id"] == again.json()["video_id"]
    assert len(await made_at_sandbox(heygen_url, api.tenant)) == 1


async def test_concurrent_calls_of_one_execution_have_one_video(
    api: Api, generation_id: str, heygen_url: str
) -> None:
    responses = await asyncio.gather(*(api.create_video(generation_id) for _ in range(8)))
    assert {response.status_code for response in responses} == {200}
    assert len({response.json()["video_id"] for response in responses}) == 1
    assert len(await made_at_sandbox(heygen_url, api.tenant)) == 1


@pytest.mark.parametrize("execution_id", ["2", None])
async def test_another_execution_is_409_and_makes_no_video(
    api: Api, generation_id: str, heygen_url: str, execution_id: str | None
) -> None:
    await api.create_video(generation_id)
    assert_problem(await api.create_video(generation_id, execution_id), 409, "generation_already_claimed")
    assert len(await made_at_sandbox(heygen_url, api.tenant)) == 1


async def test_of_two_executions_at_once_one_has_the_job(
    api: Api, generation_id: str, heygen_url: str
) -> None:
    responses = await asyncio.gather(*(api.create_video(generation_id, str(n)) for n in range(8)))
    assert sorted(response.status_code for response in responses) == [200] + [409] * 7
    assert len(await made_at_sandbox(heygen_url, api.tenant)) == 1


async def test_cancelled_generation_is_410_and_makes_no_video(
    api: Api, generation_id: str, heygen_url: str
) -> None:
    await api.cancel(expect=200)
    assert_problem(await api.create_video(generation_id), 410, "generation_closed")
    assert await made_at_sandbox(heygen_url, api.tenant) == []


async def test_unknown_generation_is_404(api: Api) -> None:
    for response in (await api.create_video(str(uuid4())), await api.poll_video(str(uuid4()))):
        assert_problem(response, 404, "generation_not_found")


async def test_integration_without_an_avatar_is_422_until_it_has_one(
    api: Api, generation_id: str, heygen_url: str
) -> None:
    await api.update(avatar_id=None, expect=200)
    assert_problem(await api.create_video(generation_id), 422, "avatar_not_configured")
    await api.update(avatar_id="sandbox-ada", expect=200)
    await api.create_video(generation_id, expect=200)
    assert len(await made_at_sandbox(heygen_url, api.tenant)) == 1


async def test_get_before_there_is_a_video_reads_no_key(
    api: Api, generation_id: str, admin_connection: asyncpg.Connection
) -> None:
    response = await api.poll_video(generation_id)
    assert (response.status_code, response.json()["video_id"]) == (200, None)
    assert await list_secret_reads(admin_connection, api.tenant.business_id) == []


# A HeyGen that answers what a test sets ------------------------------------------------------------------------------


class HeyGen:
    """`answers` in order, then `create`, answer creates; `state` is a video's. Every request is kept."""

    def __init__(self) -> None:
        self.url = ""
        self.creates: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.create: Callable[[], Awaitable[Response]] = accept
        self.answers: list[Callable[[], Awaitable[Response]]] = []
        self.state: dict[str, Any] = {"status": "processing"}

    async def me(self, _: Request) -> Response:
        return JSONResponse({"data": {"username": "u"}})

    async def post(self, request: Request) -> Response:
        self.creates.append(await request.json())
        self.headers.append(dict(request.headers))
        return await (self.answers.pop(0) if self.answers else self.create)()

    async def get(self, request: Request) -> Response:
        return JSONResponse({"data": {"id": request.path_params["id"], **self.state}})


async def accept() -> Response:
    return JSONResponse({"data": {"video_id": "v-1", "status": "waiting"}})


def refuses(status: int, code: str, **headers: str) -> Callable[[], Awaitable[Response]]:
    async def answer() -> Response:
        error = {"error": {"code": code, "message": f"HeyGen's words: {code}"}}
        return JSONResponse(error, status, {name.replace("_", "-"): value for name, value in headers.items()})

    return answer


async def html() -> Response:
    return HTMLResponse("<html>", 200)


@pytest.fixture
def heygen() -> Iterator[HeyGen]:
    found = HeyGen()
    app = Starlette(
        routes=[
            Route("/v3/users/me", found.me),
            Route("/v3/videos", found.post, methods=["POST"]),
            Route("/v3/videos/{id}", found.get),
        ]
    )
    with serve_app(app) as url:
        found.url = url
        yield found


@asynccontextmanager
async def service_with(
    url: str, database_url: str, webhook_server: WebhookReceiver
) -> AsyncIterator[tuple[FastAPI, Client]]:
    providers = {"heygen": {"api_url": url, "webhook_url": webhook_server.url}}
    async with running(settings(database_url, providers=providers)) as started:
        yield started


@pytest.fixture
async def stage(
    heygen: HeyGen, database_url: str, webhook: WebhookReceiver, admin_connection: asyncpg.Connection
) -> AsyncIterator[tuple[Api, str]]:
    """A business whose key at that HeyGen is `canary-broker`, and a generation of its own."""
    async with service_with(heygen.url, database_url, webhook) as (_, client):
        api = Api(client, await make_tenant(admin_connection))
        await api.connect("canary-broker", avatar_id="a", voice_id="v", expect=201)
        # As the original's frontend may have stored them: with options that are unknown, and ones that are ours.
        await admin_connection.execute(
            "update public.ai_avatar_integrations set provider_config = $2::text::jsonb where business_id = $1",
            api.tenant.business_id,
            '{"resolution": "720p", "aspect_ratio": "1:1", "script": "not this", "older": 1, "unchecked": {"b": 2}}',
        )
        yield api, await api.start()


async def test_what_the_provider_is_asked_for(heygen: HeyGen, stage: tuple[Api, str]) -> None:
    api, generation_id = stage
    await api.create_video(
        generation_id, title="T", provider_options={"resolution": "4k", "unchecked": {"new": 3}}
    )
    assert heygen.creates == [
        {
            "type": "avatar",
            "avatar_id": "a",
            "voice_id": "v",
            "script": "Hello",
            "title": "T",
            "resolution": "4k",
            "aspect_ratio": "1:1",
            "older": 1,
            "b": 2,
            "new": 3,
        }
    ]
    assert heygen.headers[0]["idempotency-key"] == generation_id
    assert heygen.headers[0]["x-api-key"] == "canary-broker"


async def test_misspelt_option_is_422_before_anything_is_claimed(
    heygen: HeyGen, stage: tuple[Api, str]
) -> None:
    api, generation_id = stage
    response = await api.create_video(generation_id, provider_options={"resolutoin": "4k"})
    problem = assert_problem(response, 422, "invalid_request")
    assert problem["errors"] == [
        {
            "field": "body.provider_options.resolutoin",
            "message": "`provider_options.resolutoin` is not an option. Did you mean `resolution`?",
            "type": "unknown",
        }
    ]
    assert heygen.creates == []
    await api.create_video(generation_id, "2", expect=200)


@pytest.mark.parametrize(
    ("answer", "status", "code"),
    [
        (refuses(402, "insufficient_credit"), 502, "provider_rejected"),
        (refuses(404, "avatar_not_found"), 502, "provider_rejected"),
        (refuses(400, "invalid_parameter"), 502, "provider_rejected"),
        (refuses(403, "forbidden"), 502, "provider_rejected"),
        (refuses(429, "rate_limit_exceeded", retry_after="7"), 429, "provider_rate_limited"),
        (refuses(401, "unauthorized"), 422, "api_key_rejected"),
    ],
)
async def test_definite_refusal_is_passed_on_and_the_same_execution_may_retry(
    heygen: HeyGen, stage: tuple[Api, str], answer: Callable[[], Awaitable[Response]], status: int, code: str
) -> None:
    api, generation_id = stage
    heygen.create = answer
    response = await api.create_video(generation_id)
    problem = assert_problem(response, status, code)
    assert "canary" not in response.text
    if code == "provider_rejected":
        assert problem["provider_message"] == f"HeyGen's words: {problem['provider_code']}"
        assert not problem["detail"].startswith(problem["provider_code"])
    if status == 429:
        assert response.headers["retry-after"] == "7"
    if code == "api_key_rejected":
        assert (await api.get_integration()).json()["status"] == "error"
        await api.update(api_key="new", expect=200)
    heygen.create = accept
    assert (await api.create_video(generation_id)).json()["video_id"] == "v-1"
    assert len(heygen.creates) == 2


async def test_failed_connection_may_be_retried(
    database_url: str, heygen: HeyGen, webhook: WebhookReceiver, stage: tuple[Api, str]
) -> None:
    api, generation_id = stage
    async with service_with(f"http://127.0.0.1:{free_port()}", database_url, webhook) as (_, cut_off):
        assert_problem(await api.through(cut_off).create_video(generation_id), 503, "provider_unavailable")
    await api.create_video(generation_id, expect=200)
    assert len(heygen.creates) == 1


UNKNOWN_OUTCOMES = {
    "fault": (refuses(500, "internal_error"), 503, "provider_unavailable"),
    "in progress": (refuses(409, "request_in_progress", retry_after="0"), 503, "provider_unavailable"),
    "html": (html, 502, "provider_unexpected_answer"),
    "timeout in a 200": (refuses(200, "gateway_timeout"), 503, "provider_unavailable"),
    "conflict": (refuses(409, "conflict"), 503, "provider_unavailable"),
    "connection lost": (refuses(499, ""), 503, "provider_unavailable"),
}
unknown_outcomes = pytest.mark.parametrize(
    ("answer", "status", "code"), UNKNOWN_OUTCOMES.values(), ids=UNKNOWN_OUTCOMES.keys()
)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker that neither waits for another call nor repeats a request within one."""
    monkeypatch.setattr(broker_module, "_WAIT_SECONDS", 0.0)


@pytest.fixture
def without_guarantee(monkeypatch: pytest.MonkeyPatch) -> None:
    """A provider that does not say what it makes of a repeated create."""
    monkeypatch.setitem(PROVIDERS, "heygen", replace(PROVIDERS["heygen"], idempotent_create=None))


@unknown_outcomes
async def test_unknown_outcome_is_resolved_within_the_call_by_the_same_idempotency_key(
    heygen: HeyGen, stage: tuple[Api, str], answer: Callable[[], Awaitable[Response]], status: int, code: str
) -> None:
    api, generation_id = stage
    heygen.answers = [answer, answer]
    assert (await api.create_video(generation_id, expect=200)).json()["video_id"] == "v-1"
    assert [headers["idempotency-key"] for headers in heygen.headers] == [generation_id] * 3


@pytest.mark.usefixtures("impatient")
@unknown_outcomes
async def test_unknown_outcome_is_resolved_by_the_next_call_of_the_same_execution_only(
    heygen: HeyGen, stage: tuple[Api, str], answer: Callable[[], Awaitable[Response]], status: int, code: str
) -> None:
    api, generation_id = stage
    heygen.create = answer
    problem = assert_problem(await api.create_video(generation_id), 503, "provider_unavailable")
    assert "repeat the call" in problem["detail"]
    heygen.create = accept
    for other in ("2", None):
        assert_problem(await api.create_video(generation_id, other), 409, "generation_already_claimed")
    assert len(heygen.creates) == 1
    assert (await api.create_video(generation_id, expect=200)).json()["video_id"] == "v-1"
    assert [headers["idempotency-key"] for headers in heygen.headers] == [generation_id] * 2


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("end", ["cancelled", "expired"])
async def test_unknown_outcome_of_an_ended_generation_is_never_requested_again(
    heygen: HeyGen, stage: tuple[Api, str], admin_connection: asyncpg.Connection, end: str
) -> None:
    """A cancelled job must not be billed by a repair, and maintenance never creates."""
    api, generation_id = stage
    heygen.create = refuses(500, "internal_error")
    await api.create_video(generation_id, expect=503)
    heygen.create = accept
    if end == "cancelled":
        await api.cancel(expect=200)
    else:
        await expire_generation(admin_connection, generation_id)
    assert_problem(await api.create_video(generation_id), 410, "generation_closed")
    assert len(heygen.creates) == 1


async def test_cancel_while_the_call_repeats_ends_the_repeats(heygen: HeyGen, stage: tuple[Api, str]) -> None:
    api, generation_id = stage
    heygen.create = refuses(500, "internal_error")
    pending = asyncio.create_task(api.create_video(generation_id))
    while not heygen.creates:
        await asyncio.sleep(0.01)
    await api.cancel(expect=200)
    requested = len(heygen.creates)
    heygen.create = accept
    answer = await pending
    assert (answer.status_code, answer.json()["error"]) == (200, "cancelled"), answer.text
    assert len(heygen.creates) <= requested + 1, "one request may have been under way"


@pytest.mark.usefixtures("impatient")
async def test_process_that_died_in_mid_create_is_made_good_by_the_next_call(
    heygen: HeyGen, stage: tuple[Api, str], admin_connection: asyncpg.Connection
) -> None:
    api, generation_id = stage
    token = "update ai_avatar.generations set create_token = gen_random_uuid(), create_key_hash = $2, "
    row = await admin_connection.fetchval(
        "select s.decrypted_secret from vault.decrypted_secrets as s "
        "join public.ai_avatar_integrations as i on i.secret_id = s.id where i.business_id = $1",
        api.tenant.business_id,
    )
    await admin_connection.execute(
        f"{token} create_leased_at = now() - interval '30 seconds' where id = $1",
        UUID(generation_id),
        hashlib.sha256(row.encode()).digest(),
    )
    assert_problem(await api.create_video(generation_id), 503, "provider_unavailable")
    assert heygen.creates == [], "its request may still get its response"
    await admin_connection.execute(
        "update ai_avatar.generations set create_leased_at = now() - interval '1 minute' where id = $1",
        UUID(generation_id),
    )
    await api.create_video(generation_id, expect=200)
    assert len(heygen.creates) == 1


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("change", ["a day has passed", "another key is stored"])
async def test_unknown_outcome_is_final_where_the_guarantee_ends(
    heygen: HeyGen, stage: tuple[Api, str], admin_connection: asyncpg.Connection, change: str
) -> None:
    api, generation_id = stage
    heygen.create = refuses(500, "internal_error")
    await api.create_video(generation_id, expect=503)
    heygen.create = accept
    if change == "a day has passed":
        await admin_connection.execute(
            "update ai_avatar.generations set create_unknown_since = create_unknown_since - interval '24 hours' "
            "where id = $1",
            UUID(generation_id),
        )
    else:
        await api.update(api_key="another-account", expect=200)
    problem = assert_problem(await api.create_video(generation_id), 502, "provider_unexpected_answer")
    assert "not asked" in problem["detail"]
    assert len(heygen.creates) == 1


@pytest.mark.usefixtures("impatient", "without_guarantee")
@unknown_outcomes
async def test_unknown_outcome_is_never_retried_without_the_provider_s_guarantee(
    heygen: HeyGen, stage: tuple[Api, str], answer: Callable[[], Awaitable[Response]], status: int, code: str
) -> None:
    """Whether a video was made and billed is unknown: no later call may make another, and each says where to look."""
    api, generation_id = stage
    heygen.create = answer
    for _ in range(3):
        problem = assert_problem(await api.create_video(generation_id), 502, "provider_unexpected_answer")
        assert "It is not asked again" in problem["detail"]
        assert "list of videos at HeyGen" in problem["detail"]
        heygen.create = accept
    assert len(heygen.creates) == 1


async def test_disconnect_during_the_create_causes_no_second_video(
    heygen: HeyGen, stage: tuple[Api, str]
) -> None:
    api, generation_id = stage
    asked, go_on = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    async def think() -> Response:  # in the server's thread and loop
        loop.call_soon_threadsafe(asked.set)
        for _ in range(100):
            if go_on.is_set():
                break
            await asyncio.sleep(0.02)
        return await accept()

    heygen.create = think
    first = asyncio.create_task(api.create_video(generation_id))
    await asyncio.wait_for(asked.wait(), 5)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    go_on.set()
    # The same execution, whose first request was cut off, retries: it gets the video that was being made.
    again = await api.create_video(generation_id)
    assert again.status_code == 200, again.text
    assert again.json()["video_id"] == "v-1"
    assert len(heygen.creates) == 1


async def test_get_moves_the_generation_on_to_the_finished_video(
    heygen: HeyGen, stage: tuple[Api, str], admin_connection: asyncpg.Connection
) -> None:
    api, generation_id = stage
    await api.create_video(generation_id)
    waiting = await api.poll_video(generation_id)
    assert (waiting.status_code, waiting.json()["status"]) == (200, "processing")
    heygen.state = {"status": "completed", "video_url": "https://example.com/v.mp4"}
    done = await api.poll_video(generation_id)
    assert (done.json()["status"], done.json()["video_url"]) == ("completed", "https://example.com/v.mp4")
    assert "canary" not in waiting.text + done.text
    status, _, url, _ = await ContentRow(admin_connection, api.tenant.content_id).read()
    assert (status, url) == ("completed", "https://example.com/v.mp4")
    heygen.state = {"status": "completed", "video_url": "https://example.com/fresh.mp4"}
    fresh = await api.poll_video(generation_id)
    assert fresh.json()["video_url"] == "https://example.com/fresh.mp4"
    assert fresh.json()["completed_at"] == done.json()["completed_at"]


FILES = {
    "video_url": "https://example.com/v.mp4",
    "thumbnail_url": "https://example.com/v.jpg",
    "captioned_video_url": "https://example.com/c.mp4",
    "subtitle_url": "https://example.com/v.srt",
}


async def test_finished_video_has_a_thumbnail_a_duration_and_captions(
    heygen: HeyGen, stage: tuple[Api, str]
) -> None:
    api, generation_id = stage
    await api.create_video(generation_id)
    heygen.state = {"status": "completed", "duration": 63.5, **FILES}
    done = (await api.poll_video(generation_id, expect=200)).json()
    assert {name: done[name] for name in FILES} == FILES
    assert done["duration_seconds"] == 63.5
    heygen.state |= {name: f"{url}?fresh" for name, url in FILES.items()} | {"thumbnail_url": None}
    fresh = (await api.poll_video(generation_id, expect=200)).json()
    assert fresh["thumbnail_url"] == FILES["thumbnail_url"], "kept where the provider has none any more"
    for name in ("video_url", "captioned_video_url", "subtitle_url"):
        assert fresh[name] == f"{FILES[name]}?fresh"
    assert (await api.get_generation(expect=200)).json() == fresh


async def test_failure_that_heygen_documents_tells_the_user_what_to_do(
    heygen: HeyGen, stage: tuple[Api, str], admin_connection: asyncpg.Connection
) -> None:
    api, generation_id = stage
    await api.create_video(generation_id)
    heygen.state = {"status": "failed", "failure_code": "voice_expired", "failure_message": "x"}
    failed = (await api.poll_video(generation_id, expect=200)).json()
    text = "This HeyGen voice has expired. Renew it at HeyGen, or choose another voice."
    assert (failed["error"], failed["error_code"]) == (text, "voice_expired")
    assert (await ContentRow(admin_connection, api.tenant.content_id).read())[3] == text


async def test_code_of_a_refused_create_is_shown_with_the_reported_failure(
    heygen: HeyGen, stage: tuple[Api, str]
) -> None:
    api, generation_id = stage
    heygen.create = refuses(402, "insufficient_credit")
    problem = (await api.create_video(generation_id, expect=502)).json()
    live = (await api.get_generation(api.tenant.content_id)).json()
    assert (live["status"], live["error_code"]) == ("processing", None)
    failed = await api.report(generation_id, "failed", execution_id="1", error=problem["detail"])
    assert failed.json()["error"] == (
        "Your HeyGen account has no credits left. Add credits at HeyGen, then try again."
    )
    assert failed.json()["error_code"] == "insufficient_credit"


async def test_code_of_a_refused_create_is_forgotten_once_a_create_succeeds(
    heygen: HeyGen, stage: tuple[Api, str]
) -> None:
    api, generation_id = stage
    heygen.create = refuses(402, "insufficient_credit")
    await api.create_video(generation_id, expect=502)
    heygen.create = accept
    await api.create_video(generation_id, expect=200)
    heygen.state = {"status": "failed", "failure_message": "Broke"}
    failed = (await api.poll_video(generation_id, expect=200)).json()
    assert (failed["error"], failed["error_code"]) == ("Broke", None)


async def test_get_records_the_provider_s_failure(heygen: HeyGen, stage: tuple[Api, str]) -> None:
    api, generation_id = stage
    await api.create_video(generation_id)
    heygen.state = {"status": "failed", "failure_code": "rendering", "failure_message": "canary-broker broke"}
    failed = (await api.poll_video(generation_id)).json()
    assert failed["status"] == failed["heygen_status"] == "failed"
    assert (failed["error"], failed["error_code"]) == ("[redacted] broke", "rendering")
    heygen.state = {"status": "completed", "video_url": "https://example.com/v.mp4"}
    assert (await api.poll_video(generation_id)).json()["status"] == "failed", "what was reported stands"


async def test_late_completion_is_kept(
    heygen: HeyGen, stage: tuple[Api, str], admin_connection: asyncpg.Connection
) -> None:
    """The generation has expired, but its video was paid for."""
    api, generation_id = stage
    await api.create_video(generation_id)
    await expire_generation(admin_connection, generation_id)
    assert (await api.poll_video(generation_id)).json()["status"] == "expired"
    heygen.state = {"status": "completed", "video_url": "https://example.com/late.mp4"}
    late = (await api.poll_video(generation_id)).json()
    assert (late["status"], late["heygen_status"]) == ("completed", "completed")
    assert (await ContentRow(admin_connection, api.tenant.content_id).read())[2] == (
        "https://example.com/late.mp4"
    )


async def test_get_passes_the_provider_s_faults_on_and_changes_nothing(
    heygen: HeyGen, stage: tuple[Api, str], database_url: str, webhook: WebhookReceiver
) -> None:
    api, generation_id = stage
    await api.create_video(generation_id)
    async with service_with(f"http://127.0.0.1:{free_port()}", database_url, webhook) as (_, cut_off):
        assert_problem(await api.through(cut_off).poll_video(generation_id), 503, "provider_unavailable")
    assert (await api.poll_video(generation_id)).json()["status"] == "processing"
