"""Options as callers write them, against HeyGen's documented fields.

https://developers.heygen.com/reference/create-video, type `avatar`.
"""

from typing import Any

import pytest
from providers_added.chatty import ChattyOptions

from app.errors import InvalidRequest
from app.providers.heygen_options import HeyGenOptions
from app.providers.options import ProviderOptions, check_options, flatten_options

DOCUMENTED: dict[str, Any] = {
    "resolution": "4k",
    "aspect_ratio": "auto",
    "fit": "cover",
    "background": {"type": "image", "url": "https://example.com/b.png"},
    "remove_background": False,
    "output_format": "mp4",
    "caption": {"file_format": "srt", "style": "default"},
    "engine": {"type": "avatar_v", "reference_look_id": "look-1"},
    "motion_prompt": "wave once",
    "voice_settings": {
        "speed": 1,
        "pitch": -50,
        "volume": 0.5,
        "locale": "en-AU",
        "engine_settings": {"engine_type": "elevenlabs", "model": "eleven_v3", "stability": 0.3},
    },
    "watermark": {"image": {"type": "asset", "asset_id": "a"}, "scale": 1},
}


def refusals(options: dict[str, Any], model: type[ProviderOptions] = HeyGenOptions) -> list[tuple[str, str]]:
    with pytest.raises(InvalidRequest) as caught:
        check_options(model, options, "body.provider_config")
    return [(error["field"], error["message"]) for error in caught.value.extra["errors"]]


@pytest.mark.parametrize(
    "options",
    [
        None,
        {},
        DOCUMENTED,
        dict.fromkeys(DOCUMENTED),  # null is HeyGen's default
        {"expressiveness": "high", "engine": {"type": "avatar_iv"}},
        {"output_format": "webm"},
        {"background": {"type": "color", "value": "#Ff8800"}},
        {"caption": {}},
        {"voice_settings": {"engine_settings": {"engine_type": "fish", "model": "s2-pro", "similarity": 2}}},
        {"voice_settings": {"engine_settings": {"engine_type": "starfish"}}},
        {"unchecked": {"resolution": "8k", "brand_new": {"anything": [1]}}},
    ],
)
def test_documented_options_are_accepted(options: dict[str, Any] | None) -> None:
    check_options(HeyGenOptions, options, "body.provider_config")


@pytest.mark.parametrize(
    ("options", "field", "message"),
    [
        ({"resolutoin": "720p"}, "resolutoin", "Did you mean `resolution`?"),
        ({"aspectRatio": "1:1"}, "aspectRatio", "Did you mean `aspect_ratio`?"),
        ({"voice_settings": {"sped": 1}}, "voice_settings.sped", "Did you mean `speed`?"),
        (
            {"engine": {"type": "avatar_v", "reference_look": "x"}},
            "engine.reference_look",
            "`reference_look_id`?",
        ),
        (
            {"voice_settings": {"engine_settings": {"engine_type": "elevenlabs", "stabilty": 1}}},
            "voice_settings.engine_settings.stabilty",
            "Did you mean `stability`?",
        ),
        ({"background": {"type": "color", "valu": "#ffffff"}}, "background.valu", "Did you mean `value`?"),
        ({"brand_new": 1}, "brand_new", "put it under `unchecked`"),
        ({"script": "other"}, "script", "the service sets it"),
        ({"callback_url": "https://example.com"}, "callback_url", "the service sets it"),
    ],
)
def test_unknown_option_is_refused_with_the_nearest_known_one(
    options: dict[str, Any], field: str, message: str
) -> None:
    [(refused, why), *_] = refusals(options)
    assert refused == f"body.provider_config.{field}"
    assert message in why


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"resolution": "8k"}, "resolution"),
        ({"resolution": 720}, "resolution"),
        ({"caption": True}, "caption"),
        ({"caption": {"file_format": "vtt"}}, "caption.file_format"),
        ({"engine": "avatar_iv"}, "engine"),
        ({"engine": {}}, "engine.type"),
        ({"engine": {"type": "avatar_iv", "reference_look_id": "x"}}, "engine"),
        ({"background": {"type": "color"}}, "background"),
        ({"background": {"type": "color", "value": "red"}}, "background.value"),
        ({"background": {"type": "image"}}, "background"),
        ({"background": {"type": "image", "url": "u", "asset_id": "a"}}, "background"),
        ({"background": {"type": "color", "value": "#ffffff"}, "output_format": "webm"}, ""),
        ({"motion_prompt": "wave", "engine": {"type": "avatar_iii"}}, ""),
        ({"expressiveness": "low", "engine": {"type": "avatar_v"}}, ""),
        ({"voice_settings": {"speed": 1.6}}, "voice_settings.speed"),
        ({"voice_settings": {"speed": "1"}}, "voice_settings.speed"),  # HeyGen would get a text
        ({"voice_settings": {"volume": -0.1}}, "voice_settings.volume"),
        ({"voice_settings": {"engine_settings": {"engine_type": "x"}}}, "voice_settings.engine_settings"),
        ({"unchecked": []}, "unchecked"),
        ({"unchecked": {"script": "other"}}, ""),
    ],
)
def test_value_that_heygen_would_refuse_is_refused_here(options: dict[str, Any], field: str) -> None:
    [(refused, why)] = refusals(options)
    assert refused == ".".join(part for part in ("body.provider_config", field) if part)
    assert why.startswith(f"`provider_config.{field}`".replace(".`", "`"))


@pytest.mark.parametrize(
    "option", ["engine", "caption", "background", "voice_settings", "watermark", "unchecked"]
)
def test_text_in_place_of_an_object_is_refused_in_words(option: str) -> None:
    assert refusals({option: "avatar_iv"}) == [
        (f"body.provider_config.{option}", f"`provider_config.{option}` must be an object")
    ]


def test_many_unknown_options_are_not_all_listed() -> None:
    assert len(refusals({f"{'x' * 300}{number}": 1 for number in range(200)})) == 50


def test_each_provider_has_its_own_options() -> None:
    check_options(ChattyOptions, {"mood": "calm"}, "body.provider_config")
    assert refusals({"resolution": "720p"}, ChattyOptions)[0][0] == "body.provider_config.resolution"


@pytest.mark.parametrize(
    ("options", "flat"),
    [
        (None, {}),
        ({"resolution": "720p"}, {"resolution": "720p"}),
        ({"a": 1, "unchecked": {"b": 2, "a": 3}}, {"a": 3, "b": 2}),
        ({"a": 1, "unchecked": None}, {"a": 1}),
        ({"unchecked": "stored before"}, {}),
    ],
)
def test_unchecked_options_are_sent_beside_the_others(
    options: dict[str, Any] | None, flat: dict[str, Any]
) -> None:
    assert flatten_options(options) == flat
