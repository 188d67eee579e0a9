"""`/`, `/docs`, `/redoc`, `/problems/`, `/openapi.json`, `/readme`: pages that load no file from another server.

Swagger UI and Redoc are those in the package fastapi-offline, of which nothing else is used.
"""

import gzip
import hashlib
import json
from collections.abc import Callable
from functools import cache
from importlib.metadata import metadata, version
from importlib.resources import files
from typing import Final

from fastapi import APIRouter, FastAPI, HTTPException, Request, Response
from fastapi.responses import RedirectResponse

from app.reference.problems import problems_page
from app.settings_page.assets import StaticFile
from app.settings_page.router import METHODS, respond

_MEDIA_TYPES: Final = {
    "css": "text/css; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
_PAGES: Final = {
    "/": "index.html",
    "/docs": "docs.html",
    "/redoc": "redoc.html",
    "/problems/": "problems.html",
}
_OWN: Final = frozenset({"docs.css", "docs.js", "icon.svg", "page.css", "redoc.js"})
_PACKAGED: Final = frozenset({"redoc.standalone.js", "swagger-ui-bundle.js", "swagger-ui.css"})

# Redoc's styles: empty elements that it fills through the object model, and its scroll bars.
_REDOC_STYLES: Final = (
    "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=' "
    "'sha256-QMIg+bpjm3JdElJ388KYke01izlUW0UoNOeKjpMxdgc='"
)
# The only address of another server that Redoc loads something from, and nothing in its place.
_REDOC_LOGO: Final = b"https://cdn.redoc.ly/redoc/logo-mini.svg"
_NO_IMAGE: Final = b"data:image/svg+xml,%3Csvg xmlns=%27http://www.w3.org/2000/svg%27/%3E"


def create_router() -> APIRouter:
    """Return the pages' routes."""
    router = APIRouter(include_in_schema=False)
    for path, name in _PAGES.items():
        router.add_api_route(path, _page(name), methods=METHODS)

    # Not `async`: packing the large files takes a tenth of a second, once, and nothing else must wait for it.
    @router.api_route("/reference/{name}", methods=METHODS)
    def reference_file(name: str, request: Request) -> Response:
        if name not in _OWN | _PACKAGED:
            raise HTTPException(404)
        return respond(request, _load(name), {})

    @router.api_route("/problems", methods=METHODS)
    async def problems_without_slash() -> Response:
        return RedirectResponse("problems/", 308)

    @cache  # of this router, which belongs to one application
    def pack_document(app: FastAPI) -> StaticFile:
        return _pack(json.dumps(app.openapi()).encode(), "application/json")

    @router.api_route("/openapi.json", methods=METHODS)
    def openapi_document(request: Request) -> Response:
        return respond(request, pack_document(request.app), {})

    @router.api_route("/readme", methods=METHODS)
    def readme(request: Request) -> Response:
        return respond(request, _readme(), {})

    return router


def content_security_policy(page: str) -> str:
    """Allow scripts, styles and requests of this origin, and nothing inline but what Redoc itself adds."""
    is_redoc = page == "redoc.html"
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            f"style-src 'self' {_REDOC_STYLES}" if is_redoc else "style-src 'self'",
            "connect-src 'self'",
            "img-src 'self' data:",
            "worker-src blob:" if is_redoc else "worker-src 'none'",  # Redoc's search
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    )


def _page(name: str) -> Callable[[Request], Response]:
    def page(request: Request) -> Response:
        return respond(request, _load(name), {"Content-Security-Policy": content_security_policy(name)})

    return page


@cache
def _load(name: str) -> StaticFile:
    if name in _PACKAGED:
        body = files("fastapi_offline").joinpath("static", name).read_bytes().replace(_REDOC_LOGO, _NO_IMAGE)
    else:
        body = files(__package__).joinpath("static", name).read_bytes()
        body = body.replace(b"{version}", version("ai-avatar").encode())
        if name == "problems.html":
            body = problems_page(body.decode()).encode()
    return _pack(body, _MEDIA_TYPES[name.rpartition(".")[2]])


@cache
def _readme() -> StaticFile:
    return _pack(str(metadata("ai-avatar").get_payload()).encode(), "text/plain; charset=utf-8")  # type: ignore[attr-defined]


def _pack(body: bytes, media_type: str) -> StaticFile:
    return StaticFile(
        body=body,
        compressed=gzip.compress(body, mtime=0),
        media_type=media_type,
        etag=hashlib.sha256(body).hexdigest()[:20],
    )
