"""Health and metrics routes, for operators and orchestrators."""

import os
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest, multiprocess

from app.dependencies import provided
from app.openapi import problems
from app.readiness import Readiness

ReadinessDep = Annotated[Readiness, provided(Readiness)]

router = APIRouter(tags=["operations"])


@router.get("/health/live")
async def get_liveness() -> dict[str, str]:
    """The process responds."""
    return {"status": "live"}


@router.get("/health/ready", responses=problems(503))
async def get_readiness(readiness: ReadinessDep) -> dict[str, str]:
    """The database has at least the revision that this build needs, and SECRETS_KEYS opens the stored keys."""
    return {"status": "ready", "revision": await readiness.check()}


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
async def get_metrics() -> Response:
    """Metrics in Prometheus's text format, added up over all workers."""
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
