"""The API reference in `ai-avatar dev`, as `make run` starts it: its examples work, and it needs no network."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright
from support.browser import CHROMIUM, FLAGS, ROOT, missing, shoot
from support.openapi import assert_documented, operations, resolve, validate
from support.servers import free_port

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("reference")]

# No name is resolved, so nothing but this machine can be reached.
OFFLINE = ["--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]


@dataclass(frozen=True)
class Dev:
    """A running `ai-avatar dev`, and the link that it printed."""

    url: str
    docs_link: str
    access_token: str
    n8n_key: str


@pytest.fixture(scope="module")
def dev() -> Iterator[Dev]:
    (ROOT / ".data").mkdir(exist_ok=True)
    data = Path(tempfile.mkdtemp(prefix="reference-", dir=ROOT / ".data"))
    log = data / "log"
    command = [str(Path(sys.executable).parent / "ai-avatar"), "dev"]
    with log.open("w") as output:
        process = subprocess.Popen(
            [*command, "--port", str(free_port()), "--data-dir", str(data)],
            cwd=data,  # away from any .env
            env={**os.environ, "COLUMNS": "80"},
            stdout=output,
            stderr=output,
        )
    try:
        deadline = time.monotonic() + 120  # two cores may be busy with other tests
        while not (link := re.search(r"(\S+)/docs#accessToken=(\S+)&n8nKey=(\S+)", log.read_text())):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        yield Dev(link[1], *link.group(0, 2, 3))
    finally:
        process.terminate()
        process.wait(30)
        shutil.rmtree(data, ignore_errors=True)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not Path(CHROMIUM).exists():
        missing(f"{CHROMIUM} is missing: `apt-get install chromium`, or set CHROMIUM to where it is")
    expect.set_options(timeout=30_000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS, *OFFLINE])
        yield browser
        browser.close()


@dataclass
class Watch:
    """What a page complained of, and what it asked of other servers."""

    messages: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)


@pytest.fixture
def page(browser: Browser, dev: Dev) -> Iterator[Page]:
    """A page that must not complain, not even of its Content-Security-Policy, and asks this service only."""
    watch = Watch()
    page = browser.new_page(viewport={"width": 1200, "height": 900}, reduced_motion="reduce")
    page.set_default_timeout(30_000)
    page.on(
        "console", lambda message: watch.messages.append(message.text) if message.type == "error" else None
    )
    page.on("pageerror", lambda error: watch.messages.append(str(error)))
    page.on(
        "request",
        lambda request: (
            None
            if request.url.startswith((dev.url, "data:", "blob:"))
            else watch.strangers.append(request.url)
        ),
    )
    yield page
    page.close()
    assert watch == Watch()


def in_order() -> list[tuple[str, str, dict[str, Any]]]:
    """Return all operations. What the others need is deleted last, and then created again."""
    last = ("deleteIntegration", "connectProvider")
    rest = [found for found in operations() if found[2]["operationId"] not in last]
    named = {found[2]["operationId"]: found for found in operations()}
    return [*rest, *(named[name] for name in last)]


def send_example(dev: Dev, method: str, path: str, operation: dict[str, Any]) -> httpx.Response:
    """Send an operation's example as *Try it out* does."""
    given = [one for one in operation.get("parameters", []) if "example" in one]
    schemes = {name for requirement in operation["security"] for name in requirement}
    headers = {}
    if "accessToken" in schemes:
        headers["Authorization"] = f"Bearer {dev.access_token}"
    if "n8nKey" in schemes:
        headers["X-API-Key"] = dev.n8n_key
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    return httpx.request(
        method,
        dev.url + path.format(**{one["name"]: one["example"] for one in given if one["in"] == "path"}),
        params={one["name"]: one["example"] for one in given if one["in"] == "query"},
        headers=headers,
        json=body.get("example"),
        timeout=30,
    )


def test_every_example_request_gets_the_documented_success(dev: Dev) -> None:
    for method, path, operation in in_order():
        response = send_example(dev, method, path, operation)

        assert response.is_success, (operation["operationId"], response.text)
        assert str(response.status_code) in operation["responses"], operation["operationId"]
        assert_documented(response)
        documented = resolve(operation["responses"][str(response.status_code)])
        for media_type in documented.get("content", {}):
            assert response.headers["content-type"].startswith(media_type), operation["operationId"]
        if response.headers.get("content-type", "").startswith("text/event-stream"):
            [(event, data)] = re.findall(r"^event: (.+)\ndata: (.+)$", response.text, re.MULTILINE)
            validate({"event": event, "data": json.loads(data)}, {"$ref": "#/components/schemas/VideoEvent"})


def test_document_of_the_running_service_is_the_one_that_is_tested(dev: Dev) -> None:
    document = httpx.get(f"{dev.url}/openapi.json").json()

    assert {path: set(found) for path, found in document["paths"].items()} == {
        path: {method for method, found, _ in operations() if found == path} for _, path, _ in operations()
    }


def test_swagger_ui_is_signed_in_and_executes_what_is_prefilled_without_a_network(
    page: Page, dev: Dev
) -> None:
    page.goto(dev.docs_link)
    page.get_by_text("You are signed in").wait_for()
    assert page.url == f"{dev.url}/docs", "no credential stays in the address bar"

    # A query, a body, and n8n's key.
    for operation_id in ("listVideos", "connectProvider", "issueCredentials"):
        operation = page.locator(f"[id$=-{operation_id}]")
        operation.locator(".opblock-summary-control").click()
        operation.get_by_role("button", name="Execute").click()
        status = operation.locator(".live-responses-table .response-col_status").last

        expect(status).to_contain_text("200")


def test_start_page_leads_to_every_operation_and_the_webhook(page: Page, dev: Dev) -> None:
    page.goto(dev.url)
    page.get_by_role("heading", name="AI avatar integrations").wait_for()
    shoot(page, "start-page")

    page.get_by_role("link", name="API reference", exact=True).click()
    page.get_by_text("Request a video of a content item.").wait_for()

    expect(page.locator(".opblock")).to_have_count(len(in_order()) + 1)
    expect(page.get_by_text("You are signed in")).to_be_hidden()
    shoot(page, "api-reference")

    page.get_by_role("button", name="Authorize").first.click()
    page.get_by_role("heading", name="n8nToken (http, Bearer)").wait_for()


def test_redoc_shows_the_document_and_finds_words_without_a_network(page: Page, dev: Dev) -> None:
    page.goto(f"{dev.url}/redoc")
    page.get_by_role("heading", name="Request a video of a content item.").wait_for()

    page.get_by_placeholder("Search").fill("credentials")
    page.locator("[data-role='search:results']").get_by_text("claim the generation").first.wait_for()
