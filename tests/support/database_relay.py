"""A relay in front of PostgreSQL that loses answers: the statement has run, and its caller does not learn it."""

import asyncio
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit, urlunsplit

from support.servers import serve_raw


@dataclass
class DatabaseRelay:
    """Forwards connections to the database at `target`, and loses answers: at random, or that of one function."""

    target: str
    rng: random.Random
    loss: float = 0.0
    """The probability that an answer is lost, and its connection closed."""
    lose_answer_of: bytes | None = None
    """The name of an SQL function whose next answer, on a new connection, is lost."""
    lost: int = 0
    url: str = ""
    is_open: threading.Event = field(default_factory=threading.Event)
    """Cleared when the answer of `lose_answer_of` is lost. New connections wait until it is set."""

    def __post_init__(self) -> None:
        self.is_open.set()

    async def forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.to_thread(self.is_open.wait)
        server_reader, server_writer = await self._connect()
        loses_answer = asyncio.Event()
        pumps = {
            asyncio.create_task(self._pump_requests(reader, server_writer, loses_answer)),
            asyncio.create_task(self._pump_answers(server_reader, writer, loses_answer)),
        }
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            writer.close()
            server_writer.close()

    async def _pump_requests(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, loses_answer: asyncio.Event
    ) -> None:
        is_next = False
        with suppress(OSError):
            while data := await reader.read(65536):
                if is_next or self.rng.random() < self.loss:
                    loses_answer.set()
                # The first message with the name prepares the statement; the next one executes it.
                if is_next := self.lose_answer_of is not None and self.lose_answer_of in data:
                    self.lose_answer_of = None
                    self.is_open.clear()
                writer.write(data)
                await writer.drain()

    async def _pump_answers(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, loses_answer: asyncio.Event
    ) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                if loses_answer.is_set():
                    self.lost += 1
                    return
                writer.write(data)
                await writer.drain()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        parts = urlsplit(self.target)
        if folder := parse_qs(parts.query).get("host"):
            return await asyncio.open_unix_connection(f"{folder[0]}/.s.PGSQL.{parts.port or 5432}")
        return await asyncio.open_connection(parts.hostname, parts.port or 5432)


@contextmanager
def database_relay(target: str, rng: random.Random) -> Iterator[DatabaseRelay]:
    """Run one; its `url` is that of the same database, through the relay."""
    relay = DatabaseRelay(target, rng)
    with serve_raw(relay.forward) as address:
        parts = urlsplit(target)
        login, _, _ = parts.netloc.rpartition("@")
        netloc = f"{login}@{urlsplit(address).netloc}"
        relay.url = urlunsplit(parts._replace(netloc=netloc, query="sslmode=disable"))
        yield relay
