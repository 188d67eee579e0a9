"""The built site in Chromium, opened from its folder: diagrams, search, and nothing from another server.

`make test-docs` builds it and runs these.
"""

from collections.abc import Iterator
from pathlib import Path

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


def test_each_page_has_its_title_and_the_navigation(page: Page) -> None:
    for built in sorted(SITE.rglob("*.html")):
        if built.name != "404.html":
            page.goto(built.as_uri())
            expect(page.locator("article h1").first).to_be_visible()
            expect(page.get_by_role("link", name="Getting started").first).to_be_attached()
