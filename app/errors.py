"""The error hierarchy: every error that callers see, with its status, its stable `code` and its title.

    AppError
    ├── MalformedJson, MalformedRequest              400
    ├── Unauthenticated               401
    ├── Forbidden, NoBusiness         403
    ├── NotFound                      404   no such path
    ├── IntegrationNotFound, ContentNotFound, GenerationNotFound    404   none, or another business's
    ├── MethodNotAllowed              405
    ├── RequestTimeout                408
    ├── IntegrationNotConfigured, IntegrationNotActive, ContentNotWritable, GenerationInProgress,
    │   GenerationAlreadyClaimed, GenerationNotLive                 409
    │   └── IntegrationNotActiveInWorkflow      404 of IntegrationNotActive, on /n8n
    ├── GenerationClosed              410
    ├── BodyTooLarge                  413
    ├── UnsupportedMediaType          415
    ├── InvalidRequest, ScriptMissing, AvatarNotConfigured, IdempotencyKeyReused    422
    ├── RateLimited                   429
    ├── HeadersTooLarge               431
    ├── InternalError                 500
    ├── WebhookFailed                 502
    ├── WebhookNotConfigured          503
    ├── WebhookTimeout                504
    ├── DatabaseUnavailable, Overloaded, KeyNotAvailable, NotReady                   503
    │   └── DatabaseTimeout, LockTimeout        of DatabaseUnavailable
    └── ProviderError                       a provider's call did not succeed
        ├── ApiKeyRejected            422
        ├── ProviderRateLimited       429
        ├── ProviderRejected          502   with the provider's own code and message
        │   ├── QuotaExceeded
        │   └── ProviderNotFound
        ├── ProviderUnexpectedAnswer  502
        └── ProviderUnavailable       503

`app.problems` renders them; nothing here knows a web framework, so providers and repositories may raise them.
"""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, ClassVar, Final
from uuid import UUID

from app.field_errors import FieldError


class AppError(Exception):
    """An error reported to the caller. `detail` and `extra` are part of the response and must not contain secrets."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"
    title: ClassVar[str] = "Internal error"
    default_detail: ClassVar[str] = ""
    default_retry_after: ClassVar[float | None] = None
    """Seconds; what `Retry-After` says where `retry_after` is not known."""

    def __init__(
        self, detail: str = "", *, retry_after: float | None = None, reason: str = "", **extra: Any
    ) -> None:
        """`retry_after` is in seconds; `extra` are further members of the problem.

        `reason` is for the log, where it may say more than `detail` tells the caller.
        """
        super().__init__(detail or self.default_detail)
        self.detail = detail or self.default_detail
        self.retry_after = retry_after
        self.reason = reason
        self.extra = extra


class MalformedJson(AppError):
    status, code, title = 400, "malformed_json", "Malformed JSON"
    default_detail = "The body is not JSON."


class MalformedRequest(AppError):
    status, code, title = 400, "malformed_request", "Bad Request"
    default_detail = "This is not a valid HTTP request."


class Unauthenticated(AppError):
    status, code, title = 401, "unauthenticated", "Not authenticated"
    default_detail = (
        "This needs a valid access token (Authorization: Bearer) or API key (X-API-Key or apikey)."
    )

    def __init__(self, reason: str, detail: str = "") -> None:
        """`reason` is a word for the log, by which refusals can be counted."""
        super().__init__(detail, reason=reason)


class Forbidden(AppError):
    status, code, title = 403, "forbidden", "Forbidden"
    default_detail = "You are authenticated, but not allowed to do this."


class NoBusiness(AppError):
    status, code, title = 403, "no_business", "No business"
    default_detail = "Your profile does not belong to a business."


class NotFound(AppError):
    status, code, title = 404, "not_found", "Not found"
    default_detail = "There is nothing at this path."


class IntegrationNotFound(AppError):
    status, code, title = 404, "integration_not_found", "Integration not found"
    default_detail = "There is no such integration."


class ContentNotFound(AppError):
    status, code, title = 404, "content_not_found", "Content not found"
    default_detail = "The business has no such content item."


class GenerationNotFound(AppError):
    status, code, title = 404, "generation_not_found", "Generation not found"
    default_detail = "There is no such generation."


class MethodNotAllowed(AppError):
    status, code, title = 405, "method_not_allowed", "Method not allowed"
    default_detail = "This path does not support that method."


class RequestTimeout(AppError):
    status, code, title = 408, "request_timeout", "Request Timeout"
    default_detail = "The request did not arrive in time."


class IntegrationNotConfigured(AppError):
    status, code, title = 409, "integration_not_configured", "Integration not configured"


class IntegrationNotActive(AppError):
    status, code, title = 409, "integration_not_active", "Integration not active"
    default_detail = "The integration is inactive, or the provider has rejected its API key."


class IntegrationNotActiveInWorkflow(IntegrationNotActive):
    """404, because workflows end silently on 409. This one must report the generation as failed."""

    status = 404


class ContentNotWritable(AppError):
    status, code, title = 409, "content_not_writable", "Content item not writable"

    def __init__(self, reason: str) -> None:
        """`reason`: the database's words, without values."""
        super().__init__(f"The database refused to change the content item: {reason}")


class GenerationInProgress(AppError):
    status, code, title = 409, "generation_in_progress", "Generation in progress"
    default_detail = "A video of this content item is already being made."

    def __init__(self, generation_id: UUID) -> None:
        """`generation_id`: the live one."""
        super().__init__(generation_id=str(generation_id))


class GenerationAlreadyClaimed(AppError):
    status, code, title = 409, "generation_already_claimed", "Generation already claimed"
    default_detail = (
        "Another execution runs this generation. Stop this one: a second video would be billed again."
    )


class GenerationNotLive(AppError):
    status, code, title = 409, "generation_not_live", "Generation not live"
    default_detail = "The latest video generation of this content item has already ended."


class GenerationClosed(AppError):
    status, code, title = 410, "generation_closed", "Generation closed"
    default_detail = "This generation has ended. Stop the workflow; its result will be ignored."


class BodyTooLarge(AppError):
    status, code, title = 413, "body_too_large", "Body too large"
    default_detail = "A body may have at most 1 MiB."


class UnsupportedMediaType(AppError):
    status, code, title = 415, "unsupported_media_type", "Unsupported media type"
    default_detail = "Send JSON, with Content-Type: application/json."


class InvalidRequest(AppError):
    status, code, title = 422, "invalid_request", "Invalid request"
    default_detail = "Some fields are invalid; see errors."

    def __init__(self, errors: Sequence[FieldError], detail: str = "") -> None:
        """`errors`: one per invalid field."""
        super().__init__(detail, errors=[asdict(error) for error in errors])

    @classmethod
    def of(cls, field: str, rule: str) -> "InvalidRequest":
        """Return the error of one field that the schema does not check; `rule` as RuleError's text."""
        return cls([FieldError.of(field, rule)])


class ScriptMissing(AppError):
    status, code, title = 422, "script_missing", "Script missing"
    default_detail = "Neither the request nor the content item has a script to speak."


class AvatarNotConfigured(AppError):
    status, code, title = 422, "avatar_not_configured", "Avatar not configured"
    default_detail = "The integration has no avatar_id to speak with. Choose a default avatar first."


class IdempotencyKeyReused(AppError):
    status, code, title = 422, "idempotency_key_reused", "Idempotency key reused"
    default_detail = "This Idempotency-Key was used with a different body. Use a new key for a new request."


class InternalError(AppError):
    status, code, title = 500, "internal_error", "Internal error"


class WebhookNotConfigured(AppError):
    status, code, title = 503, "webhook_not_configured", "Webhook not configured"
    default_detail = "Webhook URL is not configured."


class WebhookFailed(AppError):
    status, code, title = 502, "webhook_failed", "Webhook failed"


class WebhookTimeout(AppError):
    status, code, title = 504, "webhook_timeout", "Webhook timeout"


class RateLimited(AppError):
    status, code, title = 429, "rate_limited", "Rate limited"
    default_detail = "Too many API key checks for this business. Try again later."


class HeadersTooLarge(AppError):
    status, code, title = 431, "headers_too_large", "Request Header Fields Too Large"
    default_detail = "The request's headers are too large."


class DatabaseUnavailable(AppError):
    status, code, title = 503, "database_unavailable", "Database unavailable"
    default_detail = "The database does not answer. Nothing was changed, or it is not known; try again."
    default_retry_after = 5


class DatabaseTimeout(DatabaseUnavailable):
    """A statement did not end in time and was cancelled."""


class LockTimeout(DatabaseUnavailable):
    """Another transaction held a lock for longer than a call waits for it."""

    default_detail = "Another transaction is changing the same data. Nothing was changed here; try again."
    default_retry_after = 2


class Overloaded(AppError):
    status, code, title = 503, "overloaded", "Overloaded"
    default_detail = "The service is handling too many requests. Try again."
    default_retry_after = 2


class KeyNotAvailable(AppError):
    status, code, title = 503, "key_not_available", "Key not available"
    default_detail = (
        "The stored API key cannot be opened with the configured SECRETS_KEYS. Nothing was changed. "
        "Save the API key again, or ask the operator to check SECRETS_KEYS."
    )
    default_retry_after = 60


class NotReady(AppError):
    status, code, title = 503, "not_ready", "Not ready"
    default_retry_after = 10


class ProviderError(AppError):
    """A provider's call did not succeed. `detail` is fit for a user and never contains the API key.

    `may_have_happened`: of a create, that a video may have been created, and billed, all the same.
    """

    may_have_happened: bool = False

    def __init__(self, provider: str, detail: str, *, retry_after: float | None = None) -> None:
        """`provider`: its name in the registry."""
        super().__init__(detail, retry_after=retry_after)
        self.provider = provider


class ApiKeyRejected(ProviderError):
    """The provider does not know this API key, or no longer does."""

    status, code, title = 422, "api_key_rejected", "API key rejected"


class ProviderRejected(ProviderError):
    """The provider refused this call, with a code and a message of its own. Repeating the call will not help."""

    status, code, title = 502, "provider_rejected", "Provider rejected"

    def __init__(self, provider: str, detail: str, *, provider_code: str, provider_message: str = "") -> None:
        """`detail`: what to do about it. `provider_code` and `provider_message` are the provider's own words."""
        super().__init__(provider, detail)
        self.extra = {
            "provider": provider,
            "provider_code": provider_code,
            "provider_message": provider_message or detail,
        }
        self.provider_code = provider_code


class QuotaExceeded(ProviderRejected):
    """The account has run out of credit or quota."""


class ProviderNotFound(ProviderRejected):
    """The provider does not have what this call names: a video, an avatar, a voice."""


class ProviderRateLimited(ProviderError):
    """Too many calls with this key; `retry_after` is None where the provider gave none."""

    status, code, title = 429, "provider_rate_limited", "Provider rate limited"
    default_retry_after = 10


class ProviderUnexpectedAnswer(ProviderError):
    """The response is none that the provider documents: HTML, another shape, too long, a redirect.

    What was asked for may have happened all the same.
    """

    status, code, title = 502, "provider_unexpected_answer", "Unexpected answer from the provider"
    may_have_happened = True


class ProviderUnavailable(ProviderError):
    """No connection, no response in time, or the provider's own fault (5xx): try again later.

    `may_have_happened` is False only when the request certainly did not reach the provider. For a create
    it says whether a repeat could make, and bill, a second video.
    """

    status, code, title = 503, "provider_unavailable", "Provider unavailable"
    default_retry_after = 10

    def __init__(
        self,
        provider: str,
        detail: str,
        *,
        retry_after: float | None = None,
        may_have_happened: bool = True,
    ) -> None:
        super().__init__(provider, detail, retry_after=retry_after)
        self.may_have_happened = may_have_happened


PROVIDER_FAILURES: Final = (
    ProviderRateLimited,
    ProviderRejected,
    ProviderUnexpectedAnswer,
    ProviderUnavailable,
)
"""What any call to a provider may raise, beside ApiKeyRejected."""
