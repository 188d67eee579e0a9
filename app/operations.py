"""Health and metrics routes, for operators and orchestrators."""

import os
from typing import Annotated, Final

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest, multiprocess

from app.db import Database, SqlFunction
from app.dependencies import provided
from app.errors import NotReady
from app.migrations import REQUIRED_REVISION
from app.openapi import problems

SCHEMA_REVISION: Final = SqlFunction("ai_avatar.schema_revision", {})

DatabaseDep = Annotated[Database, provided(Database)]

router = APIRouter(tags=["operations"])


@router.get("/health/live")
async def live() -> dict[str, str]:
    """The process responds."""
    return {"status": "live"}


@router.get("/health/ready", responses=problems(503))
async def ready(db: DatabaseDep) -> dict[str, str]:
    """The database is reachable and has at least the revision that this build needs."""
    try:
        revision = await db.call_value(SCHEMA_REVISION)
    except NotReady:
        revision = None
    if revision is None or revision < REQUIRED_REVISION:
        raise NotReady(
            f"The database has revision {revision or 'none'}; this build needs {REQUIRED_REVISION}: "
            "run `ai-avatar migrate`, as the owner."
        )
    return {"status": "ready", "revision": revision}


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
async def metrics() -> Response:
    """Metrics in Prometheus's text format, added up over all workers."""
    registry = REGISTRY
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)
