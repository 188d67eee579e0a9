"""Never silent, never stale: failures are shown where they happen, and what is shown is what is stored."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect
from support.browser import Guard, Visitor
from support.page import API, FIRST, count_requests, expect_once, host_page, open_content, refuse, row
from support.tenants import JWT_SECRET

from app.tokens import mint_token

pytestmark = pytest.mark.slow

REFERENCE = "Reference 8f3c-the-reference"


# ---- failures are shown beside the control, with a way on ----


def choose_avatar(page: Page, name: str) -> None:
    page.get_by_role("button", name="Change: Default avatar").click()
    page.get_by_role("dialog").get_by_role("button", name=name).click()


def test_failed_action_says_so_beside_its_control_and_can_be_tried_again(
    page: Page, connected: Visitor, guard: Guard
) -> None:
    guard.expect("status of 503")
    own = f"**{API}/{connected.tenant.business_id}"

    refuse(page, f"{own}/validate*", "POST")
    row(page, "API key").get_by_role("button", name="Check again").click()
    expect(row(page, "API key").get_by_text("The service is busy")).to_be_visible()
    expect(row(page, "API key").get_by_text(REFERENCE)).to_be_visible()
    page.unroute(f"{own}/validate*")
    row(page, "API key").get_by_role("button", name="Try again").click()
    expect(page.get_by_text("The key works").first).to_be_visible()
    expect(page.get_by_text("The service is busy")).to_have_count(0)

    refuse(page, f"{own}?*", "PATCH")
    choose_avatar(page, "Bruno at the desk")
    expect(row(page, "Default avatar").get_by_text(REFERENCE)).to_be_visible()
    page.get_by_role("button", name="Switch off").click()
    foot = page.locator(".foot")
    expect(foot.get_by_text(REFERENCE)).to_be_visible()
    page.unroute(f"{own}?*")
    row(page, "Default avatar").get_by_role("button", name="Try again").click()
    expect(row(page, "Default avatar").get_by_text("Bruno at the desk")).to_be_visible()

    page.get_by_role("button", name="Remove integration").click()
    refuse(page, f"{own}?*", "DELETE")
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Remove integration").click()
    expect(dialog.get_by_text(REFERENCE)).to_be_visible()


def test_failed_start_and_cancel_say_so_in_the_pane(page: Page, connected: Visitor, guard: Guard) -> None:
    guard.expect("status of 503", "status of 502")
    refuse(page, "**/generate-video", "POST", 502, "webhook_failed")
    open_content(page)
    page.get_by_role("textbox", name="Script").fill("Typed before it failed.")
    page.get_by_role("button", name="Generate video").click()
    pane = page.locator(".pane")
    expect(pane.get_by_text("The video workflow did not accept the job")).to_be_visible()
    expect(pane.get_by_text(REFERENCE)).to_be_visible()
    expect(page.get_by_role("textbox", name="Script")).to_have_value("Typed before it failed.")
    page.unroute("**/generate-video")
    pane.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("timer")).to_be_visible()
    expect(pane.get_by_text(REFERENCE)).to_have_count(0)

    refuse(page, "**/cancel", "POST")
    pane.get_by_role("button", name="Cancel", exact=True).click()
    page.get_by_role("button", name="Cancel the video").click()
    expect(page.get_by_role("dialog").get_by_text(REFERENCE)).to_be_visible()


@pytest.mark.parametrize("part", ["video-pane.js", "chooser-dialog.js"])
def test_part_that_cannot_be_loaded_says_so_where_it_was_asked_for(
    page: Page, connected: Visitor, guard: Guard, part: str
) -> None:
    guard.expect("ERR_FAILED")
    page.route(f"**/{part}", lambda route: route.abort())
    if part == "video-pane.js":
        page.get_by_role("button", name=FIRST).click()
        place = page.locator(".contents li").first
    else:
        page.get_by_role("button", name="Change: Default avatar").click()
        place = row(page, "Default avatar")
    expect(place.get_by_text("The service could not be reached")).to_be_visible()
    expect(place.get_by_role("button", name="Try again")).to_be_visible()


def test_retry_after_is_honoured(page: Page, connected: Visitor, guard: Guard) -> None:
    guard.expect("status of 503")
    asked = refuse(page, "**/validate*", "POST", retry_after="2")
    key = row(page, "API key")
    key.get_by_role("button", name="Check again").click()
    wait = key.get_by_role("button", name=re.compile("Try again in [12] s"))
    expect(wait).to_be_visible()
    wait.click(force=True)
    assert len(asked) == 1, "not before the time is over"
    page.unroute("**/validate*")
    key.get_by_role("button", name="Try again", exact=True).click()
    expect(page.get_by_text("The key works").first).to_be_visible()


def test_page_that_could_not_be_loaded_loads_itself_after_retry_after(
    page: Page, visitor: Visitor, guard: Guard
) -> None:
    guard.expect("status of 503")
    visitor.connect()
    asked = refuse(page, "**/ai-avatar?*", "GET", retry_after="1")
    page.goto(visitor.link)
    expect(page.get_by_text(REFERENCE)).to_be_visible()
    assert len(asked) == 1
    page.unroute("**/ai-avatar?*")
    expect(page.get_by_text("Ready", exact=True).first).to_be_visible()
    expect(page.get_by_text(REFERENCE)).to_have_count(0)


# ---- outages: one message, and the action goes on by itself ----


def test_action_offline_waits_and_goes_on_by_itself(
    page: Page, context: BrowserContext, connected: Visitor, guard: Guard
) -> None:
    guard.expect("ERR_INTERNET_DISCONNECTED")
    open_content(page)
    page.get_by_role("textbox", name="Script").fill("Typed before the train entered the tunnel.")
    context.set_offline(True)
    expect_once(page, "You are offline")
    page.get_by_role("button", name="Generate video").click()
    expect(page.locator(".pane").get_by_text("You are offline")).to_be_visible()
    expect_once(page, "You are offline")
    expect(page.get_by_role("button", name="Waiting…")).to_be_visible()
    context.set_offline(False)
    expect(page.get_by_role("timer")).to_be_visible()
    expect(page.get_by_text("You are offline")).to_have_count(0)
    assert connected.call("GET", "/videos")["items"][0]["generation"]["script"].startswith("Typed before")


def test_waiting_can_be_stopped(
    page: Page, context: BrowserContext, connected: Visitor, guard: Guard
) -> None:
    guard.expect("ERR_INTERNET_DISCONNECTED")
    context.set_offline(True)
    page.get_by_role("button", name="Switch off").click()
    page.get_by_role("button", name="Stop waiting").click()
    expect(page.get_by_role("button", name="Switch off")).to_be_enabled()
    # A search waits too, beside the list as it is.
    page.get_by_role("searchbox", name="Search content").fill("winter")
    expect(page.get_by_role("button", name="Stop waiting")).to_be_visible()
    rows = page.locator(".contents > li")
    expect(rows).to_have_count(4)
    context.set_offline(False)
    expect(rows).to_contain_text(["Our new winter blend"])
    expect(page.get_by_text("You are offline")).to_have_count(0)
    page.wait_for_timeout(300)
    assert connected.call("GET", connected.own_path)["status"] == "active"


def test_action_of_an_expired_session_goes_on_after_signing_in(
    page: Page, visitor: Visitor, guard: Guard
) -> None:
    guard.expect("status of 401")
    old = expired(visitor)
    host_page(
        page,
        visitor,
        f"""let token = {visitor.token()!r};
        element.addEventListener("access-token-request", (event) => {{
          asked.push(event.detail.reason);
          event.detail.respondWith(Promise.resolve(token));
        }});""",
    )
    page.get_by_label("API key").wait_for()
    page.evaluate("(old) => { token = old; element.accessToken = old; }", old)
    page.get_by_label("API key").fill("sandbox-typed-before")
    page.get_by_role("button", name="Connect HeyGen").click()
    expect_once(page, "Your session has expired")
    page.get_by_role("button", name="I have signed in").click()
    expect(page.get_by_text("You are still signed out.").last).to_be_visible()
    page.evaluate("(fresh) => { token = fresh; }", visitor.token(3601))
    page.get_by_role("button", name="I have signed in").click()
    expect(page.get_by_role("heading", name="Choose your avatar")).to_be_visible()
    expect(page.get_by_text("Your session has expired")).to_have_count(0)
    assert set(page.evaluate("asked")) == {"initial", "expired"}
    page.wait_for_function("() => changes.includes('integration')")


def expired(visitor: Visitor) -> str:
    return mint_token(JWT_SECRET, user_id=visitor.tenant.user_id, ttl=timedelta(seconds=-60))


# ---- what is shown is what is stored ----


def test_video_that_is_not_open_reaches_its_final_state(page: Page, visitor: Visitor) -> None:
    page.clock.install()
    visitor.connect()
    visitor.generate()
    page.goto(visitor.link)
    chip = page.get_by_role("button", name=FIRST).locator(".chip")
    expect(chip).to_have_text("Generating")
    asked = count_requests(page, "content_id=")
    for _ in range(30):
        if visitor.call("GET", f"/videos/{visitor.tenant.content_id}")["status"] == "completed":
            break
        page.wait_for_timeout(300)
    page.clock.fast_forward(11_000)
    expect(chip).to_have_text("Ready")
    assert all(str(visitor.tenant.content_id) in url for url in asked)
    assert len(asked) == 1


def test_change_in_another_tab_is_shown(page: Page, context: BrowserContext, connected: Visitor) -> None:
    other = context.new_page()
    other.goto(connected.link)
    other.get_by_role("button", name="Switch off").click()
    expect(other.get_by_text("Switched off").first).to_be_visible()
    expect(page.get_by_text("This integration is switched off")).to_be_visible()
    expect(page.get_by_role("button", name="Switch on")).to_be_visible()


def test_change_by_another_person_is_shown_on_focus(page: Page, visitor: Visitor) -> None:
    page.clock.install()
    visitor.connect()
    page.goto(visitor.link)
    page.get_by_text("Ready", exact=True).first.wait_for()
    visitor.call("PATCH", visitor.own_path, avatar_id="sandbox-chen")
    page.clock.fast_forward(5_000)
    page.evaluate("dispatchEvent(new Event('focus'))")
    expect(row(page, "Default avatar").get_by_text("Chen on stage")).to_be_visible()


def test_removal_elsewhere_is_said_when_it_is_noticed(page: Page, connected: Visitor, guard: Guard) -> None:
    guard.expect("status of 404")
    connected.call("DELETE", connected.own_path)
    page.get_by_role("button", name="Check again").click()
    expect(page.get_by_text("This was changed elsewhere")).to_be_visible()
    expect(page.get_by_text("Not connected")).to_be_visible()
    expect(page.get_by_label("API key")).to_be_visible()


def test_video_that_was_started_elsewhere_is_followed_after_409(
    page: Page, connected: Visitor, guard: Guard
) -> None:
    guard.expect("status of 409")
    open_content(page)
    connected.generate(script="Started by a colleague.")
    page.get_by_role("button", name="Generate video").click()
    expect(page.get_by_role("timer")).to_be_visible()
    page.get_by_text("Script of this video", exact=True).click()
    expect(page.get_by_text("Started by a colleague.")).to_be_visible()


def test_checked_time_moves(page: Page, visitor: Visitor) -> None:
    page.clock.install()
    visitor.connect()
    page.goto(visitor.link)
    expect(row(page, "API key").get_by_text("checked now")).to_be_visible()
    page.clock.fast_forward(125_000)
    expect(row(page, "API key").get_by_text("2 minutes ago")).to_be_visible()


def test_names_picture_and_sound_are_there_at_once(page: Page, visitor: Visitor) -> None:
    visitor.connect(voice_id="sandbox-voice-clara")
    catalogues = [count_requests(page, "/avatars?"), count_requests(page, "/voices?")]
    page.goto(visitor.link)
    avatar, voice = row(page, "Default avatar"), row(page, "Default voice")
    expect(avatar.get_by_text("Ada in the studio")).to_be_visible()
    expect(avatar.locator("img")).to_have_js_property("complete", True)
    expect(voice.get_by_text("Clara")).to_be_visible()
    with page.expect_response(lambda response: response.url.endswith(".wav")):
        voice.get_by_role("button", name="Listen to Clara").click()
    assert catalogues == [[], []]


def test_saved_fades_and_old_messages_go(page: Page, visitor: Visitor, guard: Guard) -> None:
    guard.expect("status of 503")
    page.clock.install()
    visitor.connect()
    page.goto(visitor.link)
    refuse(page, "**/validate*", "POST")
    page.get_by_role("button", name="Check again").click()
    expect(page.get_by_text("The service is busy")).to_be_visible()
    choose_avatar(page, "Bruno at the desk")
    expect(row(page, "Default avatar").get_by_text("Saved")).to_be_visible()
    expect(page.get_by_text("The service is busy")).to_have_count(0)
    page.clock.fast_forward(5_000)
    expect(row(page, "Default avatar").get_by_text("Saved")).to_have_count(0)


def test_removal_asks_first_and_is_confirmed(page: Page, connected: Visitor) -> None:
    page.get_by_role("button", name="Remove integration").click()
    dialog = page.get_by_role("dialog", name="Remove HeyGen?")
    expect(dialog).to_contain_text("deletes the stored API key")
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Remove integration")).to_be_focused()

    page.get_by_role("button", name="Remove integration").click()
    dialog.get_by_role("button", name="Remove integration").click()
    expect(page.get_by_text("HeyGen was removed")).to_be_visible()
    expect(page.get_by_text("Not connected")).to_be_visible()
    assert connected.call("GET")["items"] == []
    # Another tab connects it again.
    connected.connect()
    page.evaluate(
        "new BroadcastChannel(`ai-avatar ${document.querySelector('ai-avatar-settings').apiBase} null`)"
        ".postMessage('changed')"
    )
    expect(page.get_by_text("Ready", exact=True).first).to_be_visible()
    expect(page.get_by_text("HeyGen was removed")).to_have_count(0)


def test_start_whose_answer_was_lost_is_not_billed_twice(
    page: Page, connected: Visitor, guard: Guard
) -> None:
    guard.expect("ERR_FAILED")
    keys: list[str] = []

    def lose(route: Route) -> None:
        keys.append(route.request.headers["idempotency-key"])
        if len(keys) == 1:
            route.fetch()  # the request arrives, the response is lost
            route.abort()
        else:
            route.continue_()

    page.route("**/generate-video", lose)
    open_content(page)
    page.get_by_role("button", name="Generate video").click()
    expect(page.get_by_text("could not be reached")).to_be_visible()
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("timer")).to_be_visible()
    assert len(keys) == 2
    assert keys[0] == keys[1]


def test_another_business_sees_nothing(
    page: Page, visitor: Visitor, make_visitor: Callable[[], Visitor], guard: Guard
) -> None:
    guard.expect("status of 404")
    visitor.connect()
    other = make_visitor()
    host_page(page, visitor)
    page.get_by_text("Ready", exact=True).first.wait_for()
    # Another user signs in on the same page: the first user's data is gone.
    page.evaluate("(token) => { element.accessToken = token; }", other.token())
    expect(page.get_by_text("Not connected")).to_be_visible()
    expect(page.get_by_text("Ada in the studio")).to_have_count(0)
    # Naming the first user's business does not help.
    page.evaluate("(id) => element.setAttribute('business-id', id)", str(visitor.tenant.business_id))
    expect(page.get_by_text("There is no such integration").first).to_be_visible()
    expect(page.get_by_role("button", name=FIRST)).to_have_count(0)
