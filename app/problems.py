"""Renders every error, the framework's own included, as a problem detail (RFC 9457)."""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.routing import Match
from starlette.types import Scope, Send

from app.errors import (
    AppError,
    BodyTooLarge,
    InternalError,
    InvalidRequest,
    MalformedJson,
    MethodNotAllowed,
    NotFound,
    Unauthenticated,
    UnsupportedMediaType,
)
from app.field_errors import FieldError

log = structlog.get_logger(__name__)

PROBLEM_TYPE_URL: Final = "/problems/#"
"""The setting's default. A problem's `type` is this and its code: an entry of the page that app.reference serves."""

_MAX_FIELD_ERRORS: Final = 50


def problem_body(
    error: AppError, instance: str, request_id: str = "", type_url: str = PROBLEM_TYPE_URL
) -> dict[str, Any]:
    """Return an error's body; every one is made here, those in the OpenAPI document too.

    `instance`: the path of the request. `type_url`: what precedes the code in `type`.
    """
    detail = error.detail
    if error.status == 500:  # says nothing about the cause: the log does, by request id
        detail = f"Something went wrong here. Request id: {request_id}"
    return {
        "type": type_url + error.code,
        "title": error.title,
        "status": error.status,
        "detail": detail,
        "instance": instance,
        "code": error.code,
        **error.extra,
    }


def problem_response(request: Request, error: AppError) -> JSONResponse:
    """Return an error's response."""
    headers = {}
    if (retry_after := error.retry_after or error.default_retry_after) is not None:
        headers["Retry-After"] = str(max(1, round(retry_after)))
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    scope = request.scope
    body = problem_body(
        error,
        scope["path"],
        scope.get("request_id", ""),
        scope.get("problem_type_url", PROBLEM_TYPE_URL),
    )
    return JSONResponse(body, error.status, headers, media_type="application/problem+json")


class ReadyProblem:
    """An error's response, rendered once but for the path.

    For errors of which there may be thousands a second: building a Response for each takes several times as long.
    """

    def __init__(self, error: AppError, type_url: str = PROBLEM_TYPE_URL) -> None:
        """Render it. `type_url`: what precedes the code in `type`."""
        self.status = error.status
        marker = "path of the request"
        scope = {"type": "http", "path": marker, "headers": [], "problem_type_url": type_url}
        response = problem_response(Request(scope), error)
        self._before, self._after = bytes(response.body).split(json.dumps(marker).encode())
        self._headers = [header for header in response.raw_headers if header[0] != b"content-length"]
        phrase = HTTPStatus(error.status).phrase
        self._head = f"HTTP/1.1 {error.status} {phrase}\r\ncache-control: no-store\r\n".encode()
        self._head += b"".join(b"%s: %s\r\n" % header for header in self._headers)

    async def __call__(self, scope: Scope, send: Send) -> None:
        """Send it as an ASGI application does."""
        body = self._body(scope["path"])
        headers = [*self._headers, (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def render(self, path: str, request_id: str, headers: bytes = b"", *, closes: bool = False) -> bytes:
        """Return it as it goes over the wire: for requests that are refused before the application sees them.

        `headers`: further lines. `closes`: whether the connection ends with it.
        """
        body = self._body(path)
        end = f"content-length: {len(body)}\r\nx-request-id: {request_id}\r\n"
        if closes:
            end += "connection: close\r\n"
        return self._head + end.encode() + headers + b"\r\n" + body

    def _body(self, path: str) -> bytes:
        return self._before + json.dumps(path).encode() + self._after


_HTTP_ERRORS: Final[Mapping[int, type[AppError]]] = {
    400: MalformedJson,
    404: NotFound,
    405: MethodNotAllowed,
    413: BodyTooLarge,
    415: UnsupportedMediaType,
}


async def handle_app_error(request: Request, error: Exception) -> JSONResponse:
    """Log an error as it deserves, and return its response."""
    assert isinstance(error, AppError)
    if isinstance(error, Unauthenticated):
        log.info("not_authenticated", reason=error.reason)
    if error.status >= 500:  # expected: one line that names what happened, without a traceback
        reason = {"reason": error.reason} if error.reason else {}
        log.warning("request_failed", code=error.code, detail=error.detail, **reason)
    return problem_response(request, error)


async def _handle_http_exception(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    response = problem_response(request, _HTTP_ERRORS.get(error.status_code, InternalError)())
    if error.status_code == 405:
        response.headers["Allow"] = ", ".join(_allowed_methods(request))
    return response


def _allowed_methods(request: Request) -> list[str]:
    """Return the methods of all of the path's operations; the framework names only those of the first."""
    methods = [
        method
        for method in ("GET", "POST", "PATCH", "DELETE")
        if any(
            route.matches({**request.scope, "method": method})[0] is Match.FULL
            for route in request.app.routes
        )
    ]
    return ["GET", "HEAD", *methods[1:]] if "GET" in methods else methods


async def _handle_validation_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    problems = error.errors()
    if any(problem["type"] == "json_invalid" for problem in problems):
        return problem_response(request, MalformedJson())
    known = _body_fields(request)
    fields = [
        FieldError.of_validator(problem["loc"], problem, known if len(problem["loc"]) == 2 else ())
        for problem in problems[:_MAX_FIELD_ERRORS]
    ]
    return problem_response(request, InvalidRequest(fields))


def _body_fields(request: Request) -> list[str]:
    """Return the names of the fields that the operation's body may have."""
    body = getattr(request.scope.get("route"), "body_field", None)
    model = body.field_info.annotation if body else None
    return list(getattr(model, "model_fields", ()))


def install_error_handlers(app: FastAPI) -> None:
    """Render every error of the application, the framework's own included, as a problem."""
    app.add_exception_handler(AppError, handle_app_error)
    app.add_exception_handler(HTTPException, _handle_http_exception)
    app.add_exception_handler(RequestValidationError, _handle_validation_error)
