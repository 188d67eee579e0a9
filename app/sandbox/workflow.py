"""The steps of this service's n8n workflows in Python: broker mode and direct mode.

Both end silently if the service answers 409 (another execution has the job) or 410 (the generation has ended). They
report every other error as `failed`, because only the workflow knows that the generation failed.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import anyio
import httpx

ATTEMPTS = 3


class WorkflowError(Exception):
    """A step failed after its retries. The message becomes the error of the `failed` report."""

    def __init__(self, message: str, *, status: int | None = None, transient: bool = False) -> None:
        super().__init__(message)
        self.status = status
        self.transient = transient
        """Whether a retry may succeed: no response, 429 or 5xx."""


class ClaimLost(Exception):
    """The service answered 409 or 410: stop without a report."""


class GaveUp(Exception):
    """The video was not ready within `Pauses.patience`."""


@dataclass(frozen=True, slots=True)
class Pauses:
    """Pauses between polls, in seconds: first pause, growth factor, longest pause and total."""

    first: float = 1.0
    factor: float = 1.5
    longest: float = 10.0
    patience: float = 1800.0
    before_retry: float = 1.0

    async def __aiter__(self) -> AsyncIterator[None]:
        """Pause before each iteration of an `async for`, until `patience` is used up."""
        pause = waited = self.first
        while waited <= self.patience:
            await anyio.sleep(pause)
            yield
            pause = min(pause * self.factor, self.longest)
            waited += pause


@dataclass(frozen=True, slots=True)
class Job:
    """The body of the webhook call, with this execution's id."""

    business_id: str
    content_id: str
    generation_id: str
    script: str
    execution_id: str

    @classmethod
    def of(cls, payload: Any, execution_id: str) -> "Job":
        names = ("business_id", "content_id", "generation_id", "script")
        if not isinstance(payload, dict) or not all(isinstance(payload.get(name), str) for name in names):
            raise WorkflowError("the webhook's body is invalid")
        return cls(**{name: payload[name] for name in names}, execution_id=execution_id)

    def ids(self) -> dict[str, str]:
        return {"generation_id": self.generation_id, "execution_id": self.execution_id}


@dataclass(frozen=True, slots=True)
class Service:
    """The service's endpoints for n8n."""

    client: httpx.AsyncClient
    url: str
    api_key: str
    provider: str
    pauses: Pauses

    async def request(self, method: str, path: str, json: Any = None) -> dict[str, Any]:
        """Send a request with up to `ATTEMPTS` attempts, like an HTTP Request node with "Retry On Fail".

        An execution may repeat every call to the service and gets the same answer.
        """
        url = f"{self.url.rstrip('/')}/n8n/{path}"
        headers = {"X-API-Key": self.api_key}
        attempt = 1
        while True:
            try:
                return await _request(self.client, method, url, headers, json)
            except WorkflowError as error:
                if error.status in {409, 410}:
                    raise ClaimLost from error
                if not error.transient or attempt == ATTEMPTS:
                    raise
            attempt += 1
            await anyio.sleep(self.pauses.before_retry)

    async def report(self, job: Job, status: str, **fields: str | None) -> None:
        report = job.ids() | {"status": status} | {name: text for name, text in fields.items() if text}
        await self.request("POST", f"{self.provider}-status", report)


@dataclass(frozen=True, slots=True)
class HeyGen:
    """HeyGen's endpoints, for a workflow in direct mode."""

    client: httpx.AsyncClient
    url: str
    credentials: dict[str, Any]

    async def create(self, job: Job) -> str:
        """Request the video once: a second request could be billed too."""
        fields = {
            **(self.credentials["provider_config"] or {}),
            "type": "avatar",
            "avatar_id": self.credentials["avatar_id"],
            "voice_id": self.credentials["voice_id"],
            "script": job.script,
        }
        body = {name: value for name, value in fields.items() if value is not None}
        headers = self._headers() | {"Idempotency-Key": job.generation_id}
        answer = await _request(self.client, "POST", f"{self.url}/v3/videos", headers, body)
        return str(answer["data"]["video_id"])

    async def video(self, video_id: str) -> dict[str, Any]:
        answer = await _request(self.client, "GET", f"{self.url}/v3/videos/{video_id}", self._headers())
        return dict(answer["data"])

    def _headers(self) -> dict[str, str]:
        return {"X-Api-Key": self.credentials["api_key"]}


async def run(service: Service, job: Job, heygen_url: str | None) -> str:
    """Run the workflow, in direct mode if `heygen_url` is given. Return the outcome for the log."""
    try:
        if heygen_url is None:
            return await _broker(service, job)
        return await _direct(service, job, heygen_url.rstrip("/"))
    except ClaimLost:
        return "ended silently"
    except GaveUp:
        # Do not report: a reported failure is final, and the video may still be completed. The generation expires.
        return "gave up waiting"
    except WorkflowError as error:
        with suppress(ClaimLost):
            await service.report(job, "failed", error=str(error))
        return f"failed: {error}"


async def _broker(service: Service, job: Job) -> str:
    """Request the video from the service, then poll until it is ready.

    Each poll makes the service ask HeyGen and update the generation, so there is nothing to report.
    """
    videos = f"{service.provider}/videos"
    await service.request("POST", videos, job.ids())

    async def poll() -> str | None:
        status = (await service.request("GET", f"{videos}/{job.generation_id}"))["status"]
        return str(status) if status in {"completed", "failed", "expired"} else None

    return await _poll_until_done(poll, service.pauses)


async def _direct(service: Service, job: Job, heygen_url: str) -> str:
    """Fetch the key, request the video from HeyGen, poll HeyGen and report."""
    claim = job.ids() | {"business_id": job.business_id}
    credentials = await service.request("POST", f"{service.provider}-credentials", claim)
    heygen = HeyGen(service.client, heygen_url, credentials)
    video_id = await heygen.create(job)
    await service.report(job, "processing", video_id=video_id)

    async def poll() -> str | None:
        video = await heygen.video(video_id)
        if video["status"] == "failed":
            raise WorkflowError(video.get("failure_message") or "HeyGen gave no reason")
        return video["video_url"] if video["status"] == "completed" else None

    video_url = await _poll_until_done(poll, service.pauses)
    await service.report(job, "completed", video_id=video_id, video_url=video_url)
    return "completed"


async def _poll_until_done(poll: Callable[[], Awaitable[str | None]], pauses: Pauses) -> str:
    """Poll until there is a result. A temporary error is no reason to stop: the video is already paid for."""
    async for _ in pauses:
        try:
            if (answer := await poll()) is not None:
                return answer
        except WorkflowError as error:
            if not error.transient:
                raise
    raise GaveUp


async def _request(
    client: httpx.AsyncClient, method: str, url: str, headers: dict[str, str], json: Any = None
) -> dict[str, Any]:
    try:
        response = await client.request(method, url, headers=headers, json=json)
    except httpx.HTTPError as error:
        raise WorkflowError(f"no response ({type(error).__name__})", transient=True) from None
    if response.is_success:
        return dict(response.json())
    status = response.status_code
    raise WorkflowError(_reason(response), status=status, transient=status == 429 or status >= 500)


def _reason(response: httpx.Response) -> str:
    """Return the service's detail, which is a text for users, or what HeyGen's error says."""
    try:
        body = response.json()
        if "detail" in body:
            return str(body["detail"])[:500]
        why = f"{body['error']['code']}: {body['error']['message']}"
    except (ValueError, KeyError, AttributeError, TypeError):
        why = "no reason given"
    return f"{response.status_code} {why}"[:500]
