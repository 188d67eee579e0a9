"""Why the database cannot be reached or written to: the cause in words, and one log line when it changes."""

import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from socket import gaierror
from typing import Final
from urllib.parse import parse_qs, urlsplit

import asyncpg
import structlog

log = structlog.get_logger(__name__)

# An outage is over once calls have succeeded for so long without a failure. While a server is full, or starts and
# stops, single calls succeed: they would fill the log with endings and beginnings.
_SETTLED_SECONDS: Final = 1.0
# On a read-only database reads succeed. Background maintenance writes every 7.5 s at the latest, so that a database
# which has refused nothing for longer can be written to.
_WRITABLE_SECONDS: Final = 10.0

_REASONS_BY_SQLSTATE: Final = {
    "28P01": "wrong user name or password",
    "3D000": "the database does not exist",
    "53300": "too many connections",
    "57P03": "the server is starting up or shutting down",
    "57P01": "the server ended the connection",
    "57P02": "the server ended the connection after a crash",
}


class Outages:
    """What keeps one process from using its database."""

    def __init__(self, dsn: str, clock: Callable[[], float] = time.monotonic, *, logs: bool = True) -> None:
        """`dsn`: the connection string, of which only host and port are named. `clock`: in seconds.

        `logs` False: another one of this process writes the log.
        """
        self._address = address_of(dsn)
        self._clock = clock
        self._logs = logs
        self._unreachable: _Outage | None = None
        self._read_only: _Outage | None = None

    @property
    def cause(self) -> str | None:
        """What is wrong at present, as a sentence for operators; None if nothing is known to be wrong."""
        outage = self._unreachable or self._read_only
        return outage.cause if outage else None

    @property
    def read_only(self) -> str | None:
        """The sentence that says that the last write was refused because the database is read-only, or None."""
        return self._read_only.cause if self._read_only else None

    def note_unreachable(self, error: BaseException) -> None:
        """Remember that no connection could be made, or that one broke. Log the cause if it is new."""
        cause, now = describe_failure(error, self._address), self._clock()
        if self._unreachable is None or self._unreachable.cause != cause:
            self._warn("database_unreachable", cause)
        since = self._unreachable.since if self._unreachable else now
        self._unreachable = _Outage(cause, since, now)

    def note_read_only(self) -> None:
        """Remember that a write was refused because the database is read-only. Log it if that is new."""
        cause = f"PostgreSQL at {self._address} is read-only: it is a standby, or was set to read-only."
        now = self._clock()
        if self._read_only is None:
            self._warn("database_read_only", cause)
        since = self._read_only.since if self._read_only else now
        self._read_only = _Outage(cause, since, now)

    def note_success(self) -> None:
        """Remember that a call succeeded, and log the end of an outage."""
        now = self._clock()
        if self._unreachable and now - self._unreachable.last_failure >= _SETTLED_SECONDS:
            _log_end("database_reachable", "reachable", now - self._unreachable.since)
            self._unreachable = None
        if self._read_only and now - self._read_only.last_failure >= _WRITABLE_SECONDS:
            _log_end("database_writable", "writable", now - self._read_only.since)
            self._read_only = None

    def _warn(self, event: str, cause: str) -> None:
        if self._logs:
            log.warning(event, detail=cause)


def _log_end(event: str, state: str, seconds: float) -> None:
    log.info(event, detail=f"database {state} again after {seconds:.0f} s", seconds=round(seconds))


@dataclass(frozen=True, slots=True)
class _Outage:
    cause: str
    since: float
    last_failure: float


def address_of(dsn: str) -> str:
    """Return `host:port`, or the socket's path, of a connection string."""
    parts = urlsplit(dsn)
    query = parse_qs(parts.query)
    port = query.get("port", [str(parts.port or 5432)])[0]
    host = query.get("host", [parts.hostname or "127.0.0.1"])[0]
    if host.startswith("/"):
        return f"{host}/.s.PGSQL.{port}"
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def describe_failure(error: BaseException, address: str) -> str:
    """Return why no connection could be made, or why it broke, as a sentence with host and port.

    It has no word of the connection string but these, and of asyncpg's errors only those that name no value.
    """
    return f"Cannot connect to PostgreSQL at {address}: {_reason(error)}."


def _reason(error: BaseException) -> str:
    match error:
        case TimeoutError():
            return "no answer in time"
        case gaierror():
            return "unknown host"
        case ConnectionRefusedError():
            return "connection refused"
        case ssl.SSLCertVerificationError():
            return f"TLS: the server's certificate is not trusted ({error.verify_message})"
        case ssl.SSLError():
            return "TLS: the handshake failed"
        case FileNotFoundError():
            return "no server listens on this socket"
        case ConnectionError() if "SSL" in str(error):
            return "TLS: the server does not support it, or is not PostgreSQL"
        case OSError() if error.strerror:
            return error.strerror
        case asyncpg.PostgresError():
            return _reason_of_server(error)
        case asyncpg.ClientConfigurationError():
            return "TLS: the root certificate of sslmode or sslrootcert cannot be read"
        case asyncpg.TargetServerAttributeNotMatched():
            return "no server accepts writes"
    return "the connection broke"


def _reason_of_server(error: asyncpg.PostgresError) -> str:
    state, message = error.sqlstate or "", str(error.args[0]) if error.args else ""
    if state == "28000" and "pg_hba.conf" in message:
        without_tls = " without TLS (sslmode=require)" if "no encryption" in message else ""
        return f"the server's pg_hba.conf does not allow this user, database and address{without_tls}"
    if state == "28000":
        return "wrong role: it does not exist or may not log in"
    if state in ("08P01", "XX000"):  # a pooler's own errors: PgBouncer's and Supavisor's
        return f"the pooler reported: {message[:200]}"
    return _REASONS_BY_SQLSTATE.get(state, "the connection broke")
