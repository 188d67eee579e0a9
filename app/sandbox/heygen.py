"""A stand-in for HeyGen's v3 API, written from its documentation: paging, filters, balances, errors, rendering.

Inputs select the behaviour:

- A key that starts with `sandbox-` is valid. `sandbox-nocredit…` has no credit for a video, `sandbox-quota…` has used
  up its quota, `sandbox-limited…` is rate-limited, and `sandbox-revoked…` is rejected by every call except
  `/v3/users/me`. `sandbox-subscription…` and `sandbox-usage…` are billed so; all others have a wallet.
- A script that contains `[fail]` leads to a failed video; `[fail:CODE]` sets its `failure_code`.
- An `avatar_id` that starts with `missing` leads to a 404. Any other is accepted, even if it is not in the catalogue,
  but for private avatars that are not completed.
"""

import math
import re
import time
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .balances import balance_of
from .catalogue import PEOPLE, SPEAKERS, Person, Speaker
from .heygen_rules import HeyGenError, check_choice, check_video
from .media import VIDEO_SECONDS, Media

RETRY_AFTER_SECONDS = 30
_IDEMPOTENCY_KEY = re.compile(r"[A-Za-z0-9_\-:.]{1,255}")
_FAILURE = re.compile(r"\[fail(?::(\w+))?\]")


@dataclass(frozen=True, slots=True)
class Rendering:
    """A video. `failure_code` is set if it will fail; `caption` is what the create asked for."""

    id: str
    title: str | None
    avatar_id: str
    failure_code: str | None
    caption: dict[str, Any] | None
    started: float = field(default_factory=time.monotonic)


# Every account has it: the video of the OpenAPI document's examples.
READY_VIDEO = Rendering("sandbox-video", "Example", "sandbox-ada", None, None, started=-math.inf)


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
        user = {
            "username": "sandbox-user",
            "email": "sandbox@example.com",
            "first_name": "Sandbox",
            "last_name": "User",
        }
        return JSONResponse({"data": user | balance_of(_key_of(request))})

    async def looks(self, request: Request) -> Response:
        self._account_of(request)
        people = _owned_by(request, "ownership", PEOPLE.values())
        avatar_type = check_choice(request, "avatar_type", "studio_avatar", "digital_twin", "photo_avatar")
        group_id = request.query_params.get("group_id")
        looks = [self._look(person) for person in people if group_id in (None, person.id)]
        found = [look for look in looks if avatar_type in (None, look["avatar_type"])]
        return _page(request, found, max_limit=50)

    async def look(self, request: Request) -> Response:
        """https://developers.heygen.com/reference/get-avatar-look"""
        self._account_of(request)
        person = PEOPLE.get(request.path_params["look_id"])
        if person is None:
            raise HeyGenError(404, "not_found", "Avatar look not found.")
        return JSONResponse({"data": self._look(person)})

    async def groups(self, request: Request) -> Response:
        self._account_of(request)
        people = _owned_by(request, "ownership", PEOPLE.values())
        return _page(request, [self._person(person) | {"looks_count": 1} for person in people], max_limit=50)

    def _look(self, person: Person) -> dict[str, Any]:
        kind = "digital_twin" if person.is_private else "studio_avatar"
        error = {"code": "avatar_failed", "message": person.error} if person.error else None
        state = {"status": person.status, "error": error}
        return self._person(person) | {"group_id": person.id, "avatar_type": kind} | state

    def _person(self, person: Person) -> dict[str, Any]:
        return {
            "id": person.id,
            "name": person.name,
            "gender": person.gender,
            "default_voice_id": person.voice_id,
            "preview_image_url": self._media.picture_url(person.id),
            "preview_video_url": None if person.is_private else self._media.preview_url(person.id),
        }

    async def voices(self, request: Request) -> Response:
        self._account_of(request)
        gender = check_choice(request, "gender", "male", "female")
        language = request.query_params.get("language")
        voices = [
            self._voice(speaker)
            | {"type": "private" if speaker.is_private else "public", "support_locale": False}
            # Without a type, HeyGen lists the public voices only.
            for speaker in _owned_by(request, "type", SPEAKERS.values(), default="public")
            if gender in (None, speaker.gender) and language in (None, speaker.language)
        ]
        return _page(request, voices, max_limit=100)

    async def voice(self, request: Request) -> Response:
        """https://developers.heygen.com/reference/get-voice: `status` only of cloned voices."""
        self._account_of(request)
        speaker = SPEAKERS.get(request.path_params["voice_id"])
        if speaker is None:
            raise HeyGenError(404, "voice_not_found", "Voice not found.")
        state = {"status": "complete" if speaker.is_private else None, "failure_message": None}
        return JSONResponse({"data": self._voice(speaker) | state})

    def _voice(self, speaker: Speaker) -> dict[str, Any]:
        return {
            "voice_id": speaker.id,
            "name": speaker.name,
            "gender": speaker.gender,
            "language": speaker.language,
            "preview_audio_url": self._media.sound_url(speaker.id),
            "support_pause": True,
        }

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
        if _key_of(request).startswith("sandbox-quota"):
            raise HeyGenError(429, "quota_exceeded", "You have used up your quota.")
        body = check_video(await _json(request))
        failure = _FAILURE.search(body["script"])
        video = Rendering(
            uuid.uuid4().hex,
            body.get("title"),
            body["avatar_id"],
            (failure[1] or "rendering_failed") if failure else None,
            body.get("caption"),
        )
        account.videos[video.id] = video
        answer = {"data": {"video_id": video.id, "status": "waiting", "output_format": "mp4"}}
        if key is not None:
            account.replays[key] = answer
        return JSONResponse(answer)

    async def videos(self, request: Request) -> Response:
        account = self._account_of(request)
        return _page(request, [self._state(video) for video in account.videos.values()], max_limit=100)

    async def video(self, request: Request) -> Response:
        videos = self._account_of(request).videos
        video = (videos | {READY_VIDEO.id: READY_VIDEO}).get(request.path_params["video_id"])
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
        if video.failure_code:
            failure = {"failure_code": video.failure_code, "failure_message": "The script asked for it."}
            return state | {"status": "failed"} | failure
        person = PEOPLE.get(video.avatar_id, next(iter(PEOPLE.values())))
        state |= {
            "status": "completed",
            "video_url": self._media.video_url(video.id),
            "thumbnail_url": self._media.picture_url(person.id),
            "duration": VIDEO_SECONDS,
        }
        if video.caption is not None:  # the file always, burned in only with a style
            state["subtitle_url"] = self._media.subtitle_url(video.id)
            if video.caption.get("style"):
                state["captioned_video_url"] = self._media.captioned_video_url(video.id)
        return state

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


Owned = TypeVar("Owned", Person, Speaker)


def _owned_by(
    request: Request, param: str, items: Iterable[Owned], default: str | None = None
) -> list[Owned]:
    """Return the items that the query asks for: `private`, `public`, or all."""
    wanted = check_choice(request, param, "private", "public") or default
    return [item for item in items if wanted is None or item.is_private == (wanted == "private")]


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
            Route("/v3/avatars/looks/{look_id}", heygen.look),
            Route("/v3/avatars", heygen.groups),
            Route("/v3/voices", heygen.voices),
            Route("/v3/voices/{voice_id}", heygen.voice),
            Route("/v3/videos", heygen.create_video, methods=["POST"]),
            Route("/v3/videos", heygen.videos),
            Route("/v3/videos/{video_id}", heygen.video),
        ],
        exception_handlers={HeyGenError: _error_response},
    )
