"""What the command line prints instead of tracebacks and of its libraries' own words."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import asyncpg
import typer
from pydantic import ValidationError
from rich.console import Console
from sqlalchemy.exc import DBAPIError
from typer.core import TyperGroup

from app.config import ConfigError
from app.errors import AppError
from app.field_errors import rule_of

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
        # Only the first line: DETAIL may contain a row, and the rest comes from the driver.
        fail("The database reported an error", str(error).partition("\n")[0])


def fail(what: str, reason: str, status: int = 1) -> NoReturn:
    """Print what has failed and why, and exit."""
    stderr.print(f"{what}:", style="red", markup=False, end=" ")
    stderr.print(reason, markup=False)
    sys.exit(status)
