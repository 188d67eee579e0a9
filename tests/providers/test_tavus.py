"""Tavus's client against the documented shapes of its v2 API, through a mock transport.

The bodies are those of https://docs.tavus.io/api-reference/video-request/create-video, …/get-video,
https://docs.tavus.io/api-reference/phoenix-replica-model/get-replicas and …/faces/list-faces.
"""

import json
from collections.abc import Mapping
from typing import Any

import httpx
import pytest
from pydantic import JsonValue

from app.errors import (
    ApiKeyRejected,
    InvalidRequest,
    ProviderError,
    ProviderNotFound,
    ProviderRateLimited,
    ProviderRejected,
    ProviderUnavailable,
    ProviderUnexpectedAnswer,
    QuotaExceeded,
)
from app.providers.base import Account, Avatar, Filters, Page, Video
from app.providers.options import check_options
from app.providers.tavus import REPLICAS_PER_PAGE, Tavus
from app.providers.tavus_options import TavusOptions
from app.providers.transport import Timeouts

pytestmark = pytest.mark.anyio

KEY = "tavus-CANARY-key"
CREATED = {
    "video_id": "abcd123",
    "video_name": "Sample Video",
    "status": "queued",
    "hosted_url": "https://tavus.video/abcd123",
    "created_at": "Mon, 14 Jul 2025 09:14:24 GMT",
}
READY = {
    "video_id": "1e30440cf9",
    "video_name": "replica_id: r79e1c033f - August 28, 2024 - video: 1e30440cf9",
    "replica_id": "r79e1c033f",
    "status": "ready",
    "data": {"script": "This is your script"},
    "download_url": "https://stream.mux.com/H5H0/high.mp4?download=1e30440cf9",
    "stream_url": "https://stream.mux.com/H5H0.m3u8",
    "hosted_url": "https://videos.tavus.io/video/1e30440cf9",
    "generation_progress": "100/100",
    "status_details": "Your request has processed successfully!",
    "still_image_thumbnail_url": "https://image.mux.com/H5H0/thumbnail.png",
    "created_at": "2024-08-28 15:27:40.824457",
    "updated_at": "2024-08-28 15:29:19.802670",
}


class Answers:
    """Answers in order, and with the last one from then on; keeps what was asked."""

    def __init__(self, *answers: httpx.Response) -> None:
        self.left = list(answers)
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.left.pop(0) if len(self.left) > 1 else self.left[0]
        # MockTransport's responses are read already; the client streams, as from a socket.
        return httpx.Response(
            answer.status_code, headers=answer.headers, stream=httpx.ByteStream(answer.content)
        )

    @property
    def queries(self) -> list[dict[str, str]]:
        return [dict(request.url.params) for request in self.requests]


def tavus_that_answers(*answers: httpx.Response) -> tuple[Tavus, Answers]:
    handler = Answers(*answers)
    client = httpx.AsyncClient(transport=httpx.MockTransport(handler))
    return Tavus(client, "https://tavusapi.test/", reading=Timeouts(budget=0.1)), handler


def ok(content: Any) -> httpx.Response:
    return httpx.Response(200, json=content)


async def create(tavus: Tavus, options: Mapping[str, JsonValue] | None = None, **changed: Any) -> Video:
    arguments: dict[str, Any] = {"script": "Hello", "avatar_id": "r-1", "voice_id": None, "title": None}
    return await tavus.create_video(
        KEY, idempotency_key="g-1", options=options or {}, **(arguments | changed)
    )


def replicas(*ids: str, total: int | None = None, **fields: Any) -> httpx.Response:
    data = [
        {"replica_id": id_, "replica_name": f"Replica {id_}", "status": "completed"} | fields for id_ in ids
    ]
    return ok({"data": data} | ({} if total is None else {"total_count": total}))


async def list_avatars(tavus: Tavus, token: str | None = None, **filters: Any) -> Page[Avatar]:
    return await tavus.list_avatars(KEY, filters=Filters(**filters), limit=20, page_token=token)


async def test_an_unknown_key_is_rejected() -> None:
    tavus, _ = tavus_that_answers(httpx.Response(401, json={"message": "Invalid access token"}))

    with pytest.raises(ApiKeyRejected) as caught:
        await tavus.verify_key(KEY)
    assert caught.value.detail == "Tavus rejected the API key."


async def test_a_key_is_checked_by_listing_one_replica() -> None:
    tavus, seen = tavus_that_answers(replicas(total=0))

    assert await tavus.verify_key(KEY) == Account("Tavus account")
    assert str(seen.requests[0].url) == "https://tavusapi.test/v2/replicas?limit=1"
    assert seen.requests[0].headers["x-api-key"] == KEY


async def test_there_are_no_voices_and_no_call_for_them() -> None:
    tavus, seen = tavus_that_answers(ok({}))

    assert await tavus.list_voices(KEY, filters=Filters(), limit=20, page_token=None) == Page((), None)
    assert seen.requests == []


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"status": "completed"}, None),
        ({"status": "ready"}, None),  # the word of the training's callback
        (
            {"status": "started", "training_progress": "45/100"},
            "Tavus is still making this avatar (45/100).",
        ),
        ({"status": "started"}, "Tavus is still making this avatar."),
        ({"status": "error"}, "Tavus could not make this avatar. Train it again at Tavus."),
        ({"status": "paused"}, "Tavus does not say that this avatar is ready."),
    ],
)
async def test_replicas_that_are_not_completed_are_listed_with_the_reason(
    fields: dict[str, Any], reason: str | None
) -> None:
    tavus, _ = tavus_that_answers(replicas("r-1", total=1, **fields))

    [avatar] = (await list_avatars(tavus)).items
    assert avatar == Avatar("r-1", "Replica r-1", ownership="private", unusable_reason=reason)


async def test_faces_are_replicas_by_their_newer_name() -> None:
    face = {"face_id": "f-1", "face_name": "Ada", "status": "completed", "face_type": "user"}
    tavus, _ = tavus_that_answers(ok({"data": [face], "total_count": 1}))

    assert (await list_avatars(tavus)).items == (Avatar("f-1", "Ada", ownership="private"),)


@pytest.mark.parametrize(
    ("url", "preview"),
    [
        ("https://cdn.tavus.test/r-1.mp4", "https://cdn.tavus.test/r-1.mp4"),
        ("", None),
        (None, None),
        ("javascript:alert(1)", None),
    ],
)
async def test_a_replica_has_a_video_to_look_at_and_no_picture(url: str | None, preview: str | None) -> None:
    tavus, _ = tavus_that_answers(replicas("r-1", total=1, thumbnail_video_url=url))

    [avatar] = (await list_avatars(tavus)).items
    assert (avatar.preview_video_url, avatar.preview_image_url) == (preview, None)


@pytest.mark.parametrize("id_", ["", ".", ".."])
async def test_an_id_that_is_another_path_is_not_asked_for(id_: str) -> None:
    tavus, seen = tavus_that_answers(ok({}))

    for call in (tavus.get_avatar, tavus.get_voice, tavus.get_video):
        with pytest.raises(ProviderNotFound):
            await call(KEY, id_)
    assert seen.requests == []


@pytest.mark.parametrize("counts_from", [0, 1])
async def test_own_replicas_come_first_page_by_page_whether_pages_count_from_0_or_1(counts_from: int) -> None:
    own = [f"own-{number}" for number in range(REPLICAS_PER_PAGE + 3)]

    def handle(request: httpx.Request) -> httpx.Response:
        query = request.url.params
        ids = own if query["replica_type"] == "user" else ["stock-1"]
        number = int(query.get("page", counts_from)) - counts_from
        start, size = number * int(query["limit"]), int(query["limit"])
        answer = replicas(*ids[start : start + size], total=len(ids))
        return httpx.Response(200, stream=httpx.ByteStream(answer.content))

    tavus = Tavus(httpx.AsyncClient(transport=httpx.MockTransport(handle)), "https://tavusapi.test")
    found: list[str] = []
    token: str | None = None
    while True:
        page = await list_avatars(tavus, token)
        found += [avatar.id for avatar in page.items]
        if (token := page.next_token) is None:
            break
    assert found == [*own, "stock-1"]


async def test_a_list_without_a_total_ends_with_a_page_that_is_not_full() -> None:
    tavus, seen = tavus_that_answers(replicas("r-1"))

    assert (await list_avatars(tavus, ownership="public")).next_token is None
    assert [query["replica_type"] for query in seen.queries] == ["system"]


@pytest.mark.parametrize("token", ["", "stock", "private:x:0:r", "public:1", "public:1:2", "private:-1:0:r"])
async def test_a_page_token_that_is_none_is_refused(token: str) -> None:
    tavus, seen = tavus_that_answers(replicas(total=0))

    with pytest.raises(ProviderRejected):
        await list_avatars(tavus, token)
    assert seen.requests == []


async def test_a_create_names_the_generation_in_the_videos_name() -> None:
    tavus, seen = tavus_that_answers(ok(CREATED))

    assert await create(tavus, title="Spring sale") == Video("abcd123", "pending")
    assert (seen.requests[0].method, seen.requests[0].url.path) == ("POST", "/v2/videos")
    assert json.loads(seen.requests[0].content) == {
        "replica_id": "r-1",
        "script": "Hello",
        "video_name": "Spring sale g-1",
    }


async def test_options_are_passed_on_and_cannot_replace_what_the_service_says() -> None:
    tavus, seen = tavus_that_answers(ok(CREATED))

    await create(tavus, {"fast": True, "callback_url": "https://elsewhere.test", "face_id": "other"})

    assert json.loads(seen.requests[0].content) == {
        "fast": True,
        "replica_id": "r-1",
        "script": "Hello",
        "video_name": "g-1",
    }


async def test_an_answer_that_names_a_video_is_that_video_whatever_its_status() -> None:
    tavus, _ = tavus_that_answers(httpx.Response(500, json=CREATED | {"error": "oops"}))

    assert await create(tavus) == Video("abcd123", "pending")


@pytest.mark.parametrize(
    ("answer", "error_type", "detail"),
    [
        (
            httpx.Response(400, json={"error": "Invalid replica_id"}),
            ProviderRejected,
            "Tavus does not have this avatar. Choose another avatar.",
        ),
        (
            httpx.Response(400, json={"error": "Invalid background_url"}),
            ProviderRejected,
            "Tavus refused the call: Invalid background_url",
        ),
        (
            httpx.Response(401, json={"message": "Invalid access token"}),
            ApiKeyRejected,
            "Tavus rejected the API key.",
        ),
        (
            httpx.Response(402, json={"message": "The user is out of credits"}),
            QuotaExceeded,
            "Your Tavus account has no credits left. Add credits at Tavus, then try again.",
        ),
        (httpx.Response(403, json={"message": "Forbidden"}), ProviderRejected, None),
        (httpx.Response(429, headers={"Retry-After": "7"}), ProviderRateLimited, None),
    ],
)
async def test_refused_creates_certainly_made_no_video(
    answer: httpx.Response, error_type: type[ProviderError], detail: str | None
) -> None:
    tavus, seen = tavus_that_answers(answer)

    with pytest.raises(error_type) as caught:
        await create(tavus)
    assert not caught.value.may_have_happened
    assert detail is None or caught.value.detail == detail
    assert len(seen.requests) == 1


@pytest.mark.parametrize("status", [200, 302, 404, 408, 409, 418, 422, 425, 499, 500, 502, 504])
async def test_any_other_answer_to_a_create_leaves_open_whether_there_is_a_video(status: int) -> None:
    tavus, seen = tavus_that_answers(httpx.Response(status, json={"error": "Something", "status": "queued"}))

    with pytest.raises((ProviderUnavailable, ProviderUnexpectedAnswer)) as caught:
        await create(tavus)
    assert caught.value.may_have_happened
    assert len(seen.requests) == 1


async def test_a_ready_video_has_a_link_and_a_thumbnail() -> None:
    tavus, seen = tavus_that_answers(ok(READY))

    assert await tavus.get_video(KEY, "1e30440cf9") == Video(
        "1e30440cf9",
        "completed",
        "https://stream.mux.com/H5H0/high.mp4?download=1e30440cf9",
        thumbnail_url="https://image.mux.com/H5H0/thumbnail.png",
    )
    assert str(seen.requests[0].url) == "https://tavusapi.test/v2/videos/1e30440cf9?verbose=true"


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"status": "queued"}, "pending"),
        ({"status": "generating"}, "processing"),
        ({"status": "paused"}, "processing"),
        ({"status": "ready", "download_url": ""}, "processing"),
        ({"status": "ready", "download_url": None}, "processing"),
    ],
)
async def test_a_video_without_a_link_is_not_there_yet(fields: dict[str, Any], status: str) -> None:
    tavus, _ = tavus_that_answers(ok(READY | fields))

    video = await tavus.get_video(KEY, "1e30440cf9")
    assert (video.status, video.video_url) == (status, None)


@pytest.mark.parametrize(
    ("sentence", "text", "code"),
    [
        (
            "Request has failed as the script violates community guidelines.",
            "The script violates Tavus's community guidelines. Change it, then try again.",
            "script_community_guidelines",
        ),
        (
            "Request Failed: The replica r-1 is currently in an 'error' state and cannot process requests.",
            "Tavus could not make this avatar. Choose another avatar, or train it again at Tavus.",
            "replica_in_error_state",
        ),
        (
            "An error occurred while generating this request. Please check your inputs.",
            "Tavus had a problem with this video. Try again; if it fails again, change the script or the options.",
            "video_error",
        ),
        (f"Something else about {KEY}.", "Something else about [redacted].", None),
        ("", "Tavus could not make the video and gave no reason.", None),
    ],
)
async def test_a_failed_video_says_what_to_do(sentence: str, text: str, code: str | None) -> None:
    failed = READY | {"status": "error", "status_details": sentence, "error_details": None}
    tavus, _ = tavus_that_answers(ok(failed))

    assert await tavus.get_video(KEY, "1e30440cf9") == Video(
        "1e30440cf9", "failed", error=text, error_code=code
    )


async def test_a_video_that_was_deleted_at_tavus_has_failed() -> None:
    tavus, _ = tavus_that_answers(ok(READY | {"status": "deleted"}))

    video = await tavus.get_video(KEY, "1e30440cf9")
    assert (video.status, video.error) == ("failed", "The video was deleted at Tavus.")


@pytest.mark.parametrize("status", [400, 404])
async def test_an_unknown_video_is_not_found(status: int) -> None:
    tavus, _ = tavus_that_answers(httpx.Response(status, json={"error": "Invalid video_id"}))

    with pytest.raises(ProviderNotFound):
        await tavus.get_video(KEY, "nope")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"transparent_background": True}, "must set `fast` to use `transparent_background`"),
        (
            {"fast": True, "background_url": "https://example.com"},
            "cannot combine `fast` with `background_url` or `background_source_url`",
        ),
        (
            {"properties": {"background_scroll_type": "smooth"}},
            "must set `background_url` to use the scroll options in `properties`",
        ),
        ({"backround_url": "https://example.com"}, "is not an option. Did you mean `background_url`?"),
        (
            {"unchecked": {"callback_url": "https://example.com"}},
            "must not set `callback_url` under `unchecked`: the service sets it",
        ),
    ],
)
def test_options_that_cannot_be_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        check_options(TavusOptions, options, "body.provider_config")
    [error] = caught.value.extra["errors"]
    assert error["message"].endswith(message)


def test_every_documented_option_passes() -> None:
    check_options(
        TavusOptions,
        {
            "background_url": "https://example.com",
            "watermark_image_url": "https://example.com/logo.png",
            "properties": {
                "background_scroll": True,
                "background_scroll_type": "human",
                "background_scroll_depth": "bottom",
                "background_scroll_return": "halt",
                "start_with_wave": False,
            },
        },
        "body.provider_config",
    )
    check_options(TavusOptions, {"fast": True, "transparent_background": True}, "body.provider_config")
