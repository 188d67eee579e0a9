"""The layers around every request."""

import threading
import time

import httpx
import pytest
from fastapi import Request
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route
from support.api import ROOT, Api
from support.problems import assert_problem
from support.servers import serve_app
from support.service import settings
from support.tenants import Tenant, make_tenant
from support.webhook_receiver import WebhookReceiver

from app.main import create_app
from app.middleware import RequestContext, UnexpectedErrors
from app.server import server_options


def test_request_that_shutdown_cuts_short_gets_a_problem(caplog: pytest.LogCaptureFixture) -> None:
    """uvicorn would respond in plain text with status 500, and log a traceback."""
    import asyncio

    reached = threading.Event()

    async def never_end(_: Request) -> Response:
        reached.set()
        await asyncio.Event().wait()
        raise AssertionError("unreachable")

    answers: list[httpx.Response] = []
    app = RequestContext(UnexpectedErrors(Starlette(routes=[Route("/", never_end)])))
    with serve_app(
        app, **server_options()
    ) as url:  # it is stopped while the request waits, with a second to finish
        caller = threading.Thread(target=lambda: answers.append(httpx.get(url, timeout=20)))
        caller.start()
        assert reached.wait(10)
    caller.join(20)
    problem = assert_problem(answers[0], 503, "not_ready")
    assert "shutting down" in problem["detail"]
    assert "Exception in ASGI application" not in caplog.text


@pytest.mark.anyio
class TestHead:
    """HEAD is served where GET is."""

    @pytest.mark.parametrize(
        "path", ["/health/live", "/health/ready", "/metrics", "/openapi.json", "/settings/integrations"]
    )
    async def test_has_the_headers_of_get_and_no_body(self, client: httpx.AsyncClient, path: str) -> None:
        get, head = await client.get(path), await client.head(path)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-type"] == get.headers["content-type"]
        assert int(head.headers["content-length"]) > 0

    async def test_of_an_integration_is_authenticated_as_get_is(self, api: Api) -> None:
        head = await api.client.head(api.path, headers=api.tenant.headers)
        assert (head.status_code, head.content) == (200, b"")
        assert (await api.client.head(api.path)).status_code == 401

    async def test_where_there_is_no_get_is_405(self, client: httpx.AsyncClient) -> None:
        response = await client.head(f"{ROOT}/generate-video")
        assert (response.status_code, response.headers["allow"]) == (405, "POST")

    async def test_is_allowed_where_get_is(self, client: httpx.AsyncClient) -> None:
        response = await client.request("PUT", f"{ROOT}/videos")
        assert response.headers["allow"] == "GET, HEAD"


def test_head_of_an_event_stream_ends_and_leaves_no_stream(
    database_url: str, heygen_url: str, webhook: WebhookReceiver
) -> None:
    import asyncio

    from app.db import connect

    async def make() -> Tenant:
        connection = await connect(SecretStr(database_url))
        try:
            return await make_tenant(connection)
        finally:
            await connection.close()

    tenant = asyncio.run(make())
    providers = {"heygen": {"api_url": heygen_url, "webhook_url": webhook.url}}
    with (
        serve_app(create_app(settings(database_url, providers=providers)), **server_options()) as url,
        httpx.Client(base_url=url, headers=tenant.headers, timeout=10) as client,
    ):
        assert client.post(ROOT, json={"api_key": "sandbox-x", "avatar_id": "sandbox-ada"}).status_code == 201
        content_id = str(tenant.content_id)
        assert client.post(f"{ROOT}/generate-video", json={"content_id": content_id}).status_code == 202
        head = client.head(f"{ROOT}/videos/{content_id}/events")
        assert head.status_code == 200
        assert head.headers["content-type"].startswith("text/event-stream")
        assert client.get("/health/live").status_code == 200, "on the same connection"
        for _ in range(50):
            if "\nai_avatar_event_streams 0.0" in client.get("/metrics").text:
                break
            time.sleep(0.1)
        else:
            pytest.fail("the stream goes on without a reader")


@pytest.mark.anyio
async def test_tenants_data_and_errors_are_not_to_be_stored(api: Api) -> None:
    await api.generate(expect=202)
    for response in (
        await api.get_integration(expect=200),
        await api.list_integrations(expect=200),
        await api.list_videos(expect=200),
        await api.get_generation(expect=200),
        await api.list_avatars(expect=200),
        await api.issue_credentials(expect=200),
        await api.get_integration(provider="unknown", expect=422),
        await api.client.get(api.path),
    ):
        assert response.headers["cache-control"] == "no-store", response.url


@pytest.mark.anyio
async def test_static_files_say_themselves_what_may_be_stored(client: httpx.AsyncClient) -> None:
    response = await client.get("/settings/static/ai-avatar-settings.js")
    assert response.headers["cache-control"] == "no-cache"
