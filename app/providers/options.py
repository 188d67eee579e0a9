"""Options of a provider: each provider declares its own model, and what callers send is checked against it.

A typo must be an error rather than a video with the wrong options, and a bill. What is stored is what was sent:
options are checked when they are written, not when they are used.
"""

import difflib
from collections.abc import Iterator, Mapping
from typing import Any, Final, get_args

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from app.errors import FieldError, InvalidRequest

_UNCHECKED: Final = "unchecked"
_MAX_ERRORS: Final = 50
_MAX_NAME: Final = 100


class Options(BaseModel):
    """A group of options. Nothing is converted, because the provider receives the values as they were sent."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)


class ProviderOptions(Options):
    """What every provider's model has."""

    unchecked: dict[str, JsonValue] | None = Field(
        default=None,
        description="Options that the provider has added since. They are passed on as they are, and override others",
    )


def check_options(model: type[ProviderOptions], options: Mapping[str, JsonValue] | None, field: str) -> None:
    """Raise InvalidRequest for options that the provider does not have; `field` is where they were sent."""
    try:
        model.model_validate(options or {})
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False, include_context=False)[:_MAX_ERRORS]
    else:
        return
    raise InvalidRequest(
        [
            FieldError.of_validator(
                ".".join([field, *(str(part)[:_MAX_NAME] for part in problem["loc"])]),
                _hint(model, problem["loc"], problem["type"]) or problem["msg"],
                problem["type"],
            )
            for problem in problems
        ]
    )


def flatten_options(options: Mapping[str, JsonValue] | None) -> dict[str, JsonValue]:
    """Return the options as the provider receives them: those under `unchecked` beside the others."""
    flat = dict(options or {})
    unchecked = flat.pop(_UNCHECKED, None)
    return flat | unchecked if isinstance(unchecked, dict) else flat


def _hint(model: type[Options], location: tuple[int | str, ...], kind: str) -> str | None:
    """Return what to write instead of an unknown option."""
    if kind != "extra_forbidden":
        return None
    *path, key = location
    near = difflib.get_close_matches(str(key), _known_keys(model, path), n=1)
    if near:
        return f"unknown option; did you mean {near[0]}?"
    return "unknown option; if the provider has added it recently, put it under unchecked"


def _known_keys(model: type[Options], path: list[int | str]) -> list[str]:
    """Return the options at `path`. Steps that are no field are the tags of unions."""
    models = [model]
    for step in path:
        fields = [found.model_fields[str(step)] for found in models if str(step) in found.model_fields]
        if fields:
            models = [nested for field in fields for nested in _models_in(field.annotation)]
    return [key for found in models for key in found.model_fields]


def _models_in(annotation: Any) -> Iterator[type[Options]]:
    if isinstance(annotation, type) and issubclass(annotation, Options):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)
