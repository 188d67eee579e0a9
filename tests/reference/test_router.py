"""The start page and both API references over HTTP: what browsers and caches are told."""

import re
from importlib.metadata import version
from urllib.parse import urljoin

import httpx
import pytest

pytestmark = pytest.mark.anyio

PAGES = ("/", "/docs", "/redoc", "/problems/")


def links_of(html: str) -> list[str]:
    return re.findall(r'(?:href|src)="([^"]+)"', html)


async def test_start_page_leads_to_everything_that_it_names(client: httpx.AsyncClient) -> None:
    page = await client.get("/")
    links = links_of(page.text)

    assert {
        "docs",
        "redoc",
        "openapi.json",
        "settings/integrations",
        "health/ready",
        "problems/",
        "readme",
    } <= set(links)
    for link in links:
        assert (await client.get(f"/{link}")).status_code == 200, link
    assert f"Version {version('ai-avatar')}" in page.text


@pytest.mark.parametrize("path", PAGES)
async def test_pages_load_nothing_from_another_server(client: httpx.AsyncClient, path: str) -> None:
    page = await client.get(path)

    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    for link in links_of(page.text):
        assert not link.startswith(("http", "//")), link
        assert (await client.get(urljoin(path, link))).status_code == 200, link


@pytest.mark.parametrize("path", PAGES)
async def test_pages_allow_no_inline_script_and_no_frame(client: httpx.AsyncClient, path: str) -> None:
    page = await client.get(path)
    policy = dict(part.split(" ", 1) for part in page.headers["content-security-policy"].split("; "))

    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == "'self'"
    assert policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert "unsafe" not in page.headers["content-security-policy"]
    assert not re.search(r"<script(?![^>]* src=)|<style| on\w+=| style=", page.text)
    assert page.headers["referrer-policy"] == "no-referrer"
    assert page.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("name", ["swagger-ui-bundle.js", "redoc.standalone.js"])
async def test_large_files_are_compressed_and_kept_by_browsers(client: httpx.AsyncClient, name: str) -> None:
    path = f"/reference/{name}"
    first = await client.get(path, headers={"Accept-Encoding": "gzip"})

    assert first.headers["content-encoding"] == "gzip"
    assert int(first.headers["content-length"]) < 600_000 < len(first.content)
    again = await client.get(
        path, headers={"Accept-Encoding": "gzip", "If-None-Match": first.headers["etag"]}
    )
    assert (again.status_code, again.content) == (304, b"")


async def test_redoc_has_no_address_of_its_maker_s_server_to_load_from(client: httpx.AsyncClient) -> None:
    script = (await client.get("/reference/redoc.standalone.js")).text

    assert "cdn.redoc.ly" not in script


@pytest.mark.parametrize("path", ["", "page.html", "..%2Frouter.py", "favicon.png", "index.html"])
async def test_no_other_file_is_served(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(f"/reference/{path}")).status_code == 404


async def test_document_is_revalidated_instead_of_sent_again(client: httpx.AsyncClient) -> None:
    first = await client.get("/openapi.json")
    again = await client.get("/openapi.json", headers={"If-None-Match": first.headers["etag"]})

    assert first.headers["content-type"] == "application/json"
    assert again.status_code == 304


async def test_readme_is_served_as_text(client: httpx.AsyncClient) -> None:
    readme = await client.get("/readme")

    assert readme.headers["content-type"] == "text/plain; charset=utf-8"
    assert readme.text.startswith("# AI avatar integrations")


async def test_pages_are_served_under_api_as_well(client: httpx.AsyncClient) -> None:
    for path in ("/api/docs", "/api/reference/docs.js", "/api/openapi.json"):
        assert (await client.get(path)).status_code == 200, path
