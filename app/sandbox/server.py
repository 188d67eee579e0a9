"""Serve both stand-ins on one port."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.routing import Mount

from .media import Media


def create_sandbox_app(media: Media, heygen: Starlette, n8n: Starlette) -> Starlette:
    """Mount HeyGen's API at `/heygen`, n8n at `/n8n` and the files that HeyGen links to at `/media`."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with n8n.router.lifespan_context(
            n8n
        ):  # Starlette does not enter a mounted application's lifespan
            yield

    return Starlette(
        routes=[Mount("/heygen", heygen), Mount("/n8n", n8n), Mount("/media", media.app)], lifespan=lifespan
    )
