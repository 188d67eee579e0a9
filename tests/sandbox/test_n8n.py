"""The stand-in n8n against a double of the service's endpoints, over real HTTP."""

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from standardwebhooks import Webhook
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from app.sandbox.heygen import create_heygen_app
from app.sandbox.media import Media
from app.sandbox.n8n import create_n8n_app
from app.sandbox.workflow import Pauses

pytestmark = pytest.mark.anyio

Serve = Callable[[Any], Awaitable[str]]

SECRET = "whsec_" + "c2VjcmV0LXNlY3JldC1zZWNyZXQtMTIz"
OLD_SECRET = "whsec_" + "b2xkLW9sZC1vbGQtb2xkLW9sZC1vbGQh"
JOB = {"business_id": "b-1", "content_id": "c-1", "generation_id": "g-1", "script": "Hello"}
QUICK = Pauses(first=0.01, factor=1.2, longest=0.05, patience=2.0, before_retry=0.02)

Answer = tuple[int, dict[str, Any]]
TAKEN: Answer = (409, {"code": "generation_already_claimed", "detail": "Another execution has it."})
CLOSED: Answer = (410, {"code": "generation_closed", "detail": "Over."})
DOWN: Answer = (503, {"code": "provider_unavailable", "detail": "HeyGen has a fault of its own."})


@dataclass
class ServiceDouble:
    """Answers each endpoint from its list, the last answer repeatedly, and records each call."""

    create: list[Answer] = field(default_factory=lambda: [(200, {"status": "processing"})])
    poll: list[Answer] = field(default_factory=lambda: [(200, {"status": "completed"})])
    credentials: list[Answer] = field(default_factory=list)
    status: list[Answer] = field(default_factory=lambda: [(200, {})])
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def app(self) -> Starlette:
        def route(path: str, name: str, method: str = "POST") -> Route:
            async def endpoint(request: Request) -> Response:
                assert request.headers["x-api-key"] == "n8n-key"
                self.calls.append((name, json.loads(await request.body() or "{}") | request.path_params))
                answers: list[Answer] = getattr(self, name)
                status, content = answers.pop(0) if len(answers) > 1 else answers[0]
                return JSONResponse(content, status)

            return Route(path, endpoint, methods=[method])

        return Starlette(
            routes=[
                route("/n8n/heygen/videos", "create"),
                route("/n8n/heygen/videos/{generation_id}", "poll", "GET"),
                route("/n8n/heygen-credentials", "credentials"),
                route("/n8n/heygen-status", "status"),
            ]
        )

    def names(self) -> list[str]:
        return [name for name, _ in self.calls]

    def reports(self) -> list[dict[str, Any]]:
        return [body for name, body in self.calls if name == "status"]

    async def until(self, name: str, times: int = 1) -> None:
        deadline = time.monotonic() + 5
        while self.names().count(name) < times:
            assert time.monotonic() < deadline, self.names()
            await asyncio.sleep(0.01)

    async def settled(self) -> None:
        """Wait until nothing has come for a while: for what must not be called."""
        seen = -1
        while seen != len(self.calls):
            seen = len(self.calls)
            await asyncio.sleep(0.2)


@pytest.fixture
def service() -> ServiceDouble:
    return ServiceDouble()


Fire = Callable[..., Awaitable[httpx.Response]]


@pytest.fixture
async def service_url(serve: Serve, service: ServiceDouble) -> str:
    return await serve(service.app())


@pytest.fixture
async def fire(serve: Serve, service_url: str, http: httpx.AsyncClient) -> Fire:
    """Return a function that calls the webhook as the service does."""
    stand_in = create_n8n_app(service_url, "n8n-key", [SECRET], "webhook-token", pauses=QUICK)
    url = await serve(stand_in) + "/webhook/heygen-video"
    return lambda **changed: call_webhook(http, url, **changed)


async def call_webhook(
    http: httpx.AsyncClient,
    url: str,
    *,
    body: bytes = json.dumps(JOB).encode(),
    secret: str = SECRET,
    token: str = "webhook-token",
    signed_body: bytes | None = None,
) -> httpx.Response:
    now = datetime.now(UTC)
    headers = {
        "Authorization": f"Bearer {token}",
        "webhook-id": "g-1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign("g-1", now, (signed_body or body).decode()),
    }
    return await http.post(url, content=body, headers=headers)


async def test_the_webhook_answers_at_once_and_the_broker_makes_the_video(
    fire: Fire, service: ServiceDouble
) -> None:
    service.poll = [(200, {"status": "processing"}), (200, {"status": "completed"})]

    answer = await fire()

    assert (answer.status_code, answer.json()) == (200, {"message": "Workflow was started"})
    await service.until("poll", 2)
    await service.settled()
    assert service.names() == ["create", "poll", "poll"]
    created = service.calls[0][1]
    assert created["generation_id"] == "g-1"
    assert created["execution_id"].isdigit()
    assert service.calls[1][1] == {"generation_id": "g-1"}


async def test_each_run_has_a_higher_execution_id(fire: Fire, service: ServiceDouble) -> None:
    await fire()
    await service.until("create")
    await fire()
    await service.until("create", 2)

    ids = [int(body["execution_id"]) for name, body in service.calls if name == "create"]
    assert ids[0] < ids[1]


@pytest.mark.parametrize("refusal", [TAKEN, CLOSED])
async def test_a_job_that_is_not_ours_ends_silently(
    fire: Fire, service: ServiceDouble, refusal: Answer
) -> None:
    service.create = [refusal]

    await fire()

    await service.until("create")
    await service.settled()
    assert service.names() == ["create"]


async def test_a_job_that_is_cancelled_while_waiting_ends_silently(
    fire: Fire, service: ServiceDouble
) -> None:
    service.poll = [(200, {"status": "processing"}), CLOSED]

    await fire()

    await service.until("poll", 2)
    await service.settled()
    assert service.names() == ["create", "poll", "poll"]


async def test_a_refusal_of_the_provider_is_reported_as_failed(fire: Fire, service: ServiceDouble) -> None:
    service.create = [(422, {"code": "api_key_rejected", "detail": "HeyGen rejected the API key."})]

    await fire()

    await service.until("status")
    assert service.names() == ["create", "status"]
    report = service.reports()[0]
    assert report == {
        "generation_id": "g-1",
        "execution_id": service.calls[0][1]["execution_id"],
        "status": "failed",
        "error": "HeyGen rejected the API key.",
    }


async def test_a_passing_fault_is_tried_again_with_the_same_execution_id(
    fire: Fire, service: ServiceDouble
) -> None:
    service.create = [DOWN, (200, {"status": "processing"})]

    await fire()

    await service.until("poll")
    assert service.names()[:3] == ["create", "create", "poll"]
    assert service.calls[0] == service.calls[1]


async def test_a_lasting_fault_is_reported_after_three_tries(fire: Fire, service: ServiceDouble) -> None:
    service.create = [DOWN]

    await fire()

    await service.until("status")
    assert service.names() == ["create", "create", "create", "status"]


async def test_a_fault_while_asking_is_no_failed_video(fire: Fire, service: ServiceDouble) -> None:
    service.poll = [DOWN] * 7 + [(200, {"status": "completed"})]

    await fire()

    await service.until("poll", 8)
    await service.settled()
    assert "status" not in service.names()


async def test_a_video_that_never_ends_is_left_to_the_deadline_when_patience_does(
    serve: Serve, service_url: str, service: ServiceDouble, http: httpx.AsyncClient
) -> None:
    service.poll = [(200, {"status": "processing"})]
    pauses = Pauses(first=0.01, longest=0.05, patience=0.3)
    stand_in = await serve(create_n8n_app(service_url, "n8n-key", pauses=pauses))

    await call_webhook(http, stand_in + "/webhook/heygen-video")

    await service.until("poll", 3)
    await service.settled()
    assert "status" not in service.names()


async def test_a_wrong_token_is_answered_as_n8n_does(fire: Fire, service: ServiceDouble) -> None:
    answer = await fire(token="wrong")

    assert answer.status_code == 403
    assert answer.text == "Authorization data is wrong!"
    assert answer.headers["content-type"].startswith("text/plain")
    await service.settled()
    assert service.calls == []


@pytest.mark.parametrize(
    "forged", [{"secret": OLD_SECRET}, {"signed_body": b'{"generation_id": "other"}'}], ids=["key", "body"]
)
async def test_a_forged_webhook_is_taken_but_goes_nowhere(
    fire: Fire, service: ServiceDouble, forged: dict[str, Any]
) -> None:
    answer = await fire(**forged)

    assert answer.status_code == 200  # the webhook node answers before the workflow checks
    await service.settled()
    assert service.calls == []


async def test_either_secret_signs_while_one_is_being_changed(
    serve: Serve, service_url: str, service: ServiceDouble, http: httpx.AsyncClient
) -> None:
    stand_in = await serve(create_n8n_app(service_url, "n8n-key", [SECRET, OLD_SECRET], pauses=QUICK))

    await call_webhook(http, stand_in + "/webhook/heygen-video", secret=OLD_SECRET)

    await service.until("create")


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_an_unknown_path_is_answered_as_n8n_does(
    serve: Serve, http: httpx.AsyncClient, method: str
) -> None:
    stand_in = await serve(create_n8n_app("http://127.0.0.1:1", "n8n-key"))
    answer = await http.request(method, f"{stand_in}/webhook/x/y", content=b"{}")

    assert answer.status_code == 404
    assert answer.json()["code"] == 404
    assert answer.json()["message"] == f'The requested webhook "{method} x/y" is not registered.'


async def test_a_body_that_is_no_json_is_422_and_one_that_is_not_ours_goes_nowhere(
    fire: Fire, service: ServiceDouble
) -> None:
    assert (await fire(body=b"{")).status_code == 422
    assert (await fire(body=b"[1]")).status_code == 200
    assert (await fire(body=b'{"generation_id": 5}')).status_code == 200
    await service.settled()
    assert service.calls == []


class TestDirectMode:
    """n8n fetches the key and calls HeyGen, which is the stand-in here."""

    @pytest.fixture
    async def fire(self, serve: Serve, service_url: str, http: httpx.AsyncClient) -> Fire:
        heygen = await serve(
            create_heygen_app(Media("http://media.test"), waiting_seconds=0.1, rendering_seconds=0.1)
        )
        stand_in = create_n8n_app(service_url, "n8n-key", [SECRET], heygen_url=heygen, pauses=QUICK)
        url = await serve(stand_in) + "/webhook/heygen-video"
        return lambda **changed: call_webhook(http, url, **changed)

    @pytest.fixture
    def service(self) -> ServiceDouble:
        return ServiceDouble(credentials=[credentials()])

    async def test_it_reports_processing_and_completed(self, fire: Fire, service: ServiceDouble) -> None:
        await fire()

        await service.until("status", 2)
        assert service.names() == ["credentials", "status", "status"]
        claim, first, second = (body for _, body in service.calls)
        assert claim["business_id"] == "b-1"
        assert claim["generation_id"] == "g-1"
        assert first["status"] == "processing"
        assert second["status"] == "completed"
        assert claim["execution_id"] == first["execution_id"] == second["execution_id"]
        assert first["video_id"] == second["video_id"]
        assert second["video_url"].startswith(f"http://media.test/videos/{second['video_id']}.mp4?")

    async def test_a_failed_video_is_reported(self, fire: Fire, service: ServiceDouble) -> None:
        await fire(body=json.dumps(JOB | {"script": "[fail]"}).encode())

        await service.until("status", 2)
        assert service.reports()[1]["status"] == "failed"
        assert service.reports()[1]["error"] == "The script asked for it."

    @pytest.mark.parametrize(
        ("key", "error"),
        [
            ("sandbox-nocredit", "402 insufficient_credit: "),
            ("sandbox-limited", "429 rate_limit_exceeded: "),
            ("wrong", "401 unauthorized: "),
        ],
    )
    async def test_what_heygen_refuses_is_reported(
        self, fire: Fire, service: ServiceDouble, key: str, error: str
    ) -> None:
        service.credentials = [credentials(api_key=key)]

        await fire()

        await service.until("status")
        assert service.reports()[0]["status"] == "failed"
        assert service.reports()[0]["error"].startswith(error)

    @pytest.mark.parametrize("refusal", [TAKEN, CLOSED])
    async def test_a_job_that_is_not_ours_ends_silently(
        self, fire: Fire, service: ServiceDouble, refusal: Answer
    ) -> None:
        service.credentials = [refusal]

        await fire()

        await service.until("credentials")
        await service.settled()
        assert service.names() == ["credentials"]


def credentials(**changed: Any) -> Answer:
    content = {
        "business_id": "b-1",
        "provider": "heygen",
        "api_key": "sandbox-key",
        "avatar_id": "sandbox-ada",
        "voice_id": None,
        "provider_config": {"resolution": "720p"},
    }
    return (200, content | changed)


@pytest.fixture
def process_url(service_url: str) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "app.sandbox", "--port", str(port), "--service-url", service_url]
    secrets = {"N8N_API_KEY": "n8n-key", "N8N_WEBHOOK_SECRET": SECRET, "N8N_WEBHOOK_TOKEN": "webhook-token"}
    with subprocess.Popen(
        [*command, "--direct", "--video-seconds", "0.2"], env=os.environ | secrets
    ) as process:
        yield f"http://127.0.0.1:{port}"
        process.terminate()


async def test_the_sandbox_process_serves_both_and_its_links_work(
    process_url: str, service: ServiceDouble, http: httpx.AsyncClient
) -> None:
    service.credentials = [credentials()]
    deadline = time.monotonic() + 20
    while True:
        try:
            answer = await call_webhook(http, f"{process_url}/n8n/webhook/heygen-video")
            break
        except httpx.ConnectError:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.1)

    assert answer.json() == {"message": "Workflow was started"}
    await service.until("status", 2)
    video = await http.get(service.reports()[1]["video_url"])
    assert video.headers["content-type"] == "video/mp4"


def test_the_sandbox_process_wants_its_key_from_the_environment() -> None:
    command = [sys.executable, "-m", "app.sandbox", "--port", "1", "--service-url", "http://127.0.0.1:1"]
    environment = {name: value for name, value in os.environ.items() if name != "N8N_API_KEY"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert "N8N_API_KEY" in done.stderr
