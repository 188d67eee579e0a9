"""Text that came from a provider, made fit to be stored, logged and shown."""

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

REDACTED = "[redacted]"
MESSAGE_LIMIT = 500
URL_LIMIT = 4096

_SPACE = re.compile(r"\s")
# C0, C1, the bidirectional overrides that make a text read as another, and halves of surrogate pairs.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_SENDABLE_KEY = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")


def is_header_safe(api_key: str) -> bool:
    """Tell whether a key can be sent at all; HTTP libraries print the header that they refuse."""
    return _SENDABLE_KEY.fullmatch(api_key) is not None


def sanitize(text: str, *, limit: int = MESSAGE_LIMIT, secret: str | None = None) -> str:
    """Return `text` on one line, without control characters and `secret`, cut to `limit` characters.

    The secret goes before the cut, which could leave its first half standing, and once more afterwards,
    in case control characters had split it.
    """
    if secret:
        text = text.replace(secret, REDACTED)
    text = _CONTROL.sub("", _SPACE.sub(" ", text)).strip()
    if secret:
        text = text.replace(secret, REDACTED)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _identifier(value: str) -> str:
    if sanitize(value, limit=255) != value:
        raise ValueError("not an identifier")
    return value


def web_url(value: str) -> str | None:
    """Return `value` if a page may link to it: http or https with a host; else None."""
    if len(value) > URL_LIMIT or sanitize(value, limit=URL_LIMIT) != value:
        return None
    try:
        parts = urlsplit(value)
    except ValueError:
        return None
    return value if parts.scheme in {"http", "https"} and parts.hostname else None


Identifier = Annotated[str, Field(min_length=1, max_length=255), AfterValidator(_identifier)]
"""An id that is stored, sent back and put into URLs: anything odd in it makes the answer unexpected."""

Label = Annotated[str, AfterValidator(lambda value: sanitize(value, limit=255))]
"""A name, for people: cleaned rather than refused."""

WebUrl = Annotated[str, AfterValidator(web_url)]
"""A link for a page to show: None rather than `javascript:`."""
