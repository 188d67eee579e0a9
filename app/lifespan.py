"""The application's life: check the vault, open, wire and start its parts; on shutdown, drain and close them."""

import asyncio
import gc
import multiprocessing
import os
import signal
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from types import FrameType
from typing import Any

import httpx
import structlog
from fastapi import FastAPI

from app.background import ShieldedTasks
from app.config import ConfigError, Settings
from app.db import Database
from app.dependencies import Services, install_services
from app.errors import AppError, DatabaseUnavailable
from app.http import create_client, create_transport
from app.integrations.accounts import Accounts
from app.integrations.catalogue import Catalogue
from app.integrations.key_health import KeyHealth
from app.integrations.repository import IntegrationRepository
from app.integrations.secret_repository import SecretRepository
from app.integrations.service import IntegrationService, KeyCipher
from app.memberships import Memberships
from app.n8n.broker import Broker
from app.n8n.repository import ClaimRepository
from app.providers import PROVIDERS
from app.readiness import Readiness
from app.security import Authenticator
from app.shedding import AdmissionControl
from app.videos.checks import VideoChecks
from app.videos.content_repository import ContentRepository
from app.videos.events import EventHub, EventTiming
from app.videos.gauges import Gauges
from app.videos.maintenance import Maintenance
from app.videos.repository import GenerationRepository
from app.videos.service import VideoService
from app.videos.webhook import WebhookClient

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Clients:
    """The HTTP clients, one for each kind of server, so that a slow one does not keep the others waiting."""

    jwks: httpx.AsyncClient
    providers: httpx.AsyncClient
    webhook: httpx.AsyncBaseTransport


def create_lifespan(
    settings: Settings, control: AdmissionControl
) -> Callable[[FastAPI], AbstractAsyncContextManager[dict[str, Any]]]:
    """Return the lifespan of an application with these settings. Starting it raises ConfigError.

    Its state gives `control` to the server's protocol, which refuses some requests itself (app/server.py).
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
        async with AsyncExitStack() as stack:
            db = Database(
                settings.database_url, pool_size=settings.database_pool_size, pooler=settings.database_pooler
            )
            await db.open()
            stack.push_async_callback(db.close)
            if unknown := await _check_vault(settings, db):
                log.warning("sealing_keys_not_checked", code=unknown.code, detail=unknown.detail)
            # docs/decisions/0004-connections-are-not-reused.md
            clients = Clients(
                jwks=await stack.enter_async_context(create_client(keep_alive=True)),
                providers=await stack.enter_async_context(create_client(keep_alive=False)),
                webhook=await stack.enter_async_context(create_transport(keep_alive=False)),
            )
            services = _wire(settings, db, clients)
            install_services(app, services)

            for background in (
                services[Maintenance].run(),
                services[KeyHealth].run(),
                services[VideoChecks].run(),
                services[Gauges].run(),
            ):
                stack.push_async_callback(_cancel, asyncio.create_task(background))
            # Webhook calls and creates in flight finish here; maintenance repairs those that do not.
            stack.push_async_callback(services[ShieldedTasks].drain, drain_seconds(settings))
            _close_on_signal(services[EventHub])
            _end_with_parent()
            # docs/decisions/0007-database-driver-http-transport-and-gc.md
            gc.collect()
            gc.freeze()
            gc.set_threshold(20_000)
            log.info("started")
            yield {"admission_control": control}
            log.info("stopping")
            services[EventHub].close()

    return lifespan


def drain_seconds(settings: Settings) -> float:
    """Return how long shutdown waits: for a webhook's budget, or a provider's create and a database restart."""
    return max(settings.dispatch_timeout.total_seconds(), 60.0)


def _wire(settings: Settings, db: Database, clients: Clients) -> Services:
    keys = KeyCipher(settings.key_ring)
    tasks = ShieldedTasks()
    providers = {
        name: spec.create(clients.providers, settings.providers[name].api_url)
        for name, spec in PROVIDERS.items()
    }
    token = settings.n8n_webhook_token
    webhook = WebhookClient(
        clients.webhook,
        secrets=settings.webhook_secrets,
        token=token.get_secret_value() if token else None,
        budget=settings.webhook_timeout_seconds,
    )
    webhook_urls = {
        name: provider.webhook_url for name, provider in settings.providers.items() if provider.webhook_url
    }
    claims = ClaimRepository(db, generation_timeout=settings.generation_timeout)
    generations = GenerationRepository(
        db, dispatch_timeout=settings.dispatch_timeout, generation_timeout=settings.generation_timeout
    )
    memberships = Memberships(db, cache_seconds=settings.membership_cache_seconds)
    streams = EventTiming(
        max_streams_per_user=settings.event_streams_per_user,
        max_streams_per_business=settings.event_streams_per_business,
    )
    integration_repository = IntegrationRepository(db)
    integrations = IntegrationService(integration_repository, providers, keys)
    checks = VideoChecks(generations, integrations)
    return Services(
        db,
        keys,
        tasks,
        claims,
        generations,
        ContentRepository(db),
        integration_repository,
        integrations,
        memberships,
        Readiness(db, settings.key_ring),
        checks,
        Authenticator(settings, memberships, clients.jwks),
        Broker(claims, generations, integrations, checks, tasks),
        Accounts(integrations),
        Catalogue(integrations),
        EventHub(generations, memberships, streams),
        Gauges(generations, db),
        KeyHealth(integrations, settings.key_check_period),
        Maintenance(generations, SecretRepository(db), timedelta(days=settings.secret_reads_retention_days)),
        VideoService(
            generations,
            integrations,
            checks,
            webhook,
            webhook_urls,
            tasks,
            webhook_timeout=settings.webhook_timeout_seconds,
        ),
    )


async def check_vault(settings: Settings) -> None:
    """Raise ConfigError in the process that starts the service, where it is one sentence and no worker's traceback.

    What it logs of the database is left to the service itself, which looks again at once.
    """
    db = Database(settings.database_url, pool_size=1, pooler=settings.database_pooler, logs_outages=False)
    await db.open()
    try:
        await _check_vault(settings, db)
    finally:
        await db.close()


async def _check_vault(settings: Settings, db: Database) -> AppError | None:
    """Check that SECRETS_KEYS opens the stored keys, and that without it a real Supabase Vault encrypts them.

    Raises ConfigError, and without SECRETS_KEYS also if the database does not answer. With it, the service starts
    before its database, and readiness checks the keys: returns why they could not be checked.
    """
    has_keys = settings.secrets_keys is not None
    missing = (
        "SECRETS_KEYS is required unless the database has Supabase Vault: `ai-avatar secrets generate-key`"
    )
    try:
        wrong = await Readiness(db, settings.key_ring).find_wrong_keys()
        encrypts = has_keys or await SecretRepository(db).vault_encrypts()
    except AppError as error:
        cause = db.explain(error) if isinstance(error, DatabaseUnavailable) else error
        if has_keys:
            return cause
        raise ConfigError(f"{missing}. Whether this database has it is not known: {cause.detail}") from error
    if wrong:
        raise ConfigError("\n".join(wrong.values()))
    if not encrypts:
        raise ConfigError(f"{missing} makes one")
    return None


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


def _close_on_signal(events: EventHub) -> None:
    """On SIGTERM and SIGINT, end event streams first: uvicorn would wait for their end."""
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


def _end_with_parent() -> None:
    """In a worker of `serve --workers`, shut down when the parent process is gone, even after SIGKILL.

    uvicorn's workers would go on serving, and nothing would restart or stop them.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def wait() -> None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="parent-watch", daemon=True).start()
