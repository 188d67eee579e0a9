"""The stand-in HeyGen over real HTTP, mostly as the service's own client sees it."""

import asyncio
import time
import wave
from collections.abc import Awaitable, Callable
from io import BytesIO
from typing import Any
from xml.etree import ElementTree

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from app.errors import ApiKeyRejected, ProviderNotFound, ProviderRateLimited, ProviderRejected, QuotaExceeded
from app.providers.base import Account, Avatar, Filters, Page, Provider, Remaining, Video, Voice
from app.providers.heygen import HeyGen
from app.sandbox.heygen import create_heygen_app
from app.sandbox.media import Media

pytestmark = pytest.mark.anyio

Serve = Callable[[Any], Awaitable[str]]

KEY = "sandbox-key"
MEDIA_URL = "http://media.test/media"


@pytest.fixture
async def url(serve: Serve) -> str:
    app = create_heygen_app(Media(MEDIA_URL), waiting_seconds=0.2, rendering_seconds=0.3)
    return await serve(Starlette(routes=[Mount("/heygen", app)])) + "/heygen"


@pytest.fixture
def heygen(http: httpx.AsyncClient, url: str) -> Provider:
    return HeyGen(http, url)


async def create(heygen: Provider, api_key: str = KEY, **changed: Any) -> Video:
    arguments: dict[str, Any] = {"idempotency_key": "g-1", "script": "Hello", "avatar_id": "sandbox-ada"}
    arguments |= {"voice_id": None, "title": None, "options": {}}
    return await heygen.create_video(api_key, **(arguments | changed))


async def finished(heygen: Provider, video_id: str) -> list[Video]:
    """Ask until the video is done; return what was seen, each state once."""
    seen: list[Video] = []
    deadline = time.monotonic() + 5
    while not seen or seen[-1].status in {"pending", "processing"}:
        assert time.monotonic() < deadline
        video = await heygen.get_video(KEY, video_id)
        if not seen or seen[-1].status != video.status:
            seen.append(video)
        await asyncio.sleep(0.05)
    return seen


async def every_page(ask: Callable[[str | None], Awaitable[Page[Any]]]) -> list[list[Any]]:
    pages: list[list[Any]] = []
    token = None
    while token is not None or not pages:
        page = await ask(token)
        pages.append(list(page.items))
        token = page.next_token
    return pages


async def test_a_sandbox_key_has_an_account(heygen: Provider) -> None:
    assert (await heygen.verify_key(KEY)).label == "sandbox@example.com"


@pytest.mark.parametrize("key", ["hg-real", "sandbox", "SANDBOX-x"])
async def test_any_other_key_is_rejected(heygen: Provider, key: str) -> None:
    with pytest.raises(ApiKeyRejected):
        await heygen.verify_key(key)


PUBLIC = Filters(ownership="public")


async def test_a_dozen_public_avatars_come_in_pages(heygen: Provider) -> None:
    pages = await every_page(
        lambda token: heygen.list_avatars(KEY, filters=PUBLIC, limit=5, page_token=token)
    )

    assert [len(page) for page in pages] == [5, 5, 2]
    assert len({avatar.id for page in pages for avatar in page}) == 12
    assert pages[0][0] == Avatar(
        "sandbox-ada",
        "Ada in the studio",
        f"{MEDIA_URL}/avatars/sandbox-ada.svg",
        "female",
        preview_video_url=f"{MEDIA_URL}/avatars/sandbox-ada.mp4",
    )


async def test_a_dozen_public_voices_come_in_pages_that_end_exactly(heygen: Provider) -> None:
    pages = await every_page(lambda token: heygen.list_voices(KEY, filters=PUBLIC, limit=6, page_token=token))

    assert [len(page) for page in pages] == [6, 6]
    assert pages[0][0] == Voice(
        "sandbox-voice-clara", "Clara", f"{MEDIA_URL}/voices/sandbox-voice-clara.wav", "female", "English"
    )


async def test_every_account_has_a_voice_and_avatars_of_its_own_which_come_first(heygen: Provider) -> None:
    voices = await every_page(
        lambda token: heygen.list_voices(KEY, filters=Filters(), limit=50, page_token=token)
    )
    avatars = await every_page(
        lambda token: heygen.list_avatars(KEY, filters=Filters(), limit=50, page_token=token)
    )

    assert [voice.id for voice in voices[0]] == ["sandbox-voice-own"]
    assert [(avatar.name, avatar.usable) for avatar in avatars[0]] == [
        ("My own avatar", True),
        ("My own avatar, in the making", False),
        ("My colleague", False),
        ("My own avatar, blurred", False),
    ]
    assert (avatars[0][3].unusable_reason or "").endswith("HeyGen says: The video is too dark.")
    for pages in (voices, avatars):
        assert [[item.ownership for item in page] for page in pages] == [
            ["private"] * len(pages[0]),
            ["public"] * 12,
        ]


async def test_each_listed_item_is_found_by_its_id(heygen: Provider) -> None:
    own = Filters(ownership="private")
    avatars = [
        *(await heygen.list_avatars(KEY, filters=own, limit=50, page_token=None)).items,
        *(await heygen.list_avatars(KEY, filters=PUBLIC, limit=1, page_token=None)).items,
    ]
    voices = [
        *(await heygen.list_voices(KEY, filters=own, limit=50, page_token=None)).items,
        *(await heygen.list_voices(KEY, filters=PUBLIC, limit=1, page_token=None)).items,
    ]

    assert [await heygen.get_avatar(KEY, avatar.id) for avatar in avatars] == avatars
    assert [await heygen.get_voice(KEY, voice.id) for voice in voices] == voices


async def test_an_item_that_is_in_no_list_is_not_found(heygen: Provider) -> None:
    for call, code in ((heygen.get_avatar, "not_found"), (heygen.get_voice, "voice_not_found")):
        with pytest.raises(ProviderNotFound) as caught:
            await call(KEY, "made-up")
        assert caught.value.provider_code == code
        with pytest.raises(ApiKeyRejected):
            await call("sandbox-revoked", "made-up")


async def test_voices_are_public_ones_unless_the_query_says_otherwise(
    http: httpx.AsyncClient, url: str
) -> None:
    answer = await http.get(f"{url}/v3/voices", headers={"X-Api-Key": KEY})

    assert {voice["type"] for voice in answer.json()["data"]} == {"public"}


async def test_voices_are_filtered_by_gender_and_language(heygen: Provider) -> None:
    page = await heygen.list_voices(
        KEY, filters=Filters(gender="male", language="German"), limit=50, page_token="public"
    )

    assert [voice.name for voice in page.items] == ["Hans"]


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("voices", {"type": "mine"}),
        ("voices", {"gender": "neutral"}),
        ("avatars/looks", {"ownership": "mine"}),
        ("avatars/looks", {"avatar_type": "video_avatar"}),
        ("avatars/looks", {"limit": "51"}),
    ],
)
async def test_a_filter_that_heygen_does_not_have_is_a_400(
    http: httpx.AsyncClient, url: str, path: str, query: dict[str, str]
) -> None:
    answer = await http.get(f"{url}/v3/{path}", params=query, headers={"X-Api-Key": KEY})

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_parameter")


@pytest.mark.parametrize(
    ("key", "billing_type", "remaining"),
    [
        (KEY, "wallet", Remaining(100, "usd")),
        ("sandbox-nocredit", "wallet", Remaining(0, "usd")),
        ("sandbox-subscription", "subscription", Remaining(120, "credits")),
        ("sandbox-usage", "usage_based", Remaining(87.5, "usd")),
    ],
)
async def test_accounts_are_billed_in_three_ways(
    heygen: Provider, key: str, billing_type: str, remaining: Remaining
) -> None:
    assert await heygen.verify_key(key) == Account("sandbox@example.com", billing_type, remaining)


async def test_a_made_up_page_token_is_refused(heygen: Provider) -> None:
    with pytest.raises(ProviderRejected) as caught:
        await heygen.list_voices(KEY, filters=Filters(), limit=6, page_token="public:made-up")

    assert caught.value.provider_code == "invalid_parameter"


async def test_avatar_groups_are_listed_as_well(http: httpx.AsyncClient, url: str) -> None:
    answer = await http.get(f"{url}/v3/avatars", params={"limit": 1}, headers={"X-Api-Key": KEY})

    assert answer.json()["data"][0]["looks_count"] == 1
    assert answer.json()["has_more"] is True


async def test_a_video_waits_is_rendered_and_gets_a_link(heygen: Provider) -> None:
    created = await create(heygen)
    states = await finished(heygen, created.video_id)

    assert created.status == "pending"
    assert [video.status for video in states] == ["pending", "processing", "completed"]
    assert (states[-1].video_url or "").startswith(f"{MEDIA_URL}/videos/{created.video_id}.mp4?Expires=")
    assert states[-1].thumbnail_url == f"{MEDIA_URL}/avatars/sandbox-ada.svg"
    assert states[-1].duration_seconds == 4
    assert (states[-1].subtitle_url, states[-1].captioned_video_url) == (None, None)


@pytest.mark.parametrize("style", [None, "default"])
async def test_captions_are_a_file_and_with_a_style_burned_in(heygen: Provider, style: str | None) -> None:
    caption = {"file_format": "srt", "style": style}
    created = await create(heygen, options={"caption": caption})
    [*_, video] = await finished(heygen, created.video_id)

    assert (video.subtitle_url or "").startswith(f"{MEDIA_URL}/videos/{created.video_id}.srt?Expires=")
    assert (video.captioned_video_url is not None) == (style is not None)


async def test_a_script_can_ask_for_a_failed_video(heygen: Provider) -> None:
    created = await create(heygen, script="Hello [fail]")
    states = await finished(heygen, created.video_id)

    assert states[-1] == Video(
        created.video_id, "failed", error="The script asked for it.", error_code="rendering_failed"
    )


async def test_a_script_can_ask_for_a_failure_code(heygen: Provider) -> None:
    created = await create(heygen, script="Hello [fail:voice_expired]")
    [*_, video] = await finished(heygen, created.video_id)

    assert video.error_code == "voice_expired"
    assert (video.error or "").startswith("This HeyGen voice has expired.")


async def test_the_same_idempotency_key_gets_the_same_video_whatever_the_body(
    heygen: Provider, http: httpx.AsyncClient, url: str
) -> None:
    first = await create(heygen)
    again = await create(heygen, script="Other")
    other = await create(heygen, idempotency_key="g-2")
    listed = await http.get(f"{url}/v3/videos", headers={"X-Api-Key": KEY})

    assert first.video_id == again.video_id != other.video_id
    assert [video["id"] for video in listed.json()["data"]] == [first.video_id, other.video_id]


async def test_a_video_belongs_to_its_key(heygen: Provider) -> None:
    video = await create(heygen)

    with pytest.raises(ProviderNotFound):
        await heygen.get_video("sandbox-another-key", video.video_id)


async def test_an_account_without_credit_can_look_but_not_create(heygen: Provider) -> None:
    await heygen.verify_key("sandbox-nocredit")
    await heygen.list_voices("sandbox-nocredit", filters=Filters(), limit=1, page_token=None)

    with pytest.raises(QuotaExceeded) as caught:
        await create(heygen, "sandbox-nocredit-2")
    assert caught.value.provider_code == "insufficient_credit"


async def test_a_used_up_quota_is_a_429_that_is_not_worth_waiting_for(heygen: Provider) -> None:
    with pytest.raises(QuotaExceeded) as caught:
        await create(heygen, "sandbox-quota")
    assert caught.value.provider_code == "quota_exceeded"


async def test_a_limited_key_can_be_connected_and_is_told_when_to_come_back(heygen: Provider) -> None:
    await heygen.verify_key("sandbox-limited")

    with pytest.raises(ProviderRateLimited) as caught:
        await create(heygen, "sandbox-limited")
    assert caught.value.retry_after == 30


async def test_a_revoked_key_is_rejected_at_a_later_moment(heygen: Provider) -> None:
    await heygen.verify_key("sandbox-revoked")

    with pytest.raises(ApiKeyRejected):
        await heygen.list_avatars("sandbox-revoked", filters=Filters(), limit=1, page_token=None)


async def test_a_missing_avatar_is_not_found(heygen: Provider) -> None:
    with pytest.raises(ProviderNotFound) as caught:
        await create(heygen, avatar_id="missing-1")
    assert caught.value.provider_code == "avatar_not_found"


@pytest.mark.parametrize(
    ("avatar_id", "code", "said"),
    [
        ("sandbox-own-processing", "avatar_not_usable", "it is not ready"),
        ("sandbox-own-consent", "avatar_consent_required", "has not given consent yet"),
        ("sandbox-own-failed", "avatar_not_usable", "it did not pass moderation"),
    ],
)
async def test_an_avatar_that_is_not_completed_is_refused(
    heygen: Provider, avatar_id: str, code: str, said: str
) -> None:
    with pytest.raises(ProviderRejected) as caught:
        await create(heygen, avatar_id=avatar_id)
    assert caught.value.provider_code == code
    assert said in caught.value.detail


@pytest.mark.parametrize(
    ("changed", "param"),
    [
        ({"script": ""}, "script"),
        ({"options": {"engine": "avatar_iv"}}, "engine"),
        ({"options": {"caption": True}}, "caption"),
        ({"options": {"caption": {"file_format": "vtt"}}}, "caption"),
        ({"options": {"voice_settings": {"speed": 2}}}, "voice_settings"),
        ({"options": {"expressiveness": "extreme"}}, "expressiveness"),
        ({"script": "x" * 5001}, "script"),
        ({"options": {"resolution": "8k"}}, "resolution"),
        ({"options": {"aspect_ratio": ["16:9"]}}, "aspect_ratio"),
        ({"avatar_id": ""}, "avatar_id"),
    ],
)
async def test_what_heygen_would_not_take_is_refused(
    heygen: Provider, changed: dict[str, Any], param: str
) -> None:
    with pytest.raises(ProviderRejected, match=f"HeyGen says: {param} is missing or invalid"):
        await create(heygen, **changed)


async def test_an_unknown_field_is_refused(heygen: Provider) -> None:
    with pytest.raises(ProviderRejected, match="resolutoin: Extra inputs are not permitted"):
        await create(heygen, options={"resolutoin": "720p"})


async def test_a_malformed_idempotency_key_is_refused(heygen: Provider) -> None:
    with pytest.raises(ProviderRejected):
        await create(heygen, idempotency_key="with spaces")


class TestMedia:
    """What the links lead to, shown by a page of another origin."""

    @pytest.fixture
    async def media(self, serve: Serve) -> Media:
        media = Media("")
        base = await serve(media.app)
        media.url = base  # the port is known only once it is served
        return media

    async def test_pictures_are_svg_that_another_origin_may_show(
        self, media: Media, http: httpx.AsyncClient
    ) -> None:
        answer = await http.get(media.picture_url("sandbox-ada"))

        assert answer.headers["content-type"].startswith("image/svg+xml")
        assert answer.headers["access-control-allow-origin"] == "*"
        assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
        assert ElementTree.fromstring(answer.text).tag == "{http://www.w3.org/2000/svg}svg"

    async def test_sounds_are_short_wav_files(self, media: Media, http: httpx.AsyncClient) -> None:
        answer = await http.get(media.sound_url("sandbox-voice-hans"))

        assert answer.headers["content-type"] == "audio/wav"
        with wave.open(BytesIO(answer.content)) as sound:
            assert 0.5 < sound.getnframes() / sound.getframerate() < 1.0

    async def test_a_video_link_gives_an_mp4_whole_or_in_parts(
        self, media: Media, http: httpx.AsyncClient
    ) -> None:
        link = media.video_url("v-1")
        whole = await http.get(link)
        part = await http.get(link, headers={"Range": "bytes=4-7"})

        assert whole.headers["content-type"] == "video/mp4"
        assert len(whole.content) < 60_000
        assert (part.status_code, part.content) == (206, b"ftyp")

    async def test_subtitles_and_a_captioned_video_have_links_as_well(
        self, media: Media, http: httpx.AsyncClient
    ) -> None:
        subtitles = await http.get(media.subtitle_url("v-1"))
        captioned = await http.get(media.captioned_video_url("v-1"))

        assert subtitles.text.startswith("1\n00:00:00,000 --> ")
        assert captioned.headers["content-type"] == "video/mp4"
        other = media.video_url("v-1").replace("v-1.mp4", "v-1.srt")
        assert (await http.get(other)).status_code == 403, "a signature is for one file"

    async def test_a_video_link_expires(
        self, media: Media, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        link = media.video_url("v-1")
        now = time.time()
        monkeypatch.setattr(time, "time", lambda: now + 7 * 86_400 + 2)

        assert (await http.get(link)).status_code == 403
        assert (await http.get(media.video_url("v-1"))).status_code == 200

    async def test_a_video_link_outlives_a_restart_with_the_same_secret(
        self, serve: Serve, http: httpx.AsyncClient
    ) -> None:
        before, after = (Media("", secret="one") for _ in range(2))
        before.url = await serve(after.app)

        assert (await http.get(before.video_url("v-1"))).status_code == 200

    @pytest.mark.parametrize("query", ["", "?Expires=9999999999&Signature=0", "?Expires=x&Signature=ü"])
    async def test_a_video_link_cannot_be_made_up(
        self, media: Media, http: httpx.AsyncClient, query: str
    ) -> None:
        link = media.video_url("v-1").partition("?")[0]

        assert (await http.get(link + query)).status_code == 403

    @pytest.mark.parametrize("path", ["avatars/unknown.svg", "voices/unknown.wav"])
    async def test_there_is_nothing_else(self, media: Media, http: httpx.AsyncClient, path: str) -> None:
        assert (await http.get(f"{media.url}/{path}")).status_code == 404
