"""The call to n8n that starts a workflow: signed, and tried again only while it certainly started nothing."""

import asyncio
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import aiohttp
import httpx
import structlog
from prometheus_client import Counter
from standardwebhooks import Webhook

from app.http import request_was_not_sent, retry_after_seconds

log = structlog.get_logger(__name__)

_FIRST_PAUSE_SECONDS: Final = 0.25
_MAX_PAUSE_SECONDS: Final = 4.0
# The budget bounds the whole; an address that does not answer leaves time for another try.
_TIMEOUT: Final = httpx.Timeout(None, connect=5.0)

_calls = Counter("ai_avatar_webhook_calls_total", "Calls of the n8n webhook, each try", ["outcome"])

_HINTS: Final = {
    403: " (does N8N_WEBHOOK_TOKEN match the webhook's credential?)",
    404: " (is the workflow active, and N8N_<PROVIDER>_WEBHOOK_URL its production URL?)",
}


class WebhookError(Exception):
    """n8n did not take the job. The message is fit for a user."""


class WebhookTimeoutError(WebhookError):
    """n8n did not answer within the budget; it may have started the workflow all the same."""


@dataclass(frozen=True, slots=True)
class Job:
    """What a workflow is told."""

    generation_id: UUID
    business_id: UUID
    content_id: UUID
    script: str

    def body(self) -> str:
        """Exactly these four, as the workflows expect them."""
        return json.dumps(
            {
                "business_id": str(self.business_id),
                "content_id": str(self.content_id),
                "script": self.script,
                "generation_id": str(self.generation_id),
            }
        )


class WebhookClient:
    """Posts jobs to n8n. `client` should not reuse connections: see main."""

    def __init__(
        self, client: httpx.AsyncClient, *, secrets: Sequence[str], token: str | None, budget: float
    ) -> None:
        """`secrets` (`whsec_…`) sign, each of them; `budget` in seconds, all tries together."""
        self._client = client
        self._signers = [Webhook(secret) for secret in secrets]
        self._token = token
        self._budget = budget

    async def send(self, url: str, job: Job) -> None:
        """Returns when n8n has answered 2xx. Raises WebhookError, or WebhookTimeoutError."""
        body = job.body()
        refusal: WebhookError | None = None
        try:
            async with asyncio.timeout(self._budget) as limit:
                pause = _FIRST_PAUSE_SECONDS
                while True:
                    refusal = None  # a timeout from here on is one of this try
                    refusal, retry_after = await self._try(url, job, body)
                    if refusal is None:
                        return
                    wait = max(retry_after or 0, pause * random.uniform(0.5, 1.5))  # noqa: S311 - jitter
                    deadline = limit.when()
                    assert deadline is not None
                    if asyncio.get_running_loop().time() + wait >= deadline:
                        break
                    await asyncio.sleep(wait)
                    pause = min(pause * 2, _MAX_PAUSE_SECONDS)
        except TimeoutError:
            if refusal is None:
                _calls.labels("timeout").inc()
                raise WebhookTimeoutError(f"n8n did not answer within {self._budget:g} seconds") from None
        assert refusal
        raise refusal

    async def _try(self, url: str, job: Job, body: str) -> tuple[WebhookError | None, float | None]:
        """None: taken. An error returned may be tried again, after so many seconds; one raised may not."""
        request = self._client.build_request(
            "POST", url, content=body.encode(), headers=self._headers(job, body), timeout=_TIMEOUT
        )
        try:
            response = await self._client.send(request, stream=True, follow_redirects=False)
            await response.aclose()  # the status says all; a body may come late, or break
        except (httpx.HTTPError, aiohttp.ClientError, OSError) as error:
            # The libraries' own words stay out: they know the address, and may quote the request.
            _calls.labels("unreachable").inc()
            log.warning(
                "webhook_unreachable", generation_id=str(job.generation_id), error=type(error).__name__
            )
            if request_was_not_sent(error):
                return WebhookError("n8n could not be reached"), None
            raise WebhookError("the connection to n8n broke") from None
        status = response.status_code
        _calls.labels(f"{status // 100}xx").inc()
        if response.is_success:
            return None, None
        log.warning("webhook_refused", generation_id=str(job.generation_id), status=status)
        refusal = WebhookError(f"n8n answered {status} {response.reason_phrase}".rstrip() + _hint(status))
        if status in (429, 503):
            return refusal, retry_after_seconds(response.headers.get("retry-after"))
        raise refusal

    def _headers(self, job: Job, body: str) -> dict[str, str]:
        """Standard Webhooks: a new timestamp, and so new signatures, for each try."""
        now = datetime.now(UTC)
        message_id = str(job.generation_id)
        headers = {
            "Content-Type": "application/json",
            "webhook-id": message_id,
            "webhook-timestamp": str(int(now.timestamp())),
        }
        if self._signers:
            headers["webhook-signature"] = " ".join(s.sign(message_id, now, body) for s in self._signers)
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        return headers


def _hint(status: int) -> str:
    return " (redirects are not followed)" if 300 <= status < 400 else _HINTS.get(status, "")
