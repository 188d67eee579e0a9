"""What each problem code means and what to do about it, for the page that a problem's `type` leads to and for docs/.

`code` in backticks is shown as code.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from app import errors
from app.errors import AppError


@dataclass(frozen=True, slots=True)
class ProblemHelp:
    """One code: its title, the statuses that it comes with, what has happened, and what the caller does next."""

    code: str
    title: str
    statuses: tuple[int, ...]
    meaning: str
    action: str


_WAIT: Final = "Wait as long as `Retry-After` says, then try again."
_END: Final = "End this n8n execution without an error, before it creates a video."

# By code: what has happened, and what to do.
_TEXTS: Final[Mapping[str, tuple[str, str]]] = {
    "api_key_rejected": (
        "The provider does not accept the API key. A key that you were saving was not stored, and the one before "
        "stays. If it was the stored key, the integration is now in status `error`.",
        "Copy the key from the provider's page again, or create a new one there, and save it.",
    ),
    "avatar_not_configured": (
        "The integration has no default avatar, so there is nothing to speak the script.",
        "Choose an avatar on the settings page, or send `avatar_id` to `PATCH /integrations/ai-avatar/{business_id}`.",
    ),
    "body_too_large": ("The body has more than 1 MiB.", "Send less. No operation needs as much."),
    "content_not_found": (
        "The business has no such content item. Another business's item answers the same.",
        "Check `content_id` and the business.",
    ),
    "content_not_writable": (
        "The database refused to change the content item: a trigger, constraint or column type of the application "
        "does not allow it. `detail` has the database's words.",
        "Change the trigger or constraint. No video was requested.",
    ),
    "database_unavailable": (
        "The database did not answer, or another transaction held a lock for too long.",
        f"{_WAIT} Read the current state before you repeat a change, or send an `Idempotency-Key`.",
    ),
    "forbidden": (
        "These credentials give no access to this path: n8n's key outside `/n8n`, or a user's token on `/n8n`.",
        "Use the credentials of that path.",
    ),
    "generation_already_claimed": (
        "Another n8n execution runs this generation. n8n can run one webhook twice; only the first may continue.",
        _END,
    ),
    "generation_closed": ("The generation has ended, so its result would be ignored.", _END),
    "generation_in_progress": (
        "A video of this content item is already being made: `generation_id` says which.",
        "Follow it, or cancel it first: `POST /integrations/ai-avatar/videos/{content_id}/cancel`.",
    ),
    "generation_not_found": (
        "The content item has no generation, or there is none with this id. Another business's generation answers "
        "the same.",
        "Check the id. Request a video first.",
    ),
    "generation_not_live": (
        "There is nothing to cancel: the latest generation of the content item has already ended.",
        "Read the generation to see how it ended.",
    ),
    "headers_too_large": (
        "The request has more than 100 headers, or more than 32 KiB of them.",
        "Send fewer. Cookies are not needed.",
    ),
    "idempotency_key_reused": (
        "The `Idempotency-Key` was used with another body in the last 24 hours.",
        "Use a new key for a new request, and the same body for a retry.",
    ),
    "integration_not_active": (
        "The integration is switched off (`inactive`), or the provider has rejected its key (`error`). generate-video "
        "first checks such a key once more: if it is accepted, the status becomes `active` and the video is requested. "
        "On `/n8n` the status is 404, so that a workflow does not end silently.",
        "Activate it with `PATCH`, or save a new key.",
    ),
    "integration_not_configured": (
        "The business is not connected to this provider.",
        "Connect it on the settings page, or with `POST /integrations/ai-avatar`.",
    ),
    "integration_not_found": (
        "There is no such integration. Another business's integration answers the same.",
        "Check the business and `provider`, or connect the provider.",
    ),
    "internal_error": (
        "A defect of the service. Its cause is in the service's log.",
        "Report it with the request id in `detail`. The service may have done what was asked for: look before you "
        "repeat it.",
    ),
    "invalid_request": (
        "Some fields or query parameters are invalid or unknown. `errors` names each with its rule.",
        "Correct the request. A repeat does not help.",
    ),
    "key_not_available": (
        "`SECRETS_KEYS` does not open the stored API key.",
        "The operator puts the missing entry of `SECRETS_KEYS` back. If it is lost, save the API key again.",
    ),
    "malformed_json": ("The body is not JSON.", "Check quotes and commas, and that the body is UTF-8."),
    "malformed_request": (
        "This is not a valid HTTP request.",
        "Check the client, or the proxy between it and the service.",
    ),
    "method_not_allowed": (
        "The path exists, but not with this method.",
        "Use a method that the `Allow` header lists.",
    ),
    "no_business": (
        "The signed-in user's row in `profiles` is missing, or has no `business_id`.",
        "Assign the user to a business.",
    ),
    "not_found": ("There is nothing at this path.", "Check the path: `/docs` lists all operations."),
    "not_ready": (
        "The service cannot work yet: the database needs `ai-avatar migrate`, a sealing key is missing, the public "
        "keys of access tokens cannot be fetched, or the process is shutting down. `detail` says which.",
        f"{_WAIT} If it stays, the operator reads `/health/ready`.",
    ),
    "overloaded": ("The process has too many requests or connections.", _WAIT),
    "provider_rate_limited": ("The provider takes no more calls with this API key just now.", _WAIT),
    "provider_rejected": (
        "The provider refused the call: no credit, an unknown avatar, an option that the account does not have. "
        "`provider_code` and `provider_message` are its own words.",
        "Do what `detail` says. A repeat does not help.",
    ),
    "provider_unavailable": ("The provider does not answer, or reports a fault of its own.", _WAIT),
    "provider_unexpected_answer": (
        "The provider answered something that it does not document, such as an HTML page.",
        "Try again later. What was asked for may have happened: look before you repeat it.",
    ),
    "rate_limited": (
        "One business or user has too many requests, event streams or key checks at once.",
        _WAIT,
    ),
    "request_timeout": (
        "The request did not arrive in time: 10 seconds for the headers, 30 for the body.",
        "Send it again, over a faster connection.",
    ),
    "script_missing": (
        "Neither the request nor the content item has a script.",
        "Send `script`, or fill the content item's `video_script`.",
    ),
    "unauthenticated": (
        "The access token or API key is missing, wrong or expired. `detail` says which, where that is safe.",
        "Get a new token, or check the key. The log line `not_authenticated` has the reason.",
    ),
    "unsupported_media_type": (
        "The body was not sent as JSON.",
        "Send the header `Content-Type: application/json`.",
    ),
    "webhook_failed": (
        "n8n could not be reached or refused the job. The content item has its previous status back.",
        "Do what `detail` says, then request the video again.",
    ),
    "webhook_not_configured": (
        "The operator has not set the provider's webhook. Nothing was changed.",
        "Set `N8N_HEYGEN_WEBHOOK_URL` or `N8N_TAVUS_WEBHOOK_URL` to the workflow's production URL, and restart.",
    ),
    "webhook_timeout": (
        "n8n did not answer in time. The content item has its previous status back.",
        "Look at the content item, then request the video again. The workflow's webhook must answer immediately.",
    ),
}


def problem_helps() -> list[ProblemHelp]:
    """Return every code that callers see, in alphabetical order. Raises KeyError if one has no text."""
    by_code: dict[str, list[type[AppError]]] = {}
    for kind in error_kinds():
        by_code.setdefault(kind.code, []).append(kind)
    return [
        ProblemHelp(code, kinds[0].title, tuple(sorted({kind.status for kind in kinds})), *_TEXTS[code])
        for code, kinds in sorted(by_code.items())
    ]


def error_kinds() -> Iterator[type[AppError]]:
    """Yield the classes that have a code of their own, or another status than the one that they inherit from."""
    for kind in vars(errors).values():
        is_error = isinstance(kind, type) and issubclass(kind, AppError) and kind is not AppError
        if is_error and {"status", "code"} & vars(kind).keys():
            yield kind
