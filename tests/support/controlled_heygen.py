"""A HeyGen over HTTP whose answers a test decides: keys are revoked, calls fail, the catalogue holds what is put in."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from support.servers import serve_app


@dataclass
class ControlledHeyGen:
    """Every key is valid until it is in `revoked`."""

    url: str = ""
    revoked: set[str] = field(default_factory=set)
    unavailable: bool = False
    delay: float = 0
    """Seconds before each answer of the catalogue."""
    check_delay: float = 0
    """Seconds before each answer to a key check."""
    pages: list[list[str]] = field(default_factory=list)
    """The ids on each page of the account's own avatars and voices; there are no public ones."""
    calls: list[tuple[str, str]] = field(default_factory=list)
    """The path and the API key of each request."""

    async def answer(self, request: Request) -> Response:
        path, api_key = request.path_params["rest"], request.headers["x-api-key"]
        self.calls.append((path, api_key))
        await asyncio.sleep(self.check_delay if path == "users/me" else self.delay)
        if self.unavailable:
            return _error(503, "unavailable")
        if api_key in self.revoked:
            return _error(401, "unauthorized")
        if path == "users/me":
            return JSONResponse({"data": {"username": "u"}})
        list_path, _, id_ = path.rpartition("/")
        if list_path in ("avatars/looks", "voices"):
            return self._item(list_path, id_)
        return self._page(path, request)

    def _item(self, list_path: str, id_: str) -> Response:
        if not any(id_ in page for page in self.pages):
            return _error(404, "not_found")
        return JSONResponse({"data": _item(list_path, id_)})

    def _page(self, path: str, request: Request) -> Response:
        query = request.query_params
        is_own = "private" in (query.get("ownership"), query.get("type"))
        pages = (self.pages if is_own else []) or [[]]
        number = int(query.get("token", "0"))
        more = number + 1 < len(pages)
        data = [_item(path, id_) for id_ in pages[number]]
        return JSONResponse({"data": data, "has_more": more, "next_token": str(number + 1) if more else None})

    def calls_of(self, api_key: str) -> list[str]:
        """Return the paths that were asked for with this key."""
        return [path for path, key in self.calls if key == api_key]


def _item(list_path: str, id_: str) -> dict[str, str]:
    shown = {"name": f"The {id_}"}
    if list_path == "avatars/looks":
        return shown | {"id": id_, "preview_image_url": f"https://files.test/{id_}", "status": "completed"}
    return shown | {"voice_id": id_, "preview_audio_url": f"https://files.test/{id_}", "status": "complete"}


def _error(status: int, code: str) -> Response:
    body: dict[str, Any] = {"error": {"code": code, "message": "no"}}
    return JSONResponse(body, status)


@contextmanager
def controlled_heygen() -> Iterator[ControlledHeyGen]:
    """Serve one on a free port."""
    heygen = ControlledHeyGen()
    with serve_app(Starlette(routes=[Route("/v3/{rest:path}", heygen.answer)])) as url:
        heygen.url = url
        yield heygen
