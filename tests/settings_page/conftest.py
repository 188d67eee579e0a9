"""A real Chromium, and the real service with its sandbox, started as `ai-avatar dev` starts them."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncpg
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from support.browser import CHROMIUM, FLAGS, ROOT, Dev, Guard, Host, Visitor, missing
from support.servers import free_port, serve_app
from support.tenants import JWT_SECRET, Tenant, make_tenant

CONTENTS = (
    ("Three ways to brew better at home", "Fresh beans, hot water, and a little patience."),
    ("Our new winter blend", "Dark chocolate, toasted hazelnut and a hint of orange."),
    ("Opening hours over the holidays", None),
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One for all tests of a module: its event loop runs as long as it does, and other tests need their own."""
    if not Path(CHROMIUM).exists():
        missing(f"{CHROMIUM} is missing: `apt-get install chromium`, or set CHROMIUM to where it is")
    expect.set_options(timeout=30_000)  # two cores may be busy with other tests
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    """An application that embeds the element."""
    host = Host()
    with serve_app(host.app) as host.url:
        yield host


@pytest.fixture(scope="module")
def dev(browser: Browser, host: Host) -> Iterator[Dev]:
    """The service, its database and its sandbox, as `make run` starts them."""
    (ROOT / ".data").mkdir(exist_ok=True)
    data = Path(tempfile.mkdtemp(prefix="page-", dir=ROOT / ".data"))
    log = data / "log"
    command = [sys.executable, "-c", "from app.cli import main; main()", "dev"]
    command += ["--port", str(free_port()), "--data-dir", str(data)]
    environment = {**os.environ, "SUPABASE_JWT_SECRET": JWT_SECRET, "CORS_ORIGINS": host.url}
    with log.open("w") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=output)
    try:
        deadline = time.monotonic() + 60
        while not (data / "dev.json").exists():
            if process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"`ai-avatar dev` did not start: {log.read_text()[-4000:]}")
            time.sleep(0.1)
        announced = json.loads((data / "dev.json").read_text())
        host.service_url = announced["url"]
        yield Dev(announced["url"], announced["database_url"], host)
    finally:
        process.terminate()
        process.wait(30)
        shutil.rmtree(data, ignore_errors=True)


@pytest.fixture
def make_visitor(dev: Dev) -> Callable[[], Visitor]:
    def make() -> Visitor:
        async def seed(connection: asyncpg.Connection) -> Tenant:
            tenant = await make_tenant(connection, script="We roast every Tuesday. Come by for a cup.")
            await connection.execute(
                "update public.content set content_title = 'Welcome to Coral Coast Coffee' where id = $1",
                tenant.content_id,
            )
            for number, (title, script) in enumerate(CONTENTS, start=1):
                await connection.execute(
                    "insert into public.content (business_id, content_title, video_script, created_at) "
                    "values ($1, $2, $3, now() - make_interval(days => $4))",
                    tenant.business_id,
                    title,
                    script,
                    number,
                )
            return tenant

        return Visitor(dev, dev.run(seed))

    return make


@pytest.fixture
def visitor(make_visitor: Callable[[], Visitor]) -> Visitor:
    return make_visitor()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport={"width": 960, "height": 800}, reduced_motion="reduce")
    context.add_init_script(
        "addEventListener('securitypolicyviolation', (event) => console.error('CSP', event.violatedDirective,"
        " event.blockedURI));"
    )
    yield context
    context.close()


@pytest.fixture
def guard() -> Guard:
    return Guard()


@pytest.fixture
def page(context: BrowserContext, guard: Guard) -> Iterator[Page]:
    """A page that must have no unexpected console message, uncaught error or CSP report."""
    page = context.new_page()
    page.set_default_timeout(30_000)
    page.on("console", guard.listen)
    page.on("pageerror", lambda error: guard.messages.append(f"uncaught: {error}"))
    yield page
    assert guard.surprises == []


@pytest.fixture
def connected(page: Page, visitor: Visitor) -> Visitor:
    """A business that has connected HeyGen with an avatar; the page shows it."""
    page.goto(visitor.link)
    page.get_by_label("API key").fill("sandbox-of-the-tests")
    page.get_by_role("combobox", name="Default avatar").fill("sandbox-ada")
    page.get_by_role("button", name="Connect HeyGen").click()
    page.get_by_text("Connection valid").first.wait_for()
    return visitor
