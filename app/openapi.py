"""The OpenAPI document: what it says beyond the routes."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic import BaseModel, JsonValue

from app.errors import AppError
from app.openapi_problems import (
    ERRORS_KEY,
    header_references,
    problem_responses,
    problem_schemas,
    shared_responses,
)
from app.security import SUPABASE_KEY_SCHEME

DESCRIPTION: Final = """\
Store a provider key once, write-only, and generate videos from your content. A request that is repeated with its
`Idempotency-Key` makes one video, and no video stays in progress forever.

**Authentication.** Users send their Supabase access token as `Authorization: Bearer …` and see their own business only.
Back ends send `SERVICE_API_KEY` as `X-API-Key` or `apikey` and name the business. n8n sends `N8N_API_KEY`.

**Errors.** Every error is a problem detail (RFC 9457, `application/problem+json`) with a stable `code`. Another
business's row answers 404, exactly as one that does not exist. Unknown body fields and query parameters are refused
with 422.

**Retries.** 429 and 503 say in `Retry-After` how many seconds to wait. Send an `Idempotency-Key` when you request a
video, so that a retry does not start a second one.

**Lists** are newest first. Pass `next_cursor` as `cursor` to get the next page.

Every response carries `X-Request-ID`, which the log names too. Send one of your own to follow a request through.
"""

TAGS: Final = (
    {
        "name": "integrations",
        "description": "A business connects its provider once: the API key is checked, sealed and never shown again. "
        "Avatars and voices are listed through the stored key.",
    },
    {
        "name": "videos",
        "description": "Request the video of a content item, follow it to its end, cancel it or start over. A content "
        "item has at most one generation in progress.",
    },
    {
        "name": "n8n",
        "description": "What a workflow calls. In *broker mode* the service calls the provider and the key never "
        "enters n8n; in *direct mode* the workflow gets the key and reports the result. Both claim the generation for "
        "one execution, because n8n can run a webhook twice.",
    },
    {
        "name": "operations",
        "description": "Health and metrics, for operators and orchestrators. They need no credentials.",
    },
)

_HEADERS: Final[dict[str, Any]] = {
    "X-Request-ID": {
        "description": "The request's id in the log: the caller's, if it sent one of 1 to 128 plain characters",
        "schema": {"type": "string"},
        "example": "5f0c9d1e8a7b4c3d9e2f1a0b6c5d4e3f",
    },
    "Location": {
        "description": "The path of what was created",
        "schema": {"type": "string", "format": "uri-reference"},
        "example": "/integrations/ai-avatar/b0000000-0000-4000-8000-000000000002?provider=heygen",
    },
    "Retry-After": {
        "description": "Seconds to wait before a retry",
        "schema": {"type": "integer", "minimum": 1},
        "example": 10,
    },
    "Idempotency-Replayed": {
        "description": "`true` if an earlier request with this Idempotency-Key started the generation",
        "schema": {"type": "string", "const": "true"},
        "example": "true",
    },
    "WWW-Authenticate": {
        "description": "How to authenticate",
        "schema": {"type": "string", "const": "Bearer"},
        "example": "Bearer",
    },
}


@dataclass(frozen=True, slots=True)
class OperationExample:
    """What the document shows of an operation, and *Try it out* sends: it works in `make run`."""

    parameters: Mapping[str, JsonValue] = field(default_factory=dict)
    body: JsonValue = None
    response: JsonValue = None
    problems: Sequence[AppError] = ()
    """Errors that fit this operation better than the usual examples of their classes."""


def operation_id(route: APIRoute) -> str:
    """Return the handler's name in camel case: generated clients name their methods by it."""
    first, *rest = route.name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def sends(status: int, *headers: str) -> dict[int | str, dict[str, Any]]:
    """Return what a route's `responses` says of the headers of a successful response."""
    return {status: {"headers": header_references(*headers)}}


def install_openapi(
    app: FastAPI, examples: Mapping[str, OperationExample], models: Iterable[type[BaseModel]] = ()
) -> None:
    """Build the document on first use, and cache it.

    `examples`: by operation id; `models`: components that no route names.
    """

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app, examples, models)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way


def _document(
    app: FastAPI, examples: Mapping[str, OperationExample], models: Iterable[type[BaseModel]]
) -> dict[str, Any]:
    document = get_openapi(
        title=app.title,
        version=app.version,
        summary="AI-avatar videos from your content, made by providers such as HeyGen",
        description=DESCRIPTION,
        routes=app.routes,
        webhooks=app.webhooks.routes,
        tags=[*TAGS],
        servers=[{"url": "/", "description": "The service that serves this document"}],
        license_info={"name": "MIT", "identifier": "MIT"},
        contact={"name": "The ai-avatar contributors"},
    )
    components = document["components"]
    for part in (document["paths"], document["webhooks"], components["schemas"]):
        _drop_titles(part)
    components["schemas"] = _schemas(components["schemas"], models)
    components["responses"] = shared_responses()
    components["headers"] = _HEADERS
    components["securitySchemes"] |= {"supabaseKey": SUPABASE_KEY_SCHEME}
    for path, operations in document["paths"].items():
        for operation in operations.values():
            _complete(operation, path, examples[operation["operationId"]], components["schemas"])
    for operations in document["webhooks"].values():
        for operation in operations.values():
            _split_docstring(operation)
            _add_request_examples(operation, examples[operation["operationId"]])
            operation["responses"].pop("422", None)  # FastAPI's, for requests that it validates
    return document


def _schemas(found: dict[str, Any], models: Iterable[type[BaseModel]]) -> dict[str, Any]:
    schemas = found | problem_schemas()
    for model in models:
        schema = model.model_json_schema(ref_template="#/components/schemas/{model}", mode="serialization")
        _drop_titles(schema)
        schemas |= schema.pop("$defs", {}) | {model.__name__: schema}
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    for schema in [*schemas.values()]:
        hoisted = _hoist_defaults(schema)
        assert all(schemas.get(name, part) == part for name, part in hoisted.items()), (
            "one name, two defaults"
        )
        schemas |= hoisted
    return dict(sorted(schemas.items()))


def _drop_titles(part: Any) -> None:
    """Drop the titles that pydantic makes of the names."""
    if isinstance(part, dict):
        if isinstance(part.get("title"), str):
            del part["title"]
        part = part.values()
    if not isinstance(part, str | int | float | None):
        for inner in part:
            _drop_titles(inner)


def _hoist_defaults(schema: dict[str, Any]) -> dict[str, Any]:
    """Make components of optional fields that have a default: generators of types take such fields for required."""
    hoisted = {}
    for name, part in schema.get("properties", {}).items():
        if "default" in part and name not in schema.get("required", ()):
            component = "".join(word.capitalize() for word in name.split("_"))
            hoisted[component] = part
            schema["properties"][name] = {"$ref": f"#/components/schemas/{component}"}
    return hoisted


def _complete(
    operation: dict[str, Any], path: str, example: OperationExample, schemas: Mapping[str, Any]
) -> None:
    _split_docstring(operation)
    _add_request_examples(operation, example)
    security = operation.setdefault("security", [])
    if {"serviceKey": []} in security:
        security.append({"supabaseKey": []})
    succeeded, own_errors = {}, []
    for status, response in operation["responses"].items():
        own_errors += response.pop(ERRORS_KEY, [])
        if status.startswith("2"):
            succeeded[status] = _complete_success(response, example, schemas)
    example_path = path.format(**example.parameters)
    operation["responses"] = succeeded | problem_responses(
        own_errors, operation, example_path, example.problems
    )


def _complete_success(
    response: dict[str, Any], example: OperationExample, schemas: Mapping[str, Any]
) -> dict[str, Any]:
    response["headers"] = response.get("headers", {}) | header_references("X-Request-ID")
    for media in response.get("content", {}).values():
        media["example"] = example.response
        name = media.get("schema", {}).get("$ref", "").rpartition("/")[2]
        if name and response["description"] == "Successful Response":
            response["description"] = schemas[name]["description"]
    return response


def _add_request_examples(operation: dict[str, Any], example: OperationExample) -> None:
    for parameter in operation.get("parameters", ()):
        if parameter["name"] in example.parameters:
            parameter["example"] = example.parameters[parameter["name"]]
    for media in operation.get("requestBody", {}).get("content", {}).values():
        media["example"] = example.body


def _split_docstring(operation: dict[str, Any]) -> None:
    """Make the first paragraph of the handler's docstring the summary, and the rest the description."""
    summary, _, rest = operation.pop("description").partition("\n\n")
    operation["summary"] = " ".join(summary.split())
    if rest:
        operation["description"] = rest
