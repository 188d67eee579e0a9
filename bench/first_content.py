"""`make bench-first-content`: how long a browser shows nothing of the integration, on the plan's page and on ours.

Each round trip to PostgreSQL takes 2 x LATENCY, and so does each of the browser's requests. The plan's page is as
cheap as it can be: no framework, no session, the queries of plan.py.
"""

import asyncio
import json
import statistics
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Any

import asyncpg
import uvicorn
from data import fill
from plan import LATENCY, PLAN, delayed_address
from playwright.async_api import Browser, async_playwright
from run import bench_environment
from servers import OURS, running
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from support import postgres
from support.browser import CHROMIUM, FLAGS
from support.servers import free_port
from support.tenants import JWT_SECRET

from app.tokens import mint_token

VISITS = 10
AVATAR = "Daisy-inskirt-20220818"  # as data.py stores it
FORM = """
const stored = await (await fetch("/form" + location.search)).json();
document.querySelector("form").innerHTML = `<label>Avatar <output>${stored.avatar_id}</output></label>`;
"""


class PlanPage:
    """The plan's page: two queries on the server, and a third that the form asks for from the browser."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self.app = Starlette(
            routes=[
                Route("/", self.page),
                Route("/form", self.form),
                Route("/form.js", lambda _: Response(FORM, media_type="text/javascript")),
            ]
        )

    async def page(self, request: Request) -> Response:
        """Find the user's business, then the business with its integrations."""
        business_query, page_query, _ = PLAN.values()
        business_id = await self._pool.fetchval(business_query, request.query_params["user"])
        business = await self._pool.fetchrow(page_query, business_id)
        [integration] = json.loads(business["integrations"])
        return HTMLResponse(
            f"""<!doctype html><title>Integrations</title><link rel="icon" href="data:,"><h1>HeyGen</h1>
            <p>{integration["status"]}</p><form></form><script type="module" src="/form.js"></script>"""
        )

    async def form(self, request: Request) -> Response:
        """Return the stored choice; the business is known to the page."""
        stored = await self._pool.fetchrow(list(PLAN.values())[2], request.query_params["business"])
        return JSONResponse({"avatar_id": stored["avatar_id"], "voice_id": stored["voice_id"]})


@asynccontextmanager
async def serving(app: Starlette) -> AsyncIterator[str]:
    """Serve an application in this event loop."""
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning", lifespan="off"))
    task = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn tells it by no event
        await asyncio.sleep(0.01)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    await task


async def visit(browser: Browser, url: str, texts: list[str], *, again: bool) -> list[float]:
    """Return how many ms after the start of navigation each text is to be seen; `again`: with the files in the cache."""
    async with await browser.new_context() as context:
        page = await context.new_page()
        session = await context.new_cdp_session(page)
        conditions = {"latency": 2000 * LATENCY, "downloadThroughput": -1, "uploadThroughput": -1}
        await session.send("Network.enable")
        await session.send("Network.emulateNetworkConditions", {"offline": False, **conditions})
        for _ in range(1 + again):
            await page.goto("about:blank")
            await page.goto(url, wait_until="commit")
            seen = []
            for text in texts:
                await page.get_by_text(text).first.wait_for()
                seen.append(float(await page.evaluate("performance.now()")))
        return seen


async def compare(url: str) -> None:
    users: list[Any] = await fill(url, 2000)
    user_id, business_id = users[0]["user_id"], users[0]["business_id"]
    async with AsyncExitStack() as stack:
        address = await stack.enter_async_context(delayed_address(url))
        environment = bench_environment(address, "http://127.0.0.1:9/") | {
            "HEYGEN_API_URL": "http://127.0.0.1:9"
        }
        service = running(OURS, environment)
        ours = (await asyncio.to_thread(service.__enter__)).url
        stack.push_async_callback(asyncio.to_thread, service.__exit__, None, None, None)
        pool = await stack.enter_async_context(
            asyncpg.create_pool(address, min_size=4, statement_cache_size=100)
        )
        plan = await stack.enter_async_context(serving(PlanPage(pool).app))
        playwright = await stack.enter_async_context(async_playwright())
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        token = mint_token(JWT_SECRET, user_id=user_id, ttl=timedelta(hours=1))
        pages = {
            "plan: page, then form": (f"{plan}/?user={user_id}&business={business_id}", ["active", AVATAR]),
            "service: page and form": (f"{ours}/settings/integrations#token={token}", [AVATAR]),
        }
        print(
            f"{2000 * LATENCY:.0f} ms a round trip\n\n| page | first visit, ms | files in the cache, ms |\n| --- | --- | --- |"
        )
        for title, (page, texts) in pages.items():
            cells = []
            for again in (False, True):
                await visit(browser, page, texts, again=again)
                visits = [await visit(browser, page, texts, again=again) for _ in range(VISITS)]
                cells.append(
                    ", ".join(f"{statistics.median(part):.0f}" for part in zip(*visits, strict=True))
                )
            print(f"| {title} | {' | '.join(cells)} |", flush=True)
        await browser.close()


def main() -> None:
    server = postgres.start()
    with server.database(template=server.migrated_template()) as name:
        asyncio.run(compare(server.url(name)))


if __name__ == "__main__":
    main()
