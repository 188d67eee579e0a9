"""Reading what a provider answered, and writing what it is asked, without quoting either in an exception."""

import json
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, JsonValue, ValidationError, ValidatorFunctionWrapHandler, WrapValidator

from app.errors import ProviderRejected

M = TypeVar("M", bound=BaseModel)


def _none_if_malformed(value: Any, validate: ValidatorFunctionWrapHandler) -> Any:
    try:
        return validate(value)
    except ValidationError:
        return None


Lenient = WrapValidator(_none_if_malformed)
"""For what is only shown: a new shape of it must not cost a key check or a paid video."""


def parse(shape: type[M], body: bytes) -> M | None:
    """Return `body` as `shape`; None if it has another shape."""
    try:
        return shape.model_validate_json(body)
    except ValidationError:  # dropped, because it quotes the body
        return None


def encode(provider: str, fields: Mapping[str, JsonValue]) -> bytes:
    """Return `fields` as JSON. Raises ProviderRejected for what JSON cannot carry."""
    try:
        return json.dumps(fields, allow_nan=False).encode()
    except ValueError:
        message = "The options have a number that JSON cannot carry."
    raise ProviderRejected(provider, message, provider_code="invalid_parameter")
