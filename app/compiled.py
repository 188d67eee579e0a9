"""The fast path: operations that are compiled at start-up and dispatched before FastAPI's router.

It answers well-formed requests as FastAPI would, and leaves all others to FastAPI: an unknown path or parameter, a
value or a body that is not valid. No rule is written twice: docs/decisions/0008-operations-are-compiled.md.
"""

import re
from typing import Any, Final

from fastapi import Request, Response
from fastapi.datastructures import DefaultPlaceholder
from fastapi.routing import RouteContext, iter_route_contexts
from pydantic import BaseModel, ValidationError
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import AppError
from app.plans import BODY, REQUEST, RESPONSE, NotCompilableError, Plan, run
from app.problems import handle_app_error
from app.routing import JsonRoute

# FastAPI's handler limits what is larger (app/routing.py).
_MAX_BODY_BYTES: Final = 32 * 1024
_MAX_COMMAS: Final = 500
_MAX_LENGTH_DIGITS: Final = 6
_JSON: Final = frozenset({b"application/json", b"application/json; charset=utf-8"})


class CompiledOperations:
    """The innermost layer: answers what its table knows, and passes on everything else."""

    def __init__(self, app: ASGIApp, routes: list[BaseRoute]) -> None:
        """`routes`: all routes of the application."""
        self._app = app
        self._table: dict[tuple[str, int], list[tuple[re.Pattern[str], Operation | None]]] = {}
        for route in iter_route_contexts(routes):
            operation = compile_operation(route)
            for method in route.methods or ():
                # Routes that are not compiled as well: they precede later ones that match the same path.
                key = (method, (route.path_format or "").count("/"))
                self._table.setdefault(key, []).append((route.path_regex, operation))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not scope.get("root_path"):
            path = scope["path"]
            for pattern, operation in self._table.get((scope["method"], path.count("/")), ()):
                if match := pattern.match(path):
                    if operation is None:
                        break
                    rest = await operation.respond(match, scope, receive, send)
                    if rest is None:
                        return
                    receive = rest
                    break
        await self._app(scope, receive, send)


def compile_operation(route: RouteContext) -> "Operation | None":
    """Return the compiled operation, or None if only FastAPI can run it."""
    if not isinstance(route.original_route, JsonRoute):
        return None
    try:
        return Operation(route)
    except NotCompilableError:
        return None


class Operation:
    """An operation with its parameters, dependencies, body and response worked out."""

    def __init__(self, route: RouteContext) -> None:
        """Raise NotCompilableError if only FastAPI can run it."""
        has_body = not (route.response_class is Response and route.response_field is None)
        if has_body and not isinstance(route.response_class, DefaultPlaceholder):
            raise NotCompilableError
        self._route = route.original_route
        self._plan = Plan(route.dependant)
        self._handler = route.dependant.call
        self._status = route.status_code or 200
        self._response_field = route.response_field

    async def respond(
        self, match: re.Match[str], scope: Scope, receive: Receive, send: Send
    ) -> Receive | None:
        """Answer and return None, or return what FastAPI is to receive the body from."""
        plan = self._plan
        values = plan.read(match, scope)
        if values is None or not self._takes_body(scope):
            return receive
        scope["route"] = self._route
        request = values[REQUEST] = Request(scope, receive)
        try:
            await run(plan.before_body, values)
            if plan.body_model is not None:
                body, receive = await _read_body(receive)
                values[BODY] = _parse(plan.body_model, body)
                if values[BODY] is None:
                    return receive
                values[REQUEST] = Request(scope, receive)
                await run(plan.after_body, values)
            result = await self._handler(**{name: values[slot] for name, slot in plan.arguments})
        except AppError as error:
            result = await handle_app_error(request, error)
        if isinstance(result, Response):
            await result(scope, receive, send)
        else:
            await self._send(result, values[RESPONSE], send)
        return None

    def _takes_body(self, scope: Scope) -> bool:
        """Return whether the headers announce a small body of JSON, if the operation takes one."""
        length: bytes | None = None
        media_type = b""
        for name, value in reversed(scope["headers"]):  # the first of a name counts
            if name == b"content-length":
                length = value
            elif name == b"content-type":
                media_type = value.lower()
        if self._plan.body_model is None:
            return length is None or len(length) <= _MAX_LENGTH_DIGITS
        return (
            media_type in _JSON and length is not None and length.isdigit() and int(length) <= _MAX_BODY_BYTES
        )

    async def _send(self, result: Any, response: Response | None, send: Send) -> None:
        status, headers, body = self._status, [], b""
        if self._response_field is not None:
            body = self._response_field.serialize_json(result)
            headers = [
                (b"content-length", str(len(body)).encode()),
                (b"content-type", b"application/json"),
            ]
        if response is not None:
            status = response.status_code or status
            headers += response.raw_headers
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


async def _read_body(receive: Receive) -> tuple[bytes, Receive]:
    """Return the body, empty if the client is gone, and what receives it once more."""
    chunks = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return b"", receive
        chunks.append(message.get("body", b""))
        if not message.get("more_body", False):
            break
    body = b"".join(chunks)
    unread = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_again() -> Message:
        return unread.pop() if unread else await receive()

    return body, receive_again


def _parse(model: type[BaseModel], body: bytes) -> BaseModel | None:
    """Return the body, or None if it is not valid or has too many parts: FastAPI says what is wrong with it."""
    if body.count(b",") > _MAX_COMMAS:
        return None
    try:
        return model.model_validate_json(body)
    except ValidationError:
        return None
