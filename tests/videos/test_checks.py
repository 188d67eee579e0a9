"""Paid videos of which n8n never reports the end: the service asks the provider itself, seldom and without creating."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from support.api import Api
from support.problems import assert_problem
from support.rows import ContentRow
from support.servers import serve_app
from support.service import running, settings
from support.tenants import make_content, make_tenant
from support.webhook_receiver import WebhookReceiver

from app.dependencies import services_of
from app.integrations.service import IntegrationService
from app.videos import checks as checks_module
from app.videos.checks import VideoChecks
from app.videos.maintenance import Maintenance
from app.videos.repository import GenerationRepository
from app.videos.state import Report

pytestmark = pytest.mark.anyio

VIDEO_URL = "https://videos.test/paid.mp4"


class HeyGen:
    """Knows the videos of `states`; answers 404 for others, 503 while it is `down`, and counts what it is asked."""

    def __init__(self) -> None:
        self.url = ""
        self.states: dict[str, dict[str, Any]] = {}
        self.down = False
        self.asked: list[str] = []
        self.creates = 0

    async def me(self, _: Request) -> Response:
        return JSONResponse({"data": {"username": "u"}})

    async def create(self, _: Request) -> Response:
        self.creates += 1
        return JSONResponse({"data": {"video_id": "created", "status": "waiting"}})

    async def get(self, request: Request) -> Response:
        video_id = request.path_params["id"]
        self.asked.append(video_id)
        if self.down:
            return JSONResponse({"error": {"code": "internal_error", "message": "away"}}, 503)
        if video_id not in self.states:
            return JSONResponse({"error": {"code": "video_not_found", "message": "no"}}, 404)
        return JSONResponse({"data": {"id": video_id, **self.states[video_id]}})


@pytest.fixture(scope="module")
def heygen_server() -> Iterator[HeyGen]:
    heygen = HeyGen()
    routes = [
        Route("/v3/users/me", heygen.me),
        Route("/v3/videos", heygen.create, methods=["POST"]),
        Route("/v3/videos/{id}", heygen.get),
    ]
    with serve_app(Starlette(routes=routes)) as url:
        heygen.url = url
        yield heygen


@pytest.fixture
def heygen(heygen_server: HeyGen) -> HeyGen:
    heygen_server.states, heygen_server.down, heygen_server.asked, heygen_server.creates = {}, False, [], 0
    return heygen_server


@pytest.fixture(scope="module")
async def started(
    database_url: str, heygen_server: HeyGen, webhook_server: WebhookReceiver, anyio_backend: str
) -> AsyncIterator[tuple[FastAPI, httpx.AsyncClient]]:
    providers = {"heygen": {"api_url": heygen_server.url, "webhook_url": webhook_server.url}}
    async with running(settings(database_url, providers=providers)) as found:
        yield found


@dataclass
class Paid:
    """A generation with a video at HeyGen, of which n8n is silent from here on."""

    app: FastAPI
    api: Api
    connection: asyncpg.Connection
    generation_id: str
    video_id: str
    content: ContentRow

    async def pass_time(self, seconds: float) -> None:
        """Let so many seconds pass for the generation."""
        await self.connection.execute(
            "update ai_avatar.generations "
            "set deadline = deadline - $2::interval, next_check_at = next_check_at - $2::interval where id = $1",
            UUID(self.generation_id),
            timedelta(seconds=seconds),
        )

    async def pass_deadline(self, seconds: float = 1) -> None:
        """Let the deadline be so many seconds ago."""
        await self.connection.execute(
            "update ai_avatar.generations set deadline = now() - $2::interval where id = $1",
            UUID(self.generation_id),
            timedelta(seconds=seconds),
        )

    async def lease(self, token: UUID) -> None:
        """Take the question to the provider for an instance, before the deadline: no background task takes it."""
        generations = services_of(self.app)[GenerationRepository]
        [leased] = await generations.lease_video_checks(1, token, UUID(self.generation_id))
        assert str(leased.id) == self.generation_id

    async def is_done(self) -> bool:
        """Whether the provider is never asked again."""
        done: bool = await self.connection.fetchval(
            "select next_check_at = 'infinity' from ai_avatar.generations where id = $1",
            UUID(self.generation_id),
        )
        return done

    async def maintain(self) -> None:
        """Do what the service's background tasks do; they may be doing it just now, so wait for them."""
        services = services_of(self.app)
        await services[VideoChecks].check_due()
        await services[Maintenance].expire()
        await asyncio.sleep(0.1)

    async def state(self) -> dict[str, Any]:
        found: dict[str, Any] = (await self.api.get_generation(expect=200)).json()
        return found

    async def expire_unanswered(self, heygen: HeyGen) -> None:
        heygen.down = True
        await self.pass_deadline(seconds=301)
        await self.maintain()
        heygen.down = False
        assert (await self.state())["status"] == "expired"


@pytest.fixture
async def paid(
    started: tuple[FastAPI, httpx.AsyncClient], heygen: HeyGen, admin_connection: asyncpg.Connection
) -> Paid:
    app, client = started
    tenant = await make_tenant(admin_connection)
    api = Api(client, tenant)
    await api.connect(avatar_id="a", expect=201)
    generation_id = await api.start()
    await api.claim(generation_id, expect=200)
    await api.report(generation_id, "processing", execution_id="1", video_id=f"v-{generation_id}", expect=200)
    content = ContentRow(admin_connection, tenant.content_id)
    return Paid(app, api, admin_connection, generation_id, f"v-{generation_id}", content)


async def test_provider_that_has_no_answer_delays_the_expiry_by_five_minutes(
    paid: Paid, heygen: HeyGen
) -> None:
    heygen.down = True
    await paid.pass_deadline(seconds=280)
    await paid.maintain()
    assert (await paid.state())["status"] == "processing"
    await paid.pass_deadline(seconds=301)
    await paid.maintain()
    state = await paid.state()
    assert state["status"] == "expired"
    assert (await paid.content.read())[0] is None


async def test_provider_is_asked_at_most_once_a_minute(paid: Paid, heygen: HeyGen) -> None:
    heygen.down = True
    await paid.pass_deadline()
    await asyncio.gather(*(services_of(paid.app)[VideoChecks].check_due() for _ in range(8)))
    await paid.maintain()
    # One question, which a provider client repeats within its budget while the provider answers 503.
    first = len(heygen.asked)
    assert 1 <= first <= 3
    await paid.pass_time(59)
    await paid.maintain()
    assert len(heygen.asked) == first
    await paid.pass_time(2)
    await paid.maintain()
    assert len(heygen.asked) > first


async def test_finished_video_completes_the_generation_instead_of_expiring_it(
    paid: Paid, heygen: HeyGen
) -> None:
    heygen.states[paid.video_id] = {"status": "completed", "video_url": VIDEO_URL}
    await paid.pass_deadline(seconds=290)
    await paid.maintain()
    state = await paid.state()
    assert (state["status"], state["video_url"]) == ("completed", VIDEO_URL)
    assert (await paid.content.read())[:3] == ("completed", paid.video_id, VIDEO_URL)


async def test_video_that_is_still_being_made_extends_the_deadline(paid: Paid, heygen: HeyGen) -> None:
    heygen.states[paid.video_id] = {"status": "processing"}
    await paid.pass_deadline(seconds=290)
    await paid.maintain()
    deadline = await paid.connection.fetchval(
        "select deadline > now() + interval '50 minutes' from ai_avatar.generations where id = $1",
        UUID(paid.generation_id),
    )
    assert deadline
    assert (await paid.state())["status"] == "processing"


async def test_video_that_failed_at_the_provider_fails_the_generation(paid: Paid, heygen: HeyGen) -> None:
    heygen.states[paid.video_id] = {"status": "failed", "failure_code": "x", "failure_message": "No face"}
    await paid.pass_deadline()
    await paid.maintain()
    state = await paid.state()
    assert state["status"] == "failed"
    assert "No face" in state["error"]


async def test_video_that_finishes_after_the_expiry_is_found(paid: Paid, heygen: HeyGen) -> None:
    await paid.expire_unanswered(heygen)
    heygen.states[paid.video_id] = {"status": "completed", "video_url": VIDEO_URL}
    await paid.pass_time(61)
    await paid.maintain()
    state = await paid.state()
    assert (state["status"], state["video_url"]) == ("completed", VIDEO_URL)
    assert heygen.creates == 0


async def test_pauses_grow_after_the_expiry_and_end_after_a_day(paid: Paid, heygen: HeyGen) -> None:
    await paid.expire_unanswered(heygen)
    heygen.states[paid.video_id] = {"status": "processing"}
    pauses = []
    for _ in range(9):
        await paid.connection.execute(
            "update ai_avatar.generations set next_check_at = now() where id = $1", UUID(paid.generation_id)
        )
        await paid.maintain()
        pause = await paid.connection.fetchval(
            "select round(extract(epoch from next_check_at - now()) / 60)::int from ai_avatar.generations "
            "where id = $1",
            UUID(paid.generation_id),
        )
        pauses.append(pause)
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    asked = len(heygen.asked)
    await paid.pass_time(24 * 3600)
    await paid.maintain()
    assert len(heygen.asked) == asked


async def test_video_that_the_provider_does_not_have_expires_at_once_and_is_not_asked_for_again(
    paid: Paid, heygen: HeyGen
) -> None:
    await paid.pass_deadline()
    await paid.maintain()
    assert heygen.asked == [paid.video_id]
    assert (await paid.state())["status"] == "expired"
    await paid.pass_time(3600)
    await paid.maintain()
    assert heygen.asked == [paid.video_id]


async def test_workflow_that_reports_another_video_has_it_asked_for(paid: Paid, heygen: HeyGen) -> None:
    """The first video was unknown to the provider."""
    generations, token = services_of(paid.app)[GenerationRepository], uuid4()
    await paid.lease(token)
    await generations.end_video_checks(UUID(paid.generation_id), token)
    await paid.api.report(paid.generation_id, "processing", execution_id="1", video_id="another", expect=200)
    heygen.states["another"] = {"status": "completed", "video_url": VIDEO_URL}
    await paid.pass_time(61)
    await paid.pass_deadline()
    await paid.maintain()
    assert (await paid.state())["video_url"] == VIDEO_URL


async def test_provider_s_answer_about_an_earlier_video_does_not_end_the_checks(
    paid: Paid, heygen: HeyGen
) -> None:
    """It does not have the first video, or that one failed, and the workflow has reported another one meanwhile."""
    generations, token = services_of(paid.app)[GenerationRepository], uuid4()
    await paid.lease(token)
    await paid.api.report(paid.generation_id, "processing", execution_id="1", video_id="another", expect=200)
    await generations.end_video_checks(UUID(paid.generation_id), token)
    failure = Report("failed", paid.video_id, error="No face", from_provider=True)
    state = await generations.report_generation("heygen", failure, generation_id=UUID(paid.generation_id))
    assert (state.status, state.video_id) == ("processing", "another")
    heygen.states["another"] = {"status": "completed", "video_url": VIDEO_URL}
    await paid.pass_time(61)
    await paid.pass_deadline()
    await paid.maintain()
    assert (await paid.state())["video_url"] == VIDEO_URL


async def test_instance_that_was_stopped_for_longer_than_its_lease_does_not_end_the_checks(
    paid: Paid,
) -> None:
    generations, stopped, other = services_of(paid.app)[GenerationRepository], uuid4(), uuid4()
    await paid.lease(stopped)
    await paid.pass_time(61)
    await paid.lease(other)
    await generations.end_video_checks(UUID(paid.generation_id), stopped)
    assert not await paid.is_done()
    await generations.end_video_checks(UUID(paid.generation_id), other)
    assert await paid.is_done()


async def test_cancelled_generation_is_not_asked_for(paid: Paid, heygen: HeyGen) -> None:
    await paid.api.cancel(expect=200)
    await paid.pass_deadline()
    await paid.maintain()
    assert heygen.asked == []


async def test_user_may_generate_again_and_the_earlier_video_is_still_completed(
    paid: Paid, heygen: HeyGen
) -> None:
    await paid.expire_unanswered(heygen)
    assert_problem(await paid.api.cancel(), 409, "generation_not_live")
    newer = await paid.api.start()
    heygen.states[paid.video_id] = {"status": "completed", "video_url": VIDEO_URL}
    await paid.pass_time(61)
    await paid.maintain()
    row = await paid.connection.fetchrow(
        "select status, video_url from ai_avatar.generations where id = $1", UUID(paid.generation_id)
    )
    assert row
    assert tuple(row) == ("completed", VIDEO_URL)
    # The item shows the newer attempt, which is live.
    assert (await paid.state())["id"] == newer
    assert await paid.content.status() == "processing"


async def test_many_instances_ask_once_for_each_video(
    paid: Paid, heygen: HeyGen, admin_connection: asyncpg.Connection
) -> None:
    tenant = paid.api.tenant
    ids = [paid.generation_id]
    for _ in range(11):
        content_id = await make_content(admin_connection, tenant.business_id)
        ids.append(await paid.api.start(content_id))
        await paid.api.report(ids[-1], "processing", execution_id="1", video_id=f"v-{ids[-1]}", expect=200)
    for id_ in ids:
        heygen.states[f"v-{id_}"] = {"status": "completed", "video_url": f"https://videos.test/{id_}"}
    await admin_connection.execute(
        "update ai_avatar.generations set deadline = now() - interval '1 s' where id = any($1)",
        [UUID(id_) for id_ in ids],
    )
    checks = services_of(paid.app)[VideoChecks]
    await asyncio.gather(*(checks.check_due() for _ in range(6)))
    await asyncio.sleep(0.2)
    assert sorted(heygen.asked) == sorted(f"v-{id_}" for id_ in ids)
    assert heygen.creates == 0


async def test_more_videos_than_a_batch_do_not_wait_for_the_next_round(
    paid: Paid, heygen: HeyGen, admin_connection: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After an outage, many are due at once. The service's own task takes part, with one batch before it sleeps."""
    monkeypatch.setattr(checks_module, "_POLL_SECONDS", 600)
    number = 45
    await admin_connection.execute(
        "insert into public.content (id, business_id) select gen_random_uuid(), $1 from generate_series(1, $2)",
        paid.api.tenant.business_id,
        number,
    )
    await admin_connection.execute(
        "insert into ai_avatar.generations (id, business_id, content_id, provider, script, status, video_id, deadline) "
        "select gen_random_uuid(), c.business_id, c.id, 'heygen', 'Hello', 'processing', c.id::text, now() "
        "from public.content as c where c.business_id = $1 and c.id <> $2",
        paid.api.tenant.business_id,
        paid.api.tenant.content_id,
    )
    services = services_of(paid.app)
    checks = VideoChecks(services[GenerationRepository], services[IntegrationService])
    task = asyncio.create_task(checks.run())
    try:
        async with asyncio.timeout(30):
            while len(heygen.asked) < number:
                await asyncio.sleep(0.1)
    finally:
        task.cancel()
    assert len(set(heygen.asked)) == len(heygen.asked) == number


async def complete_a_week_ago(paid: Paid) -> None:
    """Complete the generation, with a link that has expired."""
    await paid.api.report(
        paid.generation_id,
        "completed",
        execution_id="1",
        video_id=paid.video_id,
        video_url=VIDEO_URL,
        expect=200,
    )
    await paid.connection.execute(
        "update ai_avatar.generations set video_url_at = now() - interval '7 days' where id = $1",
        UUID(paid.generation_id),
    )


async def test_fresh_link_is_asked_for_at_most_once_a_minute(paid: Paid, heygen: HeyGen) -> None:
    await complete_a_week_ago(paid)
    heygen.states[paid.video_id] = {"status": "processing"}  # no link to be had
    await asyncio.gather(*(paid.state() for _ in range(8)))
    assert heygen.asked == [paid.video_id]


async def test_link_of_an_earlier_video_is_renewed_by_its_id(paid: Paid, heygen: HeyGen) -> None:
    await complete_a_week_ago(paid)
    later = await paid.api.start()
    fresh = f"{VIDEO_URL}?fresh"
    heygen.states[paid.video_id] = {"status": "completed", "video_url": fresh}
    earlier = await paid.api.get_generation(generation_id=paid.generation_id, expect=200)
    assert (earlier.json()["id"], earlier.json()["video_url"]) == (paid.generation_id, fresh)
    latest = await paid.api.get_generation(expect=200)
    assert latest.json()["id"] == later
