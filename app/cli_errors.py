"""What the command line prints instead of tracebacks and of its libraries' own words."""

import errno
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, NoReturn

import asyncpg
import typer
from pydantic import ValidationError
from rich.console import Console
from sqlalchemy.exc import DBAPIError
from typer.core import TyperGroup

from app.config import ConfigError
from app.errors import AppError
from app.field_errors import rule_of

_NOT_THE_OWNER: Final = (
    "Only the owner of the database may migrate it, on Supabase `postgres`: set MIGRATE_DATABASE_URL to the owner's "
    "connection string."
)

stderr = Console(stderr=True, highlight=False, soft_wrap=True)


class Commands(TyperGroup):
    """Commands whose arguments are refused in the same words as fields and variables."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command; typer parses its arguments here."""
        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:
            if isinstance(error.__cause__, ValidationError):
                [problem, *_] = error.__cause__.errors()
                _, error.message = rule_of(problem)
            raise


@contextmanager
def errors_in_words() -> Iterator[None]:
    """Print wrong settings and failures as one sentence, without a traceback, and exit with 1 or 2."""
    try:
        yield
    except ConfigError as error:
        stderr.print(
            "[red]The service cannot start:[/]" if "serve" in sys.argv else "[red]Cannot continue:[/]"
        )
        for line in str(error).splitlines():
            stderr.print(f"  {line}", markup=False)
        sys.exit(2)
    except AppError as error:
        fail("Failed", error.detail)
    except OSError as error:
        reason = error.strerror or str(error)
        if error.filename:
            fail(f"Cannot use {error.filename}", reason)
        fail("Cannot connect to the database", reason)
    except (asyncpg.PostgresError, DBAPIError) as error:
        fail("The database reported an error", _in_words(error))


def _in_words(error: Exception) -> str:
    # Only the first line: DETAIL may contain a row, and the rest comes from the driver.
    message = str(_cause_of(error)).partition("\n")[0]
    # PostgreSQL's own words; the migrations' sentences have the way out already.
    if "migrate" in sys.argv and message.startswith("permission denied"):
        return f"{message}. {_NOT_THE_OWNER}"
    return message


def _cause_of(error: BaseException) -> BaseException:
    """Return the driver's error: SQLAlchemy wraps it twice, with words of its own."""
    while error.__cause__ and not isinstance(error, asyncpg.PostgresError):
        error = error.__cause__
    return error


def check_address(host: str, port: int) -> None:
    """Raise ConfigError if a server could not listen there. Servers say so in words of their own, once they run."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except socket.gaierror:
        raise ConfigError(f"--host {host}: there is no such address or name.") from None
    failures = [failure for family, *_, address in found if (failure := _try_to_bind(family, address))]
    for failure in failures:
        if failure.errno == errno.EADDRINUSE:
            raise ConfigError(f"Port {port} is in use. Choose another one with --port.")
    if len(failures) == len(found):  # a machine may lack IPv6
        raise ConfigError(f"Cannot listen on {host}, port {port}: {os.strerror(failures[0].errno or 0)}.")


def _try_to_bind(family: int, address: Any) -> OSError | None:
    try:
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            probe.bind(address)
    except OSError as error:
        return error
    return None


def fail(what: str, reason: str, status: int = 1) -> NoReturn:
    """Print what has failed and why, and exit."""
    stderr.print(f"{what}:", style="red", markup=False, end=" ")
    stderr.print(reason, markup=False)
    sys.exit(status)
