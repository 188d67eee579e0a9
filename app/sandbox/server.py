"""Both stand-ins on one port."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.routing import Mount

from .media import Media


def create_sandbox_app(media: Media, heygen: Starlette, n8n: Starlette) -> Starlette:
    """Serve HeyGen's API under `/heygen`, n8n under `/n8n`, and what HeyGen links to under `/media`."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with n8n.router.lifespan_context(n8n):  # a mounted application's own is not entered
            yield

    return Starlette(
        routes=[Mount("/heygen", heygen), Mount("/n8n", n8n), Mount("/media", media.app)], lifespan=lifespan
    )
