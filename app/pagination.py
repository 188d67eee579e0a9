"""Keyset pagination: opaque cursors, and cutting a page from one row more than it holds."""

import base64
import binascii
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Self, TypeVar
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, field_validator

from app.errors import InvalidRequest

Limit = Annotated[int, Query(ge=1, le=100, description="Maximum number of items")]
CursorText = Annotated[
    str | None, Query(max_length=2048, description="The `next_cursor` of the previous page")
]


class OpaqueCursor(BaseModel):
    """A position in a list, as base64url of JSON. Opaque to callers."""

    def encode(self) -> str:
        """Return the text that callers receive."""
        return base64.urlsafe_b64encode(self.model_dump_json().encode()).rstrip(b"=").decode()

    @classmethod
    def decode(cls, text: str | None) -> Self | None:
        """Parse a caller's cursor, None for None. Raise InvalidRequest if it is malformed."""
        if not text:
            return None
        try:
            return cls.model_validate_json(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        except (binascii.Error, ValueError):  # pydantic's ValidationError is a ValueError
            raise invalid_cursor() from None


def invalid_cursor() -> InvalidRequest:
    """Return the error for a cursor of another list, or of no list."""
    return InvalidRequest.of("query.cursor", "must be a `next_cursor` returned by this list")


class Cursor(OpaqueCursor):
    """The end of a page of rows: `(created_at, id)` of its last row."""

    created_at: datetime
    id: UUID

    @field_validator("created_at")
    @classmethod
    def _check_created_at(cls, value: datetime) -> datetime:
        if value.tzinfo is None:
            raise ValueError("should have a time zone")
        try:
            value.astimezone(UTC)  # the driver does the same; years 0 and 10000 overflow
        except OverflowError:
            raise ValueError("should be a time that UTC can express") from None
        return value


R = TypeVar("R")


def cut_page(
    rows: Sequence[R], limit: int, position: Callable[[R], tuple[datetime, UUID]]
) -> tuple[list[R], str | None]:
    """Return the first `limit` rows, and the next page's cursor if there are more; `position`: what sorts a row."""
    page = list(rows[:limit])
    if len(rows) <= limit:
        return page, None
    created_at, id_ = position(page[-1])
    return page, Cursor(created_at=created_at, id=id_).encode()
