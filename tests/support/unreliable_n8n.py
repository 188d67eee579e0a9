"""An n8n that takes jobs and runs their workflows unreliably."""

import asyncio
import json
import random
import ssl
from abc import ABC, abstractmethod
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from support.processes import ServiceProcess
from support.tenants import N8N_HEADERS

# The answers after which the workflows in n8n/ repeat a call.
PASSING = (408, 429, 500, 503, 504)
# Loading certificates takes most of the time of a new client, and every URL here is http.
_NO_CERTIFICATES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@dataclass(frozen=True)
class Behaviour:
    """What n8n does with a webhook. `status` None: it does not answer in time."""

    status: int | None
    executions: int
    weight: int


@dataclass
class UnreliableN8n(ABC):
    """In place of n8n, in a thread of its own. A subclass has the workflow and the behaviours."""

    behaviours: ClassVar[Mapping[str, Behaviour]]
    pauses: ClassVar[tuple[float, float]]
    """How long a workflow waits before it repeats a call: at least, at most."""

    rng: random.Random
    webhook_timeout: float
    services: Sequence[ServiceProcess] = ()
    bodies: defaultdict[str, set[bytes]] = field(default_factory=lambda: defaultdict(set))
    """The bodies received for each `webhook-id`."""
    counts: Counter[str] = field(default_factory=Counter)
    running: set["asyncio.Task[None]"] = field(default_factory=set)

    @abstractmethod
    async def run(self, client: httpx.AsyncClient, job: dict[str, str], execution_id: str) -> None:
        """Run one execution of the workflow. `job` is the webhook's body, and whose workflow it is: `provider`."""

    @property
    def app(self) -> Starlette:
        """Its webhooks, at `/webhook/heygen-video` and the like."""
        return Starlette(routes=[Route("/webhook/{provider}-video", self._webhook, methods=["POST"])])

    async def _webhook(self, request: Request) -> Response:
        body = await request.body()
        self.bodies[request.headers["webhook-id"]].add(body)
        name = self.rng.choices(list(self.behaviours), [b.weight for b in self.behaviours.values()])[0]
        self.counts[f"n8n {name}"] += 1
        behaviour = self.behaviours[name]
        for number in range(behaviour.executions):
            execution_id = f"{sum(self.counts.values())}-{number}"
            job = {**json.loads(body), "provider": request.path_params["provider"]}
            task = asyncio.create_task(self._execute(job, execution_id, delay=number * 0.05))
            self.running.add(task)
            task.add_done_callback(self.running.discard)
        late = behaviour.status is None
        await asyncio.sleep(self.webhook_timeout + 1 if late else self.rng.uniform(0, 0.3))
        return JSONResponse({}, behaviour.status or 200)

    async def _execute(self, job: dict[str, str], execution_id: str, delay: float) -> None:
        await asyncio.sleep(delay)
        async with httpx.AsyncClient(
            headers=N8N_HEADERS, trust_env=False, timeout=60, verify=_NO_CERTIFICATES
        ) as client:
            await self.run(client, job, execution_id)

    async def call(
        self, client: httpx.AsyncClient, method: str, path: str, body: dict[str, str] | None = None
    ) -> httpx.Response:
        """Call any of the services, and repeat while the failure may pass, as the workflows do."""
        while True:
            try:
                answer = await client.request(method, self.rng.choice(self.services).url + path, json=body)
            except (
                httpx.TransportError,
                AttributeError,
            ):  # the latter: httpcore, if it breaks while it is made
                self.counts["calls of n8n that broke"] += 1
            else:
                if answer.status_code not in PASSING:
                    return answer
                self.counts[f"calls of n8n answered {answer.status_code}"] += 1
            await asyncio.sleep(self.rng.uniform(*self.pauses))
