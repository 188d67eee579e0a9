"""The fast path answers as FastAPI does, for well-formed and malformed requests alike (docs/decisions/0008)."""

import asyncio
import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from hypothesis import HealthCheck, event, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from support import postgres
from support.api import ROOT
from support.service import settings
from support.tenants import N8N_API_KEY, SERVICE_API_KEY, Tenant
from support.webhook_receiver import WebhookReceiver

from app.compiled import compile_operation
from app.main import create_app
from app.routing import JsonRoute

TENANT = Tenant(*(UUID(int=number) for number in (1, 2, 3)))
OTHER = UUID(int=4)
GENERATION = UUID(int=5)
FINISHED = UUID(int=6)

FIXED_ROWS = f"""
insert into public.businesses (id, business_name) values ('{TENANT.business_id}', 'a'), ('{OTHER}', 'b');
insert into public.profiles (id, business_id) values ('{TENANT.user_id}', '{TENANT.business_id}');
insert into public.content (id, business_id, content_title, video_script, heygen_status, created_at) values
('{TENANT.content_id}', '{TENANT.business_id}', 'A title', 'Hello', 'processing', '2026-01-01'),
('{FINISHED}', '{TENANT.business_id}', 'Another', null, 'completed', '2026-01-02');
insert into ai_avatar.generations (
    id, business_id, content_id, provider, script, status, ended_by, requested_at, deadline, video_id, duration_seconds
) values
('{GENERATION}', '{TENANT.business_id}', '{TENANT.content_id}', 'heygen', 'Hello', 'processing', null,
 '2026-01-01 00:00:00.120', now() + interval '1 day', null, null),
('{FINISHED}', '{TENANT.business_id}', '{FINISHED}', 'heygen', 'Hello', 'completed', 'report',
 '2026-01-02', now(), 'v', 12.5);
"""


def test_only_the_event_stream_is_left_to_fastapi() -> None:
    app = create_app(settings("postgresql://nowhere/none"))
    left = {
        (method, route.path_format)
        for route in iter_route_contexts(app.routes)
        if isinstance(route.original_route, JsonRoute) and compile_operation(route) is None
        for method in route.methods or ()
    }
    events = f"{ROOT}/videos/{{content_id}}/events"
    assert left == {("GET", events), ("GET", f"/api{events}")}


Headers = tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True)
class Sent:
    """A request as it arrives: raw headers, the body in chunks, or a client that leaves before its body is there."""

    method: str
    path: str
    query: bytes = b""
    headers: Headers = ()
    chunks: tuple[bytes, ...] = ()
    disconnects: bool = False


class Side:
    """The service on one of the two paths, with a database of its own."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app

    async def answer(self, sent: Sent) -> dict[str, Any]:
        """Return status, headers, body and route of the answer, without what differs from call to call."""
        scope: dict[str, Any] = {
            "type": "http",
            "http_version": "1.1",
            "method": sent.method,
            "path": sent.path,
            "raw_path": sent.path.encode(),
            "query_string": sent.query,
            "root_path": "",
            "scheme": "http",
            "client": ("127.0.0.1", 1),
            "server": ("service.test", 80),
            "headers": [*sent.headers, (b"x-request-id", b"r")],
            "state": {},
        }
        coming = [
            {"type": "http.request", "body": chunk, "more_body": number < len(sent.chunks)}
            for number, chunk in enumerate(sent.chunks, 1)
        ] or [{"type": "http.request", "body": b"", "more_body": False}]
        if sent.disconnects:
            coming = [{"type": "http.request", "body": b"{", "more_body": True}]
        received: list[Any] = []

        async def receive() -> Any:
            return coming.pop(0) if coming else {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            received.append(message)

        await self._app(scope, receive, send)
        start, *bodies = received
        body = b"".join(message.get("body", b"") for message in bodies)
        headers = {(name, value) for name, value in start["headers"] if name != b"content-length"}
        if sent.method != "HEAD":
            assert dict(start["headers"]).get(b"content-length", b"0") == str(len(body)).encode()
        return {
            "status": start["status"],
            "headers": _masked(sorted(headers).__repr__()),
            "body": _masked(json.dumps(json.loads(body), sort_keys=True) if body else ""),
            "route": getattr(scope.get("route"), "path_format", None),
        }


def _masked(text: str) -> str:
    """Return a text without new ids and the present time; times keep their form."""
    text = re.sub(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}", "<id>", text)
    return re.sub(r"20[2-9][0-9]-[01][0-9]-[0-3][0-9]T[0-9:]{8}(\.[0-9]{6})?Z", "<time>", text)


@pytest.fixture(scope="module")
def both(
    server: postgres.Server, heygen_url: str, webhook_server: WebhookReceiver
) -> Iterator[Callable[[Sent], list[dict[str, Any]]]]:
    """Send a request down both paths; returns both answers."""
    providers = {"heygen": {"api_url": heygen_url, "webhook_url": webhook_server.url}}
    with asyncio.Runner() as runner, ExitStack() as stack:
        sides = []
        for fast in (True, False):
            name = stack.enter_context(server.database(template=server.migrated_template()))
            server.run(FIXED_ROWS, name)
            app = create_app(settings(server.url(name), providers=providers, fast_path=fast))
            lifespan = AsyncExitStack()
            runner.run(lifespan.enter_async_context(app.router.lifespan_context(app)))
            stack.callback(_close, runner, lifespan)
            sides.append(Side(app))
        yield lambda sent: [runner.run(side.answer(sent)) for side in sides]


def _close(runner: asyncio.Runner, lifespan: AsyncExitStack) -> None:
    runner.run(lifespan.aclose())


USER = tuple((name.lower().encode(), value.encode()) for name, value in TENANT.headers.items())
SERVICE = ((b"x-api-key", SERVICE_API_KEY.encode()),)
N8N = ((b"x-api-key", N8N_API_KEY.encode()),)
JSON = ((b"content-type", b"application/json"),)

ids = st.sampled_from([TENANT.business_id, OTHER, TENANT.content_id, FINISHED, GENERATION]).map(str)
texts = st.one_of(
    ids,
    st.sampled_from(
        ["heygen", "active", "error", "processing", "0", "1", "-1", "101", "1.0", "true", "", " "]
    ),
    st.text(max_size=12),
)
values = st.one_of(
    texts,
    st.none(),
    st.integers(),
    st.floats(),
    st.booleans(),
    st.dictionaries(st.text(max_size=4), st.one_of(st.floats(), st.text(max_size=4)), max_size=3),
)
INTEGRATION = f"{ROOT}/{TENANT.business_id}"
VIDEO, DONE = (f"{ROOT}/videos/{item}" for item in (TENANT.content_id, FINISHED))
# Requests that are meant well, by operation: most succeed, some meet a conflict.
MEANT: list[tuple[str, str, Any]] = [
    ("GET", INTEGRATION, None),
    ("GET", ROOT, None),
    ("GET", f"{ROOT}/videos", None),
    ("GET", VIDEO, None),
    ("GET", DONE, None),
    ("GET", f"{VIDEO}/generations", None),
    ("GET", f"{INTEGRATION}/avatars", None),
    ("GET", f"{INTEGRATION}/account", None),
    ("POST", ROOT, {"api_key": "sandbox-key", "avatar_id": "sandbox-ada"}),
    ("POST", ROOT, {"api_key": "sandbox-key", "provider_config": {"resolution": "1080p"}}),
    ("PATCH", INTEGRATION, {"avatar_id": None, "voice_id": "v"}),
    ("PATCH", INTEGRATION, {"status": "inactive"}),
    ("DELETE", INTEGRATION, None),
    ("POST", f"{INTEGRATION}/validate", None),
    ("POST", f"{ROOT}/generate-video", {"content_id": str(FINISHED), "script": "Hello"}),
    ("POST", f"{ROOT}/generate-video", {"content_id": str(FINISHED)}),
    ("POST", f"{DONE}/cancel", None),
    ("POST", f"{DONE}/reset", None),
    (
        "POST",
        "/n8n/heygen-credentials",
        {"business_id": str(TENANT.business_id), "generation_id": str(GENERATION), "execution_id": 7},
    ),
    ("POST", "/n8n/heygen-credentials", {"business_id": str(TENANT.business_id)}),
    (
        "POST",
        "/n8n/heygen-status",
        {"generation_id": str(GENERATION), "status": "processing", "execution_id": "7", "video_id": "v"},
    ),
    ("POST", "/n8n/heygen-status", {"content_id": str(FINISHED), "status": "failed", "error": {"a": "b"}}),
    ("POST", "/n8n/heygen/videos", {"generation_id": str(GENERATION), "execution_id": "7"}),
    ("GET", f"/n8n/heygen/videos/{GENERATION}", None),
]
PARAMETERS = [
    "provider",
    "status",
    "business_id",
    "limit",
    "cursor",
    "q",
    "content_id",
    "heygen_status",
    "Limit",
]
FIELDS = [*sorted({name for _, _, body in MEANT if body for name in body}), "video_url", "title", "unknown"]
queries = st.one_of(
    st.lists(st.tuples(st.sampled_from(PARAMETERS), texts), min_size=1, max_size=3).map(
        lambda pairs: urlencode(pairs).encode()
    ),
    st.binary(max_size=12),
)
broken_bodies = st.sampled_from(
    [
        b"", b"{", b"null", b"[]", b"7", b"\xff", b"{}x", b'{"script": "\\ud800"}', b'{"a":1,"a":2}',
        b'\xef\xbb\xbf{"status": "inactive"}', '{"status": "inactive"}'.encode("utf-16"),
        b'{"status": "inactive", "status": "active"}', b"[" * 3000, b'{"voice_id": 1' + b"0" * 5000 + b"}",
        b'{"voice_id":"' + b"," * 600 + b'"}', b'{"voice_id":"' + b"x" * 40_000 + b'"}', b" " * (1024 * 1024 + 1),
    ]
)  # fmt: skip
credentials = st.sampled_from([USER, SERVICE, N8N, (), SERVICE + USER, ((b"authorization", b"Bearer x"),)])
media_types = st.sampled_from(
    [
        ((b"content-type", b"application/json; charset=utf-8"),),
        ((b"content-type", b"application/merge-patch+json"),),
        ((b"content-type", b"text/plain"), *JSON),
        (*JSON, (b"content-type", b"text/plain")),
        (),
    ]
)
keys = st.sampled_from([b"k-1", b"", b"\xff"]).map(lambda key: ((b"idempotency-key", key),))


@st.composite
def requests(draw: st.DrawFn) -> Sent:
    """A request that is meant well, with up to three things changed."""
    method, path, fields = draw(st.sampled_from(MEANT))
    headers = N8N if path.startswith("/n8n") else USER
    media_type: Headers = JSON
    key: Headers = ()
    length, query = True, b""
    body = b"" if fields is None else json.dumps(fields).encode()
    changes = draw(st.sets(st.sampled_from(range(12)), max_size=3))
    if 0 in changes:
        method = draw(st.sampled_from(["GET", "POST", "PATCH", "DELETE", "HEAD", "PUT"]))
    if 1 in changes:
        path = draw(st.sampled_from(["/api", "/x"])) + path
    if 2 in changes:
        path = path.rpartition("/")[0] + "/" + draw(texts)
    if 3 in changes or 4 in changes:
        query = draw(queries)
    if 5 in changes:
        headers = draw(credentials)
    if 6 in changes:
        body = draw(broken_bodies)
    if 7 in changes and isinstance(fields, dict):
        body = json.dumps(fields | {draw(st.sampled_from(FIELDS)): draw(values)}).encode()
    if 8 in changes:
        media_type = draw(media_types)
    if 9 in changes:
        length = False
    if 10 in changes:
        key = draw(keys)
    if body:
        framing = (
            (b"content-length", str(len(body)).encode()) if length else (b"transfer-encoding", b"chunked")
        )
        headers += (*media_type, framing)
    middle = draw(st.integers(0, len(body))) if 11 in changes else len(body)
    gone = 11 in changes and middle % 3 == 1
    return Sent(method, path, query, headers + key, (body[:middle], body[middle:]), disconnects=gone)


@pytest.mark.slow
@given(sent=requests())
@hypothesis_settings(
    max_examples=int(os.environ.get("FAST_PATH_EXAMPLES", "250")),
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
def test_both_paths_give_the_same_answer(
    both: Callable[[Sent], list[dict[str, Any]]], webhook: WebhookReceiver, sent: Sent
) -> None:
    fast, slow = both(sent)
    assert fast == slow
    event(f"{slow['status']}")
