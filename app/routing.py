"""How a body gets to an operation: nobody learns what is wrong with one before he has said who he is."""

from collections.abc import Callable, Coroutine
from email.message import Message as Headers
from typing import Any, Final

from fastapi import HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.types import Message, Receive

from app.errors import BodyTooLarge, UnsupportedMediaType
from app.security import DOORS

MAX_BODY_BYTES: Final = 1024 * 1024


class JsonRoute(APIRoute):
    """An operation whose body, where it takes one, is JSON (else 415) of at most 1 MiB (else 413).

    FastAPI's own `max_body_size` answers in plain text, outside of every layer.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's handler, which solves the dependencies, with the body watched on its way there."""
        handle = super().get_route_handler()
        takes_body = self.body_field is not None
        calls = {dependency.call for dependency in self.dependant.dependencies}
        doors = [door for door in DOORS if door in calls]

        async def handle_with_body(request: Request) -> Response:
            try:
                _check_length(request)
                if takes_body:
                    _check_media_type(request)
                return await handle(Request(request.scope, _limit(request.receive)))
            except (BodyTooLarge, UnsupportedMediaType, HTTPException, RequestValidationError):
                # FastAPI reads the body before it solves the dependencies: 401 and 403 go before what is wrong with it.
                for door in doors:
                    await door(request)
                raise

        return handle_with_body


def _check_length(request: Request) -> None:
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > MAX_BODY_BYTES:
        raise BodyTooLarge


def _check_media_type(request: Request) -> None:
    if request.headers.get("content-length", "0") == "0" and "transfer-encoding" not in request.headers:
        return  # no body: what is missing in it is the schema's to say
    headers = Headers()
    headers["content-type"] = request.headers.get("content-type", "")
    if headers.get_content_maintype() != "application" or not (
        headers.get_content_subtype() == "json" or headers.get_content_subtype().endswith("+json")
    ):
        raise UnsupportedMediaType


def _limit(receive: Receive) -> Receive:
    """Counts what comes in chunks, whose number no header says."""
    size = 0

    async def receive_some() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > MAX_BODY_BYTES:
            raise HTTPException(413)  # not BodyTooLarge: FastAPI lets nothing else through while it reads
        return message

    return receive_some
