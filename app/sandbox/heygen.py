"""A stand-in for HeyGen's v3 API, written from its documentation: paging, errors, idempotent replays, rendering.

Inputs select the behaviour:

- A key that starts with `sandbox-` is valid. `sandbox-nocredit…` has no credit for a video, `sandbox-limited…` is
  rate-limited, and `sandbox-revoked…` is rejected by every call except `/v3/users/me`.
- A script that contains `[fail]` leads to a failed video.
- An `avatar_id` that starts with `missing` leads to a 404. Any other is accepted, even if it is not in the catalogue.
"""

import re
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .catalogue import PEOPLE, SPEAKERS
from .media import Media

RETRY_AFTER_SECONDS = 30
RESOLUTIONS = {"720p", "1080p", "4k"}
ASPECT_RATIOS = {"16:9", "9:16", "4:5", "5:4", "1:1", "auto"}
_IDEMPOTENCY_KEY = re.compile(r"[A-Za-z0-9_\-:.]{1,255}")


class HeyGenError(Exception):
    """An error response in HeyGen's format."""

    def __init__(self, status: int, code: str, message: str, *, param: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        error = {"code": code, "message": message, "doc_url": f"https://developers.heygen.com/docs#{code}"}
        self.content = {"error": error if param is None else error | {"param": param}}


@dataclass(frozen=True, slots=True)
class Rendering:
    id: str
    title: str | None
    fails: bool
    started: float = field(default_factory=time.monotonic)


@dataclass(slots=True)
class Account:
    """The data of one API key."""

    videos: dict[str, Rendering] = field(default_factory=dict)
    replays: dict[str, dict[str, Any]] = field(default_factory=dict)


class StandInHeyGen:
    """HeyGen's endpoints. A video is pending for `waiting_seconds`, then processing for `rendering_seconds`."""

    def __init__(self, media: Media, *, waiting_seconds: float, rendering_seconds: float) -> None:
        self._media = media
        self._waiting = waiting_seconds
        self._rendering = rendering_seconds
        self._accounts: dict[str, Account] = {}

    async def me(self, request: Request) -> Response:
        _key_of(request)
        return JSONResponse(
            {
                "data": {
                    "username": "sandbox-user",
                    "email": "sandbox@example.com",
                    "first_name": "Sandbox",
                    "last_name": "User",
                    "billing_type": "wallet",
                    "wallet": {"currency": "usd", "remaining_balance": 100.0},
                }
            }
        )

    async def looks(self, request: Request) -> Response:
        self._account_of(request)
        looks = [
            self._person(person.id) | {"group_id": person.id, "avatar_type": "studio_avatar"}
            for person in PEOPLE.values()
        ]
        return _page(request, looks, max_limit=50)

    async def groups(self, request: Request) -> Response:
        self._account_of(request)
        return _page(request, [self._person(id_) | {"looks_count": 1} for id_ in PEOPLE], max_limit=50)

    def _person(self, avatar_id: str) -> dict[str, Any]:
        person = PEOPLE[avatar_id]
        return {
            "id": person.id,
            "name": person.name,
            "gender": person.gender,
            "default_voice_id": person.voice_id,
            "preview_image_url": self._media.picture_url(person.id),
        }

    async def voices(self, request: Request) -> Response:
        self._account_of(request)
        voices = [
            {
                "voice_id": speaker.id,
                "name": speaker.name,
                "gender": speaker.gender,
                "language": speaker.language,
                "type": "public",
                "preview_audio_url": self._media.sound_url(speaker.id),
            }
            for speaker in SPEAKERS.values()
        ]
        return _page(request, voices, max_limit=100)

    async def create_video(self, request: Request) -> Response:
        account = self._account_of(request)
        key = request.headers.get("idempotency-key")
        if key is not None and not _IDEMPOTENCY_KEY.fullmatch(key):
            raise HeyGenError(400, "invalid_parameter", "Idempotency-Key is malformed.")
        if key is not None and key in account.replays:
            return JSONResponse(account.replays[key])
        if _key_of(request).startswith("sandbox-nocredit"):
            raise HeyGenError(
                402, "insufficient_credit", "Your account has 0 credits but this video needs 1."
            )
        body = _validated(await _json(request))
        video = Rendering(uuid.uuid4().hex, body.get("title"), "[fail]" in body["script"])
        account.videos[video.id] = video
        answer = {"data": {"video_id": video.id, "status": "waiting", "output_format": "mp4"}}
        if key is not None:
            account.replays[key] = answer
        return JSONResponse(answer)

    async def videos(self, request: Request) -> Response:
        account = self._account_of(request)
        return _page(request, [self._state(video) for video in account.videos.values()], max_limit=100)

    async def video(self, request: Request) -> Response:
        video = self._account_of(request).videos.get(request.path_params["video_id"])
        if video is None:
            raise HeyGenError(404, "video_not_found", "Video not found.")
        return JSONResponse({"data": self._state(video)})

    def _state(self, video: Rendering) -> dict[str, Any]:
        state: dict[str, Any] = {"id": video.id, "title": video.title, "status": "pending", "video_url": None}
        age = time.monotonic() - video.started
        if age < self._waiting:
            return state
        if age < self._waiting + self._rendering:
            return state | {"status": "processing"}
        if video.fails:
            failure = {"failure_code": "rendering_failed", "failure_message": "The script asked for it."}
            return state | {"status": "failed"} | failure
        return state | {"status": "completed", "video_url": self._media.video_url(video.id), "duration": 4.0}

    def _account_of(self, request: Request) -> Account:
        key = _key_of(request)
        if key.startswith("sandbox-revoked"):
            raise HeyGenError(401, "unauthorized", "The API key has been revoked.")
        if key.startswith("sandbox-limited"):
            raise HeyGenError(429, "rate_limit_exceeded", "Too many requests.")
        return self._accounts.setdefault(key, Account())


def _key_of(request: Request) -> str:
    key = request.headers.get("x-api-key", "")
    if not key.startswith("sandbox-"):
        raise HeyGenError(401, "unauthorized", "The API key provided is invalid, expired, or missing.")
    return key


async def _json(request: Request) -> dict[str, Any]:
    try:
        body = await request.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise HeyGenError(400, "invalid_parameter", "The body must be a JSON object.")
    return body


def _validated(body: dict[str, Any]) -> dict[str, Any]:
    rules = {
        "type": body.get("type") == "avatar",
        "avatar_id": bool(body.get("avatar_id")) and isinstance(body["avatar_id"], str),
        "script": isinstance(body.get("script"), str) and 1 <= len(body["script"]) <= 5000,
        "voice_id": isinstance(body.get("voice_id") or "", str),
        "title": isinstance(body.get("title") or "", str),
        "resolution": str(body.get("resolution", "1080p")) in RESOLUTIONS,
        "aspect_ratio": str(body.get("aspect_ratio", "16:9")) in ASPECT_RATIOS,
    }
    for param, holds in rules.items():
        if not holds:
            raise HeyGenError(400, "invalid_parameter", f"{param} is missing or invalid.", param=param)
    if body["avatar_id"].startswith("missing"):
        raise HeyGenError(404, "avatar_not_found", "Avatar not found.", param="avatar_id")
    return body


def _page(request: Request, items: Sequence[dict[str, Any]], *, max_limit: int) -> Response:
    """Return one page. The token is opaque to callers and contains the offset of the next page."""
    limit, token = request.query_params.get("limit", "20"), request.query_params.get("token", "after-0")
    if not (limit.isascii() and limit.isdigit() and 1 <= int(limit) <= max_limit):
        raise HeyGenError(400, "invalid_parameter", f"limit must be 1 to {max_limit}.", param="limit")
    if not re.fullmatch(r"after-\d{1,6}", token, re.ASCII):
        raise HeyGenError(400, "invalid_parameter", "token is invalid.", param="token")
    start = int(token.removeprefix("after-"))
    end = start + int(limit)
    more = end < len(items)
    next_token = f"after-{end}" if more else None
    return JSONResponse({"data": items[start:end], "has_more": more, "next_token": next_token})


async def _error_response(_: Request, error: Exception) -> Response:
    if not isinstance(error, HeyGenError):
        raise error
    headers = {"Retry-After": str(RETRY_AFTER_SECONDS)} if error.status == 429 else None
    return JSONResponse(error.content, error.status, headers)


def create_heygen_app(
    media: Media, *, waiting_seconds: float = 1.5, rendering_seconds: float = 3.0
) -> Starlette:
    """Create the application. Its links lead to `media`, which is mounted elsewhere."""
    heygen = StandInHeyGen(media, waiting_seconds=waiting_seconds, rendering_seconds=rendering_seconds)
    return Starlette(
        routes=[
            Route("/v3/users/me", heygen.me),
            Route("/v3/avatars/looks", heygen.looks),
            Route("/v3/avatars", heygen.groups),
            Route("/v3/voices", heygen.voices),
            Route("/v3/videos", heygen.create_video, methods=["POST"]),
            Route("/v3/videos", heygen.videos),
            Route("/v3/videos/{video_id}", heygen.video),
        ],
        exception_handlers={HeyGenError: _error_response},
    )
