"""Accessibility, layout and speed; the screenshots of the documentation."""

import re
import time

import pytest
from playwright.sync_api import BrowserContext, Page, expect
from support.browser import Guard, Visitor, shoot
from support.page import (
    API,
    FIRST,
    add_axe,
    check_with_axe,
    count_requests,
    open_content,
    refuse,
)

pytestmark = pytest.mark.slow

WIDTHS = [375, 960, 1600]
TARGETS = """() => {
  const small = [];
  for (const control of document.querySelector("ai-avatar-settings").shadowRoot.querySelectorAll(
      "button, input, select, textarea, a, summary")) {
    const box = (control.matches(".segment input") ? control.parentElement : control).getBoundingClientRect();
    if (box.width && (box.height < 37.5 || (box.height < 43.5 && !control.matches(".segment input"))))
      small.push(`${control.className || control.tagName} ${Math.round(box.width)}×${Math.round(box.height)}`);
    const card = control.closest(".card")?.getBoundingClientRect();
    if (card && box.width && !control.matches(".content") && (box.left < card.left + 12 || box.right > card.right - 12))
      small.push(`${control.className || control.tagName} leaves the card's padding`);
  }
  return small;
}"""


# ---- accessibility and layout ----


@pytest.mark.parametrize("look", ["light", "dark", "rtl"])
def test_main_states_are_accessible_and_fit_every_width(
    page: Page, context: BrowserContext, visitor: Visitor, guard: Guard, look: str
) -> None:
    """axe finds nothing in any look; nothing is too wide or too small to touch, and the documentation sees it."""
    guard.expect("status of 422", "status of 502")
    add_axe(context)
    page.emulate_media(color_scheme="dark" if look == "dark" else "light")

    def go() -> None:
        page.goto("about:blank")
        page.goto(visitor.link)
        if look == "rtl":
            page.evaluate("document.documentElement.dir = 'rtl'")

    def check(state: str, *, full_page: bool = True) -> None:
        check_with_axe(page, state)
        for width in WIDTHS if look == "light" else []:
            page.set_viewport_size({"width": width, "height": 800})
            assert page.evaluate("document.documentElement.scrollWidth") <= width, state
            assert page.evaluate(TARGETS) == [], f"{state} at {width}"
            shoot(page, f"{state}-{width}", full_page=full_page)
        page.set_viewport_size({"width": 960, "height": 800})

    page.goto(visitor.dev.page_url)
    check_with_axe(page, "no token")
    go()
    page.locator("#api-key").wait_for()
    page.get_by_role("button", name=FIRST).wait_for()
    check("first-run")
    page.get_by_role("button", name="Connect HeyGen").click()
    page.get_by_text("Enter your HeyGen API key.").wait_for()
    check_with_axe(page, "no key")
    page.locator("#api-key").fill("sandbox-of-axe-0123456789")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Ada in the studio").wait_for()
    wait_for_pictures(page)
    check("first-avatar")
    page.get_by_role("button", name="Ada in the studio").click()
    page.get_by_role("button", name="Keep the avatar").wait_for()
    check_with_axe(page, "third step")
    visitor.connect(voice_id="sandbox-voice-clara")
    go()
    page.get_by_text("$100.00 left").wait_for()
    wait_for_pictures(page)
    check("connected")
    open_chooser(page, "avatar")
    check("avatars", full_page=False)
    page.keyboard.press("Escape")
    open_chooser(page, "voice")
    check("voices", full_page=False)
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Remove integration").click()
    page.get_by_role("dialog").wait_for()
    check("removal", full_page=False)
    page.keyboard.press("Escape")
    refuse(page, "**/generate-video", "POST", 502, "webhook_failed")
    open_content(page)
    page.get_by_role("button", name="Generate video").click()
    page.get_by_text("The video workflow did not accept the job").wait_for()
    check("failure")
    page.unroute("**/generate-video")
    page.get_by_role("button", name="Try again").click()
    page.get_by_role("timer").wait_for()
    check("generating")
    page.locator("video.player").wait_for(timeout=60_000)
    page.get_by_text("Earlier videos").click()
    page.get_by_text("There are no earlier videos.").wait_for()
    check("video")


def test_destructive_button_looks_destructive_in_the_dark(page: Page, connected: Visitor) -> None:
    page.emulate_media(color_scheme="dark")
    page.get_by_role("button", name="Remove integration").click()
    red, green, blue = (
        page.get_by_role("dialog")
        .get_by_role("button", name="Remove integration")
        .evaluate("(button) => getComputedStyle(button).backgroundColor.match(/[\\d.]+/g).map(Number)")
    )
    assert red > 150
    assert green < 90
    assert blue < 90


def wait_for_pictures(page: Page) -> None:
    page.wait_for_function(
        "() => [...document.querySelector('ai-avatar-settings').shadowRoot.querySelectorAll('img')]"
        ".filter((image) => image.getBoundingClientRect().top < innerHeight).every((image) => image.complete)"
    )


def test_inputs_do_not_make_a_phone_zoom(page: Page, connected: Visitor) -> None:
    open_content(page)
    sizes = page.evaluate(
        "[...document.querySelector('ai-avatar-settings').shadowRoot.querySelectorAll('input, select, textarea')]"
        ".map((input) => parseFloat(getComputedStyle(input).fontSize))"
    )
    assert len(sizes) >= 3
    assert min(sizes) >= 16


def open_chooser(page: Page, name: str) -> None:
    page.get_by_role("button", name=f"Change: Default {name}").click()
    page.get_by_role("dialog").locator(".option").nth(5).wait_for()
    wait_for_pictures(page)


def test_further_screenshots_of_the_documentation(
    page: Page, context: BrowserContext, connected: Visitor, guard: Guard
) -> None:
    guard.expect("ERR_INTERNET_DISCONNECTED")
    page.emulate_media(color_scheme="dark")
    shoot(page, "connected-dark")
    page.get_by_role("button", name="Remove integration").click()
    page.get_by_role("dialog").wait_for()
    shoot(page, "remove-dark")
    page.keyboard.press("Escape")
    page.emulate_media(color_scheme="light")
    page.evaluate("document.documentElement.dir = 'rtl'")
    shoot(page, "right-to-left")
    page.evaluate("document.documentElement.dir = 'ltr'")
    context.set_offline(True)
    page.get_by_role("button", name="Switch off").click()
    expect(page.get_by_role("button", name="Stop waiting")).to_be_visible()
    shoot(page, "offline")
    context.set_offline(False)
    expect(page.get_by_text("Switched off").first).to_be_visible()


# ---- speed ----


def test_first_load_is_small(page: Page, visitor: Visitor) -> None:
    visitor.connect()
    asked = count_requests(page, API)
    sizes: list[int] = []
    page.on(
        "response",
        lambda response: (
            sizes.append(len(response.body())) if re.search(r"\.(js|css)$", response.url) else None
        ),
    )
    page.goto(visitor.link)
    page.get_by_text("$100.00 left").wait_for()
    page.get_by_role("button", name=FIRST).wait_for()
    page.wait_for_timeout(300)
    assert len(asked) == 3  # the integrations, the content items, the account
    assert len(sizes) > 5
    # Unpacked and not minified, but without the comments, most of which are types.
    assert sum(sizes) < 80_000


def test_page_is_fast_on_a_slow_line(page: Page, visitor: Visitor) -> None:
    """400 ms of latency and 50 kB/s: the frame at once, then the settings; at the second visit all of it."""
    visitor.connect()
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    session.send(
        "Network.emulateNetworkConditions",
        {"offline": False, "latency": 400, "downloadThroughput": 50_000, "uploadThroughput": 50_000},
    )
    page.goto(visitor.link, wait_until="commit")
    first = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
    page.wait_for_function(f"() => {first}")
    assert page.evaluate(first) < 1_500
    page.get_by_text("Ready", exact=True).first.wait_for()
    page.goto("about:blank")
    page.goto(visitor.link, wait_until="commit")
    started = time.monotonic()
    page.get_by_text("Ready", exact=True).first.wait_for()
    assert time.monotonic() - started < 2.5
