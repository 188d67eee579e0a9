"""The service in the test's own process, over ASGI, with everything behind it real."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from fastapi import FastAPI
from support.tenants import (
    JWT_SECRET,
    N8N_API_KEY,
    SECRETS_KEYS,
    SERVICE_API_KEY,
    WEBHOOK_SECRET,
    WEBHOOK_TOKEN,
)

from app.config import Settings
from app.main import create_app


def settings(database_url: str, **changes: Any) -> Settings:
    """The tests' settings, independent of the environment and `.env`."""
    values: dict[str, Any] = {
        "database_url": database_url,
        "database_pool_size": 20,
        "supabase_jwt_secret": JWT_SECRET,
        "n8n_api_key": N8N_API_KEY,
        "service_api_key": SERVICE_API_KEY,
        "secrets_keys": SECRETS_KEYS,
        "n8n_webhook_secret": WEBHOOK_SECRET,
        "n8n_webhook_token": WEBHOOK_TOKEN,
        "webhook_timeout_seconds": 2,
        "membership_cache_seconds": 0,
        "key_check_hours": 0,
        # FAST_PATH=0 runs the tests on FastAPI's own path (`make test-slow-path`).
        "fast_path": os.environ.get("FAST_PATH", "1"),
        "log_level": "debug",
        **changes,
    }
    return Settings(_env_file=None, **values)


@asynccontextmanager
async def running(app_settings: Settings) -> AsyncIterator[tuple[FastAPI, httpx.AsyncClient]]:
    """The application, started, and a client for it."""
    app = create_app(app_settings)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://service.test") as client:
            yield app, client
