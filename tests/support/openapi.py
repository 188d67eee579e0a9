"""The OpenAPI document, and what it says of an operation that a test has called."""

import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import httpx
import jsonschema_rs
from support.service import settings

from app.main import create_app

PROBLEM = "application/problem+json"


@cache
def document() -> dict[str, Any]:
    """Return the document, as JSON has it. It depends on no setting."""
    app = create_app(settings("postgresql://unknown@127.0.0.1:1/none"))
    return json.loads(json.dumps(app.openapi()))  # type: ignore[no-any-return]


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield the method, the path template and the description of every operation."""
    for path, found in document()["paths"].items():
        for method, operation in found.items():
            yield method, path, operation


def resolve(part: dict[str, Any]) -> dict[str, Any]:
    """Return what a `$ref` leads to, or the part itself."""
    while "$ref" in part:
        target: Any = document()
        for name in part["$ref"].removeprefix("#/").split("/"):
            target = target[name]
        part = target
    return part


def validate(value: object, schema: dict[str, Any]) -> None:
    """Fail if the value does not fit a schema of the document."""
    _validator(json.dumps(schema)).validate(value)


@cache
def _validator(schema: str) -> jsonschema_rs.Validator:
    return jsonschema_rs.validator_for(
        json.loads(schema) | {"components": document()["components"]}, validate_formats=True
    )


def documented_codes(response: dict[str, Any]) -> set[str]:
    """Return the codes that a documented error response may have, by its schema."""
    schema = resolve(response)["content"][PROBLEM]["schema"]
    return {
        resolve(kind)["allOf"][1]["properties"]["code"]["const"] for kind in schema.get("oneOf", [schema])
    }


def find_operation(method: str, path: str) -> dict[str, Any] | None:
    """Return the operation that a request reaches, None for a path or a method that has none."""
    for pattern, found in _patterns():
        if pattern.fullmatch(path.removeprefix("/api")):
            operation: dict[str, Any] | None = found.get(method.lower())
            return operation
    return None


def assert_documented(response: httpx.Response) -> None:
    """Fail if the operation's documentation does not have this response, whether success or problem."""
    request = response.request
    operation = find_operation(request.method, request.url.path)
    media_type = response.headers.get("content-type", "").partition(";")[0]
    if operation is None or not media_type.endswith("json"):
        return
    asked = f"{request.method} {request.url.path}: {response.status_code} {response.text}"
    documented = operation["responses"].get(str(response.status_code))
    assert documented is not None, f"{asked} is not documented"
    documented = resolve(documented)
    if not response.content:
        assert "content" not in documented, f"{asked} has no body"
        return
    if media_type == PROBLEM:
        assert response.json()["code"] in documented_codes(documented), f"{asked} is not documented"
    validate(response.json(), documented["content"][media_type]["schema"])


@cache
def _patterns() -> list[tuple[re.Pattern[str], dict[str, Any]]]:
    return [
        (re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(path))), found)
        for path, found in document()["paths"].items()
    ]
