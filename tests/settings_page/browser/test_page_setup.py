"""The first run leads to the first video, and the summary says what is set up."""

import re

import asyncpg
import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect
from support.browser import Guard, Visitor
from support.page import FIRST, row, tab_to

from app.providers import PROVIDERS

pytestmark = pytest.mark.slow

SECRETS = (
    "(() => { const root = document.querySelector('ai-avatar-settings').shadowRoot; const inputs ="
    " [...root.querySelectorAll('input, textarea')].map((input) => input.value); return root.innerHTML +"
    " inputs + document.documentElement.outerHTML + JSON.stringify([localStorage, sessionStorage]); })()"
)


def test_first_run_leads_from_the_key_to_the_first_video_by_keyboard(page: Page, visitor: Visitor) -> None:
    page.goto(visitor.link)
    steps = page.get_by_role("listitem")
    expect(page.get_by_role("heading", name="AI Avatar Video Generation")).to_be_visible()
    expect(
        page.get_by_text(
            "Configure your HeyGen integration for AI avatar video generation with custom avatars and voices."
        )
    ).to_be_visible()
    link = page.get_by_role("link", name="Get your key from HeyGen")
    expect(link).to_have_attribute("href", "https://app.heygen.com/settings?nav=API")
    expect(page.get_by_text("0 of 4 steps done")).to_be_visible()
    expect(page.get_by_role("textbox")).to_have_count(1)  # the other one is a search field

    tab_to(page, "api-key")
    page.keyboard.type("sandbox-canary-key-0000-9f3c")
    page.keyboard.press("Enter")
    expect(page.get_by_text("1 of 4 steps done")).to_be_visible()
    expect(page.get_by_text("Almost ready")).to_be_visible()
    assert "canary" not in page.evaluate(SECRETS)
    expect(steps.filter(has_text="Choose your avatar").first).to_have_attribute("aria-current", "step")

    page.get_by_role("button", name="Ada in the studio").wait_for()
    tab_to_options(page)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")  # past the account's own, to Ada
    page.keyboard.press("Enter")
    expect(page.get_by_text("2 of 4 steps done")).to_be_visible()

    tab_to(page, "Keep the avatar’s own voice")
    page.keyboard.press("Enter")
    expect(page.get_by_text("3 of 4 steps done")).to_be_visible()
    expect(page.get_by_text("Ready", exact=True).first).to_be_visible()

    tab_to(page, "Make your first video")
    page.keyboard.press("Enter")
    expect(page.get_by_role("textbox", name="Script")).to_be_visible()
    expect(row(page, "Default avatar").get_by_text("Ada in the studio")).to_be_visible()
    assert visitor.call("GET", visitor.own_path)["avatar_id"] == "sandbox-ada"


def tab_to_options(page: Page) -> None:
    """Tab into the grid: one option is in the tab order."""
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate(
            "document.querySelector('ai-avatar-settings').shadowRoot.activeElement?.matches('.option')"
        ):
            return
    raise AssertionError("the keyboard does not reach the avatars")


def test_voice_of_the_first_run_can_be_another_one(page: Page, visitor: Visitor) -> None:
    visitor.connect(avatar_id=None)
    page.goto(visitor.link)
    page.get_by_role("button", name="Bruno at the desk").click()
    page.get_by_role("button", name="Choose another voice").click()
    page.get_by_role("button", name=re.compile("^Clara")).click()
    expect(page.get_by_text("3 of 4 steps done")).to_be_visible()
    page.get_by_role("button", name="Not now").click()
    expect(row(page, "Default voice").get_by_text("Clara")).to_be_visible()


def test_rejected_key_is_said_beside_the_field(page: Page, visitor: Visitor, guard: Guard) -> None:
    guard.expect("status of 422")
    page.goto(visitor.link)
    key = page.get_by_label("API key")
    connect = page.get_by_role("button", name="Connect HeyGen")
    connect.click()
    expect(page.get_by_text("Enter your HeyGen API key.")).to_be_visible()
    key.fill("not a key")
    connect.click()
    expect(page.get_by_text("An API key contains no spaces")).to_be_visible()
    key.fill("not-a-good-key")
    connect.click()
    expect(page.get_by_text("HeyGen does not accept this key")).to_be_visible()
    expect(key).to_have_attribute("aria-invalid", "true")
    expect(key).to_be_focused()
    # The ring of the focus and the border of the error have one colour.
    colours = key.evaluate(
        "(key) => [getComputedStyle(key).outlineColor, getComputedStyle(key.closest('form')"
        ".querySelector('.field-error')).color]"
    )
    assert colours[0] == colours[1]
    key.fill("sandbox-good")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Choose your avatar")).to_be_visible()


def test_sandbox_says_so_and_fills_in_a_key(page: Page, visitor: Visitor) -> None:
    page.goto(visitor.link)
    expect(
        page.get_by_text(
            "Sandbox: keys that start with sandbox- work; sandbox-nocredit-… shows an empty account."
        )
    ).to_be_visible()
    assert "make run" not in page.content()
    page.get_by_role("button", name="Fill in a sandbox key").click()
    page.get_by_role("button", name="Connect HeyGen").click()
    expect(page.get_by_role("heading", name="Choose your avatar")).to_be_visible()


def test_empty_account_is_not_green(page: Page, visitor: Visitor) -> None:
    visitor.connect(api_key="sandbox-nocredit-0123456789-4321")
    page.goto(visitor.link)
    expect(page.get_by_text("No credit left", exact=True)).to_be_visible()
    expect(page.get_by_text("Your HeyGen account has no credit left")).to_be_visible()
    expect(row(page, "Account").get_by_text("$0.00 left")).to_be_visible()


def test_summary_says_which_key_since_when_and_whose(page: Page, connected: Visitor) -> None:
    async def age(connection: asyncpg.Connection) -> None:
        await connection.execute(
            "update public.ai_avatar_integrations set created_at = '2020-02-03' where business_id = $1",
            connected.tenant.business_id,
        )

    connected.dev.run(age)  # the integration is older than its key
    page.reload()
    key, account = row(page, "API key"), row(page, "Account")
    expect(key.get_by_text("•••• •••• 9f3c")).to_be_visible()
    expect(key.get_by_text(re.compile(r"Saved \w+ \d+, 202[6-9] · checked now"))).to_be_visible()
    expect(account.get_by_text("sandbox@example.com")).to_be_visible()
    expect(account.get_by_text("$100.00 left")).to_be_visible()
    # Removal is apart from the key.
    expect(key.get_by_role("button", name="Remove")).to_have_count(0)
    page.get_by_role("button", name="Switch off").click()
    expect(page.get_by_text("Switched off").first).to_be_visible()
    page.get_by_role("button", name="Switch on").click()
    expect(page.get_by_text("Ready", exact=True).first).to_be_visible()


def test_key_is_replaced_in_place(page: Page, connected: Visitor, guard: Guard) -> None:
    guard.expect("status of 422")
    replace = page.get_by_role("button", name="Replace")
    replace.click()
    expect(page.get_by_label("API key", exact=True).last).to_be_focused()
    page.get_by_role("button", name="Keep the current key").click()
    expect(replace).to_be_focused()
    replace.click()
    page.get_by_role("textbox", name="API key").or_(page.locator("#api-key")).last.fill("wrong")
    page.get_by_role("button", name="Save the new key").click()
    expect(page.get_by_text("HeyGen does not accept this key")).to_be_visible()
    page.locator("#api-key").fill("sandbox-another-0000-abcd")
    page.get_by_role("button", name="Save the new key").click()
    expect(row(page, "API key").get_by_text("•••• •••• abcd")).to_be_visible()
    assert "sandbox-another" not in page.evaluate(SECRETS)


@pytest.mark.parametrize(
    ("status", "words", "act"),
    [
        ("error", "HeyGen no longer accepts your API key", "Check again"),
        ("inactive", "switched off", "Switch on"),
    ],
)
def test_integration_that_does_not_work_says_what_to_do(
    page: Page, visitor: Visitor, status: str, words: str, act: str
) -> None:
    async def spoil(connection: asyncpg.Connection) -> None:
        await connection.execute(
            "update public.ai_avatar_integrations set status = $2 where business_id = $1",
            visitor.tenant.business_id,
            status,
        )

    visitor.connect()
    visitor.dev.run(spoil)
    page.goto(visitor.link)
    expect(page.get_by_text(words).first).to_be_visible()
    if status == "inactive":
        check = row(page, "API key").get_by_role("button", name="Check again")
        page.route(
            "**/validate?*",
            lambda route: route.fulfill(json=visitor.call("GET", visitor.own_path)),  # as for a rejected key
        )
        check.click()
        expect(row(page, "API key").get_by_text("HeyGen no longer accepts your API key")).to_be_visible()
        page.unroute("**/validate?*")
        check.click()
        expect(row(page, "API key").get_by_text("The key works")).to_be_visible()
    page.get_by_role("button", name=act).click()
    expect(page.get_by_text("Ready", exact=True).first).to_be_visible()


def test_provider_of_the_list_needs_no_change_of_the_page(page: Page, visitor: Visitor) -> None:
    """A second provider, without voices and account, as the registry would describe it."""
    asked: list[str] = []

    def second(route: Route) -> None:
        body = (
            route.fetch()
            .text()
            .replace(
                "}]",
                '}, {"name": "second", "title": "Second", "key_url": "https://second.test/keys",'
                ' "has_voices": false, "has_genders": false, "has_account": false, "is_sandbox": false}]',
            )
        )
        route.fulfill(body=body, content_type="text/javascript")

    page.route("**/providers.js", second)
    page.on(
        "request", lambda request: asked.append(request.url) if "provider=second" in request.url else None
    )
    visitor.connect()
    page.goto(visitor.link)
    expect(page.get_by_text("Ready", exact=True).first).to_be_visible()
    heygen = page.locator(f'.tile [aria-hidden=true] path[d="{PROVIDERS["heygen"].logo}"]')
    expect(heygen).to_be_visible()
    expect(page.get_by_role("radio", name="HeyGen")).to_be_checked()
    page.get_by_role("radio", name="Second").check()
    expect(page.locator(".tile .letter")).to_have_text("S")  # it has no logo
    expect(page.get_by_role("link", name="Get your key from Second")).to_have_attribute(
        "href", "https://second.test/keys"
    )
    expect(page.get_by_text("0 of 3 steps done")).to_be_visible()
    expect(page.get_by_text("Sandbox:")).to_have_count(0)
    expect(page.get_by_text("Choose a voice")).to_have_count(0)
    assert asked == []
    page.get_by_role("radio", name="HeyGen").check()
    expect(row(page, "Default avatar")).to_be_visible()
    expect(heygen).to_be_visible()


# ---- the page by itself ----


def test_reloading_keeps_the_development_session(page: Page, visitor: Visitor) -> None:
    page.goto(visitor.link)
    page.get_by_label("API key").wait_for()
    assert page.url == visitor.dev.page_url
    page.reload()
    expect(page.get_by_label("API key")).to_be_visible()


def test_elsewhere_the_token_stays_in_memory_alone(page: Page, visitor: Visitor, guard: Guard) -> None:
    guard.expect("Cross-Origin-Opener-Policy")  # it needs https
    url = visitor.dev.page_url.replace("127.0.0.1", "service.test")
    page.goto(f"{url}#token={visitor.token()}")
    page.get_by_role("button", name=FIRST).wait_for()
    assert page.url == url
    stored = page.evaluate(
        "JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie, history.state])"
    )
    assert stored == '[{},{},"",null]'
    page.reload()
    expect(page.get_by_text("Open this page from your application")).to_be_visible()
    assert "make run" not in page.content()


def test_new_link_in_the_same_tab_continues(page: Page, context: BrowserContext, visitor: Visitor) -> None:
    page.goto(visitor.dev.page_url)
    page.get_by_text("Open this page from your application").wait_for()
    page.goto(visitor.link)
    expect(page.get_by_label("API key")).to_be_visible()
