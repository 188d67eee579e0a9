"""The problems in the OpenAPI document: schemas, examples and responses, generated from the error classes."""

from collections.abc import Iterable, Mapping
from typing import Any, Final
from uuid import UUID

from pydantic import TypeAdapter

from app import errors
from app.errors import AppError
from app.example_ids import TO_CANCEL
from app.field_errors import FieldError
from app.problem_help import error_kinds
from app.problems import problem_body

# In an operation's `responses`, until the document is built.
ERRORS_KEY: Final = "x-errors"

_EVERY_OPERATION: Final = (
    errors.MalformedRequest,
    errors.RequestTimeout,
    errors.HeadersTooLarge,
    errors.InternalError,
    errors.Overloaded,
)
_AUTHENTICATED: Final = (
    errors.Unauthenticated,
    errors.Forbidden,
    errors.NoBusiness,
    errors.BodyTooLarge,
    errors.InvalidRequest,
    errors.RateLimited,
    errors.DatabaseUnavailable,
    errors.NotReady,
)
_BEFORE_ROUTING: Final = (errors.MalformedRequest, errors.RequestTimeout, errors.HeadersTooLarge)
_WITH_BODY: Final = (errors.MalformedJson, errors.UnsupportedMediaType)

_DESCRIPTIONS: Final = {
    400: "Not a valid request",
    401: "No valid token or key",
    403: "Authenticated, but not allowed",
    404: "Not found, or owned by another business",
    408: "The request did not arrive in time",
    409: "Conflicts with the current state",
    410: "The generation has ended",
    413: "Over 1 MiB",
    415: "Not sent as JSON",
    422: "Understood, but not possible",
    429: "Too many requests",
    431: "The headers are too large",
    500: "An unexpected error; the log has its cause, by request id",
    502: "An unusable response from upstream",
    503: "Temporarily unavailable",
    504: "No response from upstream in time",
}

_EXAMPLES: Final[tuple[AppError, ...]] = (
    errors.Unauthenticated("expired", "The access token has expired."),
    errors.IntegrationNotConfigured(
        "HeyGen AI avatar integration not configured. Please set up your HeyGen integration first."
    ),
    errors.ContentNotWritable("permission denied for table content"),
    errors.GenerationInProgress(UUID(TO_CANCEL.generation_id)),
    errors.RateLimited(
        "50 requests of this business are in progress, which is the limit. Try again.", retry_after=1
    ),
    errors.WebhookFailed("Failed to trigger video generation: n8n answered 500 Internal Server Error"),
    errors.WebhookTimeout("Failed to trigger video generation: n8n did not answer within 15 seconds"),
    errors.NotReady("The public keys that access tokens are verified with cannot be fetched."),
    errors.ApiKeyRejected("heygen", "HeyGen rejected the API key."),
    errors.ProviderRateLimited("heygen", "HeyGen takes no more calls just now.", retry_after=30),
    errors.ProviderRejected(
        "heygen",
        "Your HeyGen account has no credits left. Add credits at HeyGen, then try again.",
        provider_code="insufficient_credit",
        provider_message="Your account has 0 credits but this video needs 1.",
    ),
    errors.ProviderUnexpectedAnswer("heygen", "HeyGen's answer has an unexpected shape."),
    errors.ProviderUnavailable("heygen", "HeyGen did not answer in time."),
)
# Of a path, not of an operation.
_OF_NO_OPERATION: Final = (errors.MethodNotAllowed,)
_EXAMPLE_REQUEST_ID: Final = "5f0c9d1e8a7b4c3d9e2f1a0b6c5d4e3f"

_SCHEMAS: Final = "#/components/schemas/"
_TEXT: Final[dict[str, Any]] = {"type": "string"}
_FIELD_ERRORS: Final[dict[str, Any]] = {
    "type": "array",
    "items": {"$ref": "#/components/schemas/FieldError"},
    "description": "One entry per invalid field",
}
# What a problem has beside the members of RFC 9457 and `code`.
_EXTRA: Final[Mapping[type[AppError], dict[str, Any]]] = {
    errors.InvalidRequest: {"errors": _FIELD_ERRORS},
    errors.GenerationInProgress: {
        "generation_id": {"type": "string", "format": "uuid", "description": "The live generation"}
    },
    errors.ProviderRejected: {
        "provider": _TEXT,
        "provider_code": _TEXT | {"description": "The provider's own code"},
        "provider_message": _TEXT | {"description": "The provider's own words"},
    },
}


def problems(*kinds: type[AppError]) -> dict[int | str, dict[str, Any]]:
    """Return what a route's `responses` says of the errors of its own; the document adds those that all have."""
    responses: dict[int | str, dict[str, Any]] = {}
    for kind in kinds:
        response = responses.setdefault(kind.status, {"description": "", ERRORS_KEY: []})
        response[ERRORS_KEY].append(kind.__name__)
    return responses


def problem_schemas() -> dict[str, Any]:
    """Return the schemas of the document's components: of any problem, and of each."""
    base = {
        "type": "object",
        "description": "A problem detail (RFC 9457) with a stable `code`.",
        "properties": {
            "type": _TEXT
            | {
                "format": "uri-reference",
                "description": "Where this code is explained: `/problems/#` and the code, unless the service has "
                "another PROBLEM_TYPE_URL",
            },
            "title": _TEXT,
            "status": {"type": "integer"},
            "detail": _TEXT | {"description": "What happened and what to do, for people"},
            "instance": _TEXT | {"description": "The path of the request"},
            "code": {"$ref": f"{_SCHEMAS}ProblemCode"},
        },
        "required": ["type", "title", "status", "detail", "instance", "code"],
    }
    code = _TEXT | {
        "enum": sorted({kind.code for kind in error_kinds()}),
        "description": "What went wrong, for programs. A code never changes its meaning.",
    }
    field_error = TypeAdapter(FieldError).json_schema()
    return {"Problem": base, "ProblemCode": code, "FieldError": field_error} | {
        _schema_name(kind): _schema(kind) for kind in error_kinds() if kind not in _OF_NO_OPERATION
    }


def shared_responses() -> dict[str, Any]:
    """Return the responses of the document's components: they are the same for every operation."""
    return {kind.__name__: _response(kind.status, {kind: kind()}, "") for kind in _BEFORE_ROUTING}


def problem_responses(
    own: Iterable[str], operation: Mapping[str, Any], path: str, examples: Iterable[AppError] = ()
) -> dict[str, Any]:
    """Return all error responses of an operation.

    `own`: the error classes that its route names; `path`: the path of its example request; `examples`: errors that fit
    it better than the usual examples.
    """
    kinds = [*(getattr(errors, name) for name in own), *_EVERY_OPERATION]
    if operation.get("security"):
        kinds += _AUTHENTICATED
    if "requestBody" in operation:
        kinds += _WITH_BODY
    known = {type(error): error for error in (*_EXAMPLES, _invalid_request(operation), *examples)}
    by_status: dict[int, dict[type[AppError], AppError]] = {}
    for kind in kinds:
        by_status.setdefault(kind.status, {})[kind] = known.get(kind) or kind()
    return {
        str(status): _response_or_reference(status, by_status[status], path) for status in sorted(by_status)
    }


def _response_or_reference(
    status: int, found: Mapping[type[AppError], AppError], path: str
) -> dict[str, Any]:
    [first, *others] = found
    if first in _BEFORE_ROUTING and not others:
        return {"$ref": f"#/components/responses/{first.__name__}"}
    return _response(status, found, path)


def _response(status: int, found: Mapping[type[AppError], AppError], path: str) -> dict[str, Any]:
    schemas = [{"$ref": _SCHEMAS + _schema_name(kind)} for kind in found]
    examples = {
        kind.code: {
            "summary": kind.title,
            "value": problem_body(error, "" if kind in _BEFORE_ROUTING else path, _EXAMPLE_REQUEST_ID),
        }
        for kind, error in found.items()
    }
    headers = ["X-Request-ID"]
    if status == 401:
        headers.append("WWW-Authenticate")
    if any((error.retry_after or error.default_retry_after) is not None for error in found.values()):
        headers.append("Retry-After")
    content = {"schema": schemas[0] if len(schemas) == 1 else {"oneOf": schemas}, "examples": examples}
    return {
        "description": f"{_DESCRIPTIONS[status]}: {', '.join(f'`{kind.code}`' for kind in found)}",
        "headers": header_references(*headers),
        "content": {"application/problem+json": content},
    }


def header_references(*names: str) -> dict[str, Any]:
    """Return a response's headers, which the document's components describe."""
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _invalid_request(operation: Mapping[str, Any]) -> errors.InvalidRequest:
    """Return the commonest mistake that this operation can be called with."""
    names = {parameter["name"]: parameter for parameter in operation.get("parameters", ())}
    if "requestBody" in operation:
        error = FieldError.of_validator(("body", "avatar"), {"type": "extra_forbidden"})
    elif "limit" in names:
        error = FieldError.of_validator(("query", "limit"), {"type": "less_than_equal", "ctx": {"le": 100}})
    else:
        name = next(
            (name for name, one in names.items() if one["schema"].get("format") == "uuid"), "business_id"
        )
        error = FieldError.of_validator(("path", name), {"type": "uuid_parsing"})
    return errors.InvalidRequest([error])


def _schema_name(kind: type[AppError]) -> str:
    return f"{kind.__name__}Problem"


def _schema(kind: type[AppError]) -> dict[str, Any]:
    extra = _EXTRA.get(kind, {})
    properties = {"status": {"const": kind.status}, "code": {"const": kind.code}, **extra}
    return {
        "title": kind.code,
        "description": kind.default_detail or kind.title,
        "allOf": [
            {"$ref": f"{_SCHEMAS}Problem"},
            {"type": "object", "properties": properties, "required": ["status", "code", *extra]},
        ],
    }
