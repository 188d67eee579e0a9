"""The page over HTTP: paths, media types, caching and security headers."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from app.providers import PROVIDERS
from app.providers.base import ProviderSpec
from app.settings_page.router import create_router, describe_providers, loopback_origins

PAGE = "/settings/integrations"
ROOT = Path(__file__).parent.parent.parent

pytestmark = pytest.mark.anyio


def make_client(**arguments: Any) -> httpx.AsyncClient:
    app = FastAPI()
    app.include_router(create_router(**arguments))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service.test")


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with make_client() as client:
        yield client


def read_policy(response: httpx.Response) -> dict[str, list[str]]:
    directives = (part.split() for part in response.headers["Content-Security-Policy"].split(";"))
    return {name: sources for name, *sources in directives}


async def test_page_allows_nothing_inline_and_no_frames(client: httpx.AsyncClient) -> None:
    response = await client.get(PAGE)
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    policy = read_policy(response)
    assert policy["default-src"] == ["'none'"]
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == ["'self'"]
    assert policy["img-src"] == ["'self'", "https:"]
    assert policy["media-src"] == ["https:"]
    assert policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == ["'none'"]
    assert policy["require-trusted-types-for"] == ["'script'"]
    assert "unsafe" not in response.headers["Content-Security-Policy"]
    assert not re.search(r"<style|<script(?![^>]*\bsrc=)|\son\w+=|\sstyle=", response.text)


async def test_frame_ancestors_and_media_sources_are_named() -> None:
    async with make_client(
        frame_ancestors=["https://app.example.com", "https://*.example.org"],
        media_sources=["http://127.0.0.1:9000"],
    ) as client:
        policy = read_policy(await client.get(PAGE))
    assert policy["frame-ancestors"] == ["https://app.example.com", "https://*.example.org"]
    assert policy["img-src"] == ["'self'", "https:", "http://127.0.0.1:9000"]
    assert policy["media-src"] == ["https:", "http://127.0.0.1:9000"]


async def test_only_plain_http_on_this_machine_is_a_media_source() -> None:
    urls = ["https://api.heygen.com", "http://127.0.0.1:9000/heygen", "http://127.0.0.1:9000/n8n"]
    assert loopback_origins([*urls, "http://heygen.example", "http://localhost:1/x", "http://[::1]:2"]) == [
        "http://127.0.0.1:9000",
        "http://[::1]:2",
        "http://localhost:1",
    ]


@pytest.mark.parametrize("source", ["https://a.example; script-src *", "https://a.example https:", "", "a,b"])
def test_source_that_would_change_the_policy_is_refused(source: str) -> None:
    with pytest.raises(ValueError, match="Content-Security-Policy"):
        create_router(frame_ancestors=[source])
    with pytest.raises(ValueError, match="Content-Security-Policy"):
        create_router(media_sources=[source])


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("ai-avatar-settings.js", "text/javascript; charset=utf-8"),
        ("lib/session.js", "text/javascript; charset=utf-8"),
        ("element/element.css", "text/css; charset=utf-8"),
        ("icon.svg", "image/svg+xml"),
    ],
)
async def test_static_files_have_their_types(client: httpx.AsyncClient, name: str, media_type: str) -> None:
    response = await client.get(f"/settings/static/{name}")
    assert response.status_code == 200
    assert response.headers["Content-Type"] == media_type


async def read_version(client: httpx.AsyncClient) -> str:
    found = re.search(r'src="static/([0-9a-f]{16})/page\.js"', (await client.get(PAGE)).text)
    assert found
    return found[1]


async def test_files_of_a_version_never_change(client: httpx.AsyncClient) -> None:
    version = await read_version(client)
    file = await client.get(f"/settings/static/{version}/lib/session.js")
    assert file.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    loader = await client.get("/settings/static/ai-avatar-settings.js")
    assert loader.headers["Cache-Control"] == "no-cache"
    assert f'export * from "./{version}/ai-avatar-settings.js"' in loader.text


async def test_path_of_another_version_leads_to_the_current_files(client: httpx.AsyncClient) -> None:
    """While instances of two versions serve, or a page stays open over a release."""
    other = await client.get("/settings/static/0123456789abcdef/lib/session.js")
    assert other.status_code == 200
    assert other.headers["Cache-Control"] == "no-cache"
    entry = await client.get("/settings/static/0123456789abcdef/ai-avatar-settings.js")
    assert entry.status_code == 200
    assert '"./element/element.js"' in entry.text, "not the loader: its paths would lead elsewhere"


async def test_module_graph_is_preloaded(client: httpx.AsyncClient) -> None:
    version = await read_version(client)
    page = (await client.get(PAGE)).text
    preloaded = re.findall(r'<link rel="modulepreload" href="static/([^"]+)">', page)
    assert f"{version}/page.js" in preloaded
    assert f"{version}/element/element.css.js" in preloaded
    assert f"{version}/lib/types.js" not in preloaded
    for path in preloaded:
        assert (await client.get(f"/settings/static/{path}")).status_code == 200
    # A host's page fetches the loader, and then everything at once.
    loader = (await client.get("/settings/static/ai-avatar-settings.js")).text
    assert f'import "./{version}/lib/session.js";' in loader


async def test_style_sheets_are_modules(client: httpx.AsyncClient) -> None:
    module = await client.get("/settings/static/element/element.css.js")
    assert module.headers["Content-Type"] == "text/javascript; charset=utf-8"
    assert module.text.startswith("const sheet = new CSSStyleSheet();")


@pytest.mark.parametrize("path", [PAGE, "/settings/static/lib/strings.js"])
async def test_files_are_compressed_for_those_who_accept_it(client: httpx.AsyncClient, path: str) -> None:
    packed = await client.get(path, headers={"Accept-Encoding": "br, gzip"})
    plain = await client.get(path, headers={"Accept-Encoding": "identity"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in plain.headers
    assert packed.content == plain.content
    assert int(packed.headers["Content-Length"]) < int(plain.headers["Content-Length"])
    assert packed.headers["Vary"] == plain.headers["Vary"] == "Accept-Encoding"
    assert packed.headers["ETag"] != plain.headers["ETag"]


async def test_page_is_told_which_providers_there_are() -> None:
    api_urls = {"heygen": "http://127.0.0.1:9000/heygen", "tavus": "https://tavusapi.com"}
    providers = describe_providers(api_urls)
    assert providers[0] == {
        "name": "heygen",
        "title": "HeyGen",
        "key_url": "https://app.heygen.com/settings?nav=API",
        "logo": PROVIDERS["heygen"].logo,
        "has_voices": True,
        "has_genders": True,
        "has_account": True,
        "is_sandbox": True,
    }
    assert [provider["is_sandbox"] for provider in providers] == [True, False]
    async with make_client(providers=providers) as client:
        module = await client.get("/settings/static/providers.js")
        other = await make_client().get("/settings/static/providers.js")
    assert '"title": "HeyGen"' in module.text
    assert module.headers["ETag"] != other.headers["ETag"]


def test_every_custom_property_is_documented() -> None:
    styles = "".join(path.read_text() for path in (ROOT / "app/settings_page/static").rglob("*.css"))
    used = set(re.findall(r"var\((--ai-avatar-[a-z-]+)", styles))

    assert used == set(re.findall(r"`(--ai-avatar-[a-z-]+)`", (ROOT / "docs/settings-page.md").read_text()))


@pytest.mark.parametrize("spec", PROVIDERS.values(), ids=PROVIDERS)
def test_logo_is_a_short_line_inside_the_drawing(spec: ProviderSpec) -> None:
    assert spec.logo
    assert re.fullmatch(r"M[-MLHVCSQTAZ0-9. ]*", spec.logo, re.IGNORECASE), "path data and nothing else"
    assert len(spec.logo) < 200, "a part of every first load"


@pytest.mark.parametrize("path", [PAGE, "/settings/static/lib/strings.js"])
async def test_every_answer_is_safe_and_asked_about_again(client: httpx.AsyncClient, path: str) -> None:
    response = await client.get(path)
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Referrer-Policy"] == "no-referrer"
    assert response.headers["Cache-Control"] == "no-cache"

    again = await client.get(path, headers={"If-None-Match": f'"other", W/{response.headers["ETag"]}'})
    assert again.status_code == 304
    assert again.content == b""
    assert again.headers["ETag"] == response.headers["ETag"]

    changed = await client.get(path, headers={"If-None-Match": '"other"'})
    assert changed.status_code == 200

    head = await client.head(path)
    assert head.status_code == 200
    assert head.headers["ETag"] == response.headers["ETag"]


@pytest.mark.parametrize(
    "path",
    [
        "/settings/static/page.html",
        "/settings/static/nothing.js",
        "/settings/static/lib",
        "/settings/static/lib/",
        "/settings/static/lib/../page.html",
        "/settings/static//lib/session.js",
        "/settings/static/%2e%2e%2frouter.py",
        "/settings/static/lib/%2e%2e/%2e%2e/router.py",
        "/settings/static/..%2frouter.py",
        "/settings/static/",
        "/api/settings/integrations",
    ],
)
async def test_nothing_else_is_served(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(path)).status_code == 404


async def test_routes_stay_out_of_the_api_document() -> None:
    app = FastAPI()
    app.include_router(create_router())
    assert app.openapi()["paths"] == {}
