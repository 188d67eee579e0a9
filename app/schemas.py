"""Types that several features' schemas share."""

import base64
import binascii
import math
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Self
from uuid import UUID

from fastapi import Query
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    JsonValue,
    StringConstraints,
    ValidationError,
    WithJsonSchema,
)

from app.errors import InvalidRequest
from app.providers import PROVIDERS


class Body(BaseModel):
    """A request's body: unknown fields are refused, and no error repeats what was sent."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


def _known_provider(value: str) -> str:
    if value not in PROVIDERS:
        raise ValueError(f"should be one of: {', '.join(PROVIDERS)}")
    return value


# Checked against the registry at each request, not fixed at import: a provider is one entry there.
ProviderName = Annotated[
    str, AfterValidator(_known_provider), WithJsonSchema({"type": "string", "enum": list(PROVIDERS)})
]

_NO_CONTROL = r"^[^\x00-\x1f\x7f-\x9f]*$"
ProviderId = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=_NO_CONTROL)]
ShortText = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=_NO_CONTROL)]

_CONFIG_BYTES = 16 * 1024
_CONFIG_DEPTH = 32


def _storable(value: object) -> object:
    """Refuses what JSON texts can say and PostgreSQL's jsonb cannot hold, and what is too large.

    Walks with a list, not by recursion: the value may be nested as deeply as a body is long.
    """
    size, pending = 0, [(value, 1)]
    while pending:
        item, depth = pending.pop()
        if depth > _CONFIG_DEPTH:
            raise ValueError(f"should be nested {_CONFIG_DEPTH} deep at most")
        size += 2
        if isinstance(item, dict):
            pending += [(part, depth + 1) for pair in item.items() for part in pair]
        elif isinstance(item, list):
            pending += [(part, depth + 1) for part in item]
        elif isinstance(item, str):
            if "\x00" in item or any("\ud800" <= character <= "\udfff" for character in item):
                raise ValueError("should hold neither NUL nor unpaired surrogates")
            size += len(item.encode())
        elif isinstance(item, float) and not math.isfinite(item):
            raise ValueError("should hold finite numbers only")
        elif isinstance(item, int | float) and not isinstance(item, bool):
            size += len(format(Decimal(str(item)), "f"))  # as jsonb writes it: 1e300 has 301 digits
        if size > _CONFIG_BYTES:
            raise ValueError("should have at most 16 KiB")
    return value


ProviderConfig = Annotated[dict[str, JsonValue], BeforeValidator(_storable)]


def refuse_null(data: Any, *fields: str) -> Any:
    """For a `mode="before"` model validator: these fields may be left out, but not be null."""
    for field in fields:
        if isinstance(data, dict) and field in data and data[field] is None:
            raise ValueError(f"{field} may be left out, but not null")
    return data


class Cursor(BaseModel):
    """Where a page ends: the `(created_at, id)` of its last row. Opaque to callers."""

    created_at: datetime
    id: UUID

    def encode(self) -> str:
        """As callers get it."""
        return base64.urlsafe_b64encode(self.model_dump_json().encode()).rstrip(b"=").decode()

    @classmethod
    def decode(cls, text: str) -> Self:
        """Raises InvalidRequest."""
        try:
            data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
            cursor = cls.model_validate_json(data)
            if cursor.created_at.tzinfo is None:
                raise ValueError
            cursor.created_at.astimezone(UTC)  # as the driver will: a year 0 or 10000 has no place there
        except (ValidationError, binascii.Error, ValueError, OverflowError):
            raise InvalidRequest.of(
                "query.cursor", "should be a next_cursor that this service gave"
            ) from None
        return cursor


Limit = Annotated[int, Query(ge=1, le=100, description="How many at most")]
CursorText = Annotated[str | None, Query(max_length=2048, description="The `next_cursor` of the page before")]
