"""Servers that the service calls, behind a relay that slows them down, hangs up for them and lies for them."""

import asyncio
import json
import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from support.servers import serve_raw


@dataclass(frozen=True)
class Fault:
    """What happens to one request."""

    name: str
    forwards: int = 1
    """How often the request is passed on."""
    answer: int | None = None
    """The status of a made-up answer; None: the server's own, if the request was passed on."""
    body: str = "{}"
    wait_before: float = 0.0
    wait_after: float = 0.0


HONEST = Fault("honest")
SLOW = Fault("slow", wait_before=1.0)
DEAD = Fault("hangs up", forwards=0)
LOSES_ANSWER = Fault("does it and hangs up", answer=0)
FAILS = Fault("answers 500", forwards=0, answer=500)
FAILS_AFTER = Fault("does it and answers 500", answer=500)
IGNORES = Fault("accepts and does nothing", forwards=0, answer=200)
TWICE = Fault("does it twice", forwards=2)
BUSY = Fault("is busy", forwards=0, answer=503)
NONSENSE = Fault("answers nonsense", forwards=0, answer=200, body='{"data": []}')


@dataclass
class Relay:
    """Passes requests on to `target`. `faults` are chosen by weight; `path` limits them to requests that contain it."""

    target: str
    rng: random.Random
    faults: dict[Fault, int] = field(default_factory=lambda: {HONEST: 1})
    path: str = ""
    url: str = ""
    counts: Counter[str] = field(default_factory=Counter)
    videos: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """The ids of the videos that HeyGen has made, by Idempotency-Key."""
    told: dict[str, str] = field(default_factory=dict)
    """The ids of which the service was told."""

    def be(self, *faults: Fault, path: str = "") -> None:
        """Do these from now on, each as often as the others."""
        self.faults = dict.fromkeys(faults or (HONEST,), 1)
        self.path = path

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection: the service makes a new one for each request."""
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
            body = await reader.readexactly(int(length[1])) if length else b""
            answer = await self._answer(head, body)
            writer.write(answer)
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _answer(self, head: bytes, body: bytes) -> bytes:
        fault = self._choose(head)
        await asyncio.sleep(fault.wait_before)
        answers = [await self._forward(head, body) for _ in range(fault.forwards)]
        if answers:
            self._note_video(head, answers[0], is_told=fault.answer is None)
        await asyncio.sleep(fault.wait_after)
        if fault.answer:
            text = fault.body.encode()
            top = f"HTTP/1.1 {fault.answer} Made up\r\nContent-Type: application/json\r\nContent-Length: {len(text)}"
            return f"{top}\r\nConnection: close\r\n\r\n".encode() + text
        return answers[0] if answers and fault.answer is None else b""

    def _choose(self, head: bytes) -> Fault:
        fault = HONEST
        if self.path.encode() in head.partition(b"\r\n")[0]:
            fault = self.rng.choices(list(self.faults), list(self.faults.values()))[0]
        self.counts[fault.name] += 1
        return fault

    async def _forward(self, head: bytes, body: bytes) -> bytes:
        parts = urlsplit(self.target)
        line, _, rest = head.partition(b"\r\n")
        method, path, version = line.split(b" ", 2)
        rest = re.sub(rb"(?i)(^|\r\n)connection:[^\r]*", rb"\1x-dropped: 1", rest)
        request = (
            b" ".join([method, parts.path.encode() + path, version])
            + b"\r\nConnection: close\r\n"
            + rest
            + body
        )
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        try:
            writer.write(request)
            answer = await reader.read()
        finally:
            writer.close()
        return answer

    def _note_video(self, head: bytes, answer: bytes, *, is_told: bool) -> None:
        key = re.search(rb"(?i)\r\nidempotency-key: *(\S+)", head)
        if key and b"/v3/videos " in head.partition(b"\r\n")[0] and b" 200 " in answer[:20]:
            generation, video = (
                key[1].decode(),
                json.loads(answer.partition(b"\r\n\r\n")[2])["data"]["video_id"],
            )
            self.videos[generation].add(video)
            if is_told:
                self.told[generation] = video


@contextmanager
def relay(target: str, rng: random.Random) -> Iterator[Relay]:
    """Run a relay on a free port."""
    made = Relay(target, rng)
    with serve_raw(made.talk) as url:
        made.url = url
        yield made
