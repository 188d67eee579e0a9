"""Shared by the browser tests: a running `ai-avatar dev`, its visitors, and a guard on the console."""

import asyncio
import os
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import asyncpg
import httpx
import pytest
from playwright.sync_api import ConsoleMessage, Page
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route
from support.tenants import JWT_SECRET, Tenant

from app.db import connect
from app.tokens import mint_token

T = TypeVar("T")
ROOT = Path(__file__).parent.parent.parent
SCREENSHOTS = ROOT / "docs" / "screenshots"
AXE = ROOT / "tests" / "settings_page" / "node_modules" / "axe-core" / "axe.min.js"
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
# Without the background flags Chromium uses the network, which tests must not.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
    "--host-resolver-rules=MAP service.test 127.0.0.1",
]


class Host:
    """Another application, on another origin, whose page embeds the element and runs `script`."""

    def __init__(self) -> None:
        self.url = ""
        self.service_url = ""
        self.script = ""
        self.head = ""
        self.html_attributes = 'lang="en"'
        self.element = "<ai-avatar-settings>The settings are not available.</ai-avatar-settings>"
        self.policy = ""
        self.app = Starlette(routes=[Route("/", self._page), Route("/strict", self._strict_page)])

    async def _page(self, _: Request) -> HTMLResponse:
        return HTMLResponse(f"""<!doctype html><html {self.html_attributes}><title>Host</title>
          <link rel="icon" href="data:,">{self.head}
          <script type="module" src="{self.service_url}/settings/static/ai-avatar-settings.js"></script>
          {self.element}
          <script>const element = document.querySelector("ai-avatar-settings");
          window.asked = []; window.changes = []; window.errors = [];
          element.addEventListener("ai-avatar-change", (event) => changes.push(event.detail.kind));
          element.addEventListener("ai-avatar-error", (event) => errors.push(event.detail));
          {self.script}</script>""")

    async def _strict_page(self, _: Request) -> HTMLResponse:
        """The element alone, under the Content-Security-Policy `policy`."""
        script = f"{self.service_url}/settings/static/ai-avatar-settings.js"
        return HTMLResponse(
            f'<!doctype html><ai-avatar-settings></ai-avatar-settings><script type="module" src="{script}"></script>',
            headers={"Content-Security-Policy": self.policy},
        )


@dataclass(frozen=True)
class Dev:
    """A running `ai-avatar dev`."""

    url: str
    database_url: str
    host: Host

    @property
    def page_url(self) -> str:
        return f"{self.url}/settings/integrations"

    def run(self, work: Callable[[asyncpg.Connection], Coroutine[Any, Any, T]]) -> T:
        """Run `work` with a database connection, in another thread: Playwright's event loop runs in this one."""

        async def connected() -> T:
            connection = await connect(SecretStr(self.database_url))
            try:
                return await work(connection)
            finally:
                await connection.close()

        with ThreadPoolExecutor(1) as pool:
            return pool.submit(asyncio.run, connected()).result()


@dataclass
class Guard:
    """The errors and warnings on a page's console. A test fails on those that it does not expect."""

    messages: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)

    def expect(self, *parts: str) -> None:
        """Ignore lines that contain one of `parts`: Chromium logs each failed request."""
        self.expected.extend(parts)

    def listen(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.messages.append(f"{message.text} ({message.location.get('url', '')})")

    @property
    def surprises(self) -> list[str]:
        return [text for text in self.messages if not any(part in text for part in self.expected)]


def missing(what: str) -> NoReturn:
    """Skip the test, or fail it where the browser tests must run."""
    if os.environ.get("REQUIRE_BROWSER"):
        pytest.fail(what)
    pytest.skip(what)


@dataclass(frozen=True)
class Visitor:
    """A test's own business, and its user's way to the page."""

    dev: Dev
    tenant: Tenant

    def token(self, ttl: float = 3600) -> str:
        return mint_token(JWT_SECRET, user_id=self.tenant.user_id, ttl=timedelta(seconds=ttl))

    def call(self, method: str, path: str = "", **json: Any) -> Any:
        """Call the service as this user; `path` is below the integrations."""
        headers = {"Authorization": f"Bearer {self.token()}"}
        url = f"{self.dev.url}/integrations/ai-avatar{path}"
        response = httpx.request(method, url, headers=headers, json=json or None, timeout=30)
        assert response.is_success, response.text
        return response.json() if response.content else None

    def connect(self, **fields: Any) -> None:
        """Connect HeyGen, with an avatar unless `fields` say otherwise."""
        key = {"api_key": "sandbox-of-the-tests-9f3c", "avatar_id": "sandbox-ada"}
        self.call("POST", **{**key, **fields})

    @property
    def own_path(self) -> str:
        return f"/{self.tenant.business_id}"

    def generate(self, content_id: object = None, script: str = "Hello from the tests.") -> Any:
        """Start a video, which the sandbox finishes in a few seconds."""
        return self.call(
            "POST", "/generate-video", content_id=str(content_id or self.tenant.content_id), script=script
        )

    @property
    def link(self) -> str:
        return f"{self.dev.page_url}#token={self.token()}"


def shoot(page: Page, name: str, *, full_page: bool = False) -> None:
    """Take a screenshot for the documentation if UPDATE_SCREENSHOTS is set."""
    if os.environ.get("UPDATE_SCREENSHOTS"):
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=full_page)
