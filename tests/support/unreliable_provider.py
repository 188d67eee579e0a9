"""A provider that charges for videos and answers unreliably: HeyGen, which honours idempotency keys, or Tavus."""

import asyncio
import json
import random
import re
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
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
Answer = tuple[int, Any]
RENDERING_SECONDS = 1.5
# Longer than the service waits for a create.
NEVER_SECONDS = 40.0


class ConnectionClosed(Exception):
    """Close the connection without an answer."""


@dataclass(frozen=True)
class Dialect:
    """What one provider calls things."""

    name: str
    key: Callable[[str, bytes], str]
    """Returns whose video a create asks for, the generation's id, from its head and body."""
    honours_keys: bool
    created: Callable[[str], dict[str, Any]]
    state: Callable[[str, bool], dict[str, Any]]
    """Takes the video's id and whether it is ready."""
    refusals: tuple[Answer, ...]
    fault: Any
    """The body of a 500, and of a 200 that says no more than that something went wrong."""
    other: Any
    """The answer to every other call, such as the check of a key."""


def _heygen_state(video_id: str, is_ready: bool) -> dict[str, Any]:
    state = {"status": "completed", "video_url": _url(video_id)} if is_ready else {"status": "processing"}
    return {"data": {"id": video_id, **state}}


def _tavus_state(video_id: str, is_ready: bool) -> dict[str, Any]:
    url = _url(video_id) if is_ready else ""
    return {"video_id": video_id, "status": "ready" if is_ready else "generating", "download_url": url}


def _url(video_id: str) -> str:
    return f"https://videos.test/{video_id}"


HEYGEN = Dialect(
    "heygen",
    key=lambda head, body: _header(head, "idempotency-key") or "none",
    honours_keys=True,
    created=lambda video_id: {"data": {"video_id": video_id, "status": "waiting"}},
    state=_heygen_state,
    refusals=(
        (402, {"error": {"code": "insufficient_credit", "message": "No."}}),
        (404, {"error": {"code": "avatar_not_found", "message": "No."}}),
        (429, {"error": {"code": "rate_limit_exceeded", "message": "No."}}),
    ),
    fault={"error": {"code": "gateway_timeout"}},
    other={"data": {"username": "u"}},
)
TAVUS = Dialect(
    "tavus",
    key=lambda head, body: str(json.loads(body)["video_name"]).rpartition(" ")[2],
    honours_keys=False,
    created=lambda video_id: {"video_id": video_id, "status": "queued"},
    state=_tavus_state,
    refusals=(
        (400, {"error": "Invalid replica_id"}),
        (402, {"message": "The user is out of credits"}),
        (429, {"message": "Too many requests."}),
    ),
    fault={"message": "Something went wrong"},
    other={"data": [], "total_count": 0, "replica_id": "sandbox-ada"},
)


@dataclass
class UnreliableProvider:
    """`charged`: the videos made for each generation's id."""

    rng: random.Random
    dialect: Dialect
    url: str = ""
    counts: Counter[str] = field(default_factory=Counter)
    charged: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    _in_progress: set[str] = field(default_factory=set)
    _started: dict[str, float] = field(default_factory=dict)

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError, ConnectionClosed):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                body = await reader.readexactly(int(_header(head, "content-length") or 0))
                await self._answer(head, body, writer)
        writer.close()

    async def _answer(self, head: str, body: bytes, writer: asyncio.StreamWriter) -> None:
        method, target, _ = head.split(" ", 2)
        video_id = target.partition("?")[0].rpartition("/")[2]
        if method == "POST":
            await self._create(self.dialect.key(head, body), writer)
        elif video_id in self._started:
            is_ready = time.monotonic() - self._started[video_id] > RENDERING_SECONDS
            await _send(writer, 200, self.dialect.state(video_id, is_ready))
        else:
            await _send(writer, 200, self.dialect.other)

    async def _create(self, key: str, writer: asyncio.StreamWriter) -> None:
        self.counts["creates received"] += 1
        if self.dialect.honours_keys and key in self._in_progress:
            self.counts["creates answered 409 in progress"] += 1
            await _send(writer, 409, {"error": {"code": "request_in_progress"}}, "Retry-After: 1")
            return
        if self.dialect.honours_keys and self.charged[key]:
            self.counts["creates replayed"] += 1
            if self.rng.random() < 0.1:
                raise ConnectionClosed
            await _send(writer, 200, self.dialect.created(self.charged[key][0]))
            return
        behaviour = self.rng.choices(list(BEHAVIOURS), list(BEHAVIOURS.values()))[0]
        self.counts[f"provider {behaviour}"] += 1
        if behaviour == "never answers":
            await asyncio.sleep(NEVER_SECONDS)
            raise ConnectionClosed
        if behaviour == "refuses":
            await _send(writer, *self.rng.choice(self.dialect.refusals), "Retry-After: 1")
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
        created = self.dialect.created(video_id)
        match behaviour:
            case "answers" | "answers late":
                await _send(writer, 200, created)
            case "answers twice":
                await _send(writer, 200, created)
                await asyncio.sleep(0.02)
                await _send(writer, 200, created)
            case "answers with an id and an error":
                error = self.rng.choice([{}, {"code": "insufficient_credit"}, "timeout"])
                status = self.rng.choice([200, 402, 500])
                await _send(writer, status, created | {"error": error})
            case "charges and answers 500":
                await _send(writer, 500, self.dialect.fault)
            case "charges and answers 200 with an error":
                await _send(writer, 200, self.dialect.fault)
            case "charges and answers HTML":
                await _send(writer, 200, "<html>")
            case "charges and never answers":
                await asyncio.sleep(NEVER_SECONDS)
                raise ConnectionClosed
            case _:
                raise ConnectionClosed


def _header(head: str, name: str) -> str | None:
    found = re.search(rf"^{name}:\s*(\S+)", head, re.IGNORECASE | re.MULTILINE)
    return found[1] if found else None


async def _send(writer: asyncio.StreamWriter, status: int, content: Any, *headers: str) -> None:
    body = content.encode() if isinstance(content, str) else json.dumps(content).encode()
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", *headers, "", ""]
    writer.write("\r\n".join(lines).encode() + body)
    await writer.drain()


@contextmanager
def unreliable_provider(rng: random.Random, dialect: Dialect) -> Iterator[UnreliableProvider]:
    """Run one, in a thread of its own."""
    provider = UnreliableProvider(rng, dialect)
    with serve_raw(provider.talk) as provider.url:
        yield provider
