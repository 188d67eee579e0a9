"""What the browser tests do with the settings page."""

from playwright.sync_api import BrowserContext, Locator, Page, Route, expect
from support.browser import AXE, Visitor, missing

API = "/integrations/ai-avatar"
FIRST = "Welcome to Coral Coast Coffee"


def open_content(page: Page, title: str = FIRST) -> None:
    page.get_by_role("button", name=title).click()
    page.get_by_role("textbox", name="Script").wait_for()


def row(page: Page, name: str) -> Locator:
    """A row of the summary: `API key`, `Account`, `Default avatar`, `Default voice`."""
    return page.get_by_role("group", name=name)


def count_requests(page: Page, part: str) -> list[str]:
    """Record the requests whose URL contains `part`."""
    seen: list[str] = []
    page.on("request", lambda request: seen.append(request.url) if part in request.url else None)
    return seen


def active_element(page: Page) -> str:
    """Return the label, id or text of the focused control."""
    return str(
        page.evaluate(
            "(() => { let at = document.activeElement; while (at?.shadowRoot?.activeElement)"
            " at = at.shadowRoot.activeElement;"
            " return at?.matches('h1, h2, h3') ? '' :"
            " at?.getAttribute('aria-label') || at?.id || at?.textContent || ''; })()"
        )
    )


def tab_to(page: Page, name: str) -> None:
    for _ in range(40):
        if active_element(page) == name:
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"the keyboard does not reach {name}")


def host_page(page: Page, visitor: Visitor, script: str = "") -> None:
    """Open a page of another application, on another origin, that embeds the element."""
    visitor.dev.host.script = script or f"element.accessToken = {visitor.token()!r};"
    page.goto(f"{visitor.dev.host.url}/")


def refuse(
    page: Page, pattern: str, method: str, status: int = 503, code: str = "overloaded", retry_after: str = ""
) -> list[str]:
    """Answer requests of this method with a problem, until `page.unroute(pattern)`. Returns the requests' URLs."""
    seen: list[str] = []

    def answer(route: Route) -> None:
        if route.request.method != method:
            route.fallback()
            return
        seen.append(route.request.url)
        route.fulfill(
            status=status,
            json={"code": code, "status": status, "detail": ""},
            headers={
                "X-Request-ID": "8f3c-the-reference",
                **({"Retry-After": retry_after} if retry_after else {}),
            },
        )

    page.route(pattern, answer)
    return seen


def add_axe(context: BrowserContext) -> None:
    """Load axe into every page of the context from now on."""
    if not AXE.exists():
        missing(f"axe-core is missing: `npm ci --ignore-scripts` in {AXE.parent.parent.parent}")
    context.add_init_script(path=AXE)


def check_with_axe(page: Page, state: str) -> None:
    """Fail on any violation of axe's rules."""
    found = page.evaluate("axe.run().then((results) => results.violations)")
    assert [f"{one['id']}: {[node['target'] for node in one['nodes']]}" for one in found] == [], state


def expect_once(page: Page, text: str) -> None:
    """One message, and a visible one."""
    expect(page.get_by_text(text)).to_have_count(1)
    expect(page.get_by_text(text)).to_be_visible()
