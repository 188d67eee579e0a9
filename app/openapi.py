"""What the OpenAPI document says beyond the code: problems, doors and examples."""

from collections.abc import Mapping
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from app.examples import EXAMPLES
from app.problems import Problem

_TITLES: Final = {
    400: "Malformed JSON",
    401: "No valid token or key",
    403: "Known, but not allowed here",
    404: "Not there, or not yours",
    409: "In the way of something that runs",
    410: "Over",
    413: "Over 1 MiB",
    415: "Not sent as JSON",
    422: "Invalid",
    429: "Too many requests",
    502: "An unusable answer from upstream",
    503: "Temporarily unavailable",
    504: "No answer from upstream in time",
}

_DESCRIPTION: Final = """\
Connect a business's AI-avatar provider once, write-only; make videos of its contents; never twice, never for ever.

Every error is a problem detail (RFC 9457) with a stable `code`. Every answer carries `X-Request-ID`.
"""

_SCHEMES: Final = {
    "accessToken": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "A Supabase access token of a user, or a JWT with role=service_role",
    },
    "serviceKey": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "SERVICE_API_KEY"},
    "n8nKey": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "N8N_API_KEY"},
}

# By the path's beginning: which proofs open the door.
_DOORS: Final[Mapping[str, list[dict[str, list[str]]]]] = {
    "/integrations/": [{"accessToken": []}, {"serviceKey": []}],
    "/n8n/": [{"n8nKey": []}, {"accessToken": []}, {"serviceKey": []}],
}


def responses(*statuses: int, ok: Mapping[int, Any] | None = None) -> dict[int | str, dict[str, Any]]:
    """The problems that an operation answers with, beside those that all do; `ok`: further good answers."""
    return problems(401, 403, 422, 503, *statuses) | dict(ok or {})


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The problems that an operation answers with, and no others."""
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {status: {"description": _TITLES[status], "content": problem} for status in sorted(set(statuses))}


def install_openapi(app: FastAPI) -> None:
    """Makes the document on first use, and keeps it."""

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
    components["securitySchemes"] = dict(_SCHEMES)
    schemas = components.setdefault("schemas", {})
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas |= problem.pop("$defs", {}) | {"Problem": problem}
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    for name, example in EXAMPLES.items():
        schemas[name]["examples"] = [example]
    for path, operations in document["paths"].items():
        for operation in operations.values():
            if "requestBody" in operation:  # what app.routing answers
                operation["responses"] |= {
                    str(status): said for status, said in problems(400, 413, 415).items()
                }
            for beginning, door in _DOORS.items():
                if path.startswith(beginning):
                    operation["security"] = door
    return document
