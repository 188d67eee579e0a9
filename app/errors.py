"""The errors that callers see: each class has its status, its stable `code` and its title."""

from collections.abc import Sequence
from typing import Any, ClassVar
from uuid import UUID

from pydantic import BaseModel, Field


class FieldError(BaseModel):
    """What is wrong with one field. It never repeats the value, which may be a secret."""

    field: str = Field(examples=["body.api_key"])
    message: str
    type: str


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
