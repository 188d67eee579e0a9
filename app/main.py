"""The application, put together: the only file that knows every router. Wiring and nothing else."""

import asyncio
import gc
import signal
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import timedelta
from importlib.metadata import version
from types import FrameType
from typing import Any

import aiohttp
import httpx
import structlog
from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from httpx_aiohttp import AiohttpTransport

from app import observability
from app.background import ShieldedTasks
from app.config import ConfigError, Settings, load_settings
from app.db import Database
from app.errors import AppError, install_error_handlers
from app.integrations import router as integrations_router
from app.integrations.catalogue import Catalogue
from app.integrations.repository import IntegrationRepository
from app.integrations.service import IntegrationService, KeyCipher
from app.n8n import router as n8n_router
from app.n8n.broker import Broker
from app.openapi import install_openapi
from app.providers import PROVIDERS
from app.security import Authenticator
from app.settings_page.router import create_router as create_settings_router
from app.settings_page.router import loopback_origins
from app.videos import router as videos_router
from app.videos.events import EventHub
from app.videos.maintenance import Maintenance
from app.videos.repository import GenerationRepository
from app.videos.service import VideoService
from app.videos.webhook import WebhookClient

log = structlog.get_logger(__name__)


def from_environment() -> FastAPI:
    """The service as `ai-avatar serve` runs it, in each worker. Raises ConfigError."""
    settings = load_settings()
    observability.configure_logging(settings.log_level, settings.log_format)
    return create_app(settings)


def create_app(settings: Settings) -> FastAPI:
    """The service."""
    app = FastAPI(
        title="AI avatar integrations",
        version=version("ai-avatar"),
        lifespan=_lifespan,
        redirect_slashes=False,
        openapi_tags=[
            {"name": "integrations", "description": "A business's connections to its providers"},
            {"name": "videos", "description": "Asking for videos and following them"},
            {"name": "n8n", "description": "What n8n's workflows ask for and report"},
            {"name": "operations", "description": "Health and metrics"},
        ],
    )
    app.state.settings = settings
    install_error_handlers(app)
    install_openapi(app)
    # The last one added is the outermost.
    app.add_middleware(observability.UnexpectedErrors)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "POST", "PATCH", "DELETE"],
            allow_headers=["Authorization", "Content-Type", "Idempotency-Key"],
            expose_headers=["Location", "Retry-After", "X-Request-ID", "Idempotency-Replayed"],
            max_age=600,
        )
    app.add_middleware(observability.RequestContext)
    # Videos first: /integrations/ai-avatar/videos is no business id.
    settings_router = create_settings_router(
        frame_ancestors=settings.frame_ancestors,
        media_sources=loopback_origins(provider.api_url for provider in settings.providers.values()),
    )
    for router in (
        videos_router.router,
        integrations_router.router,
        n8n_router.router,
        observability.router,
        settings_router,
    ):
        app.include_router(router)
        # As the original application had them.
        app.include_router(router, prefix="/api", include_in_schema=False)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    settings: Settings = app.state.settings
    await check_vault(settings)
    async with AsyncExitStack() as stack:
        db = Database(
            settings.database_url, pool_size=settings.database_pool_size, pooler=settings.database_pooler
        )
        await db.open()
        stack.push_async_callback(db.close)
        client = await stack.enter_async_context(_http_client(keep_alive=True))
        # A connection that n8n has closed meanwhile would look like a job that may have been started.
        webhook_client = await stack.enter_async_context(_http_client(keep_alive=False))
        _wire(app, settings, db, client, webhook_client)

        maintenance = asyncio.create_task(app.state.maintenance.run())
        stack.push_async_callback(_cancel, maintenance)
        # Webhook calls and videos that are being asked for come to their end; recovery repairs what does not.
        stack.push_async_callback(app.state.tasks.drain, _finish_seconds(settings))
        _close_on_signal(app.state.events)
        # What is alive now lives as long as the process: not looking at it again took the p99 from 30 to 6 ms
        # (facts.md, Speed).
        gc.collect()
        gc.freeze()
        gc.set_threshold(20_000)
        log.info("started")
        yield
        log.info("stopping")
        app.state.events.close()


def _finish_seconds(settings: Settings) -> float:
    """How long the process waits at its end: a webhook's budget, or a provider's create; and a database restart."""
    return max(settings.dispatch_timeout.total_seconds(), 60.0)


def _wire(
    app: FastAPI,
    settings: Settings,
    db: Database,
    client: httpx.AsyncClient,
    webhook_client: httpx.AsyncClient,
) -> None:
    state: Any = app.state
    providers = {
        name: spec.create(client, settings.providers[name].api_url) for name, spec in PROVIDERS.items()
    }
    integration_rows = IntegrationRepository(db)
    generation_rows = GenerationRepository(
        db, dispatch_timeout=settings.dispatch_timeout, generation_timeout=settings.generation_timeout
    )
    token = settings.n8n_webhook_token
    webhook = WebhookClient(
        webhook_client,
        secrets=settings.webhook_secrets,
        token=token.get_secret_value() if token else None,
        budget=settings.webhook_timeout_seconds,
    )
    state.db = db
    state.tasks = ShieldedTasks()
    state.authenticator = Authenticator(settings, db, client)
    state.integrations = IntegrationService(integration_rows, providers, KeyCipher(settings.key_ring))
    state.catalogue = Catalogue(state.integrations)
    state.videos = VideoService(
        generation_rows,
        state.integrations,
        webhook,
        {name: provider.webhook_url for name, provider in settings.providers.items() if provider.webhook_url},
        state.tasks,
    )
    state.events = EventHub(generation_rows)
    state.broker = Broker(generation_rows, state.integrations, state.tasks)
    state.maintenance = Maintenance(
        generation_rows, integration_rows, timedelta(days=settings.secret_reads_retention_days)
    )


@asynccontextmanager
async def _http_client(*, keep_alive: bool) -> AsyncIterator[httpx.AsyncClient]:
    """One per process and kind: httpx on aiohttp's transport, a third of the cost of its own (facts.md, Speed)."""

    def session() -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            limit=100, ssl=ssl.create_default_context(), force_close=not keep_alive
        )
        return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())

    async with httpx.AsyncClient(transport=AiohttpTransport(client=session)) as client:
        yield client


async def check_vault(settings: Settings) -> None:
    """Without SECRETS_KEYS keys are stored as they come: only a vault that encrypts may get them.

    Raises ConfigError.
    """
    if settings.secrets_keys is not None:
        return
    db = Database(settings.database_url, pool_size=1, pooler=settings.database_pooler)
    await db.open()
    missing = (
        "SECRETS_KEYS: is required unless the database has Supabase Vault: `ai-avatar secrets generate-key`"
    )
    try:
        encrypts = await IntegrationRepository(db).vault_encrypts()
    except AppError as error:
        raise ConfigError(
            f"{missing}; whether this database has it cannot be asked ({error.detail})"
        ) from error
    finally:
        await db.close()
    if not encrypts:
        raise ConfigError(f"{missing} makes one")


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


def _close_on_signal(events: EventHub) -> None:
    """Event streams would keep uvicorn waiting for their end: on SIGTERM they end first."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        before = signal.getsignal(number)
        if not callable(before):
            continue

        def handle(received: int, frame: FrameType | None, before: Any = before) -> None:
            loop.call_soon_threadsafe(events.close)
            before(received, frame)

        with suppress(ValueError):  # not the main thread: a test's server, which gets no signals
            signal.signal(number, handle)
