"""The workflows as n8n's editor shows them. With UPDATE_SCREENSHOTS=1 and n8n 2, README.md's pictures are taken."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect, sync_playwright

from n8n_harness import N8nHarness
from n8n_process import BROKER, DIRECT, MAJOR, WORKFLOWS

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
EMAIL, PASSWORD = "owner@example.com", "Made-up-for-the-test-1"
# What lies over the drawing.
OVERLAYS = (
    "[data-test-id=canvas-minimap], [data-test-id=canvas-controls], .vue-flow__panel { visibility: hidden }"
)


@pytest.fixture
def editor(inactive: N8nHarness) -> Iterator[Page]:
    """A browser in which the owner of this n8n has signed in."""
    if not Path(CHROMIUM).exists():
        pytest.fail("Chromium is missing (on Debian: apt-get install chromium)")
    url = inactive.n8n.url
    owner = {"email": EMAIL, "firstName": "The", "lastName": "Owner", "password": PASSWORD}
    httpx.post(f"{url}/rest/owner/setup", json=owner, timeout=30)  # the second time it is refused
    with sync_playwright() as playwright:
        playwright.selectors.set_test_id_attribute("data-test-id")
        flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        page = browser.new_page(viewport={"width": 1900, "height": 1080}, base_url=url)
        page.goto("/signin")
        page.locator("input[type=email]").fill(EMAIL)
        page.locator("input[type=password]").fill(PASSWORD)
        page.keyboard.press("Enter")
        page.wait_for_url(lambda address: "signin" not in address)
        yield page
        browser.close()


@pytest.mark.parametrize("slug", [BROKER, DIRECT])
def test_editor_shows_every_node_and_note(editor: Page, slug: str) -> None:
    workflow = json.loads((WORKFLOWS / f"{slug}.json").read_text(encoding="utf-8"))
    notes = [node for node in workflow["nodes"] if node["type"].endswith("stickyNote")]

    editor.goto(f"/workflow/{workflow['id']}")

    canvas = editor.get_by_test_id("canvas")
    expect(canvas.get_by_test_id("sticky")).to_have_count(len(notes), timeout=30_000)
    for node in workflow["nodes"]:
        if node not in notes:
            expect(canvas.get_by_text(node["name"], exact=True).first).to_be_attached()
    if os.environ.get("UPDATE_SCREENSHOTS") and MAJOR > 1:
        editor.get_by_test_id("zoom-to-fit").click()
        editor.add_style_tag(content=OVERLAYS)
        editor.wait_for_timeout(1_000)  # the editor moves to the drawing
        canvas.screenshot(path=WORKFLOWS / f"{slug}.png")
