"""What the stand-in HeyGen accepts, from https://developers.heygen.com/reference/create-video; the rest is a 400."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from starlette.requests import Request

from .catalogue import PEOPLE


class HeyGenError(Exception):
    """An error response in HeyGen's format."""

    def __init__(self, status: int, code: str, message: str, *, param: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        anchor = code.replace("_", "-")
        doc_url = f"https://developers.heygen.com/docs/error-codes#{anchor}"
        error = {"code": code, "message": message, "doc_url": doc_url}
        self.content = {"error": error if param is None else error | {"param": param}}


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _one_of(*values: str) -> Callable[[Any], bool]:
    return lambda value: value in values


def _object(**rules: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: (
        isinstance(value, dict) and all(rule(value[name]) for name, rule in rules.items() if name in value)
    )


def _number(low: float, high: float) -> Callable[[Any], bool]:
    return lambda value: type(value) in (int, float) and low <= value <= high


_RULES: Final[Mapping[str, Callable[[Any], bool]]] = {
    "type": _one_of("avatar"),
    "avatar_id": lambda value: _text(value) and value != "",
    "script": lambda value: _text(value) and 1 <= len(value) <= 5000,
    "voice_id": _text,
    "title": _text,
    "resolution": _one_of("720p", "1080p", "4k"),
    "aspect_ratio": _one_of("16:9", "9:16", "4:5", "5:4", "1:1", "auto"),
    "fit": _one_of("contain", "cover"),
    # Unlike at the top level, HeyGen ignores unknown keys in here.
    "background": _object(type=_one_of("color", "image"), value=_text, url=_text, asset_id=_text),
    "remove_background": lambda value: isinstance(value, bool),
    "output_format": _one_of("mp4", "webm"),
    "caption": _object(file_format=_one_of("srt"), style=lambda value: value in (None, "default")),
    "engine": _object(type=_one_of("avatar_iii", "avatar_iv", "avatar_v"), reference_look_id=_text),
    "motion_prompt": _text,
    "expressiveness": _one_of("high", "medium", "low"),
    "voice_settings": _object(
        speed=_number(0.5, 1.5), pitch=_number(-50, 50), volume=_number(0, 1), locale=_text
    ),
    "watermark": _object(),
    "callback_url": _text,
    "callback_id": _text,
}
_REQUIRED: Final = ("type", "avatar_id", "script")
_UNUSABLE: Final = {
    "processing": ("avatar_not_usable", "This avatar is not ready."),
    "pending_consent": ("avatar_consent_required", "The avatar's consent is missing."),
    "failed": ("avatar_not_usable", "This avatar cannot be used because it did not pass content moderation."),
}


def check_video(body: dict[str, Any]) -> dict[str, Any]:
    """Return the body of a create. Raises HeyGenError."""
    for param in body:
        if param not in _RULES:
            raise HeyGenError(
                400, "invalid_parameter", f"{param}: Extra inputs are not permitted", param=param
            )
    for param, holds in _RULES.items():
        value = body.get(param)
        if (value is None and param in _REQUIRED) or (value is not None and not holds(value)):
            raise HeyGenError(400, "invalid_parameter", f"{param} is missing or invalid.", param=param)
    if body.get("background") is not None and body.get("output_format") == "webm":
        raise HeyGenError(400, "invalid_parameter", "A webm has no background.", param="background")
    if body["avatar_id"].startswith("missing"):
        raise HeyGenError(404, "avatar_not_found", "Avatar not found.", param="avatar_id")
    person = PEOPLE.get(body["avatar_id"])
    if person is not None and person.status in _UNUSABLE:
        code, message = _UNUSABLE[person.status]
        raise HeyGenError(400, code, message, param="avatar_id")
    return body


def check_choice(request: Request, param: str, *choices: str) -> str | None:
    """Return a query parameter that is one of `choices`, None without it. Raises HeyGenError."""
    value = request.query_params.get(param)
    if value is not None and value not in choices:
        wanted = " or ".join(f"'{choice}'" for choice in choices)
        raise HeyGenError(400, "invalid_parameter", f"Input should be {wanted}", param=param)
    return value
