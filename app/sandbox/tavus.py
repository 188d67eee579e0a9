"""A stand-in for Tavus's v2 API, written from its documentation: numbered pages, states, sentences instead of codes.

Inputs select the behaviour:

- A key that starts with `sandbox-` is valid. `sandbox-nocredit…` has no credit for a video, `sandbox-limited…` is
  rate-limited, and `sandbox-revoked…` may list replicas and nothing else.
- A script that contains `[fail]` leads to a failed video; `[fail:SENTENCE]` sets its `status_details`.
- A `replica_id` that starts with `missing` leads to a 400. Any other is accepted, even if there is no such replica.
  A replica in training is accepted, and its video stays queued.
"""

import re
import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .catalogue import PEOPLE, Person
from .media import Media

_FAILURE = re.compile(r"\[fail(?::([^\]]+))?\]")
_FAILED = (
    "An error occurred while generating this request. Please check your inputs or try your request again."
)
_STATUSES = {None: "completed", "completed": "completed", "failed": "error"}
_FIELDS = {
    "replica_id": str,
    "script": str,
    "video_name": str,
    "callback_url": str,
    "background_url": str,
    "background_source_url": str,
    "fast": bool,
    "transparent_background": bool,
    "watermark_image_url": str,
    "properties": dict,
}


class TavusError(Exception):
    """An error response: `error` for wrong inputs, `message` for everything else."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.content = {"error" if status == 400 else "message": text}


@dataclass(frozen=True, slots=True)
class Rendering:
    """A video. `failure` is set if it will fail."""

    id: str
    name: str
    replica_id: str
    script: str
    failure: str | None
    created_at: datetime
    started: float = field(default_factory=time.monotonic)


class StandInTavus:
    """Tavus's endpoints. A video is queued for `waiting_seconds`, then generating for `rendering_seconds`."""

    def __init__(self, media: Media, *, waiting_seconds: float, rendering_seconds: float) -> None:
        self._media = media
        self._waiting = waiting_seconds
        self._rendering = rendering_seconds
        self._videos: dict[str, dict[str, Rendering]] = {}

    async def replicas(self, request: Request) -> Response:
        key = _key_of(request)
        if key.startswith("sandbox-limited"):
            raise TavusError(429, "Too many requests.")
        wanted = request.query_params.get("replica_type")
        if wanted not in (None, "user", "system"):
            raise TavusError(400, "Invalid replica_type")
        verbose = request.query_params.get("verbose") == "true"
        people = [person for person in PEOPLE.values() if wanted in (None, _type_of(person))]
        limit, number = _number(request, "limit", 10), _number(request, "page", 1)
        start = (max(number, 1) - 1) * limit  # pages count from 1; 0 is the first one as well
        page = [self._replica(person, verbose=verbose) for person in people[start : start + limit]]
        return JSONResponse({"data": page, "total_count": len(people)})

    async def replica(self, request: Request) -> Response:
        self._check_key(request)
        person = PEOPLE.get(request.path_params["replica_id"])
        if person is None:
            raise TavusError(400, "Invalid replica_id")
        return JSONResponse(self._replica(person, verbose=request.query_params.get("verbose") == "true"))

    def _replica(self, person: Person, *, verbose: bool) -> dict[str, Any]:
        status = _STATUSES.get(person.status, "started")
        replica = {
            "replica_id": person.id,
            "replica_name": person.name,
            "thumbnail_video_url": self._media.preview_url(person.id) if status == "completed" else None,
            "training_progress": "100/100" if status == "completed" else "45/100",
            "status": status,
            "created_at": "2026-01-24T07:14:03.327Z",
            "model_name": "phoenix-4",
        }
        return replica | {"replica_type": _type_of(person)} if verbose else replica

    async def create_video(self, request: Request) -> Response:
        key = self._check_key(request)
        if key.startswith("sandbox-nocredit"):
            raise TavusError(402, "The user is out of credits")
        body = await _json(request)
        failure = _FAILURE.search(body["script"])
        video_id = uuid.uuid4().hex[:10]
        name = body.get("video_name") or f"replica_id: {body['replica_id']} - video: {video_id}"
        video = Rendering(
            video_id,
            name,
            body["replica_id"],
            body["script"],
            (failure[1] or _FAILED) if failure else None,
            datetime.now(UTC),
        )
        self._videos.setdefault(key, {})[video_id] = video
        return JSONResponse(
            {
                "video_id": video_id,
                "video_name": name,
                "status": "queued",
                "hosted_url": f"https://tavus.video/{video_id}",
                "created_at": format_datetime(video.created_at, usegmt=True),
            }
        )

    async def video(self, request: Request) -> Response:
        key = self._check_key(request)
        video = self._videos.get(key, {}).get(request.path_params["video_id"])
        if video is None:
            raise TavusError(400, "Invalid video_id")
        verbose = request.query_params.get("verbose") == "true"
        return JSONResponse(self._state(video, verbose=verbose))

    async def videos(self, request: Request) -> Response:
        key = self._check_key(request)
        videos = [self._state(video, verbose=False) for video in self._videos.get(key, {}).values()]
        limit, number = _number(request, "limit", 10), _number(request, "page", 1)
        start = (max(number, 1) - 1) * limit
        return JSONResponse({"data": videos[start : start + limit], "total_count": len(videos)})

    def _state(self, video: Rendering, *, verbose: bool) -> dict[str, Any]:
        state: dict[str, Any] = {
            "video_id": video.id,
            "video_name": video.name,
            "replica_id": video.replica_id,
            "status": "queued",
            "data": {"script": video.script},
            "download_url": "",
            "stream_url": "",
            "hosted_url": f"https://tavus.video/{video.id}",
            "status_details": "This request is currently queued. It should begin processing in a few minutes.",
            "created_at": video.created_at.strftime("%Y-%m-%d %H:%M:%S.%f"),
            "updated_at": video.created_at.strftime("%Y-%m-%d %H:%M:%S.%f"),
        }
        person = PEOPLE.get(video.replica_id)
        age = time.monotonic() - video.started
        in_training = person is not None and _STATUSES.get(person.status, "started") == "started"
        if in_training or age < self._waiting:
            return state
        if age < self._waiting + self._rendering:
            return state | {"status": "generating", "status_details": ""}
        if video.failure:
            failed = {"status": "error", "status_details": video.failure, "error_details": None}
            return state | failed | {"download_url": None, "stream_url": None}
        state |= {
            "status": "ready",
            "status_details": "Your request has processed successfully!",
            "download_url": self._media.video_url(video.id),
        }
        if verbose:
            picture = (person or next(iter(PEOPLE.values()))).id
            state["still_image_thumbnail_url"] = self._media.picture_url(picture)
        return state

    def _check_key(self, request: Request) -> str:
        key = _key_of(request)
        if key.startswith("sandbox-revoked"):
            raise TavusError(401, "Invalid access token")
        if key.startswith("sandbox-limited"):
            raise TavusError(429, "Too many requests.")
        return key


def _key_of(request: Request) -> str:
    key = request.headers.get("x-api-key", "")
    if not key.startswith("sandbox-"):
        raise TavusError(401, "Invalid access token")
    return key


def _type_of(person: Person) -> str:
    return "user" if person.is_private else "system"


def _number(request: Request, name: str, default: int) -> int:
    value = request.query_params.get(name, str(default))
    if not (value.isascii() and value.isdecimal()):
        raise TavusError(400, f"Invalid {name}")
    return int(value)


async def _json(request: Request) -> dict[str, Any]:
    try:
        body = await request.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise TavusError(400, "Invalid JSON")
    for name in ("replica_id", "script"):
        if not body.get(name):
            raise TavusError(400, f"{name} is required")
    for name, value in body.items():
        if name not in _FIELDS:
            raise TavusError(400, f"Unknown field: {name}")
        if not isinstance(value, _FIELDS[name]):
            raise TavusError(400, f"Invalid {name}")
    if body["replica_id"].startswith("missing"):
        raise TavusError(400, "Invalid replica_id")
    if body.get("transparent_background") and not body.get("fast"):
        raise TavusError(400, "transparent_background requires fast")
    return body


async def _error_response(_: Request, error: Exception) -> Response:
    if not isinstance(error, TavusError):
        raise error
    return JSONResponse(error.content, error.status)


def create_tavus_app(
    media: Media, *, waiting_seconds: float = 1.5, rendering_seconds: float = 3.0
) -> Starlette:
    """Create the application. Its links lead to `media`, which is mounted elsewhere."""
    tavus = StandInTavus(media, waiting_seconds=waiting_seconds, rendering_seconds=rendering_seconds)
    return Starlette(
        routes=[
            Route("/v2/replicas", tavus.replicas),
            Route("/v2/replicas/{replica_id}", tavus.replica),
            Route("/v2/videos", tavus.create_video, methods=["POST"]),
            Route("/v2/videos", tavus.videos),
            Route("/v2/videos/{video_id}", tavus.video),
        ],
        exception_handlers={TavusError: _error_response},
    )
