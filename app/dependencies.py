"""Services by type: a route asks for `Annotated[IntegrationService, provided(IntegrationService)]`."""

from collections.abc import Awaitable, Callable
from functools import cache
from typing import TypeVar, cast

from fastapi import Depends, FastAPI, Request
from fastapi.params import Depends as Dependency

T = TypeVar("T")
Dependable = TypeVar("Dependable", bound=Callable[..., Awaitable[object]])


class Services:
    """The services of one running application, one of each class."""

    def __init__(self, *services: object) -> None:
        self._by_type = {type(service): service for service in services}

    def __getitem__(self, kind: type[T]) -> T:
        """Return the service of exactly this class. Raises KeyError."""
        return cast(T, self._by_type[kind])

    def __setitem__(self, kind: type[T], service: T) -> None:
        """Replace a service."""
        self._by_type[kind] = service


def install_services(app: FastAPI, services: Services) -> None:
    """Make the services available to the application's routes."""
    app.state.services = services


def services_of(app: FastAPI) -> Services:
    """Return what `install_services` installed."""
    return cast(Services, app.state.services)


@cache  # so that FastAPI, which caches by callable, resolves each class once per request
def provided(kind: type[object]) -> Dependency:
    """Return the dependency that provides the service of this class."""

    async def provide(request: Request) -> object:
        return services_of(request.app)[kind]

    return cast(Dependency, Depends(provide))


def reads_body(call: Dependable) -> Dependable:
    """Mark a dependency that reads the request's body: a compiled operation calls it after all others."""
    call.reads_body = True  # type: ignore[attr-defined]
    return call
