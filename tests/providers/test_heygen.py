"""HeyGen's client against the documented shapes of its v3 API, through a mock transport."""

import json
from collections.abc import Callable, Mapping
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
    ProviderUnexpectedAnswer,
    QuotaExceeded,
)
from app.http import retry_after_seconds
from app.providers import PROVIDERS
from app.providers.base import Account, Avatar, Filters, Ownership, Page, Provider, Remaining, Video, Voice
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


USER = {"username": "u-77", "email": "ada@example.com", "first_name": "Ada", "last_name": None}


# https://developers.heygen.com/reference/get-current-user
@pytest.mark.parametrize(
    ("billing", "billing_type", "remaining"),
    [
        ({"wallet": {"currency": "usd", "remaining_balance": 42.5}}, "wallet", Remaining(42.5, "usd")),
        ({"wallet": {"currency": "credits", "remaining_balance": 9}}, "wallet", Remaining(9, "credits")),
        ({"wallet": {"currency": "usd", "remaining_balance": None}}, "wallet", None),
        (
            {
                "subscription": {
                    "plan": "pro",
                    "credits": {
                        "premium_credits": {"remaining": 100, "resets_at": "2027-01-01T00:00:00Z"},
                        "add_on_credits": {"remaining": 20, "resets_at": None},
                    },
                }
            },
            "subscription",
            Remaining(120, "credits"),
        ),
        (
            {"subscription": {"plan": "free", "credits": {"premium_credits": None, "add_on_credits": None}}},
            "subscription",
            None,
        ),
        (
            {
                "usage_based": {
                    "spending_current_usd": 12.5,
                    "spending_cap_usd": 100,
                    "remaining_credits": None,
                }
            },
            "usage_based",
            Remaining(87.5, "usd"),
        ),
        (
            {"usage_based": {"spending_current_usd": 120, "spending_cap_usd": 100}},
            "usage_based",
            Remaining(0, "usd"),
        ),
        (
            {"usage_based": {"included_credits": 10, "remaining_credits": 3}},
            "usage_based",
            Remaining(3, "credits"),
        ),
    ],
)
async def test_verify_key_reads_the_account_and_what_is_left_in_it(
    billing: dict[str, Any], billing_type: str, remaining: Remaining | None
) -> None:
    blocks: dict[str, Any] = {"wallet": None, "subscription": None, "usage_based": None}
    heygen, seen = heygen_that_answers(ok({"data": USER | {"billing_type": billing_type} | blocks | billing}))

    assert await heygen.verify_key(KEY) == Account("ada@example.com", billing_type, remaining)
    assert str(seen[0].url) == "https://api.heygen.test/v3/users/me"
    assert seen[0].headers["X-Api-Key"] == KEY


@pytest.mark.parametrize(
    "wallet", ["much", {"currency": 7}, {"currency": "usd", "remaining_balance": "1e999"}]
)
async def test_a_balance_in_an_unknown_shape_is_no_reason_to_reject_a_key(wallet: Any) -> None:
    heygen, _ = heygen_that_answers(ok({"data": USER | {"billing_type": None, "wallet": wallet}}))

    assert await heygen.verify_key(KEY) == Account("ada@example.com")


async def test_verify_key_falls_back_to_the_user_name() -> None:
    heygen, _ = heygen_that_answers(ok({"data": {"username": "u-77", "email": None}}))

    assert await heygen.verify_key(KEY) == Account(label="u-77")


# https://developers.heygen.com/reference/list-avatar-looks
LOOK: dict[str, Any] = {
    "id": "look-1",
    "name": "Ada in the office",
    "avatar_type": "digital_twin",
    "group_id": "group-1",
    "gender": "female",
    "preview_image_url": "https://files.heygen.ai/1.webp?Expires=1",
    "preview_video_url": "https://files.heygen.ai/1.mp4?Expires=1",
    "default_voice_id": "voice-1",
    "image_width": 1920,
    "image_height": 1080,
    "preferred_orientation": "landscape",
    "status": "completed",
    "error": None,
    "tags": [],
    "supported_api_engines": ["avatar_iv"],
}


def listing(*items: Any, next_token: str | None = None) -> httpx.Response:
    return ok({"data": items, "has_more": next_token is not None, "next_token": next_token})


async def test_list_avatars_begins_with_the_account_s_own_looks() -> None:
    odd = {"id": "look-2", "name": None, "gender": None, "preview_image_url": "javascript:alert(1)"}
    heygen, seen = heygen_that_answers(listing(LOOK, odd, next_token="t 2&/"))

    page = await heygen.list_avatars(KEY, filters=Filters(), limit=100, page_token=None)

    preview = "https://files.heygen.ai/1.webp?Expires=1"
    assert page == Page(
        (
            Avatar(
                "look-1", "Ada in the office", preview, "female", "private", None, LOOK["preview_video_url"]
            ),
            Avatar("look-2", "look-2", None, None, "private"),
        ),
        "private:t 2&/",
    )
    assert seen[0].url.path == "/v3/avatars/looks"
    assert dict(seen[0].url.params) == {"ownership": "private", "limit": "50"}  # 50: HeyGen's own maximum


@pytest.mark.parametrize(
    ("page_token", "filters", "query", "next_token"),
    [
        (None, Filters(), {"ownership": "private"}, "public"),
        ("private:t 1&/", Filters(), {"ownership": "private", "token": "t 1&/"}, "public"),
        ("public", Filters(), {"ownership": "public"}, None),
        ("public:t", Filters(), {"ownership": "public", "token": "t"}, None),
        (None, Filters(ownership="private"), {"ownership": "private"}, None),
        (None, Filters(ownership="public"), {"ownership": "public"}, None),
    ],
)
async def test_the_public_looks_follow_the_last_page_of_the_own_ones(
    page_token: str | None, filters: Filters, query: dict[str, str], next_token: str | None
) -> None:
    heygen, seen = heygen_that_answers(listing(LOOK))

    page = await heygen.list_avatars(KEY, filters=filters, limit=7, page_token=page_token)

    assert dict(seen[0].url.params) == query | {"limit": "7"}
    assert page.next_token == next_token
    assert page.items[0].ownership == query["ownership"]


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ({"status": None}, None),  # public looks have no status
        ({"status": "completed"}, None),
        ({"status": "processing"}, "HeyGen is still making this avatar."),
        (
            {"status": "pending_consent"},
            "The person shown has not given consent yet. Complete the consent at HeyGen.",
        ),
        (
            {"status": "failed", "error": {"code": "x", "message": f"Too dark {KEY}"}},
            "HeyGen could not make this avatar. HeyGen says: Too dark [redacted]",
        ),
        ({"status": "failed", "error": "odd"}, "HeyGen could not make this avatar."),
        ({"status": "a new one"}, "HeyGen does not say that this avatar is ready."),
    ],
)
async def test_a_look_that_is_not_completed_is_listed_with_the_reason(
    state: dict[str, Any], reason: str | None
) -> None:
    heygen, _ = heygen_that_answers(listing(LOOK | state))

    page = await heygen.list_avatars(KEY, filters=Filters(), limit=20, page_token=None)

    assert (page.items[0].unusable_reason, page.items[0].usable) == (reason, reason is None)


# https://developers.heygen.com/docs/voices/search-voices
VOICE = {
    "voice_id": "voice-1",
    "name": "Grace\x00\n",
    "gender": "female",
    "language": "English",
    "preview_audio_url": None,
    "support_pause": True,
    "support_locale": False,
    "type": "private",
}


async def test_list_voices_asks_for_the_account_s_cloned_voices_first() -> None:
    heygen, seen = heygen_that_answers(listing(VOICE))

    page = await heygen.list_voices(KEY, filters=Filters(), limit=100, page_token=None)

    assert page == Page((Voice("voice-1", "Grace", None, "female", "English", "private"),), "public")
    assert seen[0].url.path == "/v3/voices"
    assert dict(seen[0].url.params) == {"type": "private", "limit": "100"}


async def test_heygen_filters_voices_by_gender_and_language_and_this_service_by_name() -> None:
    other = VOICE | {"voice_id": "voice-2", "name": "Hugo", "language": "Multilingual"}
    heygen, seen = heygen_that_answers(listing(VOICE, other))

    filters = Filters(q="GRA", gender="Female", language="english", ownership="public")
    page = await heygen.list_voices(KEY, filters=filters, limit=9, page_token=None)

    assert dict(seen[0].url.params) == {
        "type": "public",
        "limit": "9",
        "gender": "female",
        "language": "English",
    }
    assert [voice.id for voice in page.items] == ["voice-1"]


async def test_a_voice_that_heygen_selects_for_a_language_is_kept_whatever_it_calls_its_language() -> None:
    heygen, _ = heygen_that_answers(listing(VOICE | {"language": "Multilingual"}))

    page = await heygen.list_voices(KEY, filters=Filters(language="English"), limit=9, page_token=None)

    assert len(page.items) == 1


async def test_a_gender_that_heygen_would_refuse_is_not_sent() -> None:
    heygen, seen = heygen_that_answers(listing(VOICE))

    page = await heygen.list_voices(KEY, filters=Filters(gender="neutral"), limit=9, page_token=None)

    assert page == Page((), "public")
    assert "gender" not in seen[0].url.params


async def test_looks_are_filtered_by_this_service_because_heygen_cannot() -> None:
    looks = [LOOK, LOOK | {"id": "look-2", "gender": "male"}, LOOK | {"id": "look-3", "name": "Bruno"}]
    heygen, seen = heygen_that_answers(listing(*looks, next_token="t"))

    filters = Filters(q="ada", gender="FEMALE", language="English")
    page = await heygen.list_avatars(KEY, filters=filters, limit=50, page_token="public")

    assert [look.id for look in page.items] == ["look-1"], "an avatar speaks any language"
    assert page.next_token == "public:t"
    assert dict(seen[0].url.params) == {"ownership": "public", "limit": "50"}


@pytest.mark.parametrize("page_token", ["", "t", "Public", "others:t"])
async def test_a_page_token_that_no_page_gave_is_refused_without_asking(page_token: str) -> None:
    heygen, seen = heygen_that_answers(listing())

    with pytest.raises(ProviderRejected):
        await heygen.list_voices(KEY, filters=Filters(), limit=9, page_token=page_token)
    assert seen == []


# https://developers.heygen.com/reference/get-avatar-look: the list's shape
@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (
            "completed",
            Avatar("look-1", "Ada in the office", "https://files.heygen.ai/1.webp", "female", "private"),
        ),
        (
            "processing",
            Avatar(
                "look-1",
                "Ada in the office",
                "https://files.heygen.ai/1.webp",
                "female",
                "private",
                "HeyGen is still making this avatar.",
            ),
        ),
        (None, Avatar("look-1", "Ada in the office", "https://files.heygen.ai/1.webp", "female", "public")),
    ],
)
async def test_get_avatar_reads_one_look(status: str | None, expected: Avatar) -> None:
    look = LOOK | {"preview_image_url": "https://files.heygen.ai/1.webp", "status": status}
    del look["preview_video_url"]
    heygen, seen = heygen_that_answers(ok({"data": look}))

    assert await heygen.get_avatar(KEY, "look-1") == expected
    assert str(seen[0].url) == "https://api.heygen.test/v3/avatars/looks/look-1"


# https://developers.heygen.com/reference/get-voice: a status for cloned voices only, and no `type`
@pytest.mark.parametrize(
    ("more", "ownership", "reason"),
    [
        ({}, "public", None),
        ({"status": None, "failure_message": None}, "public", None),
        ({"status": "complete"}, "private", None),
        ({"status": "processing"}, "private", "HeyGen is still making this voice."),
        (
            {"status": "failed", "failure_message": f"Too short {KEY}"},
            "private",
            "HeyGen could not make this voice. HeyGen says: Too short [redacted]",
        ),
        ({"status": "failed", "failure_message": {}}, "private", "HeyGen could not make this voice."),
        ({"status": "a new one"}, "private", "HeyGen does not say that this voice is ready."),
    ],
)
async def test_get_voice_reads_one_voice(
    more: dict[str, Any], ownership: Ownership, reason: str | None
) -> None:
    data = {
        "voice_id": "voice-1",
        "name": "Grace",
        "language": "English",
        "gender": "female",
        "preview_audio_url": "https://files.heygen.ai/1.mp3",
        "support_pause": True,
        "support_interactive_avatar": False,
        "created_at": 1_700_000_000,
    }
    heygen, seen = heygen_that_answers(ok({"data": data | more}))

    assert await heygen.get_voice(KEY, "voice-1") == Voice(
        "voice-1", "Grace", "https://files.heygen.ai/1.mp3", "female", "English", ownership, reason
    )
    assert str(seen[0].url) == "https://api.heygen.test/v3/voices/voice-1"


@pytest.mark.parametrize("code", ["not_found", "avatar_not_found", "voice_not_found"])
async def test_an_item_that_heygen_does_not_have_is_not_found(code: str) -> None:
    heygen, _ = heygen_that_answers(refused(404, code))

    for call in (heygen.get_avatar, heygen.get_voice):
        with pytest.raises(ProviderNotFound):
            await call(KEY, "gone-1")


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
            Video("v-1", "completed", "https://files.heygen.ai/v.mp4", duration_seconds=3.5),
        ),
        (
            {
                "status": "completed",
                "video_url": "https://files.heygen.ai/v.mp4",
                "thumbnail_url": "https://files.heygen.ai/v.jpg",
                "gif_url": "https://files.heygen.ai/v.gif",
                "captioned_video_url": "https://files.heygen.ai/c.mp4",
                "subtitle_url": "https://files.heygen.ai/v.srt",
                "duration": 63,
            },
            Video(
                "v-1",
                "completed",
                "https://files.heygen.ai/v.mp4",
                thumbnail_url="https://files.heygen.ai/v.jpg",
                duration_seconds=63,
                captioned_video_url="https://files.heygen.ai/c.mp4",
                subtitle_url="https://files.heygen.ai/v.srt",
            ),
        ),
        (
            {
                "status": "completed",
                "video_url": "https://files.heygen.ai/v.mp4",
                "thumbnail_url": {"small": "x"},
                "captioned_video_url": "javascript:alert(1)",
                "duration": "long",
            },
            Video("v-1", "completed", "https://files.heygen.ai/v.mp4"),
        ),
        (
            {"status": "processing", "thumbnail_url": "https://files.heygen.ai/v.jpg", "duration": 1},
            Video("v-1", "processing"),
        ),
        ({"status": "completed", "video_url": None}, Video("v-1", "processing")),
        (
            {"status": "failed", "failure_code": "rendering_failed", "failure_message": "Timed out"},
            Video("v-1", "failed", error="Timed out", error_code="rendering_failed"),
        ),
        (
            {"status": "failed", "failure_code": "avatar_not_usable", "failure_message": "No."},
            Video(
                "v-1",
                "failed",
                error="HeyGen cannot use this avatar: it is not ready, or it did not pass moderation. "
                "Choose another avatar.",
                error_code="avatar_not_usable",
            ),
        ),
        (
            {"status": "failed"},
            Video("v-1", "failed", error="HeyGen could not make the video and gave no reason."),
        ),
    ],
)
async def test_get_video_normalises_the_state(data: dict[str, Any], expected: Video) -> None:
    heygen, _ = heygen_that_answers(ok({"data": {"id": "v-1", "title": "x", "created_at": 1} | data}))

    assert await heygen.get_video(KEY, "v-1") == expected


@pytest.mark.parametrize(
    ("call", "path"),
    [(HeyGen.get_video, "videos"), (HeyGen.get_avatar, "avatars/looks"), (HeyGen.get_voice, "voices")],
)
async def test_an_odd_id_is_kept_inside_its_path_segment(call: Callable[..., Any], path: str) -> None:
    heygen, seen = heygen_that_answers(ok({"data": {"id": "v", "voice_id": "v"}}))

    await call(heygen, KEY, "../users/me?x=1#é")

    assert seen[0].url.raw_path == f"/v3/{path}/..%2Fusers%2Fme%3Fx%3D1%23%C3%A9".encode()


@pytest.mark.parametrize("id_", ["", ".", ".."])
@pytest.mark.parametrize("call", [HeyGen.get_video, HeyGen.get_avatar, HeyGen.get_voice])
async def test_ids_that_are_other_paths_are_not_asked_for(call: Callable[..., Any], id_: str) -> None:
    heygen, seen = heygen_that_answers(ok({}))

    with pytest.raises(ProviderNotFound):
        await call(heygen, KEY, id_)
    assert seen == []


@pytest.mark.parametrize(
    ("answer", "kind", "code"),
    [
        (refused(401, "unauthorized"), ApiKeyRejected, None),
        (refused(401, "authentication_failed"), ApiKeyRejected, None),
        (refused(402, "trial_limit_exceeded"), QuotaExceeded, "trial_limit_exceeded"),
        (httpx.Response(401, text="<h1>401</h1>"), ApiKeyRejected, None),
        (refused(402, "insufficient_credit"), QuotaExceeded, "insufficient_credit"),
        (refused(429, "quota_exceeded"), QuotaExceeded, "quota_exceeded"),
        (refused(429, "rate_limit_exceeded", **{"Retry-After": "7"}), ProviderRateLimited, None),
        (refused(403, "forbidden"), ProviderRejected, "forbidden"),
        (refused(400, "invalid_parameter"), ProviderRejected, "invalid_parameter"),
        (refused(404, "avatar_not_found"), ProviderNotFound, "avatar_not_found"),
        (refused(409, "request_in_progress"), ProviderUnavailable, None),
        (refused(503, "", **{"Retry-After": "7"}), ProviderUnavailable, None),
        (refused(408, ""), ProviderUnavailable, None),
        (refused(409, "conflict"), ProviderUnavailable, None),
        (refused(425, "too_early"), ProviderUnavailable, None),
        (refused(499, ""), ProviderUnavailable, None),
        (refused(200, "something_new"), ProviderUnexpectedAnswer, None),
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
    assert code is None or code not in caught.value.detail
    if "Retry-After" in answer.headers:
        assert getattr(caught.value, "retry_after", None) == 7


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (refused(200, "unauthorized"), ApiKeyRejected),
        (refused(200, "insufficient_credit"), QuotaExceeded),
        (refused(200, "rate_limit_exceeded"), ProviderRateLimited),
        (refused(200, "video_not_found"), ProviderNotFound),
        (refused(200, "invalid_parameter"), ProviderRejected),
        (refused(200, "gateway_timeout"), ProviderUnavailable),
        (ok({"error": "no such thing", "data": None}), ProviderUnexpectedAnswer),
    ],
)
async def test_error_in_the_200_of_a_read_is_that_error(
    answer: httpx.Response, kind: type[ProviderError]
) -> None:
    heygen, _ = heygen_that_answers(answer)

    with pytest.raises(kind):
        await heygen.get_video(KEY, "v-1")


@pytest.mark.parametrize(
    "answer",
    [
        refused(400, "invalid_parameter"),
        refused(401, "unauthorized"),
        refused(402, "insufficient_credit"),
        refused(403, "forbidden"),
        refused(404, "avatar_not_found"),
        refused(404, "voice_not_found"),
        refused(422, "invalid_parameter"),
        refused(429, "rate_limit_exceeded"),
        refused(429, "quota_exceeded"),
    ],
)
async def test_create_that_heygen_refuses_before_any_work_certainly_made_no_video(
    answer: httpx.Response,
) -> None:
    heygen, _ = heygen_that_answers(answer)

    with pytest.raises(ProviderError) as caught:
        await create(heygen)

    assert not caught.value.may_have_happened


UNKNOWN: list[httpx.Response] = [
    *(refused(status, "") for status in (405, 408, 409, 410, 425, 499, 500, 502, 503, 504)),
    *(httpx.Response(status, text="<h1>No.</h1>") for status in (400, 403, 404, 422, 500, 502)),
    # What would be a refusal with another status, or about another thing.
    *(refused(500, code) for code in ("unauthorized", "insufficient_credit", "invalid_parameter")),
    *(refused(409, code) for code in ("conflict", "request_in_progress", "insufficient_credit")),
    *(refused(400, code) for code in ("internal_error", "gateway_timeout")),
    refused(404, "video_not_found"),
    *(refused(200, code) for code in ("insufficient_credit", "unauthorized", "gateway_timeout", "new", "")),
    ok({"error": "Request timed out", "data": None}),
    ok({"error": {}}),
    ok({"data": {"status": "waiting"}}),
    ok({}),
    httpx.Response(200, text="<html>"),
    httpx.Response(204),
    httpx.Response(302, headers={"Location": "https://elsewhere.test/"}),
]


@pytest.mark.parametrize("answer", UNKNOWN)
async def test_create_with_any_other_answer_may_have_made_a_video(answer: httpx.Response) -> None:
    heygen, seen = heygen_that_answers(answer)

    with pytest.raises(ProviderError) as caught:
        await create(heygen)

    assert caught.value.may_have_happened
    assert len(seen) == 1


async def test_an_error_tells_the_user_what_to_do_and_passes_heygens_own_words_on() -> None:
    message = "Your account has 5 credits but this video requires 10 credits."
    heygen, _ = heygen_that_answers(refused(402, "insufficient_credit", message))

    with pytest.raises(QuotaExceeded) as caught:
        await create(heygen)

    assert caught.value.detail == (
        "Your HeyGen account has no credits left. Add credits at HeyGen, then try again."
    )
    assert caught.value.extra == {
        "provider": "heygen",
        "provider_code": "insufficient_credit",
        "provider_message": message,
    }


async def test_a_refused_option_is_named_in_heygens_words() -> None:
    heygen, _ = heygen_that_answers(refused(400, "invalid_parameter", "fit: Input should be 'cover'"))

    with pytest.raises(ProviderRejected) as caught:
        await create(heygen)

    assert caught.value.detail == (
        "HeyGen does not accept one of the video's options. Correct it, then try again. "
        "HeyGen says: fit: Input should be 'cover'"
    )


@pytest.mark.parametrize("status", [200, 402, 409, 500])
@pytest.mark.parametrize("error", [{}, {"code": "insufficient_credit", "message": "None left"}, "odd"])
async def test_an_answer_with_a_video_id_is_a_paid_video_whatever_else_it_says(
    status: int, error: Any
) -> None:
    answer = {"data": {"video_id": "v-1", "status": "waiting"}, "error": error}
    heygen, _ = heygen_that_answers(httpx.Response(status, json=answer))

    assert await create(heygen) == Video("v-1", "pending")


@pytest.mark.parametrize(
    "more", [{}, {"status": None}, {"status": "failed"}, {"status": 7, "video_url": 5, "id": {}}]
)
async def test_nothing_beside_its_id_makes_a_created_video_unreadable(more: dict[str, Any]) -> None:
    heygen, _ = heygen_that_answers(ok({"data": {"video_id": "v-1"} | more}))

    assert await create(heygen) == Video("v-1", "pending")


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
