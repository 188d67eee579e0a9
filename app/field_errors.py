"""What is wrong with one field, in one style: "`avatar_id` must be at most 255 characters".

Every such text is made here: of request bodies, parameters, provider options and environment variables. pydantic's own
texts speak of Python ("valid dictionary"), and some contain the input, which may be a secret. So only its error types
are used, and numbers and names from our own schemas.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final, Literal

_MAX_NAME: Final = 100

FieldErrorType = Literal[
    "missing",
    "unknown",
    "wrong_type",
    "wrong_format",
    "too_short",
    "too_long",
    "out_of_range",
    "not_allowed",
    "not_valid",
]
"""The last one is of a rule that none of the others is: `message` names it."""


class RuleError(ValueError):
    """A validator's refusal. The text completes a sentence that begins with the field: "must be …", "is …"."""


@dataclass(frozen=True, slots=True)
class FieldError:
    """An error in one field. `message` is a sentence, and `type` one of a few words. Neither contains the value."""

    field: str
    message: str
    type: FieldErrorType

    @classmethod
    def of(cls, field: str, rule: str, type_: FieldErrorType = "not_valid") -> "FieldError":
        """Return an error of `field`, such as `body.avatar_id`; `rule` as RuleError's text."""
        return cls(field, f"{_subject(field)} {rule}", type_)

    @classmethod
    def of_validator(
        cls, location: Sequence[int | str], problem: Mapping[str, Any], known: Iterable[str] = ()
    ) -> "FieldError":
        """Return an error of pydantic.

        `location` is where the caller put the field; `known`: the fields that exist there.
        """
        type_, rule = rule_of(problem)
        if type_ == "unknown":
            rule += suggestion(str(location[-1]), known)
        return cls.of(_name(location), rule, type_)

    @classmethod
    def unknown(cls, location: Sequence[int | str], rule: str) -> "FieldError":
        """Return an error of a field that does not exist; `rule` may name one that does."""
        return cls.of(_name(location), rule, "unknown")


def rule_of(problem: Mapping[str, Any]) -> tuple[FieldErrorType, str]:
    """Return the type and the rule that an error of pydantic is reported with."""
    context = problem.get("ctx", {})
    match problem["type"]:
        case "value_error" if isinstance(context.get("error"), RuleError):
            return "not_valid", str(context["error"])
        case "string_pattern_mismatch":
            return "wrong_format", PATTERNS.get(context.get("pattern", ""), "has the wrong format")
        case "string_too_short" if context.get("min_length") == 1:
            return "too_short", "must not be empty"
        case kind if kind in _RULES:
            type_, rule = _RULES[kind]
            return type_, rule.format_map({name: _in_words(value) for name, value in context.items()})
    return "not_valid", "is not valid"


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return the end of a rule that asks whether one of `known` was meant; empty if none resembles `name`."""
    nearest = get_close_matches(name[:_MAX_NAME], known, n=1)
    return f". Did you mean `{nearest[0]}`?" if nearest else ""


def _name(location: Sequence[int | str]) -> str:
    return ".".join(str(part)[:_MAX_NAME] for part in location)


def _subject(field: str) -> str:
    place, _, name = field.partition(".")
    if place not in _PLACES:
        name = field
    return f"`{name}`" if name else _PLACES[place]


def _in_words(value: object) -> str:
    """Return a limit, or the names that a schema lists: pydantic quotes them as Python does."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return f"{value:,}" if isinstance(value, int) else str(value).replace("'", "`")


_PLACES: Final = {"body": "The body", "query": "The query", "path": "The path", "header": "The header"}

NO_CONTROL_CHARACTERS: Final = r"^[^\x00-\x1f\x7f-\x9f]*$"
NO_NUL: Final = r"^[^\x00]*$"
URL_CHARACTERS: Final = r"^[\x21-\x7e]+$"
WEB_URL: Final = r"^https?://"
HEADER_TEXT: Final = r"^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$"
COLOR: Final = r"^#[0-9A-Fa-f]{6}$"

PATTERNS: Final[Mapping[str, str]] = {
    NO_CONTROL_CHARACTERS: "must not contain control characters",
    NO_NUL: "must not contain the NUL character",
    URL_CHARACTERS: "must be a URL without spaces, in ASCII",
    WEB_URL: "must be an http:// or https:// URL",
    HEADER_TEXT: "must be printable ASCII characters, without spaces at the ends",
    COLOR: "must be a color such as `#ffffff`",
}
"""What the schemas' patterns ask for."""

_Rule = tuple[FieldErrorType, str]

_OBJECT: Final[_Rule] = ("wrong_type", "must be an object")
_STRING: Final[_Rule] = ("wrong_type", "must be a string")
_ARRAY: Final[_Rule] = ("wrong_type", "must be an array")
_UUID: Final[_Rule] = ("wrong_format", "must be a UUID")
_INTEGER: Final[_Rule] = ("wrong_type", "must be a whole number")
_NUMBER: Final[_Rule] = ("wrong_type", "must be a number")
_BOOLEAN: Final[_Rule] = ("wrong_type", "must be true or false")

# By pydantic's error type: https://docs.pydantic.dev/latest/errors/validation_errors/. Of their context, only what our
# own schemas say is used, never the input.
_RULES: Final[Mapping[str, _Rule]] = {
    "missing": ("missing", "is required"),
    "extra_forbidden": ("unknown", "is not a field of this request"),
    "dict_type": _OBJECT,
    "model_type": _OBJECT,
    "model_attributes_type": _OBJECT,
    "string_type": _STRING,
    "string_unicode": ("wrong_format", "must be valid Unicode text"),
    "string_too_short": ("too_short", "must be at least {min_length} characters"),
    "string_too_long": ("too_long", "must be at most {max_length} characters"),
    "list_type": _ARRAY,
    "too_short": ("too_short", "must have at least {min_length} items"),
    "too_long": ("too_long", "must have at most {max_length} items"),
    "uuid_type": _UUID,
    "uuid_parsing": _UUID,
    "int_type": _INTEGER,
    "int_parsing": _INTEGER,
    "int_parsing_size": _INTEGER,
    "int_from_float": _INTEGER,
    "float_type": _NUMBER,
    "float_parsing": _NUMBER,
    "finite_number": _NUMBER,
    "bool_type": _BOOLEAN,
    "bool_parsing": _BOOLEAN,
    "greater_than": ("out_of_range", "must be more than {gt}"),
    "greater_than_equal": ("out_of_range", "must be at least {ge}"),
    "less_than": ("out_of_range", "must be less than {lt}"),
    "less_than_equal": ("out_of_range", "must be at most {le}"),
    "literal_error": ("not_allowed", "must be {expected}"),
    "union_tag_invalid": ("not_allowed", "must have {discriminator} {expected_tags}"),
    "union_tag_not_found": ("missing", "must have {discriminator}"),
}
