"""Serve the settings page and its files under a Content-Security-Policy that allows nothing inline."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from fastapi import APIRouter, HTTPException, Request, Response

from app.providers import PROVIDERS
from app.settings_page.assets import Assets, StaticFile

METHODS: Final = ["GET", "HEAD"]
LOOPBACK: Final = {"127.0.0.1", "::1", "localhost"}
# One CSP source: a keyword, a scheme or an origin. A space, a comma or a semicolon would start another.
SOURCE = re.compile(r"'(?:self|none)'|[A-Za-z][A-Za-z0-9+.-]*:|[A-Za-z0-9*][A-Za-z0-9*.:/\[\]_-]*")


def create_router(
    *,
    frame_ancestors: Sequence[str] = (),
    media_sources: Sequence[str] = (),
    providers: Iterable[Mapping[str, Any]] = (),
) -> APIRouter:
    """Return the page's routes.

    `frame_ancestors`: origins that may show the page in a frame; empty forbids frames.
    `media_sources`: sources of previews and videos besides https, such as the sandbox's http origin in
    development. ValueError for anything that is not one CSP source.
    `providers`: what the page shows of each provider, from `describe_providers`.
    """
    assets = Assets(providers)
    page_headers = {
        "Content-Security-Policy": content_security_policy(frame_ancestors, media_sources),
        "Cross-Origin-Opener-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    }
    router = APIRouter(prefix="/settings", include_in_schema=False)

    @router.api_route("/integrations", methods=METHODS)
    async def settings_page(request: Request) -> Response:
        return respond(request, assets.page, page_headers)

    @router.api_route("/static/{path:path}", methods=METHODS)
    async def settings_static(path: str, request: Request) -> Response:
        file = assets.get(path)
        if file is None:
            raise HTTPException(404)
        return respond(request, file, {})

    return router


def describe_providers(api_urls: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return what the page shows of each registered provider; `api_urls`: where each one is called.

    A provider that is called on this machine is a stand-in: the page says so, and which keys it accepts.
    """
    return [
        {
            "name": spec.name,
            "title": spec.title,
            "key_url": spec.key_url,
            "logo": spec.logo,
            "has_voices": spec.has_voices,
            "has_genders": spec.has_genders,
            "has_account": spec.has_account,
            "is_sandbox": bool(loopback_origins([api_urls[spec.name]])),
        }
        for spec in PROVIDERS.values()
    ]


def loopback_origins(urls: Iterable[str]) -> list[str]:
    """Return the origins that use plain http on this machine: the sandbox's, whose media the page may show."""
    parts = [urlsplit(url) for url in urls]
    return sorted(
        {f"http://{url.netloc}" for url in parts if url.scheme == "http" and url.hostname in LOOPBACK}
    )


def content_security_policy(frame_ancestors: Sequence[str], media_sources: Sequence[str]) -> str:
    """Allow scripts, styles and requests of this origin, media over https, and no HTML made from strings."""
    for source in (*frame_ancestors, *media_sources):
        if not SOURCE.fullmatch(source):
            raise ValueError(f"not a source that a Content-Security-Policy can name: {source!r}")
    media = " ".join(("https:", *media_sources))
    frames = " ".join(frame_ancestors) or "'none'"
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "connect-src 'self'",
            f"img-src 'self' {media}",
            f"media-src {media}",
            "base-uri 'none'",
            "form-action 'none'",
            f"frame-ancestors {frames}",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        )
    )


def respond(request: Request, file: StaticFile, headers: Mapping[str, str]) -> Response:
    """Return the file, compressed if the client accepts it, or 304 if the client has it."""
    compress = "gzip" in request.headers.get("Accept-Encoding", "")
    etag = f'"{file.etag}-gzip"' if compress else f'"{file.etag}"'
    headers = {
        **headers,
        "Cache-Control": "public, max-age=31536000, immutable" if file.immutable else "no-cache",
        "ETag": etag,
        "Referrer-Policy": "no-referrer",
        "Vary": "Accept-Encoding",
        "X-Content-Type-Options": "nosniff",
    }
    known = {tag.strip().removeprefix("W/") for tag in request.headers.get("If-None-Match", "").split(",")}
    if etag in known:
        return Response(status_code=304, headers=headers)
    if compress:
        headers["Content-Encoding"] = "gzip"
    return Response(file.compressed if compress else file.body, media_type=file.media_type, headers=headers)
