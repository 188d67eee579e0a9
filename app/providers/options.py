"""Options of a provider: each provider declares its own model, and what callers send is checked against it.

A typo must be an error rather than a video with the wrong options, and a bill. What is stored is what was sent:
options are checked when they are written, not when they are used.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar, Final, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, model_validator
from pydantic_core import ErrorDetails

from app.errors import InvalidRequest
from app.field_errors import FieldError, RuleError, suggestion

_UNCHECKED: Final = "unchecked"
_MAX_ERRORS: Final = 50


class Options(BaseModel):
    """A group of options. Nothing is converted, because the provider receives the values as they were sent."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)


class ProviderOptions(Options):
    """What every provider's model has."""

    reserved: ClassVar[frozenset[str]] = frozenset()
    """Fields that the service sets itself, and no option can: not under `unchecked` either."""

    unchecked: dict[str, JsonValue] | None = Field(
        default=None,
        description="Options that the provider has added since. They are passed on as they are, and override others",
    )

    @model_validator(mode="after")
    def _check_unchecked(self) -> Self:
        if taken := sorted(self.reserved & (self.unchecked or {}).keys()):
            names = ", ".join(f"`{name}`" for name in taken)
            raise RuleError(f"must not set {names} under `unchecked`: the service sets it")
        return self


def check_options(model: type[ProviderOptions], options: Mapping[str, JsonValue] | None, field: str) -> None:
    """Raise InvalidRequest for options that the provider does not have; `field` is where they were sent."""
    try:
        model.model_validate(options or {})
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False)[:_MAX_ERRORS]
    else:
        return
    raise InvalidRequest([_field_error(model, field, problem) for problem in problems])


def flatten_options(options: Mapping[str, JsonValue] | None) -> dict[str, JsonValue]:
    """Return the options as the provider receives them: those under `unchecked` beside the others."""
    flat = dict(options or {})
    unchecked = flat.pop(_UNCHECKED, None)
    return flat | unchecked if isinstance(unchecked, dict) else flat


def _field_error(model: type[ProviderOptions], field: str, problem: ErrorDetails) -> FieldError:
    path, known = _follow(model, problem["loc"])
    location = (*field.split("."), *path)
    if problem["type"] == "extra_forbidden":
        is_reserved = len(path) == 1 and path[0] in model.reserved
        return FieldError.unknown(location, _RESERVED if is_reserved else _hint(str(path[-1]), known))
    return FieldError.of_validator(location, problem)


_RESERVED: Final = "cannot be an option: the service sets it"


def _hint(name: str, known: Iterable[str]) -> str:
    """Return what to write instead of an unknown option."""
    hint = suggestion(name, known) or ". If the provider has added it recently, put it under `unchecked`"
    return f"is not an option{hint}"


def _follow(model: type[Options], location: tuple[int | str, ...]) -> tuple[list[int | str], list[str]]:
    """Return the steps of `location` that the caller wrote, and the options that exist beside the last one.

    pydantic adds a step for the tag that chooses a union's member.
    """
    models, written = [model], []
    for step in location[:-1]:
        fields = [found.model_fields[str(step)] for found in models if str(step) in found.model_fields]
        if fields:
            models = [nested for field in fields for nested in _models_in(field.annotation)]
        if fields or isinstance(step, int):
            written.append(step)
    return [*written, *location[-1:]], [key for found in models for key in found.model_fields]


def _models_in(annotation: Any) -> Iterator[type[Options]]:
    if isinstance(annotation, type) and issubclass(annotation, Options):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)
