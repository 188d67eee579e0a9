"""At home in any host: attributes, looks, languages, and what a host learns of failures."""

import re
from datetime import timedelta

import asyncpg
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from support.blocks import blocks_of
from support.browser import Guard, Visitor
from support.page import API, FIRST, host_page, open_content, row
from support.tenants import JWT_SECRET

from app.tokens import mint_token

pytestmark = pytest.mark.slow

READY = "Ready"


def embed(page: Page, visitor: Visitor, attributes: str = "", script: str = "") -> None:
    visitor.dev.host.element = f"<ai-avatar-settings {attributes}></ai-avatar-settings>"
    host_page(page, visitor, f"element.accessToken = {visitor.token()!r}; {script}")


# ---- attributes and properties ----


def test_content_id_shows_one_item_and_nothing_else(page: Page, visitor: Visitor) -> None:
    visitor.connect()
    embed(page, visitor, f'content-id="{visitor.tenant.content_id}"')
    expect(page.get_by_role("group", name=FIRST)).to_be_visible()
    expect(page.get_by_role("textbox", name="Script")).to_have_value(re.compile("every Tuesday"))
    expect(page.get_by_role("heading")).to_have_count(0)  # the host's page has the heading
    expect(page.get_by_text("Our new winter blend")).to_have_count(0)
    page.get_by_role("button", name="Generate video").click()
    expect(page.get_by_role("timer")).to_be_visible()
    assert page.evaluate("changes").count("generation") >= 1


def test_content_id_of_no_item_says_so(page: Page, visitor: Visitor) -> None:
    embed(page, visitor, f'content-id="{visitor.tenant.business_id}"')
    expect(page.get_by_text("This content item does not exist")).to_be_visible()


@pytest.mark.parametrize(
    ("view", "shown", "left_out"),
    [
        ("settings", "AI Avatar Video Generation", "Videos"),
        ("videos", "Videos", "AI Avatar Video Generation"),
    ],
)
def test_view_shows_one_part(page: Page, visitor: Visitor, view: str, shown: str, left_out: str) -> None:
    visitor.connect()
    embed(page, visitor, f'view="{view}"')
    expect(page.get_by_role("heading", name=shown)).to_be_visible()
    expect(page.get_by_role("heading", name=left_out)).to_have_count(0)


def test_attributes_are_properties(page: Page, visitor: Visitor) -> None:
    visitor.connect()
    embed(page, visitor, script=f"element.businessId = {str(visitor.tenant.business_id)!r};")
    expect(page.get_by_text(READY, exact=True).first).to_be_visible()
    assert page.evaluate("element.getAttribute('business-id')") == str(visitor.tenant.business_id)
    assert page.evaluate("[element.apiBase, element.provider]") == [f"{visitor.dev.url}/", "heygen"]
    changed = page.evaluate(
        """(() => {
          element.remove();
          element.businessId = null;
          element.apiBase = "https://service.test/base";
          element.provider = "other";
          element.contentId = "c";
          element.view = "videos";
          const names = ["business-id", "api-base", "provider", "content-id", "view"];
          const set = names.map((name) => element.getAttribute(name));
          element.apiBase = element.provider = element.contentId = element.view = null;
          return [...set, element.apiBase, element.provider, element.contentId, element.view, Object.keys(element)];
        })()"""
    )
    base = "https://service.test/base"
    assert changed == [None, base, "other", "c", "videos", f"{visitor.dev.url}/", "heygen", None, None, []]


def test_properties_set_before_the_element_is_defined_are_taken(page: Page, visitor: Visitor) -> None:
    visitor.connect()
    embed(page, visitor, script="element.strings = { settings: { title: 'Unser Titel' } };")
    expect(page.get_by_role("heading", name="Unser Titel")).to_be_visible()
    expect(page.get_by_text(READY, exact=True).first).to_be_visible()


def test_script_can_be_loaded_twice(page: Page, visitor: Visitor) -> None:
    visitor.connect()
    embed(page, visitor)
    expect(page.get_by_text(READY, exact=True).first).to_be_visible()
    same = page.evaluate(
        """async (url) => {
          const before = customElements.get("ai-avatar-settings");
          const entry = await import(`${url}?again`);
          const element = await import(url.replace("ai-avatar-settings.js", "element/element.js"));
          element.AiAvatarSettings.define();
          return [before === entry.AiAvatarSettings, before !== element.AiAvatarSettings,
            before === customElements.get("ai-avatar-settings")];
        }""",
        f"{visitor.dev.url}/settings/static/ai-avatar-settings.js",
    )
    assert same == [True, True, True]


# ---- sessions ----


def test_host_that_renews_its_token_notices_nothing(page: Page, visitor: Visitor, guard: Guard) -> None:
    guard.expect("status of 401")
    visitor.connect()
    # Valid for the first requests and a few seconds more: then the stream ends with `expired_token`.
    short = mint_token(JWT_SECRET, user_id=visitor.tenant.user_id, ttl=timedelta(seconds=-26))
    host_page(
        page,
        visitor,
        f"""element.getAccessToken = ({{ reason }}) => {{
          asked.push(reason);
          return reason === "initial" ? {short!r} : {visitor.token()!r};
        }};""",
    )
    open_content(page)
    page.get_by_role("button", name="Generate video").click()
    expect(page.locator("video.player")).to_be_visible(timeout=60_000)
    expect(page.get_by_text("Your session has expired")).to_have_count(0)
    assert page.evaluate("asked") == ["initial", "expired"]


def test_user_who_loses_the_business_is_told_so(page: Page, visitor: Visitor) -> None:
    visitor.connect()

    async def start(connection: asyncpg.Connection) -> None:
        await connection.execute(
            "insert into ai_avatar.generations (id, business_id, content_id, provider, script, status, deadline) "
            "values (gen_random_uuid(), $1, $2, 'heygen', 'Hello', 'processing', now() + interval '1 hour')",
            visitor.tenant.business_id,
            visitor.tenant.content_id,
        )

    async def remove(connection: asyncpg.Connection) -> None:
        await connection.execute("delete from public.profiles where id = $1", visitor.tenant.user_id)

    streams: list[str] = []
    page.on("request", lambda request: streams.append(request.url) if "/events" in request.url else None)
    visitor.dev.run(start)
    page.goto(visitor.link)
    with page.expect_request("**/events"):
        page.get_by_role("button", name=FIRST).click()
    expect(page.get_by_role("timer")).to_be_visible()
    visitor.dev.run(remove)
    expect(page.get_by_text("You no longer have access to this business")).to_be_visible()
    page.wait_for_timeout(1000)
    assert len(streams) == 1, "the page does not connect again"


# ---- failures that a host learns of ----


def test_service_that_cannot_be_reached_is_said_and_reported(
    page: Page, visitor: Visitor, guard: Guard
) -> None:
    guard.expect("ERR_FAILED")
    page.route(f"**{API}**", lambda route: route.abort())
    page.route("**/health/live", lambda route: route.abort())
    embed(page, visitor)
    expect(page.get_by_text("The service could not be reached").first).to_be_visible()
    expect(page.get_by_role("button", name="Try again").first).to_be_visible()
    expect(page.locator(".badge")).to_be_hidden()  # nothing is known of the integration
    assert {"code": "unreachable", "status": 0} in [
        {"code": error["code"], "status": error["status"]} for error in page.evaluate("errors")
    ]


def test_service_that_does_not_allow_this_origin_is_said_and_reported(
    page: Page, visitor: Visitor, guard: Guard
) -> None:
    guard.expect("blocked by CORS", "ERR_FAILED")
    other = visitor.dev.url.replace("127.0.0.1", "localhost")
    page.route(
        f"{other}{API}**",
        lambda route: route.fulfill(json={}, headers={"Access-Control-Allow-Origin": "https://a.test"}),
    )
    embed(page, visitor, f'api-base="{other}"')
    expect(page.get_by_text("The service does not accept this page").first).to_be_visible()
    assert "cors_forbidden" in [error["code"] for error in page.evaluate("errors")]


def test_without_the_script_a_host_s_own_words_are_shown(page: Page, visitor: Visitor, guard: Guard) -> None:
    guard.expect("ERR_FAILED")
    page.route("**/ai-avatar-settings.js", lambda route: route.abort())
    host_page(page, visitor)
    expect(page.get_by_text("The settings are not available.")).to_be_visible()


# ---- looks ----

LUMINANCE = (
    "(card) => { const [r, g, b] = getComputedStyle(card).backgroundColor.match(/[\\d.]+/g).map(Number);"
    " return (r + g + b) / 3; }"
)


def test_light_host_on_a_dark_system_stays_light(page: Page, visitor: Visitor) -> None:
    page.emulate_media(color_scheme="dark")
    visitor.connect()
    embed(page, visitor)
    card = page.locator(".card").first
    expect(card).to_be_visible()
    assert card.evaluate(LUMINANCE) > 200
    page.evaluate("document.documentElement.style.colorScheme = 'light dark'")
    assert card.evaluate(LUMINANCE) < 60


def test_sizes_follow_the_host_s_font_size_not_the_root_s(page: Page, visitor: Visitor) -> None:
    visitor.connect()
    visitor.dev.host.head = "<style>html { font-size: 62.5%; } body { font-size: 1.6rem; }</style>"
    embed(page, visitor)
    page.get_by_text(READY, exact=True).first.wait_for()
    sizes = page.evaluate(
        "(() => { const root = element.shadowRoot; const size = (selector) =>"
        " parseFloat(getComputedStyle(root.querySelector(selector)).fontSize);"
        " return [size('.card'), size('.input'), root.querySelector('.button').offsetHeight]; })()"
    )
    assert sizes == [16, 16, 44]


def test_host_sets_colours_radius_shadow_font_and_parts(page: Page, visitor: Visitor) -> None:
    visitor.connect()
    visitor.dev.host.head = """<style>
      ai-avatar-settings { --ai-avatar-accent: rgb(200, 0, 100); --ai-avatar-surface: rgb(250, 250, 210);
        --ai-avatar-radius: 0px; --ai-avatar-shadow: none; --ai-avatar-font: monospace; }
      ai-avatar-settings::part(title) { text-transform: uppercase; }
      ai-avatar-settings::part(button) { letter-spacing: 3px; } </style>"""
    embed(page, visitor)
    open_content(page)
    look = page.evaluate(
        "(() => { const of = (selector) => getComputedStyle(element.shadowRoot.querySelector(selector));"
        " const card = of('.card'); return [card.backgroundColor, card.borderRadius, card.boxShadow, card.fontFamily,"
        " of('.primary').backgroundColor, of('h2').textTransform, of('.button').letterSpacing]; })()"
    )
    assert look == ["rgb(250, 250, 210)", "0px", "none", "monospace", "rgb(200, 0, 100)", "uppercase", "3px"]


def test_example_of_the_documentation_sets_the_looks(page: Page, visitor: Visitor) -> None:
    [css] = [block.text for block in blocks_of("docs/settings-page.md") if block.language == "css"]
    visitor.dev.host.head = f"<style>{css}</style>"
    embed(page, visitor)
    primary = page.locator(".primary").first
    expect(primary).to_have_css("background-color", "rgb(15, 118, 110)")
    page.evaluate("document.documentElement.className = 'dark'")
    expect(primary).to_have_css("background-color", "rgb(94, 234, 212)")
    expect(primary).to_have_css("color", "rgb(4, 47, 46)")
    expect(page.get_by_role("heading").first).to_have_css("font-weight", "700")
    assert page.locator(".card").first.evaluate(LUMINANCE) < 60


def test_policy_of_the_documentation_is_enough(page: Page, visitor: Visitor) -> None:
    """Every refusal is on the console, where the guard finds it. The sandbox's media are plain http."""
    [header] = [block.text for block in blocks_of("docs/frontend.md") if block.language == "text"]
    policy = header.strip().removeprefix("Content-Security-Policy: ")
    policy = policy.replace("https://ai-avatar.example.com", visitor.dev.url)
    visitor.dev.host.policy = policy.replace("https:", "https: http://127.0.0.1:*")
    page.route("**/favicon.ico", lambda route: route.fulfill(status=204))
    visitor.connect()
    page.goto(f"{visitor.dev.host.url}/strict")
    page.evaluate(f"document.querySelector('ai-avatar-settings').accessToken = {visitor.token()!r}")
    expect(page.get_by_text(READY, exact=True).first).to_be_visible()
    open_content(page)
    page.get_by_role("button", name="Generate video").click()
    expect(page.locator("video.player")).to_be_visible(timeout=60_000)
    page.wait_for_timeout(500)  # for the media's requests


def test_dialogs_are_not_cut_off_by_a_host(page: Page, visitor: Visitor) -> None:
    visitor.connect()
    visitor.dev.host.head = (
        "<style>ai-avatar-settings { height: 300px; width: 320px; overflow: hidden; }</style>"
    )
    embed(page, visitor)
    page.get_by_role("button", name="Change: Default avatar").evaluate("(button) => button.click()")
    box = page.get_by_role("dialog").bounding_box()
    assert box is not None
    assert box["width"] > 700
    assert box["height"] > 600


# ---- languages ----

PSEUDO = """async (service) => {
  // Every word of ours in brackets, right to left; {placeholders} stay.
  const wrap = (value) => typeof value === "string" ? `⟦${value}⟧`
    : Array.isArray(value) ? value.map(wrap)
    : Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, wrap(inner)]));
  const modules = await Promise.all(["lib", "settings", "videos"].map((folder) =>
    import(`${service}/settings/static/${folder}/strings.js`)));
  const sections = modules.flatMap((module) => Object.entries(module));
  element.strings = Object.fromEntries(sections.map(([name, words]) => [name, wrap(words)]));
}"""
# Text that is neither inside brackets nor data: it could not be translated.
UNTRANSLATED = """() => {
  const data = "time, bdi, code, [dir=auto], .marker, .letter, .option-text," +
    ".content-title, .count, .sandbox p";
  const texts = [];
  const walker = document.createTreeWalker(element.shadowRoot, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const parent = node.parentElement;
    if (!parent.closest(data)) texts.push(node.data.trim());
  }
  for (const name of ["aria-label", "placeholder", "title"])
    for (const node of element.shadowRoot.querySelectorAll(`[${name}]:not(time)`))
      texts.push(node.getAttribute(name).trim());
  return texts.filter((text) => /\\p{L}{2}/u.test(text.replace(/⟦[^⟧]*⟧/gu, "")));
}"""
DATA = {"HeyGen", "Tavus"}


def test_every_word_can_be_translated_and_runs_right_to_left(
    page: Page, context: BrowserContext, visitor: Visitor
) -> None:
    visitor.dev.host.html_attributes = 'lang="ar" dir="rtl"'
    embed(page, visitor, 'lang="ar"')
    page.evaluate(PSEUDO, visitor.dev.url)
    page.get_by_text("⟦AI Avatar Video Generation⟧").wait_for()
    page.locator("#api-key").wait_for()
    assert set(page.evaluate(UNTRANSLATED)) - DATA == set()
    visitor.connect(avatar_id=None)
    page.reload()
    page.evaluate(PSEUDO, visitor.dev.url)
    page.get_by_role("button", name="Ada in the studio").wait_for()
    assert set(page.evaluate(UNTRANSLATED)) - DATA == set()
    visitor.connect()
    page.reload()
    page.evaluate(PSEUDO, visitor.dev.url)
    page.get_by_text("sandbox@example.com").wait_for()
    page.get_by_role("button", name=FIRST).click()
    page.locator("#script").wait_for()
    assert set(page.evaluate(UNTRANSLATED)) - DATA == set()
    # Labels are at the right, their buttons at the left; what people wrote keeps its own direction.
    label = row(page, "⟦Default avatar⟧").locator(".row-label").bounding_box()
    button = row(page, "⟦Default avatar⟧").get_by_role("button").bounding_box()
    assert label
    assert button
    assert label["x"] > button["x"]
    assert page.locator("#script").evaluate("(script) => getComputedStyle(script).direction") == "ltr"
    assert page.locator("#script-count").evaluate("(count) => getComputedStyle(count).direction") == "ltr"
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_lang_is_the_language_of_numbers_and_times(page: Page, browser: Browser, visitor: Visitor) -> None:
    visitor.connect()
    embed(page, visitor, 'lang="de"')
    expect(row(page, "API key").get_by_text("jetzt")).to_be_visible()
    expect(row(page, "Account").get_by_text("100,00 $")).to_be_visible()
