"""A relay in front of PostgreSQL that notes each statement which it is asked to execute."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit


@dataclass
class Statements:
    """The texts of the statements, in order, and the address of the relay."""

    url: str
    executed: list[str] = field(default_factory=list)


@asynccontextmanager
async def noting_statements(database_url: str) -> AsyncIterator[Statements]:
    """Yield a connection string that leads through the relay, and what comes along there."""
    database = urlsplit(database_url)
    carrying: set[asyncio.Task[None]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await _connect(database_url)
        for work in (
            _carry_requests(reader, inner_writer, statements.executed),
            _carry(inner_reader, writer),
        ):
            task = asyncio.create_task(work)
            carrying.add(task)
            task.add_done_callback(carrying.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    user = database.username or "postgres"
    password = f":{database.password}" if database.password else ""
    statements = Statements(f"postgres://{user}{password}@127.0.0.1:{port}{database.path}?sslmode=disable")
    try:
        yield statements
    finally:
        server.close()
        for task in list(carrying):
            task.cancel()


async def _connect(database_url: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    database = urlsplit(database_url)
    query = parse_qs(database.query)
    port = int(query.get("port", ["0"])[0]) or database.port or 5432
    host = query.get("host", [database.hostname or "127.0.0.1"])[0]
    if host.startswith("/"):
        return await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
    return await asyncio.open_connection(host, port)


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
    writer.close()


async def _carry_requests(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, executed: list[str]
) -> None:
    """Pass on the client's messages: https://www.postgresql.org/docs/current/protocol-message-formats.html."""
    texts: dict[bytes, str] = {}
    bound = ""
    try:
        length = await reader.readexactly(4)  # the start-up message has no type
        writer.write(length + await reader.readexactly(int.from_bytes(length) - 4))
        while True:
            kind, length = await reader.readexactly(1), await reader.readexactly(4)
            body = await reader.readexactly(int.from_bytes(length) - 4)
            if kind == b"P":  # Parse: name, text
                name, text, _ = body.split(b"\0", 2)
                texts[name] = text.decode()
            elif kind == b"B":  # Bind: portal, name
                bound = texts[body.split(b"\0", 2)[1]]
            elif kind == b"E":
                executed.append(bound)
            elif kind == b"Q":
                executed.append(body.rstrip(b"\0").decode())
            writer.write(kind + length + body)
    except asyncio.IncompleteReadError:
        writer.close()
