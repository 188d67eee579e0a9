"""What can go wrong, as callers see it: each error has its status and its stable `code`, and one handler writes all.

The bodies are problem details (RFC 9457).
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar
from uuid import UUID

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.routing import Match

from app.providers import base

log = structlog.get_logger(__name__)


class FieldError(BaseModel):
    """What is wrong with one field. It never repeats the value, which may be a secret."""

    field: str = Field(examples=["body.api_key"])
    message: str
    type: str


class Problem(BaseModel):
    """A problem detail (RFC 9457) with a stable `code`."""

    type: str = Field(examples=["urn:ai-avatar:problem:integration_not_found"])
    title: str
    status: int
    detail: str
    instance: str = Field(description="The path of the request")
    code: str = Field(examples=["integration_not_found"])
    errors: list[FieldError] | None = Field(default=None, description="Field by field, for `invalid_request`")


class AppError(Exception):
    """A refusal that the caller is told about. `detail` and `extra` go into the answer: no secret may be in them."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"
    title: ClassVar[str] = "Internal error"
    default_detail: ClassVar[str] = ""

    def __init__(self, detail: str = "", *, retry_after: float | None = None, **extra: Any) -> None:
        """`retry_after` is in seconds; `extra` are further members of the problem."""
        super().__init__(detail or self.default_detail)
        self.detail = detail or self.default_detail
        self.retry_after = retry_after
        self.extra = extra


class MalformedJson(AppError):
    status, code, title = 400, "malformed_json", "Malformed JSON"
    default_detail = "The body is not JSON."


class Unauthenticated(AppError):
    status, code, title = 401, "unauthenticated", "Not authenticated"
    default_detail = "This needs a valid access token (Authorization: Bearer) or API key (X-API-Key)."


class Forbidden(AppError):
    status, code, title = 403, "forbidden", "Forbidden"
    default_detail = "You are known, but this is not for you."


class NoBusiness(AppError):
    status, code, title = 403, "no_business", "No business"
    default_detail = "Your profile belongs to no business."


class NotFound(AppError):
    status, code, title = 404, "not_found", "Not found"
    default_detail = "There is nothing at this path."


class IntegrationNotFound(AppError):
    status, code, title = 404, "integration_not_found", "Integration not found"
    default_detail = "There is no such integration."


class ContentNotFound(AppError):
    status, code, title = 404, "content_not_found", "Content not found"
    default_detail = "The business has no such content."


class GenerationNotFound(AppError):
    status, code, title = 404, "generation_not_found", "Generation not found"
    default_detail = "There is no such generation."


class MethodNotAllowed(AppError):
    status, code, title = 405, "method_not_allowed", "Method not allowed"
    default_detail = "This path does not take that method."


class IntegrationNotConfigured(AppError):
    status, code, title = 409, "integration_not_configured", "Integration not configured"


class GenerationInProgress(AppError):
    status, code, title = 409, "generation_in_progress", "Generation in progress"
    default_detail = "A video of this content is being made already."

    def __init__(self, generation_id: UUID) -> None:
        """`generation_id`: the one that lives."""
        super().__init__(generation_id=str(generation_id))


class GenerationAlreadyClaimed(AppError):
    status, code, title = 409, "generation_already_claimed", "Generation already claimed"
    default_detail = "Another execution runs this generation. End this one: a second would be billed again."


class GenerationClosed(AppError):
    status, code, title = 410, "generation_closed", "Generation closed"
    default_detail = "This generation is over. End the workflow: nobody waits for its result."


class BodyTooLarge(AppError):
    status, code, title = 413, "body_too_large", "Body too large"
    default_detail = "A body may have 1 MiB at most."


class UnsupportedMediaType(AppError):
    status, code, title = 415, "unsupported_media_type", "Unsupported media type"
    default_detail = "Send JSON, with Content-Type: application/json."


class InvalidRequest(AppError):
    status, code, title = 422, "invalid_request", "Invalid request"
    default_detail = "Some fields are not as they should be; see errors."

    def __init__(self, errors: Sequence[FieldError], detail: str = "") -> None:
        """`errors`: one for each field."""
        super().__init__(detail, errors=[error.model_dump() for error in errors])

    @classmethod
    def of(cls, field: str, message: str) -> "InvalidRequest":
        """One field, found wrong after the schema had let it pass."""
        return cls([FieldError(field=field, message=message, type="value_error")])


class ScriptMissing(AppError):
    status, code, title = 422, "script_missing", "Script missing"
    default_detail = "Neither the request nor the content has a script to speak."


class AvatarNotConfigured(AppError):
    status, code, title = 422, "avatar_not_configured", "Avatar not configured"
    default_detail = "The integration has no avatar_id to speak with. Choose a default avatar first."


class IdempotencyKeyReused(AppError):
    status, code, title = 422, "idempotency_key_reused", "Idempotency key reused"
    default_detail = "This Idempotency-Key came with another body before. Use a new key for a new request."


class InternalError(AppError):
    status, code, title = 500, "internal_error", "Internal error"


class WebhookNotConfigured(AppError):
    status, code, title = 503, "webhook_not_configured", "Webhook not configured"
    default_detail = "Webhook URL is not configured."


class WebhookFailed(AppError):
    status, code, title = 502, "webhook_failed", "Webhook failed"


class WebhookTimeout(AppError):
    status, code, title = 504, "webhook_timeout", "Webhook timeout"


class ApiKeyRejected(AppError):
    status, code, title = 422, "api_key_rejected", "API key rejected"


class RateLimited(AppError):
    status, code, title = 429, "rate_limited", "Rate limited"
    default_detail = "Too many checks of API keys for this business. Wait a little."


class ProviderRateLimited(AppError):
    status, code, title = 429, "provider_rate_limited", "Provider rate limited"


class ProviderRejected(AppError):
    status, code, title = 502, "provider_rejected", "Provider rejected"


class ProviderUnexpectedAnswer(AppError):
    status, code, title = 502, "provider_unexpected_answer", "Unexpected answer from the provider"


class ProviderUnavailable(AppError):
    status, code, title = 503, "provider_unavailable", "Provider unavailable"


class DatabaseUnavailable(AppError):
    status, code, title = 503, "database_unavailable", "Database unavailable"
    default_detail = "The database does not answer. Nothing was changed, or it is not known; try again."

    def __init__(self, detail: str = "") -> None:
        """Callers are asked to come back in 5 s."""
        super().__init__(detail, retry_after=5)


class Overloaded(AppError):
    status, code, title = 503, "overloaded", "Overloaded"
    default_detail = "Too much is going on at once. Try again."

    def __init__(self, detail: str = "") -> None:
        """Callers are asked to come back in 2 s."""
        super().__init__(detail, retry_after=2)


class NotReady(AppError):
    status, code, title = 503, "not_ready", "Not ready"

    def __init__(self, detail: str) -> None:
        """`detail`: what is missing."""
        super().__init__(detail, retry_after=10)


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
