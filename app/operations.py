"""Health and metrics routes, for operators and orchestrators."""

import os
from pathlib import Path
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest, multiprocess
from pydantic import BaseModel, Field

from app.db import Database
from app.dependencies import provided
from app.errors import DatabaseUnavailable, NotReady
from app.openapi import OperationExample
from app.openapi_problems import problems
from app.readiness import Readiness

DatabaseDep = Annotated[Database, provided(Database)]
ReadinessDep = Annotated[Readiness, provided(Readiness)]

router = APIRouter(tags=["operations"])


class Live(BaseModel):
    """The process responds."""

    status: Literal["live"]


class Ready(BaseModel):
    """The service can do its work."""

    status: Literal["ready"]
    revision: str = Field(description="The database's revision")


EXAMPLES: Final = {
    "getLiveness": OperationExample(response={"status": "live"}),
    "getReadiness": OperationExample(
        response={"status": "ready", "revision": "20261124192700"},
        problems=(
            NotReady(
                "The database has revision none; this build needs 20261122201300: run `ai-avatar migrate`, "
                "as the owner."
            ),
        ),
    ),
    "getMetrics": OperationExample(
        response="# TYPE ai_avatar_event_streams gauge\nai_avatar_event_streams 3.0\n"
    ),
}


@router.get("/health/live")
async def get_liveness() -> Live:
    """Check whether the process responds."""
    return Live(status="live")


@router.get("/health/ready", responses=problems(DatabaseUnavailable, NotReady))
async def get_readiness(readiness: ReadinessDep) -> Ready:
    """Check whether the service can do its work.

    The database has at least the revision that this build needs, and SECRETS_KEYS opens the stored keys.
    """
    return Ready(status="ready", revision=await readiness.check())


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def get_metrics(db: DatabaseDep) -> Response:
    """Return the metrics in Prometheus's text format, added up over all workers."""
    db.note_use()
    registry = REGISTRY
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        _forget_dead_workers(Path(os.environ["PROMETHEUS_MULTIPROC_DIR"]))
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


def _forget_dead_workers(folder: Path) -> None:
    """Remove the live gauges of workers that were killed: each leaves its last values behind."""
    for path in folder.glob("gauge_live*_*.db"):
        pid = int(path.stem.rpartition("_")[2])
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            multiprocess.mark_process_dead(pid)  # type: ignore[no-untyped-call]
        except PermissionError:
            pass  # it lives
