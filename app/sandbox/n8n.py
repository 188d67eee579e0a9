"""A stand-in for an n8n that runs this service's workflow. Its responses are those of n8n 1.123.

The webhook responds before the workflow runs, so a 200 means only that the job was accepted. The steps of the
workflow are in workflow.py.
"""

import itertools
import json
import logging
import time
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx
from anyio.abc import TaskGroup
from standardwebhooks import Webhook, WebhookVerificationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from .workflow import Job, Pauses, Service, WorkflowError, run

logger = logging.getLogger(__name__)

# The service's create waits up to 30 s for HeyGen.
TIMEOUT = httpx.Timeout(40.0, connect=3.0)


class StandInN8n:
    """Runs the workflow for each webhook call: in broker mode, or for HeyGen with `heygen_url` in direct mode."""

    def __init__(
        self,
        *,
        service_url: str,
        n8n_api_key: str,
        webhook_secrets: Sequence[str],
        webhook_token: str | None,
        heygen_url: str | None,
        providers: Collection[str],
        pauses: Pauses,
    ) -> None:
        self._service_url = service_url
        self._n8n_api_key = n8n_api_key
        self._signatures = [Webhook(secret) for secret in webhook_secrets]
        self._webhook_token = webhook_token
        self._heygen_url = heygen_url
        self._paths = {f"{provider}-video": provider for provider in providers}
        self._pauses = pauses
        # Claims outlive this process, so ids must not repeat after a restart.
        self._execution_ids = itertools.count(int(time.time() * 1000))
        self._runs: TaskGroup | None = None

    @asynccontextmanager
    async def lifespan(self, _: Starlette) -> AsyncIterator[None]:
        async with anyio.create_task_group() as self._runs:
            yield
            self._runs.cancel_scope.cancel()

    async def webhook(self, request: Request) -> Response:
        provider = self._paths.get(request.path_params["path"])
        if provider is None:
            return _not_registered(request)
        token = request.headers.get("authorization")
        if self._webhook_token is not None and token != f"Bearer {self._webhook_token}":
            return PlainTextResponse("Authorization data is wrong!", 403)
        body = await request.body()
        try:
            payload = json.loads(body)
        except ValueError:
            return JSONResponse({"code": 422, "message": "Failed to parse request body"}, 422)
        if self._runs is None:
            raise RuntimeError("the application's lifespan has not been entered")
        self._runs.start_soon(self._run, provider, payload, body, dict(request.headers))
        return JSONResponse({"message": "Workflow was started"})

    async def _run(self, provider: str, payload: Any, body: bytes, headers: dict[str, str]) -> None:
        execution_id = str(next(self._execution_ids))
        try:
            self._check_signature(body, headers)
            job = Job.of(payload, execution_id)
            async with httpx.AsyncClient(timeout=TIMEOUT) as client:
                service = Service(client, self._service_url, self._n8n_api_key, provider, self._pauses)
                outcome = await run(service, job, self._heygen_url if provider == "heygen" else None)
        except (WorkflowError, WebhookVerificationError) as error:
            outcome = f"ended with an error: {error}"
        except Exception:  # as in n8n, a failed execution does not affect others
            logger.exception("execution %s failed", execution_id)
            return
        logger.info("execution %s %s", execution_id, outcome)

    def _check_signature(self, body: bytes, headers: dict[str, str]) -> None:
        """Verify the signature inside the run, as the workflow does: n8n's webhook node cannot."""
        for signature in self._signatures:
            try:
                signature.verify(body, headers, json_parse=False)
            except (WebhookVerificationError, ValueError):
                continue
            return
        if self._signatures:
            raise WebhookVerificationError("the webhook's signature is invalid")


def _not_registered(request: Request) -> Response:
    path = request.path_params["path"]
    return JSONResponse(
        {
            "code": 404,
            "message": f'The requested webhook "{request.method} {path}" is not registered.',
            "hint": "The workflow must be active for a production URL to run successfully.",
        },
        404,
    )


async def _other_method(request: Request) -> Response:
    return _not_registered(request)


def create_n8n_app(
    service_url: str,
    n8n_api_key: str,
    webhook_secrets: Sequence[str] = (),
    webhook_token: str | None = None,
    *,
    heygen_url: str | None = None,
    providers: Collection[str] = ("heygen",),
    pauses: Pauses | None = None,
) -> Starlette:
    """Create the application, with `POST /webhook/{provider}-video`. Enter its lifespan before use.

    With `heygen_url` it fetches HeyGen's credentials and calls HeyGen itself; otherwise it uses broker mode.
    Without `webhook_secrets` it does not check signatures, like the workflow without AI_AVATAR_WEBHOOK_SECRET.
    """
    n8n = StandInN8n(
        service_url=service_url,
        n8n_api_key=n8n_api_key,
        webhook_secrets=webhook_secrets,
        webhook_token=webhook_token,
        heygen_url=heygen_url,
        providers=providers,
        pauses=pauses or Pauses(),
    )
    return Starlette(
        routes=[
            Route("/webhook/{path:path}", n8n.webhook, methods=["POST"]),
            Route("/webhook/{path:path}", _other_method, methods=["GET", "PUT", "PATCH", "DELETE"]),
        ],
        lifespan=n8n.lifespan,
    )
