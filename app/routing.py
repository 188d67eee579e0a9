"""Requests as operations document them: bodies are JSON of at most 1 MiB, and no query parameter is unknown.

Authentication and access errors take precedence over both.
"""

import json
from collections.abc import Callable, Coroutine, Iterable, Iterator
from contextlib import suppress
from email.message import Message as Headers
from typing import Any, Final, Self

from fastapi import Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.dependencies.utils import solve_dependencies
from fastapi.routing import APIRoute
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive

from app.errors import BodyTooLarge, InvalidRequest, MalformedJson, RequestTimeout, UnsupportedMediaType
from app.field_errors import FieldError, suggestion

MAX_BODY_BYTES: Final = 1024 * 1024
# Of one body; no schema has nearly as many.
_MAX_FIELDS: Final = 1000
# Commas and colons. A valid body has fewer: 5,000 in a script, and 16 KiB of provider_config at most.
_MAX_SEPARATORS: Final = 25_000
# Deep enough for the parser's recursion limit.
_START_BYTES: Final = 16 * 1024
_MAX_ERRORS: Final = 50


class JsonText(Response):
    """JSON that the database has written in the shape of the operation's response model."""

    media_type = "application/json"

    @classmethod
    def page(cls, items: Iterable[str], next_cursor: str | None) -> Self:
        """Return a page of a list; `items`: the JSON of each."""
        return cls(f'{{"items":[{",".join(items)}],"next_cursor":{json.dumps(next_cursor)}}}')


class JsonRoute(APIRoute):
    """An operation whose body, if it takes one, is JSON (else 415) of at most 1 MiB (else 413).

    A query parameter that it does not document is refused (422): a filter with a typing error would return everything.
    Like every 422, it takes precedence over the 404 of a content item: only access is checked first.

    FastAPI's own `max_body_size` responds in plain text, outside every layer.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return FastAPI's handler, which solves the dependencies, with body and query checked on its way there."""
        handle = super().get_route_handler()
        takes_body = self.body_field is not None
        dependencies = Dependant(dependencies=self.dependant.dependencies, path=self.path_format)
        parameters = frozenset(_query_parameters(self.dependant))

        async def handle_checked(request: Request) -> Response:
            if request.scope["query_string"] and (unknown := _unknown_parameters(request, parameters)):
                await _solve(dependencies, Request(request.scope, _limit(request.receive)))
                raise InvalidRequest(unknown)
            if takes_body or _is_too_long(request):
                # 401, 403 and 404 first, before a byte of the body is read.
                await _solve(dependencies, Request(request.scope, _receive_null))
            if _is_too_long(request):
                raise BodyTooLarge
            if takes_body:
                _check_media_type(request)
                request = Request(request.scope, _limit(request.receive))
                await _check_fields(request)
            return await handle(request)

        return handle_checked


def _query_parameters(dependant: Dependant) -> Iterator[str]:
    """Yield the names of the query parameters of an operation, its dependencies' included."""
    yield from (field.alias for field in dependant.query_params)
    for dependency in dependant.dependencies:
        yield from _query_parameters(dependency)


def _unknown_parameters(request: Request, known: frozenset[str]) -> list[FieldError]:
    unknown = [name for name in request.query_params if name not in known]
    return [_unknown_parameter(name, known) for name in unknown[:_MAX_ERRORS]]


def _unknown_parameter(name: str, known: frozenset[str]) -> FieldError:
    return FieldError.unknown(
        ("query", name), f"is not a parameter of this operation{suggestion(name, known)}"
    )


async def _solve(dependencies: Dependant, request: Request) -> None:
    await solve_dependencies(
        request=request,
        dependant=dependencies,
        async_exit_stack=request.scope["fastapi_inner_astack"],
        embed_body_fields=False,
    )


async def _receive_null() -> Message:
    """Stand in for a body that is invalid, or has been read already."""
    return {"type": "http.request", "body": b"null"}


async def _check_fields(request: Request) -> None:
    """Read the body, and refuse what cannot be valid before it costs more than it is worth.

    The schema lists each unknown field, at 2 µs each, and parsing a mebibyte of them takes as long as many requests.
    """
    try:
        body = await request.body()
    except ClientDisconnect:  # the log's status; a client that is still there has got its 408 (app/server.py)
        raise RequestTimeout from None
    if body.count(b",") + body.count(b":") > _MAX_SEPARATORS:
        if _is_too_deep(body):
            raise MalformedJson
        raise InvalidRequest.of("body", "has too many fields")
    with suppress(ValueError, RecursionError):  # FastAPI's handler names it
        parsed = await request.json()
        if isinstance(parsed, dict) and len(parsed) > _MAX_FIELDS:
            raise InvalidRequest.of("body", "has too many fields")


def _is_too_deep(body: bytes) -> bool:
    try:
        json.loads(body[:_START_BYTES])
    except RecursionError:
        return True
    except ValueError:  # cut off, as it has to be
        pass
    return False


def _is_too_long(request: Request) -> bool:
    length = request.headers.get("content-length", "")
    return length.isdecimal() and int(length) > MAX_BODY_BYTES


def _check_media_type(request: Request) -> None:
    if request.headers.get("content-length", "0") == "0" and "transfer-encoding" not in request.headers:
        return  # no body: the schema says what is missing
    headers = Headers()
    headers["content-type"] = request.headers.get("content-type", "")
    if headers.get_content_maintype() != "application" or not (
        headers.get_content_subtype() == "json" or headers.get_content_subtype().endswith("+json")
    ):
        raise UnsupportedMediaType


def _limit(receive: Receive) -> Receive:
    """Count the bytes of chunks, whose sum no header states."""
    size = 0

    async def receive_some() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > MAX_BODY_BYTES:
            raise BodyTooLarge
        return message

    return receive_some
