"""n8n that cannot be reached, breaks off or is not configured: the content is what it was before."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import asyncpg
import pytest
from structlog.testing import capture_logs
from support.api import Api
from support.problems import assert_problem
from support.rows import ContentRow
from support.servers import free_port, serve_raw
from support.service import running, settings
from support.tenants import make_content, make_tenant

pytestmark = pytest.mark.anyio

requests_read: list[bytes] = []


async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Reads the job, and closes without an answer: it may have started the workflow."""
    requests_read.append(await reader.readuntil(b"\r\n\r\n"))
    writer.close()


async def half_an_answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Closes in the middle of the status line and headers."""
    requests_read.append(await reader.readuntil(b"\r\n\r\n"))
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Le")
    await writer.drain()
    writer.close()


@contextmanager
def broken_n8n(kind: str) -> Iterator[dict[str, str]]:
    """What the provider's settings say of the webhook."""
    match kind:
        case "not configured":
            yield {}
        case "refuses connections":
            yield {"webhook_url": f"http://127.0.0.1:{free_port()}/webhook/heygen-video"}
        case _:
            with serve_raw(hang_up if kind == "hangs up" else half_an_answer) as url:
                yield {"webhook_url": f"{url}/webhook/heygen-video"}


@pytest.mark.parametrize("before", [None, "completed"])
@pytest.mark.parametrize(
    ("kind", "status", "code", "asked"),
    [
        ("refuses connections", 502, "webhook_failed", 0),
        ("hangs up", 502, "webhook_failed", 1),
        ("half an answer", 502, "webhook_failed", 1),
        ("not configured", 503, "webhook_not_configured", 0),
    ],
)
async def test_content_is_what_it_was_when_n8n(
    database_url: str,
    heygen_url: str,
    admin_connection: asyncpg.Connection,
    kind: str,
    status: int,
    code: str,
    asked: int,
    before: str | None,
) -> None:
    requests_read.clear()
    tenant = await make_tenant(admin_connection)
    content_id = await make_content(admin_connection, tenant.business_id, heygen_status=before)
    with broken_n8n(kind) as webhook:
        providers: dict[str, Any] = {"heygen": {"api_url": heygen_url, **webhook}}
        async with running(settings(database_url, providers=providers)) as (_, client):
            api = Api(client, tenant)
            await api.connect("sandbox-faults", avatar_id="sandbox-ada", expect=201)
            with capture_logs() as logs:
                response = await api.generate(content_id)
    warnings = [line for line in logs if line["log_level"] in ("warning", "error")]
    assert [(line["event"], line["code"]) for line in warnings] == [("request_failed", code)]
    assert "exc_info" not in warnings[0]
    assert len(logs) == len(warnings) + sum(line["event"] == "call_retried" for line in logs), (
        "no line beside it"
    )
    if asked:
        assert warnings[0]["reason"].startswith("generation ")
    problem = assert_problem(response, status, code)
    if kind == "not configured":
        assert problem["detail"] == "Webhook URL is not configured."
    else:
        assert problem["detail"].startswith("Failed to trigger video generation: ")
    assert len(requests_read) == asked, "a job that n8n may have read is not sent again"
    assert await ContentRow(admin_connection, content_id).status() == before
    live = await admin_connection.fetchval(
        "select count(*) from ai_avatar.generations where content_id = $1 "
        "and status in ('dispatching', 'processing')",
        content_id,
    )
    assert live == 0
