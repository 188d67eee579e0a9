"""Renders every error, the framework's own included, as a problem detail (RFC 9457)."""

from collections.abc import Mapping
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.routing import Match

from app.errors import (
    ApiKeyRejected,
    AppError,
    BodyTooLarge,
    FieldError,
    InternalError,
    InvalidRequest,
    MalformedJson,
    MethodNotAllowed,
    NotFound,
    ProviderRateLimited,
    ProviderRejected,
    ProviderUnavailable,
    ProviderUnexpectedAnswer,
    UnsupportedMediaType,
)
from app.providers import base

log = structlog.get_logger(__name__)


class Problem(BaseModel):
    """A problem detail (RFC 9457) with a stable `code`."""

    type: str = Field(examples=["urn:ai-avatar:problem:integration_not_found"])
    title: str
    status: int
    detail: str
    instance: str = Field(description="The path of the request")
    code: str = Field(examples=["integration_not_found"])
    errors: list[FieldError] | None = Field(default=None, description="Field by field, for `invalid_request`")


def problem_response(request: Request, error: AppError) -> JSONResponse:
    """The one place where an error body is written."""
    headers = {}
    if error.retry_after is not None:
        headers["Retry-After"] = str(max(1, round(error.retry_after)))
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    detail = error.detail
    if error.status == 500:  # nothing of the cause but where the log tells it
        detail = f"Something went wrong here. Request id: {request.scope.get('request_id', '')}"
    body: dict[str, Any] = {
        "type": f"urn:ai-avatar:problem:{error.code}",
        "title": error.title,
        "status": error.status,
        "detail": detail,
        "instance": request.url.path,
        "code": error.code,
        **error.extra,
    }
    return JSONResponse(body, error.status, headers, media_type="application/problem+json")


_PROVIDER_RETRY_SECONDS = 10.0


def provider_problem(error: base.ProviderError) -> AppError:
    """A provider's failure as callers see it."""
    match error:
        case base.ApiKeyRejected():
            return ApiKeyRejected(error.message)
        case base.ProviderRejected():
            return ProviderRejected(error.message, provider=error.provider, provider_code=error.code)
        case base.ProviderRateLimited():
            return ProviderRateLimited(
                error.message, retry_after=error.retry_after or _PROVIDER_RETRY_SECONDS
            )
        case base.ProviderUnavailable():
            return ProviderUnavailable(
                error.message, retry_after=error.retry_after or _PROVIDER_RETRY_SECONDS
            )
        case _:
            return ProviderUnexpectedAnswer(error.message)


async def _handle_provider_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, base.ProviderError)
    return problem_response(request, provider_problem(error))


_HTTP_ERRORS: Mapping[int, type[AppError]] = {
    400: MalformedJson,
    404: NotFound,
    405: MethodNotAllowed,
    413: BodyTooLarge,
    415: UnsupportedMediaType,
}


async def _handle_app_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, AppError)
    if error.status >= 500:
        # The cause is for the log alone; app.db has taken PostgreSQL's DETAIL out of it.
        log.warning("request_failed", code=error.code, detail=error.detail, exc_info=error.__cause__)
    return problem_response(request, error)


async def _handle_http_exception(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    response = problem_response(request, _HTTP_ERRORS.get(error.status_code, InternalError)())
    if error.status_code == 405:
        response.headers["Allow"] = ", ".join(_allowed_methods(request))
    return response


def _allowed_methods(request: Request) -> list[str]:
    """Of all the path's operations: the framework names those of the first one alone."""
    return [
        method
        for method in ("GET", "HEAD", "POST", "PATCH", "DELETE")
        if any(
            route.matches({**request.scope, "method": method})[0] is Match.FULL
            for route in request.app.routes
        )
    ]


async def _handle_validation_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    problems = error.errors()
    if any(problem["type"] == "json_invalid" for problem in problems):
        return problem_response(request, MalformedJson())
    fields = [
        FieldError(
            field=".".join(str(part)[:100] for part in problem["loc"]),
            message=problem["msg"].removeprefix("Value error, "),
            type=problem["type"],
        )
        for problem in problems[:50]
    ]
    return problem_response(request, InvalidRequest(fields))


def install_error_handlers(app: FastAPI) -> None:
    """Every error of the application, the framework's own included, becomes a problem."""
    app.add_exception_handler(AppError, _handle_app_error)
    app.add_exception_handler(base.ProviderError, _handle_provider_error)
    app.add_exception_handler(HTTPException, _handle_http_exception)
    app.add_exception_handler(RequestValidationError, _handle_validation_error)
