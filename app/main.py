"""Creates the application: its routers and middleware, nothing else."""

from importlib.metadata import version
from typing import Any, Final

from fastapi import APIRouter, FastAPI
from fastapi.middleware.cors import CORSMiddleware
from starlette.types import Lifespan

from app import operations
from app.compiled import CompiledOperations
from app.config import Settings, load_settings
from app.integrations import examples as integrations_examples
from app.integrations import router as integrations_router
from app.lifespan import create_lifespan
from app.logs import configure_logging
from app.middleware import HeadAsGet, RequestContext, UnexpectedErrors
from app.n8n import examples as n8n_examples
from app.n8n import router as n8n_router
from app.openapi import install_openapi, operation_id
from app.problems import install_error_handlers
from app.reference.router import create_router as create_reference_router
from app.security import ApiKeys
from app.settings_page.router import create_router as create_settings_router
from app.settings_page.router import describe_providers, loopback_origins
from app.shedding import AdmissionControl, LoadShedding
from app.videos import examples as videos_examples
from app.videos import router as videos_router
from app.videos.schemas import VideoEvent

_EXPOSED_HEADERS: Final = ("Location", "Retry-After", "X-Request-ID", "Idempotency-Replayed")


def from_environment() -> FastAPI:
    """Create the application as `ai-avatar serve` runs it, in each worker. Raises ConfigError."""
    settings = load_settings()
    configure_logging(settings.log_level, settings.log_format)
    return create_app(settings)


def create_app(settings: Settings) -> FastAPI:
    """Create the application; it connects to nothing before it is started."""
    control = AdmissionControl(
        limit=settings.concurrent_requests,
        limit_per_business=settings.concurrent_requests_per_business,
        is_n8n=ApiKeys(service=[], n8n=settings.n8n_api_keys).owner_of,
        problem_type_url=settings.problem_type_url,
        origins=settings.cors_origins,
        exposed_headers=_EXPOSED_HEADERS,
    )
    app = _create_api(create_lifespan(settings, control))
    # The last one added is the outermost.
    if settings.fast_path:
        app.add_middleware(CompiledOperations, routes=app.routes)
    app.add_middleware(LoadShedding, control=control)
    app.add_middleware(UnexpectedErrors)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "POST", "PATCH", "DELETE"],
            allow_headers=["Authorization", "Content-Type", "Idempotency-Key", "apikey"],
            expose_headers=_EXPOSED_HEADERS,
            max_age=600,
        )
    app.add_middleware(HeadAsGet)
    app.add_middleware(RequestContext, problem_type_url=settings.problem_type_url)
    api_urls = {name: provider.api_url for name, provider in settings.providers.items()}
    settings_router = create_settings_router(
        frame_ancestors=settings.frame_ancestors,
        media_sources=loopback_origins(api_urls.values()),
        providers=describe_providers(api_urls),
    )
    _include(app, settings_router, create_reference_router())
    return app


def openapi_document() -> dict[str, Any]:
    """Return the OpenAPI document, which depends on no setting."""
    return _create_api(None).openapi()


def _create_api(lifespan: Lifespan[FastAPI] | None) -> FastAPI:
    """Create an application with the documented operations, their errors and their document."""
    app = FastAPI(
        title="AI avatar integrations",
        version=version("ai-avatar"),
        lifespan=lifespan,
        redirect_slashes=False,
        # FastAPI's own OpenTelemetry looks for a provider in every request; logs and /metrics say what it would.
        telemetry={"tracing": False, "metrics": False, "logs": False},
        # Served by app.reference, with no file from another server.
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=operation_id,
    )
    install_error_handlers(app)
    app.webhooks.include_router(videos_router.webhooks)
    install_openapi(
        app,
        integrations_examples.EXAMPLES
        | videos_examples.EXAMPLES
        | n8n_examples.EXAMPLES
        | operations.EXAMPLES,
        models=[VideoEvent],
    )
    _include(
        app,
        videos_router.router,  # before integrations: in /integrations/ai-avatar/videos, "videos" is no business id
        integrations_router.router,
        n8n_router.router,
        operations.router,
    )
    return app


def _include(app: FastAPI, *routers: APIRouter) -> None:
    for router in routers:
        app.include_router(router)
        # Callers written against the original application use these paths.
        app.include_router(router, prefix="/api", include_in_schema=False)
