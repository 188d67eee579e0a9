"""What Tavus's errors mean, and the texts that tell a user what to do about them.

Tavus has no error codes: a wrong input is a 400 with `{"error": "Invalid replica_id"}`, an unknown key a 401 with
`{"message": "Invalid access token"}` (https://docs.tavus.io/api-reference/video-request/create-video), and why a
video failed is a sentence (https://docs.tavus.io/sections/errors-and-status-details). Other statuses are
not documented and mean what HTTP says.
"""

from collections.abc import Mapping
from typing import Annotated, Final

from pydantic import BaseModel

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

from .answers import Lenient, parse
from .text import sanitize
from .transport import Response

NAME: Final = "tavus"

# Refusals of a create: 400 and 401 are documented; 402, 403 and 429 say so by HTTP's own definition. Any other error
# leaves open whether a video is being made, and Tavus has nothing that protects a repeated create.
_REFUSALS: Final = {400, 401, 402, 403, 429}

_NO_CREDIT: Final = "Your Tavus account has no credits left. Add credits at Tavus, then try again."
_FORBIDDEN: Final = (
    "Tavus does not allow this API key to do this. Check the key's permissions and addresses at Tavus."
)
# By a part of Tavus's sentence. The code is Tavus's name for the case on its page of errors.
_FAILURES: Final[Mapping[str, tuple[str, str]]] = {
    "community guidelines": (
        "script_community_guidelines",
        "The script violates Tavus's community guidelines. Change it, then try again.",
    ),
    "currently in an 'error' state": (
        "replica_in_error_state",
        "Tavus could not make this avatar. Choose another avatar, or train it again at Tavus.",
    ),
    "an error occurred while generating": (
        "video_error",
        "Tavus had a problem with this video. Try again; if it fails again, change the script or the options.",
    ),
}
# An unknown id is a 400, of a video as well.
_NOT_FOUND: Final[Mapping[str, str]] = {
    "invalid replica_id": "Tavus does not have this avatar. Choose another avatar.",
    "invalid face_id": "Tavus does not have this avatar. Choose another avatar.",
    "invalid video_id": "Tavus has no such video. It may have been deleted there.",
}
_UNEXPLAINED: Final = "Tavus could not make the video and gave no reason."


class _Failure(BaseModel):
    """Validation errors have `error`, all others `message`."""

    error: Annotated[str | None, Lenient] = None
    message: Annotated[str | None, Lenient] = None


def explain_failure(sentence: str) -> tuple[str, str | None]:
    """Return the text for users of a video's failure, and its code where the sentence is a documented one."""
    folded = sentence.casefold()
    for part, (code, text) in _FAILURES.items():
        if part in folded:
            return text, code
    return sentence or _UNEXPLAINED, None


def to_error(answer: Response, api_key: str) -> ProviderError | None:
    """Return what an answer says went wrong, None if nothing did."""
    status = answer.status
    if 200 <= status < 300:
        return None
    message = _message(answer, api_key)
    retry_after = retry_after_seconds(answer.headers.get("retry-after"))
    if status == 401:
        return ApiKeyRejected(NAME, "Tavus rejected the API key.")
    if status == 402:
        return QuotaExceeded(NAME, _NO_CREDIT, provider_code="402", provider_message=message)
    if status == 429:
        return ProviderRateLimited(NAME, "Tavus takes no more calls just now.", retry_after=retry_after)
    if status >= 500 or status in {408, 425}:
        return ProviderUnavailable(NAME, "Tavus has a fault of its own.", retry_after=retry_after)
    if status == 404 or message.casefold() in _NOT_FOUND:
        return not_found(message)
    if 400 <= status < 500 and message:
        text = _FORBIDDEN if status == 403 else f"Tavus refused the call: {message}"
        return ProviderRejected(NAME, text, provider_code=str(status), provider_message=message)
    return ProviderUnexpectedAnswer(NAME, f"Tavus answered {status} without saying why.")


def not_found(message: str) -> ProviderNotFound:
    """Return the error for what Tavus does not have; `message` is Tavus's."""
    text = _NOT_FOUND.get(message.casefold(), "Tavus does not have what was asked for.")
    return ProviderNotFound(NAME, text, provider_code="404", provider_message=message)


def to_create_error(answer: Response, api_key: str) -> ProviderError:
    """Return the error of a create's answer that names no video; `may_have_happened` is False for refusals only."""
    error = to_error(answer, api_key)
    if error is None:
        return ProviderUnexpectedAnswer(NAME, "Tavus's answer has an unexpected shape.")
    if error.may_have_happened or answer.status in _REFUSALS:
        return error
    return ProviderUnexpectedAnswer(NAME, error.detail)


def _message(answer: Response, api_key: str) -> str:
    found = parse(_Failure, answer.body)
    return sanitize((found.error or found.message or "") if found else "", secret=api_key)
