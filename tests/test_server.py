"""What one connection may cost before its caller is known, over real sockets."""

import json
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from support.api import ROOT
from support.postgres import Server
from support.processes import environment, service_processes
from support.servers import free_port, serve_app
from support.service import settings
from support.tenants import SERVICE_HEADERS

from app import connection_watch
from app import server as limits
from app.main import create_app
from app.server import server_options

Connect = Callable[[], socket.socket]


@pytest.fixture(scope="module")
def url(database_url: str, heygen_url: str) -> Iterator[str]:
    providers = {"heygen": {"api_url": heygen_url}}
    with serve_app(create_app(settings(database_url, providers=providers)), **server_options()) as found:
        yield found


@pytest.fixture
def connect(url: str) -> Iterator[Connect]:
    """Open connections; they are closed afterwards."""
    opened: list[socket.socket] = []

    def open_one() -> socket.socket:
        parts = urlsplit(url)
        connection = socket.create_connection((parts.hostname or "", parts.port or 0), 20)
        opened.append(connection)
        return connection

    yield open_one
    for connection in opened:
        connection.close()


def received(connection: socket.socket) -> bytes:
    """All that the server sends until it closes."""
    text = b""
    try:
        while data := connection.recv(65536):
            text += data
    except ConnectionResetError:
        text += b"<reset>"
    return text


def problem_of(response: bytes) -> dict[str, Any]:
    head, _, body = response.partition(b"\r\n\r\n")
    assert b"application/problem+json" in head, response
    assert b"x-request-id: " in head
    found: dict[str, Any] = json.loads(body)
    assert head.startswith(f"HTTP/1.1 {found['status']} ".encode())
    return found


def cpu_seconds(work: Callable[[], None]) -> float:
    """CPU time of this process, in which the server is a thread."""
    before = time.process_time()
    work()
    return time.process_time() - before


ENDLESS = {
    "one header": (b"GET / HTTP/1.1\r\nx: ", b"a" * 65536),
    "a path": (b"GET /", b"a" * 65536),
    "many headers": (b"GET / HTTP/1.1\r\n", b"a: b\r\n" * 10_000),
    "a trailer": (
        b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n0\r\nx: ",
        b"a" * 65536,
    ),
    "a chunk's extension": (b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n1;", b"a" * 65536),
}


@pytest.mark.parametrize("kind", ENDLESS)
def test_endless_head_is_refused_early_and_costs_nothing(connect: Connect, kind: str) -> None:
    """30 MB of one header took over a second of CPU: the cost was quadratic."""
    start, more = ENDLESS[kind]
    connection = connect()
    sent = 0

    def send() -> None:
        nonlocal sent
        try:
            connection.sendall(start)
            while sent < 30_000_000:
                connection.sendall(more)
                sent += len(more)
        except OSError:
            pass

    spent = cpu_seconds(send)
    assert sent < 20_000_000, "the server hangs up; the buffers on the way take some of it"
    assert spent < 0.3


@pytest.mark.parametrize("size", [limits.MAX_OVERHEAD_BYTES + 1024, 200_000])
def test_large_header_is_431_as_a_problem(connect: Connect, size: int) -> None:
    connection = connect()
    connection.sendall(b"GET / HTTP/1.1\r\nhost: x\r\nx: " + b"a" * size)
    connection.shutdown(socket.SHUT_WR)
    assert problem_of(received(connection))["code"] == "headers_too_large"


@pytest.mark.parametrize(
    "head", [b"GET / HTTP/1.1\r\nhost: x\r\nx: %s\r\n\r\n", b"GET /%s HTTP/1.1\r\nhost: x\r\n\r\n"]
)
def test_large_head_that_arrives_whole_is_431_too(connect: Connect, head: bytes) -> None:
    """One read brings up to 256 KiB: such a head was complete before it was counted, and accepted."""
    connection = connect()
    connection.sendall(head % (b"a" * (limits.MAX_OVERHEAD_BYTES + 1024)))
    connection.shutdown(socket.SHUT_WR)
    assert problem_of(received(connection))["code"] == "headers_too_large"


def test_header_count_is_limited(connect: Connect, url: str) -> None:
    connection = connect()
    connection.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n" + b"a: b\r\n" * 101 + b"\r\n")
    connection.shutdown(socket.SHUT_WR)
    assert problem_of(received(connection))["status"] == 431
    assert httpx.get(f"{url}/health/live", headers=[("a", "b")] * 80).status_code == 200
    assert httpx.get(f"{url}/health/live", headers={"a": "b" * 20_000}).status_code == 200


def test_what_is_no_http_is_400_as_a_problem(connect: Connect) -> None:
    connection = connect()
    connection.sendall(b"hello\r\n\r\n")
    connection.shutdown(socket.SHUT_WR)
    assert problem_of(received(connection))["code"] == "malformed_request"


@pytest.mark.parametrize(
    ("start", "more", "status"),
    [
        (b"", b"", None),
        (b"GET / HT", b"", 408),
        (b"GET / HTTP/1.1\r\nx: ", b"a", 408),
        (b"GET /health/live HTTP/1.1\r\nhost: x\r\n\r\nGET / HT", b"", 408),
        (b"POST /n8n/heygen-status HTTP/1.1\r\nhost: x\r\n%scontent-length: 9000\r\n\r\nabc", b"x", 408),
    ],
    ids=["nothing", "half a head", "one byte at a time", "half a second request", "a slow body"],
)
@pytest.mark.slow
def test_slow_request_is_ended(
    connect: Connect, monkeypatch: pytest.MonkeyPatch, start: bytes, more: bytes, status: int | None
) -> None:
    monkeypatch.setattr(limits, "HEAD_SECONDS", 0.5)
    monkeypatch.setattr(limits, "BODY_SECONDS", 0.5)
    monkeypatch.setattr(limits, "LINGER_SECONDS", 0.5)
    connection = connect()
    credentials = f"x-api-key: {SERVICE_HEADERS['X-API-Key']}\r\ncontent-type: application/json\r\n".encode()
    connection.sendall(start.replace(b"%s", credentials))
    ended = threading.Event()

    def trickle() -> None:
        while more and not ended.wait(0.2):
            try:
                connection.sendall(more)
            except OSError:
                return

    threading.Thread(target=trickle, daemon=True).start()
    started = time.monotonic()
    text = received(connection)
    ended.set()
    assert time.monotonic() - started < 5
    if status is None:
        assert text == b""
    else:
        assert problem_of(b"HTTP/1.1 408" + text.partition(b"HTTP/1.1 408")[2])["code"] == "request_timeout"


def test_body_that_never_arrived_counts_as_408(connect: Connect, url: str) -> None:
    """It counted, and was logged, as the client's malformed JSON."""

    def count() -> float:
        series = 'http_requests_total{method="POST",route="/integrations/ai-avatar",status="408"} '
        lines = httpx.get(f"{url}/metrics").text.splitlines()
        return sum(float(line.removeprefix(series)) for line in lines if line.startswith(series))

    before = count()
    connection = connect()
    head = "".join(f"{name}: {value}\r\n" for name, value in SERVICE_HEADERS.items())
    connection.sendall(
        f"POST {ROOT} HTTP/1.1\r\nhost: x\r\n{head}content-type: application/json\r\n".encode()
    )
    connection.sendall(b"content-length: 100\r\n\r\n{")
    time.sleep(0.2)
    connection.close()
    for _ in range(50):
        if count() == before + 1:
            return
        time.sleep(0.1)
    raise AssertionError(httpx.get(f"{url}/metrics").text)


def test_valid_traffic_is_not_hit(connect: Connect) -> None:
    """Pipelined requests, large bodies, many chunks."""
    body = b"x" * 5000
    request = b"POST /none HTTP/1.1\r\nhost: x\r\ncontent-length: 5000\r\n\r\n" + body
    connection = connect()
    threading.Thread(target=connection.sendall, args=(request * 50,), daemon=True).start()
    text = b""
    while text.count(b"HTTP/1.1 404") < 50:
        data = connection.recv(65536)
        assert data, text
        text += data
    chunks = (b"1000\r\n" + b"x" * 4096 + b"\r\n") * 100 + b"0\r\n\r\n"
    connection = connect()
    connection.sendall(
        b"POST /none HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n" + chunks
    )
    assert received(connection).startswith(b"HTTP/1.1 404")


@pytest.mark.parametrize("framing", ["length", "chunks"])
@pytest.mark.parametrize("keep_alive", [True, False])
def test_413_is_readable_by_a_client_that_is_still_sending(
    connect: Connect, framing: str, keep_alive: bool
) -> None:
    """The connection was reset, and clients that stop at the write error lost the response."""
    size = 3_000_000
    head = (
        f"POST {ROOT} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
        f"x-api-key: {SERVICE_HEADERS['X-API-Key']}\r\n"
        + ("" if keep_alive else "connection: close\r\n")
        + (f"content-length: {size}\r\n\r\n" if framing == "length" else "transfer-encoding: chunked\r\n\r\n")
    )
    connection = connect()
    connection.sendall(head.encode())
    time.sleep(0.2)  # the response is on its way, and the connection would be closed
    for _ in range(size // 100_000):
        piece = b" " * 100_000
        connection.sendall(piece if framing == "length" else b"186a0\r\n" + piece + b"\r\n")
        time.sleep(0.005)
    if framing == "chunks":
        connection.sendall(b"0\r\n\r\n")
    text = received(connection)
    assert text.startswith(b"HTTP/1.1 413 ")
    assert b"body_too_large" in text
    assert b"<reset>" not in text


def test_client_that_never_stops_sending_is_cut_off(connect: Connect) -> None:
    connection = connect()
    connection.sendall(
        f"POST {ROOT} HTTP/1.1\r\nhost: x\r\nx-api-key: {SERVICE_HEADERS['X-API-Key']}\r\n"
        "content-length: 900000000\r\n\r\n".encode()
    )
    with pytest.raises(OSError):  # noqa: PT011 - reset or broken pipe
        connection.sendall(b" " * 100_000_000)


def test_credentials_are_checked_before_a_body_is_read(connect: Connect) -> None:
    """600 callers without credentials held 600 MiB of bodies."""
    connection = connect()
    connection.sendall(
        f"POST {ROOT} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
        "content-length: 1000\r\n\r\n".encode()
    )
    assert connection.recv(65536).startswith(b"HTTP/1.1 401 "), "although the body never came"


@pytest.mark.parametrize(
    "body",
    [
        b"{" + b",".join(b'"a%d":1' % number for number in range(80_000)) + b"}",
        b"{" + b",".join(b'"a%d":1' % number for number in range(8_000)) + b"}",
        b'{"x":[' + b",".join([b"1"] * 400_000) + b"]}",
    ],
    ids=["a mebibyte of fields", "8,000 fields", "one field with a long list"],
)
def test_body_of_unknown_fields_costs_no_more_than_ten_reads(url: str, body: bytes) -> None:
    with httpx.Client(base_url=url, headers=SERVICE_HEADERS) as client:

        def read() -> None:
            assert client.get(ROOT, params={"limit": 1}).status_code == 200

        def refuse() -> None:
            response = client.post(ROOT, content=body, headers={"Content-Type": "application/json"})
            assert (response.status_code, response.json()["code"]) == (422, "invalid_request")

        def read_ten_times() -> None:
            for _ in range(10):
                read()

        read()
        refuse()
        reads = min(cpu_seconds(read_ten_times) for _ in range(5))
        refusals = min(cpu_seconds(refuse) for _ in range(5))
    assert refusals < reads


def test_connection_limit_leaves_descriptors_for_the_rest() -> None:
    assert connection_watch.connection_limit(1_000_000) == connection_watch.MAX_CONNECTIONS
    assert connection_watch.connection_limit(1024) == 624
    assert connection_watch.connection_limit(256) == 128


def test_too_many_connections_are_refused_and_logged_once(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_watch.ConnectionWatch, "of", classmethod(lambda cls, state, loop: watch))
    noted: list[int] = []

    class _Full:
        max_connections = 0
        note_exhaustion = staticmethod(noted.append)

    watch = _Full()
    connection = connect()
    connection.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
    connection.shutdown(socket.SHUT_WR)
    problem = problem_of(received(connection))
    assert (problem["status"], problem["code"]) == (503, "overloaded")
    assert noted == [1]


def test_idle_connections_make_room_for_others(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With 20 connections, of which 10 may be idle."""
    monkeypatch.setattr(connection_watch, "raise_descriptor_limit", lambda: 20)
    with serve_app(create_app(settings(database_url)), **server_options()) as url:
        parts = urlsplit(url)

        def open_one(start: bytes = b"") -> socket.socket:
            connection = socket.create_connection((parts.hostname or "", parts.port or 0), 20)
            connection.sendall(start)
            return connection

        get = b"GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n"
        idle = [open_one() for _ in range(4)]
        begun = open_one(get)
        assert begun.recv(4096).startswith(b"HTTP/1.1 200 ")
        time.sleep(0.01)  # the server has accepted those four, and some time before the others
        begun.sendall(b"GET /health/live HTTP/1.1\r\n")
        idle += [open_one() for _ in range(10)]
        for connection in idle[4:8]:
            connection.sendall(get)
            assert connection.recv(4096).startswith(b"HTTP/1.1 200 ")
        time.sleep(1.5)  # the watch looks once a second
        closed = [connection for connection in idle if is_closed(connection)]
        assert closed == [*idle[:4]], "the oldest, and those that were never used first"
        newcomer = open_one()
        for connection in (*idle[4:8], newcomer):
            connection.sendall(get)
            assert connection.recv(4096).startswith(b"HTTP/1.1 200 ")
        begun.sendall(b"host: x\r\n\r\n")
        assert begun.recv(4096).startswith(b"HTTP/1.1 200 "), "a request that is on its way goes on"
        for connection in (begun, newcomer, *idle):
            connection.close()


def is_closed(connection: socket.socket) -> bool:
    connection.settimeout(0.05)
    try:
        return connection.recv(1) == b""
    except TimeoutError:
        return False
    finally:
        connection.settimeout(20)


@pytest.mark.slow
def test_descriptors_that_run_out_are_logged_and_the_service_recovers(server: Server, tmp_path: Path) -> None:
    """In a process of its own, with 64 descriptors: uvloop closes connections silently."""
    with server.database(template=server.migrated_template()) as name:
        env = environment(server.url(name), "http://127.0.0.1:1/x")
        start = (
            "import resource, sys; resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64)); "
            "sys.argv[0] = 'ai-avatar'; from app.cli import main; main()"
        )
        port, log = free_port(), tmp_path / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-c", start, "serve", "--port", str(port)],
                env=env, cwd=tmp_path, stdout=output, stderr=output,
            )  # fmt: skip
        try:
            for _ in range(300):
                try:
                    httpx.get(f"http://127.0.0.1:{port}/health/live")
                    break
                except httpx.TransportError:
                    time.sleep(0.1)
            connections = [socket.create_connection(("127.0.0.1", port), 5) for _ in range(150)]
            for _ in range(100):
                if "exhausted" in log.read_text():
                    break
                time.sleep(0.1)
            for connection in connections:
                connection.close()
            lines = [json.loads(line) for line in log.read_text().splitlines()]
            told = [line for line in lines if "exhausted" in line["event"]]
            assert told
            assert len(told) < 5, "not once per connection"
            assert {line["level"] for line in told} == {"warning"}
            time.sleep(1)
            assert httpx.get(f"http://127.0.0.1:{port}/health/live").status_code == 200
        finally:
            process.terminate()
            process.wait(30)


def test_head_that_is_on_its_way_at_sigterm_is_answered(database_url: str) -> None:
    """uvicorn closes what is in no request yet: the request was lost."""
    import signal

    with service_processes(environment(database_url, "http://127.0.0.1:1/x")) as [service]:
        connection = socket.create_connection(("127.0.0.1", service.port), 10)
        connection.sendall(b"GET /health/live HTTP/1.1\r\nho")
        time.sleep(0.3)
        service.send(signal.SIGTERM)
        time.sleep(0.5)
        connection.sendall(b"st: x\r\n\r\n")
        text = received(connection)
        connection.close()
        service.wait()
    assert text.startswith(b"HTTP/1.1 200 ")
    assert re.search(rb"(?i)connection: close", text)
