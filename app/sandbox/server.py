"""Serve all stand-ins on one port."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.routing import Mount

from .media import Media


def create_sandbox_app(media: Media, n8n: Starlette, providers: Mapping[str, Starlette]) -> Starlette:
    """Mount each provider's API at its name, n8n at `/n8n` and the files that providers link to at `/media`."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with n8n.router.lifespan_context(
            n8n
        ):  # Starlette does not enter a mounted application's lifespan
            yield

    mounts = [Mount(f"/{name}", provider) for name, provider in providers.items()]
    return Starlette(
        routes=[*mounts, Mount("/n8n", n8n), Mount("/media", media.app)],
        lifespan=lifespan,
    )
