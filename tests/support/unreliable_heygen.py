"""A HeyGen that charges for videos and answers unreliably; it honours idempotency keys as HeyGen documents it."""

import asyncio
import json
import random
import re
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from support.servers import serve_raw

# What becomes of a create that no earlier one with its key has decided, and how often.
BEHAVIOURS: dict[str, int] = {
    "answers": 46,
    "answers late": 10,
    "answers twice": 8,
    "answers with an id and an error": 8,
    "charges and closes the connection": 7,
    "charges and answers 500": 6,
    "charges and answers 200 with an error": 3,
    "charges and answers HTML": 3,
    "charges and never answers": 3,
    "never answers": 1,
    "refuses": 5,
}
REFUSALS = [(402, "insufficient_credit"), (404, "avatar_not_found"), (429, "rate_limit_exceeded")]
RENDERING_SECONDS = 1.5
# Longer than the service waits for a create.
NEVER_SECONDS = 40.0


class ConnectionClosed(Exception):
    """Close the connection without an answer."""


@dataclass
class UnreliableHeyGen:
    """`charged`: the videos made for each idempotency key, which is the generation's id."""

    rng: random.Random
    honours_keys: bool
    url: str = ""
    counts: Counter[str] = field(default_factory=Counter)
    charged: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    _in_progress: set[str] = field(default_factory=set)
    _started: dict[str, float] = field(default_factory=dict)

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError, ConnectionClosed):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                length = _header(head, "content-length")
                await reader.readexactly(int(length or 0))
                await self._answer(head, writer)
        writer.close()

    async def _answer(self, head: str, writer: asyncio.StreamWriter) -> None:
        method, path, _ = head.split(" ", 2)
        if method == "POST":
            await self._create(_header(head, "idempotency-key") or "none", writer)
        elif path.startswith("/v3/videos/"):
            await _send(writer, 200, {"data": self._state(path.rpartition("/")[2])})
        else:
            await _send(writer, 200, {"data": {"username": "u"}})

    def _state(self, video_id: str) -> dict[str, Any]:
        if time.monotonic() - self._started[video_id] < RENDERING_SECONDS:
            return {"id": video_id, "status": "processing"}
        return {"id": video_id, "status": "completed", "video_url": f"https://videos.test/{video_id}"}

    async def _create(self, key: str, writer: asyncio.StreamWriter) -> None:
        self.counts["creates received"] += 1
        if self.honours_keys and key in self._in_progress:
            self.counts["creates answered 409 in progress"] += 1
            await _send(writer, 409, {"error": {"code": "request_in_progress"}}, "Retry-After: 1")
            return
        if self.honours_keys and self.charged[key]:
            self.counts["creates replayed"] += 1
            if self.rng.random() < 0.1:
                raise ConnectionClosed
            await _send(writer, 200, _created(self.charged[key][0]))
            return
        behaviour = self.rng.choices(list(BEHAVIOURS), list(BEHAVIOURS.values()))[0]
        self.counts[f"HeyGen {behaviour}"] += 1
        if behaviour == "never answers":
            await asyncio.sleep(NEVER_SECONDS)
            raise ConnectionClosed
        if behaviour == "refuses":
            status, code = self.rng.choice(REFUSALS)
            await _send(writer, status, {"error": {"code": code, "message": "No."}}, "Retry-After: 1")
            return
        self._in_progress.add(key)
        try:
            video_id = f"v-{sum(map(len, self.charged.values()))}"
            self.charged[key].append(video_id)
            self._started[video_id] = time.monotonic()
            await asyncio.sleep(self.rng.uniform(1, 6) if behaviour == "answers late" else 0.05)
        finally:
            self._in_progress.discard(key)
        await self._send_created(behaviour, video_id, writer)

    async def _send_created(self, behaviour: str, video_id: str, writer: asyncio.StreamWriter) -> None:
        match behaviour:
            case "answers" | "answers late":
                await _send(writer, 200, _created(video_id))
            case "answers twice":
                await _send(writer, 200, _created(video_id))
                await asyncio.sleep(0.02)
                await _send(writer, 200, _created(video_id))
            case "answers with an id and an error":
                error = self.rng.choice([{}, {"code": "insufficient_credit"}, "timeout"])
                status = self.rng.choice([200, 402, 500])
                await _send(writer, status, _created(video_id) | {"error": error})
            case "charges and answers 500":
                await _send(writer, 500, {"error": {"code": "internal_error"}})
            case "charges and answers 200 with an error":
                await _send(writer, 200, {"error": {"code": "gateway_timeout"}})
            case "charges and answers HTML":
                await _send(writer, 200, "<html>")
            case "charges and never answers":
                await asyncio.sleep(NEVER_SECONDS)
                raise ConnectionClosed
            case _:
                raise ConnectionClosed


def _created(video_id: str) -> dict[str, Any]:
    return {"data": {"video_id": video_id, "status": "waiting"}}


def _header(head: str, name: str) -> str | None:
    found = re.search(rf"^{name}:\s*(\S+)", head, re.IGNORECASE | re.MULTILINE)
    return found[1] if found else None


async def _send(writer: asyncio.StreamWriter, status: int, content: Any, *headers: str) -> None:
    body = content.encode() if isinstance(content, str) else json.dumps(content).encode()
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", *headers, "", ""]
    writer.write("\r\n".join(lines).encode() + body)
    await writer.drain()


@contextmanager
def unreliable_heygen(rng: random.Random, *, honours_keys: bool) -> Iterator[UnreliableHeyGen]:
    """Run one, in a thread of its own."""
    heygen = UnreliableHeyGen(rng, honours_keys)
    with serve_raw(heygen.talk) as heygen.url:
        yield heygen
