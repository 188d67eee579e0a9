"""The database: one asyncpg pool, and `call`, the one gateway to its SQL functions.

SQLAlchemy describes the calls and compiles each once, at import. A hot call is one prepared statement on the
driver, with no transaction around it: the SQL function is the transaction.
"""

import json
from collections.abc import Mapping, Sequence
from copy import copy
from datetime import datetime
from typing import Any, Final, get_args
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit
from uuid import UUID

import asyncpg
from pydantic import BaseModel, SecretStr
from sqlalchemy import (
    ARRAY,
    Boolean,
    ColumnElement,
    DateTime,
    Double,
    Integer,
    Interval,
    LargeBinary,
    Text,
    Uuid,
    bindparam,
    column,
    func,
    literal_column,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql.asyncpg import dialect as asyncpg_dialect
from sqlalchemy.types import TypeEngine

from app import errors
from app.admission import BusinessLimit, current_admission, requests_shed
from app.connections import Connections
from app.database_errors import to_app_error
from app.outages import Outages, address_of, describe_failure

TEXT: Final = Text()
UUID_: Final = Uuid()
UUIDS: Final = ARRAY(Uuid())
INTEGER: Final = Integer()
DOUBLE: Final[Double[float]] = Double()
BOOLEAN: Final = Boolean()
TIMESTAMPTZ: Final = DateTime(timezone=True)
INTERVAL: Final = Interval()
BYTEA: Final = LargeBinary()
JSON: Final = JSONB()

# How long a request waits while every connection is busy. Longer in the background, where work is not to be lost.
_QUEUE_SECONDS = 0.5
_BACKGROUND_QUEUE_SECONDS = 5.0
_COMMAND_SECONDS = 10.0
_CONNECT_SECONDS = 5.0

# The server ended the connection.
_CONNECTION_LOST = ("08", "57P01", "57P02", "57P03")

# Other drivers' parameters that connection strings are copied with; the server would refuse them.
_FOREIGN_PARAMETERS = {
    *("pgbouncer", "connection_limit", "pool_timeout", "schema", "supa"),
    *(
        "connect_timeout",
        "channel_binding",
        "gssencmode",
        "keepalives",
        "keepalives_idle",
        "target_session_attrs",
    ),
}


_DIALECT: Final = asyncpg_dialect()  # type: ignore[no-untyped-call]


class SqlFunction:
    """A call of one SQL function with named arguments, compiled once for asyncpg."""

    def __init__(
        self,
        name: str,
        arguments: Mapping[str, TypeEngine[Any]],
        returns: Sequence[str] = ("result",),
        *,
        json: type[BaseModel] | None = None,
    ) -> None:
        """`name` with its schema; `returns`: the columns read, by name; one value when there are none.

        `json`: a model in whose shape each row is read as JSON text, as the first column. That costs PostgreSQL no
        more than the columns do, and Python half of what they do. Tests compare the text with the model.
        """
        schema, _, function = name.partition(".")
        call = getattr(getattr(func, schema), function)(
            *(
                literal_column(argument).op("=>")(bindparam(argument, type_=type_))
                for argument, type_ in arguments.items()
            )
        )
        columns: list[ColumnElement[Any]] = [column(name) for name in returns]
        if json is not None:
            columns.insert(0, literal_column(_json_of(json)).label("json"))
        statement: Any = select(*columns).select_from(call.alias("result"))
        self.name = name
        self.arguments = tuple(arguments)
        self.sql = str(statement.compile(dialect=_DIALECT))
        self._types = [type_.compile(_DIALECT) for type_ in arguments.values()]

    def batch(self) -> "SqlFunction":
        """Return the same for many calls in one statement: each argument is an array, with one element for each call.

        The last column of a row, `call`, is the number of the call that returned it, from 0.
        """
        arrays = ", ".join(f"CAST(${n} AS {type_}[])" for n, type_ in enumerate(self._types, 1))
        each = ", ".join(f"{argument} => calls.{argument}" for argument in self.arguments)
        columns = self.sql[len("SELECT ") : self.sql.rindex("FROM ")].rstrip()
        batch = copy(self)
        batch.sql = (
            f"SELECT {columns}, CAST(calls.call_number AS integer) - 1 AS call "  # noqa: S608 - names of this code
            f"FROM unnest({arrays}) WITH ORDINALITY AS calls ({', '.join(self.arguments)}, call_number), "
            f"LATERAL {self.name}({each}) AS result"
        )
        return batch


def _json_of(model: type[BaseModel]) -> str:
    """Return the SQL expression for a row as JSON, with times as pydantic writes them."""
    pairs = []
    for name, field in model.model_fields.items():
        value = name
        if datetime in (field.annotation, *get_args(field.annotation)):
            utc = f"pg_catalog.timezone('UTC', {name})"
            text = f"""pg_catalog.to_char({utc}, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""
            value = f"pg_catalog.replace({text}, '.000000Z', 'Z')"
        pairs.append(f"'{name}', {value}")
    return f"CAST(pg_catalog.json_build_object({', '.join(pairs)}) AS pg_catalog.text)"


Argument = str | int | bool | bytes | UUID | Sequence[UUID] | Mapping[str, Any] | Any | None


class Database:
    """The pool. Opening it needs no database: a process may start before its database does."""

    def __init__(
        self, url: SecretStr, *, pool_size: int, pooler: str | None = None, logs_outages: bool = True
    ) -> None:
        """`pooler`: `transaction` where the address is such a pooler's; port 6543 means it, as at Supabase."""
        dsn = driver_dsn(url)
        if pooler is None and urlsplit(dsn).port == 6543:
            pooler = "transaction"
        self.outages = Outages(dsn, logs=logs_outages)
        # Half, so that one business's slow statements leave connections for the others.
        self._per_business = BusinessLimit((pool_size + 1) // 2, "connections", "database calls")
        self._pool = asyncpg.create_pool(
            dsn,
            min_size=0,
            max_size=pool_size,
            init=_set_up_connection,
            # No call changes the session, and a reset costs a round trip:
            # docs/decisions/0007-database-driver-http-transport-and-gc.md
            reset=_keep_session,
            timeout=_CONNECT_SECONDS,
            command_timeout=_COMMAND_SECONDS,
            # A transaction pooler hands each statement to any server connection: none knows the others' statements.
            statement_cache_size=0 if pooler == "transaction" else 256,
        )
        self._connections = Connections(self._pool, pool_size)

    async def open(self) -> None:
        """Gets ready to connect; connects to nothing yet."""
        await self._pool

    async def close(self) -> None:
        """Waits for the calls under way, then closes every connection."""
        await self._connections.close()
        await self._pool.close()

    async def call(
        self, function: SqlFunction, seconds: float | None = None, /, **arguments: Argument
    ) -> list[asyncpg.Record]:
        """Calls an SQL function in one round trip and returns its rows.

        `seconds`: the statement's timeout, if not the usual one. Raises the AppError of a named SQLSTATE (AV001…),
        DatabaseUnavailable, DatabaseTimeout, LockTimeout, Overloaded, RateLimited (the business uses its share of the
        connections) or NotReady.
        """
        values = [arguments.pop(name) for name in function.arguments]
        assert not arguments, f"{function.name} has no {', '.join(arguments)}"
        admission = current_admission()
        owner = admission.connection_owner if admission else None
        if owner is not None:
            await self._per_business.take(owner)
        try:
            connection = await self._acquire(_QUEUE_SECONDS if admission else _BACKGROUND_QUEUE_SECONDS)
            return await self._fetch(connection, function, seconds, values)
        finally:
            if owner is not None:
                self._per_business.release(owner)

    async def call_batch(
        self, batch: SqlFunction, calls: Sequence[Sequence[Argument]]
    ) -> list[asyncpg.Record]:
        """Call a `SqlFunction.batch` for several requests at once; raises what `call` does, but for RateLimited."""
        connection = await self._acquire(_QUEUE_SECONDS)
        return await self._fetch(connection, batch, None, list(zip(*calls, strict=True)))

    async def _fetch(
        self, connection: Any, function: SqlFunction, seconds: float | None, values: Sequence[Argument]
    ) -> list[asyncpg.Record]:
        is_usable = False
        try:
            rows: list[asyncpg.Record] = await connection.fetch(function.sql, *values, timeout=seconds)
            is_usable = True
        except asyncpg.DataError as error:
            if error.severity is not None:
                raise to_app_error(error) from None  # the server's
            # The driver's, of an argument that the statement does not take; its message quotes it, and it may be a
            # key.
            raise TypeError(f"{function.name} was called with an argument of the wrong type") from None
        except asyncpg.PostgresError as error:
            self._note_failure(error)
            translated = to_app_error(error)
            if translated is error:
                raise
            raise translated from error
        except TimeoutError as error:
            reason = f"{function.name} did not finish within {seconds or _COMMAND_SECONDS:g} s"
            raise errors.DatabaseTimeout(reason=reason) from error
        # InternalClientError: the server has ended the connection, and the driver is just finding out.
        except (OSError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
            self.outages.note_unreachable(error)
            raise errors.DatabaseUnavailable from error
        finally:
            if is_usable:
                self._connections.release(connection)
            else:
                await self._connections.discard(connection)
        if self.outages.cause:
            self.outages.note_success()
        return rows

    async def _acquire(self, patience: float) -> Any:
        """Take a connection of the pool, or make one. Raises Overloaded, if all are busy, or DatabaseUnavailable."""
        try:
            return await self._connections.acquire(patience)
        except TimeoutError as error:
            if self._connections.are_all_busy:
                requests_shed.labels("database").inc()
                raise errors.Overloaded(reason="no database connection was free in time") from error
            self.outages.note_unreachable(error)
            raise errors.DatabaseUnavailable from error
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
            self.outages.note_unreachable(error)
            raise errors.DatabaseUnavailable from error

    def note_use(self) -> None:
        """Set the gauges of the connections in use."""
        self._connections.note_use()

    def explain(self, error: errors.DatabaseUnavailable) -> errors.DatabaseUnavailable:
        """Return the error with its cause, for operators: `detail` of requests does not name the server."""
        return errors.DatabaseUnavailable(self.outages.cause or error.reason)

    def _note_failure(self, error: asyncpg.PostgresError) -> None:
        if isinstance(error, asyncpg.ReadOnlySQLTransactionError):
            self.outages.note_read_only()
        elif (error.sqlstate or "").startswith(_CONNECTION_LOST):
            self.outages.note_unreachable(error)

    async def call_one(
        self, function: SqlFunction, seconds: float | None = None, /, **arguments: Argument
    ) -> asyncpg.Record | None:
        """The first row, or None."""
        rows = await self.call(function, seconds, **arguments)
        return rows[0] if rows else None

    async def call_value(self, function: SqlFunction, **arguments: Argument) -> Any:
        """The first column of the first row, or None."""
        rows = await self.call(function, **arguments)
        return rows[0][0] if rows else None


async def connect(url: SecretStr) -> asyncpg.Connection:
    """One connection outside the pool, for migrations and scripts. Raises DatabaseUnavailable, with the reason."""
    dsn = driver_dsn(url)
    try:
        return await asyncpg.connect(dsn, timeout=_CONNECT_SECONDS)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
        raise errors.DatabaseUnavailable(describe_failure(error, address_of(dsn))) from error


def driver_dsn(url: SecretStr) -> str:
    """The connection string as asyncpg takes it, without other drivers' parameters."""
    parts = urlsplit(url.get_secret_value())
    query = [(key, value) for key, value in parse_qsl(parts.query) if key not in _FOREIGN_PARAMETERS]
    return urlunsplit(parts._replace(scheme="postgresql", query=urlencode(query)))


async def _set_up_connection(connection: asyncpg.Connection) -> None:
    await connection.set_type_codec("jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog")


async def _keep_session(connection: asyncpg.Connection) -> None:
    pass
