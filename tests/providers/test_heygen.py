"""HeyGen's client against the documented shapes of its v3 API, through a mock transport."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx
import pytest
from pydantic import JsonValue

from app.errors import (
    ApiKeyRejected,
    ProviderError,
    ProviderNotFound,
    ProviderRateLimited,
    ProviderRejected,
    ProviderUnavailable,
    QuotaExceeded,
)
from app.http import retry_after_seconds
from app.providers import PROVIDERS
from app.providers.base import Account, Avatar, Page, Provider, Video, Voice
from app.providers.heygen import HeyGen
from app.providers.transport import Timeouts

pytestmark = pytest.mark.anyio

KEY = "hg-CANARY-key"


def heygen_that_answers(answer: httpx.Response) -> tuple[Provider, list[httpx.Request]]:
    seen: list[httpx.Request] = []

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        # MockTransport's responses are read already; the client streams, as from a socket.
        return httpx.Response(
            answer.status_code, headers=answer.headers, stream=httpx.ByteStream(answer.content)
        )

    client = httpx.AsyncClient(transport=httpx.MockTransport(handle))
    return HeyGen(client, "https://api.heygen.test/", reading=Timeouts(budget=0.1)), seen


def ok(content: Any) -> httpx.Response:
    return httpx.Response(200, json=content)


def refused(status: int, code: str, message: str = "Because.", **headers: str) -> httpx.Response:
    error = {"code": code, "message": message, "doc_url": "https://developers.heygen.com/docs/error-codes"}
    return httpx.Response(status, json={"error": error}, headers=headers)


async def create(heygen: Provider, options: Mapping[str, JsonValue] | None = None, **changed: Any) -> Video:
    arguments: dict[str, Any] = {"script": "Hello", "avatar_id": "look-1", "voice_id": None, "title": None}
    return await heygen.create_video(
        KEY, idempotency_key="b6c5-1", options=options or {}, **(arguments | changed)
    )


async def test_the_registry_makes_a_heygen_without_any_io() -> None:
    spec = PROVIDERS["heygen"]
    assert (spec.name, spec.title, spec.default_api_url) == ("heygen", "HeyGen", "https://api.heygen.com")
    async with httpx.AsyncClient() as client:
        assert KEY not in repr(spec.create(client, spec.default_api_url))


async def test_verify_key_asks_who_the_key_belongs_to() -> None:
    heygen, seen = heygen_that_answers(
        ok(
            {
                "data": {
                    "username": "u-77",
                    "email": "ada@example.com",
                    "first_name": "Ada",
                    "last_name": None,
                    "billing_type": "wallet",
                    "wallet": {"currency": "usd", "remaining_balance": 12.5},
                }
            }
        )
    )

    assert await heygen.verify_key(KEY) == Account(label="ada@example.com")
    assert str(seen[0].url) == "https://api.heygen.test/v3/users/me"
    assert seen[0].headers["X-Api-Key"] == KEY


async def test_verify_key_falls_back_to_the_user_name() -> None:
    heygen, _ = heygen_that_answers(ok({"data": {"username": "u-77", "email": None}}))

    assert await heygen.verify_key(KEY) == Account(label="u-77")


async def test_list_avatars_reads_a_page_of_looks() -> None:
    looks = [
        {
            "id": "look-1",
            "name": "Ada in the office",
            "avatar_type": "studio_avatar",
            "gender": "female",
            "preview_image_url": "https://files.heygen.ai/1.webp?Expires=1",
        },
        {"id": "look-2", "name": None, "gender": None, "preview_image_url": "javascript:alert(1)"},
    ]
    heygen, seen = heygen_that_answers(ok({"data": looks, "has_more": True, "next_token": "t 2&/"}))

    page = await heygen.list_avatars(KEY, limit=100, page_token="t 1&/")

    assert page == Page(
        (
            Avatar("look-1", "Ada in the office", "https://files.heygen.ai/1.webp?Expires=1", "female"),
            Avatar("look-2", "look-2", None, None),
        ),
        "t 2&/",
    )
    assert seen[0].url.path == "/v3/avatars/looks"
    assert dict(seen[0].url.params) == {"limit": "50", "token": "t 1&/"}  # 50: HeyGen's own maximum


async def test_list_voices_reads_the_last_page() -> None:
    voice = {
        "voice_id": "voice-1",
        "name": "Grace\x00\n",
        "gender": "female",
        "language": "English",
        "preview_audio_url": None,
    }
    heygen, seen = heygen_that_answers(ok({"data": [voice], "has_more": False, "next_token": "left-over"}))

    page = await heygen.list_voices(KEY, limit=100, page_token=None)

    assert page == Page((Voice("voice-1", "Grace", None, "female", "English"),), None)
    assert dict(seen[0].url.params) == {"limit": "100"}


async def test_create_video_sends_the_documented_body_and_the_idempotency_key() -> None:
    answer = ok({"data": {"video_id": "v-1", "status": "waiting", "output_format": "mp4"}})
    heygen, seen = heygen_that_answers(answer)

    video = await create(
        heygen, {"resolution": "720p", "voice_settings": {"speed": 1.1}}, voice_id="voice-1", title="Hi"
    )

    assert video == Video("v-1", "pending")
    assert seen[0].method == "POST"
    assert seen[0].url.path == "/v3/videos"
    assert seen[0].headers["Idempotency-Key"] == "b6c5-1"
    assert seen[0].headers["Content-Type"] == "application/json"
    assert json.loads(seen[0].content) == {
        "type": "avatar",
        "avatar_id": "look-1",
        "script": "Hello",
        "voice_id": "voice-1",
        "title": "Hi",
        "resolution": "720p",
        "voice_settings": {"speed": 1.1},
    }


async def test_create_video_lets_no_option_change_what_is_said_by_whom_and_who_hears_of_it() -> None:
    heygen, seen = heygen_that_answers(ok({"data": {"video_id": "v-1", "status": "waiting"}}))

    await create(
        heygen,
        {
            "type": "image",
            "image": {"type": "url", "url": "https://elsewhere.test/x.png"},
            "avatar_id": "other",
            "script": "other",
            "voice_id": "other",
            "title": "other",
            "audio_url": "https://elsewhere.test/x.mp3",
            "audio_asset_id": "x",
            "callback_url": "https://elsewhere.test/",
            "callback_id": "x",
            "aspect_ratio": "9:16",
        },
    )

    assert json.loads(seen[0].content) == {
        "type": "avatar",
        "avatar_id": "look-1",
        "script": "Hello",
        "aspect_ratio": "9:16",
    }


async def test_create_video_carries_any_script() -> None:
    heygen, seen = heygen_that_answers(ok({"data": {"video_id": "v-1", "status": "waiting"}}))

    await create(heygen, script='Zażółć "\ud800" 👋')

    assert json.loads(seen[0].content)["script"] == 'Zażółć "\ud800" 👋'


async def test_create_video_refuses_options_that_are_not_json() -> None:
    heygen, seen = heygen_that_answers(ok({}))

    with pytest.raises(ProviderRejected):
        await create(heygen, {"voice_settings": {"speed": float("nan")}})
    assert seen == []


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"status": "pending"}, Video("v-1", "pending")),
        ({"status": "waiting"}, Video("v-1", "pending")),
        ({"status": "processing", "video_url": None}, Video("v-1", "processing")),
        ({"status": "a new one"}, Video("v-1", "processing")),
        (
            {"status": "completed", "video_url": "https://files.heygen.ai/v.mp4", "duration": 3.5},
            Video("v-1", "completed", "https://files.heygen.ai/v.mp4"),
        ),
        ({"status": "completed", "video_url": None}, Video("v-1", "processing")),
        (
            {"status": "failed", "failure_code": "rendering_failed", "failure_message": "Timed out"},
            Video("v-1", "failed", error="rendering_failed: Timed out"),
        ),
        ({"status": "failed"}, Video("v-1", "failed", error="HeyGen gave no reason.")),
    ],
)
async def test_get_video_normalises_the_state(data: dict[str, Any], expected: Video) -> None:
    heygen, _ = heygen_that_answers(ok({"data": {"id": "v-1", "title": "x", "created_at": 1} | data}))

    assert await heygen.get_video(KEY, "v-1") == expected


async def test_get_video_keeps_an_odd_id_inside_its_path_segment() -> None:
    heygen, seen = heygen_that_answers(ok({"data": {"id": "v", "status": "pending"}}))

    await heygen.get_video(KEY, "../users/me?x=1#é")

    assert seen[0].url.raw_path == b"/v3/videos/..%2Fusers%2Fme%3Fx%3D1%23%C3%A9"


@pytest.mark.parametrize("video_id", ["", ".", ".."])
async def test_get_video_does_not_ask_for_ids_that_are_other_paths(video_id: str) -> None:
    heygen, seen = heygen_that_answers(ok({}))

    with pytest.raises(ProviderNotFound):
        await heygen.get_video(KEY, video_id)
    assert seen == []


@pytest.mark.parametrize(
    ("answer", "kind", "code"),
    [
        (refused(401, "unauthorized"), ApiKeyRejected, None),
        (httpx.Response(401, text="<h1>401</h1>"), ApiKeyRejected, None),
        (refused(402, "insufficient_credit"), QuotaExceeded, "insufficient_credit"),
        (refused(429, "quota_exceeded"), QuotaExceeded, "quota_exceeded"),
        (refused(429, "rate_limit_exceeded", **{"Retry-After": "7"}), ProviderRateLimited, None),
        (refused(403, "forbidden"), ProviderRejected, "forbidden"),
        (refused(400, "invalid_parameter"), ProviderRejected, "invalid_parameter"),
        (refused(404, "avatar_not_found"), ProviderNotFound, "avatar_not_found"),
        (refused(409, "request_in_progress"), ProviderUnavailable, None),
        (refused(503, "", **{"Retry-After": "7"}), ProviderUnavailable, None),
        (refused(200, "unauthorized"), ApiKeyRejected, None),
        (refused(200, "insufficient_credit"), QuotaExceeded, "insufficient_credit"),
        (refused(200, "rate_limit_exceeded"), ProviderRateLimited, None),
        (refused(200, "video_not_found"), ProviderNotFound, "video_not_found"),
        (refused(200, "something_new"), ProviderRejected, "something_new"),
        (ok({"error": "no such thing", "data": None}), ProviderRejected, "200"),
    ],
)
async def test_each_documented_refusal_has_its_own_error(
    answer: httpx.Response, kind: type[ProviderError], code: str | None
) -> None:
    heygen, _ = heygen_that_answers(answer)

    with pytest.raises(ProviderError) as caught:
        await create(heygen)

    assert type(caught.value) is kind
    assert getattr(caught.value, "provider_code", None) == code
    if "Retry-After" in answer.headers:
        assert getattr(caught.value, "retry_after", None) == 7


async def test_a_200_with_a_null_error_is_a_success() -> None:
    heygen, _ = heygen_that_answers(ok({"error": None, "data": {"username": "u"}}))

    assert await heygen.verify_key(KEY) == Account("u")


async def test_what_heygen_says_is_passed_on_without_key_control_characters_and_length() -> None:
    said = f"Key {KEY} is\r\nblocked\x1b[31m" + "!" * 5000
    heygen, _ = heygen_that_answers(refused(403, f"no\x00{KEY}", said))

    with pytest.raises(ProviderRejected) as caught:
        await heygen.verify_key(KEY)

    error = caught.value
    assert error.detail.startswith("Key [redacted] is  blocked[31m!!!")
    assert len(error.detail) <= 500
    assert error.provider_code == "no[redacted]"
    assert KEY not in repr(error)


async def test_the_reason_of_a_failed_video_is_cleaned_as_well() -> None:
    data = {"id": "v", "status": "failed", "failure_message": f"{KEY}\x07 gone"}
    heygen, _ = heygen_that_answers(ok({"data": data}))

    assert (await heygen.get_video(KEY, "v")).error == "[redacted] gone"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        ("7", 7),
        (" 0 ", 0),
        ("9" * 400, 86400),
        ("-1", None),
        ("1.5", None),
        ("²", None),
        ("nan", None),
        ("soon", None),
        ("Mon, 01 Jan 2024 00:00:00 GMT", 0),
        ("Mon, 01 Jan 2024 00:00:00", None),
        ("Mon, 01 Jan 2024 00:00:00 +9999999999", None),
    ],
)
def test_retry_after_is_read_in_seconds_and_nonsense_is_ignored(
    value: str | None, expected: float | None
) -> None:
    assert retry_after_seconds(value) == expected


def test_retry_after_may_be_a_date() -> None:
    value = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)

    assert 28 < (retry_after_seconds(value) or 0) <= 30
