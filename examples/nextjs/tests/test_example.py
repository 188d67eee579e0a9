"""The built application, driven in Chromium, with the service as `make run` starts it and a real sign-in."""

import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

import pytest
from playwright.sync_api import Page, expect, sync_playwright
from support.browser import CHROMIUM, FLAGS, ROOT, Guard, missing, shoot
from support.servers import free_port

APPLICATION = Path(__file__).parent.parent
START_SECONDS = 120
# Shorter than the margin in which proxy.ts renews a token: every request renews the session.
SHORT_TOKEN_SECONDS = 30
CONTENT_ID = "c0000000-0000-4000-8000-000000000001"


@contextmanager
def running(
    name: str, command: list[str], log: Path, is_ready: Callable[[], bool], **environment: str
) -> Iterator[None]:
    with log.open("w") as output:
        process = subprocess.Popen(
            command, cwd=APPLICATION, env={**os.environ, **environment}, stdout=output, stderr=output
        )
    try:
        deadline = time.monotonic() + START_SECONDS
        while not is_ready():
            if process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"{name} did not start: {log.read_text()[-4000:]}")
            time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait(30)


def responds(url: str) -> Callable[[], bool]:
    def check() -> bool:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return True
        except OSError:
            return False

    return check


@dataclass(frozen=True)
class Setup:
    """The addresses of the application, of a sign-in, and of a service that knows the sign-in's public keys only.

    HeyGen and n8n are the sandbox's.
    """

    folder: Path
    url: str
    auth_port: int
    service_port: int

    @property
    def supabase_url(self) -> str:
        return f"http://127.0.0.1:{self.auth_port}"

    def sign_in(self) -> AbstractContextManager[None]:
        return running(
            "the sign-in",
            ["node", "auth/server.mjs"],
            self.folder / "auth.log",
            responds(f"{self.supabase_url}/auth/v1/.well-known/jwks.json"),
            AUTH_PORT=str(self.auth_port),
            AUTH_TOKEN_SECONDS=str(SHORT_TOKEN_SECONDS),
        )

    def service(self) -> AbstractContextManager[None]:
        dev_json = Path(mkdtemp(dir=self.folder)) / "data" / "dev.json"  # new for each start: it says "ready"
        command = [sys.executable, "-c", "from app.cli import main; main()", "dev"]
        command += ["--port", str(self.service_port), "--data-dir", str(dev_json.parent)]
        return running(
            "`ai-avatar dev`",
            command,
            self.folder / "service.log",
            dev_json.exists,
            SUPABASE_URL=self.supabase_url,
            CORS_ORIGINS=self.url,
            PYTHONPATH=str(ROOT),
        )

    def application(self) -> AbstractContextManager[None]:
        port = self.url.rpartition(":")[2]
        return running(
            "the application",
            ["node_modules/.bin/next", "start", "--port", port, "--hostname", "127.0.0.1"],
            self.folder / "application.log",
            responds(f"{self.url}/login"),
            AI_AVATAR_URL=f"http://127.0.0.1:{self.service_port}",
            SUPABASE_URL=self.supabase_url,
        )


@pytest.fixture(scope="module")
def setup(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Setup]:
    """A running application and its sign-in, without the service."""
    folder = tmp_path_factory.mktemp("nextjs")
    setup = Setup(folder, f"http://127.0.0.1:{free_port()}", free_port(), free_port())
    with setup.sign_in(), setup.application():
        yield setup


@pytest.fixture(scope="module")
def url(setup: Setup) -> Iterator[str]:
    """The application's URL. The service is running."""
    with setup.service():
        yield setup.url


@pytest.fixture
def guard() -> Guard:
    return Guard()


@pytest.fixture
def page(guard: Guard) -> Iterator[Page]:
    """A page that must have no unexpected message on its console."""
    if not Path(CHROMIUM).exists():
        missing(f"{CHROMIUM} is missing: `apt-get install chromium`, or set CHROMIUM to where it is")
    expect.set_options(timeout=30_000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 960, "height": 800})
        page.set_default_timeout(30_000)
        page.on("console", guard.listen)
        page.on("pageerror", lambda error: guard.messages.append(f"uncaught: {error}"))
        yield page
        browser.close()
    assert guard.surprises == []


def submit_password(page: Page) -> None:
    page.get_by_label("E-mail address").fill("demo@example.com")
    page.get_by_label("Password").fill("demo")
    page.get_by_role("button", name="Sign in").click()


def sign_in(page: Page, url: str) -> None:
    page.goto(f"{url}/settings/integrations")
    expect(page).to_have_url(f"{url}/login")
    submit_password(page)
    expect(page.get_by_role("heading", name="AI Avatar Video Generation")).to_be_visible()


# First, before another test needs the service.
def test_page_opened_before_the_service_is_up_loads_the_settings_later(
    page: Page, guard: Guard, setup: Setup
) -> None:
    # The page after the sign-in needs the service: its server component fails (React's error 441).
    guard.expect("ERR_CONNECTION_REFUSED", "status of 500", "React error #441")
    page.goto(f"{setup.url}/login")
    submit_password(page)
    expect(page).to_have_url(f"{setup.url}/settings/integrations")
    page.goto(f"{setup.url}/settings/ai-avatar")
    expect(page.get_by_text("Status: The service cannot be reached.")).to_be_visible()
    expect(page.get_by_text("The settings are not available at the moment.")).to_be_visible()
    with setup.service():
        expect(page.get_by_role("heading", name="AI Avatar Video Generation")).to_be_visible()
        expect(page.get_by_text("The settings are not available")).to_be_hidden()
        expect(page.get_by_label("API key")).to_be_visible()


def test_wrong_password_is_refused(page: Page, url: str) -> None:
    page.goto(f"{url}/login")
    page.get_by_label("E-mail address").fill("demo@example.com")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert").filter(has_text="Wrong e-mail address or password.")).to_be_visible()


def test_from_sign_in_to_finished_video(page: Page, guard: Guard, url: str) -> None:
    guard.expect("404 (Not Found)")  # the item has no generation yet: Chromium logs the response
    sign_in(page, url)
    status = page.get_by_role("status")

    # The content page before HeyGen is connected: the original's text.
    page.goto(f"{url}/content/{CONTENT_ID}")
    page.get_by_role("button", name="Generate video").click()
    not_configured = (
        "HeyGen AI avatar integration not configured. Please set up your HeyGen integration first."
    )
    expect(page.get_by_text(not_configured)).to_be_visible()

    # The original's form, with its server actions.
    page.get_by_role("link", name="Integrations").click()
    page.get_by_label("API key").fill("no key of the sandbox")
    page.get_by_role("button", name="Save").click()
    expect(status).to_contain_text("HeyGen")
    page.get_by_label("API key").fill("sandbox-nextjs")
    page.get_by_label("Avatar ID").fill("sandbox-ada")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("button", name="Remove API key")).to_be_visible()
    shoot(page, "nextjs-integrations")

    # The service's element, with the client's types; a change renders the server component again.
    page.get_by_role("link", name="AI avatar").click()
    expect(page.get_by_text("Status: active")).to_be_visible()
    expect(page.get_by_text("An API key is stored").first).to_be_visible()

    # One item's video, started by the server action and followed live.
    page.get_by_role("link", name="Content").click()
    page.get_by_role("link", name="Welcome to Coral Coast Coffee").click()
    page.get_by_role("button", name="Generate video").click()
    expect(status).to_have_text("Video: processing")
    expect(page.get_by_role("button", name="Generate video")).to_be_disabled()
    expect(status).to_have_text("Video: completed")
    expect(page.locator("video")).to_have_attribute("src", page.locator("video").get_attribute("src") or "-")
    page.wait_for_function("document.querySelector('video').readyState >= 1")
    shoot(page, "nextjs")

    # Removal, and what follows from it.
    page.get_by_role("link", name="Integrations").click()
    page.get_by_role("button", name="Remove API key").click()
    expect(page.get_by_role("button", name="Remove API key")).to_be_hidden()
    expect(page.get_by_label("Avatar ID")).to_have_value("")

    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(f"{url}/login")
    page.goto(f"{url}/content/{CONTENT_ID}")
    expect(page).to_have_url(f"{url}/login")


def test_session_is_renewed(page: Page, url: str) -> None:
    """Tokens last shorter than proxy.ts's margin, so each request gets new ones, and both are stored."""
    sign_in(page, url)

    def cookies() -> dict[str, str]:
        return {cookie.get("name", ""): cookie.get("value", "") for cookie in page.context.cookies()}

    before = cookies()
    page.reload()
    expect(page.get_by_role("heading", name="AI Avatar Video Generation")).to_be_visible()
    after = cookies()
    assert before.keys() == after.keys() == {"access_token", "refresh_token"}
    assert not before.items() & after.items()
