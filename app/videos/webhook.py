"""The call to n8n that starts a workflow: signed, and retried only while the workflow certainly did not start."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Final
from uuid import UUID

import aiohttp
import httpx
from prometheus_client import Counter
from standardwebhooks import Webhook

from app.http import Retry, request_was_not_sent, retry_after_seconds, retry_within

# The budget limits the whole call; an address that does not respond must leave time for another attempt.
_EXTENSIONS: Final = {"timeout": httpx.Timeout(None, connect=5.0).as_dict()}
# The rest of the budget is for the rollback after a timeout: a replay of the request waits for its outcome, and no
# longer than the budget.
_ATTEMPTS_SHARE: Final = 0.98

_calls = Counter("ai_avatar_webhook_calls_total", "Calls of the n8n webhook, by attempt", ["outcome"])

_HINTS: Final = {
    403: " (does N8N_WEBHOOK_TOKEN match the webhook's credential?)",
    404: " (is the workflow active, and N8N_<PROVIDER>_WEBHOOK_URL its production URL?)",
}


class WebhookError(Exception):
    """n8n did not accept the job. The message is fit for a user."""


class WebhookTimeoutError(WebhookError):
    """n8n did not respond within the budget; it may have started the workflow all the same."""


@dataclass(frozen=True, slots=True)
class Job:
    """What a workflow receives."""

    generation_id: UUID
    business_id: UUID
    content_id: UUID
    script: str

    def body(self) -> str:
        """Return the JSON with exactly these four fields, which the workflows expect."""
        return json.dumps(
            {
                "business_id": str(self.business_id),
                "content_id": str(self.content_id),
                "script": self.script,
                "generation_id": str(self.generation_id),
            }
        )


# Parsing an address takes longer than signing a job, and there are only as many as providers.
_parse_url: Final = cache(httpx.URL)


class WebhookClient:
    """Posts jobs to n8n, on httpx's transport itself: its client adds cookies, redirects and authentication.

    The transport must not reuse connections (docs/decisions/0004).
    """

    def __init__(
        self, transport: httpx.AsyncBaseTransport, *, secrets: Sequence[str], token: str | None, budget: float
    ) -> None:
        """`secrets` (`whsec_…`): each signs; `budget`: seconds for all attempts together."""
        self._transport = transport
        self._signers = [Webhook(secret) for secret in secrets]
        self._token = token
        self._budget = budget

    async def send(self, url: str, job: Job) -> None:
        """Return when n8n has responded with 2xx. Raises WebhookError, or WebhookTimeoutError."""
        body = job.body()
        try:
            await retry_within(self._budget * _ATTEMPTS_SHARE, lambda: self._attempt(url, job, body))
        except TimeoutError:
            _calls.labels("timeout").inc()
            raise WebhookTimeoutError(f"n8n did not answer within {self._budget:g} seconds") from None

    async def _attempt(self, url: str, job: Job, body: str) -> Retry | None:
        """Call once. Return a Retry only if the workflow certainly did not start; raise WebhookError otherwise."""
        request = httpx.Request(
            "POST",
            _parse_url(url),
            content=body.encode(),
            headers=self._headers(job, body),
            extensions=_EXTENSIONS,
        )
        try:
            response = await self._transport.handle_async_request(request)
            await response.aclose()  # only the status counts; a body may come late, or break off
        except (httpx.HTTPError, aiohttp.ClientError, OSError) as error:
            # The libraries' messages stay out: they contain the address, and may quote the request.
            _calls.labels("unreachable").inc()
            if request_was_not_sent(error):
                return Retry(WebhookError("n8n could not be reached"))
            raise WebhookError("the connection to n8n broke") from None
        status = response.status_code
        _calls.labels(f"{status // 100}xx").inc()
        if response.is_success:
            return None
        refusal = WebhookError(f"n8n answered {status} {response.reason_phrase}".rstrip() + _hint(status))
        if status in (429, 503):
            return Retry(refusal, retry_after_seconds(response.headers.get("retry-after")))
        raise refusal

    def _headers(self, job: Job, body: str) -> dict[str, str]:
        """Return the headers of Standard Webhooks: a new timestamp, and so new signatures, for each attempt."""
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
