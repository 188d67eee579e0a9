"""PostgreSQL's errors as the service's: SQLSTATE -> AppError."""

from collections.abc import Mapping
from uuid import UUID

import asyncpg

from app import errors

_NAMED_ERRORS: Mapping[str, type[errors.AppError]] = {
    "AV001": errors.IntegrationNotFound,
    "AV002": errors.ContentNotFound,
    "AV003": errors.GenerationNotFound,
    "AV004": errors.IntegrationNotConfigured,
    "AV005": errors.AvatarNotConfigured,
    "AV006": errors.ScriptMissing,
    "AV009": errors.GenerationAlreadyClaimed,
    "AV011": errors.GenerationClosed,
    "AV012": errors.IdempotencyKeyReused,
    "AV016": errors.IntegrationNotActive,
    "AV017": errors.GenerationNotLive,
}

# Not migrated, or the login lacks grants (docs/deploy-supabase.md).
_NOT_MIGRATED = ("42883", "42P01", "3F000", "42703", "42501")
# Shutdown, lost connection, too many connections, read-only standby, failed authentication, deadlock.
_UNAVAILABLE = ("08", "28", "3D", "53", "57", "40", "55000", "25006")

# What happened to one call, for the log; Outages names what concerns them all.
_REASONS: Mapping[str, str] = {
    "40001": "serialization failure",
    "40P01": "deadlock",
    "53100": "the database's disk is full",
    "53200": "the database is out of memory",
    "55P03": "a lock was not free in time (lock_timeout)",
    "57014": "the statement took too long (statement_timeout), or was cancelled",
}


def to_app_error(error: asyncpg.PostgresError) -> Exception:
    """Return the AppError of the error's SQLSTATE, or the error itself if there is none. Removes its DETAIL."""
    state, detail = error.sqlstate or "", error.detail
    # asyncpg prints DETAIL with the message, and PostgreSQL may put a whole row into it: never into a log.
    error.detail = None
    if named := _NAMED_ERRORS.get(state):
        return named()
    match state:
        case "AV007":
            return errors.InvalidRequest.of("body.script", "must be at most 5,000 characters")
        case "AV008":
            return errors.GenerationInProgress(UUID(detail))
        case "AV014":
            return errors.InvalidRequest.of("body.provider_config", "must be an object of at most 16 KiB")
        case "AV015":
            return errors.ContentNotWritable(error.args[0])
        case "AV018":
            return errors.InvalidRequest.of(
                f"body.{error.column_name}", "must be 1 to 255 characters, without control characters"
            )
        case "25006":
            return errors.DatabaseUnavailable(
                "The database is read-only: it takes no changes now. Try again later."
            )
        case "57014":
            return errors.DatabaseTimeout(reason=_REASONS[state])
        case "55P03":
            return errors.LockTimeout(reason=_REASONS[state])
        case "AV013" | "23503":  # 23503: the business was deleted while its first integration was being saved
            return errors.InvalidRequest.of("body.business_id", "must be the id of an existing business")
    if state.startswith(_NOT_MIGRATED):
        return errors.NotReady(
            "The database lacks what this build needs: see /health/ready and `ai-avatar migrate`.",
            reason=str(error.args[0]),
        )
    if state.startswith(_UNAVAILABLE):
        return errors.DatabaseUnavailable(reason=_REASONS.get(state, ""))
    return error
