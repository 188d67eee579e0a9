"""Renders every error, the framework's own included, as a problem detail (RFC 9457)."""

from collections.abc import Mapping
from typing import Any, Final

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.routing import Match

from app.errors import (
    AppError,
    BodyTooLarge,
    FieldError,
    InternalError,
    InvalidRequest,
    MalformedJson,
    MethodNotAllowed,
    NotFound,
    Unauthenticated,
    UnsupportedMediaType,
)

log = structlog.get_logger(__name__)

_MAX_FIELD_ERRORS: Final = 50
_MAX_FIELD_NAME: Final = 100


class Problem(BaseModel):
    """A problem detail (RFC 9457) with a stable `code`."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "urn:ai-avatar:problem:integration_not_found",
                    "title": "Integration not found",
                    "status": 404,
                    "detail": "There is no such integration.",
                    "instance": "/integrations/ai-avatar/b0000000-0000-4000-8000-000000000001",
                    "code": "integration_not_found",
                }
            ]
        }
    )

    type: str = Field(examples=["urn:ai-avatar:problem:integration_not_found"])
    title: str
    status: int
    detail: str
    instance: str = Field(description="The path of the request")
    code: str = Field(examples=["integration_not_found"])
    errors: list[FieldError] | None = Field(default=None, description="Field by field, for `invalid_request`")


def problem_response(request: Request, error: AppError) -> JSONResponse:
    """Return an error's response; every error body is written here."""
    headers = {}
    if (retry_after := error.retry_after or error.default_retry_after) is not None:
        headers["Retry-After"] = str(max(1, round(retry_after)))
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    detail = error.detail
    if error.status == 500:  # says nothing about the cause: the log does, by request id
        detail = f"Something went wrong here. Request id: {request.scope.get('request_id', '')}"
    body: dict[str, Any] = {
        "type": f"urn:ai-avatar:problem:{error.code}",
        "title": error.title,
        "status": error.status,
        "detail": detail,
        "instance": request.scope["path"],
        "code": error.code,
        **error.extra,
    }
    return JSONResponse(body, error.status, headers, media_type="application/problem+json")


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
    fields = [
        FieldError(
            field=".".join(str(part)[:_MAX_FIELD_NAME] for part in problem["loc"]),
            message=problem["msg"].removeprefix("Value error, "),
            type=problem["type"],
        )
        for problem in problems[:_MAX_FIELD_ERRORS]
    ]
    return problem_response(request, InvalidRequest(fields))


def install_error_handlers(app: FastAPI) -> None:
    """Render every error of the application, the framework's own included, as a problem."""
    app.add_exception_handler(AppError, handle_app_error)
    app.add_exception_handler(HTTPException, _handle_http_exception)
    app.add_exception_handler(RequestValidationError, _handle_validation_error)
