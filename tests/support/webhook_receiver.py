"""A server in place of n8n's webhook: records each delivery and answers as the test sets."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from support.servers import serve_app


@dataclass(frozen=True)
class Delivery:
    """One call of the webhook."""

    headers: dict[str, str]
    body: bytes
    json: Any


@dataclass
class WebhookReceiver:
    """`answers` are used in order, the last one repeatedly: a status, or (status, headers). `delay` in seconds."""

    url: str = ""
    answers: list[int | tuple[int, dict[str, str]]] = field(default_factory=lambda: [200])
    delay: float = 0.0
    deliveries: list[Delivery] = field(default_factory=list)
    arrived: threading.Event = field(default_factory=threading.Event)

    def reset(self) -> None:
        """Forget all deliveries and answer 200 at once."""
        self.answers, self.delay, self.deliveries = [200], 0.0, []
        self.arrived.clear()

    async def handle(self, request: Request) -> Response:
        body = await request.body()
        self.deliveries.append(Delivery(dict(request.headers), body, await request.json()))
        self.arrived.set()
        if self.delay:
            await asyncio.sleep(self.delay)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        status, headers = answer if isinstance(answer, tuple) else (answer, {})
        return JSONResponse({"message": "Workflow was started"}, status, headers)


@contextmanager
def webhook_receiver() -> Iterator[WebhookReceiver]:
    """Run one; its `url` is the webhook's."""
    receiver = WebhookReceiver()
    app = Starlette(routes=[Route("/webhook/heygen-video", receiver.handle, methods=["POST"])])
    with serve_app(app) as url:
        receiver.url = f"{url}/webhook/heygen-video"
        yield receiver
