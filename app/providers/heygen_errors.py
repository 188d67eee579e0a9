"""What HeyGen's errors mean, and the texts that tell a user what to do about them.

Source of the format and the codes: https://developers.heygen.com/docs/error-codes, the error handling of
HeyGen's own command line client (https://github.com/heygen-com/heygen-cli, internal/errors), and answers seen in
2026. A code that is not listed here is classified by the HTTP status, as HeyGen's client does it.
"""

from collections.abc import Mapping
from typing import Final

from pydantic import BaseModel, ValidationError

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

from .text import sanitize
from .transport import Response

NAME: Final = "heygen"

_CODE_LIMIT: Final = 64

# The reference pages' examples say `authentication_failed`, the error table and the API itself `unauthorized`.
_KEY_REJECTED: Final = {"unauthorized", "authentication_failed"}
_RATE_LIMITED: Final = {"rate_limit_exceeded"}
_TRANSIENT: Final = {"internal_error", "service_unavailable", "gateway_timeout"}
# 429 as well, but a quota does not come back within seconds: https://developers.heygen.com/docs/error-codes
_OUT_OF_CREDIT: Final = {
    "insufficient_credit",
    "quota_exceeded",
    "trial_limit_exceeded",
    "plan_upgrade_required",
    "subscription_required",
}
# The outcome is unknown: the request may have been processed. 499 is nginx's "client closed request".
_UNKNOWN_OUTCOME: Final = {408, 409, 425, 499}
# Refusals of a create before any work: https://developers.heygen.com/docs/error-codes. A 404 is one if it is about an
# input; about the video, it comes after the create.
_REFUSALS: Final = {400, 401, 402, 403, 422, 429}
_INPUTS_NOT_FOUND: Final = {
    "avatar_not_found",
    "avatar_group_not_found",
    "voice_not_found",
    "asset_not_found",
    "resource_not_found",
}

_UPGRADE: Final = "Your HeyGen plan does not include this. Upgrade it at HeyGen, or choose other options."
_CHOOSE_AVATAR: Final = "HeyGen does not have this avatar. Choose another avatar."
_CHOOSE_VOICE: Final = "HeyGen does not have this voice. Choose another voice."
_BUSY: Final = "HeyGen has a temporary problem. Try again in a few minutes."

_TEXTS: Final[Mapping[str, str]] = {
    "insufficient_credit": "Your HeyGen account has no credits left. Add credits at HeyGen, then try again.",
    "quota_exceeded": "Your HeyGen account has used up its quota. Raise it at HeyGen, or wait until it is renewed.",
    "trial_limit_exceeded": "Your HeyGen trial has no videos left. Choose a plan at HeyGen, then try again.",
    "plan_upgrade_required": _UPGRADE,
    "subscription_required": _UPGRADE,
    "forbidden": "This HeyGen API key is not allowed to do this. Use a key of the workspace's owner or administrator.",
    "resource_access_denied": "The avatar or voice belongs to another HeyGen account. Choose one of your own.",
    "ai_vendor_access_restricted": (
        "The policy of your HeyGen workspace does not allow this engine or voice. Ask the workspace's administrator, "
        "or choose another one."
    ),
    "avatar_not_found": _CHOOSE_AVATAR,
    "avatar_group_not_found": _CHOOSE_AVATAR,
    "avatar_expired": "This HeyGen avatar has expired. Renew it at HeyGen, or choose another avatar.",
    "avatar_not_usable": (
        "HeyGen cannot use this avatar: it is not ready, or it did not pass moderation. Choose another avatar."
    ),
    "avatar_consent_required": (
        "The person shown by this HeyGen avatar has not given consent yet. Complete the consent at HeyGen, "
        "or choose another avatar."
    ),
    "voice_not_found": _CHOOSE_VOICE,
    "voice_not_usable": "Your HeyGen plan or options do not allow this voice. Choose another voice.",
    "voice_unavailable": "This HeyGen voice is not ready. Check it at HeyGen, or choose another voice.",
    "voice_expired": "This HeyGen voice has expired. Renew it at HeyGen, or choose another voice.",
    "voice_provider_error": _BUSY,
    "video_not_found": "HeyGen has no such video. It may have been deleted there.",
    "asset_not_found": "HeyGen does not have an asset that the options name. Upload it again, or change the options.",
    "asset_not_available": "HeyGen is still processing an asset that the options name. Try again in a few minutes.",
    "content_policy_violation": "HeyGen's moderation refused the script or an image. Change it, then try again.",
    "script_too_short": "The script is too short for HeyGen. Write a longer one, then try again.",
    "tts_text_invalid": "HeyGen cannot speak this script. Remove unusual characters, then try again.",
    "video_too_long": "The video would be longer than HeyGen allows. Shorten the script, then try again.",
    "no_audio_track": "HeyGen found no sound in the audio file that the options name. Use another file.",
    "download_failed": "HeyGen could not download a file that the options name. Check its address.",
    "invalid_parameter": "HeyGen does not accept one of the video's options. Correct it, then try again.",
    "unlimited_mode_disabled": _UPGRADE,
    "resource_limit_reached": "Your HeyGen account has no free slot for this. Delete something at HeyGen, or upgrade.",
    "resource_limit_exceeded": "Your HeyGen account has no free slot for this. Delete something at HeyGen, or upgrade.",
    "resource_not_ready": "HeyGen is still preparing the avatar or voice. Try again in a few minutes.",
    "payload_too_large": "The script or the options are too large for HeyGen. Shorten them, then try again.",
    "internal_error": _BUSY,
    "service_unavailable": _BUSY,
    "gateway_timeout": _BUSY,
}
# Texts that need HeyGen's own message, because only it says which option, file or word is meant.
_WITH_MESSAGE: Final = {
    "ai_vendor_access_restricted",
    "asset_not_found",
    "content_policy_violation",
    "download_failed",
    "invalid_parameter",
    "tts_text_invalid",
}


class _Error(BaseModel):
    code: str | int | None = None
    message: str | None = None


class _Failure(BaseModel):
    error: _Error | str | None = None


def explain(code: str, message: str) -> str:
    """Return the text for users: what happened and what to do, never with the code; "" if nothing is known."""
    text = _TEXTS.get(code)
    if text is None:
        return message
    return f"{text} HeyGen says: {message}" if message and code in _WITH_MESSAGE else text


def clean_code(code: str | int | None, api_key: str) -> str:
    """Return an error code as it may be stored and shown."""
    return sanitize(str(code or ""), limit=_CODE_LIMIT, secret=api_key)


def to_error(answer: Response, api_key: str) -> ProviderError | None:
    """Return what an answer says went wrong, None if nothing did. An error may come in a 200 as well.

    `error: null`, which some answers have, is no error.
    """
    stated = _stated_error(answer.body)
    status = answer.status
    if stated is None and 200 <= status < 300:
        return None
    code = clean_code(stated.code, api_key) if stated else ""
    message = sanitize(stated.message or "", secret=api_key) if stated else ""
    if status == 401 or code in _KEY_REJECTED:
        return ApiKeyRejected(NAME, "HeyGen rejected the API key.")
    if status == 402 or code in _OUT_OF_CREDIT:
        text = explain(code, message) or _TEXTS["insufficient_credit"]
        return QuotaExceeded(NAME, text, provider_code=code or str(status), provider_message=message)
    if transient := _transient_error(answer, code, message):
        return transient
    # An error of a code that no table has, in a 200, may have come after the work was done.
    if stated and (400 <= status < 500 or code in _TEXTS or code.endswith("not_found")):
        kind = ProviderNotFound if status == 404 or code.endswith("not_found") else ProviderRejected
        text = explain(code, message) or "HeyGen refused the call and gave no reason."
        return kind(NAME, text, provider_code=code or str(status), provider_message=message)
    return ProviderUnexpectedAnswer(NAME, message or f"HeyGen answered {status} without saying why.")


def to_create_error(answer: Response, api_key: str) -> ProviderError:
    """Return the error of a create's answer that names no video.

    `may_have_happened` is False only for what HeyGen documents as a refusal before it starts any work.
    """
    error = to_error(answer, api_key)
    if error is None:
        return ProviderUnexpectedAnswer(NAME, "HeyGen's answer has an unexpected shape.")
    missing_input = isinstance(error, ProviderNotFound) and error.provider_code in _INPUTS_NOT_FOUND
    if error.may_have_happened or missing_input or answer.status in _REFUSALS:
        return error
    return ProviderUnexpectedAnswer(NAME, error.detail)


def _transient_error(answer: Response, code: str, message: str) -> ProviderError | None:
    retry_after = retry_after_seconds(answer.headers.get("retry-after"))
    if answer.status == 429 or code in _RATE_LIMITED:
        return ProviderRateLimited(NAME, "HeyGen takes no more calls just now.", retry_after=retry_after)
    if code == "request_in_progress":
        # The first request with this Idempotency-Key makes the video; asked again, HeyGen replays it.
        # https://developers.heygen.com/reference/create-video
        text = "HeyGen is still working on the same request."
        return ProviderUnavailable(NAME, text, retry_after=5.0 if retry_after is None else retry_after)
    if answer.status >= 500 or code in _TRANSIENT:
        return ProviderUnavailable(NAME, "HeyGen has a fault of its own.", retry_after=retry_after)
    if answer.status in _UNKNOWN_OUTCOME:
        text = explain(code, message) or "HeyGen did not say what became of the request."
        return ProviderUnavailable(NAME, text, retry_after=retry_after)
    return None


def _stated_error(body: bytes) -> _Error | None:
    try:
        error = _Failure.model_validate_json(body).error
    except ValidationError:  # dropped, because it quotes the body
        return None
    if not error:
        return None
    return error if isinstance(error, _Error) else _Error(message=error)
