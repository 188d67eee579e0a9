"""The built site in Chromium, opened from its folder: diagrams, search, and nothing from another server.

`make test-docs` builds it and runs these.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, expect, sync_playwright
from support.blocks import to_run
from support.browser import CHROMIUM, FLAGS, missing

from website.build import SITE


@pytest.fixture(scope="module")
def browser_page() -> Iterator[Page]:
    if not Path(CHROMIUM).exists():
        missing("Chromium is missing")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser.new_page()
        browser.close()


@pytest.fixture
def page(browser_page: Page) -> Iterator[Page]:
    """A page that may load the site's files and nothing else, and logs no error."""
    requests: list[str] = []
    errors: list[str] = []
    browser_page.on("request", lambda request: requests.append(request.url))
    browser_page.on("pageerror", lambda error: errors.append(str(error)))
    yield browser_page
    elsewhere = [url for url in requests if not url.startswith((SITE.as_uri(), "blob:", "data:"))]
    assert (elsewhere, errors) == ([], [])


def address(source: str) -> str:
    """Return the address of a page of the repository in the site."""
    return (SITE / source.replace("README.md", "index.md")).with_suffix(".html").as_uri()


@pytest.mark.parametrize(
    ("source", "diagrams"), [(page, len(found)) for page, found in to_run("mermaid").items()]
)
def test_diagrams_are_drawn(page: Page, source: str, diagrams: int) -> None:
    page.goto(address(source))

    # The theme puts each drawing in place of its text.
    drawings = page.locator("div.mermaid")
    expect(drawings).to_have_count(diagrams)
    expect(page.locator("pre.mermaid")).to_have_count(0)
    for drawing in drawings.all():
        box = drawing.bounding_box()
        assert box
        assert box["height"] > 100


def test_search_finds_a_heading_of_another_page(page: Page) -> None:
    page.goto(address("README.md"))
    page.get_by_role("button", name="Search").first.click()
    page.keyboard.type("idempotency and retries")

    page.get_by_role("option", name="Idempotency and retries").click()
    page.wait_for_url("**/docs/api.html*")


# What people type, and the page or the heading that answers it.
SEARCHES = {
    "required environment variables": "docs/configuration.html#required-environment-variables",
    "environment variables": "docs/configuration.html",
    "is my video finished": "docs/api.html#following-a-video",
    "without polling": "docs/api.html#following-a-video",
    "polling": "docs/api.html#following-a-video",
    "duplicate": "docs/api.html#idempotency-and-retries",
    "billed twice": "docs/troubleshooting.html#a-video-was-billed-twice",
    "cost": "docs/api.html#idempotency-and-retries",
    "idempotency": "docs/api.html#idempotency-and-retries",
    "claim": "docs/glossary.html#claim",
    "glossary": "docs/glossary.html",
    "python": "docs/api.html#in-python",
    "own HeyGen key": "docs/getting-started.html#make-a-real-video",
    "sandbox keys": "docs/getting-started.html#sandbox-keys",
    "tavus": "docs/api.html#heygen-or-tavus",
    "n8n credentials": "n8n/index.html#set-up",
    "rotate": "docs/security.html#rotate",
    "restore a backup": "docs/operations.html#backup-and-restore",
    "upgrade": "docs/operations.html#upgrades",
    "alerts": "docs/operations.html#alerts",
    "next.js": "examples/nextjs/index.html",
    "cors": "docs/frontend.html",
    "docker": "docs/plain-postgresql.html",
    "401": "docs/troubleshooting.html#signing-in",
    "error_code": "docs/api.html#error-codes",
    "video failed": "docs/troubleshooting.html#why-a-video-failed",
}


def test_search_answers_a_question_among_its_first_three_results(page: Page) -> None:
    page.goto(address("README.md"))
    page.get_by_role("button", name="Search").first.click()
    wrong = {}
    for query, wanted in SEARCHES.items():
        page.keyboard.press("Control+A")
        page.keyboard.type(query)
        found = _results(page, query)[:3]
        if not any(target.startswith(wanted) for target in found):
            wrong[query] = found
    assert wrong == {}


def _results(page: Page, query: str) -> list[str]:
    """Return where the results lead to: pages in the site with their headings. None after 2 s is no result."""
    for _ in range(20):
        page.wait_for_timeout(100)
        links = page.get_by_role("option").evaluate_all(
            "options => options.map(option => (option.closest('a') ?? option.querySelector('a')).href)"
        )
        # Each link repeats the query: earlier results stay until the worker has answered.
        if links and all(parse_qs(urlsplit(link).query).get("h") == [query] for link in links):
            return [
                urlsplit(link)._replace(query="").geturl().removeprefix(f"{SITE.as_uri()}/") for link in links
            ]
    return []


# With the longest names of settings, metrics and functions in their tables.
WIDE = (
    "docs/configuration.md",
    "docs/operations.md",
    "docs/generation.md",
    "n8n/README.md",
    "docs/migrating.md",
)


@pytest.mark.parametrize("width", [375, 1280])
def test_tables_keep_names_whole_and_fit_the_page(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    for source in WIDE:
        page.goto(address(source))
        names = page.locator("article td code").filter(has_text=re.compile(r"^[\w.]+$"))
        assert names.count() > 5
        heights = names.evaluate_all("found => found.map(name => name.getClientRects().length)")
        assert set(heights) == {1}, source
        assert page.evaluate("document.documentElement.scrollWidth") <= width, source


def test_a_diagram_on_a_phone_scrolls_and_the_search_is_at_the_page_s_end(page: Page) -> None:
    page.set_viewport_size({"width": 375, "height": 900})
    page.goto(address("README.md"))
    drawing = page.locator(".diagram > div.mermaid")
    expect(drawing).to_be_visible()
    box = drawing.bounding_box()
    assert box
    assert box["width"] >= 640
    assert page.evaluate("document.documentElement.scrollWidth") <= 375

    page.set_viewport_size({"width": 1280, "height": 900})
    search = page.get_by_role("button", name="Search").first.bounding_box()
    assert search
    assert search["x"] + search["width"] > 1200


def test_each_page_has_its_title_and_the_navigation(page: Page) -> None:
    for built in sorted(SITE.rglob("*.html")):
        if built.name != "404.html":
            page.goto(built.as_uri())
            expect(page.locator("article h1").first).to_be_visible()
            expect(page.get_by_role("link", name="Getting started").first).to_be_attached()
