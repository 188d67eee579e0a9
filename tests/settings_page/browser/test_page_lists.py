"""Lists that scale: content items, avatars, voices; and the videos of one item."""

import re
from urllib.parse import parse_qs, urlsplit

import asyncpg
import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect
from support.browser import Guard, Visitor
from support.page import FIRST, count_requests, open_content, refuse, row

pytestmark = pytest.mark.slow


# ---- content items ----


@pytest.fixture
def crowded(visitor: Visitor) -> Visitor:
    """A business with 1,004 content items, a long title and an empty one among the newest."""

    async def fill(connection: asyncpg.Connection) -> None:
        await connection.execute(
            "insert into public.content (business_id, content_title, video_script, heygen_status, created_at) "
            "select $1, case n when 1 then '   ' when 2 then repeat('A very long title ', 40) "
            "else 'Item number ' || n end, 'Script', case when n % 10 = 5 then 'failed' end, "
            "now() + make_interval(secs => 1000 - n) from generate_series(1, 1000) n",
            visitor.tenant.business_id,
        )

    visitor.dev.run(fill)
    visitor.connect()
    return visitor


def test_thousand_items_stay_a_page_with_search_filter_and_count(page: Page, crowded: Visitor) -> None:
    page.goto(crowded.link)
    rows = page.locator(".contents > li")
    expect(rows).to_have_count(20)
    assert page.evaluate("document.documentElement.scrollHeight") < 3_000
    expect(rows.first).to_contain_text("Untitled")
    heights = rows.evaluate_all("(rows) => rows.map((row) => row.getBoundingClientRect().height)")
    assert max(heights) < 90, "the long title is clamped"
    expect(page.get_by_text("1–20 of 1,004")).to_be_visible()

    page.get_by_role("button", name="Next").click()
    expect(page.get_by_text("21–40 of 1,004")).to_be_visible()
    expect(rows.first).to_contain_text("Item number 21")
    expect(rows.first.get_by_role("button")).to_be_focused()
    page.get_by_role("button", name="Previous").click()
    expect(page.get_by_text("1–20 of 1,004")).to_be_visible()

    asked = count_requests(page, "q=")
    page.get_by_role("searchbox", name="Search content").press_sequentially("number 99")
    expect(page.get_by_text("11 content items", exact=True)).to_be_visible()
    assert len(asked) < len("number 99"), "not with each letter"
    page.get_by_role("combobox", name="State").select_option("Failed")
    expect(page.get_by_text("1 content item", exact=True)).to_be_visible()
    expect(rows).to_contain_text(["Item number 995"])
    page.get_by_role("searchbox", name="Search content").fill("no such thing")
    expect(page.get_by_text("Nothing found")).to_be_visible()
    page.get_by_role("button", name="Show all content").click()
    expect(rows).to_have_count(20)

    def answer(total: int) -> None:
        page.unroute("**/videos?*")
        page.route(
            "**/videos?*",
            lambda route: route.fulfill(json={**route.fetch().json(), "total_count": total}),
        )
        page.get_by_role("combobox", name="State").select_option("All states")
        page.get_by_role("searchbox", name="Search content").fill(str(total)[:1])

    answer(10_000)  # the service counts no further
    expect(page.get_by_text("1–20 of more than 10,000")).to_be_visible()
    answer(7)  # items were added since
    expect(page.get_by_text("1–20", exact=True)).to_be_visible()


def test_page_that_cannot_be_turned_says_so(page: Page, crowded: Visitor, guard: Guard) -> None:
    guard.expect("status of 503")
    page.goto(crowded.link)
    page.get_by_text("1–20 of 1,004").wait_for()
    refuse(page, "**/videos?*", "GET")
    page.get_by_role("button", name="Next").click()
    expect(page.get_by_text("The service is busy")).to_be_visible()
    expect(page.get_by_text("1–20 of 1,004")).to_be_visible()
    page.unroute("**/videos?*")
    # What is typed during a slow search is searched for after it.
    held: list[Route] = []
    page.route("**/videos?*q=zzz*", lambda route: held.append(route))  # noqa: PLW0108
    search = page.get_by_role("searchbox", name="Search content")
    with page.expect_request("**/videos?*q=zzz*"):
        search.fill("zzz")
    search.fill("number 7")
    page.wait_for_timeout(400)
    held[0].continue_()
    expect(page.get_by_text("1–20 of 111")).to_be_visible()


def test_no_content_has_its_look(page: Page, visitor: Visitor) -> None:
    page.route("**/videos?*", lambda route: route.fulfill(json={"items": [], "next_cursor": None}))
    page.goto(visitor.link)
    expect(page.get_by_text("No content yet")).to_be_visible()
    expect(page.get_by_role("searchbox", name="Search content")).to_be_hidden()


def test_item_that_is_stuck_is_reset(page: Page, connected: Visitor) -> None:
    async def leave_behind(connection: asyncpg.Connection) -> None:
        await connection.execute(
            "update public.content set heygen_status = 'processing' where id = $1",
            connected.tenant.content_id,
        )

    connected.dev.run(leave_behind)
    page.reload()
    expect(page.get_by_role("button", name=FIRST)).to_contain_text("Interrupted")
    open_content(page)
    page.get_by_role("button", name="Reset").click()
    expect(page.get_by_text("The item was reset").first).to_be_visible()
    expect(page.get_by_role("button", name=FIRST)).to_contain_text("No video")


# ---- avatars and voices ----


def open_avatars(page: Page) -> None:
    page.get_by_role("button", name="Change: Default avatar").click()
    page.get_by_role("dialog").get_by_role("button", name="Ada in the studio").wait_for()


def test_avatars_are_a_grid_own_first_with_filters_and_reasons(page: Page, connected: Visitor) -> None:
    open_avatars(page)
    dialog = page.get_by_role("dialog")
    options = dialog.locator(".option")
    expect(options.first).to_contain_text("My own avatar")
    expect(options.first.locator("img")).to_have_js_property("complete", True)
    unusable = options.filter(has_text="My colleague")
    expect(unusable).to_contain_text("has not given consent")
    unusable.click(force=True)
    expect(dialog).to_be_visible()
    expect(options.filter(has_text="Ada in the studio")).to_have_attribute("aria-pressed", "true")

    dialog.get_by_role("radio", name="Public").check()
    expect(options.first).to_contain_text("Ada in the studio")
    dialog.get_by_role("combobox", name="Gender").select_option("Male")
    expect(dialog.get_by_text("6 avatars")).to_be_visible()
    dialog.get_by_role("searchbox").fill("terrace")
    expect(dialog.get_by_text("1 avatar", exact=True)).to_be_visible()
    dialog.get_by_role("searchbox").fill("zzz")
    expect(dialog.get_by_text("No avatar matches.")).to_be_visible()
    page.keyboard.press("Enter")
    expect(dialog).to_be_visible()  # a typo and Enter choose nothing
    dialog.get_by_role("searchbox").fill("terrace")
    dialog.get_by_role("button", name="Liam on the terrace").click()
    expect(row(page, "Default avatar").get_by_text("Liam on the terrace")).to_be_visible()
    assert connected.call("GET", connected.own_path)["avatar_id"] == "sandbox-liam"


def test_avatars_of_a_provider_that_says_no_genders_have_no_such_filter(page: Page, visitor: Visitor) -> None:
    visitor.connect(provider="tavus")
    page.goto(visitor.link)
    open_avatars(page)
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("radio", name="Public")).to_be_visible()
    expect(dialog.get_by_role("combobox")).to_have_count(0)
    page.emulate_media(reduced_motion="no-preference")
    dialog.get_by_role("button", name="Ada in the studio").hover()
    expect(dialog.locator("video")).to_have_count(1)


def test_id_is_typed_on_purpose_only(page: Page, connected: Visitor) -> None:
    open_avatars(page)
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Use an avatar ID instead").click()
    dialog.get_by_role("button", name="Use this ID").click()
    expect(dialog.get_by_text("Enter an ID.")).to_be_visible()
    dialog.get_by_label("Avatar ID").fill("my-own-avatar-id")
    page.keyboard.press("Enter")
    expect(row(page, "Default avatar").get_by_text("my-own-avatar-id")).to_be_visible()


def test_avatar_moves_while_it_is_looked_at(page: Page, connected: Visitor) -> None:
    page.emulate_media(reduced_motion="no-preference")
    open_avatars(page)
    bruno = page.get_by_role("dialog").get_by_role("button", name="Bruno at the desk")
    with page.expect_response(lambda response: response.url.endswith("sandbox-bruno.mp4")):
        bruno.hover()
    expect(bruno.locator("video")).to_have_js_property("muted", True)
    page.mouse.move(0, 0)
    expect(bruno.locator("video")).to_have_count(0)


def test_voices_are_heard_one_at_a_time_and_filtered(page: Page, connected: Visitor, guard: Guard) -> None:
    guard.expect("ERR_FAILED", "status of 404")
    page.get_by_role("button", name="Change: Default voice").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.locator(".option").nth(1)).to_contain_text("My own voice")
    page.route("**/sandbox-voice-dylan.wav", lambda route: route.abort())
    dialog.get_by_role("button", name="Listen to Clara").click()
    expect(dialog.locator("[data-playing]")).to_have_count(1)
    dialog.get_by_role("button", name="Listen to Erin").click()
    expect(dialog.locator("[data-playing]")).to_have_count(1)
    dialog.get_by_role("button", name="Listen to Dylan").click()
    expect(dialog.get_by_text("This sound could not be played.")).to_be_visible()
    expect(dialog.locator("[data-playing]")).to_have_count(0)

    dialog.get_by_role("combobox", name="Language").fill("german")
    page.keyboard.press("Enter")
    expect(dialog.get_by_text("2 voices")).to_be_visible()
    expect(dialog.locator(".option").first).to_contain_text("German · Female")
    dialog.get_by_role("combobox", name="Gender").select_option("Female")
    expect(dialog.get_by_text("1 voice", exact=True)).to_be_visible()
    dialog.get_by_role("button", name=re.compile("^Gisela")).click()
    expect(row(page, "Default voice").get_by_text("Gisela")).to_be_visible()

    page.get_by_role("button", name="Change: Default voice").click()
    dialog.get_by_role("button", name="The avatar’s own voice").click()
    expect(row(page, "Default voice").get_by_text("The avatar’s own voice")).to_be_visible()
    assert connected.call("GET", connected.own_path)["voice_id"] is None


def test_catalogue_is_fetched_as_it_is_looked_at(page: Page, connected: Visitor) -> None:
    def slice_page(route: Route) -> None:
        start = int(parse_qs(urlsplit(route.request.url).query).get("cursor", ["0"])[0])
        items = [{"id": f"id-{n}", "name": f"Voice number {n}"} for n in range(start, start + 50)]
        route.fulfill(json={"items": items, "next_cursor": str(start + 50) if start < 450 else None})

    page.route("**/voices?*", slice_page)
    asked = count_requests(page, "/voices?")
    page.get_by_role("button", name="Change: Default voice").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("50 voices so far")).to_be_visible()
    dialog.locator(".scroll").evaluate("(list) => list.scrollTo(0, list.scrollHeight)")
    expect(dialog.get_by_text("100 voices so far")).to_be_visible()
    assert len(asked) == 2


def test_click_is_acknowledged_at_once(page: Page, connected: Visitor) -> None:
    held: list[Route] = []
    page.route(re.compile(r"/(chooser-dialog|video-pane)\.js$"), lambda route: held.append(route))  # noqa: PLW0108
    change = page.get_by_role("button", name="Change: Default avatar")
    change.click()
    assert change.get_attribute("data-busy") is not None
    page.get_by_role("button", name=FIRST).click()
    assert page.locator(".contents .skeleton").is_visible()
    for route in held:
        route.continue_()
    expect(page.get_by_role("dialog")).to_be_visible()


# ---- the videos of one item ----


def test_script_beside_the_video_is_the_one_that_was_spoken(page: Page, connected: Visitor) -> None:
    open_content(page)
    page.get_by_role("textbox", name="Script").fill("Hello from the tests. \U0001f3ac")
    expect(page.get_by_text("23 / 5,000")).to_be_visible()  # code points, as the server counts
    page.get_by_role("button", name="Generate video").click()
    expect(page.get_by_role("timer")).to_be_visible()
    expect(page.locator(".chip", has_text="Generating")).to_be_visible()
    video = page.locator("video.player")
    expect(video).to_be_visible(timeout=60_000)
    video.evaluate("(video) => { video.muted = true; return video.play(); }")
    page.wait_for_function("(video) => video.currentTime > 0.1", arg=video.element_handle())

    page.reload()
    open_content(page)
    expect(page.locator(".about")).to_contain_text("Hello from the tests. \U0001f3ac")
    expect(page.locator(".about")).to_contain_text(re.compile(r"Made .*20\d\d.*Length 0:04"))
    expect(page.get_by_role("textbox", name="Script of the next video")).to_have_value(
        re.compile("every Tuesday")
    )
    expect(
        page.get_by_text("It will speak the script above, which differs from the one of this video.")
    ).to_be_visible()
    page.get_by_role("button", name="Use the script of this video").click()
    expect(page.get_by_text("It will speak the same script as this video.")).to_be_visible()
    expect(page.get_by_role("button", name="Generate again")).to_be_enabled()


def test_earlier_videos_are_listed_with_their_links(
    page: Page, context: BrowserContext, connected: Visitor
) -> None:
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    item = connected.tenant

    async def add(connection: asyncpg.Connection) -> None:
        for day, status, url in (
            (9, "completed", "https://video.test/expired.mp4"),
            (3, "completed", "https://video.test/1.mp4"),
            (2, "failed", None),
            (1, "failed", None),
        ):
            await connection.execute(
                "insert into ai_avatar.generations (id, business_id, content_id, provider, script, status, deadline,"
                " requested_at, completed_at, video_url, duration_seconds, ended_by, avatar, voice) values"
                " (gen_random_uuid(), $1, $2,"
                " 'heygen', 'Spoken ' || $3::int || ' days ago', $4, now(), now() - make_interval(days => $3::int),"
                " case when $4 = 'completed' then now() - make_interval(days => $3::int) end, $5, 65, 'report',"
                """ '{"id": "x", "name": "Their avatar"}', '{"id": "y", "name": null}')""",
                item.business_id,
                item.content_id,
                day,
                status,
                url,
            )

    connected.dev.run(add)
    page.reload()
    open_content(page)
    page.get_by_text("Earlier videos").click()
    entries = page.locator(".history > li")
    expect(entries).to_have_count(3)
    recent, old = entries.nth(1), entries.last
    expect(recent).to_contain_text("Spoken 3 days ago")
    expect(recent).to_contain_text("1:05")
    expect(recent).to_contain_text("Avatar Their avatar")
    expect(recent).to_contain_text("Voice y")
    expect(recent.get_by_role("link", name="Download")).to_have_attribute("href", "https://video.test/1.mp4")
    recent.get_by_role("button", name="Copy link").click()
    expect(recent.get_by_text("Link copied")).to_be_visible()
    expect(old.get_by_role("link", name="Download")).to_have_count(0)  # the provider's link has expired

    def answer(route: Route) -> None:
        generation = route.fetch().json()
        route.fulfill(json=generation | {"video_url": "https://video.test/fresh.mp4"})

    page.route("**/videos/*?generation_id=*", answer)
    old.get_by_role("button", name="Get its link").click()
    expect(old.get_by_role("link", name="Download")).to_have_attribute("href", "https://video.test/fresh.mp4")
    expect(old.get_by_role("link", name="Download")).to_be_focused()
    assert page.evaluate("navigator.clipboard.readText()") == "https://video.test/1.mp4"


def test_script_has_its_limits(page: Page, connected: Visitor) -> None:
    open_content(page)
    script = page.get_by_role("textbox", name="Script")
    script.fill("x" * 5001)
    expect(page.get_by_text("5,001 / 5,000")).to_be_visible()
    expect(page.get_by_text("1 character too long")).to_be_visible()
    expect(page.get_by_role("button", name="Generate video")).to_be_disabled()
    open_content(page, "Our new winter blend")
    expect(script).to_have_value(re.compile("hazelnut"))
    open_content(page)
    expect(page.get_by_text("5,001 / 5,000")).to_be_visible()  # what was typed is kept


def test_generation_is_cancelled(page: Page, connected: Visitor) -> None:
    open_content(page)
    page.get_by_role("button", name="Generate video").click()
    page.get_by_role("button", name="Cancel", exact=True).click()
    expect(page.get_by_role("dialog")).to_contain_text("may still bill it")
    page.get_by_role("button", name="Cancel the video").click()
    expect(page.get_by_text("Cancelled", exact=True)).to_be_visible()
    expect(page.get_by_role("button", name="Generate video")).to_be_focused()
    expect(page.locator(".chip", has_text="Generating")).to_have_count(0)


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
    page.wait_for_function("(count) => count", arg=1)
    expect(page.locator("[aria-current=step]", has_text="Rendering")).to_be_visible(timeout=60_000)
    assert len(lost) > 1


def test_end_is_said_in_the_title_and_in_a_notification(
    page: Page, context: BrowserContext, connected: Visitor
) -> None:
    context.grant_permissions(["notifications"])
    page.evaluate(
        "window.shown = []; window.Notification = class extends EventTarget { static permission = 'granted';"
        " constructor(title) { super(); shown.push(title); } }; document.hasFocus = () => false;"
    )
    open_content(page)
    page.get_by_role("button", name="Generate video").click()
    expect(page.get_by_text("You will be notified.")).to_be_visible()
    expect(page).to_have_title(f"Video ready: {FIRST} · AI avatar videos · Settings", timeout=60_000)
    assert page.evaluate("shown") == [f"Video ready: {FIRST}"]
    page.evaluate("dispatchEvent(new Event('focus'))")
    expect(page).to_have_title("AI avatar videos · Settings")


def test_provider_that_makes_the_video_can_be_chosen(page: Page, visitor: Visitor) -> None:
    visitor.connect()
    visitor.connect(provider="tavus")
    page.goto(visitor.link)
    expect(page.get_by_role("radio", name="Tavus")).to_be_visible()
    open_content(page)
    page.get_by_role("combobox", name="Made with").select_option("Tavus")
    expect(page.get_by_text("Tavus bills each new video.")).to_be_visible()
    with page.expect_request("**/generate-video") as started:
        page.get_by_role("button", name="Generate video").click()
    assert '"provider":"tavus"' in (started.value.post_data or "")
    expect(page.get_by_role("timer")).to_be_visible()
