"""How the arguments of an operation come about, worked out at start-up from what FastAPI knows of its signature."""

import inspect
import re
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final, get_args, get_origin
from urllib.parse import parse_qsl

from fastapi import Response
from fastapi.dependencies.models import Dependant
from fastapi.security.base import SecurityBase
from pydantic import BaseModel
from starlette.types import Scope

_MISSING: Final = object()
_NONE, REQUEST, RESPONSE, BODY = range(4)
"""The slots that every operation has; _NONE holds None."""

Arguments = list[tuple[str, int]]
"""A function's arguments: their names, and the slots that hold their values."""
Step = tuple[Callable[..., Awaitable[Any]], Arguments, int]
"""A dependency, its arguments, and the slot of its result."""


class NotCompilableError(Exception):
    """The operation needs something that only FastAPI does."""


class Plan:
    """The slots for all values of one operation, and what fills them."""

    def __init__(self, dependant: Dependant) -> None:
        """Raise NotCompilableError if the operation or a dependency needs what this does not know."""
        self.before_body: list[Step] = []
        self.after_body: list[Step] = []
        self._defaults: list[Any] = [None] * 4
        self._path: list[_Parameter] = []
        self._query: dict[str, list[_Parameter]] = {}
        self._headers: dict[bytes, list[_Parameter]] = {}
        self._required: list[int] = []
        self._slots: dict[Any, int] = {}
        self._from_body = {BODY}
        self._takes_response = False
        self.body_model = _body_model(dependant)
        self.arguments = self._arguments_of(dependant)

    def read(self, match: re.Match[str], scope: Scope) -> list[Any] | None:
        """Return the slots with a request's parameters, or None if one is unknown, missing or not valid."""
        values = self._defaults.copy()
        is_valid = (
            all(parameter.set(values, [match[parameter.alias]]) for parameter in self._path)
            and (not scope["query_string"] or self._read_query(scope["query_string"], values))
            and (not self._headers or self._read_headers(scope["headers"], values))
            and all(values[slot] is not _MISSING for slot in self._required)
        )
        if not is_valid:
            return None
        if self._takes_response:
            values[RESPONSE] = _empty_response()
        return values

    def _read_query(self, query: bytes, values: list[Any]) -> bool:
        given: dict[str, list[str]] = {}
        for name, value in parse_qsl(query.decode("latin-1"), keep_blank_values=True):
            given.setdefault(name, []).append(value)
        return all(
            name in self._query and all(parameter.set(values, texts) for parameter in self._query[name])
            for name, texts in given.items()
        )

    def _read_headers(self, headers: Iterable[tuple[bytes, bytes]], values: list[Any]) -> bool:
        # The first of a name counts: the last that is set here.
        return all(
            parameter.set(values, [value.decode("latin-1")])
            for name, value in reversed(list(headers))
            for parameter in self._headers.get(name, ())
        )

    def _arguments_of(self, dependant: Dependant) -> Arguments:
        _check(dependant)
        arguments = [(found.name, self._add_dependency(found)) for found in dependant.dependencies]
        for field in dependant.path_params:
            self._path.append(self._add_parameter(field))
            arguments.append((field.name, self._path[-1].slot))
        for field in dependant.query_params:
            parameter = self._add_parameter(field)
            self._query.setdefault(field.alias, []).append(parameter)
            arguments.append((field.name, parameter.slot))
        for field in dependant.header_params:
            parameter = self._add_parameter(field)
            self._headers.setdefault(field.alias.encode(), []).append(parameter)
            arguments.append((field.name, parameter.slot))
        arguments += [(field.name, BODY) for field in dependant.body_params]
        arguments.append((dependant.request_param_name, REQUEST))
        if dependant.response_param_name:
            self._takes_response = True
            arguments.append((dependant.response_param_name, RESPONSE))
        return [(name, slot) for name, slot in arguments if name]

    def _add_dependency(self, dependant: Dependant) -> int:
        call: Any = dependant.call
        if isinstance(call, SecurityBase):
            return _NONE  # for the OpenAPI document: the Authenticator reads the headers
        if call in self._slots:
            return self._slots[call]
        if dependant.scope or not dependant.use_cache:
            raise NotCompilableError
        arguments = self._arguments_of(dependant)
        slot = self._slots[call] = self._add_slot(None)
        if hasattr(call, "reads_body") or any(used in self._from_body for _, used in arguments):
            self._from_body.add(slot)
            self.after_body.append((call, arguments, slot))
        else:
            self.before_body.append((call, arguments, slot))
        return slot

    def _add_parameter(self, field: Any) -> "_Parameter":
        is_required = field.field_info.is_required()
        slot = self._add_slot(_MISSING if is_required else field.default)
        if is_required:
            self._required.append(slot)
        return _Parameter(field, slot)

    def _add_slot(self, default: Any) -> int:
        self._defaults.append(default)
        return len(self._defaults) - 1


class _Parameter:
    """A parameter of the path, the query or the headers."""

    def __init__(self, field: Any, slot: int) -> None:
        """`field`: FastAPI's, which validates it."""
        self.alias: str = field.alias
        self.slot = slot
        self._validate = field.validate
        annotation = field.field_info.annotation
        self._is_list = list in (get_origin(part) for part in (annotation, *get_args(annotation)))

    def set(self, values: list[Any], texts: list[str]) -> bool:
        """Put the value of the last of these texts, or of all for a list, into its slot; False if it is not valid."""
        values[self.slot], errors = self._validate(texts if self._is_list else texts[-1])
        return not errors


async def run(steps: list[Step], values: list[Any]) -> None:
    """Call dependencies in order."""
    for call, arguments, slot in steps:
        values[slot] = await call(**{name: values[used] for name, used in arguments})


def _check(dependant: Dependant) -> None:
    if (
        dependant.cookie_params
        or dependant.websocket_param_name
        or dependant.http_connection_param_name
        or dependant.background_tasks_param_name
        or dependant.security_scopes_param_name
        or dependant.concurrency
        or not inspect.iscoroutinefunction(dependant.call)
    ):
        raise NotCompilableError


def _body_model(dependant: Dependant) -> type[BaseModel] | None:
    """Return the model of the body, None for an operation without one."""
    if not dependant.body_params:
        return None
    [field, *further] = dependant.body_params
    model = field.field_info.annotation
    if further or not (isinstance(model, type) and issubclass(model, BaseModel)):
        raise NotCompilableError
    return model


def _empty_response() -> Response:
    """Return what an operation sets its headers and its status on, as FastAPI makes it."""
    response = Response()
    response.raw_headers.clear()
    response.status_code = None  # type: ignore[assignment]
    return response
