"""Types shared by the schemas of several features."""

import json
import math
from decimal import Decimal
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    GetJsonSchemaHandler,
    JsonValue,
    StringConstraints,
    WithJsonSchema,
)
from pydantic_core import CoreSchema

from app.field_errors import NO_CONTROL_CHARACTERS, RuleError
from app.providers import PROVIDERS


class Body(BaseModel):
    """A request body. Unknown fields are refused, and errors never repeat the input."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


def _known_provider(value: str) -> str:
    if value not in PROVIDERS:
        raise RuleError(f"must be {' or '.join(f'`{name}`' for name in PROVIDERS)}")
    return value


# Checked against the registry at each request, so that adding a provider takes only a registry entry.
ProviderName = Annotated[
    str, AfterValidator(_known_provider), WithJsonSchema({"type": "string", "enum": list(PROVIDERS)})
]

ProviderId = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=NO_CONTROL_CHARACTERS)]
ProviderIdOrEmpty = Annotated[str, StringConstraints(max_length=255, pattern=NO_CONTROL_CHARACTERS)]
ShortText = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=NO_CONTROL_CHARACTERS)]

_CONFIG_BYTES = 16 * 1024
_CONFIG_DEPTH = 32


def _storable(value: object) -> object:
    """Refuse values that are too large, too deep, or valid JSON that PostgreSQL's jsonb cannot store.

    Iterate instead of recursing, because the nesting depth is limited only by the size of the body.
    """
    size, pending = 0, [(value, 1)]
    while pending:
        item, depth = pending.pop()
        if depth > _CONFIG_DEPTH:
            raise RuleError(f"must be nested at most {_CONFIG_DEPTH} levels deep")
        if isinstance(item, dict):
            pending += [(part, depth + 1) for pair in item.items() for part in pair]
        elif isinstance(item, list):
            pending += [(part, depth + 1) for part in item]
        elif isinstance(item, str) and ("\x00" in item or any("\ud800" <= c <= "\udfff" for c in item)):
            raise RuleError("must not contain NUL characters or unpaired surrogates")
        elif isinstance(item, float) and not math.isfinite(item):
            raise RuleError("must contain only finite numbers")
        size += _jsonb_size(item)
        if size > _CONFIG_BYTES:
            raise RuleError("must be at most 16 KiB")
    return value


def _jsonb_size(item: object) -> int:
    """Return the bytes of a value in jsonb's notation, without those of its parts: the database's limit counts them."""
    match item:
        case dict():  # {"a": 1, "b": 2}
            return 2 + 2 * len(item) + 2 * max(len(item) - 1, 0)
        case list():  # [1, 2]
            return 2 + 2 * max(len(item) - 1, 0)
        case int() | float() if not isinstance(item, bool):  # 1e300 has 301 digits
            return len(format(Decimal(str(item)), "f"))
        case _:
            return len(json.dumps(item, ensure_ascii=False).encode())


class _OptionsOfAProvider:
    """Documents a value as the options of one of the registry's providers.

    It is checked later, when the provider is known, and kept as it was sent.
    """

    @classmethod
    def __get_pydantic_json_schema__(cls, _: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"anyOf": [handler(spec.options.__pydantic_core_schema__) for spec in PROVIDERS.values()]}


ProviderConfig = Annotated[dict[str, JsonValue], BeforeValidator(_storable), _OptionsOfAProvider]


def _refuse_null(value: object) -> object:
    if value is None:
        raise RuleError("must not be null. Leave it out to keep the current value")
    return value


NotNull = BeforeValidator(_refuse_null)
"""For fields that may be left out, whose default is None."""
