"""What the webhook's client does that no response shows."""

from uuid import uuid4

import httpx
import pytest

from app.videos.webhook import Job, WebhookClient

pytestmark = pytest.mark.anyio


async def test_answer_may_take_the_whole_budget() -> None:
    """httpx times out after 5 s by default; only the budget may bound the call."""
    timeouts = []

    async def answer(request: httpx.Request) -> httpx.Response:
        timeouts.append(request.extensions["timeout"])
        return httpx.Response(200)

    webhook = WebhookClient(httpx.MockTransport(answer), secrets=[], token=None, budget=15)
    await webhook.send("http://n8n.test/", Job(uuid4(), uuid4(), uuid4(), "Hello"))
    [timeout] = timeouts
    assert timeout["read"] is None
    assert timeout["connect"] < 15
