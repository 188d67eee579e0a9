"""What the OpenAPI document says beyond the routes: the problems that they respond with."""

from collections.abc import Mapping
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_fields_from_routes, get_openapi
from fastapi.routing import APIRoute
from pydantic import BaseModel

from app.problems import Problem
from app.security import SUPABASE_KEY_SCHEME

_TITLES: Final = {
    400: "Malformed JSON",
    401: "No valid token or key",
    403: "Authenticated, but not allowed",
    404: "Not found, or owned by another business",
    409: "Conflicts with work in progress",
    410: "The generation has ended",
    413: "Over 1 MiB",
    415: "Not sent as JSON",
    422: "Invalid",
    429: "Too many requests",
    502: "An unusable response from upstream",
    503: "Temporarily unavailable",
    504: "No response from upstream in time",
}

_DESCRIPTION: Final = """\
Store a provider key once, write-only, and generate videos from your content. No video is billed twice; none stays in
progress forever.

Every error is a problem detail (RFC 9457) with a stable `code`. Every response carries `X-Request-ID`.
Unknown body fields and query parameters are refused with 422.
"""


def responses(*statuses: int, ok: Mapping[int, Any] | None = None) -> dict[int | str, dict[str, Any]]:
    """Return an operation's problems, with those that every operation has; `ok`: further successful responses."""
    return problems(401, 403, 422, 503, *statuses) | dict(ok or {})


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return these problems and no others."""
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {status: {"description": _TITLES[status], "content": problem} for status in sorted(set(statuses))}


def operation_id(route: APIRoute) -> str:
    """Return the handler's name in camel case: generated clients name their methods by it."""
    first, *rest = route.name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def install_openapi(app: FastAPI) -> None:
    """Build the document on first use, and cache it."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way


def _document(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(
        title=app.title,
        version=app.version,
        description=_DESCRIPTION,
        routes=app.routes,
        tags=app.openapi_tags,
    )
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas |= problem.pop("$defs", {}) | {"Problem": problem}
    # FastAPI drops nulls, from examples too.
    for field in get_fields_from_routes(app.routes):
        model = field.field_info.annotation
        if isinstance(model, type) and issubclass(model, BaseModel):
            schemas[model.__name__]["examples"] = model.model_json_schema()["examples"]
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    components["securitySchemes"] |= {"supabaseKey": SUPABASE_KEY_SCHEME}
    for operations in document["paths"].values():
        for operation in operations.values():
            if {"serviceKey": []} in operation.get("security", []):
                operation["security"].append({"supabaseKey": []})
            if "requestBody" in operation:  # errors that app.routing raises
                operation["responses"] |= {
                    str(status): said for status, said in problems(400, 413, 415).items()
                }
    return document
