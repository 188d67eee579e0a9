"""The settings page in a browser. Each test has its own business and must leave the console empty."""

import re
from collections.abc import Callable
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import asyncpg
import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect
from support.browser import AXE, Guard, Visitor, missing, shoot
from support.tenants import JWT_SECRET

from app.tokens import mint_token

# One browser and one service for all of them.
pytestmark = [pytest.mark.xdist_group("browser"), pytest.mark.slow]

API = "/integrations/ai-avatar"
MASK = "••••••••••••••••"
FIRST = "Welcome to Coral Coast Coffee"


def open_content(page: Page, title: str = FIRST) -> None:
    page.get_by_role("button", name=title).click()
    page.get_by_label("Script").wait_for()


def show_videos(page: Page) -> None:
    page.get_by_role("heading", name="Generate a video").evaluate("(heading) => heading.scrollIntoView()")


def count_requests(page: Page, part: str) -> list[str]:
    """Record the requests whose URL contains `part`."""
    seen: list[str] = []
    page.on("request", lambda request: seen.append(request.url) if part in request.url else None)
    return seen


def active_element(page: Page) -> str:
    """Return the id of the focused element, or its text."""
    return str(
        page.evaluate(
            "(() => { let at = document.activeElement; while (at?.shadowRoot?.activeElement)"
            " at = at.shadowRoot.activeElement; return at?.id || at?.textContent || ''; })()"
        )
    )


def tab_to(page: Page, name: str) -> None:
    for _ in range(30):
        if active_element(page) == name:
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"the keyboard does not reach {name}")


def host_page(page: Page, visitor: Visitor, script: str) -> None:
    """Open a page of another application, on another origin, that embeds the element."""
    visitor.dev.host.script = script
    page.goto(f"{visitor.dev.host.url}/")


# ---- arriving ----


def test_without_a_token_the_page_says_what_it_is(page: Page, visitor: Visitor) -> None:
    page.goto(visitor.dev.page_url)
    expect(page.get_by_role("main")).to_contain_text("embed it in your own page")
    expect(page.get_by_role("main")).to_contain_text("<ai-avatar-settings>")


def test_token_of_the_link_stays_in_memory_alone(page: Page, visitor: Visitor) -> None:
    page.goto(visitor.link)
    page.get_by_label("API key").wait_for()
    assert page.url == visitor.dev.page_url
    stored = page.evaluate(
        "JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie, history.state])"
    )
    assert stored == '[{},{},"",null]'


def test_first_load_is_small(page: Page, connected: Visitor) -> None:
    asked = count_requests(page, API)
    sizes: list[int] = []
    page.on(
        "response",
        lambda response: (
            sizes.append(len(response.body())) if re.search(r"\.(js|css)$", response.url) else None
        ),
    )
    page.goto("about:blank")
    page.goto(connected.link)
    page.get_by_text("Connection valid").first.wait_for()
    page.get_by_role("button", name=FIRST).wait_for()
    page.wait_for_timeout(500)
    assert len(asked) <= 3
    assert len(sizes) > 5
    # Unpacked. There is no build step, so the types in the comments are served with the code (they are 12 kB of it).
    assert sum(sizes) < 80_000


# ---- connecting ----


def test_set_up_and_reload_shows_it(page: Page, visitor: Visitor) -> None:
    page.goto(visitor.link)
    expect(page.get_by_role("heading", name="AI Avatar Video Generation")).to_be_visible()
    expect(
        page.get_by_text(
            "Configure your HeyGen integration for AI avatar video generation with custom avatars and voices."
        )
    ).to_be_visible()
    page.get_by_role("button", name=FIRST).wait_for()
    shoot(page, "not-connected")
    page.get_by_label("API key").fill("sandbox-canary-key")
    page.get_by_role("combobox", name="Default avatar").fill("sandbox-ada")
    held: list[Route] = []
    page.route(f"**{API}", lambda route: held.append(route))  # noqa: PLW0108 - Playwright marks its handlers
    page.get_by_role("button", name="Connect HeyGen").click()
    expect(page.get_by_role("button", name="Checking with HeyGen…")).to_be_visible()
    shoot(page, "saving")
    held[0].continue_()
    expect(page.get_by_text("Connection valid").first).to_be_visible()

    page.goto("about:blank")
    page.goto(visitor.link)
    expect(page.get_by_text("Connection valid").first).to_be_visible()
    expect(page.get_by_text(MASK)).to_be_visible()
    expect(page.get_by_role("button", name="Replace")).to_be_visible()
    expect(page.get_by_role("combobox", name="Default avatar")).to_have_value("sandbox-ada")
    for fact in ("HeyGen", "sandbox-ada", "The avatar.s own", "now"):
        expect(page.locator("dd", has_text=re.compile(f"^{fact}"))).to_be_visible()


def test_key_leaves_the_page_when_it_is_saved(page: Page, visitor: Visitor) -> None:
    urls = count_requests(page, "")
    page.goto(visitor.link)
    page.get_by_label("API key").fill("sandbox-canary-key")
    page.get_by_role("button", name="Connect HeyGen").click()
    page.get_by_text("Connection valid").first.wait_for()
    everything = page.evaluate(
        "(() => { const root = document.querySelector('ai-avatar-settings').shadowRoot; const inputs ="
        " [...root.querySelectorAll('input, textarea')].map((input) => input.value); return root.innerHTML +"
        " inputs + document.documentElement.outerHTML + JSON.stringify([localStorage, sessionStorage]); })()"
    )
    assert "canary" not in everything
    assert not any("canary" in url for url in urls)


def test_wrong_key_is_said_beside_the_field(page: Page, visitor: Visitor, guard: Guard) -> None:
    guard.expect("status of 422")
    page.goto(visitor.link)
    page.get_by_role("combobox", name="Default avatar").fill("my-own-avatar")
    page.get_by_role("combobox", name="Default voice").fill("my-own-voice")
    page.get_by_label("API key").fill("not-a-good-key")
    page.get_by_role("button", name="Connect HeyGen").click()
    expect(page.get_by_text("HeyGen does not accept this key")).to_be_visible()
    shoot(page, "wrong-key")
    key = page.get_by_label("API key")
    expect(key).to_have_attribute("aria-invalid", "true")
    expect(key).to_be_focused()
    expect(page.get_by_role("combobox", name="Default avatar")).to_have_value("my-own-avatar")
    expect(page.get_by_role("combobox", name="Default voice")).to_have_value("my-own-voice")

    key.fill("sandbox-good")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Connection valid").first).to_be_visible()
    expect(page.get_by_text("not among your HeyGen avatars").first).to_be_visible()


def test_key_is_replaced_without_removing(page: Page, connected: Visitor, guard: Guard) -> None:
    guard.expect("status of 422")
    page.get_by_role("button", name="Replace").click()
    expect(page.get_by_label("API key")).to_be_focused()
    page.get_by_role("button", name="Keep the current key").click()
    expect(page.get_by_role("button", name="Replace")).to_be_focused()

    page.get_by_role("button", name="Replace").click()
    page.get_by_label("API key").fill("wrong")
    page.get_by_role("button", name="Save changes").click()
    expect(page.get_by_text("HeyGen does not accept this key")).to_be_visible()
    page.get_by_label("API key").fill("sandbox-another")
    page.get_by_role("button", name="Save changes").click()
    expect(page.get_by_text("Saved", exact=True).first).to_be_visible()
    expect(page.get_by_text(MASK)).to_be_visible()
    expect(page.get_by_role("combobox", name="Default avatar")).to_have_value("Ada in the studio")


def test_removal_asks_first_and_says_what_it_does(page: Page, connected: Visitor) -> None:
    page.get_by_role("button", name="Remove").click()
    dialog = page.get_by_role("dialog", name="Remove HeyGen?")
    expect(dialog).to_contain_text("deletes the stored API key")
    shoot(page, "remove")
    page.keyboard.press("Escape")
    expect(page.get_by_text(MASK)).to_be_visible()
    expect(page.get_by_role("button", name="Remove")).to_be_focused()

    page.get_by_role("button", name="Remove").click()
    dialog.get_by_role("button", name="Remove integration").click()
    expect(page.get_by_text("Not connected")).to_be_visible()
    expect(page.get_by_label("API key")).to_be_focused()
    expect(page.get_by_role("combobox", name="Default avatar")).to_have_value("")
    page.goto("about:blank")
    page.goto(connected.link)
    expect(page.get_by_text("Not connected")).to_be_visible()


@pytest.mark.parametrize(
    ("status", "words", "act"),
    [
        ("error", "HeyGen no longer accepts your API key", "Check again"),
        ("inactive", "switched off", "Switch on"),
    ],
)
def test_integration_that_does_not_work_says_what_to_do(
    page: Page, connected: Visitor, status: str, words: str, act: str
) -> None:
    async def spoil(connection: asyncpg.Connection) -> None:
        await connection.execute(
            "update public.ai_avatar_integrations set status = $2 where business_id = $1",
            connected.tenant.business_id,
            status,
        )

    connected.dev.run(spoil)
    page.goto("about:blank")
    page.goto(connected.link)
    expect(page.get_by_text(words).first).to_be_visible()
    shoot(page, f"status-{status}")
    page.get_by_role("button", name=act).click()
    expect(page.get_by_text("Connection valid").first).to_be_visible()


# ---- avatars and voices ----


def test_avatar_is_picked_by_keyboard_alone(page: Page, connected: Visitor) -> None:
    page.goto("about:blank")
    page.goto(connected.link)
    page.get_by_text("Connection valid").first.wait_for()
    tab_to(page, "avatars")
    page.keyboard.press("ArrowDown")
    options = page.get_by_role("option")
    expect(page.get_by_role("option", name="Ada in the studio")).to_have_attribute("aria-selected", "true")
    page.keyboard.type("female")
    expect(page.get_by_role("option", name="Bruno at the desk")).to_have_count(0)
    expect(options.first.locator("img")).to_have_js_property("complete", True)
    for _ in range(5):  # past the account's own avatars, which come first, and Ada
        page.keyboard.press("ArrowDown")
    box = page.get_by_role("combobox", name="Default avatar")
    active = page.locator(f"#{box.get_attribute('aria-activedescendant')}")
    expect(active).to_contain_text("Dalia outdoors")
    shoot(page, "pick-avatar")
    page.keyboard.press("Enter")
    expect(box).to_have_value("Dalia outdoors")
    expect(box).to_have_attribute("aria-expanded", "false")
    expect(box).to_be_focused()
    tab_to(page, "Save changes")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Saved", exact=True).first).to_be_visible()
    assert active_element(page) == "Save changes"
    expect(page.locator("dd", has_text="Dalia outdoors")).to_be_visible()


def test_escape_keeps_what_was_chosen(page: Page, connected: Visitor) -> None:
    box = page.get_by_role("combobox", name="Default avatar")
    box.click()
    box.fill("zzz")
    expect(page.get_by_role("option", name="Use “zzz” as the ID")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("listbox")).to_have_count(0)
    expect(box).to_have_value("Ada in the studio")


def test_voice_is_heard_and_chosen(page: Page, connected: Visitor) -> None:
    box = page.get_by_role("combobox", name="Default voice")
    box.click()
    page.get_by_role("option").first.wait_for()
    with page.expect_response(lambda response: response.url.endswith(".wav")):
        page.get_by_role("option").first.locator(".play").click()
    expect(page.locator(".play[data-playing]")).to_have_count(1)
    shoot(page, "pick-voice")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Shift+Enter")
    expect(page.locator(".play[data-playing]")).to_have_count(0)
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Listen to")).to_be_visible()
    page.get_by_role("button", name="Save changes").click()
    expect(page.get_by_text("Saved", exact=True).first).to_be_visible()


def test_catalogue_is_paged_and_searched_to_its_end(page: Page, connected: Visitor) -> None:
    def slice_page(route: Route) -> None:
        cursor = parse_qs(urlsplit(route.request.url).query).get("cursor", ["0"])
        start = int(cursor[0])
        items = [{"id": f"id-{n}", "name": f"Voice number {n}"} for n in range(start, start + 50)]
        route.fulfill(json={"items": items, "next_cursor": str(start + 50) if start < 450 else None})

    page.route("**/voices?*", slice_page)
    asked = count_requests(page, "/voices?")
    box = page.get_by_role("combobox", name="Default voice")
    box.click()
    expect(page.get_by_role("option")).to_have_count(50)
    page.get_by_role("listbox").evaluate("(list) => list.scrollTo(0, list.scrollHeight)")
    expect(page.get_by_role("option")).to_have_count(100)
    assert len(asked) == 2
    box.fill("number 499")
    expect(page.get_by_role("option", name="Voice number 499")).to_be_visible()
    page.keyboard.press("Enter")
    expect(box).to_have_value("Voice number 499")


# ---- videos ----


def test_generate_to_a_playing_video(page: Page, connected: Visitor) -> None:
    listed = count_requests(page, f"{API}/videos?")
    open_content(page)
    page.get_by_label("Script").fill("Hello from the tests. \U0001f3ac")
    expect(page.get_by_text("23 / 5,000")).to_be_visible()  # code points, as the server counts
    page.get_by_role("button", name="Generate video").click()
    expect(page.get_by_role("timer")).to_be_visible()
    expect(page.locator(".chip", has_text="Generating")).to_be_visible()
    page.locator("[aria-current=step]", has_text="Rendering").wait_for()
    show_videos(page)
    shoot(page, "generating")
    video = page.locator("video")
    expect(video).to_be_visible(timeout=60_000)
    video.evaluate("(video) => { video.muted = true; return video.play(); }")
    page.wait_for_function("(video) => video.currentTime > 0.3", arg=video.element_handle())
    video.evaluate("(video) => video.pause()")
    expect(page.get_by_role("button", name="Generate again")).to_be_visible()
    expect(page.locator(".chip", has_text="Ready")).to_be_visible()
    show_videos(page)
    shoot(page, "video")
    assert len(listed) == 0
    page.goto("about:blank")
    page.goto(connected.link)
    open_content(page)
    expect(page.locator("video")).to_be_visible()
    assert len(listed) == 1


def test_generation_is_cancelled(page: Page, connected: Visitor) -> None:
    open_content(page)
    page.get_by_role("button", name="Generate video").click()
    page.get_by_role("button", name="Cancel", exact=True).click()
    expect(page.get_by_role("dialog")).to_contain_text("may still bill it")
    page.get_by_role("button", name="Cancel the video").click()
    expect(page.get_by_text("Cancelled", exact=True)).to_be_visible()
    expect(page.get_by_role("button", name="Generate video")).to_be_focused()
    expect(page.locator(".chip", has_text="Generating")).to_have_count(0)


def test_script_has_its_limits(page: Page, connected: Visitor) -> None:
    open_content(page)
    page.get_by_label("Script").fill("x" * 5001)
    expect(page.get_by_text("5,001 / 5,000")).to_be_visible()
    expect(page.get_by_text("1 character too long")).to_be_visible()
    start = page.get_by_role("button", name="Generate video")
    expect(start).to_be_disabled()
    open_content(page, "Our new winter blend")
    expect(page.get_by_label("Script")).to_have_value(re.compile("hazelnut"))
    open_content(page)
    expect(page.get_by_text("5,001 / 5,000")).to_be_visible()  # what was typed is kept


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
    page.get_by_role("button", name="Generate video").click()
    expect(page.get_by_role("timer")).to_be_visible()
    assert len(keys) == 2
    assert keys[0] == keys[1]


def test_lost_stream_is_taken_up_again(page: Page, connected: Visitor, guard: Guard) -> None:
    guard.expect("ERR_FAILED")
    lost: list[str] = []

    def lose_once(route: Route) -> None:
        lost.append(route.request.url)
        if len(lost) == 1:
            route.abort()
        else:
            route.continue_()

    page.route("**/events", lose_once)
    open_content(page)
    page.get_by_role("button", name="Generate video").click()
    expect(page.get_by_text("Reconnecting")).to_be_visible()
    expect(page.locator("video")).to_be_visible(timeout=60_000)
    assert len(lost) > 1


def test_user_who_loses_the_business_is_told_so(page: Page, connected: Visitor) -> None:
    async def start(connection: asyncpg.Connection) -> None:
        await connection.execute(
            "insert into ai_avatar.generations (id, business_id, content_id, provider, script, status, deadline) "
            "values (gen_random_uuid(), $1, $2, 'heygen', 'Hello', 'processing', now() + interval '1 hour')",
            connected.tenant.business_id,
            connected.tenant.content_id,
        )

    async def remove(connection: asyncpg.Connection) -> None:
        await connection.execute("delete from public.profiles where id = $1", connected.tenant.user_id)

    streams: list[str] = []
    page.on("request", lambda request: streams.append(request.url) if "/events" in request.url else None)
    connected.dev.run(start)
    page.goto("about:blank")
    page.goto(connected.link)
    with page.expect_request("**/events"):
        page.get_by_role("button", name=FIRST).click()
    expect(page.get_by_role("timer")).to_be_visible()
    connected.dev.run(remove)
    expect(page.get_by_text("You no longer have access to this business")).to_be_visible()
    page.wait_for_timeout(2000)
    assert len(streams) == 1, "the page does not connect again"


# ---- sessions, businesses, network ----

EXPIRED = timedelta(seconds=-60)  # beyond the service's leeway


def test_expired_session_asks_its_host_and_loses_nothing(page: Page, visitor: Visitor, guard: Guard) -> None:
    guard.expect("status of 401")
    old = mint_token(JWT_SECRET, user_id=visitor.tenant.user_id, ttl=EXPIRED)
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
    page.get_by_role("combobox", name="Default avatar").fill("sandbox-ada")
    page.get_by_role("button", name="Connect HeyGen").click()
    expect(page.get_by_text("Your session has expired").first).to_be_visible()
    shoot(page, "session-expired")
    page.evaluate("(fresh) => { token = fresh; }", visitor.token(3601))
    page.get_by_role("button", name="I have signed in").click()
    expect(page.get_by_text("Your session has expired")).to_have_count(0)
    expect(page.get_by_label("API key")).to_have_value("sandbox-typed-before")
    expect(page.get_by_role("combobox", name="Default avatar")).to_have_value("sandbox-ada")
    page.get_by_role("button", name="Connect HeyGen").click()
    expect(page.get_by_text("Connection valid").first).to_be_visible()
    assert set(page.evaluate("asked")) == {"initial", "expired"}
    assert page.evaluate("changes") == ["integration"]


def test_host_that_renews_its_token_notices_nothing(page: Page, connected: Visitor, guard: Guard) -> None:
    guard.expect("status of 401")
    # Valid for the first requests and a few seconds more: then the stream ends with `expired_token`.
    short = mint_token(JWT_SECRET, user_id=connected.tenant.user_id, ttl=timedelta(seconds=-27))
    host_page(
        page,
        connected,
        f"""element.getAccessToken = ({{ reason }}) => {{
          asked.push(reason);
          return reason === "initial" ? {short!r} : {connected.token()!r};
        }};""",
    )
    open_content(page)
    page.get_by_role("button", name="Generate video").click()
    expect(page.locator("video")).to_be_visible(timeout=60_000)
    expect(page.get_by_text("Your session has expired")).to_have_count(0)
    assert page.evaluate("asked") == ["initial", "expired"]


def test_token_set_before_the_element_is_defined_is_taken(page: Page, connected: Visitor) -> None:
    host_page(page, connected, f"element.accessToken = {connected.token()!r};")
    expect(page.get_by_text("Connection valid").first).to_be_visible()


def test_script_can_be_loaded_twice(page: Page, connected: Visitor) -> None:
    host_page(page, connected, f"element.accessToken = {connected.token()!r};")
    expect(page.get_by_text("Connection valid").first).to_be_visible()
    same = page.evaluate(
        """async (url) => {
          const before = customElements.get("ai-avatar-settings");
          const entry = await import(`${url}?again`);
          const element = await import(`${url.replace("ai-avatar-settings.js", "element/element.js")}?again`);
          element.AiAvatarSettings.define();
          return [before === entry.AiAvatarSettings, before !== element.AiAvatarSettings,
            before === customElements.get("ai-avatar-settings")];
        }""",
        f"{connected.dev.url}/settings/static/ai-avatar-settings.js",
    )
    assert same == [True, True, True]
    expect(page.get_by_text("Connection valid").first).to_be_visible()


def test_attributes_are_properties(page: Page, connected: Visitor) -> None:
    host_page(
        page,
        connected,
        f"""element.accessToken = {connected.token()!r};
        element.businessId = {str(connected.tenant.business_id)!r};""",
    )
    expect(page.get_by_text("Connection valid").first).to_be_visible()
    assert page.evaluate("element.getAttribute('business-id')") == str(connected.tenant.business_id)
    assert page.evaluate("[element.apiBase, element.provider]") == [f"{connected.dev.url}/", "heygen"]
    changed = page.evaluate(
        """(() => {
          element.businessId = null;
          element.apiBase = "https://service.test/base";
          element.provider = "other";
          const set = [element.getAttribute("business-id"), element.businessId, element.getAttribute("api-base"),
            element.apiBase, element.getAttribute("provider")];
          element.apiBase = element.provider = null;
          return [...set, element.apiBase, element.provider, Object.keys(element)];
        })()"""
    )
    base = "https://service.test/base"
    assert changed == [None, None, base, base, "other", f"{connected.dev.url}/", "heygen", []]


def test_another_business_sees_nothing(
    page: Page, connected: Visitor, make_visitor: Callable[[], Visitor], guard: Guard
) -> None:
    other = make_visitor()
    guard.expect("status of 404")
    host_page(page, connected, f"element.accessToken = {connected.token()!r};")
    page.get_by_text("Connection valid").first.wait_for()
    # Another user signs in on the same page: the first user's data is gone.
    page.evaluate("(token) => { element.accessToken = token; }", other.token())
    expect(page.get_by_text("Not connected")).to_be_visible()
    expect(page.get_by_text("sandbox-ada")).to_have_count(0)
    # Naming the first user's business does not help.
    page.evaluate("(id) => element.setAttribute('business-id', id)", str(connected.tenant.business_id))
    expect(page.get_by_text("There is no such integration").first).to_be_visible()
    expect(page.get_by_role("button", name=FIRST)).to_have_count(0)


def test_offline_is_said_and_survived(
    page: Page, context: BrowserContext, connected: Visitor, guard: Guard
) -> None:
    guard.expect("ERR_INTERNET_DISCONNECTED")
    page.get_by_role("combobox", name="Default voice").fill("typed-voice")
    page.keyboard.press("Tab")
    context.set_offline(True)
    expect(page.get_by_text("You are offline").first).to_be_visible()
    page.get_by_role("button", name="Save changes").click()
    expect(page.get_by_role("button", name="Save changes")).to_be_enabled()
    shoot(page, "offline")
    context.set_offline(False)
    expect(page.get_by_text("You are offline")).to_have_count(0)
    expect(page.get_by_role("combobox", name="Default voice")).to_have_value("typed-voice")
    page.get_by_role("button", name="Save changes").click()
    expect(page.get_by_text("Saved", exact=True).first).to_be_visible()


def test_no_content_and_no_answer_have_their_looks(page: Page, visitor: Visitor, guard: Guard) -> None:
    guard.expect("status of 503")
    page.route("**/videos?*", lambda route: route.fulfill(json={"items": [], "next_cursor": None}))
    problem = {"code": "database_unavailable", "status": 503, "detail": ""}
    page.route("**/ai-avatar?*", lambda route: route.fulfill(status=503, json=problem))
    page.goto(visitor.link)
    expect(page.get_by_text("No content yet")).to_be_visible()
    expect(page.get_by_text("The service is busy")).to_be_visible()
    page.unroute("**/ai-avatar?*")
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_text("Not connected")).to_be_visible()


# ---- accessibility and layout ----


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_violation(
    page: Page, context: BrowserContext, connected: Visitor, guard: Guard, scheme: str
) -> None:
    if not AXE.exists():
        missing(f"axe-core is missing: `npm ci --ignore-scripts` in {AXE.parent.parent.parent}")
    guard.expect("status of 422")
    context.add_init_script(path=AXE)
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.goto("about:blank")
    page.goto(connected.dev.page_url)
    check_with_axe(page, "no token")
    page.goto(connected.link)
    page.get_by_text("Connection valid").first.wait_for()
    check_with_axe(page, "connected")
    shoot(page, f"connected-{scheme}")
    page.get_by_role("combobox", name="Default avatar").click()
    page.get_by_role("option").first.wait_for()
    check_with_axe(page, "avatars")
    page.keyboard.press("Escape")
    page.get_by_role("combobox", name="Default voice").click()
    page.locator(".play").first.wait_for()
    check_with_axe(page, "voices")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Remove").click()
    dialog = page.get_by_role("dialog")
    dialog.wait_for()  # it is loaded on first use
    check_with_axe(page, "removal")
    page.keyboard.press("Escape")
    dialog.wait_for(state="hidden")
    page.get_by_role("button", name="Replace").click()
    page.get_by_label("API key").fill("wrong")
    page.get_by_role("button", name="Save changes").click()
    page.get_by_text("HeyGen does not accept this key").wait_for()
    check_with_axe(page, "wrong key")
    open_content(page)
    check_with_axe(page, "script")
    page.get_by_role("button", name="Generate video").click()
    page.get_by_role("timer").wait_for()
    check_with_axe(page, "progress")
    page.locator("video").wait_for(timeout=60_000)
    check_with_axe(page, "video")


def check_with_axe(page: Page, state: str) -> None:
    found = page.evaluate("axe.run().then((results) => results.violations)")
    serious = [
        f"{one['id']}: {[node['target'] for node in one['nodes']]}"
        for one in found
        if one["impact"] in ("serious", "critical")
    ]
    assert serious == [], state


@pytest.mark.parametrize("width", [320, 768, 1600])
def test_nothing_is_wider_than_the_window(page: Page, connected: Visitor, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    open_content(page)
    page.get_by_role("combobox", name="Default avatar").click()
    page.get_by_role("option").first.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.keyboard.press("Escape")
    if width == 320:
        page.evaluate("scrollTo(0, 0)")
        shoot(page, "narrow")
