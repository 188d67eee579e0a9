"""The page that a problem's `type` leads to."""

import json
import re
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urldefrag, urljoin, urlsplit

import httpx
import pytest
from support.openapi import document
from support.servers import serve_app
from support.service import settings

from app.errors import Overloaded
from app.main import create_app
from app.problem_help import problem_helps
from app.problems import ReadyProblem
from app.server import server_options

ELSEWHERE = "https://docs.example.com/ai-avatar/problems/"


def anchors(page: str) -> list[str]:
    return re.findall(r'<div id="([^"]+)"', page)


@pytest.fixture(scope="module")
def elsewhere(database_url: str) -> Iterator[str]:
    """The address of a service whose problems are explained by another site."""
    app = create_app(settings(database_url, problem_type_url=ELSEWHERE))
    with serve_app(app, **server_options(ELSEWHERE)) as url:
        yield url


@pytest.mark.anyio
@pytest.mark.parametrize("path", ["/integrations/ai-avatar", "/api/integrations/ai-avatar", "/nothing"])
async def test_type_of_a_problem_leads_to_its_entry_without_credentials(
    client: httpx.AsyncClient, path: str
) -> None:
    response = await client.get(path)
    problem = response.json()
    address, anchor = urldefrag(urljoin(str(response.request.url), problem["type"]))
    page = await client.get(address)

    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert anchor == problem["code"]
    assert anchor in anchors(page.text)


@pytest.mark.anyio
async def test_page_has_an_entry_for_each_documented_code(client: httpx.AsyncClient) -> None:
    page = (await client.get("/problems/")).text

    assert anchors(page) == sorted(document()["components"]["schemas"]["ProblemCode"]["enum"])
    for problem in problem_helps():
        assert problem.meaning.endswith(".")
        assert problem.action.endswith((".", "`"))
    assert "`" not in page


@pytest.mark.anyio
async def test_page_is_served_under_api_and_to_head(client: httpx.AsyncClient) -> None:
    page, under_api = await client.get("/problems/"), await client.get("/api/problems/")
    head = await client.head("/problems/")

    assert under_api.text == page.text
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-type"] == page.headers["content-type"]


@pytest.mark.anyio
@pytest.mark.parametrize("prefix", ["", "/api"])
async def test_page_without_its_slash_is_redirected_below_the_same_prefix(
    client: httpx.AsyncClient, prefix: str
) -> None:
    response = await client.get(f"{prefix}/problems", follow_redirects=True)

    assert (response.status_code, response.request.url.path) == (200, f"{prefix}/problems/")


@pytest.mark.parametrize("path", ["/integrations/ai-avatar", "/n8n/heygen/videos/1", "/nothing"])
def test_setting_replaces_the_address_before_the_code(elsewhere: str, path: str) -> None:
    problem = httpx.get(f"{elsewhere}{path}").json()

    assert problem["type"] == ELSEWHERE + problem["code"]


@pytest.mark.slow
def test_setting_applies_to_what_is_refused_before_it_is_a_request(elsewhere: str) -> None:
    parts = urlsplit(elsewhere)
    with socket.create_connection((parts.hostname or "", parts.port or 0), 20) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X-Many: 1\r\n" * 101 + b"\r\n")
        received = b"".join(iter(lambda: connection.recv(65536), b""))

    problem = json.loads(received.partition(b"\r\n\r\n")[2])
    assert problem["type"] == f"{ELSEWHERE}headers_too_large"


@pytest.mark.anyio
async def test_setting_applies_to_problems_that_are_rendered_in_advance() -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    await ReadyProblem(Overloaded(), ELSEWHERE)({"path": "/x"}, send)

    assert f'"type":"{ELSEWHERE}overloaded"'.encode() in sent[1]["body"]
