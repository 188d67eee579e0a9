"""Serve the settings page and its files under a Content-Security-Policy that allows nothing inline."""

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from urllib.parse import urlsplit

from fastapi import APIRouter, HTTPException, Request, Response

MEDIA_TYPES = {
    "css": "text/css; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
PAGE = "page.html"
METHODS = ["GET", "HEAD"]
LOOPBACK = {"127.0.0.1", "::1", "localhost"}
# One CSP source: a keyword, a scheme or an origin. A space, a comma or a semicolon would start another.
SOURCE = re.compile(r"'(?:self|none)'|[A-Za-z][A-Za-z0-9+.-]*:|[A-Za-z0-9*][A-Za-z0-9*.:/\[\]_-]*")


@dataclass(frozen=True, slots=True)
class StaticFile:
    """A file of the page, read at startup."""

    body: bytes
    media_type: str
    etag: str


def create_router(*, frame_ancestors: Sequence[str] = (), media_sources: Sequence[str] = ()) -> APIRouter:
    """Return the page's routes.

    `frame_ancestors`: origins that may show the page in a frame; empty forbids frames.
    `media_sources`: sources of previews and videos besides https, such as the sandbox's http origin in
    development. ValueError for anything that is not one CSP source.
    """
    static = read_static()
    page_headers = {
        "Content-Security-Policy": content_security_policy(frame_ancestors, media_sources),
        "Cross-Origin-Opener-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    }
    router = APIRouter(prefix="/settings", include_in_schema=False)

    @router.api_route("/integrations", methods=METHODS)
    async def settings_page(request: Request) -> Response:
        return respond(request, static[PAGE], page_headers)

    @router.api_route("/static/{path:path}", methods=METHODS)
    async def settings_static(path: str, request: Request) -> Response:
        file = static.get(path)
        if file is None or path == PAGE:
            raise HTTPException(404)
        return respond(request, file, {})

    return router


def loopback_origins(urls: Iterable[str]) -> list[str]:
    """Return the origins that use plain http on this machine: the sandbox's, whose media the page may show."""
    parts = [urlsplit(url) for url in urls]
    return sorted(
        {f"http://{url.netloc}" for url in parts if url.scheme == "http" and url.hostname in LOOPBACK}
    )


def read_static(folder: Traversable | None = None, prefix: str = "") -> dict[str, StaticFile]:
    """Read every file of `static/` and its folders, by path. Only these paths are served."""
    found: dict[str, StaticFile] = {}
    for entry in (folder or files(__package__).joinpath("static")).iterdir():
        path = prefix + entry.name
        media_type = MEDIA_TYPES.get(entry.name.rpartition(".")[2])
        if entry.is_dir():
            found |= read_static(entry, f"{path}/")
        elif media_type is not None:
            body = entry.read_bytes()
            found[path] = StaticFile(body, media_type, f'"{hashlib.sha256(body).hexdigest()[:20]}"')
    return found


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


def respond(request: Request, file: StaticFile, headers: dict[str, str]) -> Response:
    """Return the file, or 304 if the browser has it. `no-cache`: revalidate, so that a release is seen at once."""
    headers = {
        **headers,
        "Cache-Control": "no-cache",
        "ETag": file.etag,
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }
    known = {tag.strip().removeprefix("W/") for tag in request.headers.get("If-None-Match", "").split(",")}
    if file.etag in known:
        return Response(status_code=304, headers=headers)
    return Response(file.body, media_type=file.media_type, headers=headers)
