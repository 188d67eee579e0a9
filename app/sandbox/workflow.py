"""The steps of the n8n workflow that this service ships with, in Python: broker mode and direct mode.

Both end silently when the service says 409 (another execution has the job) or 410 (it is over), and
report `failed` for everything else that stops them, since nobody else would know the generation.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import anyio
import httpx

TRIES = 3


class WorkflowError(Exception):
    """A step failed, its retries included; the message is what the `failed` report says."""

    def __init__(self, message: str, *, status: int | None = None, passing: bool = False) -> None:
        super().__init__(message)
        self.status = status
        self.passing = passing
        """It may be gone the next time: no answer, 429 or 5xx."""


class NotOurs(Exception):
    """The service answered 409 or 410."""


class GaveUp(Exception):
    """The video takes longer than the workflow's patience."""


@dataclass(frozen=True, slots=True)
class Pauses:
    """Seconds: the first pause between two questions, its growth, its bound, and the bound of them all."""

    first: float = 1.0
    factor: float = 1.5
    longest: float = 10.0
    patience: float = 1800.0
    before_retry: float = 1.0

    async def __aiter__(self) -> AsyncIterator[None]:
        """Pause between the turns of an `async for`, until patience runs out."""
        pause = waited = self.first
        while waited <= self.patience:
            await anyio.sleep(pause)
            yield
            pause = min(pause * self.factor, self.longest)
            waited += pause


@dataclass(frozen=True, slots=True)
class Job:
    """What the webhook brought."""

    business_id: str
    content_id: str
    generation_id: str
    script: str
    execution_id: str

    @classmethod
    def of(cls, payload: Any, execution_id: str) -> "Job":
        names = ("business_id", "content_id", "generation_id", "script")
        if not isinstance(payload, dict) or not all(isinstance(payload.get(name), str) for name in names):
            raise WorkflowError("the webhook's body is not ours")
        return cls(**{name: payload[name] for name in names}, execution_id=execution_id)

    def ids(self) -> dict[str, str]:
        return {"generation_id": self.generation_id, "execution_id": self.execution_id}


@dataclass(frozen=True, slots=True)
class Service:
    """Our service's endpoints for n8n."""

    client: httpx.AsyncClient
    url: str
    api_key: str
    provider: str
    pauses: Pauses

    async def request(self, method: str, path: str, json: Any = None) -> dict[str, Any]:
        """Call until it answers, `TRIES` times, as an HTTP Request node with "Retry On Fail" does.

        An execution may repeat every call that it makes to the service: it gets the same again.
        """
        url = f"{self.url.rstrip('/')}/n8n/{path}"
        headers = {"X-API-Key": self.api_key}
        for turn in range(1, TRIES + 1):
            try:
                return await _request(self.client, method, url, headers, json)
            except WorkflowError as error:
                if error.status in {409, 410}:
                    raise NotOurs from error
                if not error.passing or turn == TRIES:
                    raise
            await anyio.sleep(self.pauses.before_retry)
        raise AssertionError("unreachable")

    async def report(self, job: Job, status: str, **fields: str | None) -> None:
        report = job.ids() | {"status": status} | {name: text for name, text in fields.items() if text}
        await self.request("POST", f"{self.provider}-status", report)


@dataclass(frozen=True, slots=True)
class HeyGen:
    """HeyGen's endpoints, for a workflow that was given the key."""

    client: httpx.AsyncClient
    url: str
    credentials: dict[str, Any]

    async def create(self, job: Job) -> str:
        """Ask once: a repeat could be billed again."""
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
    """Walk the steps, in direct mode with `heygen_url`. Return what became of them, for the log."""
    try:
        if heygen_url is None:
            return await _broker(service, job)
        return await _direct(service, job, heygen_url.rstrip("/"))
    except NotOurs:
        return "ended silently"
    except GaveUp:
        # No report: a reported failure is final, and the video may still come. The service's deadline ends it.
        return "gave up waiting"
    except WorkflowError as error:
        with suppress(NotOurs):
            await service.report(job, "failed", error=str(error))
        return f"failed: {error}"


async def _broker(service: Service, job: Job) -> str:
    """Have the service make the video, and ask the service until it is made.

    The service asks HeyGen when it is asked, and moves the generation on itself: nothing to report.
    """
    videos = f"{service.provider}/videos"
    await service.request("POST", videos, job.ids())

    async def ask() -> str | None:
        status = (await service.request("GET", f"{videos}/{job.generation_id}"))["status"]
        return str(status) if status in {"completed", "failed", "expired"} else None

    return await _ask_until_done(ask, service.pauses)


async def _direct(service: Service, job: Job, heygen_url: str) -> str:
    """Fetch the key, have HeyGen make the video, and report."""
    claim = job.ids() | {"business_id": job.business_id}
    credentials = await service.request("POST", f"{service.provider}-credentials", claim)
    heygen = HeyGen(service.client, heygen_url, credentials)
    video_id = await heygen.create(job)
    await service.report(job, "processing", video_id=video_id)

    async def ask() -> str | None:
        video = await heygen.video(video_id)
        if video["status"] == "failed":
            raise WorkflowError(video.get("failure_message") or "HeyGen gave no reason")
        return video["video_url"] if video["status"] == "completed" else None

    video_url = await _ask_until_done(ask, service.pauses)
    await service.report(job, "completed", video_id=video_id, video_url=video_url)
    return "completed"


async def _ask_until_done(ask: Callable[[], Awaitable[str | None]], pauses: Pauses) -> str:
    """A fault while asking says nothing about the video, which is being made and paid for: ask on."""
    async for _ in pauses:
        try:
            if (answer := await ask()) is not None:
                return answer
        except WorkflowError as error:
            if not error.passing:
                raise
    raise GaveUp


async def _request(
    client: httpx.AsyncClient, method: str, url: str, headers: dict[str, str], json: Any = None
) -> dict[str, Any]:
    try:
        response = await client.request(method, url, headers=headers, json=json)
    except httpx.HTTPError as error:
        raise WorkflowError(f"no answer ({type(error).__name__})", passing=True) from None
    if response.is_success:
        return dict(response.json())
    status = response.status_code
    raise WorkflowError(_problem(response), status=status, passing=status == 429 or status >= 500)


def _problem(response: httpx.Response) -> str:
    """Say why, in the words of a problem+json (our service) or of HeyGen's error shape."""
    try:
        body = response.json()
        error = body.get("error") or body
        why = f"{error['code']}: {error.get('detail') or error.get('message')}"
    except (ValueError, KeyError, AttributeError, TypeError):
        why = "no reason given"
    return f"{response.status_code} {why}"[:500]
