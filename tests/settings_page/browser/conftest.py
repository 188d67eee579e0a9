"""A real Chromium, and the real service with its sandbox, started as `ai-avatar dev` starts them."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import TypeVar, cast

import asyncpg
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from support.browser import CHROMIUM, FLAGS, ROOT, Dev, Guard, Host, Visitor, missing
from support.servers import free_port, serve_app
from support.tenants import JWT_SECRET, Tenant, make_tenant

FIRST = "Welcome to Coral Coast Coffee"

CONTENTS = (
    ("Three ways to brew better at home", "Fresh beans, hot water, and a little patience."),
    ("Our new winter blend", "Dark chocolate, toasted hazelnut and a hint of orange."),
    ("Opening hours over the holidays", None),
)


T = TypeVar("T")


class Shared:
    """What the tests of this folder share, started on first use.

    It is closed after the last of them: Playwright's event loop runs as long as the browser does, and other tests of
    the same process need their own loop.
    """

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._parts: dict[object, object] = {}

    def get(self, start: Callable[..., AbstractContextManager[T]], *arguments: object) -> T:
        if start not in self._parts:
            self._parts[start] = self._stack.enter_context(start(*arguments))
        return cast(T, self._parts[start])

    def close(self) -> None:
        self._parts.clear()
        self._stack.close()


shared = Shared()


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(nextitem: pytest.Item | None) -> None:
    if nextitem is None or Path(__file__).parent not in nextitem.path.parents:
        shared.close()


def pytest_sessionfinish() -> None:
    shared.close()  # the session was interrupted


@contextmanager
def start_browser() -> Iterator[Browser]:
    if not Path(CHROMIUM).exists():
        missing(f"{CHROMIUM} is missing: `apt-get install chromium`, or set CHROMIUM to where it is")
    expect.set_options(timeout=30_000)  # two cores may be busy with other tests
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@contextmanager
def start_host() -> Iterator[Host]:
    host = Host()
    with serve_app(host.app) as host.url:
        yield host


@contextmanager
def start_dev(host: Host) -> Iterator[Dev]:
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
def browser() -> Browser:
    return shared.get(start_browser)


@pytest.fixture
def host() -> Host:
    """An application that embeds the element."""
    return shared.get(start_host)


@pytest.fixture
def dev(browser: Browser, host: Host) -> Dev:
    """The service, its database and its sandbox, as `make run` starts them."""
    return shared.get(start_dev, host)


@pytest.fixture
def make_visitor(dev: Dev) -> Callable[[], Visitor]:
    def make() -> Visitor:
        async def seed(connection: asyncpg.Connection) -> Tenant:
            tenant = await make_tenant(connection, script="We roast every Tuesday. Come by for a cup.")
            await connection.execute(
                "update public.content set content_title = $2 where id = $1",
                tenant.content_id,
                FIRST,
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
    visitor.connect()
    page.goto(visitor.link)
    page.get_by_text("Ready", exact=True).first.wait_for()
    page.get_by_role("button", name=FIRST).wait_for()
    return visitor


@pytest.fixture(autouse=True)
def _plain_host(dev: Dev) -> Iterator[None]:
    """Each test finds the host as it was."""
    before = dict(vars(dev.host))
    yield
    vars(dev.host).update(before)
